//! Does each of QQ's events decode, whatever else is in its frame?
//!
//! Walks the rows of the events table: each has a frame of its own in `frames/`, written from the
//! protocol with invented content. What the service is known to write in another form than
//! documented has its row in `traps.rs`.

#![cfg(feature = "qq")]
#![allow(
    clippy::unwrap_used,
    reason = "what cannot go on fails the test, also in its helpers"
)]

mod traps;

use std::{collections::BTreeSet, env, fs, path::Path};

use serde_json::{Map, Value, json};
use shardstream::{
    platform::{DecodeError, Platform},
    qq::{Event, EventKind, QQ, model::Timestamp},
};

fn decode(name: &str, data: &Value) -> Result<Event, DecodeError> {
    QQ::decode(name, &data.to_string())
}

/// What the event would be on the wire.
fn written(event: &Event) -> Value {
    serde_json::from_str(&event.data().unwrap()).unwrap()
}

fn read_frame(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn own_frames() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qq/frames")
}

/// The payload of the frame that the row of `kind` has in `frames/`.
fn own_payload(kind: EventKind) -> Value {
    let mut frame = read_frame(&own_frames().join(format!("{}.json", kind.name())));
    assert_eq!(frame["t"], kind.name());
    assert_eq!(frame["op"], 0);
    frame["d"].take()
}

#[test]
fn each_event_has_a_frame_and_a_page_and_no_frame_is_left_over() {
    let files = fs::read_dir(own_frames()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    let frames: BTreeSet<_> = files.collect();
    let rows = EventKind::ALL.iter().map(|kind| kind.name().to_owned());
    assert_eq!(frames, rows.collect());
    for kind in EventKind::ALL {
        assert!(
            kind.page()
                .starts_with("https://bot.q.qq.com/wiki/develop/")
        );
    }
}

/// Goal: nothing documented is lost. Method: the frames hold every field that the types have, in
/// its documented form, so that what is written must be what was read.
#[test]
fn each_event_is_written_as_it_was_read() {
    for kind in EventKind::ALL {
        let payload = own_payload(*kind);
        let event = decode(kind.name(), &payload).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        assert_eq!(event.kind(), *kind);
        assert_same(&payload, &written(&event), kind.name());
        let again = decode(kind.name(), &written(&event)).unwrap();
        assert_eq!(again, event);
        let guild = match kind.name() {
            "GUILD_CREATE" | "GUILD_UPDATE" | "GUILD_DELETE" => payload.get("id"),
            name if name.contains("MESSAGE_DELETE") => payload["message"].get("guild_id"),
            _ => payload.get("guild_id"),
        };
        assert_eq!(
            event.guild_id().map(|id| id.to_string()).as_deref(),
            guild.map(|id| id.as_str().unwrap()),
            "{kind:?}"
        );
    }
}

/// Compares place by place, so that a difference is named. Times may differ in their offset.
fn assert_same(read: &Value, written: &Value, place: &str) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            for (key, value) in read {
                let place = format!("{place}.{key}");
                let other = written
                    .get(key)
                    .unwrap_or_else(|| panic!("{place} was lost"));
                assert_same(value, other, &place);
            }
            for key in written.keys() {
                assert!(read.contains_key(key), "{place}.{key} was made up");
            }
        }
        (Value::Array(read), Value::Array(written)) => {
            assert_eq!(read.len(), written.len(), "{place}");
            for (index, (value, other)) in read.iter().zip(written).enumerate() {
                assert_same(value, other, &format!("{place}[{index}]"));
            }
        }
        (Value::String(read), Value::String(written)) => {
            let time = |text: &str| text.parse::<Timestamp>().ok();
            let same_time = time(read).is_some() && time(read) == time(written);
            assert!(same_time || read == written, "{place}: {read}, {written}");
        }
        _ => assert_eq!(read, written, "{place}"),
    }
}

/// Fields that are kept as JSON text: whatever is in them comes back as it was sent.
const RAW: &[&str] = &["ark", "channels", "content", "embeds", "fields", "title"];

/// Calls `change` on each value of a payload that is no list, from the bottom up.
fn for_each_value(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(key, _)| !RAW.contains(&key.as_str()))
            .for_each(|(_, value)| for_each_value(value, change)),
        Value::Array(items) => items.iter_mut().for_each(|v| for_each_value(v, change)),
        _ => {}
    }
    if !value.is_array() {
        change(value);
    }
}

