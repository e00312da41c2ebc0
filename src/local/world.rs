//! What do all connections share? Sessions, the books of identifies, plans, the log; pure.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    answers::Census,
    builder::Options,
    dialect::Table,
    event::{Event, quote},
    log::{Act, Log, Record},
    replay::{CannotReplay, Outgoing, Session},
    script::{Fault, Moment, Step},
    tokens::Tokens,
};
use crate::{id::ShardId, secret::Token};

/// How many events of the feed a session has waiting; the feed pauses there.
const FEED_AHEAD: usize = 64;

/// The server without its connections.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) url: String,
    pub(super) log: Log,
    /// Wakes the task that feeds.
    pub(super) feed_wake: Arc<Notify>,
    pub(super) token_reset: bool,
    pub(super) book: Book,
    pub(super) census: Census,
    pub(super) tokens: Tokens,
    started: Instant,
    sessions: BTreeMap<String, Session>,
    /// For the next connections, in turn.
    plans: VecDeque<Vec<Fault>>,
    /// For the next connections of a shard.
    shard_plans: VecDeque<(ShardId, Vec<Fault>)>,
    /// For all connections.
    standing: Vec<Fault>,
    live: BTreeMap<u64, Live>,
    connections: u64,
    random: fastrand::Rng,
}

/// A connection as the others see it.
#[derive(Debug)]
struct Live {
    shard: Option<ShardId>,
    orders: Vec<Step>,
    wake: Arc<Notify>,
}

