//! What is it doing, in numbers? The metrics, declared once in a table.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};

use super::Measure;
use crate::{
    id::ShardId,
    notice::{Cause, Notice},
    session::{Counters, State},
};

/// What the recorder may filter by.
static METADATA: Metadata<'static> =
    Metadata::new("shardstream", Level::INFO, Some("shardstream::observe"));

/// An event whose name the platform's table does not have.
const OTHER: &str = "other";

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    kind: Kind,
    unit: Unit,
    /// Beside the labels that all have.
    #[cfg_attr(not(test), allow(dead_code, reason = "the docs are held against it"))]
    label: Option<&'static str>,
    text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Makes the table, and a field for each of its rows.
macro_rules! table {
    ($( $field:ident: $kind:ident $([$label:literal])?, $unit:ident, $text:literal; )*) => {
        /// Every metric there is.
        pub(super) const TABLE: &[Row] = &[$( Row {
            name: concat!("shardstream_", stringify!($field)),
            kind: Kind::$kind,
            unit: Unit::$unit,
            label: [$( Some($label), )? None][0],
            text: $text,
        } ),*];

        /// One of each, of one shard.
        struct Instruments {
            $( $field: table!(@field $kind $([$label])?), )*
        }

        impl Instruments {
            fn new(labels: &[Label]) -> Self {
                Self {
                    $( $field: table!(
                        @new $kind concat!("shardstream_", stringify!($field)), labels
                        $(, $label)?
                    ), )*
                }
            }
        }
    };
    (@field $kind:ident) => { $kind };
    (@field $kind:ident [$label:literal]) => { Family<$kind> };
    (@new $kind:ident $name:expr, $labels:ident) => {
        <$kind as Instrument>::register(&Key::from_parts($name, $labels.to_vec()))
    };
    (@new $kind:ident $name:expr, $labels:ident, $label:literal) => {
        Family::<$kind>::new($name, $label, $labels)
    };
}

table! {
    acks: Counter, Count, "Heartbeat acks received";
    buffered_events: Gauge, Count, "Events between connection and bot, when last looked at";
    bytes_in: Counter, Bytes, "Bytes read from connections, before decompression, after TLS";
    bytes_out: Counter, Bytes, "Bytes written to connections, before TLS";
    commands: Counter, Count, "Commands of the bot sent";
    connect_failures: Counter, Count, "Attempts to connect that failed";
    connects: Counter, Count, "Connections opened";
    disconnects: Counter ["cause"], Count, "Connections that ended, or did not come about";
    duplicates: Counter, Count, "Events dropped because their sequence had come before";
    ended: Counter ["kind"], Count, "Shards that ended, by the kind of their last error";
    events: Counter ["event"], Count, "Events received, without duplicates";
    garbled: Counter, Count, "Messages that could not be read";
    heartbeats: Counter, Count, "Heartbeats sent";
    identifies: Counter, Count, "IDENTIFYs sent";
    identify_wait_seconds: Histogram, Seconds, "From asking to identify until it was allowed";
    latency_seconds: Histogram, Seconds, "From a heartbeat to its ack";
    notices: Counter ["notice"], Count, "Notices: gaps, lost sessions, a bot that is too slow ..";
    permit_refusals: Counter, Count, "Times that no permit or no credential could be had";
    ready: Gauge, Count, "1 while the bot is served, else 0";
    reconnect_delay_seconds: Histogram, Seconds, "The wait before connecting again";
    repeated: Counter, Count, "Events dropped because their message had come before";
    resumes: Counter, Count, "RESUMEs sent";
    state: Gauge ["state"], Count, "1 for the state of the shard, else 0; all are 0 behind its end";
}

/// The metrics of one shard.
pub(crate) struct Meter {
    instruments: Instruments,
    state: State,
    /// What was counted when it was last told.
    counters: Counters,
    bytes_in: u64,
    bytes_out: u64,
    buffered: usize,
    ready: bool,
}

