//! Where is the broker? One connection at a time, never mended: a new one takes its place.
//!
//! A client that reconnects by itself would send what it still holds behind a gap of what was lost
//! on the way, and the stream would have events out of order. So each connection is one [`Wire`];
//! whoever published over it publishes again over the next what was not acknowledged.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self, Context,
        context::GetStreamErrorKind,
        kv::{CreateErrorKind, Operation, Store, UpdateErrorKind},
        stream::{self, DiscardPolicy, StorageType},
    },
};
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::entry::Names;
use crate::{
    error::{Error, ErrorKind},
    observe,
};

/// After a failure to connect; then doubled up to the lease.
const RETRY_MIN: Duration = Duration::from_millis(50);

/// For how long the stream knows what it has: longer than a session lives without a connection.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(5);

/// Where nothing listens: a client that has lost its connection tries there once, in vain.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// Where the broker is and what is to be there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) names: Names,
    /// Each question to the broker is given up after this time.
    pub(super) patience: Duration,
    /// What to make where it is not there; a worker makes nothing.
    pub(super) make: Option<Make>,
}

/// How the stream is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub(super) keep: Duration,
    pub(super) replicas: usize,
}

/// One connection to the broker.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) number: u64,
    pub(super) client: Client,
    pub(super) jetstream: Context,
    pub(super) stream: stream::Stream,
    bucket: Store,
    patience: Duration,
    lost: Arc<Notify>,
}

/// What became of a write that was to happen at one revision only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It happened; this is the new revision.
    Done(u64),
    /// Somebody else has written since.
    Conflict,
    /// Nobody knows: the answer did not come.
    Unknown,
}

/// An entry that has changed, or is there at the beginning.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) revision: u64,
    /// `None` where it was deleted.
    pub(super) value: Option<Bytes>,
}

/// The broker did not answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away;

impl Wire {
    /// The connection is of no use any more: another takes its place.
    pub(super) fn give_up(&self) {
        self.lost.notify_one();
    }

    /// An entry with its revision.
    pub(super) async fn read(&self, key: &str) -> Result<Option<(Bytes, u64)>, Away> {
        match timeout(self.patience, self.bucket.entry(key)).await {
            Ok(Ok(entry)) => Ok(entry
                .filter(|entry| entry.operation == Operation::Put)
                .map(|entry| (entry.value, entry.revision))),
            _ => Err(Away),
        }
    }

    /// Writes an entry if its revision is still this; 0 is that of none.
    pub(super) async fn write(&self, key: &str, value: Vec<u8>, revision: u64) -> Written {
        let value = Bytes::from(value);
        if revision == 0 {
            return match timeout(self.patience, self.bucket.create(key, value)).await {
                Ok(Ok(revision)) => Written::Done(revision),
                Ok(Err(error)) if error.kind() == CreateErrorKind::AlreadyExists => {
                    Written::Conflict
                }
                _ => Written::Unknown,
            };
        }
        match timeout(self.patience, self.bucket.update(key, value, revision)).await {
            Ok(Ok(revision)) => Written::Done(revision),
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Written::Conflict
            }
            _ => Written::Unknown,
        }
    }

    /// Deletes an entry if its revision is still this; whether it is known to be gone by it.
    pub(super) async fn remove(&self, key: &str, revision: u64) -> bool {
        let removed = self.bucket.delete_expect_revision(key, Some(revision));
        matches!(timeout(self.patience, removed).await, Ok(Ok(())))
    }

    /// The entries below a key in the order of their revisions, and what changes there, for as long
    /// as the connection lasts.
    pub(super) async fn watch(&self, key: &str) -> Result<BoxStream<'static, Change>, Away> {
        let Ok(Ok(changes)) = timeout(self.patience, self.bucket.watch_with_history(key)).await
        else {
            return Err(Away);
        };
        let changes = changes.filter_map(|change| async {
            let entry = change.ok()?;
            let is_there = entry.operation == Operation::Put;
            Some(Change {
                key: entry.key,
                revision: entry.revision,
                value: is_there.then_some(entry.value),
            })
        });
        Ok(changes.boxed())
    }

    /// The entries below a key with their revisions, as they are now.
    pub(super) async fn list(&self, key: &str) -> Result<BTreeMap<String, u64>, Away> {
        let mut changes = self.watch(key).await?;
        let mut found = BTreeMap::new();
        // How many follow is not told rightly by all servers where entries change meanwhile: so
        // what has come by then is what there is.
        let all = async {
            while let Some(change) = changes.next().await {
                found.insert(change.key, change.value.map(|_| change.revision));
            }
        };
        let _always_late = timeout(self.patience, all).await;
        let there = |(key, revision): (String, Option<u64>)| Some((key, revision?));
        Ok(found.into_iter().filter_map(there).collect())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The way to the broker, for all that a member runs. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Link {
    wires: watch::Receiver<Option<Wire>>,
    task: JoinHandle<()>,
}

impl Link {
    /// Connects for the first time.
    ///
    /// # Errors
    ///
    /// Nobody answers there, or it is no NATS server with JetStream: what to start is said.
    pub(super) async fn open(place: Place) -> Result<Self, Error> {
        let address: ServerAddr = place.url.parse().map_err(|_| {
            let message = "the url of the NATS server is not like nats://127.0.0.1:4222";
            Error::new(ErrorKind::Configuration, message)
        })?;
        let first = connect(&place, &address, 1).await;
        let first = match first {
            Ok(wire) => Some(wire),
            Err(Trouble::NotMadeYet) => None,
            Err(trouble) => return Err(trouble.into_error(&address)),
        };
        let (sender, wires) = watch::channel(first);
        let task = tokio::spawn(keep(place, address, sender));
        Ok(Self { wires, task })
    }

    /// What tells of the connection there is.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Wire>> {
        self.wires.clone()
    }

    /// The connection, once there is one.
    pub(super) async fn wire(&self) -> Wire {
        wire(&mut self.watch()).await
    }
}

