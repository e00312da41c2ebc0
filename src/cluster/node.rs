//! What does a process run that takes a share of the shards?

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use tokio::{task::JoinHandle, time::sleep};

use super::{
    entry::{self, Bot, Names},
    identify::{ClusterQueue, Told},
    lease::Guarded,
    link::{Away, Link, Make, Place, Wire, Written},
    member::{self, Role, Run, Tenancy},
    owner::{self, Estate},
};
#[cfg(feature = "http")]
use crate::rest::SessionStartLimit;
use crate::{
    config::{Config, ConfigBuilder},
    error::{Error, ErrorKind},
    observe,
    platform::Platform,
};

/// The lease, where nothing else is said: long enough for a broker that restarts, short enough for
/// sessions, which can be resumed for some minutes.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Shorter ones cannot be renewed in time on a busy machine, and longer ones outlast sessions.
const LEASES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_mins(1);

/// Where a NATS server listens that was told nothing.
pub(super) const URL: &str = "nats://127.0.0.1:4222";

/// How long events stay in the stream, where nothing else is said.
const KEEP: Duration = Duration::from_hours(1);

/// The key of what all members must agree on.
pub(super) const BOT: &str = "bot";

/// The group of the nodes.
const GROUP: &str = "node";

/// One of the processes that share the shards of a bot. See the [module](super) for the whole.
///
/// It takes its share of the shards, as the other nodes do, gives up what it has too much of when
/// one more joins, and takes over what was left when one is gone. A bot with one node runs the
/// same program as one with ten.
pub struct Node<P: Platform> {
    config: Config<P>,
    names: Arc<Names>,
    link: Link,
    role: Role,
    patience: Duration,
    told: Option<Told>,
}

/// Sets what differs from the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeBuilder<P: Platform> {
    config: Config<P>,
    bot: String,
    url: String,
    shards: u32,
    lease: Duration,
    keep: Duration,
    replicas: usize,
    told: Option<Told>,
}

impl<P: Platform> Node<P> {
    /// A node of the bot that this cluster calls `bot`: 1 to 100 letters, digits, `-` and `_`, the
    /// same on all nodes and workers, such as its application id. It is not a secret.
    ///
    /// Of the configuration, a queue and a session to resume are not used: both are the cluster's.
    /// Events that its filter leaves out are not published.
    pub fn builder(config: Config<P>, bot: impl Into<String>) -> NodeBuilder<P> {
        NodeBuilder {
            config,
            bot: bot.into(),
            url: URL.to_owned(),
            shards: 1,
            lease: LEASE,
            keep: KEEP,
            replicas: 1,
            told: None,
        }
    }

    /// Takes part until `until` is done, then gives its shards to the others: it stops them so that
    /// their sessions go on, stores these, and leaves.
    ///
    /// While the NATS server is away, shards keep their connections and heartbeats; they pause
    /// reading when their buffers are full, and go on when it is back. A node whose lease runs out
    /// meanwhile sends nothing but heartbeats until it has renewed it; where another node has taken
    /// its shards over, it drops them and joins anew.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the other nodes run another number of shards, and any
    /// fatal error of a shard: the node has then let go of all it ran, and the others take it over
    /// once its lease has run out.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, all shards are dropped; others take them over once the lease has
    /// run out, and resume their sessions.
    pub async fn run_until(self, until: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let until = until.shared();
        tokio::select! {
            () = until.clone() => return Ok(()),
            agreed = self.agree() => agreed?,
        }
        let household = |tenancy: Tenancy| self.household(tenancy);
        member::take_part(&self.link, &self.role, household, until).await
    }

