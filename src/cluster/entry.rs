//! What do things look like in the broker? Names, subjects and entries.
//! Pure. Imports `error`, `id` and the words of a stored session.

use std::borrow::Cow;

use ring::digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind},
    id::ShardId,
    shard::ResumeState,
};

/// How long the id of a bot and an event's name may be in a subject.
const TOKEN_LEN_MAX: usize = 100;

/// What the parts of one bot are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The stream of events, and the bucket.
    pub(super) stream: String,
    /// Before the name of an event.
    events: String,
    /// Before the number of a shard.
    commands: String,
}

impl Names {
    /// Those of a bot of a platform.
    ///
    /// # Errors
    ///
    /// The id cannot stand in a subject.
    pub(super) fn new(bot: &str, platform: &str) -> Result<Self, Error> {
        if !is_token(bot) {
            let message = "the bot's id in the cluster must be 1 to 100 letters, digits, - or _";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        Ok(Self {
            stream: format!("shardstream_{bot}_{platform}"),
            events: format!("shardstream.{bot}.{platform}"),
            commands: format!("shardstream-commands.{bot}.{platform}"),
        })
    }

    /// Every event of every shard.
    pub(super) fn all_events(&self) -> String {
        format!("{}.*.*", self.events)
    }

    /// Every event of one shard.
    pub(super) fn events_of(&self, shard: u32) -> String {
        format!("{}.*.{shard}", self.events)
    }

    /// An event of a shard. What cannot stand in a subject of what the server calls it becomes `_`.
    pub(super) fn event(&self, name: &str, shard: u32) -> String {
        let fits = |unit: char| unit.is_ascii_alphanumeric() || unit == '_' || unit == '-';
        let name = if is_token(name) {
            Cow::Borrowed(name)
        } else if name.is_empty() {
            Cow::Borrowed("_")
        } else {
            let units = name.chars().take(TOKEN_LEN_MAX);
            Cow::Owned(
                units
                    .map(|unit| if fits(unit) { unit } else { '_' })
                    .collect(),
            )
        };
        format!("{}.{name}.{shard}", self.events)
    }

    /// Where the owner of a shard takes commands.
    pub(super) fn commands_of(&self, shard: u32) -> String {
        format!("{}.{shard}", self.commands)
    }
}

/// Whether it is one token of a subject, a key and a name of a stream.
pub(super) fn is_token(text: &str) -> bool {
    let fits = |unit: u8| unit.is_ascii_alphanumeric() || unit == b'_' || unit == b'-';
    (1..=TOKEN_LEN_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// What stands for a session in the stream. Who has the id of a session and the token can take the
/// events over, and workers need neither.
pub(super) fn session_name(session_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, session_id.as_bytes());
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

/// `Nats-Msg-Id`: the stream drops what it has already.
pub(super) fn message_id(session: &str, seq: u64) -> String {
    format!("{session}:{seq}")
}

/// The session and the sequence of a message id.
pub(super) fn parse_message_id(id: &str) -> Option<(&str, u64)> {
    let (session, seq) = id.rsplit_once(':')?;
    Some((session, seq.parse().ok()?))
}

/// READY's text with another name in place of the session's id, wherever it stands; `None` where
/// it does not stand there as it is, so that it cannot be known where it is.
pub(super) fn without_session(text: &str, session_id: &str) -> Option<String> {
    let quoted = format!("\"{session_id}\"");
    let name = format!("\"{}\"", session_name(session_id));
    let hidden = text.replace(&quoted, &name);
    (hidden != text && !hidden.contains(session_id)).then_some(hidden)
}

/// Who owns a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The member that runs it; nobody, where one has released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
}

/// What all members must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bot {
    /// How many shards the bot has in all.
    pub(super) shards: u32,
}

/// A member that lives. That the entry is there and changes is what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beat {
    /// Rises with each renewal.
    pub(super) beat: u64,
}

/// A command for the owner of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) op: u64,
    pub(super) d: Box<serde_json::value::RawValue>,
}

/// The text of an entry. Nothing that is written here can fail to be; if it did, the entry would
/// be empty, which reads as absent.
pub(super) fn write(entry: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default()
}

/// An entry; `None` where it is corrupt.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