impl World {
    pub(super) fn new(options: Options, port: u16, now: Instant) -> Self {
        let random = options
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            url: options.url("ws", port),
            log: Log::new(options.log_len, options.log_events),
            feed_wake: Arc::default(),
            token_reset: false,
            book: Book {
                left: options.starts_left,
                ..Book::default()
            },
            census: Census::default(),
            tokens: Tokens::default(),
            options,
            started: now,
            sessions: BTreeMap::new(),
            plans: VecDeque::new(),
            shard_plans: VecDeque::new(),
            standing: Vec::new(),
            live: BTreeMap::new(),
            connections: 0,
            random,
        }
    }

    pub(super) fn table(&self) -> &'static Table {
        self.options.dialect.table()
    }

    pub(super) fn record(&mut self, now: Instant, connection: u64, act: Act) {
        let shard = self.live.get(&connection).and_then(|live| live.shard);
        self.log.push(Record {
            at: now.saturating_duration_since(self.started),
            connection,
            shard,
            act,
        });
    }

    // Connections.

    /// Counts a connection in; its number, and what wakes it.
    pub(super) fn admit(&mut self) -> (u64, Arc<Notify>) {
        self.connections += 1;
        let wake = Arc::<Notify>::default();
        let live = Live {
            shard: None,
            orders: Vec::new(),
            wake: Arc::clone(&wake),
        };
        self.live.insert(self.connections, live);
        (self.connections, wake)
    }

    pub(super) fn dismiss(&mut self, connection: u64, now: Instant) {
        self.detach(connection, now);
        self.live.remove(&connection);
    }

    pub(super) fn name_shard(&mut self, connection: u64, shard: ShardId) {
        if let Some(live) = self.live.get_mut(&connection) {
            live.shard = Some(shard);
        }
    }

    pub(super) fn shard_of(&self, connection: u64) -> Option<ShardId> {
        self.live.get(&connection)?.shard
    }

    /// The steps ordered for this connection since the last time.
    pub(super) fn take_orders(&mut self, connection: u64) -> Vec<Step> {
        self.live
            .get_mut(&connection)
            .map(|live| std::mem::take(&mut live.orders))
            .unwrap_or_default()
    }

    /// Orders steps on the live connections that `wanted` picks; how many there are.
    pub(super) fn order(
        &mut self,
        steps: &[Step],
        wanted: impl Fn(u64, Option<ShardId>) -> bool,
    ) -> usize {
        let mut reached = 0;
        for (id, live) in &mut self.live {
            if wanted(*id, live.shard) {
                live.orders.extend_from_slice(steps);
                live.wake.notify_one();
                reached += 1;
            }
        }
        reached
    }

    // Plans.

    pub(super) fn plan(&mut self, faults: Vec<Fault>) {
        self.plans.push_back(faults);
    }

    pub(super) fn plan_shard(&mut self, shard: ShardId, faults: Vec<Fault>) {
        self.shard_plans.push_back((shard, faults));
    }

    pub(super) fn plan_always(&mut self, faults: Vec<Fault>) {
        self.standing = faults;
    }

    /// The next plan, where it has something to do at `Accept`, or else at the upgrade.
    pub(super) fn take_plan(&mut self, at_accept: bool) -> Vec<Fault> {
        let is_early = |plan: &Vec<Fault>| plan.iter().any(|fault| fault.at == Moment::Accept);
        match self.plans.front() {
            Some(plan) if is_early(plan) == at_accept => self.plans.pop_front().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(super) fn take_shard_plan(&mut self, shard: ShardId) -> Vec<Fault> {
        let index = self
            .shard_plans
            .iter()
            .position(|(planned, _)| *planned == shard);
        index
            .and_then(|index| self.shard_plans.remove(index))
            .map(|(_, faults)| faults)
            .unwrap_or_default()
    }

    /// The steps of the standing fault at that moment.
    pub(super) fn standing(&mut self, at: Moment) -> Option<Vec<Step>> {
        fire(&mut self.standing, at)
    }

    // What discovery and the token endpoint say.

    pub(super) fn discovery(&self) -> Value {
        json!({"url": format!("{}{}", self.url, self.table().gateway_path)})
    }

    pub(super) fn bot_discovery(&mut self, now: Instant) -> Value {
        self.book.turn(self.options.starts_total, now);
        let reset_after = self.book.reset_after(now).as_millis();
        let mut body = self.discovery();
        body["shards"] = self.options.shards.into();
        body["session_start_limit"] = json!({
            "total": self.options.starts_total,
            "remaining": self.book.left,
            "reset_after": u64::try_from(reset_after).unwrap_or(u64::MAX),
            "max_concurrency": self.options.max_concurrency,
        });
        body
    }

    /// Gives that bot its token; the text of the answer.
    pub(super) fn issue_token(
        &mut self,
        now: Instant,
        connection: u64,
        app_id: &str,
        edits: &[(String, Option<String>)],
    ) -> String {
        let lifetime = self.options.token_lifetime;
        let given = self.tokens.give(now, app_id, lifetime, &mut self.random);
        let act = Act::Token {
            token: given.number,
            expires_in_s: given.expires_in_s,
            again: given.again,
        };
        self.record(now, connection, act);
        let members = vec![
            ("access_token", quote(&given.text)),
            // A number as a string: so it is on the wire.
            ("expires_in", quote(&given.expires_in_s.to_string())),
        ];
        object(members, edits)
    }

    // Sessions.

    /// Starts a session with READY.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        connection: u64,
        shard: ShardId,
        owner: Token,
        edits: &[(String, Option<String>)],
    ) -> String {
        self.purge(now);
        let id = (self.table().session_id)(self.random.u128(..));
        let ready = Event::unchecked("READY", self.ready(&id, shard, edits));
        let mut session = Session::new(id.clone(), shard, owner, connection, now);
        session.push(Arc::new(ready), self.options.replay_len);
        self.sessions.insert(id.clone(), session);
        self.name_shard(connection, shard);
        let act = Act::Ready {
            session_id: id.clone(),
        };
        self.record(now, connection, act);
        self.feed_wake.notify_one();
        id
    }

    fn ready(&self, id: &str, shard: ShardId, edits: &[(String, Option<String>)]) -> String {
        object((self.table().ready)(self, id, shard), edits)
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// Puts the session on that connection, right after `seq`; how many events come again. Where
    /// it was on another, that one ends.
    pub(super) fn attach(
        &mut self,
        id: &str,
        connection: u64,
        seq: u64,
    ) -> Result<u64, CannotReplay> {
        let Some(session) = self.session(id) else {
            return Err(CannotReplay::Forgotten);
        };
        let replayed = session.rewind(seq)?;
        let (before, shard) = (session.attached.replace(connection), session.shard);
        session.detached_at = None;
        self.name_shard(connection, shard);
        if let Some(before) = before.filter(|before| *before != connection) {
            self.order(&[Step::Fin], |id, _| id == before);
        }
        self.feed_wake.notify_one();
        Ok(replayed)
    }

    pub(super) fn detach(&mut self, connection: u64, now: Instant) {
        for session in self.sessions.values_mut() {
            if session.attached == Some(connection) {
                session.attached = None;
                session.detached_at = Some(now);
            }
        }
    }

    pub(super) fn end_session(&mut self, id: &str) {
        self.sessions.remove(id);
    }

    pub(super) fn end_sessions(&mut self, wanted: impl Fn(&Session) -> bool) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|_, session| !wanted(session));
        before - self.sessions.len()
    }

    /// Forgets the sessions that were without a connection for too long.
    pub(super) fn purge(&mut self, now: Instant) {
        let window = self.options.resume_window;
        self.sessions.retain(|_, session| {
            let at = session.detached_at;
            at.is_none_or(|at| now.saturating_duration_since(at) <= window)
        });
    }

    /// Gives an event to the sessions that `wanted` picks; how many there are.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        event: &Arc<Event>,
        wanted: impl Fn(&Session) -> bool,
    ) -> usize {
        self.purge(now);
        let mut reached = 0;
        for session in self.sessions.values_mut().filter(|session| wanted(session)) {
            session.push(Arc::clone(event), self.options.replay_len);
            if let Some(live) = session.attached.and_then(|id| self.live.get(&id)) {
                live.wake.notify_one();
            }
            reached += 1;
        }
        reached
    }

    /// Gives an event to one session.
    pub(super) fn push_to(&mut self, now: Instant, id: &str, name: &str, data: String) {
        let event = Arc::new(Event::unchecked(name, data));
        self.publish(now, &event, |session| session.id == id);
    }

    /// Puts RESUMED behind what is replayed: it is numbered and kept like any event.
    pub(super) fn push_resumed(&mut self, id: &str) {
        let (replay_len, resumed) = (self.options.replay_len, self.table().resumed);
        if let Some(session) = self.session(id) {
            let data = resumed.to_owned();
            session.push(Arc::new(Event::unchecked("RESUMED", data)), replay_len);
        }
    }

    /// Changes the numbers of the session on that connection.
    pub(super) fn edit_numbers(&mut self, connection: u64, edit: impl FnOnce(&mut Session)) {
        let mut sessions = self.sessions.values_mut();
        if let Some(session) = sessions.find(|session| session.attached == Some(connection)) {
            edit(session);
        }
    }

    /// The next event of that session for that connection, and its text.
    pub(super) fn next_event(&mut self, id: &str, connection: u64) -> Option<(Outgoing, String)> {
        let wake = Arc::clone(&self.feed_wake);
        let table = self.table();
        let session = self.session(id)?;
        if session.attached != Some(connection) {
            return None;
        }
        let out = session.next()?;
        if session.backlog() == FEED_AHEAD / 2 {
            wake.notify_one();
        }
        let text = (table.event)(&out.event, out.seq, id);
        Some((out, text))
    }

    /// Feeds each session what is due; when to come back.
    pub(super) fn feed(&mut self, now: Instant) -> Option<Instant> {
        let feed = self.options.feed.as_ref()?;
        let mut next: Option<Instant> = None;
        for session in self.sessions.values_mut() {
            while session.fed < feed.len() && session.backlog() < FEED_AHEAD {
                if session.feed_due > now {
                    next = Some(next.map_or(session.feed_due, |next| next.min(session.feed_due)));
                    break;
                }
                let Some(event) = feed.event(session.fed) else {
                    break;
                };
                session.push(Arc::new(event.clone()), self.options.replay_len);
                session.fed += 1;
                session.feed_due = later(now, feed.interval);
                if let Some(live) = session.attached.and_then(|id| self.live.get(&id)) {
                    live.wake.notify_one();
                }
            }
        }
        next
    }
}

