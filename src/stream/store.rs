//! Where are the sessions while nothing runs? A trait, and a file that implements it.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::{BoxFuture, FutureExt as _};
use serde::{Deserialize, Serialize};

use crate::{id::ShardId, queue::BudgetState, shard::ResumeState};

/// The sessions of a set of shards, to go on with after a restart, or in another process.
///
/// They hold no token, but are to be kept like a secret: who has them and the token can take the
/// events over.
///
/// ```
/// use shardstream::{Config, Intents, ShardId, stream::{self, Sessions}};
///
/// # fn example(sessions: Sessions) {
/// // Every shard that has a session resumes it, all at once; the others identify.
/// let config = Config::new("token", Intents::GUILDS);
/// let shards = stream::create_range(0..4, 4, config, |id, builder| {
///     builder.resume(sessions.of(id).cloned()).build()
/// });
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Sessions {
    states: BTreeMap<ShardId, ResumeState>,
    budget: Option<BudgetState>,
}

/// What is written. The version is of the whole, so that a reader of another one knows at once.
#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetState>,
    shards: Vec<ResumeState>,
}

impl Sessions {
    /// The session of a shard.
    pub fn of(&self, id: ShardId) -> Option<&ResumeState> {
        self.states.get(&id)
    }

    /// Adds a session, or puts it in the place of an earlier one of the same shard.
    pub fn insert(&mut self, state: ResumeState) {
        self.states.insert(state.shard(), state);
    }

    /// Every session, by shard.
    pub fn iter(&self) -> impl Iterator<Item = &ResumeState> {
        self.states.values()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What was used of the day's identifies, where it was kept: for
    /// [`LocalQueue::restore_budget`](crate::queue::LocalQueue::restore_budget).
    pub const fn budget(&self) -> Option<&BudgetState> {
        self.budget.as_ref()
    }

    /// Keeps what was used of the day's identifies too, as
    /// [`LocalQueue::budget`](crate::queue::LocalQueue::budget) tells it.
    #[must_use]
    pub fn with_budget(mut self, budget: BudgetState) -> Self {
        self.budget = Some(budget);
        self
    }
}

impl From<Saved> for Sessions {
    fn from(saved: Saved) -> Self {
        let mut sessions = Self::from_iter(saved.shards);
        sessions.budget = saved.budget;
        sessions
    }
}

impl From<Sessions> for Saved {
    fn from(sessions: Sessions) -> Self {
        Self {
            budget: sessions.budget,
            shards: sessions.states.into_values().collect(),
        }
    }
}

impl FromIterator<ResumeState> for Sessions {
    fn from_iter<I: IntoIterator<Item = ResumeState>>(states: I) -> Self {
        let mut sessions = Self::default();
        sessions.extend(states);
        sessions
    }
}

impl Extend<ResumeState> for Sessions {
    fn extend<I: IntoIterator<Item = ResumeState>>(&mut self, states: I) {
        for state in states {
            self.insert(state);
        }
    }
}

impl IntoIterator for Sessions {
    type Item = ResumeState;
    type IntoIter = std::collections::btree_map::IntoValues<ShardId, ResumeState>;

    fn into_iter(self) -> Self::IntoIter {
        self.states.into_values()
    }
}

/// Keeps sessions while nothing runs: in a file, a database, a secret of the orchestrator.
///
/// [`FileStore`] is one. All it must do is give back what it was given last.
pub trait SessionStore: Debug + Send + Sync + 'static {
    /// What was saved last; empty where nothing ever was.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or holds something else. Whoever starts a bot then starts without
    /// sessions: each shard identifies.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing that is stored.
    fn load(&self) -> BoxFuture<'_, io::Result<Sessions>>;

    /// Puts these in the place of what was saved before.
    ///
    /// # Errors
    ///
    /// The store cannot be written; what was saved before is still there.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, these are saved as a whole or not at all, perhaps a little later;
    /// but they never take the place of what is saved by a call that began after this one.
    fn save(&self, sessions: &Sessions) -> BoxFuture<'_, io::Result<()>>;
}

