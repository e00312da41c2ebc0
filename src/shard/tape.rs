//! Can a bug report become a test? What the server says, written to a file as it comes.
//!
//! The driver only copies texts into a bounded buffer. A task takes them out in bulk, redacts them
//! and writes them, and where it cannot, the recording ends and the shard goes on.

mod redact;

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write as _},
    mem,
    path::Path,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use super::{
    ShardHandle,
    driver::now,
    handover::{Handover, lock},
};
use crate::{codec::envelope::Header, notice::Cause, platform::Platform, secret::Token};

/// The version of the format, in the first line of a file.
const VERSION: u32 = 1;
/// 16 MiB wait to be written at most, beside one message: so much comes in a second of the busiest
/// start, and a disk that is slower for longer would leave holes.
const BYTES_MAX: usize = 16 << 20;
/// What a line that holds no message counts.
const LINE_LEN: usize = 128;

/// So many secrets are known at a time: those of the last few sessions and tokens, which alone can
/// be in what waits.
const HIDDEN_MAX: usize = 8;

/// What one shard records, if it does.
#[derive(Debug)]
pub(super) struct Tape {
    /// While it is not set, a message costs no more than this look.
    on: AtomicBool,
    reel: Mutex<Option<Arc<Reel>>>,
    /// A recording ended by itself, and nobody was told yet.
    torn: AtomicBool,
    /// The credentials and sessions last used, which no line may hold.
    hidden: Mutex<VecDeque<Token>>,
}

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum Taped {
    Opened { midway: bool },
    Message(String),
    Unreadable { seq: Option<u64> },
    Ended(Cause),
}

/// What waits to be written, and for whom.
#[derive(Debug)]
struct Reel {
    begun: Instant,
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing will come any more.
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<(Duration, Taped)>,
    bytes: usize,
    /// Nothing is recorded any more.
    over: bool,
    /// Why not, where nobody asked for that.
    why: Option<String>,
    /// A connection was opened and did not end.
    open: bool,
}

impl Tape {
    pub(super) fn new() -> Self {
        Self {
            on: AtomicBool::new(false),
            reel: Mutex::default(),
            torn: AtomicBool::new(false),
            hidden: Mutex::default(),
        }
    }

    /// Records what `what` makes, where anybody wants that.
    pub(super) fn put(&self, now: Instant, what: impl FnOnce() -> Taped) {
        if !self.on.load(Ordering::Acquire) {
            return;
        }
        let reel = lock(&self.reel);
        if let Some(reel) = &*reel
            && !reel.put(now, what())
        {
            self.tear();
        }
    }

    /// What may not be written. Platforms repeat it: the ids of some events may hold the session's.
    pub(super) fn hide(&self, secret: &Token) {
        let mut hidden = lock(&self.hidden);
        if !hidden.iter().any(|known| known.expose() == secret.expose()) {
            hidden.truncate(HIDDEN_MAX - 1);
            hidden.push_front(secret.clone());
        }
    }

    /// Why a recording ended that nobody ended; told once.
    pub(super) fn torn(&self) -> Option<String> {
        // Without the look no turn of a driver would go by without a write.
        if !self.torn.load(Ordering::Acquire) || !self.torn.swap(false, Ordering::AcqRel) {
            return None;
        }
        let reel = lock(&self.reel).take()?;
        lock(&reel.waiting).why.clone()
    }

    fn tear(&self) {
        self.on.store(false, Ordering::Release);
        self.torn.store(true, Ordering::Release);
    }

    /// What is on this reel cannot be written.
    fn fail(&self, reel: &Arc<Reel>, why: Option<String>) {
        let current = lock(&self.reel);
        reel.end(why);
        // Else another is being made already.
        if current
            .as_ref()
            .is_some_and(|other| Arc::ptr_eq(other, reel))
        {
            self.tear();
        }
    }

    /// Begins a recording, where there is none.
    fn begin(&self, reel: Arc<Reel>) -> io::Result<()> {
        let mut current = lock(&self.reel);
        let running = current
            .as_ref()
            .is_some_and(|reel| !lock(&reel.waiting).over);
        if running {
            let problem = "the shard is being recorded already";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, problem));
        }
        *current = Some(reel);
        self.on.store(true, Ordering::Release);
        Ok(())
    }

    /// Nothing more is recorded on this reel.
    fn end(&self, reel: &Arc<Reel>) {
        let mut current = lock(&self.reel);
        if current
            .as_ref()
            .is_some_and(|other| Arc::ptr_eq(other, reel))
        {
            *current = None;
            self.on.store(false, Ordering::Release);
        }
        drop(current);
        reel.end(None);
    }
}

