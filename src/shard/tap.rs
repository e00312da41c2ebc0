//! Who else hears an event? Those who asked the server for something that events answer.
//!
//! A tap gets a copy of each frame that it wants, before any filter of the user's; the user gets
//! the frame as ever. What a room above the shard needs to ask within limits is here too: how many
//! ask at a time, and how far apart questions about the same thing are.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use memchr::memmem;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, Instant},
};

use super::{decode, handover::lock, shared::Shared};
use crate::{
    codec::envelope::{Envelope, Header},
    error::{Error, ErrorKind},
    platform::Platform,
};

/// So many taps of a shard are open at a time: each may hold a buffer of copies, and each costs a
/// look at every event that it might want.
const TAPS_MAX: usize = 16;

/// The taps of one shard, and what they have booked.
pub(super) struct Taps {
    /// While it is zero, an event costs no more than this look.
    open: AtomicUsize,
    pipes: Mutex<Vec<Arc<Pipe>>>,
    turns: Arc<Semaphore>,
    /// Until when a thing may not be asked about.
    booked: Mutex<HashMap<u64, Instant>>,
    bytes_max: usize,
}

/// A frame that a tap wants: an event with this name whose data holds this text somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) holds: String,
}

/// What lies between the driver and one tap.
struct Pipe {
    wanted: Vec<Wanted>,
    waiting: Mutex<Waiting>,
    waker: AtomicWaker,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<(String, Header)>,
    bytes: usize,
    /// A frame was dropped, because the tap was not emptied.
    overflowed: bool,
}

impl Taps {
    /// None yet; each will hold `bytes_max` bytes at most, or one frame.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            pipes: Mutex::default(),
            turns: Arc::new(Semaphore::new(TAPS_MAX)),
            booked: Mutex::default(),
            bytes_max,
        }
    }

    /// Gives a frame to the taps that want it; `true` where one of them is filling up, and should
    /// have its turn.
    pub(super) fn offer(&self, envelope: &Envelope<'_>) -> bool {
        if self.open.load(Ordering::Acquire) == 0 {
            return false;
        }
        let Some(name) = envelope.event() else {
            return false;
        };
        let mut crowded = false;
        for pipe in lock(&self.pipes).iter() {
            if pipe.wants(&name, envelope.data()) {
                crowded |= pipe.push(envelope);
            }
        }
        crowded
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.pipes).len()
    }

    /// When a thing may be asked about, where that is not now.
    fn booked_until(&self, key: u64, now: Instant) -> Option<Instant> {
        let until = lock(&self.booked).get(&key).copied();
        until.filter(|until| *until > now)
    }

    /// Books a thing until then; what has passed is forgotten, so that this does not grow.
    fn book(&self, key: u64, now: Instant, until: Instant) {
        let mut booked = lock(&self.booked);
        booked.retain(|_, until| *until > now);
        booked.insert(key, until);
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taps")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Pipe {
    fn wants(&self, name: &str, data: &str) -> bool {
        self.wanted.iter().any(|wanted| {
            wanted.name == name && memmem::find(data.as_bytes(), wanted.holds.as_bytes()).is_some()
        })
    }

    /// Adds a frame; `true` where half of the room is taken.
    fn push(&self, envelope: &Envelope<'_>) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.overflowed {
            return false;
        }
        let bytes = waiting.bytes + envelope.text.len();
        if waiting.bytes > 0 && bytes > self.bytes_max {
            // What is left without it is of no use.
            *waiting = Waiting {
                overflowed: true,
                ..Waiting::default()
            };
        } else {
            waiting.bytes = bytes;
            let frame = (envelope.text.to_owned(), envelope.header);
            waiting.frames.push_back(frame);
        }
        let crowded = waiting.bytes > self.bytes_max / 2;
        drop(waiting);
        self.waker.wake();
        crowded
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<(String, Header)>> {
        self.waker.register(cx.waker());
        let mut waiting = lock(&self.waiting);
        if waiting.overflowed {
            return Poll::Ready(None);
        }
        match waiting.frames.pop_front() {
            Some(frame) => {
                waiting.bytes -= frame.0.len();
                Poll::Ready(Some(frame))
            }
            None => Poll::Pending,
        }
    }
}

/// One who listens. Dropped, it leaves nothing behind but what it has [booked](Self::book).
pub(crate) struct Tap<P: Platform> {
    shared: Arc<Shared<P>>,
    pipe: Arc<Pipe>,
    _turn: OwnedSemaphorePermit,
}

impl<P: Platform> Tap<P> {
    /// Listens from now on, once few enough others do.
    pub(super) async fn open(shared: Arc<Shared<P>>, wanted: Vec<Wanted>) -> Result<Self, Error> {
        let turns = Arc::clone(&shared.taps.turns);
        // Nothing closes the semaphore; were it so, an error is kinder than a panic.
        let turn = turns.acquire_owned().await;
        let turn = turn.map_err(|_| Error::new(ErrorKind::Unanswered, "the shard has ended"))?;
        let pipe = Arc::new(Pipe {
            wanted,
            waiting: Mutex::default(),
            waker: AtomicWaker::new(),
            bytes_max: shared.taps.bytes_max,
        });
        let mut pipes = lock(&shared.taps.pipes);
        pipes.push(Arc::clone(&pipe));
        shared.taps.open.store(pipes.len(), Ordering::Release);
        drop(pipes);
        Ok(Self {
            shared,
            pipe,
            _turn: turn,
        })
    }

