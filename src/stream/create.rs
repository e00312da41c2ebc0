//! How are many made at once? By a range of numbers, by bucket, or as the platform recommends.

use std::ops::Range;

#[cfg(feature = "http")]
use futures::future::{BoxFuture, FutureExt as _};

use crate::{
    config::{Config, ConfigBuilder},
    error::Error,
    id::ShardId,
    platform::Platform,
    shard::Shard,
};
#[cfg(feature = "http")]
use crate::{
    error::ErrorKind,
    rest::{self, GatewayBot},
};

/// Shards with these numbers, of `total`; numbers that are not below `total` are left out.
///
/// `per_shard` makes each shard's configuration from the common one: it may set a session to
/// resume, or nothing at all. All shards share the TLS configuration and the queue, unless it sets
/// others. A configuration that cannot work becomes the first, fatal error of that shard; the
/// others are not concerned.
///
/// Nothing is connected before a shard is polled.
///
/// ```
/// use shardstream::{Config, Intents, stream};
///
/// let config = Config::new("token", Intents::GUILDS);
/// let shards = stream::create_iterator([0, 2], 4, config, |_, builder| builder.build());
/// let ids: Vec<_> = shards.map(|shard| shard.id().to_string()).collect();
/// assert_eq!(ids, ["[0, 4]", "[2, 4]"]);
/// ```
pub fn create_iterator<P, N, F>(
    numbers: N,
    total: u32,
    config: Config<P>,
    mut per_shard: F,
) -> impl Iterator<Item = Shard<P>> + use<P, N, F>
where
    P: Platform,
    N: IntoIterator<Item = u32>,
    F: FnMut(ShardId, ConfigBuilder<P>) -> Result<Config<P>, Error>,
{
    numbers.into_iter().filter_map(move |number| {
        let id = ShardId::new(number, total)?;
        let made = per_shard(id, ConfigBuilder::from(config.clone()));
        let config = made.unwrap_or_else(|error| config.clone().refused(error));
        Some(Shard::with_config(id, config))
    })
}

/// The shards of a range of numbers, half-open, of `total`: for a bot on several machines, each
/// with a range of its own. All else is as with [`create_iterator`].
///
/// ```
/// use shardstream::{Config, Intents, stream};
///
/// let config = Config::new("token", Intents::GUILDS);
/// let shards = stream::create_range(4..8, 16, config, |_, builder| builder.build());
/// assert_eq!(shards.count(), 4);
/// ```
pub fn create_range<P, F>(
    range: Range<u32>,
    total: u32,
    config: Config<P>,
    per_shard: F,
) -> impl Iterator<Item = Shard<P>> + use<P, F>
where
    P: Platform,
    F: FnMut(ShardId, ConfigBuilder<P>) -> Result<Config<P>, Error>,
{
    create_iterator(range, total, config, per_shard)
}

/// The shards of one bucket, of `total`: those whose number leaves `bucket` when divided by
/// `max_concurrency`. All else is as with [`create_iterator`].
///
/// Shards of a bucket start one after the other and those of different buckets at the same time
/// ([Discord's rule](https://docs.discord.com/developers/events/gateway#sharding-max-concurrency)),
/// so machines that each run whole buckets never wait for one another. A `max_concurrency` of 0
/// counts as 1.
///
/// ```
/// use shardstream::{Config, Intents, stream};
///
/// let config = Config::new("token", Intents::GUILDS);
/// let shards = stream::create_bucket(1, 16, 64, config, |_, builder| builder.build());
/// let numbers: Vec<_> = shards.map(|shard| shard.id().number()).collect();
/// assert_eq!(numbers, [1, 17, 33, 49]);
/// ```
pub fn create_bucket<P, F>(
    bucket: u32,
    max_concurrency: u32,
    total: u32,
    config: Config<P>,
    per_shard: F,
) -> impl Iterator<Item = Shard<P>> + use<P, F>
where
    P: Platform,
    F: FnMut(ShardId, ConfigBuilder<P>) -> Result<Config<P>, Error>,
{
    let step = max_concurrency.max(1);
    let last = if bucket < step { total } else { 0 };
    let numbers = (bucket..last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    create_iterator(numbers, total, config, per_shard)
}

/// Who can ask the platform what a bot should start: [`rest::Client`](crate::rest::Client), or with
/// the feature `twilight-http` the client of that crate.
#[cfg(feature = "http")]
pub trait Recommend: Sync {
    /// What `GET /gateway/bot` answers.
    ///
    /// # Errors
    ///
    /// As [`rest::Client::gateway_bot`](crate::rest::Client::gateway_bot).
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped before it is done; the call is then repeated, if at all.
    fn recommended(&self) -> BoxFuture<'_, Result<GatewayBot, rest::Error>>;

    /// The REST base that is asked, where it is known: one on this machine may name a gateway on
    /// this machine.
    fn rest_url(&self) -> Option<&str> {
        None
    }
}

#[cfg(feature = "http")]
impl Recommend for rest::Client {
    fn recommended(&self) -> BoxFuture<'_, Result<GatewayBot, rest::Error>> {
        self.gateway_bot().boxed()
    }

    fn rest_url(&self) -> Option<&str> {
        Some(self.base())
    }
}

