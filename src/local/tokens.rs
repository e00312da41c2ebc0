//! Which tokens are out? Those that the token endpoint gave, and until when; pure.
//! <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html>

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{MARK, world::later};
use crate::secret::Token;

/// So long before a token expires the next one is given; the old one stays valid for that time.
const OVERLAP: Duration = Duration::from_mins(1);
/// Older ones are unknown. A test that gets so far has something else to show.
const KEPT: usize = 4096;

/// The tokens given out, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: VecDeque<Issued>,
    count: u64,
}

#[derive(Debug)]
struct Issued {
    app_id: String,
    number: u64,
    text: Token,
    /// `None` once it was revoked.
    expires: Option<Instant>,
}

/// A token on its way to the client.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) number: u64,
    pub(super) text: String,
    pub(super) expires_in_s: u64,
    /// Whether it was given before.
    pub(super) again: bool,
}

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity<'a> {
    Expired,
    Unknown,
    Valid { app_id: &'a str },
}

impl Tokens {
    /// The token of this bot: the one that is out, or in its last minute a new one.
    pub(super) fn give(
        &mut self,
        now: Instant,
        app_id: &str,
        lifetime: Duration,
        random: &mut fastrand::Rng,
    ) -> Given {
        let left = |issued: &Issued| {
            let expires = issued.expires?;
            let left = expires.saturating_duration_since(now);
            (issued.app_id == app_id && left > OVERLAP).then_some(left)
        };
        let mut newest_first = self.issued.iter().rev();
        let out = newest_first.find_map(|issued| Some((issued, left(issued)?)));
        if let Some((issued, left)) = out {
            return Given {
                number: issued.number,
                text: issued.text.expose().to_owned(),
                expires_in_s: left.as_secs(),
                again: true,
            };
        }
        self.count += 1;
        let text = format!("{MARK}{:032x}{:032x}", random.u128(..), random.u128(..));
        self.issued.push_back(Issued {
            app_id: app_id.to_owned(),
            number: self.count,
            text: Token::from(text.as_str()),
            expires: Some(later(now, lifetime)),
        });
        if self.issued.len() > KEPT {
            self.issued.pop_front();
        }
        Given {
            number: self.count,
            text,
            expires_in_s: lifetime.as_secs(),
            again: false,
        }
    }

    /// Makes all of them worthless; how many were not so before.
    pub(super) fn revoke(&mut self, now: Instant) -> usize {
        let expiries = self.issued.iter_mut().map(|issued| issued.expires.take());
        expiries.flatten().filter(|at| *at > now).count()
    }

    pub(super) fn check(&self, text: &str, now: Instant) -> Validity<'_> {
        match self.find(text) {
            None => Validity::Unknown,
            Some(issued) if issued.expires.is_some_and(|at| now < at) => Validity::Valid {
                app_id: &issued.app_id,
            },
            Some(_) => Validity::Expired,
        }
    }

    /// Which of them it is, expired or not.
    pub(super) fn number(&self, text: &str) -> Option<u64> {
        self.find(text).map(|issued| issued.number)
    }

    fn find(&self, text: &str) -> Option<&Issued> {
        let mut issued = self.issued.iter();
        issued.find(|issued| issued.text.expose() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_hours(2);

    #[test]
    fn a_new_token_is_given_in_the_last_minute_only_and_the_old_one_lives_through_it() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        let mut random = fastrand::Rng::with_seed(1);
        let mut give = |tokens: &mut Tokens, at: u64| {
            tokens.give(start + Duration::from_secs(at), "a", LIFETIME, &mut random)
        };
        let first = give(&mut tokens, 0);
        assert_eq!(
            (first.number, first.expires_in_s, first.again),
            (1, 7200, false)
        );
        let same = give(&mut tokens, 7139);
        assert_eq!((same.number, same.expires_in_s, same.again), (1, 61, true));
        assert_eq!(same.text, first.text);
        let second = give(&mut tokens, 7140);
        assert_eq!((second.number, second.expires_in_s), (2, 7200));
        assert_ne!(second.text, first.text);
        let valid = Validity::Valid { app_id: "a" };
        let check = |tokens: &Tokens, text: &str, at| {
            tokens.check(text, start + Duration::from_secs(at)) == valid
        };
        assert!(check(&tokens, &first.text, 7199) && check(&tokens, &second.text, 7199));
        assert!(!check(&tokens, &first.text, 7200) && check(&tokens, &second.text, 7200));
        assert_eq!(tokens.number(&first.text), Some(1));
    }

    #[test]
    fn each_bot_has_its_own_token_and_revoked_ones_are_not_given_again() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        let mut random = fastrand::Rng::with_seed(1);
        let mut give =
            |tokens: &mut Tokens, app_id| tokens.give(now, app_id, LIFETIME, &mut random);
        assert_eq!(give(&mut tokens, "a").number, 1);
        assert_eq!(give(&mut tokens, "b").number, 2);
        let first = give(&mut tokens, "a");
        assert_eq!(first.number, 1);
        assert_eq!(tokens.revoke(now), 2);
        assert_eq!(tokens.check(&first.text, now), Validity::Expired);
        assert_eq!(tokens.check("x", now), Validity::Unknown);
        assert_eq!(give(&mut tokens, "a").number, 3);
    }
}
