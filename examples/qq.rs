//! A QQ bot that prints who writes to it: `cargo run --example qq`.
//!
//! With `QQ_APP_ID` and `QQ_CLIENT_SECRET` it connects to QQ. With none it starts a gateway in this
//! process, which sends a message, asks for a new connection as QQ does every half hour, and sends
//! another; then the bot ends.

use std::{env, error::Error as StdError};

use shardstream::{
    Config, ConfigBuilder, Notice, Shard, ShardId, Shutdown,
    local::{Dialect, Gateway, Step},
    qq::{Credentials, Event, Intents, QQ},
};

/// What every bot may have, and messages in groups and from users, for which a bot needs leave.
const INTENTS: Intents = Intents::non_privileged().union(Intents::GROUP_AND_C2C_EVENT);

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let bot = env::var("QQ_APP_ID").and_then(|id| Ok((id, env::var("QQ_CLIENT_SECRET")?)));
    if let Ok((app_id, secret)) = bot {
        run(
            Config::builder(Credentials::new(app_id, secret), INTENTS),
            |_| Ok(false),
        )
        .await
    } else {
        println!("no QQ_APP_ID and QQ_CLIENT_SECRET: the gateway is in this process");
        let gateway = Gateway::builder().platform(Dialect::Qq).start().await?;
        let config = Config::builder(Credentials::new("any", "any"), INTENTS);
        let say = |data| gateway.send(ShardId::ONE, "C2C_MESSAGE_CREATE", data);
        run(config.rest_url(gateway.rest_url()), |event| {
            match event {
                Event::Ready(_) => {
                    say(r#"{"id":"1","content":"hello","author":{"user_openid":"A1"}}"#)?;
                }
                Event::C2CMessageCreate(message) if message.id.to_string() == "1" => {
                    gateway.order(ShardId::ONE, [Step::Reconnect]);
                }
                Event::Gateway(Notice::Resumed { .. }) => {
                    say(r#"{"id":"2","content":"still there?","author":{"user_openid":"A1"}}"#)?;
                }
                Event::C2CMessageCreate(_) => return Ok(true),
                _ => {}
            }
            Ok(false)
        })
        .await
    }
}

/// Prints events until `react` has seen enough.
async fn run(
    config: ConfigBuilder<QQ>,
    react: impl Fn(&Event) -> Result<bool, Box<dyn StdError>>,
) -> Result<(), Box<dyn StdError>> {
    let mut shard = Shard::with_config(ShardId::ONE, config.build()?);
    loop {
        let event = match shard.next_event().await {
            Ok(event) => event,
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        match &event {
            Event::C2CMessageCreate(message) => println!("a user: {:?}", message.content),
            Event::GroupAtMessageCreate(message) => println!("a group: {:?}", message.content),
            Event::AtMessageCreate(message) => println!("a channel: {:?}", message.content),
            Event::Gateway(notice) => println!("({})", notice.name()),
            other => println!("{}", other.kind().name()),
        }
        if react(&event)? {
            shard.shutdown(Shutdown::End).await;
            return Ok(());
        }
    }
}
