//! Which events reach twilight, and does none of them bring it down?

use std::{collections::BTreeMap, error::Error as _, fs, path::Path, thread};

use serde_json::{Value, json};
use twilight_model::gateway::event::{Event, EventType};

use super::DEPTH_MAX;
use crate::{error::ErrorKind, shard::Frame};

/// The texts of a folder's frames, by the names of their files.
fn frames(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = files.map(|file| {
        let name = file.file_name().into_string().unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        (name.trim_end_matches(".json").to_owned(), text)
    });
    named.collect()
}

/// Our own frames, with all variants.
fn all_own_frames() -> BTreeMap<String, String> {
    frames(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events/frames"))
}

/// Our own frame of each event, in which all documented fields are.
fn own_frames() -> BTreeMap<String, String> {
    let mut frames = all_own_frames();
    // A variant's name goes on after that of its event.
    frames.retain(|name, _| !name.contains('.'));
    assert_eq!(frames.len(), 79);
    frames
}

/// The frame of a payload.
fn frame(name: &str, data: impl std::fmt::Display) -> String {
    format!(r#"{{"t":"{name}","s":7,"op":0,"d":{data}}}"#)
}

/// What twilight-model makes of a frame: the event, or why not.
fn read(text: &str) -> Result<Event, String> {
    let frame = Frame::from_text(text).expect("a frame");
    frame.to_twilight().map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Event);
        assert_eq!(error.event_name(), frame.event_name().as_deref());
        assert_eq!(error.seq(), frame.seq());
        let source = error.source();
        source.map_or_else(|| error.to_string(), ToString::to_string)
    })
}

const UNKNOWN: &str = "twilight-model has no event of this name";

/// The events of our own frames that do not reach twilight, and why.
const LACKING: &[(&str, &str)] = &[
    ("CHANNEL_INFO", UNKNOWN),
    // Its changes of some keys need both values, of which Discord sends one.
    (
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        "changes: missing field `new_value`",
    ),
    // Of what was not found it takes ids only; any text that a bot asked for comes back.
    ("GUILD_MEMBERS_CHUNK", "not_found[1]: found string"),
    // Of avatar decorations it takes those that are named by a hash, which newer ones are not.
    ("GUILD_MEMBER_ADD", "found a value"),
    ("GUILD_SOUNDBOARD_SOUNDS_UPDATE", UNKNOWN),
    ("GUILD_SOUNDBOARD_SOUND_CREATE", UNKNOWN),
    ("GUILD_SOUNDBOARD_SOUND_DELETE", UNKNOWN),
    ("GUILD_SOUNDBOARD_SOUND_UPDATE", UNKNOWN),
    // It needs a member's `pending` and a user's `public_flags`, which are documented as optional.
    ("INTERACTION_CREATE", "missing field `pending`"),
    ("MESSAGE_CREATE", "missing field `public_flags`"),
    ("SOUNDBOARD_SOUNDS", UNKNOWN),
    ("VOICE_CHANNEL_EFFECT_SEND", UNKNOWN),
    ("VOICE_CHANNEL_START_TIME_UPDATE", UNKNOWN),
    ("VOICE_CHANNEL_STATUS_UPDATE", UNKNOWN),
];

/// Goal: every event that twilight-model takes reaches it, and the others are named.
#[test]
fn own_frames_reach_twilight_but_for_those_of_the_table() {
    let frames = own_frames();
    let mut failed = Vec::new();
    for (name, text) in &frames {
        match read(text) {
            Ok(event) => {
                let kind = EventType::try_from(name.as_str());
                assert!(kind.is_err() || kind == Ok(event.kind()), "{name}");
            }
            Err(problem) => failed.push((name.as_str(), problem)),
        }
    }
    let lacking = LACKING.iter().map(|(name, why)| (*name, (*why).to_owned()));
    assert_eq!(failed, lacking.collect::<Vec<_>>());
}

/// Captures from before 2024, by what is after the event's name in their file's name: of these
/// twilight-model misses fields that Discord has added since.
const OLD: &[&str] = &["discord-payloads", "discordbm", "disgord", "hikari"];