/// Sessions in a file, as JSON.
///
/// The file holds no token; on Unix only its owner may read it (mode 0600). It is written beside
/// and moved over, so that a crash leaves the old file or the new one. It says its version: one of
/// another is an error, not a guess.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use shardstream::stream::{FileStore, SessionStore, Sessions};
///
/// # let path = std::env::temp_dir().join(format!("shardstream-doc-{}", std::process::id()));
/// let store = FileStore::new(&path);
/// assert!(store.load().await?.is_empty());
/// store.save(&Sessions::default()).await?;
/// assert!(store.load().await?.is_empty());
/// # std::fs::remove_file(path)
/// # }
/// ```
///
/// Clones share the file: of saves at the same time each takes effect as a whole, and the one that
/// began last is what the file holds in the end. Two stores that
/// are made for one file, or two processes, do not know of each other.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
    saves: Arc<Saves>,
}

/// Threads take what they have to do in any order; a save must not undo a later one.
#[derive(Debug, Default)]
struct Saves {
    /// How many have begun.
    begun: AtomicU64,
    /// The number of the last one that was written. Held while the file is written.
    written: Mutex<u64>,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    sessions: Saved,
}

/// Read before all else, because the rest of another version may look like anything.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

const VERSION: u32 = 1;

/// More than 16,000 shards need, which is as many as a bot can have.
const FILE_LEN_MAX: u64 = 16 << 20;

impl FileStore {
    /// A store in this file. Nothing is read or written yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            saves: Arc::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(path: &Path) -> io::Result<Sessions> {
        let text = match fs::metadata(path) {
            Ok(about) if about.len() > FILE_LEN_MAX => return Err(broken("it is too long")),
            Ok(_) => fs::read(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Sessions::default());
            }
            Err(error) => return Err(error),
        };
        // What serde would say quotes the text.
        let corrupt = |_| broken("it is corrupt");
        let Version { version } = serde_json::from_slice(&text).map_err(corrupt)?;
        if version != VERSION {
            return Err(broken("it is of another version"));
        }
        let saved: Saved = serde_json::from_slice(&text).map_err(corrupt)?;
        Ok(saved.into())
    }

    /// A save that begins now, and is done by whatever thread has time.
    fn saving(&self, sessions: Sessions) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let (path, saves) = (self.path.clone(), Arc::clone(&self.saves));
        let number = 1 + saves.begun.fetch_add(1, Ordering::Relaxed);
        move || {
            // A number that a panic has left as it was still holds.
            let mut written = saves.written.lock().unwrap_or_else(PoisonError::into_inner);
            if number > *written {
                Self::write(&path, sessions)?;
                *written = number;
            }
            Ok(())
        }
    }

    fn write(path: &Path, sessions: Sessions) -> io::Result<()> {
        let file = File {
            version: VERSION,
            sessions: sessions.into(),
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(&beside)?;
        out.write_all(&serde_json::to_vec(&file)?)?;
        out.sync_all()?;
        fs::rename(&beside, path)
    }
}

impl SessionStore for FileStore {
    fn load(&self) -> BoxFuture<'_, io::Result<Sessions>> {
        let path = self.path.clone();
        blocking(move || Self::read(&path)).boxed()
    }

    fn save(&self, sessions: &Sessions) -> BoxFuture<'_, io::Result<()>> {
        let (store, sessions) = (self.clone(), sessions.clone());
        async move { blocking(store.saving(sessions)).await }.boxed()
    }
}