    /// Makes sure that all nodes run the same number of shards.
    async fn agree(&self) -> Result<(), Error> {
        let ours = Bot {
            shards: self.role.total,
        };
        loop {
            let wire = self.link.wire().await;
            let Ok(found) = wire.read(BOT).await else {
                wire.give_up();
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (text, revision) = found.unwrap_or_default();
            let theirs = entry::read::<Bot>(&text);
            if theirs == Some(ours) {
                return Ok(());
            }
            match theirs {
                None if revision > 0 => observe::cluster::corrupt(BOT),
                Some(theirs) if self.has_others(&wire).await.unwrap_or(true) => {
                    let message = format!(
                        "the other nodes of this bot run {} shards and this one is to run {}: \
                         stop them all, and start them with the same number",
                        theirs.shards, ours.shards
                    );
                    return Err(Error::new(ErrorKind::Configuration, message));
                }
                _ => {}
            }
            if let Written::Done(_) = wire.write(BOT, entry::write(&ours), revision).await {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether other nodes live: whose entries change within a lease.
    async fn has_others(&self, wire: &Wire) -> Result<bool, Away> {
        let members = format!("{GROUP}.member.*");
        let before = wire.list(&members).await?;
        if before.is_empty() {
            return Ok(false);
        }
        sleep(self.role.lease + self.role.lease / 4).await;
        let now = wire.list(&members).await?;
        Ok(now.iter().any(|entry| before.get(entry.0) != Some(entry.1)))
    }

    /// What runs the shards of one life of this node.
    fn household(&self, tenancy: Tenancy) -> Run {
        let guarded = Guarded {
            source: Arc::clone(self.config.source()),
            lease: tenancy.lease.clone(),
        };
        // Each life has credentials of its own: those of one that is over are never given again.
        let config = ConfigBuilder::from(self.config.clone())
            .credential_source(Arc::new(guarded))
            .build()
            .unwrap_or_else(|error| self.config.clone().refused(error));
        let window = self.config.limits().identify_window;
        let wires = self.link.watch();
        let lease = tenancy.lease.clone();
        let (queue, keeper) = ClusterQueue::new(tenancy, wires.clone(), window, self.told);
        let estate = Estate {
            config,
            total: self.role.total,
            names: Arc::clone(&self.names),
            lease,
            queue,
            wires,
            patience: self.patience,
            save_every: self.role.lease / 2,
        };
        let keeping = Keeping(tokio::spawn(keeper.keep()));
        Arc::new(move |shard, stop| {
            let _as_long_as_this = &keeping;
            owner::run(estate.clone(), shard, stop).boxed()
        })
    }
}

/// A task that ends with this.
struct Keeping(JoinHandle<()>);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<P: Platform> NodeBuilder<P> {
    /// Connects to the NATS server, and makes the stream and the bucket there if they are not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] where no NATS server with JetStream answers: it says what to start.
    /// [`ErrorKind::Configuration`] for a value that cannot work.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is left but what was made.
    pub async fn connect(self) -> Result<Node<P>, Error> {
        let wrong = |why: &'static str| Err(Error::new(ErrorKind::Configuration, why));
        self.config.check()?;
        if self.shards == 0 || self.shards > u32::from(u16::MAX) {
            return wrong("a cluster runs 1 to 65,535 shards");
        }
        if !LEASES.contains(&self.lease) {
            return wrong("the lease is not between half a second and a minute");
        }
        if self.keep < Duration::from_secs(1) || !(1..=5).contains(&self.replicas) {
            return wrong("events are kept for a second at least, by 1 to 5 servers");
        }
        let names = Names::new(&self.bot, P::NAME)?;
        let patience = self.lease / 2;
        let make = Make {
            keep: self.keep,
            replicas: self.replicas,
        };
        let link = Link::open(Place {
            url: self.url,
            names: names.clone(),
            patience,
            make: Some(make),
        });
        Ok(Node {
            config: self.config,
            names: Arc::new(names),
            link: link.await?,
            role: Role {
                group: GROUP.to_owned(),
                total: self.shards,
                lease: self.lease,
            },
            patience,
            told: self.told,
        })
    }

    /// Sets where the NATS server is: `nats://HOST:PORT`, with `USER:PASSWORD@` before the host
    /// where it wants that, `tls://` for TLS. By default `nats://127.0.0.1:4222`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets how many shards the bot has in all. By default 1. It is the same on all nodes; to
    /// change it, all nodes are stopped first.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Sets what the platform told of the bot's limits
    /// ([`GatewayBot::session_start_limit`](crate::rest::GatewayBot)). By default what a bot has
    /// that nothing is known of: one start in five seconds, 1,000 a day.
    #[cfg(feature = "http")]
    pub fn session_start_limit(mut self, limit: &SessionStartLimit) -> Self {
        self.told = Some(Told {
            max_concurrency: limit.max_concurrency,
            total: limit.total.into(),
            remaining: limit.remaining.into(),
            reset_after: limit.reset_after,
            at: Instant::now(),
        });
        self
    }

    /// Sets how long a node may be silent before the others take over what it ran, from half a
    /// second to a minute; the same on all nodes. By default 10 seconds: a server that restarts is
    /// back before that, and sessions can be resumed for longer.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long events stay in the stream, where it is made: so long may workers be away. By
    /// default an hour.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Sets how many servers of a NATS cluster hold the stream and the bucket, where they are
    /// made, 1 to 5. By default 1.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }
}

impl<P: Platform> fmt::Debug for Node<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("shards", &self.role.total)
            .field("lease", &self.role.lease)
            .finish_non_exhaustive()
    }
}