#[test]
fn captured_frames_reach_twilight_but_for_the_old_and_the_unknown() {
    let Some(root) = std::env::var_os("SHARDSTREAM_FIXTURES") else {
        println!("SHARDSTREAM_FIXTURES is not set: no captured frames were read");
        return;
    };
    let frames = frames(&Path::new(&root).join("discord"));
    let (mut old, mut unknown, mut failed) = (0, 0, Vec::new());
    for (file, text) in &frames {
        let collection = file.split('.').nth(1).unwrap();
        match read(text) {
            Ok(_) => {}
            Err(problem) if problem == UNKNOWN => unknown += 1,
            Err(_) if OLD.contains(&collection) => old += 1,
            Err(problem) => failed.push((file, problem)),
        }
    }
    let reached = frames.len() - old - unknown - failed.len();
    println!(
        "{reached} of {}, {old} old, {unknown} unknown",
        frames.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!((frames.len(), reached, old, unknown), (241, 197, 41, 3));
}

/// Goal: payloads at which twilight-model panics are errors, those next to them are events.
#[test]
fn what_twilight_would_panic_at_is_an_error() {
    let frames = own_frames();
    let own = |name: &str| {
        let mut frame: Value = serde_json::from_str(&frames[name]).unwrap();
        frame["d"].take()
    };
    let event = own("GUILD_SCHEDULED_EVENT_CREATE");
    let mut reaction = own("MESSAGE_REACTION_ADD");
    let mut rules = Vec::new();
    for (key, values, fits) in [
        ("by_month", [1, 12], true),
        ("by_month", [1, 0], false),
        ("by_month", [13, 12], false),
        ("by_month", [-1, 1], false),
        ("by_weekday", [0, 6], true),
        ("by_weekday", [7, 0], false),
        ("by_weekday", [0, 255], false),
    ] {
        rules.push((key, json!(values), fits));
    }
    for (day, fits) in [(0, true), (6, true), (7, false), (200, false)] {
        rules.push(("by_n_weekday", json!([{"n": 1, "day": day}]), fits));
    }
    for (key, value, fits) in rules {
        let mut rule = json!({
            "start": "2026-03-14T15:09:26+00:00", "end": null, "frequency": 1, "interval": 1,
            "by_weekday": null, "by_n_weekday": null, "by_month": null, "by_month_day": null,
            "by_year_day": null, "count": null
        });
        rule[key] = value;
        let mut event = event.clone();
        event["recurrence_rule"] = rule.clone();
        let event = event.to_string();
        let escaped = event.replace("\"by_", "\"b\\u0079_");
        let mut guild = own("GUILD_CREATE");
        guild["guild_scheduled_events"][0]["recurrence_rule"] = rule.clone();
        for (name, data) in [
            ("GUILD_SCHEDULED_EVENT_CREATE", event.clone()),
            ("GUILD_SCHEDULED_EVENT_UPDATE", escaped),
            ("GUILD_SCHEDULED_EVENT_DELETE", event),
            ("GUILD_CREATE", guild.to_string()),
        ] {
            let read = read(&frame(name, &data));
            assert_eq!(read.is_ok(), fits, "{name} {rule}: {read:?}");
        }
    }
    for (colour, fits) in [("#12abEF", true), ("#é1", false), ("#aé1234", false)] {
        reaction["burst_colors"] = json!(["#000000", colour]);
        let read = read(&frame("MESSAGE_REACTION_ADD", &reaction));
        assert_eq!(read.is_ok(), fits, "{colour}: {read:?}");
    }
}

/// Goal: no value at any place panics. Method: each value of each of our own frames in turn becomes
/// one that types of that kind may stumble on.
#[test]
fn no_value_anywhere_brings_twilight_down() {
    fn for_each(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|v| for_each(v, change)),
            Value::Array(items) => items.iter_mut().for_each(|v| for_each(v, change)),
            _ => change(value),
        }
    }
    let bad = [
        json!(-1),
        json!(255),
        json!(u64::MAX),
        json!(1e300),
        json!("#a\u{e9}1234"),
        json!("9999-12-31T23:59:60-23:59"),
        json!("0"),
        json!([0, 65535]),
    ];
    let (mut events, mut errors) = (0, 0);
    for (file, text) in all_own_frames() {
        let name = file.split('.').next().unwrap();
        let mut whole: Value = serde_json::from_str(&text).unwrap();
        let mut count = 0;
        for_each(&mut whole["d"], &mut |_| count += 1);
        for target in 0..count {
            // Each place meets two of them; what is alike comes often enough to meet them all.
            for bad in [&bad[target % bad.len()], &bad[(target / 2 + 3) % bad.len()]] {
                let mut changed = whole["d"].clone();
                let mut at = 0;
                for_each(&mut changed, &mut |value| {
                    if at == target {
                        *value = bad.clone();
                    }
                    at += 1;
                });
                match read(&frame(name, &changed)) {
                    Ok(_) => events += 1,
                    Err(_) => errors += 1,
                }
            }
        }
    }
    println!("{events} events, {errors} errors");
    assert!(events > 300 && errors > 1000, "{events} {errors}");
}

