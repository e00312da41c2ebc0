//! `tail` with many shards, on `local_gateway` or one in the process of the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};
use shardstream::{
    ShardId,
    local::{Fault, Gateway, Step},
};

use crate::{
    process::{Program, gateway, printed},
    watch,
};

const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/frames/harbour.jsonl");

fn tail(url: &str, more: &[&str]) -> Program {
    let mut args = vec!["--url", url, "--token", watch::TOKEN];
    args.extend(more);
    Program::start("tail", &args, "warn")
}

/// A file of this test, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("shardstream-sets-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Reads lines until every one of these shards has printed `wanted`; which they are.
fn until_each(tail: &mut Program, shards: usize, wanted: impl Fn(&Value) -> bool) -> BTreeSet<u64> {
    let mut done = BTreeSet::new();
    tail.until(|line| {
        if wanted(line) {
            done.insert(line["shard"].as_u64().unwrap());
        }
        done.len() == shards
    });
    done
}

fn is_ready(line: &Value) -> bool {
    line["event"] == "READY"
}

/// The shards of the records of one act in the log of `local_gateway`, in order.
fn shards_that(gateway: &Program, act: &str) -> Vec<Value> {
    let records = gateway.values().into_iter();
    let records = records.filter(|record| record["act"] == act);
    records.map(|mut record| record["shard"].take()).collect()
}

#[test]
fn auto_starts_as_many_as_the_platform_recommends_and_each_takes_its_commands() {
    let (mut gateway, ws, http) = gateway(&["--shards", "5", "--max-concurrency", "5"], "warn");
    let mut tail = tail(&ws, &["--api-url", &http, "--shards", "auto"]);
    let ready = until_each(&mut tail, 5, is_ready);
    assert_eq!(ready, (0..5).collect());

    let idle = json!({"since": null, "activities": [], "status": "idle", "afk": false});
    tail.say(&json!({"shard": 3, "op": 3, "d": idle}).to_string());
    gateway.until(|record| record["act"] == "command" && record["shard"] == json!([3, 5]));
    tail.say(&json!({"shard": 5, "op": 3, "d": idle}).to_string());
    tail.until(|line| line["kind"] == "command" && line["shard"] == 5);

    let (status, stderr) = tail.terminate();
    assert!(status.success(), "{stderr}");
    assert!(tail.values().iter().all(|line| line["shard"].is_u64()));
    gateway.terminate();
    assert_eq!(shards_that(&gateway, "rest").len(), 1);
    assert_eq!(shards_that(&gateway, "identify").len(), 5);
    assert_eq!(shards_that(&gateway, "command"), [json!([3, 5])]);
    let records = gateway.values();
    let closes: Vec<_> = records
        .iter()
        .filter(|line| line["act"] == "close")
        .collect();
    assert_eq!(closes.len(), 5);
    assert!(
        closes.iter().all(|close| close["code"] == 1000),
        "{closes:?}"
    );
}

