//! What did a shard give? Of either platform, and of either kind of stream.

use futures::StreamExt as _;
use shardstream::{
    Error, Message, Notice, Shard, Shutdown,
    discord::{self, Discord},
    platform::Platform,
    qq::{self, QQ},
    stream::{Sessions, ShardEventStream, ShardMessageStream},
};

use crate::lines;

/// What a bot of either platform is printed by.
pub(crate) trait Printed: Platform {
    /// An event's name, and whether it has a type of its own; or the notice that it is.
    fn look(event: &Self::Event) -> Result<(&str, bool), &Notice>;
}

impl Printed for Discord {
    fn look(event: &discord::Event) -> Result<(&str, bool), &Notice> {
        match event {
            discord::Event::Gateway(notice) => Err(notice),
            discord::Event::Unknown(unknown) => Ok((&unknown.name, false)),
            event => Ok((event.kind().name(), true)),
        }
    }
}

impl Printed for QQ {
    fn look(event: &qq::Event) -> Result<(&str, bool), &Notice> {
        match event {
            qq::Event::Gateway(notice) => Err(notice),
            qq::Event::Unknown(unknown) => Ok((&unknown.name, false)),
            event => Ok((event.kind().name(), true)),
        }
    }
}

/// All shards as one stream, of events or of what the server wrote.
pub(crate) enum Merged<P: Platform> {
    Typed(ShardEventStream<Shard<P>>),
    Raw(ShardMessageStream<Shard<P>>),
}

impl<P: Printed> Merged<P> {
    pub(crate) fn new(shards: Vec<Shard<P>>, raw: bool) -> Self {
        if raw {
            Self::Raw(ShardMessageStream::new(shards))
        } else {
            Self::Typed(ShardEventStream::new(shards))
        }
    }

    /// The next item with the number of its shard; `None` once all shards have ended.
    pub(crate) async fn next(&mut self) -> Option<(u32, Item)> {
        match self {
            Self::Typed(stream) => {
                let (shard, meta, event) = stream.next_with_meta().await?;
                let replayed = meta.replayed;
                let item = match event.as_ref().map(P::look) {
                    Ok(Err(notice)) => Item::Notice(notice.clone()),
                    Ok(Ok((name, typed))) => Item::Dispatch {
                        name: name.to_owned(),
                        seq: meta.seq,
                        replayed,
                        typed,
                    },
                    Err(error) => Item::Error {
                        error: error.clone(),
                        replayed,
                    },
                };
                Some((shard.id().number(), item))
            }
            Self::Raw(stream) => loop {
                let (shard, message) = stream.next().await?;
                let item = match message {
                    Ok(Message::Frame(frame)) => Item::Dispatch {
                        name: frame.event_name().unwrap_or_default().into_owned(),
                        seq: frame.seq(),
                        replayed: frame.replayed(),
                        typed: true,
                    },
                    Ok(Message::Gateway(notice)) => Item::Notice(notice),
                    // Of a kind that a later version adds.
                    Ok(_) => continue,
                    Err(error) => Item::Error {
                        error,
                        replayed: false,
                    },
                };
                return Some((shard.id().number(), item));
            },
        }
    }

    /// Ends all shards at once, and gives their sessions.
    pub(crate) async fn shutdown(&self, how: Shutdown) -> Sessions {
        match self {
            Self::Typed(stream) => stream.shutdown(how).await,
            Self::Raw(stream) => stream.shutdown(how).await,
        }
    }
}

/// Something that a shard gave.
pub(crate) enum Item {
    Dispatch {
        name: String,
        seq: Option<u64>,
        replayed: bool,
        typed: bool,
    },
    Notice(Notice),
    Error {
        error: Error,
        /// Whether it stands for an event of a replay.
        replayed: bool,
    },
}

impl Item {
    pub(crate) fn is_message(&self) -> bool {
        matches!(self, Self::Dispatch { name, .. } if name.ends_with("MESSAGE_CREATE"))
    }

    pub(crate) fn print(&self, shard: u32) {
        match self {
            Self::Dispatch {
                name,
                seq,
                replayed,
                typed,
            } => lines::dispatch(shard, name, *seq, *replayed, *typed),
            Self::Notice(notice) => lines::notice(shard, notice),
            Self::Error { error, replayed } => {
                if let Some(name) = error.event_name() {
                    lines::dispatch(shard, name, error.seq(), *replayed, false);
                }
                lines::error(shard, error, error.kind().name(), error.is_fatal());
            }
        }
    }
}
