//! Proxies that answer byte by byte, refuse, stall, or are none.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{Error, ErrorKind},
    limits::Limits,
    platform::GatewayUrl,
    transport::{
        Connector, Dial, Proxy, Read, Tls,
        http::{HttpUrl, Request},
        tests::{Pipes, authority, first_read, serve},
    },
};

const HTTP: &str = "http://CANARY:CANARY@127.0.0.1:3128";
const SOCKS: &str = "socks5://CANARY:CANARY@127.0.0.1:1080";

/// What a fake proxy says after it heard so much.
type Line = (usize, Vec<u8>);

/// A connector whose only proxy talks by `lines`, `step` bytes at a time, and then does as
/// `behind` says.
fn talking<F>(
    proxy: impl Into<Proxy>,
    lines: Vec<Line>,
    step: usize,
    behind: impl FnOnce(DuplexStream) -> F + Send + 'static,
) -> (Connector, JoinHandle<(String, u16, Vec<u8>)>)
where
    F: Future<Output = ()> + Send,
{
    let (pipes, mut dialled) = mpsc::unbounded_channel();
    let pipes: Arc<dyn Dial> = Arc::new(Pipes(pipes));
    let connector = Connector::new(Tls::Default, Some(pipes), Limits::default());
    let heard = tokio::spawn(async move {
        let (host, port, mut stream) = dialled.recv().await.unwrap();
        let mut heard = Vec::new();
        for (len, answer) in lines {
            let until = heard.len() + len;
            while heard.len() < until {
                heard.push(stream.read_u8().await.unwrap());
            }
            for piece in answer.chunks(step) {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        behind(stream).await;
        (host, port, heard)
    });
    (connector.through(Some(proxy.into())), heard)
}

fn connect_request(target: &str, credentials: &str) -> String {
    format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: shardstream/{}\r\n{credentials}\
         \r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The lengths of what is asked of a proxy at [`HTTP`] and [`SOCKS`] for `ws://localhost:9`.
fn http_len() -> usize {
    let credentials = "Proxy-Authorization: Basic Q0FOQVJZOkNBTkFSWQ==\r\n";
    connect_request("localhost:9", credentials).len()
}

const METHODS_LEN: usize = 4;
const PASSWORD_LEN: usize = 15;
const PLACE_LEN: usize = 16;

fn target() -> GatewayUrl {
    GatewayUrl::configured("ws://localhost:9").unwrap()
}

/// What comes of a proxy that says this.
async fn refusal(proxy: &str, lines: Vec<Line>, step: usize) -> Error {
    let (connector, heard) = talking(proxy, lines, step, |stream| async { drop(stream) });
    let refused = connector.connect(&target(), "").await.unwrap_err();
    heard.await.unwrap();
    assert_eq!((refused.status, refused.retry_after), (None, None));
    let shown = format!("{:?} {}", refused.error, refused.error);
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(!shown.contains("LEAK"), "{shown}");
    refused.error
}

#[tokio::test]
async fn connect_names_the_target_and_the_user_and_the_stream_is_the_way_then() {
    for (proxy, credentials) in [
        ("http://127.0.0.1:3128", ""),
        (
            "http://us%C3%A9r:p%3Aw@127.0.0.1:3128",
            "Proxy-Authorization: Basic dXPDqXI6cDp3\r\n",
        ),
    ] {
        for answer in [
            "HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n",
            "HTTP/1.1 204 \r\nContent-Length: 7\r\n\r\n",
        ] {
            for step in [1, 1 << 10] {
                let request = connect_request("localhost:9", credentials);
                let lines = vec![(request.len(), answer.into())];
                let (connector, heard) = talking(proxy, lines, step, serve);
                let mut socket = connector.connect(&target(), "").await.unwrap();
                let read = first_read(&mut socket).await;
                assert!(matches!(read, Read::Text(text) if text == "hello"));
                drop(socket);
                let (host, port, heard) = heard.await.unwrap();
                assert_eq!((&*host, port), ("127.0.0.1", 3128));
                assert_eq!(String::from_utf8(heard).unwrap(), request);
            }
        }
    }
}

#[tokio::test]
async fn socks_names_the_target_as_it_is_written_and_the_stream_is_the_way_then() {
    let v6 = [&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 9]].concat();
    for (target, place) in [
        (
            "ws://localhost:9",
            b"\x05\x01\0\x03\x09localhost\0\x09".to_vec(),
        ),
        ("ws://127.0.0.1:9", vec![5, 1, 0, 1, 127, 0, 0, 1, 0, 9]),
        ("ws://[::1]:9", v6),
    ] {
        for bound in [
            &[1, 0, 0, 0, 0, 0, 0][..],
            b"\x03\x03abc\0\0",
            &[&[4][..], &[0; 18]].concat(),
        ] {
            let found = [&[5, 0, 0], bound].concat();
            for (proxy, hello) in [
                ("socks5://127.0.0.1", vec![(3, vec![5, 0])]),
                (SOCKS, vec![(METHODS_LEN, vec![5, 0])]),
                (
                    SOCKS,
                    vec![(METHODS_LEN, vec![5, 2]), (PASSWORD_LEN, vec![1, 0])],
                ),
            ] {
                let mut lines = hello.clone();
                lines.push((place.len(), found.clone()));
                let (connector, heard) = talking(proxy, lines, 1, serve);
                let url = GatewayUrl::configured(target).unwrap();
                let mut socket = connector.connect(&url, "").await.unwrap();
                let read = first_read(&mut socket).await;
                assert!(matches!(read, Read::Text(text) if text == "hello"));
                drop(socket);
                let (host, port, heard) = heard.await.unwrap();
                assert_eq!((&*host, port), ("127.0.0.1", 1080));
                let asked = match (proxy, hello.len()) {
                    (SOCKS, 2) => b"\x05\x02\0\x02\x01\x06CANARY\x06CANARY".to_vec(),
                    (SOCKS, _) => vec![5, 2, 0, 2],
                    _ => vec![5, 1, 0],
                };
                assert_eq!(heard, [asked, place.clone()].concat());
            }
        }
    }
}

#[tokio::test]
async fn an_http_proxy_that_refuses_or_is_none_is_named_with_what_it_did() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>LEAK</html>";
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "LEAK".repeat(1 << 13));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "LEAK: x\r\n".repeat(101));
    for (answer, why) in [
        (
            "HTTP/1.1 403 LEAK\r\n\r\n<html>LEAK",
            "it refused: HTTP status 403",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nRetry-After: 9\r\n\r\n",
            "it refused: HTTP status 502",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://LEAK\r\n\r\n",
            "it refused: HTTP status 302",
        ),
        (
            "HTTP/1.1 407 LEAK\r\nProxy-Authenticate: Basic realm=\"LEAK\"\r\n\r\n",
            "it refuses user and password",
        ),
        ("HTTP/1.1 401 x\r\n\r\n", "it refuses user and password"),
        ("<html>LEAK</html>\r\n\r\n", "its answer is not HTTP; "),
        ("\x05\u{1}LEAK\r\n\r\n", "its answer is not HTTP; "),
        ("HTTP/1.1 200 OK\r\nLEAK", "it hung up before"),
        ("", "it hung up before"),
        (&long, "its answer is too long"),
        (&many, "its answer has too many headers"),
    ] {
        for step in [1, 1 << 20] {
            let lines = vec![(http_len(), answer.into())];
            let error = refusal(HTTP, lines, step).await;
            assert_eq!(error.kind(), ErrorKind::Proxy);
            let start = "no connection to localhost port 9 through the proxy \
                         http://127.0.0.1:3128: proxy handshake: ";
            let said = error.to_string();
            let cause = said.strip_prefix(start).unwrap_or_else(|| panic!("{said}"));
            assert!(cause.starts_with(why), "{said}");
        }
    }
    // All at once it is no answer to CONNECT; in pieces it is one, and then no gateway.
    let error = refusal(HTTP, vec![(http_len(), page.into())], 1 << 20).await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.to_string().contains("more than an answer"), "{error}");
    let error = refusal(HTTP, vec![(http_len(), page.into())], 1).await;
    assert!(
        error.to_string().contains("through the proxy http://127"),
        "{error}"
    );
    // Without credentials the proxy is not told to have refused any.
    let asks = "HTTP/1.1 407 x\r\n\r\n";
    let len = connect_request("localhost:9", "").len();
    let error = refusal("127.0.0.1:3128", vec![(len, asks.into())], 1).await;
    assert!(error.to_string().ends_with("none are set"), "{error}");
}

