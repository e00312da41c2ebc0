//! `tail` as the bot of QQ, against QQ's gateway over real sockets: what users see of tokens,
//! discovery and recycling. What takes longer than a moment is tested in paused time, beside the
//! shard.

use std::{process::ExitStatus, time::Duration};

use serde_json::Value;
use shardstream::{
    ShardId,
    local::{Act, Builder, Dialect, Fault, Gateway, Moment, Step},
};

use crate::process::{Program, gateway};

const APP_ID: &str = "102000007";
const SECRET: &str = crate::watch::CLIENT_SECRET;
const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qq/frames");

fn builder() -> Builder {
    crate::watch::install();
    Gateway::builder()
        .platform(Dialect::Qq)
        .credentials(APP_ID, SECRET)
}

fn tail(rest_url: &str, more: &[&str], log: &str) -> Program {
    let args = [
        "--platform",
        "qq",
        "--api-url",
        rest_url,
        "--app-id",
        APP_ID,
    ];
    let args = [&args[..], &["--client-secret", SECRET], more].concat();
    Program::start("tail", &args, log)
}

/// What `tail` said against a gateway with these faults, once it had ended by itself.
async fn ended(fault: Fault) -> (ExitStatus, Vec<Value>, Gateway) {
    let gateway = builder().start().await.unwrap();
    gateway.misbehave_always([fault]);
    let url = gateway.rest_url().to_owned();
    let (status, lines) = tokio::task::spawn_blocking(move || {
        let mut tail = tail(&url, &[], "trace");
        let (status, logs) = tail.wait();
        let shown = format!("{}\n{logs}", tail.seen.join("\n"));
        assert!(!shown.contains("CANARY"), "{shown}");
        (status, tail.values())
    })
    .await
    .unwrap();
    (status, lines, gateway)
}

fn names(lines: &[Value]) -> Vec<(&str, u64)> {
    lines
        .iter()
        .filter_map(|line| Some((line["event"].as_str()?, line["seq"].as_u64()?)))
        .collect()
}

/// Goal: every frame once, in order, whatever the order of its keys, over a cut and a recycle;
/// and neither secret nor token in any output.
#[test]
fn tail_prints_every_event_once_over_recycles_and_a_cut_and_no_secret() {
    let args = [
        "--platform",
        "qq",
        "--frames",
        FRAMES,
        "--repeat",
        "3",
        "--interval-ms",
        "5",
    ];
    let more = [
        "--cut-after",
        "30",
        "--recycle-ms",
        "400",
        "--app-id",
        APP_ID,
    ];
    let args = [&args[..], &more, &["--client-secret", SECRET]].concat();
    let (mut gateway, _, rest_url) = gateway(&args, "trace");
    let mut tail = tail(&rest_url, &[], "trace");
    let frames = std::fs::read_dir(FRAMES).expect("frames").count();
    let events = 3 * u64::try_from(frames - 2).expect("few");
    let mut seen = 0;
    tail.until(|line| {
        let name = line["event"].as_str().unwrap_or("READY");
        seen += u64::from(!["READY", "RESUMED"].contains(&name));
        seen == events
    });
    let (status, logs) = tail.terminate();
    assert!(status.success());
    let (_, gateway_logs) = gateway.terminate();
    let lines = tail.values();
    let dispatched = names(&lines);
    let seqs: Vec<_> = dispatched
        .iter()
        .filter(|(name, _)| !["READY", "RESUMED"].contains(name))
        .map(|(_, seq)| *seq)
        .collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    assert!(
        dispatched
            .iter()
            .filter(|(name, _)| *name == "RESUMED")
            .count()
            >= 2
    );
    assert!(
        lines.iter().all(|line| line.get("error").is_none()),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| line.get("typed").is_none()),
        "{lines:?}"
    );
    let summary = gateway.values().pop().expect("a summary");
    assert_eq!(summary["sent"]["identifies"], 1);
    assert_eq!(summary["sent"]["tokens"], 1);
    hold_no_secret([
        tail.seen.join("\n"),
        logs,
        gateway.seen.join("\n"),
        gateway_logs,
    ]);
}

