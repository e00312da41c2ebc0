//! How do many who want the same wait for one call?

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};

/// One call under way for all who want its result.
///
/// It is driven by those who wait, and dropped with the last of them: a call that nobody waits
/// for holds no connection, and gives nobody an old answer later.
pub(crate) struct Flight<T>(Mutex<Option<WeakShared<BoxFuture<'static, T>>>>);

impl<T: Clone> Flight<T> {
    /// The call under way, or a new one.
    pub(crate) fn join(
        &self,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Shared<BoxFuture<'static, T>> {
        let mut flight = lock(&self.0);
        let under_way = flight.as_ref().and_then(WeakShared::upgrade);
        // One that is done may be held by somebody who has not looked yet.
        if let Some(shared) = under_way.filter(|shared| shared.peek().is_none()) {
            return shared;
        }
        let shared = begin().shared();
        *flight = shared.downgrade();
        shared
    }
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight")
    }
}

/// What is kept is replaced as a whole, so a panic elsewhere leaves it sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures::future::{FutureExt, join_all};
    use tokio::sync::Notify;

    use super::Flight;

    #[tokio::test]
    async fn all_who_wait_share_a_call_and_the_next_begins_another() {
        let flight = Flight::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Notify::new());
        let join = || {
            let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
            flight.join(move || {
                async move {
                    gate.notified().await;
                    calls.fetch_add(1, Ordering::Relaxed) + 1
                }
                .boxed()
            })
        };
        let waiting: Vec<_> = (0..1000).map(|_| join()).collect();
        gate.notify_one();
        let mut waiting = waiting.into_iter();
        let late = waiting.next();
        assert!(join_all(waiting).await.iter().all(|call| *call == 1));
        // Somebody still holds the first, which is done.
        gate.notify_one();
        assert_eq!(join().await, 2);
        assert_eq!(late.expect("the first").await, 1);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_dropped_and_survives_all_but_the_last() {
        let flight = Flight::<u32>::default();
        let held = Arc::new(());
        let begin = || {
            let held = Arc::clone(&held);
            flight.join(move || {
                async move {
                    tokio::task::yield_now().await;
                    drop(held);
                    7
                }
                .boxed()
            })
        };
        let (mut first, second) = (begin(), begin());
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(second.await, 7);
        let mut third = begin();
        assert!((&mut third).now_or_never().is_none());
        drop(third);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
