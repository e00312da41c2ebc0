//! What must be kept over a restart? A session and how far the user has come in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::ShardId,
    platform::{GatewayUrl, Platform},
    session::Resume,
};

/// A session to go on with after a restart.
///
/// Keep it like a secret: who has it and the token can take the events over. It holds no token.
/// Its `Debug` shows nothing of the session id.
///
/// ```
/// use shardstream::ResumeState;
/// let text = r#"{"platform":"discord","shard":[0,1],"session_id":"abc","seq":41,
///     "resume_url":"wss://gateway-us-east1-b.discord.gg/"}"#;
/// let state: ResumeState = serde_json::from_str(text)?;
/// assert_eq!(state.seq(), 41);
/// assert_eq!(state.at(40).seq(), 40);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeState {
    platform: String,
    shard: ShardId,
    session_id: String,
    seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume_url: Option<String>,
}

impl ResumeState {
    pub(super) fn new<P: Platform>(shard: ShardId, resume: &Resume, seq: u64) -> Self {
        Self {
            platform: P::NAME.to_owned(),
            shard,
            session_id: resume.session_id.clone(),
            seq,
            resume_url: resume.url.as_ref().map(GatewayUrl::to_string),
        }
    }

    /// The id of the session: a secret.
    #[cfg(feature = "nats")]
    pub(crate) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The same session from another sequence on: for who acknowledges events later than they are
    /// taken, or has stored how far it really came.
    #[must_use]
    pub fn at(mut self, seq: u64) -> Self {
        self.seq = seq;
        self
    }

    /// The name of the platform, such as `discord`.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The sequence of the last event that the user took.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The shard that the session belongs to.
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// What the rules of the conversation start from. The url is held against the bases again: the
    /// state may come from a file that anybody wrote.
    pub(super) fn to_resume<P: Platform>(&self, bases: &[GatewayUrl]) -> Resume {
        Resume {
            session_id: self.session_id.clone(),
            seq: self.seq,
            url: self
                .resume_url
                .as_deref()
                .and_then(|url| GatewayUrl::discovered_by(url, bases, P::GATEWAY_HOSTS).ok()),
        }
    }
}

impl fmt::Debug for ResumeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeState")
            .field("platform", &self.platform)
            .field("shard", &self.shard)
            .field("session_id", &format_args!("[redacted]"))
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