/// That much later, or in a hundred years where it would be later still: tests like to wait for
/// ever, and clocks do not go that far.
pub(super) fn later(now: Instant, time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_hours(24 * 36_525);
    now + time.min(FOR_EVER)
}

/// The books of identifies.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// When each bucket was last used.
    buckets: BTreeMap<u32, Instant>,
    /// How many identifies the day has left.
    pub(super) left: u32,
    /// When the day began: with its first identify.
    day: Option<Instant>,
}

const DAY: Duration = Duration::from_hours(24);

impl Book {
    /// Starts a new day where one has passed.
    pub(super) fn turn(&mut self, total: u32, now: Instant) {
        if self
            .day
            .is_some_and(|day| now.saturating_duration_since(day) >= DAY)
        {
            self.left = total;
            self.day = None;
        }
    }

    /// Spends one identify of the day; whether there was one left.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        self.day.get_or_insert(now);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// How long the day still lasts.
    pub(super) fn reset_after(&self, now: Instant) -> Duration {
        self.day.map_or(Duration::ZERO, |day| {
            DAY.saturating_sub(now.saturating_duration_since(day))
        })
    }

    /// Takes one of the buckets; whether one was free.
    pub(super) fn take_bucket(
        &mut self,
        mut buckets: Range<u32>,
        window: Duration,
        now: Instant,
    ) -> bool {
        let window = window.saturating_sub(window / 50);
        let is_free = |bucket: &u32| {
            let last = self.buckets.get(bucket);
            last.is_none_or(|last| now.saturating_duration_since(*last) >= window)
        };
        let free = buckets.find(is_free);
        free.is_some_and(|bucket| {
            self.buckets.insert(bucket, now);
            true
        })
    }
}

