//! Where in its order does a guild change hands? Two copies of one history, brought into line.
//! Imports nothing of the crate; no clock, no socket.
//!
//! Both sets of shards get the same events of a guild in the same order, each with a delay of its
//! own. The old set's are given to the user, and the new set's are counted against them, until it
//! is known of each guild (a *lane*) which event of the new set is which of the old. Then all
//! lanes change hands at once: what the new set is ahead is given, what it is behind is skipped.
//!
//! Events have no id, and equal ones may follow each other, so contents alone do not tell. A
//! *round* bounds how far the two can be apart, whatever the events are:
//!
//! 1. From its beginning on, events are listed.
//! 2. When the new set has given everything that the server had sent before some moment after
//!    that, it stands at least where the old set stood at the beginning.
//! 3. When then the old set has given everything that the server had sent before some moment
//!    after that, it stands at least where the new set stood at 2.
//!
//! Where a lane had no event meanwhile, the bounds are equal and the lane is decided. Else its
//! lists have to agree, which leaves one way to lay them side by side once there are enough
//! events that differ. A lane that is still undecided keeps its lists for the next round, whose
//! bounds hold as well.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    mem,
};

/// What tells an event from others: equal events have equal prints.
pub(super) type Print = u64;

/// Whose events are in line: a guild's, or with `None` the account's.
pub(super) type Key = Option<u64>;

/// Rounds, of about a second each, after which a lane that is still undecided goes by its contents
/// alone: the two sets do not get the same events, as with other intents.
const ROUNDS_MAX: u32 = 60;
/// So many events may be listed at a time, of all lanes.
const LISTED_MAX: usize = 1 << 18;
/// So many bytes may be kept at a time for events that the old set has not given.
const BYTES_MAX: usize = 64 << 20;

/// An event that the new set gave, kept until it is known whether the user has it.
#[derive(Debug)]
struct Kept<T> {
    print: Print,
    len: usize,
    event: T,
}

/// Events in order, and their length together.
#[derive(Debug)]
struct KeptList<T> {
    events: VecDeque<Kept<T>>,
    bytes: usize,
}

impl<T> Default for KeptList<T> {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T> KeptList<T> {
    fn push(&mut self, kept: Kept<T>) {
        self.bytes += kept.len;
        self.events.push_back(kept);
    }

    fn pop(&mut self) -> Option<Kept<T>> {
        let kept = self.events.pop_front()?;
        self.bytes -= kept.len;
        Some(kept)
    }

    fn drop_first(&mut self, count: usize) {
        for _ in 0..count.min(self.events.len()) {
            drop(self.pop());
        }
    }
}

/// The two copies of one history.
#[derive(Debug)]
struct Lane<T> {
    /// The shard of the old set that it belongs to.
    shard: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Undecided(Lists<T>),
    /// The old set has given these, and the new has not.
    Behind(VecDeque<Print>),
    /// The new set has given these, and the old has not. Empty where the two are level.
    Ahead(KeptList<T>),
}

/// Everything since some moment. The new list's first event is the old list's event number
/// `shift`, and that may lie before the list's beginning or behind its end.
#[derive(Debug)]
struct Lists<T> {
    old: Vec<Print>,
    new: KeptList<T>,
    /// The least and the greatest `shift` that can be.
    bounds: Option<(i64, i64)>,
    /// How long the old list was when the round began.
    old_at_begin: usize,
    /// How long the new list was when the new set was through.
    new_when_through: usize,
    /// The lists were there when the round began.
    in_round: bool,
}

impl<T> Lists<T> {
    fn new(in_round: bool) -> Self {
        Self {
            old: Vec::new(),
            new: KeptList::default(),
            bounds: None,
            old_at_begin: 0,
            new_when_through: 0,
            in_round,
        }
    }
}

/// What becomes of an event of the new set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The user gets it.
    Give,
    /// The user has it, or will have it from the old set, or it is kept.
    Swallow,
}

/// How far a round has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There is none; nothing is listed.
    None,
    /// Events are listed.
    Begun,
    /// The new set is through.
    Through,
}

