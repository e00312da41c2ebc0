//! A worker of a cluster: handles its share of the events that the nodes publish.
//!
//! `cargo run --features nats --example cluster_worker` needs `nats-server -js` and nodes
//! (`cluster_node`); `NATS_URL` names another NATS server. Start as many as you like: each event
//! goes to one of them, those of a shard in order. It needs no token: what it wants to say, such
//! as the presence below, a node says for it. Ctrl-C ends it.

use std::{
    env,
    error::Error,
    io::{IsTerminal as _, stderr},
};

use shardstream::{
    cluster::{Delivery, Worker},
    discord::{BotStatus, Discord, Event, UpdatePresence},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let logs = tracing_subscriber::fmt().with_writer(stderr);
    logs.with_ansi(stderr().is_terminal()).init();
    let mut worker = Worker::<Discord>::builder("harbour");
    if let Ok(url) = env::var("NATS_URL") {
        worker = worker.url(url);
    }
    let ended = async { drop(tokio::signal::ctrl_c().await) };
    worker.connect().await?.run_until(handle, ended).await?;
    Ok(())
}

/// The event is acknowledged when this is done, and comes again where it never is.
async fn handle(delivery: Delivery<Discord>) {
    let shard = delivery.shard();
    match delivery.event() {
        Ok(Event::MessageCreate(message)) => println!("{shard} said: {:?}", message.content),
        Ok(Event::Ready(_)) => {
            let presence = UpdatePresence::new(BotStatus::Idle);
            match delivery.commands().command(shard, &presence).await {
                Ok(()) => println!("{shard} is ready, and idle"),
                Err(error) => println!("{shard} is ready; no presence: {error}"),
            }
        }
        Ok(event) => println!("{shard} {}", event.kind().name()),
        Err(error) => println!("{shard} {error}"),
    }
}
