//! Everything through a proxy: discovery, tokens, identify, events, cuts, resumes. By the proxies
//! that Debian has (`tinyproxy`, `microsocks`, `danted` of `dante-server`), where they are there,
//! and by the environment.

mod server;

use std::{net::Ipv4Addr, time::Duration};

use shardstream::{
    Config, ConfigBuilder, ErrorKind, Intents, Limits, Notice, Proxy, Shard, ShardId, Tls,
    discord::{Discord, Event},
    local::{Act, Dialect, Gateway},
    qq, rest,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use self::server::{KINDS, Kind, Server};
use crate::{
    choices::authority::{Authority, Validity},
    process::{Program, printed},
    watch,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.backoff = Duration::from_millis(20);
    limits.backoff_max = Duration::from_millis(100);
    limits.identify_window = Duration::from_millis(20);
    limits
}

async fn gateway(tls: Option<&Authority>, dialect: Dialect) -> Gateway {
    let mut builder = Gateway::builder()
        .platform(dialect)
        .token(watch::TOKEN)
        .credentials("102", watch::CLIENT_SECRET)
        .identify_window(Duration::ZERO);
    if let Some(authority) = tls {
        builder = builder.tls(authority.server("localhost", Validity::Now));
    }
    builder.start().await.unwrap()
}

fn trust(authority: &Authority) -> Tls {
    Tls::Custom(authority.client())
}

/// What a shard gives until a notice or an event is wanted; errors are collected.
async fn until(shard: &mut Shard, wanted: impl Fn(&Event) -> bool) -> Vec<shardstream::Error> {
    let mut errors = Vec::new();
    let all = async {
        loop {
            match shard.next_event().await {
                Ok(event) if wanted(&event) => return,
                Ok(_) => {}
                Err(error) if error.is_fatal() => panic!("{error}"),
                Err(error) => errors.push(error),
            }
        }
    };
    timeout(PATIENCE, all).await.expect("comes in time");
    errors
}

fn is_message(event: &Event, id: u64) -> bool {
    matches!(event, Event::MessageDelete(deleted) if deleted.id.get() == id)
}

fn say(gateway: &Gateway, id: u64) {
    let data = format!(r#"{{"id":"{id}","channel_id":"7","guild_id":"8"}}"#);
    let sent = gateway.send(ShardId::ONE, "MESSAGE_DELETE", &data);
    assert_eq!(sent.unwrap(), 1);
}

/// Discovery, identify, an event, a cut by the gateway, an event that is replayed, a cut by the
/// proxy's end, an error that names it, a resume once it is back, an event.
async fn a_day_through(kind: Kind, authority: Option<&Authority>) {
    let Some(mut proxy) = Server::start(kind).await else {
        println!("skipped: {} is not installed", kind.program());
        return;
    };
    let gateway = gateway(authority, Dialect::Discord).await;
    let tls = authority.map_or(Tls::Default, trust);
    let config = Config::builder(watch::token(), Intents::GUILD_MESSAGES)
        .gateway_url(gateway.url())
        .rest_url(gateway.rest_url())
        .limits(limits())
        .tls(tls.clone())
        .proxy(proxy.url())
        .build()
        .unwrap();
    assert!(!format!("{config:?}").contains(server::PASSWORD));
    let client = rest::Client::new(watch::token())
        .base_url(gateway.rest_url())
        .tls(tls)
        .proxy(proxy.url());
    for client in [client, config.rest_client()] {
        assert_eq!(client.gateway_bot().await.unwrap().url, gateway.url());
    }
    let mut shard = Shard::with_config(ShardId::ONE, config);
    until(&mut shard, |event| matches!(event, Event::Ready(_))).await;
    say(&gateway, 1);
    until(&mut shard, |event| is_message(event, 1)).await;

    gateway.order(ShardId::ONE, [shardstream::local::Step::Rst]);
    until(&mut shard, is_resumed).await;
    say(&gateway, 2);
    until(&mut shard, |event| is_message(event, 2)).await;

    proxy.stop().await;
    until(&mut shard, is_disconnected).await;
    let refused = timeout(PATIENCE, shard.next_event()).await.unwrap();
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Proxy);
    assert!(refused.to_string().contains(&proxy.shown()), "{refused}");
    assert!(!refused.to_string().contains(server::PASSWORD));
    proxy.start_again().await;
    for error in until(&mut shard, is_resumed).await {
        assert_eq!(error.kind(), ErrorKind::Proxy, "{error}");
    }
    say(&gateway, 3);
    until(&mut shard, |event| is_message(event, 3)).await;
    let identified = |record: &&shardstream::local::Record| {
        matches!(record.act, Act::Identify { .. } | Act::Refused { .. })
    };
    assert_eq!(gateway.log().iter().filter(identified).count(), 1);
}

fn is_resumed(event: &Event) -> bool {
    matches!(event, Event::Gateway(Notice::Resumed { .. }))
}

fn is_disconnected(event: &Event) -> bool {
    matches!(event, Event::Gateway(Notice::Disconnected { .. }))
}

#[tokio::test]
async fn a_shard_lives_through_each_proxy_and_through_its_restart() {
    let authority = Authority::new();
    for kind in KINDS {
        a_day_through(kind, None).await;
        a_day_through(kind, Some(&authority)).await;
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_and_named_by_no_word_of_theirs() {
    let gateway = gateway(None, Dialect::Discord).await;
    for kind in KINDS.into_iter().filter(|kind| kind.asks_for_credentials()) {
        let Some(proxy) = Server::start(kind).await else {
            println!("skipped: {} is not installed", kind.program());
            continue;
        };
        let client = rest::Client::new(watch::token()).base_url(gateway.rest_url());
        for (url, said) in [
            (
                proxy.url_with("bot:CANARYwrong"),
                "it refuses user and password",
            ),
            (
                proxy.shown(),
                "it asks for user and password, and none are set",
            ),
        ] {
            let error = client.clone().proxy(url).gateway_bot().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Proxy);
            assert_eq!(error.status(), None);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(said), "{shown}");
            assert!(shown.contains(&proxy.shown()), "{shown}");
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }
    assert!(gateway.log().is_empty());
}

/// A gateway that the proxy cannot reach is the proxy's word, not the gateway's.
#[tokio::test]
async fn a_target_that_a_proxy_cannot_reach_is_told_as_its_refusal() {
    let nowhere = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    for kind in KINDS {
        let Some(proxy) = Server::start(kind).await else {
            println!("skipped: {} is not installed", kind.program());
            continue;
        };
        let client = rest::Client::new(watch::token()).base_url(&url);
        let error = client.proxy(proxy.url()).gateway_bot().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{error}");
        assert!(error.to_string().contains("it refused: "), "{error}");
    }
}

/// The token, the discovery and the gateway of the platform whose tokens expire.
#[tokio::test]
async fn tokens_that_expire_are_fetched_through_the_proxy() {
    let authority = Authority::new();
    let gateway = gateway(Some(&authority), Dialect::Qq).await;
    for kind in KINDS {
        let Some(proxy) = Server::start(kind).await else {
            println!("skipped: {} is not installed", kind.program());
            continue;
        };
        let credentials = qq::Credentials::new("102", watch::CLIENT_SECRET);
        let config = |proxy: &str| {
            Config::builder(credentials.clone(), qq::Intents::GUILDS)
                .rest_url(gateway.rest_url())
                .limits(limits())
                .tls(trust(&authority))
                .proxy(proxy)
        };
        let mut shard = Shard::with_config(ShardId::ONE, config(&proxy.url()).build().unwrap());
        let ready =
            async { while !matches!(shard.next_event().await.unwrap(), qq::Event::Ready(_)) {} };
        timeout(PATIENCE, ready).await.expect("comes in time");
        drop(shard);
        // Where it is not there, it is named already where the token is asked for.
        let fresh = qq::Credentials::new("102", watch::CLIENT_SECRET);
        let client = rest::Client::of::<qq::QQ>(fresh)
            .base_url(gateway.rest_url())
            .proxy("http://127.0.0.1:1");
        let error = client.gateway_bot().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{error}");
        assert!(
            error.to_string().contains("http://127.0.0.1:1: connect"),
            "{error}"
        );
    }
}

/// A proxy that says nothing ends the attempt in time, in an error that names it.
#[tokio::test(start_paused = true)]
async fn a_shard_tells_of_a_proxy_that_stalls_and_tries_again() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = silent.local_addr().unwrap();
    let config: ConfigBuilder<Discord> = Config::builder(watch::token(), Intents::GUILDS);
    let config = config
        .gateway_url("wss://gateway.example")
        .proxy(format!("socks5://bot:CANARY@{place}"));
    let mut shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
    for _ in 0..3 {
        let error = shard.next_event().await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(&format!("through the proxy socks5h://{place}")),
            "{said}"
        );
        assert!(!said.contains("CANARY"), "{said}");
        assert_eq!(error.kind(), ErrorKind::Proxy, "{said}");
    }
}