impl Drop for Tape {
    /// The shard is gone: what waits is written, and the file is complete.
    fn drop(&mut self) {
        if let Some(reel) = lock(&self.reel).take() {
            reel.end(None);
        }
    }
}

impl Reel {
    /// `false` where this was too much, and the recording has ended.
    fn put(&self, now: Instant, what: Taped) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.over {
            return true;
        }
        match what {
            Taped::Opened { .. } => waiting.open = true,
            // Of an attempt that came to nothing there is nothing to tell.
            Taped::Ended(_) if !waiting.open => return true,
            Taped::Ended(_) => waiting.open = false,
            Taped::Message(_) | Taped::Unreadable { .. } => {}
        }
        let len = match &what {
            Taped::Message(text) => text.len().max(LINE_LEN),
            _ => LINE_LEN,
        };
        let fits = waiting.bytes == 0 || waiting.bytes + len <= BYTES_MAX;
        if fits {
            waiting.bytes += len;
            let at = now.saturating_duration_since(self.begun);
            waiting.lines.push((at, what));
        } else {
            waiting.over = true;
            let why = "the disk is slower than the server: more than 16 MiB wait to be written";
            waiting.why = Some(why.to_owned());
        }
        drop(waiting);
        self.news.notify_one();
        fits
    }

    fn end(&self, why: Option<String>) {
        let mut waiting = lock(&self.waiting);
        waiting.over = true;
        if waiting.why.is_none() {
            waiting.why = why;
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// What waits, once something does; empty when nothing follows.
    async fn take(&self) -> Vec<(Duration, Taped)> {
        loop {
            {
                let mut waiting = lock(&self.waiting);
                if waiting.over || !waiting.lines.is_empty() {
                    waiting.bytes = 0;
                    return mem::take(&mut waiting.lines);
                }
            }
            self.news.notified().await;
        }
    }
}

/// A recording that is being made. Dropped, it ends, and what was recorded is written all the same.
#[must_use = "dropped, the recording ends"]
pub struct Recording {
    reel: Arc<Reel>,
    tape: Weak<Tape>,
    /// How the writing ended, once it has.
    written: watch::Receiver<Option<Result<u64, Arc<io::Error>>>>,
}

impl Recording {
    /// Ends the recording, and waits until the file is complete; how many lines it has.
    ///
    /// # Errors
    ///
    /// It could not all be written, or was ended early because the disk is too slow: the file holds
    /// what came before, in whole lines but perhaps for the last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the recording as well; the file is completed without it.
    pub async fn finish(self) -> io::Result<u64> {
        self.end();
        let mut written = self.written.clone();
        let gone = || io::Error::other("the runtime that wrote the recording is gone");
        let result = written
            .wait_for(Option::is_some)
            .await
            .map_err(|_| gone())?;
        match &*result {
            Some(Ok(lines)) => match &lock(&self.reel.waiting).why {
                None => Ok(*lines),
                Some(why) => Err(io::Error::other(why.clone())),
            },
            Some(Err(error)) => Err(io::Error::new(error.kind(), Arc::clone(error))),
            None => Err(gone()),
        }
    }

    fn end(&self) {
        match self.tape.upgrade() {
            Some(tape) => tape.end(&self.reel),
            None => self.reel.end(None),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl<P: Platform> ShardHandle<P> {
    /// Records what the server says from now on into a new file, which only its owner may read.
    /// Call it before the first [`next_event`](crate::Shard::next_event) to have all of it.
    ///
    /// The gateway of the feature `local-gateway` says it again (`local::Gateway::replay`): what a
    /// bot met in production becomes a test of it.
    ///
    /// **The file holds no secret of the bot, but what people wrote.** The bot's token is never in
    /// it. Texts that are secrets (members named `token`, `session_id`, `resume_gateway_url` and
    /// the like, at any depth) are replaced: READY's session, the tokens of interactions and of
    /// voice servers. All else is there as it came, names and messages included.
    ///
    /// It has one JSON object a line:
    ///
    /// ```json
    /// {"recording":1,"platform":"discord","shard":[0,1],"begun_ms":1700000000000}
    /// {"at_ms":12,"opened":{"midway":false}}
    /// {"at_ms":13,"message":{"op":10,"d":{"heartbeat_interval":41250}}}
    /// {"at_ms":98,"unreadable":{"seq":7}}
    /// {"at_ms":99,"ended":{"how":"closed","code":4000,"cause":"the server closed with code 4000"}}
    /// ```
    ///
    /// - The first has the version of the format, who recorded, and when (Unix time in
    ///   milliseconds). `at_ms` are milliseconds since then.
    /// - `opened`: a connection; `midway` where it was open when the recording began.
    /// - `message`: one of any op, decompressed, as it came but for line breaks and secrets.
    /// - `unreadable`: one that was none; its `s` where that could be read, else `null`.
    /// - `ended`: the connection. The server `closed` it (its code, or `null`), it was `cut`, it
    ///   fell `silent`, or the shard `left` it for what the server had said.
    ///
    /// The disk never holds the shard up. Where the file cannot be written, or not as fast as the
    /// server speaks (16 MiB may wait), the recording ends, the shard tells it by
    /// [`Notice::RecordingEnded`](crate::Notice::RecordingEnded) and goes on. It also ends with the
    /// shard.
    ///
    /// # Errors
    ///
    /// The file cannot be made, is there already, the shard is being recorded already, or there is
    /// no tokio runtime here. Nothing was begun then.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "local-gateway")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use shardstream::{Config, Intents, Shard, ShardId, local::{Gateway, Recorded}};
    ///
    /// let gateway = Gateway::start().await?;
    /// let shard = |gateway: &Gateway| {
    ///     let config = Config::builder("token", Intents::GUILDS).gateway_url(gateway.url());
    ///     config.build().map(|config| Shard::with_config(ShardId::ONE, config))
    /// };
    /// # let path = std::env::temp_dir().join(format!("shardstream-doc-{}", std::process::id()));
    /// // Where it goes wrong:
    /// let mut bot = shard(&gateway)?;
    /// let recording = bot.handle().record(&path)?;
    /// while bot.next_event().await?.kind().name() != "READY" {}
    /// recording.finish().await?;
    ///
    /// // In a test, as often as wanted:
    /// let replay = Gateway::start().await?;
    /// replay.replay(&Recorded::read(&path)?);
    /// let mut bot = shard(&replay)?;
    /// while bot.next_event().await?.kind().name() != "READY" {}
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "local-gateway"))]
    /// # fn main() {}
    /// ```
    pub fn record(&self, path: impl AsRef<Path>) -> io::Result<Recording> {
        self.record_to(|| create(path.as_ref()))
    }

    /// Records into the file that `open` makes.
    pub(super) fn record_to(
        &self,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Recording> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let shared = Arc::clone(&self.shared);
        let reel = Arc::new(Reel {
            begun: now(),
            waiting: Mutex::default(),
            news: Notify::new(),
        });
        if shared.status().connected_since.is_some() {
            reel.put(now(), Taped::Opened { midway: true });
        }
        // First, so that no empty file is left behind.
        shared.tape.begin(Arc::clone(&reel))?;
        let file = open().inspect_err(|_| shared.tape.end(&reel))?;
        let (number, total) = (shared.id.number(), shared.id.total());
        let begun_ms = SystemTime::now().duration_since(UNIX_EPOCH);
        let begun_ms = begun_ms.unwrap_or_default().as_millis();
        let head = format!(
            "{{\"recording\":{VERSION},\"platform\":\"{}\",\"shard\":[{number},{total}],\
             \"begun_ms\":{begun_ms}}}\n",
            P::NAME
        );
        let (done, written) = watch::channel(None);
        let writer = Writer {
            reel: Arc::clone(&reel),
            tape: Arc::downgrade(&shared.tape),
            handover: Arc::clone(&shared.handover),
        };
        runtime.spawn(async move {
            // Whoever waits for it may have gone.
            let _nobody = done.send(Some(writer.write(file, head).await.map_err(Arc::new)));
        });
        Ok(Recording {
            reel,
            tape: Arc::downgrade(&shared.tape),
            written,
        })
    }
}

/// The task that writes.
struct Writer {
    reel: Arc<Reel>,
    /// Not held on to: a shard that is dropped ends its recording.
    tape: Weak<Tape>,
    handover: Arc<Handover>,
}

impl Writer {
    /// Writes until nothing more comes; how many lines that were.
    async fn write(self, mut file: File, head: String) -> io::Result<u64> {
        let (mut text, mut lines, mut known) = (head, 1, Vec::new());
        loop {
            let batch = self.reel.take().await;
            if let Some(tape) = self.tape.upgrade() {
                known = lock(&tape.hidden).iter().cloned().collect();
            }
            let (last, hidden) = (batch.is_empty(), known.clone());
            lines += batch.len() as u64;
            // The disk may take its time, and so may what is long.
            let work = tokio::task::spawn_blocking(move || {
                for (at, what) in &batch {
                    line(&mut text, *at, what, &hidden);
                }
                let written = file.write_all(text.as_bytes());
                written.map(|()| file)
            });
            let done = work
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)));
            file = match done {
                Ok(_) if last => return Ok(lines),
                Ok(file) => file,
                Err(error) => {
                    self.fail(&error);
                    return Err(error);
                }
            };
            text = String::new();
        }
    }

    fn fail(&self, error: &io::Error) {
        let why = Some(error.to_string());
        match self.tape.upgrade() {
            Some(tape) => {
                tape.fail(&self.reel, why);
                self.handover.wake_driver();
            }
            None => self.reel.end(why),
        }
    }
}

