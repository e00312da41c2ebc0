use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::{Handover, Load, NOTES_MAX, Reader, Writer};
use crate::{
    codec::envelope::Header,
    error::{Error, ErrorKind},
    limits::Limits,
    notice::Notice,
    shard::batch::{BYTES_MAX, Cursor, EVENTS_MAX, What},
};

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Both ends, as the driver and the user use them.
struct Pair {
    handover: Arc<Handover>,
    writer: Writer,
    reader: Reader,
    user: Arc<Count>,
    driver: Arc<Count>,
    seq: u64,
}

#[derive(Debug, PartialEq)]
enum Got {
    Frame(String),
    Note(&'static str),
    Failed,
    Nothing,
    End,
}

impl Pair {
    fn new(events_max: usize, bytes_max: usize) -> Self {
        let limits = Limits {
            buffered_events_max: events_max,
            buffered_bytes_max: bytes_max,
            ..Limits::default()
        };
        let handover = Handover::new(&limits, Cursor::default());
        let driver = Arc::new(Count::default());
        handover
            .driver_waker()
            .register(&Waker::from(Arc::clone(&driver)));
        Self {
            writer: handover.writer(),
            reader: handover.reader(),
            handover,
            user: Arc::default(),
            driver,
            seq: 0,
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            session: 1,
            seq: self.seq,
        }
    }

    /// Adds a frame with the next sequence and `pad` bytes of payload.
    fn push(&mut self, pad: usize) -> String {
        self.seq += 1;
        let text = format!(
            r#"{{"t":"X","s":{},"op":0,"d":"{}"}}"#,
            self.seq,
            "a".repeat(pad)
        );
        let header = Header::parse(&text).unwrap();
        self.writer.push(&text, header, false, self.cursor());
        text
    }

    fn publish(&mut self) {
        self.writer.publish(self.cursor());
    }

    /// How many entries the batch has that the user works on.
    fn in_hand(&self) -> usize {
        self.reader.batch.as_ref().unwrap().entries.len()
    }

