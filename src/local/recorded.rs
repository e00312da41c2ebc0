//! Can a recording be played? What a shard wrote down of its server, said again to another client.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io, mem,
    path::Path,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::task::JoinSet;

use super::{Act, Fault, Follow, Gateway, Moment, Shared, Step, event::quote};

/// The version of the format that is understood.
const VERSION: u32 = 1;
/// What stands in a recording for the url to resume at.
const NO_RESUME_URL: &str = r#""redacted resume_gateway_url""#;

/// What a shard has recorded of its connections ([`ShardHandle::record`] tells the format), to be
/// said again by [`Gateway::replay`].
///
/// [`ShardHandle::record`]: crate::ShardHandle::record
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded {
    connections: Arc<[Connection]>,
    events: usize,
    pauses: bool,
}

/// One connection, from its Hello to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Connection {
    /// What is said before IDENTIFY or RESUME; none where that was not recorded.
    hello: Option<Step>,
    /// What is said behind it, each so long after the one before.
    rest: Vec<(Duration, Step)>,
    /// It was open before the recording began: its Hello was not recorded.
    midway: bool,
    /// READY is among what is said.
    ready: bool,
    /// Another event is.
    events: bool,
}

/// A text that is no recording: the line, counted from 1, that is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecording {
    line: usize,
}

impl BadRecording {
    /// The line, counted from 1.
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for BadRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not that of a recording", self.line)
    }
}

impl std::error::Error for BadRecording {}

#[derive(Deserialize)]
struct Head {
    recording: u32,
}

#[derive(Deserialize)]
struct Line<'a> {
    at_ms: u64,
    opened: Option<Opened>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    unreadable: Option<Unreadable>,
    #[serde(borrow)]
    ended: Option<Ended<'a>>,
}

#[derive(Deserialize)]
struct Opened {
    midway: bool,
}

#[derive(Deserialize)]
struct Unreadable {
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Ended<'a> {
    how: &'a str,
    code: Option<u16>,
}

#[derive(Deserialize)]
struct Envelope {
    op: u64,
    /// Whatever it is: a server may say what it likes.
    #[serde(default)]
    t: Value,
}

/// How much there is; what there is may be people's.
impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("connections", &self.connections.len())
            .field("events", &self.events)
            .field("pauses", &self.pauses)
            .finish()
    }
}

impl Recorded {
    /// The recording in this text. A last line that is not complete, as a program leaves it that
    /// was stopped hard, is left out.
    ///
    /// # Errors
    ///
    /// A line is not that of a recording of this version.
    pub fn parse(text: &str) -> Result<Self, BadRecording> {
        let bad = |line| BadRecording { line };
        let complete = text.rfind('\n').map_or("", |end| text.split_at(end).0);
        let mut lines = (1..).zip(complete.split('\n'));
        let head = lines
            .next()
            .and_then(|(_, line)| serde_json::from_str(line).ok());
        if head.is_none_or(|head: Head| head.recording != VERSION) {
            return Err(bad(1));
        }
        let (mut connections, mut last, mut events) = (Vec::new(), 0, 0);
        for (number, text) in lines {
            let line: Line<'_> = serde_json::from_str(text).map_err(|_| bad(number))?;
            let before = mem::replace(&mut last, line.at_ms);
            let pause = Duration::from_millis(line.at_ms.saturating_sub(before));
            if let Some(Opened { midway }) = line.opened {
                connections.push(Connection {
                    midway,
                    ..Connection::default()
                });
                continue;
            }
            let connection = connections.last_mut().ok_or_else(|| bad(number))?;
            let (message, unreadable) = (line.message.map(RawValue::get), line.unreadable);
            match (message, unreadable, line.ended) {
                (Some(text), ..) => {
                    let Envelope { op, t } = serde_json::from_str(text).map_err(|_| bad(number))?;
                    if op == 11 {
                        // This client's heartbeats are at other times, and get acks of their own.
                        last = before;
                        continue;
                    }
                    events += usize::from(op == 0);
                    connection.say(pause, op, &t, text);
                }
                (_, Some(Unreadable { seq }), _) => {
                    // Cut off behind its number, where that could be read.
                    let seq = seq.map(|seq| format!("\"s\":{seq},"));
                    let text = format!("{{{}", seq.unwrap_or_default());
                    connection.rest.push((pause, Step::Send(text)));
                }
                (.., Some(ended)) => connection.end(pause, &ended).ok_or_else(|| bad(number))?,
                // A later version of the format may tell more.
                (None, None, None) => {}
            }
        }
        Ok(Self {
            connections: connections.into(),
            events,
            pauses: true,
        })
    }

    /// The recording in this file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no recording: then the error is an `InvalidData` with a
    /// [`BadRecording`].
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
    }

    /// All of it as fast as the client reads. By default with the pauses of the recording, which
    /// cost nothing where tokio's clock is paused.
    #[must_use]
    pub fn without_pauses(mut self) -> Self {
        self.pauses = false;
        self
    }

    /// How many dispatches there are, READY and RESUMED among them.
    pub fn events(&self) -> usize {
        self.events
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }
}