impl Meter {
    pub(crate) fn new(platform: &'static str, id: ShardId) -> Self {
        metrics::with_recorder(describe);
        let instruments = Instruments::new(&[
            Label::from_static_parts("platform", platform),
            Label::new("shard", id.number().to_string()),
            Label::new("total", id.total().to_string()),
        ]);
        let mut meter = Self {
            instruments,
            state: State::Backoff,
            counters: Counters::default(),
            bytes_in: 0,
            bytes_out: 0,
            buffered: 0,
            ready: false,
        };
        meter
            .instruments
            .state
            .of(state_name(meter.state))
            .increment(1);
        meter
    }

    pub(crate) fn take(&mut self, measure: &Measure<'_>) {
        let to = &mut self.instruments;
        match *measure {
            Measure::ConnectFailed => to.connect_failures.increment(1),
            Measure::Counted {
                counters,
                bytes,
                buffered,
                ready,
            } => {
                to.buffered_events
                    .increment(change(self.buffered, buffered));
                self.buffered = buffered;
                to.ready.increment(change(self.ready.into(), ready.into()));
                self.ready = ready;
                to.bytes_in.increment(bytes.0.saturating_sub(self.bytes_in));
                to.bytes_out
                    .increment(bytes.1.saturating_sub(self.bytes_out));
                (self.bytes_in, self.bytes_out) = bytes;
                self.counted(counters);
            }
            Measure::Ended(kind) => to.ended.of(kind.name()).increment(1),
            Measure::Event(name) => to.events.of(name.unwrap_or(OTHER)).increment(1),
            Measure::Latency(latency) => to.latency_seconds.record(latency),
            Measure::Notice(notice) => {
                to.notices.of(notice.name()).increment(1);
                if let Notice::Disconnected {
                    cause, retry_in, ..
                } = notice
                {
                    to.disconnects.of(cause_name(cause)).increment(1);
                    to.reconnect_delay_seconds.record(*retry_in);
                }
            }
            Measure::PermitGranted(waited) => to.identify_wait_seconds.record(waited),
            Measure::PermitRefused => to.permit_refusals.increment(1),
            Measure::Refused => {
                let cause = Cause::Closed { code: None };
                to.disconnects.of(cause_name(&cause)).increment(1);
            }
            Measure::State(state) => self.enter(state),
        }
    }

    fn counted(&mut self, counters: Counters) {
        if counters == self.counters {
            return;
        }
        let (to, old) = (&self.instruments, self.counters);
        // A field that is added is named here, or this does not compile.
        let Counters {
            connects,
            identifies,
            resumes,
            heartbeats,
            acks,
            // By name.
            events: _,
            duplicates,
            repeated,
            garbled,
            commands,
        } = counters;
        for (counter, new, old) in [
            (&to.connects, connects, old.connects),
            (&to.identifies, identifies, old.identifies),
            (&to.resumes, resumes, old.resumes),
            (&to.heartbeats, heartbeats, old.heartbeats),
            (&to.acks, acks, old.acks),
            (&to.duplicates, duplicates, old.duplicates),
            (&to.repeated, repeated, old.repeated),
            (&to.garbled, garbled, old.garbled),
            (&to.commands, commands, old.commands),
        ] {
            counter.increment(new.saturating_sub(old));
        }
        self.counters = counters;
    }

    fn enter(&mut self, state: State) {
        let states = &mut self.instruments.state;
        states.of(state_name(self.state)).decrement(1);
        states.of(state_name(state)).increment(1);
        self.state = state;
    }
}

