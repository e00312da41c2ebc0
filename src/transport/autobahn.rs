//! The echo client that Autobahn's fuzzing server tests: `tests/autobahn/run` starts both.

use std::{env, future::poll_fn, io::ErrorKind, time::Duration};

use tokio::time::timeout;

use super::{Connector, Read, Socket, Tls};
use crate::{limits::Limits, platform::GatewayUrl};

/// Names the fuzzing server, such as `ws://127.0.0.1:9001`.
const SERVER: &str = "SHARDSTREAM_AUTOBAHN";

/// How the reports call us.
const AGENT: &str = "shardstream";

/// The longest that one case may take: the slowest takes seconds, in a debug build.
const CASE_MAX: Duration = Duration::from_mins(1);

/// Case 9.3.1 sends 4 MiB in frames of 64 bytes, and one more. All else is as users have it.
fn limits() -> Limits {
    Limits {
        fragments_max: 1 << 17,
        ..Limits::default()
    }
}

async fn connect(path: &str, query: &str) -> Socket {
    let server = env::var(SERVER).unwrap();
    let url = GatewayUrl::configured(&format!("{server}/{path}")).unwrap();
    let connector = Connector::new(Tls::Default, None, limits());
    connector.connect(&url, query).await.unwrap()
}

/// Drives the socket as its documentation says.
async fn read(socket: &mut Socket) -> Read {
    poll_fn(|cx| {
        let _ = socket.poll_flush(cx);
        socket.poll_read(cx)
    })
    .await
}

async fn send(socket: &mut Socket, binary: bool, payload: &[u8]) {
    // A pong may be waiting in front of it.
    let flush = async |socket: &mut Socket| poll_fn(|cx| socket.poll_flush(cx)).await;
    flush(socket).await.unwrap();
    if binary {
        socket.send_binary(payload);
    } else {
        socket.send_text(payload);
    }
    flush(socket).await.unwrap();
}

/// Sends back what comes until the connection is over; how it ended, and how often it sent.
async fn echo(socket: &mut Socket) -> (Read, usize) {
    let mut sent = 0;
    loop {
        match read(socket).await {
            Read::Text(text) => send(socket, false, text.as_bytes()).await,
            Read::Binary(bytes) => send(socket, true, &bytes).await,
            over => {
                // The answer to a close frame, where it could not be written at once.
                let _ = poll_fn(|cx| socket.poll_flush(cx)).await;
                return (over, sent);
            }
        }
        sent += 1;
    }
}

/// Goal: what the peer sees of us conforms to RFC 6455 in every case that Autobahn knows. Method:
/// its usual protocol, an echo client that asks for one case after the other; the verdicts are
/// the server's, so the script reads them.
#[tokio::test]
#[ignore = "needs Autobahn's fuzzing server: tests/autobahn/run"]
async fn echoes_every_case_of_the_fuzzing_server() {
    let mut socket = connect("getCaseCount", "").await;
    let count = match read(&mut socket).await {
        Read::Text(text) => text.parse::<usize>().unwrap(),
        other => panic!("no count of cases: {other:?}"),
    };
    assert!(count > 0);
    for case in 1..=count {
        let query = format!("?case={case}&agent={AGENT}");
        let mut socket = connect("runCase", &query).await;
        let run = timeout(CASE_MAX, echo(&mut socket)).await;
        let (over, sent) = run.unwrap_or_else(|_| panic!("case {case} never ends"));
        println!("case {case}: {sent} messages, {over:?}");
        // The server is on this machine and closes in order, unless it was told not to.
        if let Read::Cut(error) = over {
            let kind = error.kind();
            let known = matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
            assert!(known, "case {case}: {error}");
        }
    }
    let mut socket = connect("updateReports", &format!("?agent={AGENT}")).await;
    let over = timeout(CASE_MAX, read(&mut socket)).await.unwrap();
    assert!(matches!(over, Read::Closed { .. }), "{over:?}");
}