/// As many shards as the platform recommends, all of them. All else is as with
/// [`create_iterator`].
///
/// The platform's limits go to the queue of the configuration, unless that is one of your own; and
/// the gateway that it names is used, unless the configuration names one.
///
/// ```no_run
/// use futures::StreamExt;
/// use shardstream::{Config, Intents, rest, stream::{self, ShardEventStream}};
///
/// # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let client = rest::Client::new(token.clone());
/// let config = Config::new(token, Intents::GUILDS);
/// let mut shards = stream::create_recommended(&client, config, |_, builder| builder.build())
///     .await?
///     .collect::<Vec<_>>();
/// let mut stream = ShardEventStream::new(shards.iter_mut());
/// while let Some((shard, event)) = stream.next().await {
///     println!("{}: {event:?}", shard.id());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The platform could not be asked, or named a gateway that is not its own. Nothing was connected;
/// the call may be repeated unless the error [is fatal](rest::Error::is_fatal).
///
/// # Cancel safety
///
/// Dropped before it is done, no shard was made, and nothing is kept of the call.
#[cfg(feature = "http")]
pub async fn create_recommended<P, C, F>(
    client: &C,
    mut config: Config<P>,
    per_shard: F,
) -> Result<impl Iterator<Item = Shard<P>> + use<P, C, F>, rest::Error>
where
    P: Platform,
    C: Recommend,
    F: FnMut(ShardId, ConfigBuilder<P>) -> Result<Config<P>, Error>,
{
    let gateway = client.recommended().await?;
    config.adopt(&gateway, client.rest_url())?;
    let total = gateway.shards;
    if total > SHARDS_MAX {
        let message = "the platform recommends more shards than any bot has";
        return Err(Error::new(ErrorKind::Connect, message).into());
    }
    Ok(create_range(0..total, total, config, per_shard))
}

/// More shards than the largest bots have: a mistake of the server, and each takes memory.
#[cfg(feature = "http")]
const SHARDS_MAX: u32 = 1 << 16;

#[cfg(test)]
#[cfg(feature = "discord")]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::{ErrorKind, Intents};

    fn numbers(shards: impl Iterator<Item = Shard>) -> Vec<u32> {
        shards.map(|shard| shard.id().number()).collect()
    }

    #[test]
    fn numbers_that_do_not_exist_are_left_out() {
        let config = || Config::new(crate::observe::watch::TOKEN, Intents::GUILDS);
        let all = |range, total| {
            numbers(create_range(range, total, config(), |_, builder| {
                builder.build()
            }))
        };
        assert_eq!(all(2..9, 4), [2, 3]);
        assert!(all(4..9, 4).is_empty());
        assert!(all(0..1, 0).is_empty());
        let bucket = |bucket, of, total| {
            numbers(create_bucket(bucket, of, total, config(), |_, builder| {
                builder.build()
            }))
        };
        assert_eq!(bucket(0, 0, 3), [0, 1, 2]);
        assert_eq!(bucket(2, 3, 7), [2, 5]);
        assert!(bucket(3, 3, 7).is_empty());
        assert!(bucket(u32::MAX, u32::MAX, u32::MAX).is_empty());
    }

    #[tokio::test]
    async fn a_configuration_that_cannot_work_is_the_first_error_of_its_shard() {
        let config = Config::new(crate::observe::watch::TOKEN, Intents::GUILDS);
        let mut shards: Vec<_> = create_range(0..2, 2, config, |id, builder| match id.number() {
            0 => builder.build(),
            _ => builder.gateway_url("CANARY").build(),
        })
        .collect();
        let error = shards[1].next_event().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.is_fatal());
        assert!(error.to_string().contains("gateway_url"), "{error}");
        assert!(!error.to_string().contains("CANARY"));
        assert!(shards[0].next_event().now_or_never().is_none());
    }
}
