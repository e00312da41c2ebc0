//! How does one send a command? From anywhere, bounded and checked.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::Serialize;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    error::{Error, ErrorKind},
    platform::{self, Platform},
    session::Command,
};

/// Heartbeat, IDENTIFY and RESUME are the shard's own: sent by hand they would break the rules of
/// the conversation.
const RESERVED_OPS: [u64; 3] = [1, 2, 6];

/// Sends commands through a shard, from any task.
///
/// Commands are sent in order once the session is live, within the platform's rate limit, with
/// room kept for heartbeats. Those given before READY, or while the connection is being restored,
/// wait. A command is handed to the socket at most once: where the connection is cut just then,
/// nobody knows whether it arrived. None is sent again, not even one that the server closed the
/// connection for; that close is told by [`Notice::Disconnected`](crate::Notice::Disconnected).
///
/// Commands that set a state and have a limit of their own
/// ([`Platform::LATEST_WINS`]: on Discord the presence, 5 in 20 seconds) do not keep others
/// waiting: of those that wait for this limit the latest is sent, and the others never are. What
/// was set last is set again, by itself, in a session that begins anew, which else would not know
/// it; so is a raw one, where the platform knows its payload for a valid one.
pub struct Sender<P> {
    commands: mpsc::Sender<Queued>,
    len_max: usize,
    platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Sender<P> {
    pub(super) const fn new(commands: mpsc::Sender<Queued>, len_max: usize) -> Self {
        Self {
            commands,
            len_max,
            platform: PhantomData,
        }
    }

    /// Queues the payload `{"op": op, "d": d}`, as soon as the queue has room.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`], and nothing will be sent: `op` is 1, 2 or 6, `d` cannot be
    /// written as JSON, the payload is longer than the platform takes
    /// ([`Limits::send_len_max`](crate::Limits::send_len_max)), or the shard has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is queued.
    pub async fn send_payload<T: Serialize + Sync + ?Sized>(
        &self,
        op: u64,
        d: &T,
    ) -> Result<(), Error> {
        let command = self.raw(op, d)?;
        self.commands
            .send(command.into())
            .await
            .map_err(|_| ended())
    }

    /// Queues the payload `{"op": op, "d": d}`, if the queue has room.
    ///
    /// # Errors
    ///
    /// As [`send_payload`](Self::send_payload), and also where the queue is full
    /// ([`Limits::commands_max`](crate::Limits::commands_max)).
    pub fn try_send_payload<T: Serialize + ?Sized>(&self, op: u64, d: &T) -> Result<(), Error> {
        self.try_send(self.raw(op, d)?)
    }

    /// Queues a command of the platform, as soon as the queue has room.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`], and nothing will be sent: the server would refuse the command, or
    /// the shard has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is queued.
    pub async fn command(&self, command: &(impl platform::Command<P> + Sync)) -> Result<(), Error> {
        let command = self.typed(command)?;
        self.commands
            .send(command.into())
            .await
            .map_err(|_| ended())
    }

    /// Queues a command of the platform, if the queue has room.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command), and also where the queue is full
    /// ([`Limits::commands_max`](crate::Limits::commands_max)).
    pub fn try_command(&self, command: &impl platform::Command<P>) -> Result<(), Error> {
        self.try_send(self.typed(command)?)
    }

    /// Room in the queue for this command, which is sent, or not, once there is some. Dropped
    /// before that, nothing is taken.
    #[allow(dead_code, reason = "which rooms above ask depends on the features")]
    pub(crate) async fn reserve(
        &self,
        command: &(impl platform::Command<P> + Sync),
    ) -> Result<Reserved<'_>, Error> {
        let command = self.typed(command)?;
        let room = self.commands.reserve().await.map_err(|_| ended())?;
        Ok(Reserved { room, command })
    }

    /// How many commands the queue has room for.
    pub fn room(&self) -> usize {
        self.commands.capacity()
    }

    /// Whether the shard has ended, so that every command is refused.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    fn typed(&self, command: &impl platform::Command<P>) -> Result<Command, Error> {
        self.checked(command.op(), command.payload()?)
    }

    fn raw<T: Serialize + ?Sized>(&self, op: u64, d: &T) -> Result<Command, Error> {
        #[derive(Serialize)]
        struct Payload<'a, T: ?Sized> {
            op: u64,
            d: &'a T,
        }
        // The back end's message may quote the payload.
        let payload = serde_json::to_vec(&Payload { op, d })
            .map_err(|_| refused(format!("the payload of op {op} cannot be written as JSON")))?;
        self.checked(op, payload)
    }

    fn checked(&self, op: u64, payload: Vec<u8>) -> Result<Command, Error> {
        if RESERVED_OPS.contains(&op) {
            return Err(refused(format!("op {op} is sent by the shard itself")));
        }
        if payload.len() <= self.len_max {
            return Ok(Command { op, payload });
        }
        Err(refused(format!(
            "the command has {} bytes, more than {}",
            payload.len(),
            self.len_max
        )))
    }

    fn try_send(&self, command: Command) -> Result<(), Error> {
        self.commands
            .try_send(command.into())
            .map_err(|error| match error {
                TrySendError::Closed(_) => ended(),
                TrySendError::Full(_) => refused("the send queue is full"),
            })
    }
}