/// Goal: what QQ adds is no error and changes nothing. Method: fields of every JSON type are put
/// into every object of every frame, which must still be read as the same event.
#[test]
fn unknown_fields_change_nothing() {
    for kind in EventKind::ALL {
        let payload = own_payload(*kind);
        let mut grown = payload.clone();
        for_each_value(&mut grown, &mut |value| {
            if let Value::Object(fields) = value {
                add_unknown(fields);
            }
        });
        assert_eq!(
            decode(kind.name(), &grown).unwrap(),
            decode(kind.name(), &payload).unwrap(),
            "{kind:?}"
        );
    }
}

fn add_unknown(fields: &mut Map<String, Value>) {
    let unknown = json!({
        "zz_null": null, "zz_bool": true, "zz_int": -1, "zz_float": 1e300, "zz_text": "\u{1F6A4}",
        "zz_list": [[], {}, [1]], "zz_object": {"id": {"type": []}}, "": 0, "\u{e9}\"\\": 0
    });
    let Value::Object(unknown) = unknown else {
        unreachable!("written as an object above");
    };
    fields.extend(unknown);
}

/// The fields that say what an event is about; without them it is an error.
const WANTED: &[&str] = &[
    "channel_id",
    "group_openid",
    "guild_id",
    "id",
    "openid",
    "user_openid",
];

/// Goal: one bad field costs no event. Method: each field of each frame in turn is absent, `null`
/// or of each other type. Only ids may make a difference, and all else must be read as before.
#[test]
fn one_bad_field_costs_no_event() {
    let bad = [
        None,
        Some(Value::Null),
        Some(json!("")),
        Some(json!("\u{9891}\u{9053}")),
        Some(json!(-7)),
        Some(json!(1.5)),
        Some(json!(u64::MAX)),
        Some(json!(true)),
        Some(json!([])),
        Some(json!([null, 1, "x", {}, []])),
        Some(json!({})),
        Some(json!({"id": null, "type": [], "timestamp": {}})),
    ];
    let mut decoded = 0;
    for kind in EventKind::ALL {
        let Value::Object(payload) = own_payload(*kind) else {
            continue;
        };
        for (key, bad) in payload
            .keys()
            .flat_map(|key| bad.iter().map(move |bad| (key, bad)))
        {
            let mut fields = payload.clone();
            match bad {
                Some(bad) => fields.insert(key.clone(), bad.clone()),
                None => fields.remove(key),
            };
            let result = decode(kind.name(), &Value::Object(fields));
            if !WANTED.contains(&key.as_str()) {
                assert!(result.is_ok(), "{kind:?} with {key} {bad:?}: {result:?}");
            }
            decoded += usize::from(result.is_ok());
        }
    }
    assert!(decoded > 3000, "only {decoded}");
}

/// Goal: new numbers and texts of enumerations are data. Method: the fields that hold them, by
/// name, get values that no version knows, and must be written back.
#[test]
fn unknown_values_are_kept() {
    const NUMBERS: &[&str] = &[
        "channel_type",
        "chat_type",
        "message_type",
        "op",
        "private_type",
        "speak_permission",
        "sub_type",
        "type",
    ];
    const TEXTS: &[&str] = &["apply_source", "member_role", "scope"];
    let mut changed = 0;
    for kind in EventKind::ALL {
        let mut payload = own_payload(*kind);
        for_each_value(&mut payload, &mut |value| {
            let Value::Object(fields) = value else { return };
            for (key, value) in fields {
                *value = match value {
                    Value::Number(_) if NUMBERS.contains(&key.as_str()) => json!(4_000_000_000_u32),
                    Value::String(_) if TEXTS.contains(&key.as_str()) => json!("zz_new"),
                    _ => continue,
                };
                changed += 1;
            }
        });
        let event = decode(kind.name(), &payload).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        assert_same(&payload, &written(&event), kind.name());
    }
    assert!(changed > 40, "only {changed} values were changed");
}

/// Goal: an error says nothing of the payload. Method: every value of every frame in turn becomes
/// a text, then an object, that must not be in the error.
#[test]
fn decode_errors_hold_nothing_of_the_payload() {
    let canary = "CANARY, expected CANARY at line 1 column 1";
    let mut errors = 0;
    for kind in EventKind::ALL {
        let payload = own_payload(*kind);
        let mut count = 0;
        for_each_value(&mut payload.clone(), &mut |_| count += 1);
        for bad in [json!(canary), json!({ (canary): canary }), json!([canary])] {
            for target in 0..count {
                let mut payload = payload.clone();
                let mut at = 0;
                for_each_value(&mut payload, &mut |value| {
                    if at == target {
                        *value = bad.clone();
                    }
                    at += 1;
                });
                if let Err(error) = decode(kind.name(), &payload) {
                    errors += 1;
                    let shown = format!("{error} {error:?}");
                    assert!(!shown.contains("CANARY"), "{kind:?}: {shown}");
                }
            }
        }
    }
    assert!(errors > 300, "only {errors} errors were seen");
}