/// Not even a part of it.
fn hold_no_secret(texts: [String; 4]) {
    for text in texts {
        for part in SECRET.as_bytes().windows(8) {
            let part = std::str::from_utf8(part).expect("ASCII");
            assert!(!text.contains(part), "{part}");
        }
        assert!(!text.contains("QQBot "), "no token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_refused_for_good_end_tail_with_what_to_look_at() {
    for (code, said) in [
        (100_016, "client secret is wrong"),
        (100_007, "abnormal state"),
        (10_004, "no such bot"),
    ] {
        let (status, lines, gateway) = ended(Fault::refuse_token(code)).await;
        assert_eq!(status.code(), Some(1));
        let line = lines.last().expect("an error line");
        assert_eq!(line["fatal"], true);
        assert_eq!(line["kind"], "credentials");
        assert!(
            line["error"].as_str().expect("text").contains(said),
            "{line}"
        );
        let counts = gateway.stats();
        assert_eq!((counts.rests, counts.connections), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fatal_close_code_ends_tail_by_its_name_after_one_identify() {
    for code in [4001, 4002, 4010, 4011, 4012, 4013, 4014, 4914, 4915] {
        let (status, lines, gateway) = ended(Fault::close_on_identify(code)).await;
        assert_eq!(status.code(), Some(1), "{code}");
        let line = lines.last().expect("an error line");
        assert_eq!(
            (&line["fatal"], &line["kind"]),
            (&true.into(), &"refused".into())
        );
        let error = line["error"].as_str().expect("text");
        assert!(error.contains(&code.to_string()), "{error}");
        assert_eq!(gateway.stats().identifies, 1, "{code}");
    }
}

/// Goal: the endpoint's faults are error lines that are not fatal, and the bot comes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_endpoint_that_fails_once_is_one_error_line() {
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
    let faults = [
        Fault::token(500, &[], "LEAK"),
        Fault::token(200, &[], "<html>LEAK"),
        Fault::refuse_token(100_001),
        Fault::at(Moment::Token, [Step::Fin]),
        Fault::at(Moment::Token, [Step::Raw(long.into_bytes()), Step::Fin]),
    ];
    for fault in faults {
        let gateway = builder().start().await.unwrap();
        gateway.misbehave_always([fault.times(1)]);
        let url = gateway.rest_url().to_owned();
        let lines = tokio::task::spawn_blocking(move || {
            let mut tail = tail(&url, &[], "");
            tail.until(|line| line["event"] == "READY");
            assert!(tail.terminate().0.success());
            tail.values()
        });
        let lines = lines.await.unwrap();
        let errors: Vec<_> = lines
            .iter()
            .filter(|line| line.get("error").is_some())
            .collect();
        assert_eq!(errors.len(), 1, "{lines:?}");
        assert_eq!(
            (&errors[0]["fatal"], &errors[0]["kind"]),
            (&false.into(), &"connect".into())
        );
        assert!(!errors[0].to_string().contains("LEAK"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_carries_a_fresh_token_and_unknown_events_their_name() {
    // Less than its margin is left of each token from the start: none is used twice.
    let gateway = builder()
        .token_lifetime(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    let url = gateway.rest_url().to_owned();
    let (program, lines) = std::sync::mpsc::channel();
    let tail = tokio::task::spawn_blocking(move || {
        let mut tail = tail(&url, &[], "");
        for event in ["READY", "NEW_THING", "RESUMED"] {
            tail.until(|line| line["event"] == event);
            program.send(event).expect("the test listens");
        }
        assert!(tail.terminate().0.success());
        tail.values()
    });
    assert_eq!(lines.recv(), Ok("READY"));
    gateway
        .send(ShardId::ONE, "NEW_THING", r#"{"a":1}"#)
        .unwrap();
    assert_eq!(lines.recv(), Ok("NEW_THING"));
    tokio::time::sleep(Duration::from_millis(250)).await;
    gateway.order(ShardId::ONE, [Step::Close(4009)]);
    let printed = tail.await.unwrap();
    let thing = printed.iter().find(|line| line["event"] == "NEW_THING");
    assert_eq!(thing.expect("printed")["typed"], false);
    let carried: Vec<_> = gateway
        .log()
        .iter()
        .filter_map(|record| match record.act {
            Act::Identify { token, .. } | Act::Resume { token, .. } => token,
            _ => None,
        })
        .collect();
    assert_eq!(carried.len(), 2);
    assert!(carried[0] < carried[1], "{carried:?}");
    let stats = gateway.stats();
    assert_eq!((stats.identifies, stats.resumed, stats.refused), (1, 1, 0));
}

#[test]
fn bad_usage_is_told_and_a_session_file_of_another_platform_is_not_used() {
    let usage = |args: &[&str]| {
        let (status, said) = Program::start("tail", args, "").wait();
        assert_eq!(status.code(), Some(2), "{args:?}");
        assert!(!said.contains("CANARY"));
        said
    };
    assert!(usage(&["--platform", "icq"]).contains("--platform"));
    assert!(usage(&["--platform", "qq"]).contains("QQ_APP_ID"));
    assert!(usage(&["--platform", "qq", "--app-id", "1"]).contains("QQ_CLIENT_SECRET"));
    let both = ["--platform", "qq", "--app-id", "1", "--token", "CANARY"];
    assert!(usage(&[&both[..], &["--client-secret", "x"]].concat()).contains("exclude"));
    assert!(usage(&["--app-id", "1", "--token", "x"]).contains("--platform qq"));
    let plain = [
        "--platform",
        "qq",
        "--app-id",
        "1",
        "--client-secret",
        "CANARY",
    ];
    let far = [&plain[..], &["--api-url", "http://example.com"]].concat();
    assert!(usage(&far).contains("rest_url"));

    let (mut gateway, _, rest_url) = gateway(&["--platform", "qq"], "");
    let path = std::env::temp_dir().join(format!("shardstream-qq-{}.json", std::process::id()));
    let theirs = r#"{"version":1,"shards":[
        {"platform":"discord","shard":[0,1],"session_id":"theirs","seq":1}]}"#;
    std::fs::write(&path, theirs).expect("a writable folder");
    let file = path.to_str().expect("UTF-8");
    let mut first = tail(&rest_url, &["--session-file", file], "");
    let refused = first.until(|line| line.get("error").is_some());
    assert_eq!(
        (&refused["kind"], &refused["fatal"]),
        (&"session_file".into(), &false.into())
    );
    first.until(|line| line["event"] == "READY");
    assert!(first.terminate().0.success());
    let text = std::fs::read_to_string(&path).expect("written at the end");
    assert!(
        text.contains(r#""platform":"qq""#) && !text.contains(SECRET),
        "{text}"
    );
    // The next start goes on where the first ended.
    let mut second = tail(&rest_url, &["--session-file", file], "");
    let resumed = second.until(|line| line.get("event").is_some());
    assert_eq!(resumed["event"], "RESUMED");
    assert!(second.terminate().0.success());
    std::fs::remove_file(&path).expect("it is there");
    gateway.terminate();
}