/// Disks may be slow, and shards must beat.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn broken(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        let state = |n: u32| {
            let text = format!(
                r#"{{"platform":"discord","shard":[{n},2],"session_id":"s{n}","seq":{n}}}"#
            );
            serde_json::from_str::<ResumeState>(&text).unwrap()
        };
        [state(1), state(0)].into_iter().collect()
    }

    /// A file of this test, removed when dropped.
    struct Scratch(FileStore);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("shardstream-store-{name}-{}", std::process::id());
            Self(FileStore::new(std::env::temp_dir().join(name)))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_file(self.0.path()));
        }
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded_and_what_was_never_saved_is_empty() {
        let scratch = Scratch::new("round");
        assert!(scratch.0.load().await.unwrap().is_empty());
        let with_budget = sessions().with_budget(crate::queue::LocalQueue::new().budget());
        for saved in [sessions(), with_budget, Sessions::default()] {
            scratch.0.save(&saved).await.unwrap();
            assert_eq!(scratch.0.load().await.unwrap(), saved);
        }
        assert_eq!(sessions().of(ShardId::new(1, 2).unwrap()).unwrap().seq(), 1);
        assert!(sessions().of(ShardId::ONE).is_none());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_may_read_the_file_even_where_it_was_open_before() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = Scratch::new("mode");
        fs::write(scratch.0.path(), "{}").unwrap();
        fs::set_permissions(scratch.0.path(), fs::Permissions::from_mode(0o666)).unwrap();
        scratch.0.save(&sessions()).await.unwrap();
        let mode = fs::metadata(scratch.0.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_an_error_that_quotes_nothing() {
        let scratch = Scratch::new("bad");
        let bad_shard = r#"{"version":1,"shards":[{"platform":"discord","shard":[5,1],
            "session_id":"CANARY","seq":1}]}"#;
        for (text, said) in [
            ("CANARY", "it is corrupt"),
            ("", "it is corrupt"),
            (r#"{"version":"CANARY"}"#, "it is corrupt"),
            (bad_shard, "it is corrupt"),
            (
                r#"{"version":2,"sessions":"CANARY"}"#,
                "it is of another version",
            ),
        ] {
            fs::write(scratch.0.path(), text).unwrap();
            let error = scratch.0.load().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(error.to_string(), said);
        }
    }

    /// Method: many at once, by clones; each write takes the place of the one before as a whole.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn saves_at_the_same_time_do_not_spoil_one_another() {
        let scratch = Scratch::new("twice");
        let saves = (0..64).map(|_| {
            let store = scratch.0.clone();
            tokio::spawn(async move { store.save(&sessions()).await })
        });
        for saved in futures::future::join_all(saves).await {
            saved.unwrap().unwrap();
        }
        assert_eq!(scratch.0.load().await.unwrap(), sessions());
    }

    /// Goal: a save whose future was dropped does not come after a later one, though its thread
    /// does. Method: the two threads' work, in the wrong order; and a later one that fails.
    #[tokio::test]
    async fn a_save_that_is_late_does_not_undo_a_later_one() {
        let scratch = Scratch::new("late");
        let (early, late) = (
            scratch.0.saving(Sessions::default()),
            scratch.0.clone().saving(sessions()),
        );
        late().unwrap();
        early().unwrap();
        assert_eq!(scratch.0.load().await.unwrap(), sessions());
        let (early, late) = (
            scratch.0.saving(Sessions::default()),
            scratch.0.saving(sessions()),
        );
        let beside = format!("{}.new", scratch.0.path().display());
        fs::create_dir(&beside).unwrap();
        late().unwrap_err();
        fs::remove_dir(&beside).unwrap();
        early().unwrap();
        assert!(scratch.0.load().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_keeps_what_it_had() {
        let scratch = Scratch::new("full");
        scratch.0.save(&sessions()).await.unwrap();
        // A folder stands where the new file is to be written.
        let beside = format!("{}.new", scratch.0.path().display());
        fs::create_dir(&beside).unwrap();
        let failed = scratch.0.save(&Sessions::default()).await;
        fs::remove_dir(&beside).unwrap();
        assert!(failed.is_err());
        assert_eq!(scratch.0.load().await.unwrap(), sessions());
    }
}
