//! Who is in my guilds? Waits for the guilds, sets a presence, and asks for members.
//!
//! `cargo run --example members` asks a gateway in this very process. With `DISCORD_TOKEN` set it
//! asks Discord, as a bot that has the intent `GUILD_MEMBERS`, for the first guild of the shard.

use std::{env, error::Error, time::Duration};

use futures::StreamExt as _;
use serde_json::json;
use shardstream::{
    Config, Id, Intents, Shard, ShardId, Shutdown,
    discord::{BotActivity, BotStatus, Event, RequestGuildMembers, UpdatePresence, model::Guild},
    local::{self, Feed, Gateway},
};

const HARBOUR: u64 = 700_000_000_000_000_001;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gateway = harbour()?.start().await?;
    let (token, url) = match env::var("DISCORD_TOKEN") {
        Ok(token) => (token, "wss://gateway.discord.gg"),
        Err(_) => ("any token".to_owned(), gateway.url()),
    };
    let config = Config::builder(token, Intents::GUILDS | Intents::GUILD_MEMBERS)
        .gateway_url(url)
        .build()?;
    let mut shard = Shard::with_config(ShardId::ONE, config);

    let mut first: Option<Id<Guild>> = None;
    let arrivals = shard.guilds_arrived(Duration::from_secs(15), |event| {
        if let Ok(event @ Event::GuildCreate(_)) = event {
            first = first.or_else(|| event.guild_id());
        }
    });
    let arrivals = arrivals.await?;
    println!(
        "{} guilds have come, {} have not",
        arrivals.arrived(),
        arrivals.missing().len()
    );

    // Events go on being taken beside what follows, which all works by the handle.
    let handle = shard.handle();
    let events = tokio::spawn(async move { while shard.next().await.is_some() {} });
    let looking = BotActivity::watching("the tide");
    let presence = UpdatePresence::new(BotStatus::Idle).activity(looking);
    handle.sender().command(&presence).await?;

    let guild = first.ok_or("this shard has no guild")?;
    // What Discord would refuse cannot be built.
    if let Err(refused) = RequestGuildMembers::query(guild, "her", 101) {
        println!("refused: {refused}");
    }
    for request in [
        RequestGuildMembers::all(guild),
        RequestGuildMembers::query(guild, "her", 10)?,
        RequestGuildMembers::users(guild, [Id::new(3), Id::new(40_000)])?,
    ] {
        let found = handle.request_members(request).await?;
        println!(
            "{} members, {} not found",
            found.members.len(),
            found.not_found.len()
        );
        for member in found.members.iter().take(3) {
            println!(
                "  {}",
                member.user.as_ref().map_or("", |user| &user.username)
            );
        }
    }
    handle.shutdown(Shutdown::End).await;
    Ok(events.await?)
}

/// A gateway with one guild of 2,500 invented members.
fn harbour() -> Result<local::Builder, local::BadEvent> {
    let member = |n: u64| {
        let name = if n % 1000 == 3 {
            format!("heron{n}")
        } else {
            format!("gull{n}")
        };
        json!({"roles": [], "joined_at": null, "deaf": false, "mute": false, "flags": 0, "user": {
            "id": n.to_string(), "username": name, "discriminator": "0", "avatar": null
        }})
    };
    let members: Vec<_> = (1..=2500).map(member).collect();
    let guild = json!({"id": HARBOUR.to_string(), "name": "Harbour", "owner_id": "3",
        "verification_level": 0, "default_message_notifications": 0,
        "explicit_content_filter": 0, "mfa_level": 0});
    let guild = local::Event::new("GUILD_CREATE", guild.to_string())?;
    let builder = Gateway::builder()
        .guilds([HARBOUR])
        .members(HARBOUR, members);
    Ok(builder.feed(Feed::new([guild])))
}
