//! `local_gateway --platform qq`, and who talks to it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    process::{Program, example, gateway},
    programs::{is_served, names_in},
};

/// The body of the answer to a request, which must be JSON by its header, exactly.
fn ask(http: &str, request: &str, body: &str) -> Value {
    let address = http.strip_prefix("http://").expect("plain");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let len = body.len();
    write!(stream, "{request}\r\nContent-Length: {len}\r\n\r\n{body}").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.contains("\r\nContent-Type: application/json\r\n"),
        "{head}"
    );
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn one_port_serves_the_token_the_discovery_and_the_gateway() {
    let credentials = [
        "--app-id",
        "102",
        "--client-secret",
        crate::watch::CLIENT_SECRET,
    ];
    let args = [&["--platform", "qq", "--shards", "4"], &credentials[..]].concat();
    let (mut gateway, ws, http) = gateway(&args, "trace");
    let request = "POST /app/getAppAccessToken HTTP/1.1";
    let refused = ask(&http, request, r#"{"appId":"102","clientSecret":"x"}"#);
    assert_eq!(refused["code"], 100_016);
    let body = json!({"appId": "102", "clientSecret": crate::watch::CLIENT_SECRET}).to_string();
    let given = ask(&http, request, &body);
    assert_eq!(given["expires_in"], "7200");
    let token = given["access_token"].as_str().expect("a token").to_owned();
    let request = format!("GET /gateway/bot HTTP/1.1\r\nAuthorization: QQBot {token}");
    let found = ask(&http, &request, "");
    assert_eq!(
        (&found["shards"], &found["url"]),
        (&json!(4), &json!(format!("{ws}/websocket")))
    );
    gateway.until(|line| line["act"] == "rest" && line["token"] == 1);
    let (status, stderr) = gateway.terminate();
    assert!(status.success(), "{stderr}");
    let shown = format!("{}{stderr}", gateway.seen.join("\n"));
    assert!(shown.contains("\"act\":\"token\""));
    assert!(!shown.contains(&token) && !shown.contains("CANARY"));
}

#[test]
fn bad_usage_of_the_platform_is_told() {
    for args in [["--platform", "irc"], ["--app-id", "102"]] {
        let mut program = Program::start("local_gateway", &args, "warn");
        let (status, stderr) = program.wait();
        assert_eq!(status.code(), Some(2));
        assert!(stderr.contains(args[0]), "{stderr}");
    }
}

fn tail(http: &str) -> Program {
    let args = [
        "--platform",
        "qq",
        "--api-url",
        http,
        "--app-id",
        "102",
        "--client-secret",
        crate::watch::CLIENT_SECRET,
        // All of them, as a bot with every permission has it.
        "--intents",
        "2139887107",
    ];
    Program::start("tail", &args, "warn")
}

/// Serves the frames of a folder to a `tail` and checks that each comes out once, in order and
/// rightly numbered, and gives the names of those without a type.
fn all_arrive(folder: &Path, names: &[String], more: &[&str]) -> Vec<String> {
    let frames = folder.to_str().expect("UTF-8");
    let args = [&["--platform", "qq", "--frames", frames], more].concat();
    let (mut gateway, _, http) = gateway(&args, "warn");
    let mut tail = tail(&http);
    let mut count = 0;
    tail.until(|line| {
        count += usize::from(line["event"].as_str().is_some_and(is_served));
        count == names.len()
    });
    if !more.is_empty() && !tail.seen.iter().any(|line| line.contains("\"resumed\"")) {
        tail.until(|line| line["notice"] == "resumed");
    }
    let (status, stderr) = tail.terminate();
    assert!(status.success(), "{stderr}");
    let summary = {
        assert!(gateway.terminate().0.success());
        gateway.values().pop().expect("a summary")
    };
    let sent = &summary["sent"];
    assert_eq!(
        (&sent["identifies"], &sent["refused"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        sent["resumed"].as_u64() > Some(0),
        !more.is_empty(),
        "{sent}"
    );
    let shown = format!("{}{stderr}", tail.seen.join("\n"));
    assert!(!shown.contains("CANARY") && !shown.contains("QQBot"));

    let values = tail.values();
    let dispatches: Vec<_> = (values.iter())
        .filter(|value| value["event"].is_string())
        .collect();
    for (index, dispatch) in dispatches.iter().enumerate() {
        assert_eq!(dispatch["seq"], index + 1, "{dispatch}");
    }
    let served = |value: &&&Value| value["event"].as_str().is_some_and(is_served);
    let printed: Vec<_> = dispatches.iter().filter(served).collect();
    let got: Vec<_> = printed.iter().map(|value| &value["event"]).collect();
    assert_eq!(got, names.iter().collect::<Vec<_>>());
    let untyped = printed.iter().filter(|value| value["typed"] == false);
    untyped.map(|value| value["event"].to_string()).collect()
}

/// What may happen to a connection while frames are served: nothing, a reset, an end each 300 ms.
const LIVES: [&[&str]; 3] = [
    &[],
    &["--cut-after", "50"],
    &["--recycle-ms", "300", "--interval-ms", "10"],
];

/// One frame of each event, all of which have a type.
#[test]
fn every_event_comes_out_of_tail_once_and_in_order_whatever_happens_to_the_connection() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qq/frames"));
    let names = names_in(folder);
    assert!(names.len() > 50, "{}", names.len());
    for more in LIVES {
        assert_eq!(all_arrive(folder, &names, more), [""; 0], "{more:?}");
    }
}

/// The same with frames that real servers sent or that the documentation shows, where they are at
/// hand.
#[test]
fn every_foreign_qq_frame_arrives_once_and_in_order() {
    let Some(folder) = std::env::var_os("SHARDSTREAM_FIXTURES") else {
        println!("skipped: SHARDSTREAM_FIXTURES names no folder of frames");
        return;
    };
    let folder = Path::new(&folder).join("qq");
    let names = names_in(&folder);
    assert_eq!(names.len(), 86);
    for more in LIVES {
        let untyped = all_arrive(&folder, &names, more);
        println!("{more:?}: without a type {untyped:?}");
        assert!(untyped.len() <= 4, "95 % are typed: {untyped:?}");
    }
}

/// Goal: the server is not tuned to our own client. Method: the platform's own, where
/// `SHARDSTREAM_PYTHON` names an interpreter that has it (`tests/real-clients/README.md`).
#[test]
fn the_own_client_of_the_platform_gets_every_event_and_resumes() {
    const SKIPPED: i32 = 77;
    let Some(python) = std::env::var_os("SHARDSTREAM_PYTHON") else {
        println!("skipped: SHARDSTREAM_PYTHON names no interpreter with qq-botpy");
        return;
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/real-clients/botpy_client.py"
    );
    let ran = Command::new(&python)
        .arg(script)
        .arg(example("local_gateway"))
        .output();
    let Ok(output) = ran else {
        println!("skipped: {} does not run", python.display());
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | SKIPPED)),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
