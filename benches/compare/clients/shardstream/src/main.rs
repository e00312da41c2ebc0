//! This crate by its public interface: a shard, whose connection has a task of its own.

mod merge;

use std::{borrow::Cow, error::Error, hint::black_box, sync::Arc, time::Duration};

use kit::{Args, Meter, Mode, Report, Task};
use serde::Deserialize;
use shardstream::{
    Compression, Config, ConfigBuilder, EventFlags, Id, Intents, Message, Shard, ShardId,
    discord::{Discord, Event},
    own_events,
    queue::LocalQueue,
    stream,
};
use tokio::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::from_env()?;
    let report = kit::run(args.flavour, client(args.clone()));
    report.print();
    Ok(())
}

own_events! {
    enum Mine<'a> {
        Asked(Asked<'a>) = "INTERACTION_CREATE",
        Said(Said<'a>) = "MESSAGE_CREATE",
    }
}

/// Five fields of a message, borrowed where the frame allows it.
#[derive(Debug, Deserialize)]
struct Said<'a> {
    id: Id<()>,
    channel_id: Id<()>,
    guild_id: Option<Id<()>>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    timestamp: &'a str,
}

/// Five fields of an interaction.
#[derive(Debug, Deserialize)]
struct Asked<'a> {
    id: Id<()>,
    channel_id: Option<Id<()>>,
    guild_id: Option<Id<()>>,
    #[serde(rename = "type")]
    kind: u8,
    token: &'a str,
}

impl Mine<'_> {
    /// Whoever asks for fields reads them.
    fn read(&self) {
        match self {
            Self::Asked(asked) => {
                black_box((
                    &asked.id,
                    &asked.channel_id,
                    &asked.guild_id,
                    asked.kind,
                    asked.token,
                ));
            }
            Self::Said(said) => {
                let fields = (&said.id, &said.channel_id, &said.guild_id);
                black_box((fields, &said.content, said.timestamp));
            }
        }
    }
}

async fn client(args: Args) -> Report {
    match (args.task, args.mode) {
        (Task::Events, Mode::All) => typed(shard(&args, None), &args).await,
        (Task::Events, Mode::Narrowed) => {
            let wanted = EventFlags::MESSAGE_CREATE | EventFlags::INTERACTION_CREATE;
            typed(shard(&args, Some(wanted)), &args).await
        }
        (Task::Events, Mode::Own) => own(shard(&args, None), &args).await,
        (Task::Events, Mode::Raw) => raw(shard(&args, None), &args).await,
        (Task::Memory | Task::Idle, _) => many(&args).await,
        (Task::Merge, _) => merge::run(&args).await,
    }
}

fn config(args: &Args, wanted: Option<EventFlags>) -> Config<Discord> {
    let compression = match args.compression.as_str() {
        "zlib" => Compression::Zlib,
        "zstd" => Compression::Zstd,
        _ => Compression::None,
    };
    let mut builder = Config::builder("token", Intents::all())
        .gateway_url(args.gateway())
        .compression(compression)
        .queue(Arc::new(queue(args.shards)));
    if let Some(wanted) = wanted {
        builder = builder.event_flags(wanted);
    }
    builder.build().expect("a configuration")
}

/// All at once: how fast a server lets shards start is not what is measured.
fn queue(shards: u32) -> LocalQueue {
    let (day, window) = (Duration::from_hours(24), Duration::from_secs(5));
    LocalQueue::with_limits(shards.into(), 100_000, 100_000, day, window)
}

fn shard(args: &Args, wanted: Option<EventFlags>) -> Shard {
    Shard::with_config(ShardId::ONE, config(args, wanted))
}

async fn typed(mut shard: Shard, args: &Args) -> Report {
    let mut meter = Meter::new(args);
    loop {
        match shard.next_event().await {
            Ok(Event::Gateway(_)) => {}
            Ok(event) => {
                black_box(&event);
                if let Some(report) = meter.take() {
                    return report;
                }
            }
            Err(error) => fail(&mut meter, &error),
        }
    }
}

async fn own(shard: Shard, args: &Args) -> Report {
    let mut meter = Meter::new(args);
    let mut shard = shard.typed::<Mine<'_>>();
    loop {
        match shard.next_event().await {
            Ok(event) => {
                event.read();
                if let Some(report) = meter.take() {
                    return report;
                }
            }
            Err(error) => fail(&mut meter, &error),
        }
    }
}

async fn raw(mut shard: Shard, args: &Args) -> Report {
    let mut meter = Meter::new(args);
    loop {
        match shard.next_message().await {
            Ok(Message::Frame(frame)) => {
                black_box(frame.text());
                if let Some(report) = meter.take() {
                    return report;
                }
            }
            Ok(_) => {}
            Err(error) => fail(&mut meter, &error),
        }
    }
}

fn fail(meter: &mut Meter, error: &shardstream::Error) {
    assert!(!error.is_fatal(), "{error}");
    meter.fail(error);
}

/// Each shard in a task of its own, as those of the others are.
async fn many(args: &Args) -> Report {
    let config = config(args, None);
    let before_kb = kit::resident_kb();
    let (done, mut waiting) = mpsc::unbounded_channel();
    let build = |_, builder: ConfigBuilder<_>| builder.build();
    for mut shard in stream::create_range(0..args.shards, args.shards, config, build) {
        let (done, mut meter) = (done.clone(), Meter::new(args));
        tokio::spawn(async move {
            loop {
                match shard.next_event().await {
                    Ok(Event::Gateway(_)) => {}
                    Ok(event) => {
                        black_box(&event);
                        if meter.take().is_some() {
                            done.send(()).expect("somebody waits");
                        }
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    for _ in 0..args.shards {
        waiting.recv().await.expect("shards");
    }
    kit::settle(args, before_kb).await
}