#[tokio::test]
async fn a_socks_proxy_that_refuses_or_is_none_is_named_with_what_it_did() {
    let place = |answer: &[u8]| vec![(METHODS_LEN, vec![5, 0]), (PLACE_LEN, answer.to_vec())];
    for (lines, why) in [
        (
            vec![(METHODS_LEN, vec![5, 0xff])],
            "it refuses user and password",
        ),
        (
            vec![(METHODS_LEN, vec![5, 2]), (PASSWORD_LEN, vec![1, 1])],
            "it refuses user and password",
        ),
        (vec![(METHODS_LEN, vec![5, 1])], "its answer is not SOCKS5"),
        (vec![(METHODS_LEN, vec![4, 0])], "its answer is not SOCKS5"),
        (
            vec![(METHODS_LEN, b"HTTP/1.1 400 LEAK\r\n\r\n".to_vec())],
            "its answer is not SOCKS5; is it an HTTP proxy?",
        ),
        (vec![(METHODS_LEN, vec![5])], "it hung up before"),
        (vec![(METHODS_LEN, vec![])], "it hung up before"),
        (place(&[5, 2, 0, 1]), "it refused: Connection not allowed"),
        (place(&[5, 4, 0, 1]), "it refused: Host unreachable"),
        (place(&[5, 5, 0, 1]), "it refused: Connection refused"),
        (place(&[5, 99, 0, 1]), "its answer is not SOCKS5"),
        (place(&[5, 0, 0, 9]), "its answer is not SOCKS5"),
        (place(&[5, 0, 0, 1, 0, 0]), "it hung up before"),
        (place(b"\x05\0\0\x03\x02\xff\xff\0\0"), "its answer is not"),
    ] {
        let error = refusal(SOCKS, lines, 1).await;
        assert_eq!(error.kind(), ErrorKind::Proxy);
        let start = "no connection to localhost port 9 through the proxy socks5h://127.0.0.1:1080: \
                     proxy handshake: ";
        let said = error.to_string();
        let cause = said.strip_prefix(start).unwrap_or_else(|| panic!("{said}"));
        assert!(cause.starts_with(why), "{said}");
    }
    for answer in [[5, 0xff], [5, 2]] {
        let error = refusal("socks5://127.0.0.1:1080", vec![(3, answer.to_vec())], 1).await;
        assert!(error.to_string().ends_with("none are set"), "{error}");
    }
}

