//! `local_gateway --platform qq`, and who talks to it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};

use crate::process::{Program, example, gateway};

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
    let credentials = ["--app-id", "102", "--client-secret", "CANARY"];
    let args = [&["--platform", "qq", "--shards", "4"], &credentials[..]].concat();
    let (mut gateway, ws, http) = gateway(&args, "trace");
    let request = "POST /app/getAppAccessToken HTTP/1.1";
    let refused = ask(&http, request, r#"{"appId":"102","clientSecret":"x"}"#);
    assert_eq!(refused["code"], 100_016);
    let body = json!({"appId": "102", "clientSecret": "CANARY"}).to_string();
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