/// The hand-over of all lanes. `T` is an event that can be kept.
#[derive(Debug)]
pub(super) struct Handoff<T> {
    lanes: HashMap<Key, Lane<T>>,
    /// Prints of events that the user has, and that the new set will still give.
    skips: HashMap<Key, VecDeque<Print>>,
    /// Shards of the old set whose lanes are the old set's.
    live: HashSet<u32>,
    round: Round,
    /// Rounds that ended since events are listed.
    rounds: u32,
    weight: Weight,
    switched: bool,
}

/// How many events are listed, and how many bytes are kept.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    listed: usize,
    bytes: usize,
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self {
            listed: self.listed + other.listed,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            listed: self.listed.saturating_sub(other.listed),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl<T> Handoff<T> {
    /// With these shards in the old set. Lanes of shards that it does not have are the new set's.
    pub(super) fn new(live: impl IntoIterator<Item = u32>) -> Self {
        Self {
            lanes: HashMap::new(),
            skips: HashMap::new(),
            live: live.into_iter().collect(),
            round: Round::None,
            rounds: 0,
            weight: Weight::default(),
            switched: false,
        }
    }

    /// The old set gave an event; whether the user gets it.
    pub(super) fn handle_old(
        &mut self,
        shard: u32,
        key: Key,
        print: impl FnOnce() -> Print,
    ) -> bool {
        if self.is_given_by_new(shard) {
            return false;
        }
        if !self.is_listing() {
            return true;
        }
        let decided = self.rounds > 0;
        let lane = lane(&mut self.lanes, shard, key, decided);
        let print = print();
        let before = lane.weight();
        match &mut lane.state {
            State::Undecided(lists) => lists.old.push(print),
            State::Behind(prints) => prints.push_back(print),
            State::Ahead(ahead) => match ahead.pop() {
                None => lane.state = State::Behind([print].into()),
                Some(first) if first.print == print => {}
                Some(_) => lane.state = State::Undecided(Lists::new(false)),
            },
        }
        let after = lane.weight();
        self.weight = self.weight.plus(after).minus(before);
        true
    }

    /// The new set gave an event of `len` bytes; `keep` makes what can be kept of it.
    pub(super) fn handle_new(
        &mut self,
        shard: u32,
        key: Key,
        print: impl FnOnce() -> Print,
        len: usize,
        keep: impl FnOnce() -> T,
    ) -> Verdict {
        if self.is_given_by_new(shard) {
            return self.handle_owned(key, print);
        }
        if !self.is_listing() {
            return Verdict::Swallow;
        }
        let decided = self.rounds > 0;
        let lane = lane(&mut self.lanes, shard, key, decided);
        let print = print();
        let before = lane.weight();
        let kept = || Kept {
            print,
            len,
            event: keep(),
        };
        match &mut lane.state {
            State::Undecided(lists) => lists.new.push(kept()),
            State::Ahead(ahead) => ahead.push(kept()),
            State::Behind(prints) => match prints.pop_front() {
                None => {
                    let mut ahead = KeptList::default();
                    ahead.push(kept());
                    lane.state = State::Ahead(ahead);
                }
                Some(first) if first == print => {}
                Some(_) => lane.state = State::Undecided(Lists::new(false)),
            },
        }
        let after = lane.weight();
        self.weight = self.weight.plus(after).minus(before);
        Verdict::Swallow
    }

    /// A lane of the new set's own: what the user has is skipped.
    fn handle_owned(&mut self, key: Key, print: impl FnOnce() -> Print) -> Verdict {
        let Entry::Occupied(mut skips) = self.skips.entry(key) else {
            return Verdict::Give;
        };
        let print = print();
        let found = skips.get().iter().position(|skipped| *skipped == print);
        if let Some(at) = found {
            // Those before it are not coming any more: the new session had not begun yet, or was
            // lost.
            skips.get_mut().drain(..=at);
            if skips.get().is_empty() {
                skips.remove();
            }
            return Verdict::Swallow;
        }
        Verdict::Give
    }

    /// A round begins: from here on events are listed.
    pub(super) fn begin_round(&mut self) {
        self.round = Round::Begun;
        for lists in undecided(&mut self.lanes) {
            lists.old_at_begin = lists.old.len();
            lists.new_when_through = 0;
            lists.in_round = true;
        }
    }

    /// Everything was taken from the new set that the server had sent before some moment after the
    /// beginning of the round.
    pub(super) fn new_is_through(&mut self) {
        self.round = Round::Through;
        for lists in undecided(&mut self.lanes) {
            lists.new_when_through = lists.new.events.len();
        }
    }

    /// Everything was taken from the old set that the server had sent before some moment after
    /// [`new_is_through`](Self::new_is_through): the round ends. When all lanes are decided they
    /// change hands, and the user gets these events now, in this order.
    pub(super) fn old_is_through(&mut self) -> Option<Vec<T>> {
        self.round = Round::None;
        self.rounds += 1;
        let mut all = true;
        for lane in self.lanes.values_mut() {
            let before = lane.weight();
            let State::Undecided(lists) = &mut lane.state else {
                continue;
            };
            lists.narrow();
            let Some(shift) = lists.decide() else {
                all = false;
                continue;
            };
            lane.state = mem::replace(lists, Lists::new(false)).line_up(shift);
            let after = lane.weight();
            self.weight = self.weight.plus(after).minus(before);
        }
        (all || self.rounds >= ROUNDS_MAX).then(|| self.switch())
    }

    /// All lanes are the new set's.
    fn switch(&mut self) -> Vec<T> {
        self.switched = true;
        let lanes = mem::take(&mut self.lanes);
        let events = lanes.into_iter();
        let events = events.flat_map(|(key, lane)| self.hand_over(key, lane));
        let events = events.collect();
        self.weight = Weight::default();
        events
    }

    /// A lane is the new set's: what the user gets of it at once.
    fn hand_over(&mut self, key: Key, lane: Lane<T>) -> Vec<T> {
        let (give, skip) = match lane.state {
            State::Undecided(lists) => lists.by_contents(),
            State::Ahead(ahead) => (ahead.events, VecDeque::new()),
            State::Behind(prints) => (VecDeque::new(), prints),
        };
        if !skip.is_empty() {
            self.skips.insert(key, skip);
        }
        give.into_iter().map(|kept| kept.event).collect()
    }

    /// A shard of the old set gives no more, or not all: its lanes are the new set's from here on,
    /// by what is known of them. The user gets these events now.
    pub(super) fn lose_old(&mut self, shard: u32) -> Vec<T> {
        if self.is_given_by_new(shard) {
            return Vec::new();
        }
        self.live.remove(&shard);
        let (lost, rest) = mem::take(&mut self.lanes)
            .into_iter()
            .partition(|(_, lane): &(Key, Lane<T>)| lane.shard == shard);
        self.lanes = rest;
        let lost: HashMap<Key, Lane<T>> = lost;
        for lane in lost.values() {
            self.weight = self.weight.minus(lane.weight());
        }
        let lost = lost.into_iter();
        lost.flat_map(|(key, lane)| self.hand_over(key, lane))
            .collect()
    }

    /// Forgets all lists: what the new set gave before does not count. The next round is the
    /// first.
    pub(super) fn reset(&mut self) {
        if !self.switched {
            self.lanes = HashMap::new();
            self.round = Round::None;
            self.rounds = 0;
            self.weight = Weight::default();
        }
    }

    /// What should be skipped and did not come will not come any more.
    pub(super) fn forget_skips(&mut self) {
        self.skips = HashMap::new();
    }

    /// Whether the user gets this old shard's lanes from the new set.
    pub(super) fn is_given_by_new(&self, shard: u32) -> bool {
        self.switched || !self.live.contains(&shard)
    }

    /// Whether something is still to be skipped.
    pub(super) fn has_skips(&self) -> bool {
        !self.skips.is_empty()
    }

    /// Whether all lanes have changed hands.
    pub(super) fn is_switched(&self) -> bool {
        self.switched || self.live.is_empty()
    }

    fn is_listing(&self) -> bool {
        self.round != Round::None || self.rounds > 0
    }

    /// Whether more is listed than may be: one of the sets is far behind the other.
    pub(super) const fn is_overfull(&self) -> bool {
        self.weight.listed > LISTED_MAX || self.weight.bytes > BYTES_MAX
    }
}

impl<T> Lane<T> {
    fn weight(&self) -> Weight {
        match &self.state {
            State::Undecided(lists) => Weight {
                listed: lists.old.len() + lists.new.events.len(),
                bytes: lists.new.bytes,
            },
            State::Behind(prints) => Weight {
                listed: prints.len(),
                bytes: 0,
            },
            State::Ahead(ahead) => Weight {
                listed: ahead.events.len(),
                bytes: ahead.bytes,
            },
        }
    }
}

/// The lane, made where there is none. After a round it is known that a lane without events is
/// level.
fn lane<T>(lanes: &mut HashMap<Key, Lane<T>>, shard: u32, key: Key, decided: bool) -> &mut Lane<T> {
    lanes.entry(key).or_insert_with(|| {
        let state = if decided {
            State::Ahead(KeptList::default())
        } else {
            State::Undecided(Lists::new(true))
        };
        Lane { shard, state }
    })
}

fn undecided<T>(lanes: &mut HashMap<Key, Lane<T>>) -> impl Iterator<Item = &mut Lists<T>> {
    lanes.values_mut().filter_map(|lane| match &mut lane.state {
        State::Undecided(lists) => Some(lists),
        State::Behind(_) | State::Ahead(_) => None,
    })
}

/// Lists are bounded far below.
fn number(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

impl<T> Lists<T> {
    /// What the round tells: when the new set was through it stood, in the old list's numbers,
    /// not before the old list's length at the beginning, and not behind its length now.
    fn narrow(&mut self) {
        if !self.in_round {
            return;
        }
        let new = number(self.new_when_through);
        let least = number(self.old_at_begin) - new;
        let greatest = number(self.old.len()) - new;
        let (low, high) = self.bounds.unwrap_or((least, greatest));
        self.bounds = Some((low.max(least), high.min(greatest)));
    }

    /// The shift, where only one can be.
    fn decide(&self) -> Option<i64> {
        let (low, high) = self.bounds?;
        let mut fitting = (low..=high).filter(|shift| self.fits(*shift));
        let shift = fitting.next()?;
        fitting.next().is_none().then_some(shift)
    }

    /// By contents alone, where they do not decide or the two sets do not get the same: what the
    /// user gets, and what is to be skipped.
    fn by_contents(mut self) -> (VecDeque<Kept<T>>, VecDeque<Print>) {
        let (old, new) = (number(self.old.len()), number(self.new.events.len()));
        let (low, high) = self.bounds.unwrap_or((-new, old));
        let common = |shift: &i64| old.min(new + shift) - shift.max(&0);
        let fitting = (low..=high).filter(|shift| self.fits(*shift));
        let best = fitting.filter(|shift| common(shift) > 0).max_by_key(common);
        if let Some(shift) = best {
            return match self.line_up(shift) {
                State::Ahead(ahead) => (ahead.events, VecDeque::new()),
                State::Behind(prints) => (VecDeque::new(), prints),
                State::Undecided(_) => Default::default(),
            };
        }
        let mut left: VecDeque<_> = self.old.into();
        self.new.events.retain(|kept| {
            let found = left.iter().position(|print| *print == kept.print);
            if let Some(at) = found {
                left.drain(..=at);
            }
            found.is_none()
        });
        (self.new.events, left)
    }

    /// Whether the lists agree where they overlap.
    fn fits(&self, shift: i64) -> bool {
        let skip = |by: i64| usize::try_from(by).unwrap_or(0);
        let old = self.old.iter().skip(skip(shift));
        let new = self.new.events.iter().skip(skip(-shift));
        old.zip(new).all(|(old, new)| *old == new.print)
    }

    /// What one list has more than the other.
    fn line_up(self, shift: i64) -> State<T> {
        let (old, mut new) = (self.old, self.new);
        let ahead = number(new.events.len()) + shift - number(old.len());
        let count = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
        if ahead < 0 {
            let from = old.len().saturating_sub(count);
            State::Behind(old.into_iter().skip(from).collect())
        } else {
            new.drop_first(new.events.len().saturating_sub(count));
            State::Ahead(new)
        }
    }
}

#[cfg(test)]
mod tests;
