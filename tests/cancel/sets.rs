//! Sets of shards that change: taken out of a stream, handed over to another set.

use std::time::Duration;

use futures::StreamExt;
use shardstream::{
    Error, Message, Shard, ShardHandle, ShardId,
    discord::Event,
    local::Gateway,
    queue::LocalQueue,
    stream::{Reshard, ShardEventStream},
};
use tokio::time::{interval, timeout};

use crate::{
    bench::Bench,
    ends::pair,
    knife::{Knife, at_every_poll, at_every_poll_and_always},
};

fn shards(bench: &Bench, total: u32) -> Vec<Shard> {
    let (day, window) = (Duration::from_hours(24), Duration::from_secs(5));
    let queue = LocalQueue::with_limits(4, 1000, 1000, day, window);
    let config = bench
        .config()
        .queue(std::sync::Arc::new(queue))
        .build()
        .unwrap();
    let shard = |number| Shard::with_config(ShardId::new(number, total).unwrap(), config.clone());
    (0..total).map(shard).collect()
}

fn deleted(event: Result<Event, Error>) -> Option<u64> {
    match event {
        Ok(Event::MessageDelete(deleted)) => Some(deleted.id.get()),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Goal: a shard is in the stream or with whoever took it out, and so is each of its events.
/// Method: events of both come all the time; what was dropped is asked for again.
#[test]
fn a_shard_that_is_taken_out_is_in_one_place() {
    at_every_poll("Control::remove", async |knife| {
        let bench = pair();
        let mut stream = ShardEventStream::new(shards(&bench, 2));
        let (control, first) = (stream.control(), ShardId::new(0, 2).unwrap());
        while stream.progress().ready < 2 {
            deleted(stream.next().await.unwrap().1);
        }
        let mut given = Vec::new();
        for n in 1..4 {
            bench.delete(first, n);
        }
        let taking = async {
            for _ in 0..3 {
                let one = timeout(Duration::from_secs(1), stream.next()).await;
                given.extend(one.ok().and_then(|one| deleted(one.unwrap().1)));
            }
        };
        let removing = knife.cut(control.remove(first));
        let (removed, ()) = tokio::join!(removing, taking);
        for n in 4..6 {
            bench.delete(first, n);
        }
        let removed = removed.flatten();
        assert_eq!(stream.len(), 2 - usize::from(removed.is_some()));
        let again = control.remove(first);
        let (again, _) = tokio::join!(
            again,
            timeout(Duration::from_secs(1), async {
                loop {
                    given.extend(deleted(stream.next().await.unwrap().1));
                }
            })
        );
        let mut shard = removed.or(again).expect("somewhere");
        while let Ok(event) = timeout(Duration::from_secs(1), shard.next_event()).await {
            given.extend(deleted(event));
        }
        assert_eq!(bench.gateway.stats().connections, 2);
        given
    });
}

/// One guild, its events for the old set and, once that was shown the guild, for the new.
struct World {
    bench: Bench,
    published: u64,
    shown: bool,
}

const GUILD: u64 = 1;

impl World {
    fn publish(&mut self) {
        self.bench.delete(ShardId::ONE, self.published);
        if self.shown {
            self.bench
                .delete(ShardId::new(0, 2).unwrap(), self.published);
        }
        self.published += 1;
    }

    /// The new set's shard of the guild is there: it is shown the guild.
    fn ready(&mut self, shard: &ShardHandle) {
        if shard.id() == ShardId::new(0, 2).unwrap() {
            let data = format!(r#"{{"id":"{GUILD}","unavailable":true}}"#);
            self.bench
                .gateway
                .send(shard.id(), "GUILD_DELETE", &data)
                .unwrap();
            self.shown = true;
        }
    }
}

/// What a stream gave: of which shard, and what.
type Given = Option<(ShardHandle, Took)>;

enum Took {
    Ready,
    Deleted(u64),
    Other,
}

fn of_event(event: Result<Event, Error>) -> Took {
    match event {
        Ok(Event::Ready(_)) => Took::Ready,
        event => deleted(event).map_or(Took::Other, Took::Deleted),
    }
}

fn of_message(message: Result<Message, Error>) -> Took {
    let Message::Frame(frame) = message.unwrap() else {
        return Took::Other;
    };
    match frame.decode::<shardstream::discord::Discord>() {
        event @ Ok(_) => of_event(event),
        Err(error) => panic!("{error}"),
    }
}

/// Goal: while one set takes the place of another, each event is given once and in order, whatever
/// is dropped. Method: one event of a guild after the other, to both sets, from before the
/// hand-over until after it.
fn hands_over(name: &str, take: impl AsyncFn(&mut Reshard<Shard>, &Knife) -> Option<Given>) {
    at_every_poll_and_always(name, async |knife| {
        let bench = Bench::with(Gateway::builder().max_concurrency(4).guilds([GUILD]));
        let mut old = ShardEventStream::new(shards(&bench, 1));
        while old.progress().ready < 1 {
            old.next().await.unwrap().1.unwrap();
        }
        let mut stream = old.reshard(shards(&bench, 2));
        let mut world = World {
            bench,
            published: 0,
            shown: false,
        };
        let mut given = Vec::new();
        let mut left = 5;
        let mut ticks = interval(Duration::from_millis(500));
        while left > 0 || given.len() < usize::try_from(world.published).unwrap() {
            let item = tokio::select! {
                biased;
                item = take(&mut stream, knife) => item,
                _ = ticks.tick() => {
                    world.publish();
                    left -= usize::from(left > 0 && stream.is_complete());
                    None
                }
            };
            match item.map(|item| item.expect("it goes on")) {
                Some((shard, Took::Ready)) => world.ready(&shard),
                Some((_, Took::Deleted(n))) => given.push(n),
                Some((_, Took::Other)) | None => {}
            }
            assert!(world.published < 10_000, "the sets are not handed over");
        }
        assert!(given.iter().copied().eq(0..world.published), "{given:?}");
    });
}

#[test]
fn next_of_two_sets_loses_nothing() {
    hands_over("Reshard", async |stream, knife| {
        let item = knife.cut(stream.next()).await?;
        Some(item.map(|(shard, event)| (shard, of_event(event))))
    });
}

#[test]
fn next_with_meta_of_two_sets_loses_nothing() {
    hands_over("Reshard::next_with_meta", async |stream, knife| {
        let item = knife.cut(stream.next_with_meta()).await?;
        Some(item.map(|(shard, _, event)| (shard, of_event(event))))
    });
}

#[test]
fn next_message_of_two_sets_loses_nothing() {
    hands_over("Reshard::next_message", async |stream, knife| {
        let item = knife.cut(stream.next_message()).await?;
        Some(item.map(|(shard, message)| (shard, of_message(message))))
    });
}
