//! `tail` on `local_gateway`: what goes in comes out, once and in order.

use std::path::{Path, PathBuf};

use serde_json::Value;

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

/// The names of the dispatches of a folder's frames, in the order of the file names, without
/// those that a server makes by itself.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let name = |path: &PathBuf| {
        let frame: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).ok()?;
        Some(frame["t"].as_str()?.to_owned())
    };
    files
        .iter()
        .filter_map(name)
        .filter(|name| is_served(name))
        .collect()
}

pub(crate) fn is_served(name: &str) -> bool {
    !matches!(name, "READY" | "RESUMED")
}

fn names_of_lines(path: &str, repeat: usize) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("frames");
    let name = |line: &str| {
        let frame: Value = serde_json::from_str(line).expect("a frame a line");
        frame["t"].as_str().expect("a name").to_owned()
    };
    let once: Vec<_> = text.lines().map(name).collect();
    std::iter::repeat_n(once, repeat).flatten().collect()
}

/// The dispatches that `tail` printed: name, sequence, whether replayed.
fn dispatches(tail: &Program) -> Vec<(String, u64, bool)> {
    let dispatch = |value: Value| {
        let name = value["event"].as_str()?.to_owned();
        let replayed = value["replayed"] == true;
        Some((name, value["seq"].as_u64()?, replayed))
    };
    tail.values().into_iter().filter_map(dispatch).collect()
}

/// Serves frames to a `tail` and checks that all come out, once, in order, rightly numbered.
fn all_arrive(frames: &str, repeat: usize, expected: &[String], compression: &str, cut: bool) {
    let repeat = repeat.to_string();
    let mut args = vec!["--frames", frames, "--repeat", &repeat];
    if cut {
        args.extend(["--cut-after", "50"]);
    }
    let (mut gateway, ws, _) = gateway(&args, "warn");
    let mut tail = tail(&ws, &["--compression", compression]);
    let mut count = 0;
    tail.until(|line| {
        count += usize::from(line["event"].as_str().is_some_and(is_served));
        count == expected.len()
    });
    if cut && !tail.seen.iter().any(|line| line.contains("\"resumed\"")) {
        tail.until(|line| line["notice"] == "resumed");
    }
    let (status, stderr) = tail.terminate();
    assert!(status.success(), "{stderr}");
    let got = dispatches(&tail);
    assert_eq!(got[0], ("READY".into(), 1, false));
    for (index, (_, seq, _)) in got.iter().enumerate() {
        assert_eq!(*seq, index as u64 + 1, "sequences rise by one");
    }
    let served = got.iter().filter(|(name, ..)| is_served(name));
    let names: Vec<_> = served.map(|(name, ..)| name.clone()).collect();
    assert_eq!(names, expected);
    let replayed = got.iter().filter(|(.., replayed)| *replayed).count();
    let resumed = tail
        .seen
        .iter()
        .filter(|line| line.contains("\"resumed\""))
        .count();
    assert_eq!(resumed, usize::from(cut), "one resume for one cut");
    assert!(cut || replayed == 0);
    gateway.terminate();
}

#[test]
fn every_frame_arrives_once_and_in_order_plain_and_compressed_with_and_without_a_cut() {
    let expected = names_of_lines(FRAMES, 20);
    for compression in ["none", "zlib", "zstd"] {
        for cut in [false, true] {
            all_arrive(FRAMES, 20, &expected, compression, cut);
        }
    }
}

/// The same with frames that real servers sent, where they are at hand.
#[test]
fn every_foreign_frame_arrives_once_and_in_order() {
    let Some(folder) = std::env::var_os("SHARDSTREAM_FIXTURES") else {
        println!("skipped: SHARDSTREAM_FIXTURES names no folder of frames");
        return;
    };
    let folder = Path::new(&folder).join("discord");
    let expected = names_in(&folder);
    assert!(expected.len() > 200, "{}", expected.len());
    for compression in ["none", "zlib", "zstd"] {
        for cut in [false, true] {
            all_arrive(
                folder.to_str().expect("UTF-8"),
                1,
                &expected,
                compression,
                cut,
            );
        }
    }
    println!(
        "{} frames, none, zlib and zstd, with and without a cut",
        expected.len()
    );
}