    fn take(&mut self) -> Got {
        let waker = Waker::from(Arc::clone(&self.user));
        match self.reader.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Pending => Got::Nothing,
            Poll::Ready(Err(_)) => Got::End,
            Poll::Ready(Ok(())) => {
                let (text, entry) = self.reader.entry().unwrap();
                match &entry.what {
                    What::Frame(place) => Got::Frame(text.at(place).to_owned()),
                    What::Notice(notice) => Got::Note(notice.name()),
                    What::Error(_) => Got::Failed,
                }
            }
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn end() -> Error {
    Error::new(ErrorKind::Shutdown, "end")
}

/// Goal: every entry comes out once and in order, whatever the rhythm. Method: a long random
/// interleaving of adding, publishing and taking, with frames around the size of a batch.
#[test]
fn entries_come_out_once_and_in_order_in_any_rhythm() {
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut pair = Pair::new(rng.usize(1..300), rng.usize(1..1 << 20));
        let mut expected = std::collections::VecDeque::new();
        for _ in 0..2_000 {
            match rng.u8(..10) {
                0..4 if pair.writer.has_room() => {
                    let pad = [10, 10, 10, 500, BYTES_MAX / 3, BYTES_MAX + 1][rng.usize(..6)];
                    expected.push_back(Got::Frame(pair.push(pad)));
                }
                4 => {
                    let cursor = pair.cursor();
                    pair.writer.notify(Notice::Connected, cursor);
                    expected.push_back(Got::Note("connected"));
                }
                5 => {
                    let cursor = pair.cursor();
                    pair.writer.fail(end(), cursor);
                    expected.push_back(Got::Failed);
                }
                6 | 7 => pair.publish(),
                _ => match pair.take() {
                    Got::Nothing => {}
                    got => assert_eq!(Some(got), expected.pop_front(), "seed {seed}"),
                },
            }
        }
        pair.publish();
        pair.handover.end(end());
        while let Some(next) = expected.pop_front() {
            assert_eq!(pair.take(), next, "seed {seed}");
        }
        assert_eq!((pair.take(), pair.take()), (Got::End, Got::End));
        assert_eq!(pair.handover.load(), Load::default(), "seed {seed}");
        assert_eq!(pair.handover.taken().seq, pair.seq);
    }
}

#[test]
fn the_user_is_woken_when_something_lies_where_nothing_was_and_only_then() {
    let mut pair = Pair::new(1024, 1 << 20);
    assert_eq!(pair.take(), Got::Nothing);
    pair.push(1);
    assert_eq!(pair.user.get(), 0, "nothing is published yet");
    pair.publish();
    assert_eq!(pair.user.get(), 1);
    for _ in 0..5 {
        pair.push(1);
        pair.publish();
    }
    assert_eq!(pair.user.get(), 1, "the user knows already");
}

/// Goal: one event less than the bound goes on, the bound stops, and reading begins again at half.
#[test]
fn a_full_buffer_stops_reading_until_half_is_free() {
    let mut pair = Pair::new(128, 1 << 30);
    for _ in 0..128 {
        assert!(pair.writer.has_room());
        pair.push(1);
    }
    assert!(!pair.writer.has_room(), "128 of 128");
    pair.publish();
    for taken in 1..=64 {
        assert!(matches!(pair.take(), Got::Frame(_)));
        assert_eq!(pair.driver.get(), 0, "{taken} taken");
        assert!(!pair.writer.has_room(), "{taken} taken");
    }
    // The 65th takes the second batch, and so finishes the first.
    assert!(matches!(pair.take(), Got::Frame(_)));
    assert_eq!(pair.driver.get(), 1);
    assert!(pair.writer.has_room());
}

#[test]
fn bytes_count_until_the_user_has_finished_the_batch() {
    let mut pair = Pair::new(1024, 10_000);
    while pair.writer.has_room() {
        pair.push(1_000);
    }
    pair.publish();
    let load = pair.handover.load();
    assert!((10_000..11_100).contains(&load.bytes), "{load:?}");
    for _ in 0..load.events {
        assert!(matches!(pair.take(), Got::Frame(_)));
    }
    assert!(!pair.writer.has_room(), "the batch is still in hand");
    assert_eq!(pair.take(), Got::Nothing);
    assert_eq!(pair.driver.get(), 1);
    assert!(pair.writer.has_room());
}

#[test]
fn an_event_larger_than_the_whole_bound_gets_through_alone() {
    let mut pair = Pair::new(1024, 100);
    for _ in 0..3 {
        assert!(pair.writer.has_room());
        let text = pair.push(BYTES_MAX * 3);
        assert!(!pair.writer.has_room());
        pair.publish();
        assert_eq!(pair.take(), Got::Frame(text));
        assert_eq!(pair.take(), Got::Nothing);
    }
}

#[test]
fn a_bound_of_one_event_still_moves() {
    let mut pair = Pair::new(1, 1);
    for _ in 0..10 {
        assert!(pair.writer.has_room());
        let text = pair.push(5);
        pair.publish();
        assert!(!pair.writer.has_room());
        assert_eq!(pair.take(), Got::Frame(text));
        assert_eq!(pair.take(), Got::Nothing);
    }
}

#[test]
fn a_batch_closes_at_64_events_or_64_kib() {
    for (pad, per_batch) in [(1, EVENTS_MAX), (BYTES_MAX / 4, 3)] {
        let mut pair = Pair::new(1024, 1 << 30);
        for _ in 0..per_batch * 2 {
            pair.push(pad);
        }
        pair.publish();
        assert!(matches!(pair.take(), Got::Frame(_)));
        assert_eq!(pair.in_hand(), per_batch);
        assert!(pair.reader.load.bytes <= BYTES_MAX);
    }
}

#[test]
fn a_slow_user_gets_full_batches_and_not_one_for_each_event() {
    let mut pair = Pair::new(1024, 1 << 30);
    for _ in 0..EVENTS_MAX {
        pair.push(1);
        pair.publish();
    }
    assert!(matches!(pair.take(), Got::Frame(_)));
    assert_eq!(pair.in_hand(), EVENTS_MAX);
}

#[test]
fn a_buffer_is_used_again_unless_the_user_keeps_a_frame() {
    let mut pair = Pair::new(1024, 1 << 30);
    let mut buffers = Vec::new();
    let mut kept = Vec::new();
    for keep in [None, None, Some("text"), None, Some("bytes"), None] {
        // Small, so that the shard keeps it when idle.
        let text = pair.push(100);
        pair.publish();
        assert_eq!(pair.take(), Got::Frame(text.clone()));
        let (buffer, entry) = pair.reader.entry().unwrap();
        let What::Frame(place) = &entry.what else {
            panic!("a frame")
        };
        buffers.push(buffer.at(place).as_ptr());
        match keep {
            None => {}
            Some("text") => kept.push((Some(Arc::clone(buffer)), buffer.bytes_at(place), text)),
            Some(_) => kept.push((None, buffer.bytes_at(place), text)),
        }
        assert_eq!(pair.take(), Got::Nothing);
    }
    assert_eq!(buffers[0], buffers[1]);
    assert_eq!(buffers[1], buffers[2]);
    assert_ne!(buffers[2], buffers[3], "somebody still reads that one");
    assert_eq!(buffers[3], buffers[4]);
    assert_ne!(buffers[4], buffers[5], "somebody still reads that one");
    for (_buffer, bytes, text) in kept {
        assert_eq!(bytes, text);
    }
}

#[test]
fn who_keeps_a_frame_keeps_no_more_than_64_kib_or_its_own_length() {
    // Texts of all lengths up to a batch, so that buffers grow from anywhere.
    for pad in (0..BYTES_MAX - 100).step_by(997) {
        let mut pair = Pair::new(1 << 20, 1 << 30);
        for _ in 0..EVENTS_MAX {
            pair.push(pad);
        }
        pair.publish();
        while let Got::Frame(_) = pair.take() {
            let (text, _) = pair.reader.entry().unwrap();
            assert!(text.capacity() <= BYTES_MAX, "{pad}: {}", text.capacity());
        }
    }
}

#[test]
fn an_idle_shard_holds_no_large_buffer() {
    let mut pair = Pair::new(1024, 1 << 30);
    for pad in [BYTES_MAX / 2, BYTES_MAX * 2] {
        pair.push(pad);
        pair.publish();
        assert!(matches!(pair.take(), Got::Frame(_)));
        assert_eq!(pair.take(), Got::Nothing);
        let queue = super::lock(&pair.handover.queue);
        let spare = queue.spare.as_ref();
        assert!(spare.is_none_or(|spare| spare.text.capacity() <= 4 << 10));
        assert!(pair.reader.batch.is_none());
    }
}

#[test]
fn an_owned_frame_is_a_batch_of_its_own_and_is_not_copied() {
    let mut pair = Pair::new(1024, 1 << 30);
    let first = pair.push(1);
    pair.seq += 1;
    let text = format!(
        r#"{{"t":"X","s":2,"op":0,"d":"{}"}}"#,
        "a".repeat(BYTES_MAX)
    );
    let (at, header) = (text.as_ptr(), Header::parse(&text).unwrap());
    let cursor = pair.cursor();
    pair.writer.push_owned(text.clone(), header, true, cursor);
    let copy_at = text.as_ptr();
    assert_eq!(at, copy_at);
    let last = pair.push(1);
    pair.publish();
    assert_eq!(pair.take(), Got::Frame(first));
    assert_eq!(pair.take(), Got::Frame(text));
    assert_eq!(pair.in_hand(), 1);
    assert_eq!(pair.take(), Got::Frame(last));
}

/// Goal: what is covered moves with what is taken, over events that were not wanted as well.
#[test]
fn the_taken_cursor_follows_the_user_and_not_the_socket() {
    let mut pair = Pair::new(1024, 1 << 30);
    assert_eq!(pair.handover.taken(), Cursor::default());
    for _ in 0..3 {
        pair.push(1);
    }
    // Two more come that nobody wants.
    pair.seq += 2;
    pair.publish();
    assert_eq!(pair.handover.taken().seq, 0);
    for seq in 1..=2 {
        pair.take();
        assert_eq!(pair.handover.taken().seq, seq);
    }
    pair.take();
    assert_eq!(pair.handover.taken().seq, 5, "nothing wanted is left");
    pair.seq += 1;
    pair.publish();
    assert_eq!(pair.handover.taken().seq, 6);
    pair.push(1);
    pair.publish();
    assert_eq!(pair.handover.taken().seq, 6);
    pair.take();
    assert_eq!(pair.handover.taken().seq, 7);
}

#[test]
fn a_sealed_hand_over_gives_nothing_and_its_cursor_stands_still() {
    let mut pair = Pair::new(1024, 1 << 30);
    for _ in 0..3 {
        pair.push(1);
    }
    pair.publish();
    pair.take();
    pair.handover.seal(end());
    assert_eq!(pair.take(), Got::End);
    assert_eq!(pair.handover.taken().seq, 1);
    pair.push(1);
    pair.publish();
    assert_eq!((pair.take(), pair.handover.taken().seq), (Got::End, 1));

    // The same where all was taken: what comes later is not covered.
    let mut pair = Pair::new(1024, 1 << 30);
    pair.push(1);
    pair.publish();
    pair.take();
    assert_eq!(pair.take(), Got::Nothing);
    pair.handover.seal(end());
    assert_eq!(pair.user.get(), 1, "whoever waits hears of it");
    pair.push(1);
    pair.publish();
    assert_eq!((pair.take(), pair.handover.taken().seq), (Got::End, 1));
}

#[test]
fn notices_do_not_count_as_events_and_are_bounded() {
    let mut pair = Pair::new(1, 1 << 30);
    for _ in 0..NOTES_MAX - 1 {
        pair.writer.notify(Notice::Connected, Cursor::default());
    }
    assert!(pair.writer.has_room(), "one less than the bound");
    pair.writer.notify(Notice::Connected, Cursor::default());
    assert!(!pair.writer.has_room());
    for _ in 0..1_000 {
        pair.writer.fail(end(), Cursor::default());
    }
    // What tells of lost events is never left out.
    let lost = Notice::SessionLost { last_seq: 7 };
    pair.writer.notify(lost, Cursor::default());
    pair.publish();
    for _ in 0..NOTES_MAX {
        assert_eq!(pair.take(), Got::Note("connected"));
    }
    assert_eq!(pair.take(), Got::Note("session_lost"));
    assert_eq!(pair.take(), Got::Nothing);
    assert!(pair.writer.has_room());
}

#[test]
fn what_was_read_reaches_the_user_though_the_driver_ends() {
    let mut pair = Pair::new(1024, 1 << 30);
    let text = pair.push(1);
    pair.writer = pair.handover.writer();
    pair.handover.end(end());
    assert_eq!((pair.take(), pair.take()), (Got::Frame(text), Got::End));
}

/// Goal: no wake-up is lost between threads. Method: a driver that waits for space and a user who
/// waits for entries, both on real wakers, with a bound of a few events.
#[test]
fn two_threads_hand_over_everything_without_a_lost_wake() {
    const COUNT: u64 = 20_000;
    let limits = Limits {
        buffered_events_max: 7,
        ..Limits::default()
    };
    let handover = Handover::new(&limits, Cursor::default());
    let mut writer = handover.writer();
    let mut reader = handover.reader();
    let shared = Arc::clone(&handover);
    let driver = std::thread::spawn(move || {
        let mut seq = 0;
        block_on(futures::future::poll_fn(|cx| {
            shared.driver_waker().register(cx.waker());
            while seq < COUNT && writer.has_room() {
                seq += 1;
                let text = format!(r#"{{"t":"X","s":{seq},"op":0,"d":0}}"#);
                let header = Header::parse(&text).unwrap();
                let cursor = Cursor { session: 1, seq };
                writer.push(&text, header, false, cursor);
                if seq % 3 == 0 {
                    writer.publish(cursor);
                }
            }
            writer.publish(Cursor { session: 1, seq });
            if seq == COUNT {
                shared.end(end());
                return Poll::Ready(());
            }
            Poll::Pending
        }));
    });
    let mut next = 1;
    loop {
        let taken = block_on(futures::future::poll_fn(|cx| reader.poll_next(cx)));
        if taken.is_err() {
            break;
        }
        let (_, entry) = reader.entry().unwrap();
        assert_eq!(entry.cursor.seq, next);
        next += 1;
    }
    assert_eq!(next, COUNT + 1);
    driver.join().unwrap();
}