/// The connection, once there is one; it counts as seen.
pub(super) async fn wire(wires: &mut watch::Receiver<Option<Wire>>) -> Wire {
    loop {
        if let Some(wire) = wires.borrow_and_update().clone() {
            return wire;
        }
        if wires.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why there is no connection.
#[derive(Debug)]
enum Trouble {
    Absent(async_nats::ConnectError),
    NoJetStream(String),
    /// The stream or the bucket is not there, and it is not for this process to make it.
    NotMadeYet,
}

impl Trouble {
    fn into_error(self, address: &ServerAddr) -> Error {
        let (host, port) = (address.host().to_owned(), address.port());
        match self {
            Self::Absent(source) => {
                let message = format!(
                    "no NATS server can be reached at {host}:{port}: start one with JetStream \
                     (`nats-server -js`), or name the one there is"
                );
                Error::new(ErrorKind::Connect, message).with_source(source)
            }
            Self::NoJetStream(source) => {
                let message = format!(
                    "the NATS server at {host}:{port} gives no stream and bucket: start it with \
                     JetStream (`nats-server -js`), and let this account use it"
                );
                Error::new(ErrorKind::Connect, message).with_source(source)
            }
            Self::NotMadeYet => Error::new(ErrorKind::Connect, "no node of the bot runs yet"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(source) => write!(f, "not reached: {source}"),
            Self::NoJetStream(source) => write!(f, "no JetStream: {source}"),
            Self::NotMadeYet => f.write_str("no node of the bot runs yet"),
        }
    }
}

/// Keeps one connection there is, until nobody wants it.
async fn keep(place: Place, address: ServerAddr, wires: watch::Sender<Option<Wire>>) {
    let mut number = 1;
    loop {
        let current = wires.borrow().clone();
        if let Some(wire) = current {
            observe::cluster::broker_reached();
            wire.lost.notified().await;
            wires.send_replace(None);
            observe::cluster::broker_away(&"the connection was lost");
        }
        let mut pause = RETRY_MIN;
        loop {
            number += 1;
            match connect(&place, &address, number).await {
                Ok(wire) => {
                    wires.send_replace(Some(wire));
                    break;
                }
                Err(trouble) => observe::cluster::broker_away(&trouble),
            }
            sleep(pause).await;
            pause = (2 * pause).min(place.patience);
        }
    }
}

async fn connect(place: &Place, address: &ServerAddr, number: u64) -> Result<Wire, Trouble> {
    let lost = Arc::new(Notify::new());
    let heard = Arc::clone(&lost);
    let options = ConnectOptions::new()
        .connection_timeout(place.patience)
        .request_timeout(Some(place.patience))
        .ping_interval(place.patience)
        .max_reconnects(1)
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                heard.notify_one();
            }
            std::future::ready(())
        });
    let client = options
        .connect(address.clone())
        .await
        .map_err(Trouble::Absent)?;
    // From now on it connects to nobody again.
    let pooled = client.set_server_pool(vec![NOWHERE]).await;
    pooled.map_err(|error| Trouble::NoJetStream(error.to_string()))?;
    let jetstream = jetstream::ContextBuilder::new()
        .timeout(place.patience)
        .ack_timeout(place.patience)
        .max_ack_inflight(1 << 16)
        .build(client.clone());
    let (stream, bucket) = match place.make {
        Some(make) => made(place, make, &jetstream).await?,
        None => found(place, &jetstream).await?,
    };
    Ok(Wire {
        number,
        client,
        jetstream,
        stream,
        bucket,
        patience: place.patience,
        lost,
    })
}

/// The stream and the bucket, made where they are not there.
async fn made(
    place: &Place,
    make: Make,
    jetstream: &Context,
) -> Result<(stream::Stream, Store), Trouble> {
    let failed = |error: &dyn fmt::Display| Trouble::NoJetStream(error.to_string());
    let name = &place.names.stream;
    let stream = jetstream.get_or_create_stream(stream::Config {
        name: name.clone(),
        subjects: vec![place.names.all_events()],
        max_age: make.keep,
        duplicate_window: DUPLICATE_WINDOW.min(make.keep),
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        num_replicas: make.replicas,
        ..stream::Config::default()
    });
    let stream = stream.await.map_err(|error| failed(&error))?;
    // As the client's own call makes a bucket, which asks servers of before 2.10 in vain for the
    // account.
    let stored = jetstream.get_or_create_stream(stream::Config {
        name: format!("KV_{name}"),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        // Read where it was written: a copy may not know yet who has just joined.
        allow_direct: false,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: make.replicas,
        ..stream::Config::default()
    });
    stored.await.map_err(|error| failed(&error))?;
    let bucket = jetstream.get_key_value(name).await;
    Ok((stream, bucket.map_err(|error| failed(&error))?))
}

/// The stream and the bucket, where a node has made them.
async fn found(place: &Place, jetstream: &Context) -> Result<(stream::Stream, Store), Trouble> {
    let stream = match jetstream.get_stream(&place.names.stream).await {
        Ok(stream) => stream,
        Err(error) => {
            return Err(match error.kind() {
                GetStreamErrorKind::JetStream(told) if told.code() == 404 => Trouble::NotMadeYet,
                _ => Trouble::NoJetStream(error.to_string()),
            });
        }
    };
    let bucket = jetstream.get_key_value(&place.names.stream).await;
    Ok((stream, bucket.map_err(|_| Trouble::NotMadeYet)?))
}
