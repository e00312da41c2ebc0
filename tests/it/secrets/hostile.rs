//! Text that a server, a proxy or a platform chose: it stays in its field, escaped and cut.
//!
//! That no log line of this process holds any of it unescaped is what `watch` looks for; here it
//! is sent through every place where such text comes in, and what users are shown is looked at.

use std::{error::Error as _, time::Duration};

use shardstream::{
    Config, Error, Frame, Intents, Limits, Shard, ShardId,
    discord::{Discord, Event},
    local::{Dialect, Fault, Gateway, Moment, Step},
    platform::Platform,
    qq,
};
use tokio::time::timeout;

use crate::{
    faults::world::{ms, scaled},
    process::{Program, gateway},
    watch,
};

/// What would colour a terminal, forge a line, turn text around, end a text, or fill a disk.
fn corpus() -> Vec<String> {
    let short = [
        "\u{1b}[31mred\u{1b}[0m",
        "one\r\n2026-01-01T00:00:00Z ERROR forged",
        "\u{202e}desrever",
        "nul\0nul",
        "\u{9b}31m\u{7f}",
        "\"quoted\\",
    ];
    let mut all: Vec<_> = short.into_iter().map(str::to_owned).collect();
    all.push("\u{1b}]0;".repeat(16 << 10));
    all
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As much as a name of an event may have.
fn name_of(text: &str) -> String {
    text.chars().take(1000).collect()
}

/// Without bytes that end a line of HTTP.
fn line_of(text: &str) -> String {
    text.replace(['\r', '\n', '\0'], " ")
        .chars()
        .take(8000)
        .collect()
}

#[track_caller]
fn assert_plain(text: &str) {
    let is_plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    assert!(
        is_plain && text.len() < 2048,
        "{} bytes: {text:?}",
        text.len()
    );
}

/// Its message, its `Debug`, and those of all that caused it.
#[track_caller]
fn assert_plain_error(error: &Error) {
    assert_plain(&error.to_string());
    assert_plain(&format!("{error:?}"));
    let mut source = error.source();
    while let Some(cause) = source {
        assert_plain(&cause.to_string());
        source = cause.source();
    }
}

fn limits() -> Limits {
    let mut limits = scaled();
    limits.connect = ms(5000);
    limits
}

/// What the shard says up to an event of this name, its errors looked at.
async fn until<P: Platform>(shard: &mut Shard<P>, wanted: impl Fn(&P::Event) -> bool) -> usize {
    let mut errors = 0;
    let until = async {
        loop {
            match shard.next_event().await {
                Ok(event) if wanted(&event) => return,
                Ok(_) => {}
                Err(error) => {
                    errors += 1;
                    assert!(!error.is_fatal(), "{error:?}");
                    assert_plain_error(&error);
                }
            }
            assert_plain(&format!("{:?}", shard.status().last_disconnect));
        }
    };
    let end = timeout(Duration::from_secs(30), until).await;
    end.expect("it comes");
    errors
}

/// Status texts, headers and bodies of the upgrade; the session id and the resume url of READY;
/// names of events that do not decode or are not known; reasons of closes.
#[tokio::test]
async fn what_a_gateway_writes_stays_in_its_field() {
    for text in corpus() {
        let line = line_of(&text);
        let status = format!("HTTP/1.1 403 {line}\r\nX-Why: {line}\r\nContent-Length: 0\r\n\r\n");
        let gateway = Gateway::builder().start().await.unwrap();
        let refused = [Step::Raw(status.into_bytes()), Step::Fin];
        gateway.misbehave([Fault::at(Moment::Upgrade, refused)]);
        gateway.misbehave([Fault::http(500, &[("X-Why", &line)], &text)]);
        gateway.misbehave([Fault::ready_with("session_id", &json(&text))]);
        gateway.misbehave_always([Fault::ready_with("resume_gateway_url", &json(&text))]);
        let config = Config::builder(watch::token(), Intents::all())
            .gateway_url(gateway.url())
            .limits(limits())
            .build()
            .unwrap();
        let mut shard = Shard::<Discord>::with_config(ShardId::ONE, config);
        let is_ready = |event: &Event| matches!(event, Event::Ready(_));
        assert!(until(&mut shard, is_ready).await >= 2);
        gateway.broadcast(&name_of(&text), "{}").unwrap();
        let data = format!("{{\"content\":[{}]}}", json(&text));
        gateway.broadcast("MESSAGE_CREATE", &data).unwrap();
        gateway.broadcast("TEST", "1").unwrap();
        let is_test = |event: &Event| matches!(event, Event::Unknown(it) if &*it.name == "TEST");
        assert_eq!(until(&mut shard, is_test).await, 1);
        let close = Step::CloseWith {
            code: Some(4000),
            reason: text.clone(),
        };
        gateway.order_all([close]);
        let goes_on = |event: &Event| matches!(event, Event::Ready(_) | Event::Resumed(_));
        until(&mut shard, goes_on).await;
        assert_plain(&format!("{shard:?}"));
    }
}

/// Statuses, bodies and urls of the discovery, messages and tokens of the token endpoint.
#[tokio::test]
async fn what_a_rest_api_answers_stays_in_its_field() {
    for text in corpus() {
        let line = line_of(&text);
        let status = format!("HTTP/1.1 500 {line}\r\nX-Why: {line}\r\nContent-Length: 0\r\n\r\n");
        let quoted = json(&text);
        let refused = format!("{{\"code\":100001,\"message\":{quoted}}}");
        let gateway = Gateway::builder()
            .platform(Dialect::Qq)
            .credentials("102", watch::CLIENT_SECRET);
        let gateway = gateway.start().await.unwrap();
        let faults = [
            Fault::at(Moment::Token, [Step::Raw(status.into_bytes()), Step::Fin]),
            Fault::token(200, &[("X-Why", &line)], &refused),
            Fault::token_with("access_token", &quoted),
            Fault::rest(200, &[], &format!("{{\"url\":{quoted},\"shards\":1}}")),
            Fault::rest(500, &[("X-Why", &line)], &text),
        ];
        gateway.misbehave_always(faults.map(|fault| fault.times(1)));
        let credentials = qq::Credentials::new("102", watch::CLIENT_SECRET);
        let config = Config::builder(credentials, qq::Intents::GROUP_AND_C2C_EVENT)
            .rest_url(gateway.rest_url())
            .limits(limits())
            .build()
            .unwrap();
        watch::install();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        let is_ready = |event: &qq::Event| matches!(event, qq::Event::Ready(_));
        assert!(until(&mut shard, is_ready).await >= 3);
    }
}

#[test]
fn a_frame_with_a_hostile_name_is_debugged_and_refused_in_plain_ascii() {
    for text in corpus().iter().map(|text| name_of(text)) {
        let frame = format!("{{\"op\":0,\"s\":1,\"t\":{},\"d\":[]}}", json(&text));
        let frame = Frame::from_text(frame).unwrap();
        assert_plain(&format!("{frame:?}"));
        assert_eq!(frame.event_name().as_deref(), Some(&*text));
        let error = frame.parse::<u64>().unwrap_err();
        assert_eq!(error.event_name(), Some(&*text));
        assert_plain_error(&error);
    }
}

/// A terminal that `tail` prints to is not the server's to control.
#[test]
fn tail_prints_hostile_names_in_ascii_that_reads_as_they_are() {
    let file = format!("shardstream-hostile-{}.jsonl", std::process::id());
    let path = std::env::temp_dir().join(file);
    let names: Vec<_> = corpus().iter().map(|text| name_of(text)).collect();
    let frames: Vec<_> = names
        .iter()
        .map(|text| format!("{{\"op\":0,\"t\":{},\"d\":{{}}}}\n", json(text)))
        .collect();
    std::fs::write(&path, frames.concat()).unwrap();
    let args = ["--frames", path.to_str().unwrap()];
    let (mut gateway, ws, _) = gateway(&args, "trace");
    let args = ["--url", &ws, "--token", watch::TOKEN];
    let mut tail = Program::start("tail", &args, "trace");
    for name in names {
        tail.until(|line| line["event"] == *name);
    }
    tail.terminate();
    for line in &tail.seen {
        assert!(
            line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{line:?}"
        );
    }
    gateway.terminate();
    std::fs::remove_file(&path).unwrap();
}
