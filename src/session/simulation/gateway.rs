//! A model of the gateway's side of the conversation, told the time like the session.
//!
//! It knows sessions, their replay buffers and the rules that the real server enforces; it shares
//! nothing with the session but the words on the wire.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One session as the server remembers it: its events in order, the first with sequence 1.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The number of each event, as the world counts them; `None` for READY and RESUMED.
    pub(super) events: Vec<Option<u64>>,
    pub(super) invalid: bool,
}

/// What the server does in answer.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Text(String),
    Close(u16),
}

#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub(super) sessions: Vec<Remembered>,
    /// The session that the live connection has taken up.
    pub(super) attached: Option<usize>,
    identified_on_connection: bool,
    sends: Vec<Instant>,
    pub(super) identifies: Vec<Instant>,
    pub(super) resumes: u64,
    pub(super) heartbeats: u64,
    /// Acks are withheld.
    pub(super) mute_acks: bool,
    pub(super) violations: Vec<String>,
}

pub(super) const HEARTBEAT_MS: u64 = 41_250;

impl Gateway {
    /// A new connection replaces the old one, as for a real client behind a cut.
    pub(super) fn open(&mut self) -> String {
        self.attached = None;
        self.identified_on_connection = false;
        self.sends.clear();
        self.mute_acks = false;
        json!({"t": null, "s": null, "op": 10, "d": {"heartbeat_interval": HEARTBEAT_MS}})
            .to_string()
    }

    pub(super) fn gone(&mut self) {
        self.attached = None;
    }

    /// A new event of the world: buffered in the newest living session, and sent if it is
    /// attached.
    pub(super) fn emit(&mut self, number: u64) -> Option<String> {
        let index = self.sessions.len().checked_sub(1)?;
        let session = &mut self.sessions[index];
        if session.invalid {
            return None;
        }
        session.events.push(Some(number));
        let seq = session.events.len();
        (self.attached == Some(index)).then(|| event(seq, number))
    }

    pub(super) fn invalidate(&mut self) {
        if let Some(session) = self.sessions.last_mut() {
            session.invalid = true;
        }
        self.attached = None;
    }

    /// A payload of the client.
    pub(super) fn receive(&mut self, now: Instant, payload: &[u8]) -> Vec<Answer> {
        self.sends.push(now);
        let recent = self.sends.iter();
        if recent
            .filter(|at| now - **at < Duration::from_mins(1))
            .count()
            > 120
        {
            self.violations
                .push("more than 120 sends in a minute".into());
        }
        let payload: Value = serde_json::from_slice(payload).expect("clients send JSON");
        match payload["op"].as_u64() {
            Some(1) => self.heartbeat(&payload["d"]),
            Some(2) => self.identify(now),
            Some(6) => self.resume(&payload["d"]),
            op => panic!("a session sends no op {op:?} by itself"),
        }
    }

    fn heartbeat(&mut self, d: &Value) -> Vec<Answer> {
        self.heartbeats += 1;
        if let (Some(index), Some(seq)) = (self.attached, number(d))
            && seq > self.sessions[index].events.len()
        {
            self.violations.push("a heartbeat from the future".into());
        }
        if self.mute_acks {
            return Vec::new();
        }
        vec![Answer::Text(r#"{"op":11}"#.into())]
    }

    fn identify(&mut self, now: Instant) -> Vec<Answer> {
        self.identifies.push(now);
        if std::mem::replace(&mut self.identified_on_connection, true) {
            self.violations
                .push("a second identify on a connection".into());
            return vec![Answer::Close(4005)];
        }
        if self.sessions.last().is_some_and(|session| !session.invalid) {
            // Allowed, but the old session's undelivered events are then lost by the client.
            self.invalidate();
            self.violations
                .push("an identify beside a living session".into());
        }
        self.sessions.push(Remembered {
            events: vec![None],
            invalid: false,
        });
        let index = self.sessions.len() - 1;
        self.attached = Some(index);
        let d = json!({"v": 10, "session_id": format!("s{index}"),
            "resume_gateway_url": "wss://gateway-r.discord.gg"});
        let ready = json!({"t": "READY", "s": 1, "op": 0, "d": d});
        vec![Answer::Text(ready.to_string())]
    }

    fn resume(&mut self, d: &Value) -> Vec<Answer> {
        self.resumes += 1;
        let id = d["session_id"].as_str().unwrap_or("");
        let index: Option<usize> = id.strip_prefix('s').and_then(|index| index.parse().ok());
        let seq = number(&d["seq"]).expect("RESUME carries a sequence");
        let Some(session) = index.and_then(|index| self.sessions.get_mut(index)) else {
            return vec![Answer::Text(r#"{"op":9,"d":false}"#.into())];
        };
        if session.invalid {
            return vec![Answer::Text(r#"{"op":9,"d":false}"#.into())];
        }
        if seq > session.events.len() {
            self.violations.push("a resume from the future".into());
            return vec![Answer::Close(4007)];
        }
        self.attached = index;
        let missed = session.events[seq..].iter().zip(seq + 1..);
        let mut answers: Vec<_> = missed
            .map(|(number, seq)| {
                Answer::Text(match number {
                    Some(number) => event(seq, *number),
                    None => resumed(seq),
                })
            })
            .collect();
        session.events.push(None);
        answers.push(Answer::Text(resumed(session.events.len())));
        answers
    }
}

fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn event(seq: usize, number: u64) -> String {
    json!({"t": "MESSAGE_CREATE", "s": seq, "op": 0, "d": {"number": number}}).to_string()
}

fn resumed(seq: usize) -> String {
    json!({"t": "RESUMED", "s": seq, "op": 0, "d": {}}).to_string()
}