/// The steps of the first fault for that moment, one of its times used up.
pub(super) fn fire(faults: &mut [Fault], at: Moment) -> Option<Vec<Step>> {
    let fault = (faults.iter_mut()).find(|fault| fault.at == at && fault.left != Some(0))?;
    fault.left = fault.left.map(|left| left - 1);
    Some(fault.steps.clone())
}

/// A JSON object of these members, each with its JSON text, changed as told.
fn object(members: Vec<(&str, String)>, edits: &[(String, Option<String>)]) -> String {
    let mut members = members;
    for (member, value) in edits {
        members.retain(|(name, _)| name != member);
        if let Some(value) = value {
            members.push((member, value.clone()));
        }
    }
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", quote(name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_free_again_after_the_window_but_not_before() {
        let (mut book, start) = (Book::default(), Instant::now());
        let window = Duration::from_secs(5);
        assert!(book.take_bucket(0..1, window, start));
        assert!(book.take_bucket(1..2, window, start));
        assert!(!book.take_bucket(0..1, window, start + Duration::from_millis(4899)));
        assert!(book.take_bucket(0..1, window, start + Duration::from_millis(4900)));
        assert!(!book.take_bucket(0..1, window, start + Duration::from_secs(9)));
    }

    #[test]
    fn the_day_begins_with_its_first_identify_and_gives_all_of_them_back() {
        let start = Instant::now();
        let mut book = Book {
            left: 1,
            ..Book::default()
        };
        book.turn(2, start);
        assert!(book.spend(start));
        assert!(!book.spend(start));
        assert_eq!(book.reset_after(start + DAY / 2), DAY / 2);
        book.turn(2, start + DAY);
        assert_eq!(
            (book.left, book.reset_after(start + DAY)),
            (2, Duration::ZERO)
        );
    }

    #[test]
    fn a_fault_happens_as_often_as_it_was_told() {
        let mut faults = [Fault::withhold_acks().times(1), Fault::duplicate_acks()];
        assert_eq!(fire(&mut faults, Moment::Heartbeat), Some(vec![]));
        assert_eq!(
            fire(&mut faults, Moment::Heartbeat).map(|steps| steps.len()),
            Some(2)
        );
        assert_eq!(fire(&mut faults, Moment::Hello), None);
    }
}
