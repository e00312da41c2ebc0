//! What happens? One run of a schedule: a gateway, its shards, their users, and what each saw.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use shardstream::{
    Error, Limits, Message, Meta, Shard, ShardHandle, ShardId, State, discord,
    local::{Dialect, Event, Gateway, Record, Step},
    qq,
    queue::LocalQueue,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    bot::Bot,
    pipe::Dialler,
    plan::{Act, Plan, What},
    rules,
    walk::Seen,
};

/// How long after the last fault everything is well again. The longest wait that a shard may have
/// by then is that before an identify after many failures.
const MENDED: Duration = Duration::from_mins(45);
/// After the last fault an event comes so often. Not more often than a shard waits for RESUMED
/// behind a replayed event: for one that a fault keeps waiting, every event is of the replay.
const EVERY: Duration = Duration::from_secs(37);

/// One shard and its user, as far as they are of interest afterwards.
pub(crate) struct Side {
    pub(crate) id: ShardId,
    pub(crate) dialler: Arc<Dialler>,
    /// What was sent to sessions of the shard.
    pub(crate) feed: Vec<Event>,
    pub(crate) seen: Vec<(Instant, Seen)>,
}

/// What is left of a run.
pub(crate) struct Remains {
    pub(crate) began: Instant,
    pub(crate) sides: Vec<Side>,
    pub(crate) log: Vec<Record>,
    /// What went wrong in the end phase.
    pub(crate) problems: Vec<String>,
    /// Whether the token was reset.
    pub(crate) is_token_reset: bool,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) problems: Vec<String>,
    /// Of all that users saw, with its time.
    pub(crate) hash: u64,
    pub(crate) cuts: u64,
    pub(crate) events: u64,
    pub(crate) identifies: u64,
    pub(crate) lost_sessions: u64,
    pub(crate) silences: u64,
    /// Beyond the interval, of the silent link that was kept longest.
    pub(crate) silence_max: Duration,
}

/// Runs a schedule in a runtime of its own, whose time is paused.
pub(crate) fn run(plan: &Plan) -> Outcome {
    // Jitter and masks come from here.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let remains = runtime.block_on(async {
        match plan.setup.dialect {
            Dialect::Qq => live::<qq::QQ>(plan).await,
            _ => live::<discord::Discord>(plan).await,
        }
    });
    drop(runtime);
    let mut outcome = rules::judge(plan, &remains);
    let mut hasher = DefaultHasher::new();
    for side in &remains.sides {
        for (at, seen) in &side.seen {
            format!("{:?} {seen:?}", at.duration_since(remains.began)).hash(&mut hasher);
        }
    }
    outcome.hash = hasher.finish();
    outcome
}

/// A shard and its user while they live.
struct Player {
    handle: Box<dyn Handle>,
    user: JoinHandle<()>,
    side: Arc<Mutex<Side>>,
    doze_ms: Arc<AtomicU64>,
}

/// A shard's handle, whatever the platform.
trait Handle {
    fn is_active(&self) -> bool;
    fn renew(&self, how: shardstream::Reconnect);
    fn describe(&self) -> String;
}

impl<P: Bot> Handle for ShardHandle<P> {
    fn is_active(&self) -> bool {
        self.status().state == State::Active
    }

    fn renew(&self, how: shardstream::Reconnect) {
        self.reconnect(how);
    }

    fn describe(&self) -> String {
        format!("{:?}", self.status())
    }
}

fn lock(side: &Mutex<Side>) -> MutexGuard<'_, Side> {
    side.lock().expect("nothing panics under this lock")
}

async fn live<P: Bot>(plan: &Plan) -> Remains {
    let began = Instant::now();
    let gateway = Arc::new(gateway::<P>(plan));
    let mut players = players::<P>(plan, &gateway);
    for act in &plan.acts {
        sleep_until(began + Duration::from_millis(act.at_ms)).await;
        play::<P>(&gateway, &players, act);
    }
    sleep_until(began + plan.setup.life).await;
    // What there is still of faults.
    gateway.misbehave_always([]);
    for player in &players {
        player.doze_ms.store(0, Ordering::Relaxed);
        lock(&player.side).dialler.clear_up();
    }
    let mut problems = Vec::new();
    mend::<P>(&gateway, &players, &mut problems).await;
    for player in &mut players {
        player.user.abort();
        // It was cancelled, and its shard dropped with it.
        let _ = (&mut player.user).await;
    }
    sleep(Duration::from_secs(10)).await;
    let (log, is_token_reset) = (gateway.log(), gateway.is_token_reset());
    let take = |player: Player| {
        let mut side = lock(&player.side);
        let (feed, seen) = (
            std::mem::take(&mut side.feed),
            std::mem::take(&mut side.seen),
        );
        Side {
            id: side.id,
            dialler: Arc::clone(&side.dialler),
            feed,
            seen,
        }
    };
    Remains {
        began,
        sides: players.into_iter().map(take).collect(),
        log,
        problems,
        is_token_reset,
    }
}

