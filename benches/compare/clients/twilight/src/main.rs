//! twilight-gateway as its documentation shows it: a shard that is polled for events.

use std::{error::Error, hint::black_box, time::Duration};

use futures::StreamExt as _;
use kit::{Args, Meter, Mode, Report, Task};
use tokio::sync::mpsc;
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Message, Shard, ShardId, StreamExt as _,
    queue::InMemoryQueue,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::from_env()?;
    // Compression is chosen when it is built.
    let built = if cfg!(feature = "zstd") {
        "zstd"
    } else if cfg!(feature = "zlib") {
        "zlib"
    } else {
        "none"
    };
    if args.compression != built {
        return Err(format!("built for {built}").into());
    }
    let provider = rustls::crypto::ring::default_provider();
    provider
        .install_default()
        .map_err(|_| "a provider is there")?;
    let report = kit::run(args.flavour, client(args.clone()));
    report.print();
    Ok(())
}

async fn client(args: Args) -> Report {
    match (args.task, args.mode) {
        (Task::Events, Mode::All) => {
            events(shards(&args).remove(0), EventTypeFlags::all(), &args).await
        }
        (Task::Events, Mode::Narrowed | Mode::Own) => {
            let wanted = EventTypeFlags::MESSAGE_CREATE | EventTypeFlags::INTERACTION_CREATE;
            events(shards(&args).remove(0), wanted, &args).await
        }
        (Task::Events, Mode::Raw) => raw(shards(&args).remove(0), &args).await,
        (Task::Memory | Task::Idle, _) => many(&args).await,
        (Task::Merge, _) => Report::default(),
    }
}

fn shards(args: &Args) -> Vec<Shard> {
    let shards = args.shards;
    // 0 is no limit: how fast a server lets shards start is not what is measured.
    let queue = InMemoryQueue::new(0, 100_000, Duration::from_hours(24), 100_000);
    let config = ConfigBuilder::new("token".to_owned(), Intents::all())
        .proxy_url(args.gateway())
        .queue(queue)
        .build();
    let id = |id| Shard::with_config(ShardId::new(id, shards), config.clone());
    (0..shards).map(id).collect()
}

/// Whether it is an event of the platform and not of the connection.
const fn is_dispatch(event: &Event) -> bool {
    !matches!(
        event,
        Event::GatewayClose(_)
            | Event::GatewayHeartbeat
            | Event::GatewayHeartbeatAck
            | Event::GatewayHello(_)
            | Event::GatewayInvalidateSession(_)
            | Event::GatewayReconnect
    )
}

async fn events(mut shard: Shard, wanted: EventTypeFlags, args: &Args) -> Report {
    let mut meter = Meter::new(args);
    while let Some(item) = shard.next_event(wanted).await {
        let event = match item {
            Ok(event) => event,
            Err(error) => {
                meter.fail(&format!("{error}: {:?}", error.source()));
                continue;
            }
        };
        if is_dispatch(black_box(&event))
            && let Some(report) = meter.take()
        {
            return report;
        }
    }
    panic!("the shard ended");
}

async fn raw(mut shard: Shard, args: &Args) -> Report {
    let mut meter = Meter::new(args);
    while let Some(item) = shard.next().await {
        match item {
            // HELLO comes in the same way.
            Ok(Message::Text(text)) if !black_box(&text).starts_with(r#"{"t":null"#) => {
                if let Some(report) = meter.take() {
                    return report;
                }
            }
            Ok(_) => {}
            Err(error) => meter.fail(&error),
        }
    }
    panic!("the shard ended");
}

/// Each shard in a task of its own, as the documentation has it.
async fn many(args: &Args) -> Report {
    let mut all = shards(args);
    let before_kb = kit::resident_kb();
    let (done, mut waiting) = mpsc::unbounded_channel();
    let count = all.len();
    for mut shard in all.drain(..) {
        let (done, mut meter) = (done.clone(), Meter::new(args));
        tokio::spawn(async move {
            while let Some(item) = shard.next_event(EventTypeFlags::all()).await {
                match item {
                    Ok(event) if is_dispatch(black_box(&event)) => {
                        if meter.take().is_some() {
                            done.send(()).expect("somebody waits");
                        }
                    }
                    Ok(_) => {}
                    Err(error) => panic!("{error}: {:?}", error.source()),
                }
            }
        });
    }
    for _ in 0..count {
        waiting.recv().await.expect("shards");
    }
    kit::settle(args, before_kb).await
}