#[test]
fn auto_with_a_refused_token_is_one_fatal_line() {
    let (mut gateway, ws, http) = gateway(&["--token", "right"], "warn");
    let mut tail = tail(&ws, &["--api-url", &http, "--shards", "auto"]);
    let (status, _) = tail.wait();
    assert_eq!(status.code(), Some(1));
    let lines = tail.values();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fatal"], true);
    assert_eq!(lines[0]["kind"], "credentials");
    gateway.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_asks_again_when_the_platform_cannot_say_now() {
    let gateway = Gateway::builder().shards(2).max_concurrency(2);
    let gateway = gateway.start().await.unwrap();
    gateway.misbehave_always([Fault::rest(503, &[], "").times(1)]);
    let auto = ["--api-url", gateway.rest_url(), "--shards", "auto"];
    let mut tail = tail(gateway.url(), &auto);
    let first: Value = serde_json::from_str(&tail.line().unwrap()).unwrap();
    assert_eq!(
        (&first["shard"], &first["fatal"]),
        (&json!(0), &json!(false))
    );
    assert!(first["error"].as_str().unwrap().contains("503"), "{first}");
    until_each(&mut tail, 2, is_ready);
    assert!(tail.terminate().0.success());
    assert_eq!(gateway.stats().rests, 2);
}

/// What `tail` printed of each shard, to which is added what the next run prints.
#[derive(Default)]
struct Printed(BTreeMap<u64, Vec<u64>>);

impl Printed {
    fn add(&mut self, tail: &Program) {
        for line in tail.values() {
            if line["event"].is_string() {
                let shard = line["shard"].as_u64().unwrap();
                let seqs = self.0.entry(shard).or_default();
                seqs.push(line["seq"].as_u64().unwrap());
            }
        }
    }
}

/// Goal: restarts of eight shards lose and double nothing, and identify nobody. Method: a feed
/// that goes on, two SIGTERMs, and from READY on every sequence of each shard over all three runs.
#[test]
fn a_restart_of_eight_shards_resumes_eight_and_loses_or_doubles_nothing() {
    let file = Scratch::new("restart");
    let rounds = 20;
    let total = fs::read_to_string(FRAMES).unwrap().lines().count() as u64 * rounds;
    let rounds = rounds.to_string();
    let feed = [
        "--frames",
        FRAMES,
        "--repeat",
        &rounds,
        "--interval-ms",
        "4",
    ];
    let limits = ["--shards", "8", "--max-concurrency", "8"];
    let (mut gateway, ws, http) = gateway(&[&feed[..], &limits].concat(), "warn");
    let mut printed = Printed::default();

    // As many as are recommended, because only who asks learns that they may all start at once.
    let session_file = ["--session-file", file.path()];
    let auto = ["--api-url", &http, "--shards", "auto"];
    let mut first = tail(&ws, &[&session_file[..], &auto].concat());
    until_each(&mut first, 8, |line| line["seq"].as_u64() >= Some(40));
    assert!(first.terminate().0.success());
    printed.add(&first);

    let eight = [&session_file[..], &["--shards", "8"]].concat();
    let mut second = tail(&ws, &eight);
    until_each(&mut second, 8, |line| line["seq"].as_u64() >= Some(100));
    assert!(second.terminate().0.success());
    printed.add(&second);
    let text = fs::read_to_string(&file.0).unwrap();
    assert!(!text.contains(&watch::TOKEN[..8]), "no token in the file");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.0.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let mut third = tail(&ws, &eight);
    // A shard has everything when its resumes and READY are counted, too; so the names are.
    let served = |line: &Value| {
        let name = line["event"].as_str();
        name.is_some_and(|name| !matches!(name, "READY" | "RESUMED"))
    };
    let mut missing = 8 * total;
    for tail in [&first, &second] {
        missing -= tail.values().iter().filter(|line| served(line)).count() as u64;
    }
    third.until(|line| {
        missing -= u64::from(served(line));
        missing == 0
    });
    assert!(third.terminate().0.success());
    printed.add(&third);

    for (shard, seqs) in &printed.0 {
        let whole: Vec<_> = (1..=seqs.len() as u64).collect();
        assert_eq!(*seqs, whole, "shard {shard} lost or doubled something");
    }
    assert_eq!(printed.0.len(), 8);
    gateway.terminate();
    assert_eq!(shards_that(&gateway, "identify").len(), 8);
    assert_eq!(shards_that(&gateway, "resume").len(), 16);
    assert_eq!(shards_that(&gateway, "resumed").len(), 16);
}

#[test]
fn a_range_of_shards_is_half_open_and_another_number_of_shards_starts_fresh() {
    let file = Scratch::new("range");
    let (mut gateway, ws, http) = gateway(&["--shards", "8", "--max-concurrency", "8"], "warn");
    let session_file = ["--session-file", file.path()];
    let auto = ["--api-url", &http, "--shards", "auto"];
    let mut all = tail(&ws, &[&session_file[..], &auto].concat());
    until_each(&mut all, 8, is_ready);
    assert!(all.terminate().0.success());

    // By their sessions, so that the second need not wait five seconds for its turn.
    let mut two = tail(&ws, &[&session_file[..], &["--shards", "2..4/8"]].concat());
    let went_on = until_each(&mut two, 2, |line| line["event"] == "RESUMED");
    assert_eq!(went_on, [2, 3].into());
    assert!(two.terminate().0.success());

    gateway.terminate();
    let mut resumes = shards_that(&gateway, "resume");
    resumes.sort_by_key(Value::to_string);
    assert_eq!(resumes, [json!([2, 8]), json!([3, 8])]);
    assert_eq!(shards_that(&gateway, "identify").len(), 8);

    // A gateway of its own, where nobody has identified in the last five seconds.
    let (mut gateway, ws, _) = crate::process::gateway::<&str>(&[], "warn");
    let mut other = tail(&ws, &[&session_file[..], &["--shards", "3..4/4"]].concat());
    let first: Value = serde_json::from_str(&other.line().unwrap()).unwrap();
    assert_eq!(
        (&first["kind"], &first["shard"]),
        (&json!("session_file"), &json!(3))
    );
    other.until(is_ready);
    assert!(other.terminate().0.success());
    gateway.terminate();
    assert_eq!(shards_that(&gateway, "identify"), [json!([3, 4])]);
    assert!(shards_that(&gateway, "resume").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_shard_is_a_line_and_the_exit_is_1_when_all_have_ended() {
    let builder = Gateway::builder().shards(2).max_concurrency(2);
    let gateway = builder
        .identify_window(Duration::ZERO)
        .start()
        .await
        .unwrap();
    let shard = |number| ShardId::new(number, 2).unwrap();
    for events in ["typed", "raw"] {
        let auto = ["--api-url", gateway.rest_url(), "--shards", "auto"];
        let mut tail = tail(gateway.url(), &[&auto[..], &["--events", events]].concat());
        until_each(&mut tail, 2, is_ready);
        assert_eq!(gateway.order(shard(0), [Step::Close(4014)]), 1);
        tail.until(|line| line["shard"] == 0 && line["fatal"] == true);
        gateway.send(shard(1), "GO_ON", "{}").unwrap();
        tail.until(|line| line["shard"] == 1 && line["event"] == "GO_ON");
        // The shard that has ended takes no commands, which is an answer and not the end.
        tail.say(r#"{"shard":0,"op":3,"d":{}}"#);
        tail.until(|line| line["shard"] == 0 && line["error"].is_string());
        assert_eq!(gateway.order(shard(1), [Step::Close(4014)]), 1);
        tail.until(|line| line["shard"] == 1 && line["fatal"] == true);
        assert_eq!(tail.wait().0.code(), Some(1), "{events}");
    }
}

#[test]
fn shards_that_cannot_be_are_bad_usage() {
    for shards in [
        "0", "-1", "x", "", "65537", "1..2", "4..4/8", "5..4/8", "2..9/8", "0..1/0",
    ] {
        let args = ["--token", watch::TOKEN, "--shards", shards];
        let (status, stderr) = Program::start("tail", &args, "off").wait();
        assert_eq!(status.code(), Some(2), "{shards:?}: {stderr}");
    }
}

#[test]
fn sharded_starts_what_is_recommended_and_merges_what_comes() {
    let events: Vec<_> = (0..8).map(|shard| format!("{shard}: 13")).collect();
    let lines = [
        "8 shards; all can be there in 200ms".to_owned(),
        "8 of 8 are ready".to_owned(),
        format!("events by shard: {{{}}}", events.join(", ")),
        "8 identifies, 0 resumes".to_owned(),
    ];
    assert_eq!(printed("sharded"), lines);
}

#[test]
fn resume_after_restart_loses_and_doubles_nothing() {
    let lines = [
        "0 of 2 shards have a session",
        "2 of 2 shards have a session",
        "shard 0: events 1 to 41, each once: true",
        "shard 1: events 1 to 41, each once: true",
        "2 identifies, 2 resumes",
    ];
    assert_eq!(printed("resume_after_restart"), lines);
}