/// Adds a line.
fn line(out: &mut String, at: Duration, what: &Taped, hidden: &[Token]) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{{\"at_ms\":{},", at.as_millis());
    let _ = match what {
        Taped::Opened { midway } => write!(out, "\"opened\":{{\"midway\":{midway}}}"),
        Taped::Message(text) => match redact::redacted(text, hidden) {
            Some(text) => write!(out, "\"message\":{text}"),
            // An envelope that can be read around data that cannot.
            None => unreadable(out, Header::parse(text).ok().and_then(|header| header.seq)),
        },
        Taped::Unreadable { seq } => unreadable(out, *seq),
        Taped::Ended(cause) => {
            let (how, code) = how(cause);
            let code = code.map_or_else(|| "null".to_owned(), |code| code.to_string());
            write!(
                out,
                "\"ended\":{{\"how\":\"{how}\",\"code\":{code},\"cause\":\"{cause}\"}}"
            )
        }
    };
    out.push_str("}\n");
}

fn unreadable(out: &mut String, seq: Option<u64>) -> fmt::Result {
    let seq = seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string());
    write!(out, "\"unreadable\":{{\"seq\":{seq}}}")
}

/// Who ended the connection, as far as a server can do it again.
fn how(cause: &Cause) -> (&'static str, Option<u16>) {
    match cause {
        Cause::Closed { code } => ("closed", *code),
        Cause::BrokenFrame
        | Cause::Compression
        | Cause::Connect
        | Cause::Cut
        | Cause::Requested
        | Cause::TooLong => ("cut", None),
        Cause::MissingAck
        | Cause::NoHello
        | Cause::NoReady
        | Cause::NoResumed
        | Cause::Silence
        | Cause::WriteStall => ("silent", None),
        Cause::BadHello
        | Cause::BadReady
        | Cause::InvalidSession { .. }
        | Cause::Reconnect
        | Cause::SequenceRestarted => ("left", None),
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_room_tears_the_tape_and_one_message_always_fits() {
        let tape = Tape::new();
        let reel = || {
            Arc::new(Reel {
                begun: now(),
                waiting: Mutex::default(),
                news: Notify::new(),
            })
        };
        let message = |len| move || Taped::Message("x".repeat(len));
        tape.put(now(), message(1));
        for (lens, fit) in [
            (&[BYTES_MAX + 1][..], 1),
            (&[BYTES_MAX - LINE_LEN, 1], 2),
            (&[BYTES_MAX - LINE_LEN + 1, 1, 1], 1),
        ] {
            let reel = reel();
            tape.begin(Arc::clone(&reel)).unwrap();
            for len in lens {
                tape.put(now(), message(*len));
            }
            assert_eq!(lock(&reel.waiting).lines.len(), fit);
            let torn = tape.torn();
            assert_eq!(torn.is_some(), fit < lens.len(), "{torn:?}");
            assert_eq!(tape.torn(), None, "told once");
            tape.end(&reel);
        }
    }

    #[test]
    fn a_line_names_what_happened_and_hides_what_cannot_be_read() {
        let at = Duration::from_millis(7);
        for (what, written) in [
            (
                Taped::Opened { midway: true },
                r#"{"at_ms":7,"opened":{"midway":true}}"#,
            ),
            (
                Taped::Message(r#"{"op":11}"#.into()),
                r#"{"at_ms":7,"message":{"op":11}}"#,
            ),
            (
                Taped::Message(r#"{"op":0,"s":3,"t":"A","d":{"token":"CANARY""}}"#.into()),
                r#"{"at_ms":7,"unreadable":{"seq":3}}"#,
            ),
            (
                Taped::Unreadable { seq: None },
                r#"{"at_ms":7,"unreadable":{"seq":null}}"#,
            ),
            (
                Taped::Ended(Cause::Closed { code: Some(4000) }),
                concat!(
                    r#"{"at_ms":7,"ended":{"how":"closed","code":4000,"#,
                    r#""cause":"the server closed with code 4000"}}"#
                ),
            ),
            (
                Taped::Ended(Cause::MissingAck),
                concat!(
                    r#"{"at_ms":7,"ended":{"how":"silent","code":null,"#,
                    r#""cause":"a heartbeat was not acknowledged"}}"#
                ),
            ),
        ] {
            let mut out = String::new();
            line(&mut out, at, &what, &[]);
            assert_eq!(out, format!("{written}\n"));
        }
    }
}