/// Answers CONNECT for `gateway.test:443`, and goes to `target` instead.
async fn relay(listener: TcpListener, target: String, asked: tokio::sync::mpsc::Sender<String>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        asked.send(String::from_utf8(head).unwrap()).await.unwrap();
        let mut server = TcpStream::connect(&target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        tokio::spawn(async move {
            // Whoever ends it, ends it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// Goal: what the environment says is the way, with nothing set in the program. Method: `tail`, to
/// a name that only the proxy knows.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_the_proxy_and_what_needs_none() {
    let authority = Authority::new();
    let file = authority.write();
    let gateway = Gateway::builder()
        .token(watch::TOKEN)
        .tls(authority.server("gateway.test", Validity::Now))
        .start()
        .await
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = format!("http://bot:CANARYpass@{}", listener.local_addr().unwrap());
    let shown = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut asked) = tokio::sync::mpsc::channel(8);
    let target = gateway.url().replace("wss://localhost", "127.0.0.1");
    let target = target.replace("wss://", "");
    let serving = tokio::spawn(relay(listener, target, sender));
    let args = ["--url", "wss://gateway.test", "--token", watch::TOKEN];
    let trusted = ("SSL_CERT_FILE", file.to_str().unwrap());

    let variables = [
        trusted,
        ("https_proxy", &*proxy),
        ("NO_PROXY", "gateway.test:8443"),
    ];
    let mut tail = Program::start_in("tail", &args, "warn", &variables);
    let (tail, _) = tokio::task::spawn_blocking(move || {
        let ready = tail.until(|line| line["event"] == "READY");
        (tail, ready)
    })
    .await
    .unwrap();
    let head = asked.recv().await.unwrap();
    assert!(
        head.starts_with("CONNECT gateway.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
    drop(tail);

    // Past the proxy that name is known to nobody.
    let variables = [trusted, ("ALL_PROXY", &*proxy), ("no_proxy", ".test")];
    let mut tail = Program::start_in("tail", &args, "warn", &variables);
    let error = tokio::task::spawn_blocking(move || tail.until(|line| line["error"].is_string()));
    let error = error.await.unwrap();
    assert_eq!(error["kind"], "connect", "{error}");
    assert!(!error.to_string().contains(&shown), "{error}");

    // One that cannot be used is no reason to go past it.
    let variables = [
        trusted,
        ("HTTPS_PROXY", "socks4://bot:CANARYpass@127.0.0.1"),
    ];
    let mut tail = Program::start_in("tail", &args, "warn", &variables);
    let (error, status) = tokio::task::spawn_blocking(move || {
        let error = tail.until(|line| line["error"].is_string());
        (error, tail.wait().0)
    })
    .await
    .unwrap();
    let said = error["error"].as_str().unwrap();
    assert!(said.starts_with("HTTPS_PROXY: none of "), "{said}");
    assert_eq!((&error["fatal"], status.code()), (&true.into(), Some(1)));
    assert!(asked.try_recv().is_err());
    serving.abort();
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn no_proxy_is_used_for_this_machine_unless_one_was_set() {
    let gateway = gateway(None, Dialect::Discord).await;
    let client = rest::Client::new(watch::token()).base_url(gateway.rest_url());
    let elsewhere = client.clone().proxy("http://proxy.example:3128");
    assert!(elsewhere.gateway_bot().await.is_ok());
    let here = Proxy::url("http://127.0.0.1:1");
    assert!(
        client
            .clone()
            .proxy(here.clone())
            .gateway_bot()
            .await
            .is_err()
    );
    assert!(
        client
            .clone()
            .proxy(here.except("127.0.0.0/8"))
            .gateway_bot()
            .await
            .is_ok()
    );
    assert!(client.proxy(Proxy::none()).gateway_bot().await.is_ok());
}

#[test]
fn the_example_connects_through_a_proxy_and_names_one_that_is_not_there() {
    let lines = printed("proxy");
    let (last, lines) = lines.split_last().unwrap();
    assert_eq!(
        lines,
        [
            "discovered: 1 shard",
            "GATEWAY",
            "READY",
            "GUILD_CREATE",
            "TYPING_START"
        ]
    );
    let start = "proxy: no connection to 127.0.0.1 port ";
    assert!(last.starts_with(start), "{last}");
    let end = "through the proxy http://127.0.0.1:1: connect: Connection refused";
    assert!(last.contains(end), "{last}");
}
