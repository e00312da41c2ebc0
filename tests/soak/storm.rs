//! What happens to the shards? Faults by chance, and a feed whose every event is accounted for.

use std::{collections::BTreeMap, io, time::Duration};

use fastrand::Rng;
use shardstream::{
    ShardId,
    local::{Event, Fault, Gateway, Step},
};

use super::{INTERVAL, SHARDS};

pub(crate) const UNKNOWN: &str = "NEVER_HEARD_OF";

/// The gateway, with all that is slow on the platform scaled down.
pub(crate) async fn gateway() -> io::Result<Gateway> {
    Gateway::builder()
        .heartbeat_interval(INTERVAL)
        .identify_window(Duration::from_millis(20))
        .max_concurrency(SHARDS)
        .session_starts(1_000_000, 1_000_000)
        .resume_window(Duration::from_secs(30))
        .send_limit(120, Duration::from_secs(2))
        .log_events(false)
        .log_len(1_000)
        .start()
        .await
}

pub(crate) fn shard(number: u32) -> ShardId {
    ShardId::new(number, SHARDS).expect("a shard")
}

/// The event with that number: the same for who sends and who takes it.
pub(crate) fn feed(number: u64) -> Event {
    if number.is_multiple_of(3) {
        let data = format!(r#"{{"id":"{}","channel_id":"7"}}"#, number + 1);
        return Event::new("MESSAGE_DELETE", data).expect("JSON");
    }
    let mut rng = Rng::with_seed(number);
    let len = [10, 200, 200, 1_000, 9_000][rng.usize(..5)];
    let text: String = (0..len).map(|_| rng.alphanumeric()).collect();
    Event::new(UNKNOWN, format!(r#"{{"n":{number},"text":"{text}"}}"#)).expect("JSON")
}

/// The faults, and how far each shard's feed has come.
pub(crate) struct Storm {
    rng: Rng,
    next: Vec<u64>,
    faults: BTreeMap<&'static str, u64>,
}

impl Storm {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            next: vec![0; SHARDS as usize],
            faults: BTreeMap::new(),
        }
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(crate) fn summary(&self) -> String {
        let each = self
            .faults
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// A little while of it: events, and often a fault.
    pub(crate) fn blow(&mut self, gateway: &Gateway) {
        for _ in 0..4 {
            let number = self.rng.u32(..SHARDS);
            self.send(gateway, number);
        }
        if self.rng.u8(..4) == 0 {
            self.strike(gateway);
        }
    }

    /// One fault.
    fn strike(&mut self, gateway: &Gateway) {
        let id = shard(self.rng.u32(..SHARDS));
        let codes = [1000, 1001, 1011, 3000, 4000, 4001, 4007, 4009, 4999];
        let code = codes[self.rng.usize(..codes.len())];
        let byte = self.rng.usize(..200);
        let (name, steps) = match self.rng.u8(..16) {
            0..=2 => ("reset", Step::Rst),
            3 => ("end", Step::Fin),
            4 => ("cut", Step::CutNext { byte, reset: true }),
            5 => ("cut", Step::CutNext { byte, reset: false }),
            6 => ("op 7", Step::Reconnect),
            7 => ("op 9 true", Step::InvalidSession(true)),
            8 => ("op 9 false", Step::InvalidSession(false)),
            9 | 10 => ("close", Step::Close(code)),
            11 => ("hang", Step::Hang),
            12 => ("mute", Step::Mute),
            _ => return self.spoil(gateway, id),
        };
        if gateway.order(id, [steps]) > 0 {
            *self.faults.entry(name).or_default() += 1;
        }
    }

    /// A fault of a connection to come. There is one to come for each that is cut: else faults
    /// would pile up for one shard that is down.
    fn spoil(&mut self, gateway: &Gateway, id: ShardId) {
        if gateway.order(id, [Step::Rst]) == 0 {
            return;
        }
        let replayed = self.rng.u64(..4);
        let (name, fault, is_own) = match self.rng.u8(..9) {
            0 | 1 => ("refused connect", Fault::rst_on_accept(), false),
            2 => ("503", Fault::http(503, &[], "down"), false),
            3 => ("no hello", Fault::no_hello(), false),
            4 => ("stalled upgrade", Fault::stall_upgrade(), false),
            // And not without RESUMED only: behind a replay that goes on it is waited for.
            5 => ("ignored resume", Fault::ignore_resume(), true),
            6 => ("refused resume", Fault::refuse_resume(false), true),
            7 => ("no acks", Fault::withhold_acks(), true),
            _ => ("cut replay", Fault::rst_after(replayed), true),
        };
        if is_own {
            gateway.misbehave_shard(id, [fault]);
        } else {
            gateway.misbehave([fault]);
        }
        *self.faults.entry(name).or_default() += 1;
    }

    fn send(&mut self, gateway: &Gateway, number: u32) {
        let next = &mut self.next[number as usize];
        // What no session got is not part of the feed.
        if gateway.send_event(shard(number), feed(*next)) > 0 {
            *next += 1;
        }
    }

    pub(crate) fn send_to_all(&mut self, gateway: &Gateway, events: u32) {
        for number in (0..SHARDS).flat_map(|number| (0..events).map(move |_| number)) {
            self.send(gateway, number);
        }
    }

    /// Whether all of the feeds was taken.
    pub(crate) fn is_taken(&self, numbers: &[u64]) -> bool {
        let sent = self.next.iter().map(|next| next.saturating_sub(1));
        sent.eq(numbers.iter().copied())
    }
}