fn gateway<P: Bot>(plan: &Plan) -> Gateway {
    let mut builder = Gateway::builder()
        .platform(plan.setup.dialect)
        .seed(plan.seed)
        .heartbeat_interval(plan.setup.interval)
        .log_len(1 << 20)
        .log_events(false);
    if let Some(lifetime) = plan.setup.recycle {
        builder = builder.recycle_after(lifetime);
    }
    P::server(builder).start_in_memory()
}

fn players<P: Bot>(plan: &Plan, gateway: &Arc<Gateway>) -> Vec<Player> {
    let queue = Arc::new(LocalQueue::new());
    let mut limits = Limits::default();
    limits.buffered_events_max = plan.setup.buffered_events;
    let player = |number: u32| {
        let id = ShardId::new(number, plan.shards()).expect("a shard");
        let weathers = plan.pipes[number as usize].clone();
        let dialler = Arc::new(Dialler::new(Arc::clone(gateway), weathers));
        let config = P::config(gateway)
            .compression(plan.setup.compression)
            .limits(limits.clone())
            .queue(Arc::clone(&queue) as Arc<_>)
            .dialler(Arc::clone(&dialler) as Arc<_>)
            .build()
            .expect("a configuration");
        let shard = Shard::with_config(id, config);
        let side = Side {
            id,
            dialler,
            feed: Vec::new(),
            seen: Vec::new(),
        };
        let side = Arc::new(Mutex::new(side));
        let doze_ms = Arc::new(AtomicU64::new(0));
        let handle = Box::new(shard.handle());
        let user = User {
            side: Arc::clone(&side),
            doze_ms: Arc::clone(&doze_ms),
        };
        let user = if plan.setup.is_typed {
            tokio::spawn(user.typed(shard))
        } else {
            tokio::spawn(user.raw(shard))
        };
        Player {
            handle,
            user,
            side,
            doze_ms,
        }
    };
    (0..plan.shards()).map(player).collect()
}

fn play<P: Bot>(gateway: &Gateway, players: &[Player], act: &Act) {
    let player = &players[act.shard as usize];
    let id = lock(&player.side).id;
    match &act.what {
        What::Doze(ms) => player.doze_ms.store(*ms, Ordering::Relaxed),
        What::Forget => {
            gateway.end_sessions(id);
            // It would get no more events, and never know.
            gateway.order(id, [Step::Rst]);
        }
        What::Order(steps) => {
            gateway.order(id, steps);
        }
        What::Renew(how) => player.handle.renew(*how),
        What::Send(events, len) => (0..*events).for_each(|_| {
            send::<P>(gateway, player, *len);
        }),
        What::Stand(faults) => gateway.misbehave_always(faults.clone()),
    }
}

/// Sends the next event; its number, unless the shard has no session.
fn send<P: Bot>(gateway: &Gateway, player: &Player, len: usize) -> Option<u64> {
    let mut side = lock(&player.side);
    let number = side.feed.len() as u64;
    let event = P::feed(number, len);
    let reached = gateway.send_event(side.id, event.clone()) > 0;
    // Not known to anybody, it is not part of the feed.
    reached.then(|| {
        side.feed.push(event);
        number
    })
}

