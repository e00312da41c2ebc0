//! Every choice of TLS and compression, over real TLS connections with authorities made here.
//! Whatever is chosen, the events are the same.

pub(crate) mod authority;

use std::{
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use shardstream::{
    Config, Error, ErrorKind, Limits, Message, Notice, Shard, ShardId, Tls,
    discord::Intents,
    local::{Act, Event, Fault, Feed, Gateway},
    platform::Compression,
    rest,
};
use tokio::process::Command;

use self::authority::{Authority, Validity};

const FRAMES: &str = include_str!("../../examples/frames/harbour.jsonl");

/// The compressions that this build has.
fn compressions() -> impl Iterator<Item = Compression> {
    [Compression::None, Compression::Zlib, Compression::Zstd]
        .into_iter()
        .filter(|kind| kind.is_built_in())
}

async fn gateway(tls: Arc<ServerConfig>) -> Gateway {
    let events: Result<Vec<Event>, _> = FRAMES.lines().map(Event::from_frame).collect();
    Gateway::builder()
        .tls(tls)
        .feed(Feed::new(events.unwrap()))
        .heartbeat_interval(Duration::from_secs(2))
        .identify_window(Duration::ZERO)
        .start()
        .await
        .unwrap()
}

fn shard(tls: Tls, compression: Compression, url: &str) -> Shard {
    let mut limits = Limits::default();
    limits.connect = Duration::from_millis(900);
    limits.backoff = Duration::from_millis(20);
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .compression(compression)
        .gateway_url(url)
        .limits(limits)
        .tls(tls)
        .build();
    Shard::with_config(ShardId::ONE, config.unwrap())
}

/// The texts of all frames that the gateway feeds, or the first error instead of them.
async fn receive(tls: Tls, compression: Compression, url: &str) -> Result<Vec<String>, Error> {
    let mut shard = shard(tls, compression, url);
    let mut texts = Vec::new();
    while texts.len() < FRAMES.lines().count() {
        if let Message::Frame(frame) = shard.next_message().await?
            && frame.event_name().as_deref() != Some("READY")
        {
            texts.push(frame.text().to_owned());
        }
    }
    Ok(texts)
}

/// Asks where the gateway is and receives all frames, with each compression.
async fn receive_all(tls: Tls, url: &str, rest_url: &str) -> Result<Vec<String>, String> {
    let client = rest::Client::new(crate::watch::token())
        .base_url(rest_url)
        .tls(tls.clone());
    match client.gateway_bot().await {
        Ok(found) => assert_eq!(found.url, url),
        // The gateway's own error is what is wanted.
        Err(error) => assert!(!error.is_fatal() || error.status().is_none()),
    }
    let mut all: Option<Vec<String>> = None;
    for compression in compressions() {
        let texts = receive(tls.clone(), compression, url).await;
        let texts = texts.map_err(|error| format!("{} {error}", error.kind().name()))?;
        assert_eq!(
            all.get_or_insert_with(|| texts.clone()),
            &texts,
            "{compression:?}"
        );
    }
    Ok(all.unwrap_or_default())
}

/// The choices that ask the system whom to trust, and can be told by `SSL_CERT_FILE`.
fn system_choices() -> Vec<(&'static str, Tls)> {
    vec![
        #[cfg(feature = "native")]
        ("Native", Tls::Native),
        #[cfg(feature = "rustls-native-roots")]
        ("NativeRoots", Tls::NativeRoots),
        #[cfg(feature = "rustls-platform-verifier")]
        ("PlatformVerifier", Tls::PlatformVerifier),
    ]
}

/// The other side of [`in_a_process_that_trusts`]: not a test by itself.
#[tokio::test]
#[ignore = "run by other tests, as a process of its own"]
async fn client_in_a_process_of_its_own() {
    let var = |name: &str| std::env::var(name).expect("set by the test that runs this");
    let chosen = var("CHOICES_TLS");
    let (_, tls) = system_choices()
        .into_iter()
        .find(|(name, _)| *name == chosen)
        .expect("a choice of this build");
    match receive_all(tls, &var("CHOICES_URL"), &var("CHOICES_REST")).await {
        Ok(texts) => texts.iter().for_each(|text| println!("frame: {text}")),
        Err(error) => println!("error: {error}"),
    }
}

/// What a process receives for which the file holds all that the system trusts.
async fn in_a_process_that_trusts(
    file: &PathBuf,
    choice: &str,
    gateway: &Gateway,
) -> Result<Vec<String>, String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "choices::client_in_a_process_of_its_own",
        ])
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .env("CHOICES_TLS", choice)
        .env("CHOICES_URL", gateway.url())
        .env("CHOICES_REST", gateway.rest_url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await;
    let output = output.expect("ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // The first line may stand behind the name of the test.
    let found = |mark: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(mark));
        lines.map(|(_, rest)| rest.to_owned()).collect::<Vec<_>>()
    };
    if let Some(error) = found("error: ").into_iter().next() {
        return Err(error);
    }
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(found("frame: "))
}

