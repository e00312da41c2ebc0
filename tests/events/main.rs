//! Does each of Discord's events decode, whatever else is in its frame?
//!
//! Walks the rows of the events table: each has a frame of its own in `frames/`, written from the
//! protocol with invented content.

#![cfg(feature = "discord")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use shardstream::{
    discord::{
        Discord, Event, EventKind,
        model::{GuildCreate, Maybe},
    },
    platform::{DecodeError, Platform},
};

fn decode(name: &str, data: &Value) -> Result<Event, DecodeError> {
    Discord::decode(name, &data.to_string())
}

fn read_frame(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The payload of the frame that the row of `kind` has in `frames/`.
fn own_payload(kind: EventKind) -> Value {
    own_payload_of(kind, &format!("{}.json", kind.name()))
}

fn own_payload_of(kind: EventKind, file: &str) -> Value {
    let mut frame = read_frame(&own_frames().join(file));
    assert_eq!(frame["t"], kind.name());
    assert_eq!(frame["op"], 0);
    frame["d"].take()
}

fn own_frames() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events/frames")
}

/// The payloads of `EVENT.json` and of each `EVENT.variant.json`, of every event, in order of
/// their names.
fn own_payloads() -> Vec<(EventKind, Value)> {
    let mut files: Vec<String> = fs::read_dir(own_frames())
        .expect("the folder is in the repository")
        .map(|entry| entry.expect("it can be read").file_name())
        .map(|name| name.into_string().expect("an event's name is ASCII"))
        .collect();
    files.sort();
    let payload = |file: &String| {
        let name = file.split('.').next().expect("a split has a first part");
        let kind = EventKind::ALL.iter().find(|kind| kind.name() == name);
        let kind = *kind.unwrap_or_else(|| panic!("{file} is of no event"));
        (kind, own_payload_of(kind, file))
    };
    let payloads: Vec<_> = files.iter().map(payload).collect();
    for kind in EventKind::ALL {
        let has_frame = payloads.iter().any(|(other, _)| other == kind);
        assert!(has_frame, "{kind:?} has no frame");
    }
    payloads
}

/// Goal: real frames decode to their typed event, of any year, and what was decoded can be written
/// and read again. Method: all frames that the index of the folder that the environment names has.
#[test]
fn captured_frames_decode_and_come_back_equal() {
    let Some(root) = env::var_os("SHARDSTREAM_FIXTURES") else {
        println!("SHARDSTREAM_FIXTURES is not set: no captured frames were read");
        return;
    };
    let root = Path::new(&root);
    let index = read_frame(&root.join("discord-INDEX.json"));
    let (mut decoded, mut recent) = (0, 0);
    let mut failed = Vec::new();
    for entry in index.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let frame = read_frame(&root.join("discord").join(file));
        let name = frame["t"].as_str().unwrap();
        match decode(name, &frame["d"]) {
            Err(error) => failed.push(format!("{file}: {error}")),
            Ok(Event::Unknown(_)) => failed.push(format!("{file}: no row")),
            Ok(event) => {
                decoded += 1;
                recent += usize::from(entry["captured"].as_str().unwrap() >= "2025");
                let written = event.data().unwrap();
                let again = Discord::decode(name, &written);
                assert_eq!(again.as_ref().ok(), Some(&event), "{file}: {written}");
            }
        }
    }
    println!("{decoded} captured frames decoded, {recent} of them of 2025 or later");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(recent > 0);
}

/// Goal: nothing documented is lost. Method: the frames hold every documented field that the types
/// have, nullable ones as `null` or a value and optional ones with a value, so that what is
/// written must be what was read.
#[test]
fn each_event_is_written_as_it_was_read() {
    for (kind, payload) in own_payloads() {
        let event = decode(kind.name(), &payload).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        assert_eq!(event.kind(), kind);
        let written: Value = serde_json::from_str(&event.data().unwrap()).unwrap();
        assert_same(&payload, &written, kind.name());
        if let Some(guild) = payload.get("guild_id") {
            assert_eq!(
                event.guild_id().unwrap().to_string(),
                guild.as_str().unwrap()
            );
        }
    }
}

