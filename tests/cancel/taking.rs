//! Whoever waits for an event loses none and gets none twice, however often he stops waiting.
//!
//! The same play is given to each of the ways to take events: a session, a cut, a replay, a
//! reconnect that the server asks for, what cannot be read, and the end.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use serde::Deserialize;
use shardstream::{
    Config, Error, EventFlags, Frame, Message, Notice, Shard, ShardHandle, ShardId, Shutdown,
    discord::{Discord, Event},
    local::{Act, Gateway, Record, Step},
    own_events,
    queue::LocalQueue,
    stream::{ShardEventStream, ShardMessageStream},
};
use tokio::{sync::mpsc, time::sleep};

use crate::{
    bench::Bench,
    knife::{Knife, at_every_poll, at_every_poll_and_always},
};

own_events! {
    /// What the play consists of, in a type of one's own.
    #[derive(Debug)]
    enum Own {
        Ready = "READY",
        Resumed = "RESUMED",
        Deleted(Deleted) = "MESSAGE_DELETE",
        Gateway(Notice) = notice,
    }
}

#[derive(Debug, Deserialize)]
struct Deleted {
    id: String,
}

fn of_error(error: &Error) -> String {
    let end = if error.is_fatal() { "end " } else { "" };
    format!("{end}{}", error.kind().name())
}

fn of_event(event: Result<Event, Error>) -> String {
    match event {
        Ok(Event::MessageDelete(deleted)) => format!("MESSAGE_DELETE {}", deleted.id),
        Ok(Event::Gateway(notice)) => notice.name().to_owned(),
        Ok(Event::Unknown(unknown)) => unknown.name.to_string(),
        Ok(event) => event.kind().name().to_owned(),
        Err(error) => of_error(&error),
    }
}

fn of_own(event: Result<Own, Error>) -> String {
    match event {
        Ok(Own::Ready) => "READY".to_owned(),
        Ok(Own::Resumed) => "RESUMED".to_owned(),
        Ok(Own::Deleted(deleted)) => format!("MESSAGE_DELETE {}", deleted.id),
        Ok(Own::Gateway(notice)) => notice.name().to_owned(),
        Err(error) => of_error(&error),
    }
}

fn of_frame(frame: &Frame) -> String {
    let name = frame.event_name().unwrap();
    if name == "MESSAGE_DELETE" {
        let deleted: Deleted = serde_json::from_str(frame.data()).unwrap();
        return format!("{name} {}", deleted.id);
    }
    name.into_owned()
}

