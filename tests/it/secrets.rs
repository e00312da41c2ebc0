//! No token in any output, whatever the log level.

use crate::process::{Program, gateway};

const CANARY: &str = "MTk4NjIy.CANARYq7.uVn3r-5h0wN_4nYwh3r3";
const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/frames/harbour.jsonl");

#[test]
fn no_output_holds_the_token_at_the_level_of_traces() {
    let args = ["--frames", FRAMES, "--repeat", "10", "--cut-after", "30"];
    let (mut gateway, ws, http) = gateway(&args, "trace");
    let args = ["--url", &ws, "--api-url", &http, "--token", CANARY];
    let mut tail = Program::start("tail", &args, "trace");
    tail.until(|line| line["notice"] == "resumed");
    tail.say("{\"op\":2,\"d\":{}}");
    tail.until(|line| line["kind"] == "command");
    let (status, logs) = tail.terminate();
    assert!(status.success());
    let (_, gateway_logs) = gateway.terminate();
    assert!(logs.contains("shard"), "the trace is there:\n{logs}");
    for (what, text) in [
        ("tail's output", tail.seen.join("\n")),
        ("tail's logs", logs),
        ("the gateway's output", gateway.seen.join("\n")),
        ("the gateway's logs", gateway_logs),
    ] {
        // Not even a part of it.
        for part in CANARY.as_bytes().windows(8) {
            let part = std::str::from_utf8(part).expect("ASCII");
            assert!(!text.contains(part), "{what} holds {part}");
        }
    }
}

/// The same for a token that the server refuses, and for one that cannot be sent at all.
#[test]
fn no_error_holds_the_token() {
    let (mut gateway, ws, _) = gateway(&["--token", "right"], "trace");
    let mut tail = Program::start("tail", &["--url", &ws, "--token", CANARY], "trace");
    let (status, logs) = tail.wait();
    assert_eq!(status.code(), Some(1));
    let text = format!("{}{logs}", tail.seen.join("\n"));
    assert!(!text.contains("CANARY"), "{text}");
    let bad = format!("{CANARY}\u{7}");
    let (status, logs) = Program::start("tail", &["--token", &bad], "trace").wait();
    assert_eq!(status.code(), Some(2));
    assert!(!logs.contains("CANARY"), "{logs}");
    gateway.terminate();
}
