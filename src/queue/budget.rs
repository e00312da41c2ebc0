//! How many starts does the day still have? A platform that counts one too many resets the token.
//! Pure: told the time. Imports nothing of the crate.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What both platforms give a bot a day.
pub(crate) const TOTAL: u64 = 1000;

/// The span in which starts are counted.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Starts of five minutes are kept as one number, which bounds the log; they count until the
/// last of them is a day old.
const SLOT: Duration = Duration::from_mins(5);

/// How much later than it says the server's day is taken to end: clocks differ, a minute is cheap,
/// and the one start too many costs the token.
pub(crate) const RESET_MARGIN: Duration = Duration::from_mins(1);

/// More entries than a log can have.
const RESTORED_MAX: usize = 1024;

/// Whether the budget lets a shard start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// Now.
    Now,
    /// At this time, if nothing else happens.
    At(Instant),
    /// When a permit that is out has been spent or given back.
    Later,
}

/// The budget of identifies: free for the first half of the day's limit, from there on spaced
/// evenly over what is left of the day, and none of the last tenth.
///
/// Two counts are kept and the stricter decides: what was started here in the last 24 hours, and
/// what the server has told that it has counted in its day.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    total: u64,
    /// What was started here, by the time at which it is forgotten.
    started: VecDeque<Starts>,
    /// What an earlier process started.
    restored: Vec<Starts>,
    day: Option<Day>,
    /// Permits that are out.
    reserved: u64,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Starts {
    count: u64,
    opened: Instant,
    expires: Instant,
}

/// The server's count.
#[derive(Clone, Copy, Debug)]
struct Day {
    used: u64,
    ends: Instant,
}

/// What a queue has used of its budget, to be kept over a restart of the process.
///
/// It holds no secret. Without it, a process that is restarted again and again starts with a full
/// budget each time, and only discovery tells it otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// When it was taken, in milliseconds of the Unix epoch.
    pub(super) taken_at_ms: u64,
    /// How many milliseconds each number of starts goes on counting.
    starts: Vec<(u64, u64)>,
    /// The milliseconds left of the server's day, and what it had counted.
    day: Option<(u64, u64)>,
    /// The milliseconds since the last start.
    last_ms: Option<u64>,
}

#[cfg(feature = "nats")]
impl BudgetState {
    /// As it was taken at this time, in milliseconds of the Unix epoch.
    #[must_use]
    pub(crate) const fn stamped(mut self, unix_ms: u64) -> Self {
        self.taken_at_ms = unix_ms;
        self
    }

    /// How long ago it was taken; a clock that was set back makes that nothing.
    pub(crate) const fn age(&self, unix_ms: u64) -> Duration {
        Duration::from_millis(unix_ms.saturating_sub(self.taken_at_ms))
    }

    /// Starts within one slot as one number, which counts until the last of them is forgotten: for
    /// who restores and keeps it with each start.
    #[must_use]
    pub(crate) fn compact(mut self) -> Self {
        self.starts.sort_unstable_by(|a, b| b.cmp(a));
        let slot = milliseconds(SLOT);
        let mut kept: Vec<(u64, u64)> = Vec::new();
        for (left, count) in self.starts {
            match kept.last_mut() {
                Some(last) if last.0 - left < slot => last.1 = last.1.saturating_add(count),
                _ => kept.push((left, count)),
            }
        }
        self.starts = kept;
        self
    }

    /// One of the starts has not happened.
    pub(crate) fn give_back(&mut self) {
        if let Some(newest) = self.starts.iter_mut().max() {
            newest.1 = newest.1.saturating_sub(1);
        }
        self.starts.retain(|(_, count)| *count > 0);
        if let Some((_, used)) = &mut self.day {
            *used = used.saturating_sub(1);
        }
    }
}

impl Budget {
    /// The budget with nothing used of `total` a day.
    pub(crate) fn new(total: u64) -> Self {
        Self {
            total: known(total),
            started: VecDeque::new(),
            restored: Vec::new(),
            day: None,
            reserved: 0,
            last: None,
        }
    }