/// Goal: whatever a proxy says, it is an error in time. Method: answers by chance, many of them
/// right for a while.
#[tokio::test(start_paused = true)]
async fn what_a_proxy_says_by_chance_is_an_error_or_a_way() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let starts: [&[u8]; 7] = [
        b"",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nA: ",
        &[5],
        &[5, 0],
        &[5, 0, 5, 0, 0, 3],
        &[5, 2, 1, 0, 5, 0, 0],
    ];
    for _ in 0..2000 {
        let mut answer = chance.choice(starts).unwrap_or_default().to_vec();
        for _ in 0..chance.usize(..40) {
            answer.push(*chance.choice(b"\0\x01\x03\x05\r\n: aH\xff").unwrap());
        }
        let proxy = *chance.choice(&[HTTP, SOCKS]).unwrap();
        let (connector, _heard) = talking(proxy, vec![(1, answer)], 3, |stream| async {
            drop(stream);
        });
        let result = timeout(Duration::from_secs(11), connector.connect(&target(), "")).await;
        assert!(result.unwrap().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_stalls_or_dribbles_is_given_up_after_ten_seconds_and_named() {
    for (proxy, dribble, step) in [
        (HTTP, false, "proxy handshake"),
        (HTTP, true, "proxy handshake"),
        (SOCKS, false, "proxy handshake"),
        (
            "https://CANARY:CANARY@127.0.0.1:3128",
            false,
            "TLS handshake with the proxy",
        ),
    ] {
        let stall = move |mut stream: DuplexStream| async move {
            while dribble && stream.write_all(b"H").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        for over_http in [false, true] {
            let (client, _) = authority(&["localhost"]);
            let (pipes, mut dialled) = mpsc::unbounded_channel();
            let pipes: Arc<dyn Dial> = Arc::new(Pipes(pipes));
            let tls = Tls::Custom(client);
            let connector = Connector::new(tls, Some(pipes), Limits::default());
            let connector = connector.through(Some(proxy.into()));
            tokio::spawn(async move { stall(dialled.recv().await.unwrap().2).await });
            let start = Instant::now();
            let error = if over_http {
                let base = HttpUrl::parse("http://localhost:9/api").unwrap();
                let request = Request {
                    method: Method::GET,
                    path: "/gateway/bot",
                    headers: &[],
                    body: Bytes::new(),
                };
                connector.request(&base, &request).await.unwrap_err()
            } else {
                connector.connect(&target(), "").await.unwrap_err().error
            };
            assert_eq!(start.elapsed(), Limits::default().connect);
            assert_eq!(error.kind(), ErrorKind::Proxy);
            let said = format!("{error} {error:?}");
            assert!(said.contains("127.0.0.1:") && said.contains(step), "{said}");
            assert!(!said.contains("CANARY"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let connector = Connector::new(Tls::Default, None, Limits::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let connector = connector.through(Some(Proxy::url(format!("CANARY:CANARY@{place}"))));
    let error = connector.connect(&target(), "").await.unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    let said = error.to_string();
    assert!(
        said.contains(&format!("through the proxy http://{place}: connect: ")),
        "{said}"
    );
    assert!(!said.contains("CANARY"));
}

/// TLS to the proxy, and in it TLS to the gateway: each certificate is held against its own name.
#[tokio::test]
async fn tls_goes_to_the_proxy_and_within_it_to_the_gateway() {
    for (names, fails_at) in [
        (&["proxy.example", "gateway.example"][..], ""),
        (&["gateway.example"], "TLS handshake with the proxy: "),
        (&["proxy.example"], ": TLS handshake: "),
    ] {
        let (client, acceptor) = authority(names);
        let (pipes, mut dialled) = mpsc::unbounded_channel();
        let pipes: Arc<dyn Dial> = Arc::new(Pipes(pipes));
        let connector = Connector::new(Tls::Custom(client), Some(pipes), Limits::default());
        let connector = connector.through(Some("https://proxy.example".into()));
        tokio::spawn(async move {
            let (host, port, stream) = dialled.recv().await.unwrap();
            assert_eq!((&*host, port), ("proxy.example", 443));
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let asked = String::from_utf8(asked).unwrap();
            assert_eq!(asked, connect_request("gateway.example:443", ""));
            let answer = b"HTTP/1.1 200 OK\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        });
        let url = GatewayUrl::configured("wss://gateway.example").unwrap();
        match connector.connect(&url, "").await {
            Ok(mut socket) => {
                assert_eq!(fails_at, "");
                let read = first_read(&mut socket).await;
                assert!(matches!(read, Read::Text(text) if text == "hello"));
            }
            Err(refused) => {
                let said = refused.error.to_string();
                assert!(!fails_at.is_empty() && said.contains(fails_at), "{said}");
                assert!(said.contains("https://proxy.example:443"), "{said}");
            }
        }
    }
}