/// Waits until every shard is active and gets what is sent, and looks whether it stays so.
async fn mend<P: Bot>(gateway: &Gateway, players: &[Player], problems: &mut Vec<String>) {
    let until = Instant::now() + MENDED;
    let mut waiting: Vec<&Player> = players.iter().collect();
    while !waiting.is_empty() && Instant::now() < until {
        let sent: Vec<_> = waiting
            .iter()
            .map(|player| send::<P>(gateway, player, 20))
            .collect();
        sleep(EVERY).await;
        let mut sent = sent.into_iter();
        waiting.retain(|player| {
            let number = sent.next().flatten();
            number.is_none() || !player.handle.is_active() || !has_seen(player, number)
        });
    }
    for player in waiting {
        let id = lock(&player.side).id;
        problems.push(format!(
            "shard {id} is not well again: {}",
            player.handle.describe()
        ));
    }
    let dials = |player: &Player| lock(&player.side).dialler.books().dials.len();
    let before: Vec<_> = players.iter().map(dials).collect();
    sleep(Duration::from_mins(1)).await;
    for (player, before) in players.iter().zip(before) {
        // QQ's connections may be recycled, or a token fetched.
        let is_calm = P::NAME == "qq" || dials(player) == before;
        let id = lock(&player.side).id;
        if problems.is_empty() && !is_calm {
            problems.push(format!("shard {id} reconnects though all is well"));
        }
    }
}

fn has_seen(player: &Player, wanted: Option<u64>) -> bool {
    lock(&player.side)
        .seen
        .iter()
        .rev()
        .any(|(_, seen)| matches!(seen, Seen::Event { number, .. } if *number == wanted))
}

/// Who takes the events.
struct User {
    side: Arc<Mutex<Side>>,
    doze_ms: Arc<AtomicU64>,
}

impl User {
    async fn raw<P: Bot>(self, mut shard: Shard<P>) {
        loop {
            let seen = match shard.next_message().await {
                Ok(Message::Frame(frame)) => {
                    let name = frame.event_name().unwrap_or_default().into_owned();
                    let meta = (frame.seq(), frame.replayed());
                    self.event(&name, meta, |event| frame.data() == event.data())
                }
                Ok(Message::Gateway(notice)) => Seen::Notice(notice),
                Ok(_) => continue,
                Err(error) => failed(&error),
            };
            if !self.note(seen).await {
                return;
            }
        }
    }

    async fn typed<P: Bot>(self, mut shard: Shard<P>) {
        while let Some((meta, result)) = shard.next().await {
            let Meta { seq, replayed, .. } = meta;
            let seen = match result {
                Ok(event) => {
                    let shown = format!("{event:?}");
                    let sent_so = |sent: &Event| {
                        let sent = P::decode(sent.name(), sent.data());
                        sent.is_ok_and(|sent| format!("{sent:?}") == shown)
                    };
                    let notice = P::notice_of(&event).cloned().map(Seen::Notice);
                    let meta = (seq, replayed);
                    notice.unwrap_or_else(|| self.event(P::name_of(&event), meta, sent_so))
                }
                Err(error) => failed(&error),
            };
            if !self.note(seen).await {
                return;
            }
        }
    }

    /// The event, with its place in the feed: the first behind the last one seen that is the same.
    fn event(
        &self,
        name: &str,
        (seq, replayed): (Option<u64>, bool),
        is_it: impl Fn(&Event) -> bool,
    ) -> Seen {
        let side = lock(&self.side);
        let of_feed = !matches!(name, "READY" | "RESUMED");
        let last = side.seen.iter().rev().find_map(|(_, seen)| match seen {
            Seen::Event { number, .. } => *number,
            _ => None,
        });
        let from = last.map_or(0, |last| last + 1);
        // Mostly it is the next one; and if it is one from before, the rules shall see it.
        let numbers = (from..side.feed.len() as u64)
            .chain(0..from)
            .filter(|_| of_feed);
        let number = numbers.into_iter().find(|number| {
            let event = usize::try_from(*number)
                .ok()
                .and_then(|at| side.feed.get(at));
            event.is_some_and(|event| event.name() == name && is_it(event))
        });
        let same = number.is_some() || !of_feed;
        Seen::Event {
            name: name.to_owned(),
            number,
            seq,
            replayed,
            same,
        }
    }

    /// Writes it down and rests; whether anything can follow.
    async fn note(&self, seen: Seen) -> bool {
        let is_end = matches!(seen, Seen::Error { is_fatal: true, .. });
        lock(&self.side).seen.push((Instant::now(), seen));
        let ms = self.doze_ms.swap(0, Ordering::Relaxed);
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        !is_end
    }
}

fn failed(error: &Error) -> Seen {
    Seen::Error {
        kind: error.kind(),
        is_fatal: error.is_fatal(),
    }
}