/// Compares place by place, so that a difference is named.
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
        _ => assert_eq!(read, written, "{place}"),
    }
}

/// Fields that are kept as JSON text: whatever is in them comes back as it was sent.
const RAW: &[&str] = &["new_value", "old_value"];

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

/// Goal: what Discord adds is no error and changes nothing. Method: fields of every JSON type are
/// put into every object of every frame, which must still be read as the same event.
#[test]
fn unknown_fields_change_nothing() {
    for (kind, payload) in own_payloads() {
        let mut grown = payload.clone();
        for_each_value(&mut grown, &mut |value| {
            // Maps from ids to objects have no fields.
            if let Value::Object(fields) = value
                && !fields
                    .keys()
                    .any(|key| key.len() > 1 && key.parse::<u64>().is_ok())
            {
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
    let unknown = serde_json::json!({
        "zz_null": null, "zz_bool": true, "zz_int": -1, "zz_float": 1e300, "zz_text": "\u{1F6A4}",
        "zz_list": [[], {}, [1]], "zz_object": {"id": {"type": []}}, "": 0, "\u{e9}\"\\": 0
    });
    let Value::Object(unknown) = unknown else {
        unreachable!("written as an object above");
    };
    fields.extend(unknown);
}

/// Goal: new numbers and texts of enumerations and new bits of sets are data. Method: the fields
/// that hold them, by name, get values that no version knows, and must be written back.
#[test]
fn unknown_values_and_bits_are_kept() {
    const NUMBERS: &[&str] = &[
        "action_type",
        "animation_type",
        "context",
        "entity_type",
        "event_type",
        "format_type",
        "frequency",
        "mfa_level",
        "nsfw_level",
        "premium_tier",
        "privacy_level",
        "rule_trigger_type",
        "target_type",
        "trigger_type",
        "verification_level",
        "expire_behavior",
        "explicit_content_filter",
        "default_message_notifications",
        "layout_type",
        "premium_type",
        "video_quality_mode",
        "default_sort_order",
        "default_forum_layout",
        "channel_type",
        "status_display_type",
    ];
    const BITS: &[&str] = &["flags", "public_flags", "system_channel_flags"];
    const BIT_TEXTS: &[&str] = &[
        "permissions",
        "allow",
        "deny",
        "app_permissions",
        "flags_new",
    ];
    let mut changed = 0;
    for (kind, mut payload) in own_payloads() {
        for_each_value(&mut payload, &mut |value| {
            let Value::Object(fields) = value else { return };
            for (key, value) in fields {
                let key = key.as_str();
                let new = match value {
                    Value::Number(_) if NUMBERS.contains(&key) => Value::from(4_000_000_000_u32),
                    // Some texts are named `type` and `status` as well.
                    Value::Number(_) if key == "type" || key == "status" => Value::from(-99),
                    Value::Number(_) if BITS.contains(&key) => Value::from((1_u64 << 62) | 1),
                    Value::String(_) if BIT_TEXTS.contains(&key) => {
                        Value::from(u64::MAX.to_string())
                    }
                    Value::String(_) if key == "status" => Value::from("zz_away"),
                    _ => continue,
                };
                *value = new;
                changed += 1;
            }
        });
        let event = decode(kind.name(), &payload).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        let written: Value = serde_json::from_str(&event.data().unwrap()).unwrap();
        assert_same(&payload, &written, kind.name());
    }
    assert!(changed > 250, "only {changed} values were changed");
}

/// Goal: an error says nothing of the payload. Method: every value of every frame in turn becomes
/// a text, then an object, that must not be in the error.
#[test]
fn decode_errors_hold_nothing_of_the_payload() {
    let canary = "CANARY, expected CANARY at line 1 column 1";
    let mut errors = 0;
    for (kind, payload) in own_payloads() {
        let mut count = 0;
        for_each_value(&mut payload.clone(), &mut |_| count += 1);
        for bad in [Value::from(canary), serde_json::json!({ (canary): canary })] {
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
    assert!(errors > 1000, "only {errors} errors were seen");
}

/// Goal: a frame cut anywhere, or with a byte changed, is an error or an event, never a panic.
#[test]
fn broken_frames_never_panic() {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for (kind, payload) in own_payloads() {
        let text = payload.to_string();
        for _ in 0..50 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut bytes = text.clone().into_bytes();
            let at = usize::try_from(random % bytes.len() as u64).unwrap();
            bytes[at] = b"\"{}[],:0-9etn\\ "[usize::try_from(random >> 60).unwrap() % 15];
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                drop(Discord::decode(kind.name(), changed));
            }
            if text.is_char_boundary(at) {
                assert!(Discord::decode(kind.name(), &text[..at]).is_err() || at == text.len());
            }
        }
    }
}

/// Goal: objects in objects of their own type end at the limit of depth, on the smallest stack that
/// a runtime's thread has by default. Method: each field that a type has of itself, far too deep.
#[test]
fn nesting_far_beyond_any_real_frame_is_an_error() {
    let mut message = own_payload(EventKind::MessageUpdate);
    message["timestamp"] = Value::from("2026-01-01T00:00:00Z");
    let message = message.to_string();
    let metadata = r#"{"id":"1","type":3,"user":{"id":"1","username":"a"}}"#;
    let with = |object: &str, field: &str, inner: &str, after: &str| {
        format!(
            "{},\"{field}\":{inner}{after}}}",
            &object[..object.len() - 1]
        )
    };
    let nested = |object: &str, field: &str, open: &str, close: &str| {
        let mut text = object.to_owned();
        for _ in 0..200 {
            text = with(object, field, &format!("{open}{text}{close}"), "");
        }
        text
    };
    for text in [
        nested(&message, "referenced_message", "", ""),
        with(
            &message,
            "components",
            &nested(r#"{"type":17}"#, "components", "[", "]"),
            "]",
        )
        .replacen("\"components\":", "\"components\":[", 1),
        with(
            &message,
            "components",
            &nested(r#"{"type":9}"#, "accessory", "", ""),
            "]",
        )
        .replacen("\"components\":", "\"components\":[", 1),
        with(
            &message,
            "interaction_metadata",
            &nested(metadata, "triggering_interaction_metadata", "", ""),
            "",
        ),
    ] {
        let error = Discord::decode("MESSAGE_CREATE", &text).unwrap_err();
        assert_eq!(error.problem, "nested too deep", "{error}");
    }
    // An error leaves nothing behind for the next event.
    assert!(Discord::decode("MESSAGE_CREATE", &message).is_ok());
}

/// A guild that is down comes with its id only.
#[test]
fn a_guild_create_may_be_of_an_unavailable_guild() {
    let down = serde_json::json!({"id": "7", "unavailable": true, "zz": 1});
    let event = decode("GUILD_CREATE", &down).unwrap();
    assert_eq!(event.guild_id().map(shardstream::Id::get), Some(7));
    let Event::GuildCreate(guild) = event else {
        panic!("{event:?}");
    };
    assert!(matches!(*guild, GuildCreate::Unavailable(_)), "{guild:?}");
    for broken in [
        serde_json::json!({"id": "7"}),
        serde_json::json!({"unavailable": true}),
    ] {
        assert!(decode("GUILD_CREATE", &broken).is_err(), "{broken}");
    }
}

/// Goal: only what says whom it is about can cost a presence. Method: each of its values in turn,
/// at every depth, becomes one of each of JSON's types.
#[test]
fn a_presence_is_read_whatever_types_its_fields_have() {
    let payload = own_payload(EventKind::PresenceUpdate);
    let mut count = 0;
    for_each_value(&mut payload.clone(), &mut |_| count += 1);
    let mut refused = Vec::new();
    for other in serde_json::json!([null, true, -1, 1.5e300, "x", [[1], "x", {}], {"x": 1}])
        .as_array()
        .unwrap()
    {
        for target in 0..count {
            let mut payload = payload.clone();
            let mut at = 0;
            for_each_value(&mut payload, &mut |value| {
                if at == target {
                    *value = other.clone();
                }
                at += 1;
            });
            if let Err(error) = decode("PRESENCE_UPDATE", &payload) {
                // The path goes on into the list that stands where none belongs.
                refused.push(error.path.split('[').next().unwrap().to_owned());
            }
        }
    }
    refused.sort();
    refused.dedup();
    assert_eq!(refused, ["", "user", "user.id"]);
}

/// Goal: what does not say what an event is about costs no one the event. Method: numbers that are
/// no integers or too large, ids and times that are none, sets of more than 64 bits.
#[test]
fn a_value_that_fits_no_field_is_as_good_as_absent() {
    let odd = serde_json::json!({
        "id": "7", "type": 11, "guild_id": "a guild", "position": 1.5, "bitrate": -1,
        "user_limit": 1e20, "topic": 5, "nsfw": "yes", "last_pin_timestamp": "yesterday",
        "applied_tags": ["1", "no id", "2"], "flags": "18446744073709551618",
        "thread_metadata": {"archived": null, "auto_archive_duration": 4_294_967_296_u64},
    });
    let Event::ChannelCreate(channel) = decode("CHANNEL_CREATE", &odd).unwrap() else {
        panic!("{odd}");
    };
    assert_eq!(channel.guild_id, None);
    assert_eq!(channel.position, Some(1));
    assert_eq!(channel.bitrate, Some(0));
    assert_eq!(channel.user_limit, Some(u32::MAX));
    assert_eq!(channel.topic, None);
    assert_eq!(channel.nsfw, None);
    assert_eq!(channel.last_pin_timestamp, None);
    assert_eq!(channel.applied_tags.len(), 2);
    assert_eq!(channel.flags.unwrap().bits(), 2);
    let threads = channel.thread_metadata.unwrap();
    assert_eq!(threads.auto_archive_duration, u32::MAX);
    let mut nameless = odd;
    nameless["id"] = Value::from("a channel");
    assert_eq!(decode("CHANNEL_CREATE", &nameless).unwrap_err().path, "id");
}

/// What may be told apart by `null` is.
#[test]
fn absent_and_null_differ_where_the_protocol_says_so() {
    let mut payload = own_payload(EventKind::MessageUpdate);
    let referenced = |payload: &Value| {
        let Event::MessageUpdate(message) = decode("MESSAGE_UPDATE", payload).unwrap() else {
            panic!("{payload}");
        };
        message.referenced_message
    };
    assert_eq!(referenced(&payload), Maybe::Absent);
    payload["referenced_message"] = Value::Null;
    assert_eq!(referenced(&payload), Maybe::Null);
}

/// Goal: a null where only a value is documented is an error of its field, and where something
/// optional is documented it is nothing. Method: READY and RESUMED in the forms seen.
#[test]
fn ready_and_resumed_are_read_in_the_forms_seen() {
    let mut ready = own_payload(EventKind::Ready);
    for url in [Value::Null, Value::from(7), serde_json::json!([{"a": 1}])] {
        ready["resume_gateway_url"] = url;
        let Event::Ready(ready) = decode("READY", &ready).unwrap() else {
            panic!("{ready}");
        };
        assert_eq!(ready.resume_gateway_url, None);
    }
    ready["session_id"] = Value::Null;
    assert_eq!(decode("READY", &ready).unwrap_err().path, "session_id");
    for data in [r#"{"_trace":["a"]}"#, "null", "{}"] {
        let event = Discord::decode("RESUMED", data).unwrap();
        assert_eq!(event.kind(), EventKind::Resumed);
    }
}
