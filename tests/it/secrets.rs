//! No secret in any output, whatever the log level, and no text that could leave its line.
//!
//! The logs of this whole process are looked through by `watch`, those of every program by
//! `process`. Here is what needs more than that.

mod hostile;
mod shapes;

use std::{path::Path, sync::Arc};

use shardstream::{
    Config, Intents, Shard, ShardId, Shutdown,
    local::{Dialect, Fault, Gateway, Step},
    qq,
};

use crate::{
    faults::world::{Bot, ms, scaled},
    process::{Program, gateway},
    watch,
};

/// Set where a secret is to be logged.
const LEAKS: &str = "SHARDSTREAM_LEAKS";
const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/frames/harbour.jsonl");

#[test]
fn no_output_holds_the_token_at_the_level_of_traces() {
    let args = ["--frames", FRAMES, "--repeat", "10", "--cut-after", "30"];
    let (mut gateway, ws, http) = gateway(&args, "trace");
    let args = ["--url", &ws, "--api-url", &http, "--token", watch::TOKEN];
    let mut tail = Program::start("tail", &args, "trace");
    tail.until(|line| line["notice"] == "resumed");
    tail.say("{\"op\":2,\"d\":{}}");
    tail.until(|line| line["kind"] == "command");
    let (status, logs) = tail.terminate();
    assert!(status.success());
    gateway.terminate();
    // What was looked through was there.
    for words in [
        "TRACE shard{",
        "identifying",
        "resuming",
        "connecting host=",
    ] {
        assert!(logs.contains(words), "{words}:\n{logs}");
    }
}

/// The same for a token that the server refuses, and for one that cannot be sent at all.
#[test]
fn no_error_holds_the_token() {
    let (mut gateway, ws, _) = gateway(&["--token", "right"], "trace");
    let mut tail = Program::start("tail", &["--url", &ws, "--token", watch::TOKEN], "trace");
    let (status, _) = tail.wait();
    assert_eq!(status.code(), Some(1));
    let bad = format!("{}\u{7}", watch::TOKEN);
    let (status, logs) = Program::start("tail", &["--token", &bad], "trace").wait();
    assert_eq!(status.code(), Some(2));
    assert!(logs.contains("credentials"), "{logs}");
    gateway.terminate();
}

/// Goal: the watch watches. Method: lives with a cut, a discovery and a token, after which every
/// room that logs must have been heard by the subscriber of this process.
#[tokio::test]
async fn the_logs_of_every_room_are_looked_through() {
    let gateway = Arc::new(Gateway::builder().start().await.unwrap());
    gateway.misbehave([Fault::rst_after(2)]);
    let config = Config::builder(watch::token(), Intents::GUILDS)
        .gateway_url(gateway.url())
        .limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    bot.event("READY").await;
    bot.send();
    bot.send();
    bot.event("RESUMED").await;
    bot.shard.shutdown(Shutdown::End).await;

    let gateway = Gateway::builder()
        .platform(Dialect::Qq)
        .credentials("102", watch::CLIENT_SECRET);
    let gateway = gateway.start().await.unwrap();
    let credentials = qq::Credentials::new("102", watch::CLIENT_SECRET);
    let config = Config::builder(credentials, qq::Intents::GROUP_AND_C2C_EVENT)
        .rest_url(gateway.rest_url())
        .limits(scaled())
        .build()
        .unwrap();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let ready = async { while !matches!(shard.next_event().await, Ok(qq::Event::Ready(_))) {} };
    tokio::time::timeout(ms(30_000), ready).await.unwrap();
    gateway.order_all([Step::Close(4914)]);
    let ended = async {
        while !shard
            .next_event()
            .await
            .is_err_and(|error| error.is_fatal())
        {}
    };
    tokio::time::timeout(ms(30_000), ended).await.unwrap();

    let seen = watch::seen();
    for (room, words) in watch::ROOMS {
        assert!(seen.contains(room), "{room}: {words}");
    }
}

/// What the next test is about, in a process of its own.
#[test]
#[ignore = "ends its process"]
fn a_token_is_logged() {
    if std::env::var_os(LEAKS).is_some() {
        watch::install();
        tracing::trace!(token = &watch::TOKEN[9..20], "logged");
    }
}

#[test]
fn a_part_of_a_token_in_a_log_fails_the_whole_run() {
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new(this)
        .args(["--exact", "secrets::a_token_is_logged", "--ignored"])
        .env(LEAKS, "1")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(101));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("of a secret"), "{said}");
}

/// A configuration that is made without the watch would not be looked through.
#[test]
fn every_bot_here_has_a_token_that_is_watched() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut open = vec![folder];
    let mut files = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            open.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        for call in ["Config::builder", "Config::new", "Client::new"] {
            let literal = [call, "(\""].concat();
            assert!(!text.contains(&literal), "{}: {literal}", path.display());
        }
    }
    assert!(files > 20, "{files}");
}
