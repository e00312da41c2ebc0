//! May somebody else's channel have the events?

use tokio::sync::mpsc;

use super::Shard;
use crate::{error::Error, platform::Platform};

impl<P: Platform> Shard<P> {
    /// Puts what [`next_event`](Self::next_event) gives into a channel, until its receiver is gone
    /// or the shard has ended: for an application that is fed by channels.
    ///
    /// A channel that is full holds the shard back, as a slow loop would: its heart goes on
    /// beating, and reading pauses when its own buffer is full. Nothing is taken of the shard
    /// before the channel has room.
    ///
    /// # Errors
    ///
    /// The shard has ended; the error, which is fatal, was the channel's last item. That the
    /// receiver is gone is no error: the shard lives on, and nothing was lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: an event is in the channel, or the next call has it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use shardstream::{Shard, ShardId, qq};
    /// use tokio::sync::mpsc;
    ///
    /// # async fn run() {
    /// let credentials = qq::Credentials::new("102000001", "secret");
    /// let intents = qq::Intents::PUBLIC_GUILD_MESSAGES;
    /// let mut shard = Shard::new(ShardId::ONE, credentials, intents);
    /// let (sender, mut events) = mpsc::channel(64);
    /// tokio::spawn(async move { shard.forward_to(&sender).await });
    /// while let Some(Ok(event)) = events.recv().await {
    ///     println!("{}", event.kind().name());
    /// }
    /// # }
    /// ```
    pub async fn forward_to(
        &mut self,
        sender: &mpsc::Sender<Result<P::Event, Error>>,
    ) -> Result<(), Error> {
        loop {
            let Ok(room) = sender.reserve().await else {
                return Ok(());
            };
            let item = tokio::select! {
                biased;
                () = sender.closed() => return Ok(()),
                item = self.next_event() => item,
            };
            let end = item
                .as_ref()
                .err()
                .filter(|error| error.is_fatal())
                .cloned();
            room.send(item);
            if let Some(error) = end {
                return Err(error);
            }
        }
    }
}