/// Goal: a frame cut anywhere, or with a byte changed, is an error or an event, never a panic.
#[test]
fn broken_frames_never_panic() {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for kind in EventKind::ALL {
        let text = own_payload(*kind).to_string();
        for _ in 0..50 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut bytes = text.clone().into_bytes();
            let at = usize::try_from(random % bytes.len() as u64).unwrap();
            bytes[at] = b"\"{}[],:0-9etn\\ "[usize::try_from(random >> 60).unwrap() % 15];
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                drop(QQ::decode(kind.name(), changed));
            }
            if text.is_char_boundary(at) {
                assert!(QQ::decode(kind.name(), &text[..at]).is_err() || at == text.len());
            }
        }
    }
}

/// Goal: messages in messages end at the limit of depth, on the smallest stack that a runtime's
/// thread has by default.
#[test]
fn nesting_far_beyond_any_real_frame_is_an_error() {
    let mut element = r#"{"msg_idx":"a"}"#.to_owned();
    for _ in 0..200 {
        element = format!(r#"{{"msg_idx":"a","msg_elements":[{element}]}}"#);
    }
    let deep = format!(r#"{{"id":"1","msg_elements":[{element}]}}"#);
    let error = QQ::decode("C2C_MESSAGE_CREATE", &deep).unwrap_err();
    assert_eq!(error.problem, "nested too deep", "{error}");
    // An error leaves nothing behind for the next event.
    assert!(QQ::decode("C2C_MESSAGE_CREATE", r#"{"id":"1","msg_elements":[{}]}"#).is_ok());
}

/// How many of the captured frames must decode typed, in per cent.
const TYPED_MIN: usize = 95;

/// Goal: the service's own frames, and those of its documentation, are typed. Method: all frames
/// of the folder that the environment names; its list says which were recorded live (class R).
#[test]
fn captured_frames_decode_and_come_back_equal() {
    let Some(root) = env::var_os("SHARDSTREAM_FIXTURES") else {
        println!("SHARDSTREAM_FIXTURES is not set: no captured frames were read");
        return;
    };
    let sources = fs::read_to_string(Path::new(&root).join("qq-SOURCES.md")).unwrap();
    let is_live = |name: &str| sources.contains(&format!("| {name} | R |"));
    let (mut live, mut typed, mut all, mut rest) = (0, 0, 0, Vec::new());
    for entry in fs::read_dir(Path::new(&root).join("qq")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let frame = read_frame(&path);
        let name = frame["t"].as_str().unwrap();
        all += 1;
        live += usize::from(is_live(file));
        match decode(name, &frame["d"]) {
            Ok(Event::Unknown(_)) if !is_live(file) => rest.push(format!("{file}: no row")),
            Err(error) if !is_live(file) => rest.push(format!("{file}: {error}")),
            Ok(Event::Unknown(_)) => panic!("{file}: recorded live, and no row"),
            Err(error) => panic!("{file}: recorded live, and {error}"),
            Ok(event) => {
                typed += 1;
                assert_eq!(decode(name, &written(&event)).unwrap(), event, "{file}");
                assert_nothing_lost(&frame["d"], &written(&event), file);
            }
        }
    }
    println!("{typed} of {all} captured frames are typed, all {live} live ones; not: {rest:#?}");
    assert!(live > 20, "only {live} frames are listed as live");
    assert!(
        typed * 100 >= all * TYPED_MIN,
        "{typed} of {all}: {rest:#?}"
    );
}

/// All fields of a captured frame are in the event, but for what says nothing: `null`, an empty
/// list, an empty id.
fn assert_nothing_lost(read: &Value, written: &Value, place: &str) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            for (key, value) in read {
                let empty = [json!(null), json!([]), json!("")].contains(value);
                match written.get(key) {
                    Some(other) => assert_nothing_lost(value, other, &format!("{place}.{key}")),
                    None => assert!(empty, "{place}.{key} was lost"),
                }
            }
        }
        (Value::Array(read), Value::Array(written)) => {
            assert_eq!(read.len(), written.len(), "{place}");
            for (value, other) in read.iter().zip(written) {
                assert_nothing_lost(value, other, place);
            }
        }
        _ => {}
    }
}
