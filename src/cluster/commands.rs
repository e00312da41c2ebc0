//! How do workers send commands? To whoever owns the shard, who sends them as his own.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};

use super::{
    entry::{self, Names, Order},
    link::{Wire, wire},
    owner::Estate,
};
use crate::{
    error::{Error, ErrorKind},
    id::ShardId,
    platform::{self, Platform},
    shard::Sender,
};

/// What the owner says of a command.
#[derive(Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Sends commands by the node that owns a shard, from any process. Clones share the connection.
///
/// A command that was accepted waits in the queue of the shard, as one that is sent there does:
/// see [`Sender`](crate::Sender) for what then becomes of it.
pub struct Commands<P> {
    pub(super) wires: watch::Receiver<Option<Wire>>,
    pub(super) names: Arc<Names>,
    pub(super) patience: Duration,
    pub(super) platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Commands<P> {
    /// Sends `{"op": op, "d": d}` by the owner of this shard.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`] where the owner refuses it, as
    /// [`Sender::try_send_payload`](crate::Sender::try_send_payload) does, and nothing will be
    /// sent; [`ErrorKind::Unanswered`] where nobody owns the shard just now (nothing was sent) or
    /// no answer came in time (nobody knows).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the command may be sent or not.
    pub async fn send_payload<T: Serialize + Sync + ?Sized>(
        &self,
        shard: ShardId,
        op: u64,
        d: &T,
    ) -> Result<(), Error> {
        let d = serde_json::value::to_raw_value(d).map_err(|_| {
            Error::new(
                ErrorKind::Command,
                "the data of the command cannot be written as JSON",
            )
        })?;
        self.send(shard, entry::write(&Order { op, d })).await
    }

    /// Sends a command of the platform by the owner of this shard.
    ///
    /// # Errors
    ///
    /// As [`send_payload`](Self::send_payload), and also where the platform would refuse it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the command may be sent or not.
    pub async fn command(
        &self,
        shard: ShardId,
        command: &(impl platform::Command<P> + Sync),
    ) -> Result<(), Error> {
        self.send(shard, command.payload()?).await
    }

    async fn send(&self, shard: ShardId, order: Vec<u8>) -> Result<(), Error> {
        let unanswered = |why: &'static str| Error::new(ErrorKind::Unanswered, why);
        let subject = self.names.commands_of(shard.number());
        let mut wires = self.wires.clone();
        let asked = async {
            let wire = wire(&mut wires).await;
            wire.client.request(subject, Bytes::from(order)).await
        };
        let answer = match timeout(self.patience, asked).await {
            Ok(Ok(message)) => entry::read::<Answer>(&message.payload),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                return Err(unanswered("no node owns the shard just now; try again"));
            }
            Ok(Err(_)) | Err(_) => {
                return Err(unanswered("the owner of the shard did not answer in time"));
            }
        };
        match answer {
            Some(Answer { error: None }) => Ok(()),
            Some(Answer { error: Some(why) }) => Err(Error::new(ErrorKind::Command, why)),
            None => Err(unanswered("what answered is no owner of a shard")),
        }
    }
}

// By hand, because a derive would ask the same of `P`, which is only a name.
impl<P> Clone for Commands<P> {
    fn clone(&self) -> Self {
        Self {
            wires: self.wires.clone(),
            names: Arc::clone(&self.names),
            patience: self.patience,
            platform: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Commands<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

/// Takes commands for a shard, while its node may act. Never ends.
pub(super) async fn serve<P: Platform>(estate: Estate<P>, shard: u32, sender: Sender<P>) {
    let mut wires = estate.wires.clone();
    let subject = estate.names.commands_of(shard);
    loop {
        let wire = wire(&mut wires).await;
        let Ok(mut orders) = wire.client.subscribe(subject.clone()).await else {
            wire.give_up();
            let _changed = wires.changed().await;
            continue;
        };
        loop {
            let order = tokio::select! {
                changed = wires.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                    break;
                }
                order = orders.next() => order,
            };
            let Some(order) = order else {
                // The connection is gone: the next one is waited for.
                let _changed = wires.changed().await;
                break;
            };
            // Who may not act says nothing: the owner of now does.
            if !estate.lease.holds() {
                continue;
            }
            let error = match entry::read::<Order>(&order.payload) {
                Some(Order { op, d }) => sender.try_send_payload(op, &d).err(),
                None => Some(Error::new(
                    ErrorKind::Command,
                    "the command is not {\"op\", \"d\"}",
                )),
            };
            let error = error.map(|error| error.to_string());
            if let Some(reply) = order.reply {
                let answer = Bytes::from(entry::write(&Answer { error }));
                // Without an answer the asker gives up: nothing to be done here.
                let _sent = wire.client.publish(reply, answer).await;
            }
        }
    }
}
