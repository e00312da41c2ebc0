//! Handlers over real sockets, against the local gateway.

use std::time::Duration;

use serde_json::{Value, json};
use shardstream::{
    Config, ErrorKind, Intents,
    handler::{Bot, Context},
    local::{Act, Fault, Gateway, Record},
};
use tokio::{sync::mpsc::unbounded_channel, time::timeout};

use crate::process::Program;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the page of async-discord's gateway class shows, line by line: `new`, `on` for a message
/// and for READY with their data, `run` until `stop`, `send_payload`, `seq`, `session_id`.
#[tokio::test]
async fn what_async_discord_shows_works_here() {
    let gateway = Gateway::builder().start().await.unwrap();
    // Not the 0x30001 of the page: it has the bit 17, which no intent has (close code 4013).
    let intents = Intents::GUILDS | Intents::GUILD_MESSAGES | Intents::MESSAGE_CONTENT;
    let config = Config::builder(crate::watch::token(), intents)
        .gateway_url(gateway.url())
        .build()
        .unwrap();
    let (out, mut said) = unbounded_channel();
    let (content, username) = (out.clone(), out);
    let bot = Bot::with_config(config)
        .on_as("MESSAGE_CREATE", move |_, data: Value| {
            let content = content.clone();
            async move { content.send(data["content"].to_string()).unwrap() }
        })
        .on_as("READY", move |_: Context, data: Value| {
            let username = username.clone();
            async move {
                let name = data["user"]["username"].is_string();
                username.send(format!("connected {name}")).unwrap();
            }
        });
    let handle = bot.handle();
    assert_eq!((handle.seq(), handle.session_id()), (None, None));
    let running = tokio::spawn(bot.run());
    let mut next = async || timeout(PATIENCE, said.recv()).await.unwrap().unwrap();
    assert_eq!(next().await, "connected true");
    assert_eq!(handle.seq(), Some(1));
    let session_id = handle.session_id().unwrap();
    assert!(!session_id.is_empty());

    let data = json!({"content": "ahoy", "id": "1"}).to_string();
    gateway.broadcast("MESSAGE_CREATE", &data).unwrap();
    assert_eq!(next().await, "\"ahoy\"");
    assert_eq!(handle.seq(), Some(2));

    let presence = json!({"since": null, "activities": [], "status": "idle", "afk": false});
    handle.send_payload(3, &presence).await.unwrap();
    let is_presence = |record: &Record| matches!(record.act, Act::Command { op: 3, .. });
    gateway.wait_for(is_presence).await.unwrap();
    assert_eq!(handle.session_id(), Some(session_id));

    handle.stop();
    let sessions = timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert!(sessions.is_empty(), "its session was ended");
    assert_eq!(handle.session_id(), None);
    let closed = |record: &Record| {
        matches!(
            record.act,
            Act::Close {
                code: Some(1000),
                ..
            }
        )
    };
    gateway.wait_for(closed).await.unwrap();
    let refused = handle.send_payload(3, &presence).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Command);
    assert_eq!(gateway.stats().connections, 1);
}

/// The page sleeps and tries again whatever the error is; a token that is refused is not.
#[tokio::test]
async fn a_refused_token_ends_the_run() {
    let gateway = Gateway::builder().start().await.unwrap();
    gateway.misbehave([Fault::close_on_identify(4004)]);
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .gateway_url(gateway.url())
        .build()
        .unwrap();
    let bot = Bot::with_config(config);
    let error = timeout(PATIENCE, bot.run()).await.unwrap().unwrap_err();
    assert_eq!(error.close_code(), Some(4004));
    assert_eq!(gateway.stats().connections, 1);
}

#[test]
fn the_example_says_what_its_handlers_got_in_order() {
    let mut program = Program::start::<&str>("handlers", &[], "warn");
    let (status, stderr) = program.wait();
    assert!(status.success(), "{stderr}");
    let lines = program.seen.join("\n");
    assert!(
        lines.starts_with("ready: shard [0, 1], session live\n"),
        "{lines}"
    );
    let places = [
        "TYPING_START: a handler panicked",
        "ines: ",
        "of ",
        "otto: ",
        "stopping after Some(14) events",
        "identifies=1",
    ];
    let mut rest = &*lines;
    for place in places {
        let (_, behind) = rest
            .split_once(place)
            .unwrap_or_else(|| panic!("{place}: {lines}"));
        rest = behind;
    }
    assert_eq!(program.seen.len(), 8, "{lines}");
}