    /// The server has told its count. What was started here goes on counting.
    ///
    /// A `total` of 0 is taken for the usual one and a `remaining` above `total` for all of it.
    pub(crate) fn update(&mut self, now: Instant, total: u64, remaining: u64, reset: Duration) {
        self.total = known(total);
        self.day = Some(Day {
            used: self.total.saturating_sub(remaining),
            ends: now + reset.min(DAY) + RESET_MARGIN,
        });
    }

    /// Whether a permit may go out.
    pub(crate) fn allowance(&mut self, now: Instant) -> Allowance {
        self.forget(now);
        // Never faster than a day's worth a day: else all could go in the hour before the oldest
        // starts are forgotten, and nothing for a day after it.
        let pace = DAY / u32::try_from(self.usable()).unwrap_or(u32::MAX);
        let here = match self.oldest() {
            Some(expires) => self.spaced(now, self.used_here(), expires, pace),
            None => self.spaced(now, 0, now + DAY, pace),
        };
        let there = match self.day {
            Some(day) => self.spaced(now, day.used, day.ends, Duration::ZERO),
            None => Allowance::Now,
        };
        match (here, there) {
            (Allowance::Now, other) | (other, Allowance::Now) => other,
            (Allowance::At(a), Allowance::At(b)) => Allowance::At(a.max(b)),
            (Allowance::Later, _) | (_, Allowance::Later) => Allowance::Later,
        }
    }

    /// Until when the next start is held back, and whether nothing is left before then; `None`
    /// where it may come now, or once a permit that is out has been settled.
    pub(crate) fn held_back(&mut self, now: Instant) -> Option<(Instant, bool)> {
        let Allowance::At(at) = self.allowance(now) else {
            return None;
        };
        Some((at, self.used() >= self.usable()))
    }

    /// Whether starts are spaced, so that who starts first is a matter of order.
    pub(crate) fn is_tight(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.used() >= self.total / 2
    }

    /// A permit goes out.
    pub(crate) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// A permit came back unused.
    pub(crate) fn give_back(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// A permit was spent.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.give_back();
        self.last = Some(now);
        if let Some(day) = &mut self.day {
            day.used = day.used.saturating_add(1);
        }
        match self.started.back_mut() {
            Some(slot) if now.saturating_duration_since(slot.opened) < SLOT => {
                slot.count += 1;
                slot.expires = now + DAY;
            }
            _ => self.started.push_back(Starts {
                count: 1,
                opened: now,
                expires: now + DAY,
            }),
        }
        self.forget(now);
    }

    /// What is to be kept over a restart.
    pub(crate) fn snapshot(&mut self, now: Instant) -> BudgetState {
        self.forget(now);
        let left = |at: Instant| milliseconds(at.saturating_duration_since(now));
        let all = self.restored.iter().chain(&self.started);
        BudgetState {
            taken_at_ms: 0,
            starts: all
                .map(|starts| (left(starts.expires), starts.count))
                .collect(),
            day: self.day.map(|day| (left(day.ends), day.used)),
            last_ms: self
                .last
                .map(|last| milliseconds(now.saturating_duration_since(last))),
        }
    }

    /// Counts what an earlier process used, `elapsed` after that was written down.
    ///
    /// Doing it again replaces what was restored before.
    pub(crate) fn restore(&mut self, now: Instant, state: &BudgetState, elapsed: Duration) {
        let elapsed = milliseconds(elapsed);
        let at = |left: u64| {
            let left = left.checked_sub(elapsed).filter(|left| *left > 0)?;
            Some(now + Duration::from_millis(left).min(DAY + RESET_MARGIN))
        };
        let starts = state.starts.iter().take(RESTORED_MAX);
        self.restored = starts
            .filter_map(|(left, count)| {
                Some(Starts {
                    count: *count,
                    opened: now,
                    expires: at(*left)?.min(now + DAY),
                })
            })
            .collect();
        if self.day.is_none() {
            self.day = state.day.and_then(|(left, used)| {
                Some(Day {
                    used,
                    ends: at(left)?,
                })
            });
        }
        if self.last.is_none() {
            self.last = state.last_ms.and_then(|last| {
                now.checked_sub(Duration::from_millis(last.saturating_add(elapsed)))
            });
        }
    }