/// Goal: messages in messages end before the stack does. Method: as deep as is taken, on the stack
/// that a runtime's thread has by default, and one deeper.
#[test]
fn nesting_ends_before_the_stack_does() {
    let mut inner: Value = serde_json::from_str(&own_frames()["MESSAGE_UPDATE"]).unwrap();
    let mut message = inner["d"].take();
    message["timestamp"] = json!("2026-01-01T00:00:00+00:00");
    for list in ["attachments", "embeds", "mentions", "mention_roles"] {
        message[list] = json!([]);
    }
    let nested = |depth: u8| {
        let mut text = json!({}).to_string();
        for level in 0..depth {
            let mut outer = message.clone();
            if level > 0 {
                outer["referenced_message"] = Value::Null;
            }
            let outer = outer.to_string();
            text = match level {
                0 => outer,
                _ => outer.replacen(
                    "\"referenced_message\":null",
                    &format!("\"referenced_message\":{text}"),
                    1,
                ),
            };
        }
        frame("MESSAGE_CREATE", text)
    };
    // What the message itself has inside is deeper by so much.
    let own = deepest(&message) - 1;
    for (depth, fits) in [(DEPTH_MAX - own, true), (DEPTH_MAX - own + 1, false)] {
        let text = nested(depth);
        let reader = thread::Builder::new().stack_size(2 << 20);
        let read = reader.spawn(move || read(&text).map(|_| ())).unwrap();
        let read = read.join().unwrap();
        assert_eq!(read.is_ok(), fits, "{depth}: {read:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&frame("RESUMED", deep)).is_err());
}

fn deepest(value: &Value) -> u8 {
    match value {
        Value::Object(fields) => 1 + fields.values().map(deepest).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(deepest).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn errors_hold_nothing_of_the_payload() {
    let canary = "CANARY`, expected CANARY";
    let mut errors = 0;
    for name in own_frames().keys().chain([&canary.to_owned()]) {
        for data in [
            json!(canary),
            json!({ canary: canary }),
            json!({"id": canary, "guild_id": canary, "user": {"id": canary}}),
        ] {
            let text = json!({"t": name, "s": 7, "op": 0, "d": data}).to_string();
            if let Err(error) = Frame::from_text(text.as_str())
                .expect("a frame")
                .to_twilight()
            {
                errors += 1;
                let source = error.source().map(ToString::to_string);
                let shown = format!("{error} {source:?}");
                assert!(!shown.contains("CANARY"), "{name}: {shown}");
            }
        }
    }
    assert!(errors > 200, "{errors}");
}

/// What is behind the data does not matter, nor does where the name is.
#[test]
fn the_envelope_may_be_in_any_order() {
    for text in [
        r#"{"op":0,"d":{"guild_id":"1","channel_id":"2"},"z":{"a":[1]},"t":"WEBHOOKS_UPDATE"}"#,
        r#"{"t":"WEBHOOKS_\u0055PDATE","d":{"guild_id":"1","channel_id":"2"},"op":0}"#,
    ] {
        assert!(matches!(read(text), Ok(Event::WebhooksUpdate(_))), "{text}");
    }
}