impl Connection {
    fn say(&mut self, pause: Duration, op: u64, event: &Value, text: &str) {
        let step = Step::Send(text.to_owned());
        match op {
            10 if self.hello.is_none() && self.rest.is_empty() => self.hello = Some(step),
            _ => self.rest.push((pause, step)),
        }
        self.ready |= op == 0 && event == "READY";
        self.events |= op == 0 && event != "READY";
    }

    fn end(&mut self, pause: Duration, ended: &Ended<'_>) -> Option<()> {
        let step = match ended.how {
            "closed" => Step::CloseWith {
                code: ended.code,
                reason: String::new(),
            },
            "cut" => Step::Fin,
            "silent" => Step::Mute,
            // It leaves again for what it hears.
            "left" => return Some(()),
            _ => return None,
        };
        self.rest.push((pause, step));
        Some(())
    }

    /// What the connection does by itself.
    fn plan(&self) -> Vec<Fault> {
        let hello = match &self.hello {
            Some(hello) => Some(Fault::at(Moment::Hello, [hello.clone()])),
            // Without it the client says nothing.
            None if !self.midway => {
                let steps: Vec<_> = self.rest.iter().map(|(_, step)| step.clone()).collect();
                return vec![Fault::at(Moment::Hello, steps)];
            }
            None => None,
        };
        // A client with no session gets one of this gateway's where the recorded one went on.
        let went_on = self.midway || (self.events && !self.ready);
        let identify = (!went_on).then(|| Fault::at(Moment::Identify, []));
        let resume = Fault::at(Moment::Resume, []);
        let faults = [hello, identify, Some(resume)];
        faults.into_iter().flatten().collect()
    }
}

impl Gateway {
    /// Says again what was recorded: on the first connection from now on what the first said, and
    /// so on, whoever connects. Behind the last it is an ordinary gateway again.
    ///
    /// What was said behind Hello comes once the client has sent IDENTIFY or RESUME, whichever and
    /// with whatever in it; heartbeats get their acks as ever. READY names this gateway to resume
    /// at. A connection that was silent at its end says nothing more, or is cut where there are
    /// [no pauses](Recorded::without_pauses). One that was broken below its messages is cut.
    ///
    /// For clients of one shard: a recording is that of one.
    ///
    /// ```
    /// use shardstream::local::{Gateway, Recorded};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let recorded = Recorded::parse(concat!(
    ///     r#"{"recording":1,"platform":"discord","shard":[0,1],"begun_ms":0}"#, "\n",
    ///     r#"{"at_ms":0,"opened":{"midway":false}}"#, "\n",
    ///     r#"{"at_ms":1,"message":{"op":10,"d":{"heartbeat_interval":41250}}}"#, "\n",
    ///     r#"{"at_ms":2,"ended":{"how":"closed","code":4004,"cause":"refused"}}"#, "\n",
    /// ))?;
    /// let gateway = Gateway::start().await?;
    /// gateway.replay(&recorded);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay(&self, recorded: &Recorded) {
        let mut world = self.lock();
        for connection in recorded.connections.iter() {
            world.plan(connection.plan());
        }
        let follow = Follow {
            shared: Arc::downgrade(&self.shared),
            changes: world.log.watch(),
            taken: world.log.since(0).1,
            ready: VecDeque::new(),
        };
        drop(world);
        let player = play(recorded.clone(), follow, self.url.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(player);
    }
}

/// Follows who connects, and speaks when it is its turn.
async fn play(recorded: Recorded, mut follow: Follow, url: String) {
    let mut next = recorded.connections.iter();
    let mut planned = BTreeMap::new();
    let mut speaking = JoinSet::new();
    while let Some(record) = follow.next().await {
        match record.act {
            Act::Connect { .. } => {
                if let Some(connection) = next.next() {
                    planned.insert(record.connection, connection);
                }
            }
            Act::Identify { .. } | Act::Resume { .. } => {
                // Without a Hello all has been said already.
                let connection = planned.remove(&record.connection);
                let connection = connection.filter(|it| it.hello.is_some() || it.midway);
                if let Some(connection) = connection {
                    let speaker = Speaker {
                        shared: follow.shared.clone(),
                        number: record.connection,
                        pauses: recorded.pauses,
                        resume_url: quote(&url),
                    };
                    speaking.spawn(speaker.speak(connection.rest.clone()));
                }
            }
            _ => {}
        }
    }
}

/// Who says one connection again.
struct Speaker {
    shared: Weak<Shared>,
    number: u64,
    pauses: bool,
    /// As JSON.
    resume_url: String,
}