/// The stored session of a shard; `None` where it is corrupt, or of another shard or platform.
pub(super) fn read_session(text: &[u8], platform: &str, shard: ShardId) -> Option<ResumeState> {
    let state: ResumeState = read(text)?;
    (state.platform() == platform && state.shard() == shard).then_some(state)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn subjects_have_five_tokens_whatever_the_server_calls_an_event() {
        let names = Names::new("my-bot_1", "discord").unwrap();
        for (name, token) in [
            ("MESSAGE_CREATE", "MESSAGE_CREATE"),
            ("a.b", "a_b"),
            ("*", "_"),
            (">", "_"),
            ("", "_"),
            ("x\r\ny z", "x__y_z"),
            ("名", "_"),
        ] {
            let subject = format!("shardstream.my-bot_1.discord.{token}.7");
            assert_eq!(names.event(name, 7), subject);
        }
        let long = names.event(&"x".repeat(1 << 20), 7);
        assert_eq!(long.split('.').count(), 5);
        assert!(long.len() < 200);
        assert_eq!(names.events_of(7), "shardstream.my-bot_1.discord.*.7");
    }

    #[test]
    fn commands_are_no_events_and_ids_that_do_not_fit_are_refused() {
        let names = Names::new("b", "p").unwrap();
        assert!(!names.commands_of(7).starts_with("shardstream.b.p."));
        for bad in ["", "a b", "a.b", "*", "é", &"x".repeat(101)] {
            let error = Names::new(bad, "p").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
    }

    #[test]
    fn a_session_is_named_without_being_told() {
        let name = session_name("CANARY");
        assert_eq!((name.len(), session_name("CANARY")), (32, name.clone()));
        assert_ne!(name, session_name("CANARY2"));
        let id = message_id(&name, 41);
        assert_eq!(parse_message_id(&id), Some((&*name, 41)));
        for bad in ["", "x", "x:", "x:-1", "x:y"] {
            assert_eq!(parse_message_id(bad), None, "{bad}");
        }
        let ready = r#"{"d":{"session_id":"CANARY","x":["CANARY"]}}"#;
        let hidden = without_session(ready, "CANARY").unwrap();
        assert_eq!(hidden, ready.replace("CANARY", &name));
        // Written in another way than it reads, or as a part of something.
        assert_eq!(
            without_session(r#"{"session_id":"CAN\u0041RY"}"#, "CANARY"),
            None
        );
        assert_eq!(
            without_session(r#"{"a":"CANARY","b":"xCANARY"}"#, "CANARY"),
            None
        );
    }

    #[test]
    fn a_session_of_another_shard_or_platform_is_none() {
        let text = br#"{"platform":"p","shard":[1,4],"session_id":"s","seq":7}"#;
        let shard = ShardId::new(1, 4).unwrap();
        assert_eq!(read_session(text, "p", shard).unwrap().seq(), 7);
        assert_eq!(read_session(text, "q", shard), None);
        assert_eq!(read_session(text, "p", ShardId::new(1, 5).unwrap()), None);
    }

    /// Goal: an entry that anybody wrote never panics. Method: each kind of entry, with bytes
    /// changed by chance.
    #[test]
    fn corrupt_entries_are_absent() {
        assert_eq!(read::<Owner>(b""), None);
        assert_eq!(read::<Owner>(b"{\"owner\":7}"), None);
        assert_eq!(read::<Owner>(b"{}"), Some(Owner::default()));
        assert_eq!(read::<Bot>(b"{\"shards\":-1}"), None);
        let mut rng = Rng::with_seed(7);
        let good = br#"{"owner":"a","shards":4,"beat":1,"op":3,"d":{},
            "platform":"p","shard":[1,4],"session_id":"s","seq":7}"#;
        for _ in 0..10_000 {
            let mut text = good.to_vec();
            for _ in 0..rng.usize(1..5) {
                let at = rng.usize(..text.len());
                text[at] = rng.u8(..);
            }
            let _ = (
                read::<Owner>(&text),
                read::<Bot>(&text),
                read::<Beat>(&text),
            );
            let _ = read::<Order>(&text);
            if let Some(state) = read_session(&text, "p", ShardId::new(1, 4).unwrap()) {
                assert_eq!(state.shard().number(), 1);
            }
        }
    }
}