fn of_message(message: Result<Message, Error>) -> String {
    match message {
        Ok(Message::Frame(frame)) => of_frame(&frame),
        Ok(Message::Gateway(notice)) => notice.name().to_owned(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => of_error(&error),
    }
}

/// What each shard gave, by its number.
type Logs = BTreeMap<u32, Vec<String>>;

/// Lets happen what follows on the last thing that a shard gave.
async fn go_on(bench: &Bench, handle: &ShardHandle, last: &str) {
    let (shard, gateway) = (handle.id(), &bench.gateway);
    match last {
        "READY" => (0..3).for_each(|n| bench.delete(shard, n)),
        "MESSAGE_DELETE 2" => {
            bench.cut(shard).await;
            for n in 3..6 {
                gateway.send(shard, "SOMETHING_ELSE", "{}").unwrap();
                bench.delete(shard, n);
            }
        }
        "MESSAGE_DELETE 5" => {
            bench.recycle(shard).await;
            bench.delete(shard, 6);
        }
        "MESSAGE_DELETE 6" => {
            gateway.order(shard, [Step::Send("{".to_owned())]);
            bench.delete(shard, 7);
            bench.delete(shard, 8);
        }
        "MESSAGE_DELETE 8" => drop(handle.shutdown(Shutdown::End)),
        _ => {}
    }
}

/// Plays with one shard; `take` gives nothing where the knife was quicker.
async fn play(
    bench: &Bench,
    handle: ShardHandle,
    mut take: impl AsyncFnMut() -> Option<String>,
) -> Logs {
    let mut log = Vec::new();
    while log.last().is_none_or(|last| last != "end shutdown") {
        let Some(item) = take().await else { continue };
        go_on(bench, &handle, &item).await;
        log.push(item);
    }
    let deleted = log
        .iter()
        .filter_map(|item| item.strip_prefix("MESSAGE_DELETE "));
    let expected: Vec<_> = (0..9).map(|n: u64| n.to_string()).collect();
    assert_eq!(deleted.collect::<Vec<_>>(), expected);
    assert_eq!(bench.gateway.stats().resumed, 2);
    [(handle.id().number(), log)].into()
}

/// Gives the play to one way to take events from one shard.
fn play_with<S>(
    name: &str,
    make: impl Fn(Shard) -> S,
    take: impl AsyncFn(&mut S, &Knife) -> Option<String>,
) {
    at_every_poll_and_always(name, async |knife| {
        let bench = Bench::new();
        let shard = bench.shard();
        let handle = shard.handle();
        let mut source = make(shard);
        play(&bench, handle, async || take(&mut source, knife).await).await
    });
}

#[test]
fn next_event_loses_nothing() {
    play_with(
        "next_event",
        |shard| shard,
        async |shard, knife| knife.cut(shard.next_event()).await.map(of_event),
    );
}

#[test]
fn next_event_of_loses_nothing_of_the_set() {
    let wanted = EventFlags::READY | EventFlags::MESSAGE_DELETE;
    play_with(
        "next_event_of",
        |shard| shard,
        async |shard, knife| knife.cut(shard.next_event_of(wanted)).await.map(of_event),
    );
}

#[test]
fn next_message_loses_nothing() {
    play_with(
        "next_message",
        |shard| shard,
        async |shard, knife| knife.cut(shard.next_message()).await.map(of_message),
    );
}

#[test]
fn next_of_a_shard_loses_nothing() {
    play_with(
        "Shard as a stream",
        |shard| shard,
        async |shard, knife| {
            let item = knife.cut(shard.next()).await?;
            Some(of_event(item.unwrap().1))
        },
    );
}

#[test]
fn next_event_of_ones_own_type_loses_nothing() {
    play_with(
        "TypedShard::next_event",
        Shard::typed::<Own>,
        async |shard, knife| knife.cut(shard.next_event()).await.map(of_own),
    );
}

#[test]
fn next_message_of_ones_own_type_loses_nothing() {
    play_with(
        "TypedShard::next_message",
        Shard::typed::<Own>,
        async |shard, knife| knife.cut(shard.next_message()).await.map(of_message),
    );
}

#[test]
fn next_of_a_shard_of_ones_own_type_loses_nothing() {
    play_with(
        "TypedShard as a stream",
        Shard::typed::<Own>,
        async |shard, knife| {
            let item = knife.cut(shard.next()).await?;
            Some(of_own(item.unwrap().1))
        },
    );
}

/// Goal: what was taken of the shard is in the channel, and nothing else was taken. Method: a
/// channel with little room, so that the future is also dropped while it waits for some.
#[test]
fn forward_to_loses_nothing() {
    at_every_poll_and_always("forward_to", async |knife| {
        let bench = Bench::new();
        let mut shard = bench.shard();
        let handle = shard.handle();
        let (sender, mut items) = mpsc::channel(1);
        let forwarding = async {
            knife
                .cut_and_repeat(async || shard.forward_to(&sender).await)
                .await
                .unwrap_err();
        };
        let taking = play(&bench, handle, async || items.recv().await.map(of_event));
        tokio::join!(forwarding, taking).1
    });
}

/// What it had to say about guilds is lost, so that from then on the test takes events by itself.
#[test]
fn guilds_arrived_has_given_all_that_it_took() {
    at_every_poll("guilds_arrived", async |knife| {
        let bench = Bench::with(Gateway::builder().guilds([1, 2, 3]));
        let mut shard = bench.shard();
        let mut log = Vec::new();
        let gateway = bench.gateway.clone();
        let feed = tokio::spawn(async move {
            let ready = |record: &Record| matches!(record.act, Act::Ready { .. });
            gateway.wait_for(ready).await.unwrap();
            for guild in 1..4 {
                sleep(Duration::from_secs(10)).await;
                let data = format!(r#"{{"id":"{guild}","unavailable":true}}"#);
                gateway.send(ShardId::ONE, "GUILD_DELETE", &data).unwrap();
            }
        });
        let patience = Duration::from_mins(10);
        let arrived = shard.guilds_arrived(patience, |event| log.push(of_event(event)));
        let arrived = knife.cut(arrived).await;
        assert!(arrived.is_none_or(|arrived| arrived.unwrap().is_complete()));
        while log.len() < 5 {
            log.push(of_event(shard.next_event().await));
        }
        feed.await.unwrap();
        log
    });
}

/// Two shards, which may identify at once.
fn two(bench: &Bench) -> Vec<Shard> {
    let day = Duration::from_hours(24);
    let queue = LocalQueue::with_limits(2, 1000, 1000, day, Duration::from_secs(5));
    let config: Config<Discord> = bench
        .config()
        .queue(std::sync::Arc::new(queue))
        .build()
        .unwrap();
    let shard = |number| Shard::with_config(ShardId::new(number, 2).unwrap(), config.clone());
    vec![shard(0), shard(1)]
}

/// Gives the play to both shards of a merged stream; items are handle and text.
fn play_merged<S>(
    name: &str,
    make: impl Fn(Vec<Shard>) -> S,
    take: impl AsyncFn(&mut S, &Knife) -> Option<Option<(ShardHandle, String)>>,
) {
    at_every_poll_and_always(name, async |knife| {
        let bench = Bench::with(Gateway::builder().max_concurrency(2));
        let mut stream = make(two(&bench));
        let mut logs = Logs::new();
        loop {
            let Some(item) = take(&mut stream, knife).await else {
                continue;
            };
            let Some((handle, item)) = item else { break };
            go_on(&bench, &handle, &item).await;
            logs.entry(handle.id().number()).or_default().push(item);
        }
        assert_eq!(bench.gateway.stats().resumed, 4);
        assert!(
            logs.values()
                .all(|log| log.contains(&"end shutdown".to_owned()))
        );
        logs
    });
}

#[test]
fn next_of_many_shards_loses_nothing() {
    play_merged(
        "ShardEventStream",
        ShardEventStream::new,
        async |stream, knife| {
            let item = knife.cut(stream.next()).await?;
            Some(item.map(|(shard, event)| (shard, of_event(event))))
        },
    );
}

#[test]
fn next_with_meta_of_many_shards_loses_nothing() {
    play_merged(
        "next_with_meta",
        ShardEventStream::new,
        async |stream, knife| {
            let item = knife.cut(stream.next_with_meta()).await?;
            Some(item.map(|(shard, _, event)| (shard, of_event(event))))
        },
    );
}

#[test]
fn next_message_of_many_shards_loses_nothing() {
    play_merged(
        "ShardMessageStream",
        ShardMessageStream::new,
        async |stream, knife| {
            let item = knife.cut(stream.next()).await?;
            Some(item.map(|(shard, message)| (shard, of_message(message))))
        },
    );
}