    /// When `used` of the total leave room for one more, where the count is renewed at `ends`.
    fn spaced(&self, now: Instant, used: u64, ends: Instant, pace: Duration) -> Allowance {
        let used = used.saturating_add(self.reserved);
        if used < self.total / 2 {
            return Allowance::Now;
        }
        let left = self.usable().saturating_sub(used);
        if left == 0 {
            return Allowance::At(ends.max(now));
        }
        if self.reserved > 0 {
            return Allowance::Later;
        }
        let Some(last) = self.last else {
            return Allowance::Now;
        };
        let share = u32::try_from(left).unwrap_or(u32::MAX);
        let next = last + (ends.saturating_duration_since(last) / share).max(pace);
        if next <= now {
            Allowance::Now
        } else {
            Allowance::At(next)
        }
    }

    /// How many may be used of the total: all but the last tenth, and always one.
    fn usable(&self) -> u64 {
        if planted!(LastTenthUsed) {
            return self.total;
        }
        (self.total - self.total.div_ceil(10)).max(1)
    }

    /// By the stricter of the two counts, with the permits that are out.
    fn used(&self) -> u64 {
        let there = self.day.map_or(0, |day| day.used);
        there.max(self.used_here()).saturating_add(self.reserved)
    }

    fn used_here(&self) -> u64 {
        let all = self.restored.iter().chain(&self.started);
        all.fold(0, |sum, starts| sum.saturating_add(starts.count))
    }

    fn oldest(&self) -> Option<Instant> {
        let all = self.restored.iter().chain(&self.started);
        all.map(|starts| starts.expires).min()
    }

    fn forget(&mut self, now: Instant) {
        self.started.retain(|starts| starts.expires > now);
        self.restored.retain(|starts| starts.expires > now);
        self.day = self.day.filter(|day| day.ends > now);
    }
}