/// A command with its place in the queue.
#[allow(dead_code, reason = "which rooms above ask depends on the features")]
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    room: mpsc::Permit<'a, Queued>,
    command: Command,
}

#[allow(dead_code, reason = "which rooms above ask depends on the features")]
impl Reserved<'_> {
    /// Queues the command. What is returned tells when it is taken from the queue to be sent,
    /// which may take as long as the rate limit and a lost connection make it.
    pub(crate) fn send(self) -> oneshot::Receiver<()> {
        let (taken, heard) = oneshot::channel();
        self.room.send(Queued {
            command: self.command,
            taken: Some(taken),
        });
        heard
    }
}

/// A command in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: Command,
    /// Who wants to know when it is taken from there.
    taken: Option<oneshot::Sender<()>>,
}

impl Queued {
    /// The command, to be sent now.
    pub(super) fn take(self) -> Command {
        if let Some(taken) = self.taken {
            // Who gave up has dropped the other end.
            let _gone = taken.send(()).is_err();
        }
        self.command
    }
}

impl From<Command> for Queued {
    fn from(command: Command) -> Self {
        let taken = None;
        Self { command, taken }
    }
}

fn refused(why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Command, why)
}

fn ended() -> Error {
    refused("the shard has ended")
}

// By hand, because a derive would ask the same of `P`, which is only a name.
impl<P> Clone for Sender<P> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            len_max: self.len_max,
            platform: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Sender<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("room", &self.commands.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "discord")]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;
    use tokio::sync::mpsc;

    use super::{Queued, Sender};
    use crate::{discord::Discord, error::ErrorKind, session};

    fn sender(room: usize) -> (Sender<Discord>, mpsc::Receiver<Queued>) {
        let (commands, receiver) = mpsc::channel(room);
        (Sender::new(commands, 4096), receiver)
    }

    #[test]
    fn the_shards_own_ops_are_refused_and_all_others_pass() {
        let (sender, mut queue) = sender(20);
        for op in 0..12 {
            let sent = sender.try_send_payload(op, &json!({ "n": op }));
            assert_eq!(sent.is_err(), [1, 2, 6].contains(&op), "{op}");
            match sent {
                Ok(()) => {
                    let command = queue.try_recv().unwrap().take();
                    assert_eq!(command.op, op);
                    assert_eq!(
                        String::from_utf8(command.payload).unwrap(),
                        format!("{{\"op\":{op},\"d\":{{\"n\":{op}}}}}")
                    );
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Command);
                    assert!(!error.is_fatal());
                }
            }
        }
    }

    #[test]
    fn a_payload_of_4096_bytes_passes_and_one_byte_more_does_not() {
        let (sender, mut queue) = sender(4);
        let around = "{\"op\":3,\"d\":\"\"}".len();
        for (text, passes) in [
            ("a".repeat(4096 - around), true),
            ("a".repeat(4097 - around), false),
            ("ä".repeat((4096 - around) / 2), true),
            ("ä".repeat((4096 - around) / 2 + 1), false),
        ] {
            assert_eq!(sender.try_send_payload(3, &text).is_ok(), passes);
            assert_eq!(queue.try_recv().is_ok(), passes);
        }
    }

    #[test]
    fn what_cannot_be_json_is_refused_and_not_quoted() {
        let (sender, _queue) = sender(1);
        let bad = HashMap::from([(vec!["CANARY"], 1)]);
        let error = sender.try_send_payload(3, &bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Command);
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_waiting_gets_through_in_order() {
        let (sender, mut queue) = sender(1);
        assert_eq!(sender.room(), 1);
        sender.try_send_payload(3, &1).unwrap();
        let full = sender.try_send_payload(3, &2).unwrap_err();
        assert!(full.to_string().contains("full"));
        let waiting = sender.send_payload(3, &3);
        let (first, sent) = futures::future::join(queue.recv(), waiting).await;
        sent.unwrap();
        assert!(first.unwrap().take().payload.ends_with(b"1}"));
        assert!(queue.recv().await.unwrap().take().payload.ends_with(b"3}"));
    }

    #[tokio::test]
    async fn a_command_of_the_platform_is_sent_as_it_writes_itself() {
        use crate::discord::{BotStatus, Command, UpdatePresence};

        let (sender, mut queue) = sender(2);
        let presence = UpdatePresence::new(BotStatus::Idle);
        let payload = Command::from(presence.clone()).payload().unwrap();
        let expected = Some(session::Command { op: 3, payload });
        sender.try_command(&presence).unwrap();
        sender.command(&Command::from(presence)).await.unwrap();
        for _ in 0..2 {
            assert_eq!(queue.recv().await.map(Queued::take), expected);
        }
        let (narrow, _queue) = mpsc::channel(1);
        let narrow: Sender<Discord> = Sender::new(narrow, 10);
        let refused = narrow.try_command(&UpdatePresence::new(BotStatus::Idle));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Command);
    }

    #[tokio::test]
    async fn after_the_end_every_command_is_refused() {
        let (sender, queue) = sender(1);
        drop(queue);
        assert!(sender.is_closed());
        let error = sender.send_payload(3, &1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Command);
        assert!(sender.try_send_payload(3, &1).is_err());
    }
}
