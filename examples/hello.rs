//! The least that a bot can be: it connects, says what comes, and leaves.
//!
//! `cargo run --example hello` needs nothing else: it starts a gateway in this very process. With
//! `DISCORD_TOKEN` set it connects to Discord, until Ctrl-C.

use std::{env, error::Error};

use shardstream::{Config, Intents, Shard, ShardId, Shutdown, discord::Event, local::Gateway};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let intents = Intents::GUILDS | Intents::GUILD_MESSAGES;
    if let Ok(token) = env::var("DISCORD_TOKEN") {
        return run(Shard::new(ShardId::ONE, token, intents), None).await;
    }
    println!("no DISCORD_TOKEN: the gateway is in this process");
    let gateway = Gateway::start().await?;
    let config = Config::builder("any token", intents).gateway_url(gateway.url());
    let shard = Shard::with_config(ShardId::ONE, config.build()?);
    run(shard, Some(gateway)).await
}

async fn run(mut shard: Shard, gateway: Option<Gateway>) -> Result<(), Box<dyn Error>> {
    loop {
        let event = tokio::select! {
            event = shard.next_event() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Ok(Event::Ready(ready)) => {
                println!("{} is there", ready.user.username);
                if let Some(gateway) = &gateway {
                    gateway.send(
                        ShardId::ONE,
                        "MESSAGE_DELETE",
                        r#"{"id":"7","channel_id":"8"}"#,
                    )?;
                }
            }
            Ok(Event::MessageDelete(deleted)) => {
                println!("message {} is gone", deleted.id);
                if gateway.is_some() {
                    break;
                }
            }
            // What is between the events too: connections, cuts, resumes.
            Ok(event) => println!("{}", event.kind().name()),
            // The shard has ended, and the error says why; all others it lives through.
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => eprintln!("{error}"),
        }
    }
    shard.shutdown(Shutdown::End).await;
    println!("goodbye");
    Ok(())
}
