//! What is known of the shards? Fed with what they tell; knows no terminal and no clock.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use shardstream::{Counters, Notice, State};

/// So many latencies of a shard, and of all, are remembered.
const HISTORY: usize = 120;
/// Rates are means over so many samples, one a second.
const SAMPLES: usize = 5;

/// All that is shown.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Where the shards are connected.
    pub(crate) source: String,
    /// Since the program began.
    pub(crate) elapsed: Duration,
    /// By their numbers.
    pub(crate) shards: BTreeMap<u32, Shard>,
    /// Of all shards.
    pub(crate) counters: Counters,
    /// Median and worst of the shards' latencies, one a second, the oldest first.
    pub(crate) latency: VecDeque<(Duration, Duration)>,
    /// How often connections ended or did not come about, by cause.
    pub(crate) causes: BTreeMap<String, u64>,
    pub(crate) budget: Option<Budget>,
    samples: VecDeque<(Duration, BTreeMap<String, u64>)>,
}

/// One shard.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) state: State,
    /// Whether events are taken slower than they come.
    pub(crate) slow: bool,
    /// The oldest first.
    pub(crate) latency: VecDeque<Duration>,
    acks: u64,
}

/// The identifies of a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) total: u64,
    /// What was left when the program began.
    pub(crate) left_at_start: u64,
    /// How long it takes at least until all shards have identified.
    pub(crate) identified_in: Option<Duration>,
}

impl Model {
    /// What a shard is doing, how many acks it has had, and how long the last of them took.
    pub(crate) fn shard(
        &mut self,
        number: u32,
        (state, slow): (State, bool),
        acks: u64,
        latency: Option<Duration>,
    ) {
        let shard = self.shards.entry(number).or_insert_with(|| Shard {
            state,
            slow,
            latency: VecDeque::new(),
            acks: 0,
        });
        (shard.state, shard.slow) = (state, slow);
        if let Some(latency) = latency.filter(|_| acks > shard.acks) {
            remember(&mut shard.latency, latency);
        }
        shard.acks = acks;
    }

    /// A shard has given a notice.
    pub(crate) fn notice(&mut self, notice: &Notice) {
        if let Notice::Disconnected { cause, .. } = notice {
            *self.causes.entry(cause.to_string()).or_default() += 1;
        }
    }

    /// A shard could not connect, or something else went wrong: what kind of thing.
    pub(crate) fn error(&mut self, kind: &str) {
        *self.causes.entry(format!("error: {kind}")).or_default() += 1;
    }

    /// Once a second: how often each event has come until now.
    pub(crate) fn sample(&mut self, events: BTreeMap<String, u64>) {
        self.samples.push_back((self.elapsed, events));
        if self.samples.len() > SAMPLES + 1 {
            self.samples.pop_front();
        }
        let last = self
            .shards
            .values()
            .filter_map(|shard| shard.latency.back());
        let mut last: Vec<_> = last.copied().collect();
        last.sort_unstable();
        if let Some(&worst) = last.last() {
            remember(&mut self.latency, (last[last.len() / 2], worst));
        }
    }

    /// Whether there is everything to be seen: all shards are served, and there are rates.
    pub(crate) fn is_complete(&self) -> bool {
        self.shards.values().all(Shard::is_served) && !self.rates().is_empty()
    }

    /// Events a second by name, the most frequent first.
    pub(crate) fn rates(&self) -> Vec<(&str, f64)> {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Vec::new();
        };
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        let rate = |(name, count): (&'_ String, &u64)| {
            let before = first.1.get(name).copied().unwrap_or_default();
            let more = u32::try_from(count.saturating_sub(before)).unwrap_or(u32::MAX);
            f64::from(more) / seconds
        };
        let rates = last.1.iter().map(|kind| (kind.0.as_str(), rate(kind)));
        let mut rates: Vec<_> = rates.filter(|(_, rate)| rate.is_normal()).collect();
        rates.sort_by(|a, b| b.1.total_cmp(&a.1));
        rates
    }

    /// Of the day's identifies, those left.
    pub(crate) fn identifies_left(&self, budget: Budget) -> u64 {
        budget
            .left_at_start
            .saturating_sub(self.counters.identifies)
    }
}

impl Shard {
    pub(crate) fn is_served(&self) -> bool {
        self.state == State::Active && !self.slow
    }
}

fn remember<T>(history: &mut VecDeque<T>, latest: T) {
    history.push_back(latest);
    if history.len() > HISTORY {
        history.pop_front();
    }
}