/// No platform gives more than a number of 32 bits; none gives nothing.
fn known(total: u64) -> u64 {
    match total {
        0 => TOTAL,
        _ => total.min(u64::from(u32::MAX)),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Allowance, Budget, BudgetState, DAY, RESET_MARGIN, SLOT};

    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    /// Starts as often as allowed, every `step` at most, until `end`; the times of all starts.
    fn greedy(budget: &mut Budget, from: Instant, step: Duration, end: Instant) -> Vec<Instant> {
        let mut starts = Vec::new();
        let mut now = from;
        while now < end {
            match budget.allowance(now) {
                Allowance::Now => {
                    budget.reserve();
                    budget.spend(now);
                    starts.push(now);
                    now += step;
                }
                Allowance::At(at) => {
                    assert!(at > now, "a wait of nothing");
                    now = at;
                }
                Allowance::Later => panic!("no permit is out"),
            }
        }
        starts
    }

    fn most_in_a_day(starts: &[Instant]) -> usize {
        let within = |(index, start): (usize, &Instant)| {
            let rest = &starts[index..];
            rest.partition_point(|other| *other < *start + DAY)
        };
        starts.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn half_is_free_and_the_rest_is_spaced_over_the_day() {
        let now = Instant::now();
        let mut budget = Budget::new(1000);
        let starts = greedy(&mut budget, now, Duration::from_secs(1), now + DAY);
        let burst = starts
            .iter()
            .filter(|start| **start < now + 9 * MINUTE)
            .count();
        assert!((500..=503).contains(&burst), "{burst}");
        let gaps: Vec<_> = starts[501..]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        let (min, max) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(*min >= 3 * MINUTE && *max <= 4 * MINUTE, "{min:?} {max:?}");
        assert!((880..=900).contains(&starts.len()), "{}", starts.len());
    }

    /// Goal: nine tenths in any 24 hours, and never a standstill of hours after the first day.
    #[test]
    fn no_day_of_a_week_has_more_than_nine_tenths() {
        let now = Instant::now();
        for total in [1, 2, 9, 10, 100, 1000, 2000] {
            let mut budget = Budget::new(total);
            let starts = greedy(&mut budget, now, Duration::from_secs(5), now + 7 * DAY);
            let most = most_in_a_day(&starts) as u64;
            assert!(most <= (total * 9 / 10).max(1), "{most} of {total}");
            let worst = starts.windows(2).map(|pair| pair[1] - pair[0]).max();
            let even = DAY / u32::try_from(total).unwrap();
            assert!(worst <= Some(5 * even + SLOT), "{worst:?} with {total}");
        }
    }

    /// Goal: no rush before old starts are forgotten. Method: half of the day goes at once; a day
    /// later, just before that is forgotten, all shards want to start again.
    #[test]
    fn the_rest_of_a_day_does_not_go_in_its_last_minutes() {
        let now = Instant::now();
        let mut budget = Budget::new(1000);
        greedy(&mut budget, now, Duration::from_secs(1), now + 10 * MINUTE);
        let late = now + 23 * HOUR + 50 * MINUTE;
        let starts = greedy(&mut budget, late, Duration::from_secs(1), now + DAY);
        assert!((2..=7).contains(&starts.len()), "{}", starts.len());
    }

    #[test]
    fn what_the_server_has_counted_counts_until_its_day_ends() {
        let now = Instant::now();
        let mut budget = Budget::new(1000);
        budget.update(now, 1000, 400, HOUR);
        let starts = greedy(&mut budget, now, Duration::from_secs(1), now + HOUR);
        assert!((290..=300).contains(&starts.len()), "{}", starts.len());
        assert_eq!(budget.allowance(now + HOUR + RESET_MARGIN), Allowance::Now);

        let mut budget = Budget::new(1000);
        for remaining in [0, 100] {
            budget.update(now, 1000, remaining, HOUR);
            let reset = now + HOUR + RESET_MARGIN;
            assert_eq!(budget.allowance(now), Allowance::At(reset));
            assert_eq!(budget.allowance(reset), Allowance::Now);
        }
        budget.update(now, 1000, 101, HOUR);
        assert_eq!(budget.allowance(now), Allowance::Now);
    }

    #[test]
    fn figures_that_cannot_be_are_clamped() {
        let now = Instant::now();
        for total in [0, 1, 2, u64::MAX] {
            for remaining in [0, 1, u64::MAX] {
                for reset in [Duration::ZERO, DAY, Duration::MAX] {
                    let mut budget = Budget::new(total);
                    budget.update(now, total, remaining, reset);
                    match budget.allowance(now) {
                        Allowance::Now => assert!(remaining > 0),
                        Allowance::At(at) => assert!(at > now && at <= now + DAY + RESET_MARGIN),
                        Allowance::Later => panic!(),
                    }
                    assert_eq!(budget.allowance(now + 2 * DAY), Allowance::Now);
                }
            }
        }
    }

    #[test]
    fn permits_that_are_out_count_until_they_come_back() {
        let now = Instant::now();
        let mut budget = Budget::new(10);
        for _ in 0..5 {
            assert_eq!(budget.allowance(now), Allowance::Now);
            budget.reserve();
        }
        assert!(budget.is_tight(now));
        assert_eq!(budget.allowance(now), Allowance::Later);
        budget.give_back();
        assert_eq!(budget.allowance(now), Allowance::Now);
        for _ in 0..4 {
            budget.spend(now);
        }
        budget.reserve();
        budget.spend(now);
        assert!(matches!(budget.allowance(now), Allowance::At(at) if at > now + HOUR));
    }

    #[test]
    fn a_restart_keeps_what_was_used() {
        let now = Instant::now() + 2 * DAY;
        let mut budget = Budget::new(1000);
        budget.update(now, 1000, 990, 3 * HOUR);
        greedy(&mut budget, now, Duration::from_secs(1), now + HOUR);
        let then = now + HOUR;
        let text = serde_json::to_string(&budget.snapshot(then)).unwrap();
        let state: BudgetState = serde_json::from_str(&text).unwrap();

        let mut next = Budget::new(1000);
        next.restore(then, &state, Duration::ZERO);
        next.restore(then, &state, Duration::ZERO);
        match (next.allowance(then), budget.allowance(then)) {
            (Allowance::At(a), Allowance::At(b)) => {
                assert!(a.max(b) - a.min(b) <= Duration::from_millis(2));
            }
            other => panic!("not spaced: {other:?}"),
        }
        assert_eq!(next.snapshot(then), state);

        let mut next = Budget::new(1000);
        next.restore(then, &state, 2 * DAY);
        assert_eq!((next.used_here(), next.day.is_none()), (0, true));
    }

    #[test]
    fn a_state_with_impossible_figures_blocks_for_a_day_at_most() {
        let now = Instant::now();
        let most = u64::MAX;
        let state = BudgetState {
            taken_at_ms: most,
            starts: vec![(most, most); 5000],
            day: Some((most, most)),
            last_ms: Some(most),
        };
        let mut budget = Budget::new(1000);
        budget.restore(now, &state, Duration::ZERO);
        assert_eq!(
            budget.allowance(now),
            Allowance::At(now + DAY + RESET_MARGIN)
        );
        assert_eq!(budget.allowance(now + 2 * DAY), Allowance::Now);
        budget.restore(now, &state, Duration::MAX);
        budget.spend(now);
        assert_eq!(budget.allowance(now + MINUTE), Allowance::Now);
    }

    #[test]
    fn what_holds_a_start_back_is_told_with_its_end() {
        let now = Instant::now();
        let mut budget = Budget::new(1000);
        assert_eq!(budget.held_back(now), None);
        budget.update(now, 1000, 501, HOUR);
        assert_eq!(budget.held_back(now), None, "the first half is free");
        budget.reserve();
        assert_eq!(budget.held_back(now), None, "a permit is out");
        budget.spend(now);
        let (at, is_spent) = budget.held_back(now).unwrap();
        assert!(at > now && at < now + MINUTE && !is_spent);
        budget.update(now, 1000, 101, HOUR);
        assert!(!budget.held_back(now).unwrap().1);
        budget.update(now, 1000, 100, HOUR);
        let end = now + HOUR + RESET_MARGIN;
        assert_eq!(budget.held_back(now), Some((end, true)));
        assert_eq!(budget.held_back(end), None);
    }

    /// A nanosecond before that.
    fn before(at: Instant) -> Instant {
        at.checked_sub(Duration::from_nanos(1)).unwrap()
    }

    /// A budget of 1,000 of which so many were just started here.
    fn started(now: Instant, starts: u64) -> Budget {
        let mut budget = Budget::new(1000);
        for _ in 0..starts {
            budget.spend(now);
        }
        budget
    }

    #[test]
    fn the_first_half_is_free_to_its_last_start() {
        let now = Instant::now();
        assert_eq!(started(now, 499).allowance(now), Allowance::Now);
        assert!(!started(now, 499).is_tight(now));
        assert!(started(now, 500).is_tight(now));
        // 400 are left for the day, but no faster than a day's worth a day.
        let next = now + DAY / 400;
        let mut budget = started(now, 500);
        assert_eq!(budget.allowance(now), Allowance::At(next));
        assert_eq!(budget.allowance(before(next)), Allowance::At(next));
        assert_eq!(budget.allowance(next), Allowance::Now);
    }

    #[test]
    fn what_is_left_is_spaced_over_what_is_left_of_the_servers_day() {
        let now = Instant::now();
        let mut budget = started(now, 1);
        budget.update(now, 1000, 401, HOUR);
        let next = now + (HOUR + RESET_MARGIN) / 301;
        assert_eq!(budget.allowance(now), Allowance::At(next));
        assert_eq!(budget.held_back(before(next)), Some((next, false)));
        assert_eq!(budget.held_back(next), None);
    }

    #[test]
    fn a_pace_is_kept_though_the_oldest_starts_are_forgotten_soon() {
        let now = Instant::now();
        let mut budget = started(now, 500);
        let late = now + 23 * HOUR + 59 * MINUTE;
        budget.spend(late);
        // By what is left of a minute it would be a fraction of a second.
        let next = late + DAY / 900;
        assert_eq!(budget.allowance(late), Allowance::At(next));
    }

    #[test]
    fn with_all_permits_out_and_nothing_started_it_waits_a_day_at_most() {
        let now = Instant::now();
        let mut budget = Budget::new(10);
        for _ in 0..9 {
            budget.reserve();
        }
        assert_eq!(budget.allowance(now), Allowance::At(now + DAY));
        budget.give_back();
        assert_eq!(budget.allowance(now), Allowance::Later);
    }

    #[test]
    fn starts_of_five_minutes_are_one_number_that_counts_until_the_last_is_a_day_old() {
        let now = Instant::now();
        let mut budget = started(now, 2);
        let last = before(now + SLOT);
        budget.spend(last);
        assert_eq!((budget.started.len(), budget.used_here()), (1, 3));
        budget.spend(now + SLOT);
        assert_eq!((budget.started.len(), budget.used_here()), (2, 4));
        for (at, left) in [
            (before(last + DAY), 4),
            (last + DAY, 1),
            (before(now + SLOT + DAY), 1),
            (now + SLOT + DAY, 0),
        ] {
            budget.forget(at);
            assert_eq!(budget.used_here(), left);
        }
    }

    #[test]
    fn what_was_restored_and_the_servers_day_end_at_their_instant() {
        let now = Instant::now();
        let state = BudgetState {
            taken_at_ms: 0,
            starts: vec![(2000, 7)],
            day: Some((3000, 11)),
            last_ms: Some(500),
        };
        let second = Duration::from_secs(1);
        let mut budget = Budget::new(1000);
        budget.restore(now, &state, second);
        assert_eq!((budget.used_here(), budget.used()), (7, 11));
        for (at, here, all) in [
            (before(now + second), 7, 11),
            (now + second, 0, 11),
            (before(now + 2 * second), 0, 11),
            (now + 2 * second, 0, 0),
        ] {
            budget.forget(at);
            assert_eq!((budget.used_here(), budget.used()), (here, all), "{at:?}");
        }
    }

    #[test]
    fn a_day_that_ended_before_it_was_restored_stands_in_the_way_of_none() {
        let now = Instant::now();
        let state = |left, used| BudgetState {
            taken_at_ms: 0,
            starts: vec![(left, used)],
            day: Some((left, used)),
            last_ms: None,
        };
        for elapsed in [1000, 1001] {
            let mut budget = Budget::new(1000);
            budget.restore(now, &state(1000, 900), Duration::from_millis(elapsed));
            assert_eq!((budget.used(), budget.restored.len()), (0, 0));
            budget.restore(now, &state(2000, 30), Duration::from_millis(elapsed));
            assert_eq!((budget.used(), budget.restored.len()), (30, 1));
        }
    }

    #[test]
    fn a_last_start_is_restored_by_its_age() {
        let now = Instant::now() + DAY;
        let state = BudgetState {
            last_ms: Some(500),
            ..BudgetState::default()
        };
        let mut budget = Budget::new(1000);
        budget.restore(now, &state, Duration::from_secs(1));
        assert_eq!(budget.snapshot(now).last_ms, Some(1500));
        budget.restore(now, &BudgetState::default(), Duration::ZERO);
        assert_eq!(budget.snapshot(now).last_ms, Some(1500));
    }

    #[test]
    fn no_limit_is_taken_for_the_usual_one_and_a_tenth_is_never_used() {
        for (told, total, usable) in [
            (0, 1000, 900),
            (1, 1, 1),
            (2, 2, 1),
            (10, 10, 9),
            (11, 11, 9),
            (1000, 1000, 900),
            (u64::MAX, u64::from(u32::MAX), 3_865_470_565),
        ] {
            let budget = Budget::new(told);
            assert_eq!((budget.total, budget.usable()), (total, usable));
        }
    }
}
