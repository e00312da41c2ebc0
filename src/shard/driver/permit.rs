//! How does the driver come by a permit to identify, and a credential? And what does the user hear
//! while the day's limit keeps him waiting?

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::Driver;
use crate::{
    credential::TokenRequest,
    error::{Error, ErrorKind},
    notice::Notice,
    observe::{self, Measure},
    platform::Platform,
    queue,
    session::Input,
    shard::link::{Grant, Refusal},
};

/// So long an identify waits before the user hears of it: the buckets alone let a bot of twelve
/// shards wait as long. It is looked at anew as often.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What the user was told of the permit that is waited for.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub(super) next_look: Option<Instant>,
    told_spaced: bool,
    told_spent: bool,
}

impl HeldBack {
    pub(super) const fn is_told(&self) -> bool {
        self.told_spaced || self.told_spent
    }
}

impl<P: Platform> Driver<P> {
    pub(super) fn ask(&mut self, now: Instant, identify: bool, renew: bool) {
        self.return_permit();
        let config = self.config();
        let connector = config.connector().clone();
        let request = TokenRequest::new(renew, config.rest_url().to_owned(), connector);
        let queue = identify.then(|| config.queue());
        self.grant = Grant::ask(config, queue, self.shared.id, request);
        self.asked = identify.then_some(now);
        self.held_back.next_look = identify.then(|| now + LOOK_EVERY);
    }

    pub(super) fn return_permit(&mut self) {
        self.grant.give_back();
        self.held_back = HeldBack::default();
    }

    pub(super) fn poll_grant(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Poll::Ready(answer) = self.grant.poll(cx) else {
            return;
        };
        self.held_back = HeldBack::default();
        let input = match answer {
            Ok(granted) => {
                self.grant = Grant::Held(granted.permit);
                if let Some(asked) = self.asked.take() {
                    let waited = now.saturating_duration_since(asked);
                    self.meter.take(&Measure::PermitGranted(waited));
                }
                self.shared.tape.hide(&granted.token);
                Input::Permit(granted.token)
            }
            Err(Refusal(refused)) => {
                self.grant = Grant::None;
                observe::permit_refused(&refused.error);
                self.meter.take(&Measure::PermitRefused);
                let fatal = refused.error.is_fatal();
                if fatal {
                    self.refusal = Some(refused.error);
                } else {
                    self.writer.fail(refused.error, self.cursor);
                }
                Input::PermitRefused {
                    fatal,
                    retry_after: refused.retry_after,
                }
            }
        };
        let _internal = self.session.handle(now, input);
        self.act(now);
    }

    /// Tells the user, once, that it is the day's limit that the shard waits for.
    pub(super) fn look_at_queue(&mut self, now: Instant) {
        if self.held_back.next_look.is_none_or(|at| at > now) {
            return;
        }
        self.held_back.next_look = Some(now + LOOK_EVERY);
        match self.config().queue().held_back() {
            Some(queue::HeldBack::Spaced { next_in }) if !self.held_back.told_spaced => {
                self.held_back.told_spaced = true;
                self.tell(Notice::IdentifyHeldBack { next_in });
            }
            Some(queue::HeldBack::Spent { next_in }) if !self.held_back.told_spent => {
                self.held_back.told_spent = true;
                let message = format!(
                    "no identify is left of the day's limit (its last tenth is kept back, for a \
                     bot that exceeds it loses its token); the next is possible in {next_in:.0?}"
                );
                let error = Error::new(ErrorKind::IdentifyLimit, message);
                observe::budget_spent(&error);
                self.writer.fail(error, self.cursor);
            }
            _ => {}
        }
    }
}
