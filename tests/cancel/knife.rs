//! Drops a future at a chosen poll, and does so at every poll in turn.

use std::{cell::Cell, fmt::Debug, future::poll_fn, task::Poll, time::Duration};

use tokio::{runtime, time::timeout};

/// When a future is dropped. Polls are counted over all the futures of one run.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as this poll was not enough, before anything else happens.
    Polled(usize),
    /// When it has been polled so often and is about to be polled again: what woke it has happened.
    Woken(usize),
    /// Each of them when it is woken after so many polls of its own.
    Each(usize),
}

/// Drops futures.
#[derive(Debug)]
pub(crate) struct Knife {
    at: Option<Moment>,
    polls: Cell<usize>,
    cuts: Cell<usize>,
}

impl Knife {
    const fn new(at: Option<Moment>) -> Self {
        let (polls, cuts) = (Cell::new(0), Cell::new(0));
        Self { at, polls, cuts }
    }

    /// What the future gives; `None` where it was dropped before that.
    pub(crate) async fn cut<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = Box::pin(future);
        let mut own = 0;
        let output = poll_fn(|cx| {
            let woken = match self.at {
                Some(Moment::Woken(polls)) => self.polls.get() == polls,
                Some(Moment::Each(polls)) => own == polls,
                _ => false,
            };
            if woken && (self.cuts.get() == 0 || matches!(self.at, Some(Moment::Each(_)))) {
                return Poll::Ready(None);
            }
            let polled = future.as_mut().poll(cx);
            own += 1;
            self.polls.set(self.polls.get() + 1);
            match (polled, self.at) {
                (Poll::Ready(output), _) => Poll::Ready(Some(output)),
                (_, Some(Moment::Polled(polls))) if self.polls.get() == polls => Poll::Ready(None),
                (Poll::Pending, _) => Poll::Pending,
            }
        })
        .await;
        if output.is_none() {
            self.cuts.set(self.cuts.get() + 1);
        }
        output
    }

    /// As [`cut`](Self::cut), again and again until one is done.
    pub(crate) async fn cut_and_repeat<T>(&self, mut future: impl AsyncFnMut() -> T) -> T {
        for _ in 0..POLLS_MAX {
            if let Some(output) = self.cut(future()).await {
                return output;
            }
        }
        panic!("never done: {self:?}");
    }

    /// Whether something was dropped.
    pub(crate) const fn has_cut(&self) -> bool {
        self.cuts.get() > 0
    }
}

/// More than any run takes.
const POLLS_MAX: usize = 20_000;

/// Runs a script with nothing dropped, and then once for every poll at which something can be
/// dropped, each time in a runtime of its own with paused time. What the script gives must be what
/// it gave at first.
///
/// How many polls a run takes may depend on chance, so it goes on until a run ends before its poll
/// was reached.
pub(crate) fn at_every_poll<T: PartialEq + Debug>(name: &str, script: impl AsyncFn(&Knife) -> T) {
    at_all(name, &[], script);
}

/// As [`at_every_poll`], and also with every future dropped that is not done by its first polls:
/// for futures of which what they have done so far is not lost.
pub(crate) fn at_every_poll_and_always<T: PartialEq + Debug>(
    name: &str,
    script: impl AsyncFn(&Knife) -> T,
) {
    at_all(name, &[1, 2, 3], script);
}

fn at_all<T: PartialEq + Debug>(name: &str, each: &[usize], script: impl AsyncFn(&Knife) -> T) {
    let run = |at| {
        let knife = Knife::new(at);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let given =
            runtime.block_on(async { timeout(Duration::from_hours(100), script(&knife)).await });
        let given = given.unwrap_or_else(|_| panic!("{name}: stuck, {knife:?}"));
        (given, knife)
    };
    let (expected, knife) = run(None);
    let polls = knife.polls.get();
    assert!(polls > 0, "{name}: nothing was polled");
    let mut runs = 0;
    let mut cuts = 0;
    let mut check = |at| {
        let (given, knife) = run(Some(at));
        assert_eq!(given, expected, "{name}: {knife:?}");
        runs += 1;
        cuts += knife.cuts.get();
        knife.polls.get()
    };
    for at in 0.. {
        assert!(at < POLLS_MAX, "{name}: it has no end");
        let polled = check(Moment::Woken(at)).max(check(Moment::Polled(at + 1)));
        if polled < at {
            break;
        }
    }
    for own in each {
        check(Moment::Each(*own));
    }
    println!("{name}: {polls} polls, {runs} runs, {cuts} futures dropped");
    assert!(cuts > polls / 2, "{name}: {cuts} drops at {polls} polls");
}