impl Speaker {
    async fn speak(self, lines: Vec<(Duration, Step)>) {
        for (pause, step) in lines {
            if self.pauses {
                tokio::time::sleep(pause).await;
            } else {
                // The client has its turn.
                tokio::task::yield_now().await;
            }
            let step = match step {
                Step::Send(text) if text.contains(NO_RESUME_URL) => {
                    Step::Send(text.replace(NO_RESUME_URL, &self.resume_url))
                }
                Step::Mute if !self.pauses => Step::Fin,
                step => step,
            };
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            let open = shared.lock().order(&[step], |id, _| id == self.number);
            if open == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Moment, Recorded, Step};
    use std::time::Duration;

    const HEAD: &str = r#"{"recording":1,"platform":"discord","shard":[0,1],"begun_ms":0}"#;
    const OPENED: &str = r#"{"at_ms":1,"opened":{"midway":false}}"#;
    const HELLO: &str = r#"{"at_ms":2,"message":{"op":10,"d":{"heartbeat_interval":9}}}"#;

    fn parse(lines: &[&str]) -> Result<Recorded, usize> {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        Recorded::parse(&text).map_err(|bad| bad.line())
    }

    fn send(text: &str) -> Step {
        Step::Send(text.to_owned())
    }

    #[test]
    fn lines_become_what_is_said_and_acks_are_left_to_the_gateway() {
        let recorded = parse(&[
            HEAD,
            OPENED,
            HELLO,
            r#"{"at_ms":7,"message":{"op":11}}"#,
            r#"{"at_ms":12,"message":{"t":"READY","s":1,"op":0,"d":{}}}"#,
            r#"{"at_ms":13,"unreadable":{"seq":2}}"#,
            r#"{"at_ms":13,"unreadable":{"seq":null}}"#,
            r#"{"at_ms":14,"from a later version":1}"#,
            r#"{"at_ms":15,"ended":{"how":"closed","code":4000,"cause":"x","more":1}}"#,
            r#"{"at_ms":20,"opened":{"midway":false}}"#,
            r#"{"at_ms":21,"ended":{"how":"cut","code":null,"cause":"x"}}"#,
        ])
        .unwrap();
        assert_eq!((recorded.connections(), recorded.events()), (2, 1));
        let [first, second] = &*recorded.connections else {
            panic!("{recorded:?}");
        };
        let ms = Duration::from_millis;
        let close = Step::CloseWith {
            code: Some(4000),
            reason: String::new(),
        };
        let said = [
            (ms(10), send(r#"{"t":"READY","s":1,"op":0,"d":{}}"#)),
            (ms(1), send(r#"{"s":2,"#)),
            (ms(0), send("{")),
            (ms(1), close),
        ];
        assert_eq!(first.rest, said);
        let hello = Fault::at(
            Moment::Hello,
            [send(r#"{"op":10,"d":{"heartbeat_interval":9}}"#)],
        );
        let [identify, resume] =
            [Moment::Identify, Moment::Resume].map(|moment| Fault::at(moment, []));
        assert_eq!(first.plan(), [hello, identify, resume]);
        assert_eq!(second.plan(), [Fault::at(Moment::Hello, [Step::Fin])]);
    }

    #[test]
    fn what_went_on_with_a_session_lets_a_client_begin_one() {
        let event = r#"{"at_ms":3,"message":{"t":"A","s":9,"op":0,"d":{}}}"#;
        let midway = r#"{"at_ms":0,"opened":{"midway":true}}"#;
        let resume = [Fault::at(Moment::Resume, [])];
        let recorded = parse(&[HEAD, midway, event]).unwrap();
        assert_eq!(recorded.connections[0].plan(), resume);
        let recorded = parse(&[HEAD, OPENED, HELLO, event]).unwrap();
        assert_eq!(recorded.connections[0].plan()[1..], resume);
    }

    #[test]
    fn what_is_no_recording_is_told_by_its_line() {
        let second = r#"{"recording":2,"platform":"discord","shard":[0,1],"begun_ms":0}"#;
        for (lines, line) in [
            (&[][..], 1),
            (&[""], 1),
            (&[second], 1),
            (&["{}"], 1),
            (&[HEAD, "x"], 2),
            (&[HEAD, r#"{"opened":{"midway":true}}"#], 2),
            (&[HEAD, HELLO], 2),
            (&[HEAD, OPENED, r#"{"at_ms":1,"message":{"t":"A"}}"#], 3),
            (&[HEAD, OPENED, r#"{"at_ms":1,"message":7}"#], 3),
            (&[HEAD, OPENED, r#"{"at_ms":1,"ended":{"how":"so"}}"#], 3),
            (&[HEAD, OPENED, ""], 3),
        ] {
            assert_eq!(parse(lines), Err(line), "{lines:?}");
        }
        // Stopped hard while it wrote.
        let torn = format!("{HEAD}\n{OPENED}\n{HELLO}\n{{\"at_ms\":3,\"mess");
        assert_eq!(Recorded::parse(&torn).unwrap().connections(), 1);
        assert_eq!(parse(&[HEAD]).unwrap().connections(), 0);
    }
}