#[tokio::test]
async fn every_choice_that_trusts_the_authority_gives_the_same_events() {
    let authority = Authority::new();
    let file = authority.write();
    let custom = Tls::Custom(authority.client());
    let server = gateway(authority.server("localhost", Validity::Now)).await;
    let expected = receive_all(custom, server.url(), server.rest_url())
        .await
        .unwrap();
    assert_eq!(expected.len(), FRAMES.lines().count());
    let mut tried = vec!["Custom"];
    for (choice, _) in system_choices() {
        let texts = in_a_process_that_trusts(&file, choice, &server).await;
        assert!(texts.as_ref() == Ok(&expected), "{choice}: {texts:.300?}");
        tried.push(choice);
    }
    let rests = server
        .log()
        .iter()
        .filter(|record| matches!(record.act, Act::Rest { .. }))
        .count();
    assert_eq!(rests, tried.len());
    std::fs::remove_file(file).unwrap();
    println!("equal events by {}", tried.join(", "));
}

#[tokio::test]
async fn every_choice_refuses_an_authority_that_it_does_not_know() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut choices = system_choices();
    choices.push(("Custom", Tls::Custom(stranger.client())));
    choices.push(("Default", Tls::Default));
    #[cfg(feature = "rustls-webpki-roots")]
    choices.push(("WebpkiRoots", Tls::WebpkiRoots));
    let server = gateway(authority.server("localhost", Validity::Now)).await;
    for (choice, tls) in choices {
        let error = receive(tls, Compression::None, server.url())
            .await
            .unwrap_err();
        let shown = error.to_string();
        // A machine without certificates says so, and so does a build without any.
        let is_untrusted = shown.contains("UnknownIssuer")
            || shown.contains("unable to get local issuer certificate")
            || shown.contains("certificates")
            || shown.contains("nothing to trust");
        assert!(is_untrusted, "{choice}: {shown}");
        assert!(matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Configuration
        ));
    }
    // A file that holds another authority is no other way in.
    let file = stranger.write();
    for (choice, _) in system_choices() {
        let error = in_a_process_that_trusts(&file, choice, &server)
            .await
            .unwrap_err();
        assert!(
            error.starts_with("connect no connection to localhost port"),
            "{error}"
        );
        assert!(error.contains("TLS handshake"), "{choice}: {error}");
    }
    std::fs::remove_file(file).unwrap();
    nothing_was_said(&server);
}

/// No request came, so no token.
fn nothing_was_said(gateway: &Gateway) {
    let log = gateway.log();
    assert!(!log.is_empty());
    let is_end = |act: &Act| matches!(act, Act::End { .. });
    assert!(log.iter().all(|record| is_end(&record.act)), "{log:?}");
}

/// The first errors of a shard against a server, so many that it has tried again.
async fn errors(tls: &Tls, gateway: &Gateway) -> Vec<Error> {
    let mut shard = shard(tls.clone(), Compression::None, gateway.url());
    let mut errors = Vec::new();
    while errors.len() < 3 {
        if let Err(error) = shard.next_message().await {
            errors.push(error);
        }
    }
    errors
}

/// F08, F09.
#[tokio::test]
async fn a_handshake_that_fails_names_its_cause_and_nothing_is_ever_sent_in_plain() {
    let authority = Authority::new();
    let tls = Tls::Custom(authority.client());
    let good = authority.server("localhost", Validity::Now);
    let strict = Tls::Custom(authority.client_of(&rustls::version::TLS13));
    for (client, server, fault, cause) in [
        (
            &tls,
            authority.server("localhost", Validity::Past),
            None,
            "expired",
        ),
        (
            &tls,
            authority.server("localhost", Validity::Future),
            None,
            "not valid yet",
        ),
        (
            &tls,
            authority.server("other.example", Validity::Now),
            None,
            "not valid for name",
        ),
        (
            &tls,
            Authority::new().server("localhost", Validity::Now),
            None,
            "UnknownIssuer",
        ),
        (
            &tls,
            Authority::self_signed("localhost"),
            None,
            "UnknownIssuer",
        ),
        (
            &tls,
            good.clone(),
            Some(Fault::tls_alert(40)),
            "HandshakeFailure",
        ),
        (
            &tls,
            good.clone(),
            Some(Fault::tls_alert(70)),
            "ProtocolVersion",
        ),
        (
            &strict,
            authority.server_of("localhost", &rustls::version::TLS12),
            None,
            "ProtocolVersion",
        ),
    ] {
        let gateway = gateway(server).await;
        gateway.misbehave_always(fault.into_iter().collect::<Vec<_>>());
        for error in errors(client, &gateway).await {
            let shown = error.to_string();
            assert!(shown.contains("TLS handshake: "), "{shown}");
            assert!(shown.contains(cause), "{cause}: {shown}");
            assert!(error.kind() == ErrorKind::Connect && crate::watch::leak(&shown).is_none());
        }
        nothing_was_said(&gateway);
    }
}

