//! Have all guilds of READY come? Events are taken until they have, or a time has passed.

use tokio::time::{Duration, Instant, timeout_at};

use crate::{
    discord::{Discord, Event, GuildArrivals},
    error::Error,
    shard::Shard,
};

impl Shard<Discord> {
    /// Takes events until all guilds of READY have come or are known to be down, but no longer
    /// than `patience` from READY on. Every event and every error that is not fatal goes to
    /// `each`, in order, so that nothing is lost.
    ///
    /// What is returned [is complete](GuildArrivals::is_complete), or names the guilds that are
    /// [missing](GuildArrivals::missing). The events must not be filtered, and the intent `GUILDS`
    /// is needed: else no guild comes. A READY meanwhile starts both the list and the time anew.
    ///
    /// # Errors
    ///
    /// The fatal error with which the shard ended. Waiting for READY has no end of its own.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has given all events that were taken to `each`. What it knew of guilds is lost:
    /// keep a [`GuildArrivals`] of your own where that matters.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use shardstream::Shard;
    ///
    /// # async fn run(mut shard: Shard) -> Result<(), shardstream::Error> {
    /// let arrivals = shard
    ///     .guilds_arrived(Duration::from_secs(15), |event| println!("{event:?}"))
    ///     .await?;
    /// for guild in arrivals.missing() {
    ///     eprintln!("guild {guild} has not come");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn guilds_arrived(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(Result<Event, Error>),
    ) -> Result<GuildArrivals, Error> {
        let mut arrivals = GuildArrivals::new();
        let mut deadline = None;
        loop {
            let next = self.next_event();
            let next = match deadline {
                Some(deadline) => timeout_at(deadline, next).await,
                None => Ok(next.await),
            };
            let Ok(event) = next else {
                return Ok(arrivals);
            };
            match event {
                Err(error) if error.is_fatal() => return Err(error),
                Ok(event) => {
                    arrivals.observe(&event);
                    if let Event::Ready(_) = &event {
                        deadline = Instant::now().checked_add(patience);
                    }
                    each(Ok(event));
                }
                error @ Err(_) => each(error),
            }
            if arrivals.is_complete() {
                return Ok(arrivals);
            }
        }
    }
}
