//! What follows the end of a connection? The table of DESIGN section 6, "after a connection
//! ends": whether the session is kept, and how long to wait.

use std::time::{Duration, Instant};

use super::{
    Action, AfterClose, Begun, CLOSE_END, CLOSE_KEEP, Endpoint, FAILED_RESUMES_MAX, FORBIDDEN_MAX,
    Lost, Reconnect, Session, Shutdown, State, Stop, Timer,
};
use crate::{
    notice::{Cause, Notice},
    platform::{CloseAction, Platform, RENEWALS_MAX, Refused},
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The wait of a quick return: long enough that shards cut together do not come back together.
const QUICK: (Duration, Duration) = (millis(0), millis(500));
/// The wait once the quick bucket is empty, and before the identify that follows a dead session.
const CALM: (Duration, Duration) = (millis(1000), millis(5000));
/// What is added at most to the wait after the server's rate limit.
const RATE_LIMITED_SPREAD: Duration = millis(15_000);

/// What to do after a connection ended.
struct Plan {
    wait: Duration,
    /// The session is given up.
    lose: bool,
}

impl<P: Platform> Session<P> {
    pub(super) fn lost(&mut self, now: Instant, lost: Lost) {
        match (self.state, lost) {
            (State::Backoff | State::Stopped, _) => {}
            (
                State::AwaitConnection,
                Lost::Connect {
                    status,
                    retry_after,
                },
            ) => self.connect_failed(now, status, retry_after),
            (State::AwaitConnection, _) => self.connect_failed(now, None, None),
            (State::AwaitClose, Lost::Closed { code: Some(code) })
                if close_action::<P>(code) == CloseAction::Fatal =>
            {
                self.stop(Stop::Closed(code));
            }
            (State::AwaitClose, _) => self.closed(now),
            (_, Lost::Closed { code }) => self.end(now, Cause::Closed { code }),
            (_, Lost::Connect { .. } | Lost::Cut) => self.end(now, Cause::Cut),
            (_, Lost::BrokenFrame) => self.end(now, Cause::BrokenFrame),
            (_, Lost::TooLong) => self.end(now, Cause::TooLong),
            (_, Lost::Compression) => self.end(now, Cause::Compression),
            (_, Lost::WriteStall) => self.end(now, Cause::WriteStall),
        }
    }

    /// An attempt to connect failed.
    pub(super) fn connect_failed(
        &mut self,
        now: Instant,
        status: Option<u16>,
        retry_after: Option<Duration>,
    ) {
        let asked = self.believed(retry_after);
        if let Endpoint::Resume(_) = self.dialled {
            // The session may live on behind the base url; the resume url is not tried again.
            if let Some(held) = &mut self.held
                && !planted!(ResumeUrlKept)
            {
                held.url = None;
            }
            // At once, unless the server asked to be left alone.
            self.connect_at(now, now + asked);
            return;
        }
        if matches!(status, Some(401 | 403)) {
            self.forbidden += 1;
            if self.forbidden >= FORBIDDEN_MAX {
                self.stop(Stop::Forbidden);
                return;
            }
        } else {
            self.forbidden = 0;
        }
        let wait = self.backoff.fail(&mut self.chance).max(asked);
        self.connect_at(now, now + wait);
    }

    /// The connection has ended, or shall end, for this cause.
    pub(super) fn end(&mut self, now: Instant, cause: Cause) {
        self.finish(now, cause, false, Duration::ZERO);
    }

    pub(super) fn permit_refused(
        &mut self,
        now: Instant,
        fatal: bool,
        retry_after: Option<Duration>,
    ) {
        if self.state != State::AwaitPermit {
            return;
        }
        if fatal {
            self.actions.push_back(Action::Hangup);
            self.stop(Stop::Credentials { code: None });
            return;
        }
        let asked = self.believed(retry_after);
        self.finish(now, Cause::Connect, false, asked);
    }

    pub(super) fn reconnect(&mut self, now: Instant, how: Reconnect) {
        let fresh = how == Reconnect::Fresh;
        match self.state {
            State::Stopped => {}
            State::Backoff | State::AwaitClose => {
                if fresh {
                    self.lose_session();
                }
            }
            State::AwaitConnection => {
                if fresh && self.held.is_some() {
                    self.lose_session();
                    self.actions.push_back(Action::Hangup);
                    self.connect(now);
                }
            }
            _ => self.finish(now, Cause::Requested, fresh, Duration::ZERO),
        }
    }

    pub(super) fn shutdown(&mut self, now: Instant, how: Shutdown) {
        self.return_permit();
        let code = match how {
            Shutdown::End => CLOSE_END,
            Shutdown::Keep => CLOSE_KEEP,
        };
        match self.state {
            State::Backoff | State::Stopped => self.stop(Stop::Shutdown),
            State::AwaitConnection => {
                self.actions.push_back(Action::Hangup);
                self.stop(Stop::Shutdown);
            }
            State::AwaitClose => self.after_close = AfterClose::Stop(Stop::Shutdown),
            _ => {
                self.actions.push_back(Action::Close(code));
                self.after_close = AfterClose::Stop(Stop::Shutdown);
                self.wait(State::AwaitClose, now + self.limits.close, Timer::Close);
            }
        }
        if how == Shutdown::End {
            self.held = None;
        }
    }

    /// The close handshake is over, or nobody waits for it any longer.
    pub(super) fn closed(&mut self, now: Instant) {
        self.connection = None;
        match self.after_close {
            AfterClose::ConnectAt(at) => self.connect_at(now, at),
            AfterClose::Stop(stop) => self.stop(stop),
        }
    }

    fn finish(&mut self, now: Instant, cause: Cause, fresh: bool, at_least: Duration) {
        let plan = match self.plan(now, &cause) {
            Ok(plan) => plan,
            Err(stop) => {
                self.return_permit();
                self.actions.push_back(Action::Hangup);
                self.stop(stop);
                return;
            }
        };
        self.return_permit();
        let wait = plan.wait.max(at_least);
        let lose = plan.lose || fresh;
        let gone = is_gone(&cause);
        self.actions.push_back(Action::Notify(Notice::Disconnected {
            cause,
            resumable: self.held.is_some() && !lose,
            retry_in: wait,
        }));
        if lose {
            self.lose_session();
        }
        if gone {
            self.actions.push_back(Action::Hangup);
            self.connection = None;
            self.connect_at(now, now + wait);
        } else {
            let code = if planted!(SessionEndedByClose) {
                CLOSE_END
            } else {
                CLOSE_KEEP
            };
            self.actions.push_back(Action::Close(code));
            self.after_close = AfterClose::ConnectAt(now + wait);
            self.wait(State::AwaitClose, now + self.limits.close, Timer::Close);
        }
    }

    /// The row of the table that applies. Where rows overlap: fatal first, then the identify
    /// rows; the longest delay that applies.
    fn plan(&mut self, now: Instant, cause: &Cause) -> Result<Plan, Stop> {
        let (begun, established, progress) = match &self.connection {
            Some(open) => (open.begun, open.established, open.progress),
            None => (None, false, false),
        };
        let identified = begun == Some(Begun::Identify);
        let resumed = begun == Some(Begun::Resume);
        let action = match *cause {
            Cause::Closed { code: Some(code) } => close_action::<P>(code),
            Cause::InvalidSession { resumable: false } | Cause::SequenceRestarted => {
                CloseAction::Identify
            }
            Cause::InvalidSession { .. } if planted!(ResumableSessionLost) => CloseAction::Identify,
            Cause::Reconnect | Cause::Requested => CloseAction::ResumeNow,
            _ => CloseAction::Resume,
        };
        if let (CloseAction::Fatal, Cause::Closed { code: Some(code) }) = (action, cause) {
            return Err(Stop::Closed(*code));
        }
        let unanswered = identified && !established;
        let code = cause.close_code();
        let refused = unanswered
            && (matches!(cause, Cause::InvalidSession { .. })
                || code.is_some_and(|code| P::REFUSED_CODES.contains(&code)));
        let renew = action == CloseAction::RenewCredential
            || (refused && P::REFUSED_IDENTIFY == Refused::RenewCredential);
        if renew {
            self.renew = !planted!(CredentialNotRenewed);
            self.refused_credentials += 1;
            if self.refused_credentials > RENEWALS_MAX {
                return Err(Stop::Credentials { code });
            }
        }

        let mut lose = renew || action == CloseAction::Identify;
        let mut wait = if progress {
            Duration::ZERO
        } else {
            self.backoff.fail(&mut self.chance)
        };
        if unanswered || renew || (lose && !self.proven) {
            // Also where RESUME was refused: a READY that nothing came of is no reason to hurry.
            wait = wait.max(self.identify_backoff.fail(&mut self.chance));
        } else if lose {
            wait = wait.max(self.chance.between(CALM.0, CALM.1));
        } else if progress {
            wait = self.quick_wait(now, action == CloseAction::ResumeNow);
        }
        if action == CloseAction::ResumeLater && !planted!(RateLimitNotWaitedFor) {
            let least = self.limits.rate_limited;
            self.slowed_until = Some(now + self.limits.slowed);
            wait = wait.max(self.chance.between(least, least + RATE_LIMITED_SPREAD));
        }
        if resumed && !progress && !lose {
            self.failed_resumes += 1;
            lose = self.failed_resumes >= FAILED_RESUMES_MAX && !planted!(DeadSessionResumed);
        }
        // Given up while it worked, so nothing calls for a longer wait.
        lose |= self.age_max.is_some_and(|max| now >= self.began_at + max);
        Ok(Plan { wait, lose })
    }

    /// The wait that a server asked for by `Retry-After`, cut to what is believed.
    fn believed(&self, retry_after: Option<Duration>) -> Duration {
        retry_after.map_or(Duration::ZERO, |asked| {
            asked.min(self.limits.retry_after_max)
        })
    }

    fn quick_wait(&mut self, now: Instant, at_once: bool) -> Duration {
        let (low, high) = if !self.quick.take(now) {
            CALM
        } else if at_once {
            return Duration::ZERO;
        } else {
            QUICK
        };
        self.chance.between(low, high)
    }

    fn connect_at(&mut self, now: Instant, at: Instant) {
        if at <= now {
            self.connect(now);
        } else {
            self.wait(State::Backoff, at, Timer::Backoff);
        }
    }

    /// Gives back what was asked for and not used.
    fn return_permit(&mut self) {
        let unsent = self
            .connection
            .as_mut()
            .is_some_and(|connection| connection.handshake.take().is_some());
        if (unsent || self.state == State::AwaitPermit) && !planted!(PermitNotReturned) {
            self.actions.push_back(Action::ReturnPermit);
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.connection = None;
        self.deadline = None;
        self.state = State::Stopped;
        self.actions.push_back(Action::Stop(stop));
    }
}

/// What a close code asks for: the platform's table, and for codes that it does not name what
/// holds on every platform.
fn close_action<P: Platform>(code: u16) -> CloseAction {
    match P::close_row(code) {
        Some(row) if planted!(FatalCodeResumed) && row.action == CloseAction::Fatal => {
            CloseAction::Resume
        }
        Some(row) => row.action,
        None if (4000..5000).contains(&code) => P::UNKNOWN_CLOSE,
        None => CloseAction::Resume,
    }
}

/// Whether the transport is gone, or not worth a close handshake.
const fn is_gone(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::BrokenFrame
            | Cause::Closed { .. }
            | Cause::Compression
            | Cause::Cut
            | Cause::MissingAck
            | Cause::Silence
            | Cause::TooLong
            | Cause::WriteStall
    )
}
