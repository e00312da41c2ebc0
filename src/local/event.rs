//! What does it send? Events as texts, taken from frames without touching their data.

use std::{fmt, sync::Arc, time::Duration};

use serde::de::IgnoredAny;

/// An event to send: its name and the JSON text of its data, which goes out byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    name: String,
    data: String,
    id: Option<String>,
}

/// A text that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadEvent {
    /// The data is not JSON.
    Data,
    /// The frame is not a JSON object with a name `t`.
    Frame,
}

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "the data of the event is not JSON",
            Self::Frame => "the frame is not a JSON object that names an event",
        })
    }
}

impl std::error::Error for BadEvent {}

impl Event {
    /// An event named `name` with the JSON text `data`.
    ///
    /// # Errors
    ///
    /// `data` is not JSON. (A [`Step::Send`](super::Step::Send) takes any text.)
    pub fn new(name: impl Into<String>, data: impl Into<String>) -> Result<Self, BadEvent> {
        let (name, data) = (name.into(), data.into());
        match serde_json::from_str::<IgnoredAny>(&data) {
            Ok(_) => Ok(Self {
                name,
                data,
                id: None,
            }),
            Err(_) => Err(BadEvent::Data),
        }
    }

    /// The event of a recorded frame such as `{"t":"TYPING_START","s":7,"op":0,"d":{}}`, or of a
    /// recorded webhook, which has no `s`. Its number is not kept: each session numbers its own.
    /// The `id` of the envelope is kept where there is one.
    ///
    /// # Errors
    ///
    /// The text is not a JSON object with a text `t`.
    pub fn from_frame(frame: &str) -> Result<Self, BadEvent> {
        let mut name = None;
        let mut data = "null";
        let mut id = None;
        for (key, value) in members(frame).ok_or(BadEvent::Frame)? {
            match key.as_str() {
                "t" => name = serde_json::from_str::<String>(value).ok(),
                "d" => data = value,
                "id" => id = serde_json::from_str::<String>(value).ok(),
                _ => {}
            }
        }
        Ok(Self {
            name: name.ok_or(BadEvent::Frame)?,
            data: data.to_owned(),
            id,
        })
    }

    /// The name, such as `MESSAGE_CREATE`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON text of the data.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// With this `id` in its envelope, on a platform whose envelopes have one.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The `id` of the envelope, where one was given. Without it a platform whose envelopes have
    /// one makes it up.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// An event of our own making, whose data is known to be JSON or meant not to be.
    pub(super) fn unchecked(name: &str, data: String) -> Self {
        let (name, id) = (name.to_owned(), None);
        Self { name, data, id }
    }
}

/// Events that each new session gets after READY, by itself.
#[derive(Clone, Debug)]
pub struct Feed {
    pub(super) events: Arc<[Event]>,
    pub(super) repeat: u64,
    pub(super) interval: Duration,
}

impl Feed {
    /// These events, once, as fast as the client reads.
    pub fn new(events: impl Into<Arc<[Event]>>) -> Self {
        Self {
            events: events.into(),
            repeat: 1,
            interval: Duration::ZERO,
        }
    }

    /// All of them so many times over.
    #[must_use]
    pub fn repeat(mut self, times: u64) -> Self {
        self.repeat = times;
        self
    }

    /// One each interval.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    pub(super) fn len(&self) -> u64 {
        (self.events.len() as u64).saturating_mul(self.repeat)
    }

    pub(super) fn event(&self, index: u64) -> Option<&Event> {
        let index = index.checked_rem(self.events.len() as u64)?;
        self.events.get(usize::try_from(index).ok()?)
    }
}

/// A JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of a JSON object, each value as it was written.
fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut members = Vec::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return rest.is_empty().then_some(members);
    }
    loop {
        let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let key = keys.next()?.ok()?;
        rest = rest
            .get(keys.byte_offset()..)?
            .trim_start()
            .strip_prefix(':')?
            .trim_start();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, behind) = rest.split_at_checked(values.byte_offset())?;
        members.push((key, value));
        rest = behind.trim_start();
        match (rest.strip_prefix(','), rest) {
            (Some(more), _) => rest = more.trim_start(),
            (None, "}") => return Some(members),
            (None, _) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Dialect;

    #[test]
    fn the_data_of_a_frame_is_kept_byte_for_byte() {
        let frame = " {\"d\" : {\"b\":1.50, \"a\":[\"}\"]} ,\"\\u0074\":\"A\\\"B\",\"s\":7}\n";
        let event = Event::from_frame(frame).unwrap();
        assert_eq!(event.name(), "A\"B");
        assert_eq!(event.data(), r#"{"b":1.50, "a":["}"]}"#);
        let discord = (Dialect::Discord.table().event)(&event, 3, "x");
        let expected = r#"{"t":"A\"B","s":3,"op":0,"d":{"b":1.50, "a":["}"]}}"#;
        assert_eq!(discord, expected);
        let qq = (Dialect::Qq.table().event)(&event, 3, "x");
        let expected = r#"{"d":{"b":1.50, "a":["}"]},"id":"A\"B:x-3","op":0,"s":3,"t":"A\"B"}"#;
        assert_eq!(qq, expected);
    }

    #[test]
    fn the_id_of_an_envelope_is_kept_where_the_platform_has_one() {
        let webhook = r#"{"id":"A:1","op":0,"d":{"x":1},"t":"A"}"#;
        let event = Event::from_frame(webhook).unwrap();
        assert_eq!(event.id(), Some("A:1"));
        let text = (Dialect::Qq.table().event)(&event, 2, "x");
        assert_eq!(text, r#"{"op":0,"s":2,"t":"A","id":"A:1","d":{"x":1}}"#);
        let text = (Dialect::Discord.table().event)(&event, 2, "x");
        assert_eq!(text, r#"{"t":"A","s":2,"op":0,"d":{"x":1}}"#);
        let event = Event::new("A", "1").unwrap().with_id("own");
        assert_eq!(event.id(), Some("own"));
    }

    #[test]
    fn scalars_can_be_data_too() {
        for data in ["null", "1", "-2.5e3", "true", r#""x""#, "[]", "{}"] {
            let frame = format!(r#"{{"t":"A","d":{data},"op":0}}"#);
            assert_eq!(Event::from_frame(&frame).unwrap().data(), data);
        }
    }

    #[test]
    fn recorded_frames_keep_their_name_and_data() {
        let Ok(fixtures) = std::env::var("SHARDSTREAM_FIXTURES") else {
            eprintln!("SHARDSTREAM_FIXTURES is not set: no recorded frames to read");
            return;
        };
        let mut count = 0;
        for file in std::fs::read_dir(format!("{fixtures}/discord")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let event = Event::from_frame(&text).unwrap();
            let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
            let data: serde_json::Value = serde_json::from_str(event.data()).unwrap();
            assert_eq!((&whole["t"], &whole["d"]), (&event.name().into(), &data));
            assert!(text.contains(event.data()));
            count += 1;
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn texts_that_are_no_event_are_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{}",
            r#"{"t":1}"#,
            r#"{"t":"A"}x"#,
            r#"{"t":"A" "d":1}"#,
        ] {
            assert_eq!(Event::from_frame(text), Err(BadEvent::Frame), "{text}");
        }
        assert_eq!(Event::new("A", "{"), Err(BadEvent::Data));
    }
}
