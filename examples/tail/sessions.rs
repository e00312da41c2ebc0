//! Where are the sessions while nothing runs? In a file, if it fits what is started.

use shardstream::{
    ResumeState, ShardId,
    platform::Platform,
    stream::{FileStore, SessionStore as _, Sessions},
};

/// The sessions of an earlier run, all of this platform and of one number of shards.
#[derive(Default)]
pub(crate) struct Kept {
    sessions: Sessions,
    /// Why the file is not used.
    problem: Option<String>,
}

impl Kept {
    pub(crate) async fn load<P: Platform>(store: Option<&FileStore>) -> Self {
        let Some(store) = store else {
            return Self::default();
        };
        let loaded = store.load().await.map_err(|error| error.to_string());
        loaded
            .and_then(Self::of_platform::<P>)
            .unwrap_or_else(|problem| Self {
                sessions: Sessions::default(),
                problem: Some(problem),
            })
    }

    fn of_platform<P: Platform>(sessions: Sessions) -> Result<Self, String> {
        if sessions.iter().any(|state| state.platform() != P::NAME) {
            return Err("it is of another platform".to_owned());
        }
        let total = |state: &ResumeState| state.shard().total();
        let first = sessions.iter().next().map(total);
        if sessions.iter().any(|state| Some(total(state)) != first) {
            return Err("it is of several numbers of shards".to_owned());
        }
        Ok(Self {
            sessions,
            problem: None,
        })
    }

    /// The session of a shard; one of another number of shards has none.
    pub(crate) fn of(&self, id: ShardId) -> Option<ResumeState> {
        self.sessions.of(id).cloned()
    }

    /// Why nothing of the file is used by so many shards; `None` where it is, or says nothing.
    pub(crate) fn problem(&self, total: u32) -> Option<&str> {
        let mut states = self.sessions.iter();
        let other = states.any(|state| state.shard().total() != total);
        let other = other.then_some("it is of another number of shards");
        self.problem.as_deref().or(other)
    }
}
