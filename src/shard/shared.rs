//! What do driver, user and handles have in common? The hand-over, the status, the requests.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::AbortHandle,
};
use tracing::Span;

use super::{
    batch::Cursor,
    driver::{Driver, now},
    handover::{Handover, lock},
    own::Wants,
    resume::ResumeState,
    sender::{Queued, Sender},
    status::{Health, Status, Watch},
    tally::Tally,
    tap::Taps,
    tape::Tape,
};
use crate::{
    config::Config,
    error::{Error, ErrorKind},
    id::ShardId,
    observe,
    platform::Platform,
    session::{Reconnect, Resume, Shutdown, State},
};

/// What all who hold a part of the shard share.
pub(super) struct Shared<P: Platform> {
    pub(super) id: ShardId,
    pub(super) config: Config<P>,
    pub(super) handover: Arc<Handover>,
    pub(super) tally: Tally,
    pub(super) taps: Taps,
    /// Of its own, so that who writes a recording does not keep the shard.
    pub(super) tape: Arc<Tape>,
    commands: mpsc::Sender<Queued>,
    status: watch::Sender<Status>,
    control: Mutex<Control>,
    held: Mutex<Option<Held>>,
    /// What the user's own event type wants, once there is one.
    own: OnceLock<Wants>,
    span: OnceLock<Span>,
}

#[derive(Default)]
struct Control {
    requests: Requests,
    /// A shutdown was asked for; the first decides how.
    ending: bool,
    /// The user has dropped the shard.
    abandoned: bool,
    stage: Stage,
}

/// What users want of the driver.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) reconnect: Option<Reconnect>,
    pub(super) shutdown: Option<Shutdown>,
    /// The number of the mark that is wanted.
    pub(super) mark: Option<u64>,
}

#[derive(Default)]
enum Stage {
    /// Nobody has asked for an event yet.
    Waiting(mpsc::Receiver<Queued>),
    Starting,
    Running(AbortHandle),
    #[default]
    Over,
}

/// The session that is held.
pub(super) struct Held {
    pub(super) resume: Resume,
    /// Which session it is since the start.
    pub(super) session: u32,
    /// The sequence with which it began here: what the user has before taking anything of it.
    pub(super) begins: u64,
}

impl<P: Platform> Shared<P> {
    pub(super) fn new(id: ShardId, config: Config<P>) -> Arc<Self> {
        let limits = config.limits();
        let held = restored(id, &config);
        let cursor = held.as_ref().map_or_else(Cursor::default, |held| Cursor {
            session: held.session,
            seq: held.begins,
        });
        // A channel panics on a capacity of zero or beyond its own maximum.
        let (commands, waiting) = mpsc::channel(limits.commands_max.clamp(1, 1 << 20));
        let shared = Arc::new(Self {
            id,
            handover: Handover::new(limits, cursor),
            tally: Tally::default(),
            taps: Taps::new(limits.buffered_bytes_max),
            tape: Arc::new(Tape::new()),
            commands,
            status: watch::Sender::new(Status::new(Instant::now())),
            control: Mutex::new(Control {
                requests: Requests::default(),
                ending: false,
                abandoned: false,
                stage: Stage::Waiting(waiting),
            }),
            held: Mutex::new(held),
            own: OnceLock::new(),
            span: OnceLock::new(),
            config,
        });
        if let Err(problem) = shared.config.check() {
            shared.finish(&problem);
        }
        shared
    }

    /// Starts the driver, if nobody has yet.
    pub(super) fn start(self: &Arc<Self>) {
        let mut control = lock(&self.control);
        let Stage::Waiting(_) = control.stage else {
            return;
        };
        let stage = mem::replace(&mut control.stage, Stage::Starting);
        drop(control);
        // Without the lock: a runtime that is shutting down drops the task at once, and then the
        // driver ends.
        let (Stage::Waiting(commands), Ok(runtime)) = (stage, Handle::try_current()) else {
            let problem = "a shard is used within a tokio runtime, and there is none here";
            self.finish(&Error::new(ErrorKind::Configuration, problem));
            return;
        };
        let task = Driver::spawn(&runtime, Arc::clone(self), commands);
        let mut control = lock(&self.control);
        if control.abandoned {
            drop(control);
            task.abort();
        } else if let Stage::Starting = control.stage {
            control.stage = Stage::Running(task);
        }
    }

    /// Nothing follows: everybody hears of it, and the user once all is taken.
    pub(super) fn finish(&self, why: &Error) {
        self.handover.end(why.clone());
        let why = self.handover.ended().unwrap_or_else(|| why.clone());
        let waiting = mem::take(&mut lock(&self.control).stage);
        drop(waiting);
        self.status.send_if_modified(|status| {
            let first = !matches!(status.health, Health::Dead { .. });
            if first {
                status.state = State::Stopped;
                status.health = Health::Dead { why };
                status.connected_for = status.connected_until(now());
                status.connected_since = None;
            }
            first
        });
    }

    /// What all that is logged for this shard lies in. Made when it is first needed, for whoever
    /// listens to logs by then.
    pub(super) fn span(&self) -> &Span {
        self.span.get_or_init(|| observe::shard(P::NAME, self.id))
    }

