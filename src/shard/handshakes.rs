//! How many connect at once? Places for the handshakes of all shards of a configuration.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places. Clones are the same places; who waits for one is served first come, first served.
#[derive(Clone, Debug)]
pub(crate) struct Handshakes(Arc<Semaphore>);

/// The right to connect, given back when dropped; none once the places are closed, which they
/// never are.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>);

impl Handshakes {
    /// So many places; at least one.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place, where one is free and nobody waits for it.
    pub(super) fn try_enter(&self) -> Option<Place> {
        let place = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Place(Some(place)))
    }

    /// The next place that is free. Dropping the future gives up the turn.
    pub(super) fn enter(&self) -> BoxFuture<'static, Place> {
        let places = Arc::clone(&self.0);
        async move { Place(places.acquire_owned().await.ok()) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::Handshakes;

    #[test]
    fn places_go_to_those_who_waited_and_newcomers_do_not_push_in() {
        let places = Handshakes::new(1);
        let first = places.try_enter().unwrap();
        let (mut second, mut third) = (places.enter(), places.enter());
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!(places.try_enter().is_none(), "it is the second's");
        let second = second.now_or_never().unwrap();
        assert!((&mut third).now_or_never().is_none());
        drop(second);
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn whoever_gives_up_leaves_no_hole() {
        let places = Handshakes::new(0);
        let held = places.try_enter().unwrap();
        let mut gone = places.enter();
        let mut next = places.enter();
        assert!((&mut gone).now_or_never().is_none());
        assert!((&mut next).now_or_never().is_none());
        drop(held);
        // It had been given the place, and never took it.
        drop(gone);
        assert!(next.now_or_never().is_some());
    }
}