/// F06, F07.
#[tokio::test]
async fn a_connection_that_ends_or_stalls_before_tls_is_tried_again() {
    let authority = Authority::new();
    let tls = Tls::Custom(authority.client());
    for (fault, cause) in [
        (Fault::rst_on_accept(), "TLS handshake: "),
        (Fault::fin_on_accept(), "TLS handshake: "),
        (
            Fault::stall_on_accept(),
            "TLS handshake: deadline has elapsed",
        ),
    ] {
        let gateway = gateway(authority.server("localhost", Validity::Now)).await;
        gateway.misbehave([fault.clone()]);
        let (start, mut seen) = (Instant::now(), None);
        let mut shard = shard(tls.clone(), Compression::None, gateway.url());
        loop {
            match shard.next_message().await {
                Err(error) => seen = Some(error.to_string()),
                Ok(Message::Frame(_)) => break,
                Ok(_) => {}
            }
        }
        let seen = seen.expect("the first attempt fails");
        // A reset may come so early that it is the connect that fails, and of the two deadlines
        // for the whole attempt either may be the first.
        assert!(
            [cause, "connect: ", " within "]
                .iter()
                .any(|cause| seen.contains(cause)),
            "{fault:?}: {seen}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(gateway.stats().readies, 1);
    }
}

/// F10.
#[tokio::test]
async fn tls_that_ends_in_the_middle_is_a_cut_and_the_session_goes_on() {
    let authority = Authority::new();
    let gateway = gateway(authority.server("localhost", Validity::Now)).await;
    gateway.misbehave([Fault::eof_after(3)]);
    let mut shard = shard(
        Tls::Custom(authority.client()),
        Compression::None,
        gateway.url(),
    );
    let (mut seqs, mut is_resumed) = (Vec::new(), false);
    while seqs.len() < FRAMES.lines().count() || !is_resumed {
        match shard.next_message().await.unwrap() {
            Message::Frame(frame) => {
                let name = frame.event_name().unwrap_or_default();
                if name != "READY" && name != "RESUMED" {
                    seqs.push(frame.seq().unwrap());
                }
            }
            Message::Gateway(notice) => is_resumed |= matches!(notice, Notice::Resumed { .. }),
            _ => {}
        }
    }
    assert_eq!(seqs.len(), FRAMES.lines().count());
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert_eq!(gateway.stats().readies, 1);
}

/// F45, F46, F47 with zstd: what no gateway sends is an error, and the next connection is well.
#[cfg(feature = "zstd")]
#[tokio::test]
async fn hostile_zstd_ends_the_connection_and_nothing_else() {
    use shardstream::local::{Moment, Step};

    let frame = |window: u8, blocks: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd, 0, window], blocks].concat();
    // 128 KiB of one byte, 600 times: more than the 64 MiB that a message may have.
    let bomb = [0x02, 0x00, 0x10, b' '].repeat(600);
    let hostile = [
        ("longer than the limit", frame(8 << 3, &bomb)),
        ("broken", frame(17 << 3, &[0x11, 0, 0, b'{', b'}'])),
        ("broken", frame(21 << 3, &[0x11, 0, 0, b'{', b'}'])),
        ("broken", vec![0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0]),
        ("broken", vec![0x27, 0xb5, 0x2f, 0xfd, 0, 0]),
    ];
    let gateway = Gateway::builder()
        .identify_window(Duration::ZERO)
        .start()
        .await
        .unwrap();
    for (what, bytes) in hostile {
        let hello = Fault::at(Moment::Hello, [Step::Binary(bytes)]);
        gateway.misbehave([hello]);
        let mut shard = shard(Tls::Default, Compression::Zstd, gateway.url());
        let mut errors = Vec::new();
        loop {
            match shard.next_message().await {
                Err(error) => errors.push(error),
                Ok(Message::Frame(_)) => break,
                Ok(_) => {}
            }
        }
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Compression);
        assert!(error.to_string().contains(what), "{error}");
        gateway.end_sessions(ShardId::ONE);
    }
}