    /// Whether an event reaches the user.
    pub(super) fn wants_event(&self, name: &str) -> bool {
        self.own.get().is_none_or(|own| (own.event)(name)) && self.config.wants_event(name)
    }

    /// Whether notices reach the user.
    pub(super) fn wants_notices(&self) -> bool {
        self.own.get().is_none_or(|own| own.notices) && self.config.wants_notices()
    }

    /// From now on only what the user's own event type wants reaches the user. A shard becomes
    /// typed once at most.
    pub(super) fn want(&self, wants: Wants) {
        self.own.get_or_init(|| wants);
    }

    /// Where the session starts: how far the user has come, and what to resume.
    pub(super) fn begin(&self) -> (Cursor, Option<Resume>) {
        let held = lock(&self.held).as_ref().map(|held| held.resume.clone());
        (self.handover.taken(), held)
    }

    pub(super) fn take_requests(&self) -> Requests {
        mem::take(&mut lock(&self.control).requests)
    }

    pub(super) fn hold(&self, held: Option<Held>) {
        *lock(&self.held) = held;
    }

    /// Shows the status; tells watchers where it changed in what matters.
    pub(super) fn show(&self, next: Status) {
        self.status.send_if_modified(|status| {
            if matches!(status.health, Health::Dead { .. }) {
                return false;
            }
            let differs = status.differs(&next);
            *status = next;
            differs
        });
    }

    pub(super) fn status(&self) -> Status {
        let mut status = self.status.borrow().clone();
        let taken = self.handover.taken();
        let load = self.handover.load();
        status.seq_taken = (taken.session > 0).then_some(taken.seq);
        status.buffered_events = load.events;
        status.buffered_bytes = load.bytes;
        status.connected_for = status.connected_until(now());
        status
    }

    pub(super) fn watch(&self) -> Watch {
        Watch::new(self.status.subscribe())
    }

    pub(super) fn sender(&self) -> Sender<P> {
        Sender::new(self.commands.clone(), self.config.limits().send_len_max)
    }

    /// The session that is held, from what the user has taken on.
    pub(super) fn resume_state(&self) -> Option<ResumeState> {
        let taken = self.handover.taken();
        let held = lock(&self.held);
        let held = held.as_ref()?;
        // Nothing of this session was taken yet: its beginning is what the user has.
        let seq = if taken.session == held.session {
            taken.seq
        } else {
            held.begins
        };
        Some(ResumeState::new::<P>(self.id, &held.resume, seq))
    }

    pub(super) fn reconnect(self: &Arc<Self>, how: Reconnect) {
        lock(&self.control).requests.reconnect = Some(how);
        self.start();
        self.handover.wake_driver();
    }

    /// Asks for a mark: see [`Handover::has_passed`]. A new one takes the place of one before.
    pub(super) fn set_mark(self: &Arc<Self>, ticket: u64) {
        lock(&self.control).requests.mark = Some(ticket);
        self.start();
        self.handover.wake_driver();
    }

    /// The id of the session, while one is held.
    pub(super) fn session_id(&self) -> Option<String> {
        let id = self.status.borrow().session_id.clone()?;
        Some(id.as_ref().to_owned())
    }

    /// Whether a session is live.
    pub(super) fn is_active(&self) -> bool {
        self.status.borrow().state == State::Active
    }

    /// Asks for the end; what the returned future gives is known once it is reached.
    pub(super) fn shutdown(
        self: &Arc<Self>,
        how: Shutdown,
    ) -> impl Future<Output = Option<ResumeState>> + Send + use<P> {
        let requested = Error::new(ErrorKind::Shutdown, "the shard was shut down on request");
        if how == Shutdown::Keep {
            self.handover.seal(requested.clone());
        }
        let mut control = lock(&self.control);
        if !control.ending {
            control.ending = true;
            control.requests.shutdown = Some(how);
        }
        let started = matches!(control.stage, Stage::Starting | Stage::Running(_));
        drop(control);
        if started {
            self.handover.wake_driver();
        } else {
            self.finish(&requested);
        }
        let shared = Arc::clone(self);
        async move {
            shared.watch().ended().await;
            match how {
                Shutdown::Keep => shared.resume_state(),
                Shutdown::End => None,
            }
        }
    }

    /// The user has dropped the shard.
    pub(super) fn abandon(&self) {
        let dropped = || Error::new(ErrorKind::Shutdown, "the shard was dropped");
        let mut control = lock(&self.control);
        control.abandoned = !control.ending;
        match &control.stage {
            // A shutdown that was asked for is carried through; it has a deadline.
            Stage::Running(_) if control.ending => {}
            Stage::Running(task) => {
                let task = task.clone();
                drop(control);
                self.handover.end(dropped());
                task.abort();
            }
            Stage::Waiting(_) => {
                drop(control);
                self.finish(&dropped());
            }
            Stage::Starting | Stage::Over => {}
        }
    }
}

/// The session that the configuration says to start from.
fn restored<P: Platform>(id: ShardId, config: &Config<P>) -> Option<Held> {
    let state = config.resume()?;
    if state.shard() != id {
        observe::shard(P::NAME, id).in_scope(|| observe::resume_of_another_shard(state.shard()));
        return None;
    }
    Some(Held {
        resume: state.to_resume::<P>(&config.bases()),
        session: 1,
        begins: state.seq(),
    })
}

impl<P: Platform> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