/// Gauges are changed and never set, so that shards that share their labels, as an old one and its
/// successor do for a while, add up; what this one added it takes with it.
impl Drop for Meter {
    fn drop(&mut self) {
        let to = &mut self.instruments;
        to.state.of(state_name(self.state)).decrement(1);
        to.ready.increment(change(self.ready.into(), 0));
        to.buffered_events.increment(change(self.buffered, 0));
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

/// Says what the metrics are, to a recorder that wants to know.
fn describe(recorder: &dyn Recorder) {
    for row in TABLE {
        let (name, unit) = (KeyName::from_const_str(row.name), Some(row.unit));
        match row.kind {
            Kind::Counter => recorder.describe_counter(name, unit, row.text.into()),
            Kind::Gauge => recorder.describe_gauge(name, unit, row.text.into()),
            Kind::Histogram => recorder.describe_histogram(name, unit, row.text.into()),
        }
    }
}

/// The members of a metric by the values of a label, each registered when it is first needed. The
/// values are all names in this crate, so a peer cannot add to them.
struct Family<I> {
    name: &'static str,
    label: &'static str,
    labels: Vec<Label>,
    members: HashMap<&'static str, I>,
}

impl<I: Instrument> Family<I> {
    fn new(name: &'static str, label: &'static str, labels: &[Label]) -> Self {
        Self {
            name,
            label,
            labels: labels.to_vec(),
            members: HashMap::new(),
        }
    }

    fn of(&mut self, value: &'static str) -> &I {
        self.members.entry(value).or_insert_with(|| {
            let mut labels = self.labels.clone();
            labels.push(Label::from_static_parts(self.label, value));
            I::register(&Key::from_parts(self.name, labels))
        })
    }
}

/// What a recorder gives out.
trait Instrument: Sized {
    fn register(key: &Key) -> Self;
}

impl Instrument for Counter {
    fn register(key: &Key) -> Self {
        metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA))
    }
}

impl Instrument for Gauge {
    fn register(key: &Key) -> Self {
        metrics::with_recorder(|recorder| recorder.register_gauge(key, &METADATA))
    }
}

impl Instrument for Histogram {
    fn register(key: &Key) -> Self {
        metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
    }
}

/// From `old` to `new`; exact up to more than any buffer holds.
fn change(old: usize, new: usize) -> f64 {
    let exact = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    exact(new) - exact(old)
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::AwaitClose => "await_close",
        State::AwaitConnection => "await_connection",
        State::AwaitHello => "await_hello",
        State::AwaitPermit => "await_permit",
        State::AwaitReady => "await_ready",
        State::AwaitResumed => "await_resumed",
        State::Backoff => "backoff",
        State::Stopped => "stopped",
    }
}

/// Without the code of a close: a server may make up thousands.
const fn cause_name(cause: &Cause) -> &'static str {
    match cause {
        Cause::BadHello => "bad_hello",
        Cause::BadReady => "bad_ready",
        Cause::BrokenFrame => "broken_frame",
        Cause::Closed { .. } => "closed",
        Cause::Compression => "compression",
        Cause::Connect => "connect",
        Cause::Cut => "cut",
        Cause::InvalidSession { .. } => "invalid_session",
        Cause::MissingAck => "missing_ack",
        Cause::NoHello => "no_hello",
        Cause::NoReady => "no_ready",
        Cause::NoResumed => "no_resumed",
        Cause::Reconnect => "reconnect",
        Cause::Requested => "requested",
        Cause::SequenceRestarted => "sequence_restarted",
        Cause::Silence => "silence",
        Cause::TooLong => "too_long",
        Cause::WriteStall => "write_stall",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `metrics.md` has to say, line by line.
    fn documented() -> Vec<String> {
        let line = |row: &Row| {
            let label = row.label.map(|label| format!(", `{label}`"));
            let label = label.unwrap_or_default();
            let (kind, unit) = (format!("{:?}", row.kind), row.unit.as_str());
            let kind = kind.to_lowercase();
            let (name, text) = (row.name, row.text);
            format!("| `{name}`{label} | {kind} | {unit} | {text} |")
        };
        TABLE.iter().map(line).collect()
    }

    #[test]
    fn the_table_of_the_docs_is_that_of_the_code() {
        let docs = include_str!("metrics.md").lines();
        let rows: Vec<_> = docs.filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows, documented(), "\n{}", documented().join("\n"));
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn what_a_peer_names_adds_nothing() {
        let mut meter = Meter::new("here", ShardId::ONE);
        for _ in 0..1_000 {
            meter.take(&Measure::Event(None));
        }
        assert_eq!(meter.instruments.events.members.len(), 1);
    }

    #[test]
    fn durations_are_recorded_in_seconds() {
        use std::time::Duration;

        use metrics::IntoF64 as _;

        assert!((Duration::from_millis(1_500).into_f64() - 1.5).abs() < 1e-9);
    }
}