/// Goal: a restart loses and doubles nothing. Method: a feed that goes on, SIGTERM, a new start.
#[test]
fn a_restart_with_a_session_file_resumes_behind_the_last_event_printed() {
    let folder = std::env::temp_dir().join(format!("shardstream-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("restart.session");
    let path = file.to_str().expect("UTF-8");
    let args = ["--frames", FRAMES, "--repeat", "30", "--interval-ms", "2"];
    let (mut gateway, ws, _) = gateway(&args, "warn");

    let mut first = tail(&ws, &["--session-file", path]);
    first.until(|line| line["seq"].as_u64() >= Some(60));
    assert!(first.terminate().0.success());
    let text = std::fs::read_to_string(&file).expect("a session file");
    assert!(!text.contains(&watch::TOKEN[..8]), "no token in the file");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);

    let mut second = tail(&ws, &["--session-file", path]);
    let total = names_of_lines(FRAMES, 30).len();
    let mut printed = dispatches(&first);
    let last = printed.last().expect("events").1;
    let mut served = printed.iter().filter(|(name, ..)| is_served(name)).count();
    second.until(|line| {
        served += usize::from(line["event"].as_str().is_some_and(is_served));
        served == total
    });
    assert!(second.terminate().0.success());
    printed.extend(dispatches(&second));
    for (index, (name, seq, _)) in printed.iter().enumerate() {
        assert_eq!(
            *seq,
            index as u64 + 1,
            "{name}: lost or doubled over the restart"
        );
    }
    gateway.terminate();
    let resumes: Vec<_> = gateway
        .values()
        .into_iter()
        .filter(|line| is_kind(line, "resume"))
        .collect();
    let identifies = gateway
        .values()
        .iter()
        .filter(|line| is_kind(line, "identify"))
        .count();
    assert_eq!((resumes.len(), identifies), (1, 1));
    assert_eq!(
        resumes[0]["seq"], last,
        "RESUME carries the last sequence printed"
    );
    let _ = std::fs::remove_dir_all(&folder);
}

/// Whether a line of the local gateway's log is about `kind`.
fn is_kind(line: &Value, kind: &str) -> bool {
    line["act"] == kind
}

#[test]
fn a_session_file_that_cannot_be_used_is_reported_and_the_start_is_fresh() {
    let folder = std::env::temp_dir().join(format!("shardstream-bad-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("bad.session");
    let path = file.to_str().expect("UTF-8");
    for text in [
        "",
        "{",
        "[]",
        r#"{"version":9,"shards":[]}"#,
        r#"{"version":1,"shards":[{"platform":"discord","shard":[1,1],"session_id":"x","seq":1}]}"#,
        r#"{"version":1,"shards":[{"platform":"discord","shard":[0,4],"session_id":"x","seq":1}]}"#,
        r#"{"version":1,"shards":[{"platform":"qq","shard":[0,1],"session_id":"x","seq":1}]}"#,
    ] {
        std::fs::write(&file, text).expect("writes");
        // One each, so that none has to wait for its turn to identify.
        let (mut gateway, ws, _) = gateway::<&str>(&[], "warn");
        let mut tail = tail(&ws, &["--session-file", path]);
        tail.until(|line| line["kind"] == "session_file");
        tail.until(|line| line["event"] == "READY");
        assert!(tail.terminate().0.success());
        gateway.terminate();
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn bad_usage_exits_with_2_and_help_with_0() {
    for args in [
        &["--url", "http://127.0.0.1", "--token", "x"][..],
        &["--url", "ws://example.com", "--token", "x"],
        &["--token", ""],
        &["--token", "a\nb"],
        &["--token", "x", "--compression", "lzma"],
        &["--token", "x", "--events", "cooked"],
        &["--token", "x", "--api-url", "ftp://127.0.0.1"],
        &["--token", "x", "--stall", "long"],
        &["--no-such-flag"],
        &[],
    ] {
        let (status, stderr) = Program::start("tail", args, "off").wait();
        assert_eq!(status.code(), Some(2), "{args:?}: {stderr}");
    }
    let (status, _) = Program::start("tail", &["--help"], "off").wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn raw_commands_are_sent_and_refusals_are_error_lines() {
    let (mut gateway, ws, _) = gateway::<&str>(&[], "warn");
    let mut tail = tail(&ws, &[]);
    // Before READY: queued, not refused.
    tail.say(
        r#"{"shard":0,"op":3,"d":{"since":null,"activities":[],"status":"idle","afk":false}}"#,
    );
    tail.until(|line| line["event"] == "READY");
    let long = "x".repeat(5000);
    let too_long = format!(r#"{{"shard":0,"op":4,"d":{{"x":"{long}"}}}}"#);
    for refused in [
        r#"{"shard":0,"op":1,"d":null}"#,
        r#"{"shard":0,"op":2,"d":{}}"#,
        r#"{"shard":0,"op":6,"d":{}}"#,
        r#"{"shard":7,"op":3,"d":{}}"#,
        "not json",
        &too_long,
    ] {
        tail.say(refused);
        tail.until(|line| line["kind"] == "command" && line["fatal"] == false);
    }
    gateway.until(|line| is_kind(line, "command") && line["op"] == 3);
    assert!(tail.terminate().0.success());
    gateway.terminate();
}

#[test]
fn a_fatal_close_names_its_code_and_exits_with_1() {
    let (mut gateway, ws, _) = gateway(&["--token", "right"], "warn");
    let mut tail = tail(&ws, &[]);
    let error = tail.until(|line| line["fatal"] == true);
    assert!(
        error["error"].as_str().expect("text").contains("4004"),
        "{error}"
    );
    assert_eq!(tail.wait().0.code(), Some(1));
    gateway.terminate();
}

#[test]
fn the_members_example_finds_who_is_there_and_names_who_is_not() {
    let lines = [
        "1 guilds have come, 0 have not",
        "refused: limit: 101 is not from 1 to 100",
        "2500 members, 0 not found",
        "  gull1",
        "  gull2",
        "  heron3",
        "3 members, 0 not found",
        "  heron3",
        "  heron1003",
        "  heron2003",
        "1 members, 1 not found",
        "  heron3",
    ];
    assert_eq!(printed("members"), lines);
}

#[test]
fn own_events_prints_the_fields_that_it_names() {
    let lines = [
        "connected",
        "80351110224678913 is typing",
        "ines says \"The lamp is lit. \u{c4} light in the fog \u{1f526}\"",
        "otto says \"Seen from the pier.\"",
        "otto says \"Seen from the pier, twice.\"",
        "somebody joined",
    ];
    assert_eq!(printed("own_events"), lines);
}

#[test]
fn raw_forwards_the_frames_that_it_wants() {
    let lines = [
        "seq=4 MESSAGE_CREATE: Some(\"The lamp is lit. \u{c4} light in the fog \u{1f526}\")",
        "seq=7 MESSAGE_CREATE: Some(\"Seen from the pier.\")",
        "seq=10 MESSAGE_UPDATE: Some(\"Seen from the pier, twice.\")",
        "seq=14 A_NEW_EVENT_NOBODY_KNOWS: None",
    ];
    assert_eq!(printed("raw"), lines);
}

#[test]
fn the_reshard_example_hands_over_without_losing_or_doubling_an_event() {
    let mut expected = vec![
        "two shards are ready".to_owned(),
        "four shards have taken over".to_owned(),
    ];
    for guild in [4_u64 << 22, 5 << 22, 6 << 22, 7 << 22] {
        let line = format!("guild \"{guild}\": each event once and in order: true");
        expected.push(line);
    }
    assert_eq!(printed("reshard"), expected);
}

#[test]
fn hello_says_what_comes_and_leaves() {
    let lines = [
        "no DISCORD_TOKEN: the gateway is in this process",
        "GATEWAY",
        "local is there",
        "message 7 is gone",
        "goodbye",
    ];
    assert_eq!(printed("hello"), lines);
}

#[test]
fn quickstart_loses_and_doubles_nothing_over_a_cut() {
    let lines = printed("quickstart");
    let last = "delivered=104 lost=0 doubled=0 resumes=1";
    assert_eq!(lines.last().map(String::as_str), Some(last));
}

#[test]
fn the_qq_example_hears_what_is_said_before_and_after_a_reconnect() {
    let lines = [
        "no QQ_APP_ID and QQ_CLIENT_SECRET: the gateway is in this process",
        "(connected)",
        "READY",
        "a user: Some(\"hello\")",
        "(disconnected)",
        "(connected)",
        "(resumed)",
        "RESUMED",
        "a user: Some(\"still there?\")",
    ];
    assert_eq!(printed("qq"), lines);
}

/// Status and body of the answer to a `GET`.
fn get(address: &str, path: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};

    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

#[test]
fn metrics_tells_prometheus_the_numbers_and_who_asks_whether_the_bot_is_served() {
    let mut program = Program::start::<&str>("metrics", &[], "warn");
    let line = program.line().expect("a first line");
    let address = line.strip_prefix("listening http://").expect("a url");
    let last = "shardstream_events{shard=\"0\",total=\"1\",event=\"A_NEW_EVENT_NOBODY_KNOWS\"} 1";
    let start = std::time::Instant::now();
    let text = loop {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200);
        if text.contains(last) {
            break text;
        }
        assert!(start.elapsed().as_secs() < 30, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert_eq!(get(address, "/health"), (200, "ready\n".to_owned()));
    assert_eq!(get(address, "/").0, 404);
    for line in [
        "# TYPE shardstream_ready gauge\nshardstream_ready{shard=\"0\",total=\"1\"} 1\n",
        "\nshardstream_identifies{shard=\"0\",total=\"1\"} 1\n",
        "shardstream_events{shard=\"0\",total=\"1\",event=\"MESSAGE_CREATE\"} 2\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    // Under the names that the feature of that name has.
    let known = include_str!("../../src/observe/metrics.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a kind");
        let row = known
            .lines()
            .find(|row| row.starts_with(&format!("| `{name}`")));
        assert!(
            row.is_some_and(|row| row.contains(&format!("| {kind} |"))),
            "{line}"
        );
    }
}
