//! What was published, and how far has the stream it? Published again from the first on that is
//! not acknowledged, so that the stream has everything in order.
//! Pure. Imports nothing of the crate.

use std::collections::VecDeque;

/// What a shard has taken and the stream has not acknowledged, the oldest first.
///
/// Each entry carries a mark: how far the shard is once that entry is in the stream. Marks without
/// an entry (events that are not published) count once all before them are acknowledged.
#[derive(Debug)]
pub(super) struct Window<T, M> {
    waiting: VecDeque<Slot<T, M>>,
    /// So many of them, from the front, were published over the connection of now.
    sent: usize,
    /// Until the first of a new connection is acknowledged, no second one is published: what
    /// fails for it would let others overtake it.
    probing: bool,
    reached: Option<M>,
    bytes: usize,
    len_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Slot<T, M> {
    item: T,
    len: usize,
    mark: M,
}

impl<T, M: Clone> Window<T, M> {
    /// An empty one, for so many entries and bytes, and always for one entry.
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: 0,
            probing: true,
            reached: None,
            bytes: 0,
            len_max,
            bytes_max,
        }
    }

    /// Whether another entry may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty()
            || (self.waiting.len() < self.len_max && self.bytes < self.bytes_max)
    }

    /// Takes an entry of `len` bytes.
    pub(super) fn push(&mut self, item: T, len: usize, mark: M) {
        self.bytes += len;
        self.waiting.push_back(Slot { item, len, mark });
    }

    /// The shard has come so far with something that is not published.
    pub(super) fn pass(&mut self, mark: M) {
        match self.waiting.back_mut() {
            Some(last) => last.mark = mark,
            None => self.reached = Some(mark),
        }
    }

    /// The next entry to publish over the connection of now.
    pub(super) fn next(&mut self) -> Option<&T> {
        if self.probing && self.sent > 0 {
            return None;
        }
        let slot = self.waiting.get(self.sent)?;
        self.sent += 1;
        Some(&slot.item)
    }

    /// The first of those that were published is in the stream.
    pub(super) fn acknowledge(&mut self) {
        if self.sent == 0 {
            return;
        }
        if let Some(slot) = self.waiting.pop_front() {
            self.sent -= 1;
            self.probing = false;
            self.bytes -= slot.len;
            self.reached = Some(slot.mark);
        }
    }

    /// Everything that is not acknowledged is to be published again: something failed, or there is
    /// another connection.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
        self.probing = true;
    }

    /// How far the stream has everything.
    pub(super) const fn reached(&self) -> Option<&M> {
        self.reached.as_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::Window;

    #[test]
    fn it_is_full_by_count_or_bytes_and_always_has_room_for_one() {
        let mut window = Window::new(2, 100);
        assert!(window.has_room());
        window.push('a', 1000, 1);
        assert!(!window.has_room(), "bytes");
        window.next();
        window.acknowledge();
        window.push('b', 1, 2);
        assert!(window.has_room());
        window.push('c', 1, 3);
        assert!(!window.has_room(), "count");
    }

    #[test]
    fn one_is_published_first_and_the_others_once_it_is_acknowledged() {
        let mut window = Window::new(9, 9);
        for mark in 1..4 {
            window.push(mark, 1, mark);
        }
        assert_eq!(
            [window.next().copied(), window.next().copied()],
            [Some(1), None]
        );
        window.acknowledge();
        let next = [(); 3].map(|()| window.next().copied());
        assert_eq!(next, [Some(2), Some(3), None]);
        window.rewind();
        assert_eq!(
            [window.next().copied(), window.next().copied()],
            [Some(2), None]
        );
    }

    #[test]
    fn what_is_not_published_counts_once_all_before_it_is_acknowledged() {
        let mut window = Window::new(9, 9);
        window.pass(1);
        assert_eq!(window.reached(), Some(&1));
        window.push('a', 1, 2);
        window.pass(3);
        assert_eq!(window.reached(), Some(&1));
        // An ack for nothing.
        window.acknowledge();
        assert_eq!(window.reached(), Some(&1));
        window.next();
        window.acknowledge();
        assert_eq!((window.reached(), window.is_empty()), (Some(&3), true));
    }

    /// Goal: two writers of one shard, each over connections that break, leave a stream that drops
    /// what it has with everything once and in order. Method: chance by seed; a connection delivers
    /// what was put on it in order, as much as it likes, and perhaps long after its writer has
    /// turned to another one.
    #[test]
    fn a_stream_that_knows_what_it_has_gets_everything_once_and_in_order() {
        for seed in 0..500 {
            let mut rng = Rng::with_seed(seed);
            let end = 60;
            let mut stream: Vec<u64> = Vec::new();
            let mut stored = 0;
            let mut wires: Vec<Vec<u64>> = Vec::new();
            for last in [false, true] {
                let mut window = Window::new(8, 1000);
                let mut taken = stored;
                let mut wire: Vec<u64> = Vec::new();
                let mut on_wire = 0;
                for _ in 0..5000 {
                    match rng.u8(0..12) {
                        0 if !last || taken < end => {
                            // A break: what was on the wire may still arrive.
                            wires.push(std::mem::take(&mut wire));
                            on_wire = 0;
                            window.rewind();
                        }
                        1..4 if window.has_room() && taken < end => {
                            taken += 1;
                            window.push(taken, 1, taken);
                        }
                        4..7 => wire.extend(window.next().copied()),
                        7..10 => {
                            if let Some(event) = wire.get(on_wire) {
                                on_wire += 1;
                                if !stream.contains(event) {
                                    stream.push(*event);
                                }
                                window.acknowledge();
                                stored = *window.reached().unwrap_or(&stored);
                                assert!(stream.contains(&stored) || stored == 0);
                            }
                        }
                        _ => {
                            if let Some(late) = wires.iter_mut().find(|wire| !wire.is_empty()) {
                                let event = late.remove(0);
                                if !stream.contains(&event) {
                                    stream.push(event);
                                }
                            }
                        }
                    }
                    if !last && rng.u8(0..100) == 0 {
                        break;
                    }
                }
                wires.push(wire.split_off(on_wire.min(wire.len())));
                wires.retain(|wire| !wire.is_empty());
            }
            assert_eq!(stream, (1..=end).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}