    /// The next event that is wanted, decoded here. Dropped before it is done, nothing is taken.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where it cannot be decoded, [`ErrorKind::Unanswered`] for ever once
    /// more came than is held for one who does not listen.
    pub(crate) async fn next(&mut self) -> Result<P::Event, Error> {
        let Some((text, header)) = poll_fn(|cx| self.pipe.poll_next(cx)).await else {
            let message = "the answer was not taken as it came, and there is no room for more";
            return Err(Error::new(ErrorKind::Unanswered, message));
        };
        let envelope = Envelope {
            text: &text,
            header,
        };
        decode::<P>(&envelope, false).1
    }

    /// When a thing may be asked about, where that is not now.
    pub(crate) fn booked_until(&self, key: u64) -> Option<Instant> {
        self.shared.taps.booked_until(key, Instant::now())
    }

    /// Says that nobody may ask about a thing for so long.
    pub(crate) fn book(&self, key: u64, pause: Duration) {
        let now = Instant::now();
        self.shared.taps.book(key, now, now + pause);
    }
}

impl<P: Platform> Drop for Tap<P> {
    fn drop(&mut self) {
        let taps = &self.shared.taps;
        let mut pipes = lock(&taps.pipes);
        pipes.retain(|pipe| !Arc::ptr_eq(pipe, &self.pipe));
        taps.open.store(pipes.len(), Ordering::Release);
    }
}

impl<P: Platform> fmt::Debug for Tap<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("wanted", &self.pipe.wanted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn pipe(bytes_max: usize) -> Pipe {
        let wanted = |name, holds: &str| Wanted {
            name,
            holds: holds.to_owned(),
        };
        Pipe {
            wanted: vec![wanted("A", "\"x7\""), wanted("B", "9")],
            waiting: Mutex::default(),
            waker: AtomicWaker::new(),
            bytes_max,
        }
    }

    fn push(pipe: &Pipe, text: &str) -> bool {
        pipe.push(&Envelope::parse(text).unwrap_or_else(|_| panic!("{text}")))
    }

    fn next(pipe: &Pipe) -> Poll<Option<usize>> {
        let next = pipe.poll_next(&Context::from_waker(Waker::noop()));
        next.map(|frame| frame.map(|(text, _)| text.len()))
    }

    fn frame(len: usize) -> String {
        let around = r#"{"t":"A","s":1,"op":0,"d":""}"#;
        let filler = "x".repeat(len - around.len());
        around.replace(r#""""#, &format!("\"{filler}\""))
    }

    #[test]
    fn a_frame_is_wanted_by_its_name_and_a_text_in_it() {
        let pipe = pipe(100);
        for (name, data, wanted) in [
            ("A", r#"{"nonce":"x7","n":[9]}"#, true),
            ("A", r#"{"nonce":"x"}"#, false),
            ("A", "9", false),
            ("B", "[19]", true),
            ("B", "\"x7\"", false),
            ("C", "\"x7\"9", false),
        ] {
            assert_eq!(pipe.wants(name, data), wanted, "{name} {data}");
        }
    }

    #[test]
    fn frames_wait_up_to_the_limit_and_one_beyond_it_spoils_all() {
        let pipe = pipe(100);
        assert!(!push(&pipe, &frame(50)));
        assert!(push(&pipe, &frame(50)), "more than half is taken");
        assert_eq!(next(&pipe), Poll::Ready(Some(50)));
        assert_eq!(next(&pipe), Poll::Ready(Some(50)));
        assert_eq!(next(&pipe), Poll::Pending);
        // One frame always has room.
        assert!(push(&pipe, &frame(1000)));
        assert_eq!(next(&pipe), Poll::Ready(Some(1000)));
        push(&pipe, &frame(51));
        push(&pipe, &frame(50));
        push(&pipe, &frame(40));
        for _ in 0..2 {
            assert_eq!(next(&pipe), Poll::Ready(None));
        }
        assert_eq!(lock(&pipe.waiting).frames.len(), 0);
    }

    #[test]
    fn what_is_booked_is_told_until_then_and_then_forgotten() {
        let (taps, now) = (Taps::new(1), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(taps.booked_until(7, now), None);
        taps.book(7, now, now + second);
        assert_eq!(taps.booked_until(7, now), Some(now + second));
        assert_eq!(taps.booked_until(8, now), None);
        assert_eq!(taps.booked_until(7, now + second), None);
        for key in 0..100 {
            let now = now + second * (key + 1);
            taps.book(key.into(), now, now + second);
        }
        assert_eq!(lock(&taps.booked).len(), 1);
    }
}
