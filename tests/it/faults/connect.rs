//! Connect, TLS, upgrade: what can go wrong before the first message, and where a session may be
//! resumed.

pub(super) mod world;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use shardstream::{
    Cause, Config, ErrorKind, Intents, Notice, ShardId, Tls,
    local::{Fault, Gateway, Moment, Step},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::world::{
    Authority, Bot, Door, Got, TcpServer, Way, World, assert_backoff, frame, lock, ms, pour,
    read_head, scaled, scaled_gateway, secs, self_signed, targets,
};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[
    (
        "f02",
        "no resolver can be put under a running process: covered in paused time by \
         transport::dial::tests::a_lookup_under_way_is_shared_and_given_up_after_three_seconds",
    ),
    (
        "f03",
        "no name has two addresses on every machine: covered in paused time by \
         transport::dial::tests::a_dead_address_costs_a_quarter_of_a_second",
    ),
    ("f22", "there are no outbound proxies yet: they come with an issue of their own"),
];

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// The error of `getaddrinfo`, as the standard library shows it.
fn no_such_name() -> io::Error {
    io::Error::other("failed to lookup address information: Name or service not known")
}

/// A bot with a session that has seen an event, in paused time.
async fn begun(world: &World) -> Bot {
    let mut bot = world.bot();
    bot.begin().await;
    bot
}

/// Goal: a failure of this kind, seven times in a row, costs time and nothing else. Method: cut,
/// let the dials fail, look at their times and at the session.
async fn backs_off_and_keeps_the_session(error: fn() -> io::Error, text: &str) {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    world.wire.plan((0..7).map(|_| Way::Fail(error())));
    bot.order([Step::Fin]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 7, "{errors:?}");
    for error in &errors {
        assert!(error.contains(text) && error.contains("127.0.0.1"), "{error}");
    }
    let gaps = world.wire.gaps(0);
    assert!(gaps[0] <= ms(502), "the first return is quick: {gaps:?}");
    assert_eq!(gaps[1], Duration::ZERO, "the base url follows the resume url at once: {gaps:?}");
    assert_backoff(&gaps[2..]);
}

#[tokio::test(start_paused = true)]
async fn f01_a_name_that_cannot_be_resolved_backs_off_and_keeps_the_session() {
    backs_off_and_keeps_the_session(no_such_name, "Name or service not known").await;
}

#[tokio::test(start_paused = true)]
async fn f04_a_refused_connect_backs_off_and_keeps_the_session() {
    backs_off_and_keeps_the_session(refused, "refused").await;
}

#[tokio::test]
async fn f04_a_port_where_nobody_listens_is_tried_again_and_again() {
    let listener = Door::bind().await;
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let gateway = Arc::new(Gateway::start().await.unwrap());
    let config = Config::builder("any", Intents::GUILDS)
        .gateway_url(format!("ws://127.0.0.1:{port}"))
        .limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    for _ in 0..4 {
        let error = bot.error().await;
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("refused"), "{error}");
    }
}

/// Goal: however a server ends a connection before it has given anything, it is not hammered: at
/// most 8 connects in 15 s and 15 in 5 minutes, and not so few that the bot has given up.
#[tokio::test(start_paused = true)]
async fn f04_a_server_that_never_serves_sees_few_connects() {
    let close = |at, step: Step| Fault::at(at, [step]);
    let cases: [(&str, Fault); 10] = [
        ("rst", Fault::rst_on_accept()),
        ("fin", Fault::fin_on_accept()),
        ("503", Fault::http(503, &[], "")),
        ("no answer", Fault::stall_upgrade()),
        ("cut instead of hello", close(Moment::Hello, Step::Rst)),
        ("closed instead of hello", close(Moment::Hello, Step::Close(1000))),
        ("4000 instead of hello", close(Moment::Hello, Step::Close(4000))),
        ("op 7 instead of hello", close(Moment::Hello, Step::Reconnect)),
        ("op 9 instead of hello", close(Moment::Hello, Step::InvalidSession(true))),
        ("an unusable hello", Fault::hello_interval("0")),
    ];
    for (name, fault) in cases {
        let world = World::new(Gateway::builder());
        world.gateway.misbehave_always([fault]);
        let mut bot = world.bot();
        bot.idle(secs(300)).await;
        let dials = world.wire.dials();
        let within = |time| dials.iter().filter(|dial| dial.at - dials[0].at <= time).count();
        let (soon, all) = (within(secs(15)), within(secs(300)));
        assert!(soon <= 8 && all <= 15, "{name}: {soon} in 15 s, {all} in 300 s");
        assert!(soon >= 2 && all >= 8, "{name}: {soon} in 15 s, {all} in 300 s");
        // When it serves again, so does the bot.
        world.gateway.misbehave_always([]);
        bot.begin().await;
    }
}

/// One attempt may take ten seconds, whatever hangs.
#[tokio::test(start_paused = true)]
async fn f05_an_attempt_that_hangs_ends_after_ten_seconds() {
    let world = World::new(Gateway::builder());
    world.wire.plan([Way::Hang]);
    let mut bot = world.bot();
    let start = Instant::now();
    let error = bot.error().await;
    let took = start.elapsed();
    assert!(took >= secs(10) && took <= secs(10) + ms(2), "{took:?}");
    assert_eq!(error.kind(), ErrorKind::Connect);
    bot.begin().await;
}

/// Goal: an address that answers no SYN is given up after its deadline, and used when it answers.
/// Method: a listener whose queue is full stays silent.
#[tokio::test]
async fn f05_an_address_that_does_not_answer_is_given_up_in_time() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(ms(100), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        if waiting.len() > 64 {
            println!("this system lets any number of connections wait: nothing can be shown");
            return;
        }
    }
    let url = format!("ws://{address}");
    let builder = scaled_gateway().resume_url(url.clone());
    let gateway = Arc::new(builder.start_in_memory());
    let config = Config::builder("any", Intents::GUILDS).gateway_url(&url).limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    let start = Instant::now();
    let error = bot.error().await;
    let took = start.elapsed();
    assert!(took >= ms(500) && took < ms(1900), "{took:?}: {error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    drop(waiting);
    let _door = Door::open(listener, &gateway, None);
    bot.begin().await;
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Accept,
    ClientHello,
    AfterTls,
    Answer,
}

async fn cut(mut stream: TcpStream, tls: TlsAcceptor, at: Cut, reset: bool) {
    match at {
        Cut::Accept => {}
        Cut::ClientHello => {
            let mut hello = [0; 20];
            stream.read_exact(&mut hello).await.unwrap();
        }
        Cut::AfterTls | Cut::Answer => {
            let mut secured = tls.accept(stream).await.unwrap();
            if matches!(at, Cut::Answer) {
                read_head(&mut secured).await;
                let half = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso";
                secured.write_all(half).await.unwrap();
                secured.flush().await.unwrap();
            }
            // Without TLS's own goodbye.
            stream = secured.into_inner().0;
        }
    }
    if reset {
        stream.set_zero_linger().unwrap();
    }
}

fn cutter(tls: &TlsAcceptor, at: Cut, reset: bool) -> TcpServer {
    let tls = tls.clone();
    Box::new(move |stream| cut(stream, tls, at, reset).boxed())
}

#[tokio::test]
async fn f06_a_connection_cut_at_any_step_is_a_failed_attempt_and_nothing_is_sent_twice() {
    let authority = Authority::new();
    let tls = authority.server(&["localhost"]);
    let listener = Door::bind().await;
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let gateway = Arc::new(scaled_gateway().resume_url(url.clone()).start_in_memory());
    let door = Door::open(listener, &gateway, Some(tls.clone()));
    let config = Config::builder("any", Intents::GUILDS)
        .gateway_url(&url)
        .tls(Tls::Custom(authority.client()))
        .limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    bot.begin().await;
    for at in [Cut::Accept, Cut::ClientHello, Cut::AfterTls, Cut::Answer] {
        door.plan([true, false].map(|reset| cutter(&tls, at, reset)));
    }
    bot.order([Step::Fin]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 8, "{errors:?}");
    let steps = ["TLS handshake", "TLS handshake", "WebSocket upgrade", "WebSocket upgrade"];
    for (pair, step) in errors.chunks(2).zip(steps) {
        assert!(pair.iter().all(|error| error.contains(step)), "{step}: {errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f07_a_tls_handshake_that_stalls_ends_after_ten_seconds() {
    let (world, _) = World::tls("gateway.discord.gg", None);
    let hello = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hello);
    world.wire.plan([Way::serve(|mut pipe| async move {
        let mut buffer = vec![0; 4096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer).await {
            lock(&seen).extend_from_slice(&buffer[..len]);
        }
    })]);
    let mut bot = world.bot();
    let start = Instant::now();
    let error = bot.error().await;
    let took = start.elapsed();
    assert!(took >= secs(10) && took <= secs(10) + ms(2), "{took:?}");
    assert!(error.to_string().contains("TLS handshake"), "{error}");
    assert_eq!(lock(&hello).first(), Some(&0x16), "it said hello");
    bot.begin().await;
}

/// What a server does with a pipe.
type Serve = Arc<dyn Fn(DuplexStream) -> futures::future::BoxFuture<'static, ()> + Send + Sync>;

/// Goal: a server that cannot prove who it is gets no byte but those of the handshake, for ever;
/// it is asked again, a minute apart at most; and the error says why.
async fn is_never_trusted(world: &World, server: Serve, text: &str) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    world.wire.always(move |_| {
        let (server, ears) = (Arc::clone(&server), Arc::clone(&ears));
        Way::serve(|mut pipe| async move {
            let (mut near, far) = tokio::io::duplex(64 << 10);
            tokio::spawn(server(far));
            let mut first = vec![0; 16 << 10];
            let len = pipe.read(&mut first).await.unwrap_or(0);
            first.truncate(len);
            lock(&ears).push(first.clone());
            near.write_all(&first).await.unwrap();
            // The rest goes to the server as well; what it takes, it could read.
            let _ = tokio::io::copy_bidirectional(&mut pipe, &mut near).await;
        })
    });
    let before = world.wire.dials().len();
    let served = world.gateway.stats().connections;
    let mut bot = world.bot();
    bot.idle(secs(600)).await;
    let errors = bot.errors(ErrorKind::Connect);
    assert!(errors.len() >= 10, "{errors:?}");
    for error in &errors {
        assert!(error.contains("TLS handshake: ") && error.contains(text), "{text}: {error}");
        assert!(!error.contains("CANARY"));
    }
    assert_backoff(&world.wire.gaps(before));
    for first in lock(&heard).iter() {
        assert_eq!(first.first(), Some(&0x16), "TLS and nothing else");
    }
    let stats = world.gateway.stats();
    assert_eq!(stats.connections, served, "nobody asked for the upgrade");
    world.wire.heal();
    bot.begin().await;
}

fn tls_server(acceptor: TlsAcceptor) -> Serve {
    Arc::new(move |pipe| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(pipe).await {
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said).await;
                assert_eq!(said, b"", "a stranger was spoken to");
            }
        }
        .boxed()
    })
}

#[tokio::test(start_paused = true)]
async fn f08_a_certificate_that_does_not_hold_is_never_accepted_and_the_token_never_sent() {
    const HOST: &str = "gateway.discord.gg";
    let (world, authority) = World::tls(HOST, None);
    let expired = authority.server_with(&[HOST], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let cases = [
        (expired, "expired"),
        (authority.server(&["other.example"]), "not valid for name"),
        (Authority::new().server(&[HOST]), "UnknownIssuer"),
        (self_signed(&[HOST]), "invalid peer certificate"),
    ];
    for (server, text) in cases {
        is_never_trusted(&world, tls_server(server), text).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f09_a_tls_alert_or_another_version_or_no_tls_at_all_is_a_failed_attempt() {
    const HOST: &str = "gateway.discord.gg";
    let says = |bytes: &'static [u8]| -> Serve {
        Arc::new(move |mut pipe| {
            async move {
                let _ = pipe.read(&mut [0; 1024]).await;
                pour(&mut pipe, bytes).await;
                let _ = pipe.read_to_end(&mut Vec::new()).await;
            }
            .boxed()
        })
    };
    let cases = [
        (says(b"\x15\x03\x03\x00\x02\x02\x28"), "HandshakeFailure"),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "corrupt message"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "corrupt message"),
    ];
    for (server, text) in cases {
        let (world, _) = World::tls(HOST, None);
        is_never_trusted(&world, server, text).await;
    }
    let (mut world, authority) = World::tls(HOST, None);
    world.trust(authority.client_with(&[&rustls::version::TLS13]));
    let old = authority.server_of(&[HOST], &[&rustls::version::TLS12]);
    is_never_trusted(&world, tls_server(old), "rotocol").await;
}

/// Goal: TLS that ends without its goodbye, in the middle of a frame, is a cut: the session is
/// resumed and no half of anything is seen.
#[tokio::test]
async fn f10_tls_that_ends_without_a_goodbye_is_a_cut_and_resumes() {
    let authority = Authority::new();
    let tls = authority.server(&["localhost"]);
    let listener = Door::bind().await;
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let gateway = Arc::new(scaled_gateway().resume_url(url.clone()).start_in_memory());
    let door = Door::open(listener, &gateway, Some(tls.clone()));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (inner, gate) = (tls.clone(), Arc::clone(&gateway));
    door.plan([Box::new(move |stream: TcpStream| {
        async move {
            let mut secured = inner.accept(stream).await.unwrap();
            let mut pipe = gate.connect();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut secured, &mut pipe) => {}
                _ = ended => {
                    secured.write_all(&frame(0x81, &[b'{'; 100])[..50]).await.unwrap();
                    secured.flush().await.unwrap();
                    drop(secured.into_inner().0);
                }
            }
        }
        .boxed()
    }) as TcpServer]);
    let config = Config::builder("any", Intents::GUILDS)
        .gateway_url(&url)
        .tls(Tls::Custom(authority.client()))
        .limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    bot.begin().await;
    end.send(()).unwrap();
    assert_eq!(bot.disconnected().await, (Cause::Cut, true));
    bot.goes_on().await;
    bot.kept_its_session(1);
    assert_eq!(bot.errors(ErrorKind::Frame), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn f11_a_redirect_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::new(Gateway::builder());
        let mut bot = begun(&world).await;
        let location = [("Location", "ws://127.0.0.9:9/canary")];
        for _ in 0..3 {
            world.gateway.misbehave([Fault::http(status, &location, "canary")]);
        }
        bot.order([Step::Fin]);
        bot.goes_on().await;
        bot.kept_its_session(1);
        for dial in world.wire.dials() {
            assert_eq!((dial.host.as_str(), dial.port), ("127.0.0.1", 1));
        }
        let errors = bot.errors(ErrorKind::Connect);
        assert_eq!(errors.len(), 3);
        for error in errors {
            assert!(error.contains(&status.to_string()), "{error}");
            assert!(!error.contains("canary") && !error.contains("127.0.0.9"), "{error}");
        }
    }
}

/// Goal: the resume url is left at once, and then the base url is asked with backoff, the session
/// kept all the time.
async fn refusal_drops_the_resume_url(status: u16) {
    let builder = Gateway::builder().resume_url("ws://127.0.0.1:1/resume");
    let world = World::new(builder);
    let mut bot = begun(&world).await;
    for _ in 0..4 {
        world.gateway.misbehave([Fault::http(status, &[], "no")]);
    }
    bot.order([Step::Fin]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let asked = targets(&world.gateway);
    let at_resume = asked.iter().map(|target| target.starts_with("/resume?"));
    let expected = [false, true, false, false, false, false];
    assert_eq!(at_resume.collect::<Vec<_>>(), expected, "{status}: {asked:?}");
    let gaps = world.wire.gaps(1);
    assert_eq!(gaps[0], Duration::ZERO, "{status}: {gaps:?}");
    assert_backoff(&gaps[1..]);
    let errors = bot.errors(ErrorKind::Connect);
    assert!(errors.iter().all(|error| error.contains(&status.to_string())), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn f12_a_refused_upgrade_drops_the_resume_url_and_keeps_the_session() {
    for status in [200, 400, 404, 405, 410, 426] {
        refusal_drops_the_resume_url(status).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f13_three_times_forbidden_in_a_row_at_the_base_url_is_fatal_and_no_fewer() {
    for status in [401, 403] {
        // Twice, something else, twice: not in a row.
        let world = World::new(Gateway::builder());
        for status in [status, status, 500, status, status] {
            world.gateway.misbehave([Fault::http(status, &[], "")]);
        }
        let mut bot = world.bot();
        bot.begin().await;
        assert_eq!(bot.errors(ErrorKind::Connect).len(), 5);

        let world = World::new(Gateway::builder());
        world.gateway.misbehave_always([Fault::http(status, &[], "")]);
        let mut bot = world.bot();
        let error = bot.end_error().await;
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("401 or 403"), "{error}");
        sleep(secs(3600)).await;
        assert_eq!(world.wire.dials().len(), 3, "no further connect, ever");
        assert!(bot.shard.next_event().await.unwrap_err().is_fatal());
    }
}

#[tokio::test(start_paused = true)]
async fn f13_forbidden_at_the_resume_url_does_not_count() {
    for status in [401, 403] {
        let builder = Gateway::builder().resume_url("ws://127.0.0.1:1/resume");
        let world = World::new(builder);
        let mut bot = begun(&world).await;
        for _ in 0..3 {
            world.gateway.misbehave([Fault::http(status, &[], "")]);
        }
        bot.order([Step::Fin]);
        bot.goes_on().await;
        bot.kept_its_session(1);
        let asked = targets(&world.gateway);
        assert!(asked[1].starts_with("/resume?") && asked[2].starts_with("/?"), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f14_a_retry_after_is_kept_to_and_believed_for_fifteen_minutes_at_most() {
    const NOW: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    // What the answer says; the least and the most wait. Without a word it is the backoff.
    let cases: [(&[(&str, &str)], u64, u64); 7] = [
        (&[("Retry-After", "7")], 7, 14),
        (&[("Retry-After", "899")], 899, 930),
        (&[("Retry-After", "1000000000")], 900, 930),
        (&[NOW, ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT")], 60, 90),
        (&[NOW, ("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT")], 0, 1),
        (&[("Retry-After", "soon")], 0, 1),
        (&[], 0, 1),
    ];
    for (headers, least, most) in cases {
        let world = World::new(Gateway::builder());
        world.gateway.misbehave([Fault::http(429, headers, "")]);
        let mut bot = world.bot();
        bot.begin().await;
        let gap = world.wire.gaps(0)[0];
        let least = secs(least).max(ms(500));
        assert!(gap >= least && gap <= secs(most) + ms(2), "{headers:?}: {gap:?}");
    }
}

/// Rows that overlap: the longest delay that applies.
#[tokio::test(start_paused = true)]
async fn f14_a_retry_after_at_the_resume_url_is_kept_to_as_well() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    world.gateway.misbehave([Fault::http(429, &[("Retry-After", "30")], "")]);
    bot.order([Step::Fin]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let gaps = world.wire.gaps(1);
    assert!(gaps[0] >= secs(30) && gaps[0] <= secs(60), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn f15_a_server_in_trouble_is_asked_again_with_backoff_and_the_session_kept() {
    for status in [500, 502, 503, 504].into_iter().chain(520..=530) {
        refusal_drops_the_resume_url(status).await;
    }
}

/// Goal: of a page in place of the upgrade a few KiB are read, and none of it is shown.
#[tokio::test(start_paused = true)]
async fn f16_a_page_in_place_of_the_upgrade_is_hardly_read_and_never_shown() {
    const PIPE: usize = 256;
    let world = World::new(Gateway::builder());
    let taken = Arc::new(Mutex::new(Vec::new()));
    for code in [1015, 1020] {
        let taken = Arc::clone(&taken);
        world.wire.plan([Way::serve_with(PIPE, move |mut pipe| async move {
            read_head(&mut pipe).await;
            let page = format!("<html>Error {code} canary</html>").repeat((10 << 20) / 32);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            let all = [head.as_bytes(), page.as_bytes()].concat();
            let len = pour(&mut pipe, &all).await;
            lock(&taken).push(len);
        })]);
    }
    let mut bot = world.bot();
    bot.begin().await;
    for taken in lock(&taken).iter() {
        assert!(*taken <= (4 << 10) + PIPE, "{taken} bytes of the page were taken");
    }
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 2);
    for error in errors {
        assert!(error.contains("200") && !error.contains("canary"), "{error}");
    }
}

/// A connection whose upgrade answer is another than the gateway's.
fn edited(world: &World, edit: impl FnOnce(String) -> Vec<u8> + Send + 'static) -> Way {
    let mut gateway = world.gateway.connect();
    Way::serve(|mut pipe| async move {
        let request = read_head(&mut pipe).await;
        gateway.write_all(&request).await.unwrap();
        let answer = String::from_utf8(read_head(&mut gateway).await).unwrap();
        if pipe.write_all(&edit(answer)).await.is_ok() {
            let _ = tokio::io::copy_bidirectional(&mut pipe, &mut gateway).await;
        }
    })
}

/// The value of a header.
fn value_of<'a>(answer: &'a str, name: &str) -> &'a str {
    let mut lines = answer.lines();
    let line = lines.find_map(|line| line.split_once(": ").filter(|(n, _)| *n == name));
    line.expect("the header").1
}

const ACCEPT: &str = "Sec-WebSocket-Accept";

/// Goal: an answer so changed is no upgrade: the attempt fails with this text, nothing is sent,
/// and the next attempt works.
async fn is_no_upgrade(name: &str, text: &str, edit: fn(String) -> Vec<u8>) {
    let world = World::new(Gateway::builder());
    world.wire.plan([edited(&world, edit)]);
    let mut bot = world.bot();
    bot.begin().await;
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 1, "{name}: {errors:?}");
    assert!(errors[0].contains(text), "{name}: {errors:?}");
    assert_eq!(bot.count(|got| matches!(got, Got::Notice(Notice::Connected))), 1);
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f17_an_answer_with_a_wrong_accept_value_is_no_upgrade_and_no_panic() {
    fn with(answer: &str, accept: &str) -> Vec<u8> {
        let right = value_of(answer, ACCEPT).to_owned();
        answer.replace(&right, accept).into_bytes()
    }
    let cases: [(&str, fn(String) -> Vec<u8>); 9] = [
        ("missing", |answer| answer.replace(ACCEPT, "X-Accept").into_bytes()),
        ("empty", |answer| with(&answer, "")),
        ("another's", |answer| with(&answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("of 63 bytes", |answer| with(&answer, &"QUFB".repeat(21))),
        ("of 64 bytes", |answer| with(&answer, &format!("{}QQ==", "QUFB".repeat(21)))),
        ("of 8,000 bytes", |answer| with(&answer, &"QUFB".repeat(2000))),
        ("not base64", |answer| with(&answer, "!!!! not base64 !!!!")),
        ("not ASCII", |answer| with(&answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xO\u{e9}=")),
        ("in other case", |answer| {
            let right = value_of(&answer, ACCEPT).to_owned();
            with(&answer, &right.to_ascii_lowercase())
        }),
    ];
    for (name, edit) in cases {
        is_no_upgrade(name, "Sec-WebSocket-Accept", edit).await;
    }
    is_no_upgrade("twice", "Sec-WebSocket-Accept", |answer| {
        let line = format!("\r\n{ACCEPT}: {}\r\n\r\n", value_of(&answer, ACCEPT));
        answer.replace("\r\n\r\n", &line).into_bytes()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn f18_an_endless_answer_is_given_up_at_its_limits() {
    const PIPE: usize = 256;
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    let endless = [
        ("one endless line", format!("{head}X: {}", "x".repeat(1 << 20)), "too long"),
        ("no line at all", "x".repeat(1 << 20), "too long"),
        ("100,000 lines", format!("{head}{}", "A: b\r\n".repeat(100_000)), "too long"),
        ("101 lines", format!("{head}{}\r\n", "A: b\r\n".repeat(101)), "too many headers"),
    ];
    for (name, answer, text) in endless {
        let world = World::new(Gateway::builder());
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        world.wire.plan([Way::serve_with(PIPE, move |mut pipe| async move {
            read_head(&mut pipe).await;
            count.store(pour(&mut pipe, answer.as_bytes()).await, Ordering::Relaxed);
        })]);
        let mut bot = world.bot();
        bot.begin().await;
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken <= (16 << 10) + PIPE, "{name}: {taken} bytes were taken");
        let errors = bot.errors(ErrorKind::Connect);
        assert!(errors.len() == 1 && errors[0].contains(text), "{name}: {errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f18_an_answer_of_one_byte_a_second_ends_after_ten_seconds() {
    let world = World::new(Gateway::builder());
    world.wire.plan([Way::serve(|mut pipe| async move {
        read_head(&mut pipe).await;
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" {
            if pipe.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(secs(1)).await;
        }
    })]);
    let mut bot = world.bot();
    let start = Instant::now();
    let error = bot.error().await;
    let took = start.elapsed();
    assert!(took >= secs(10) && took <= secs(10) + ms(2), "{took:?}");
    assert!(error.to_string().contains("upgrade"), "{error}");
    bot.begin().await;
}

#[tokio::test(start_paused = true)]
async fn f18_bytes_that_may_not_stand_in_a_header_are_no_answer() {
    fn with(answer: &str, line: &[u8]) -> Vec<u8> {
        let head = answer.strip_suffix("\r\n\r\n").expect("a head");
        [head.as_bytes(), b"\r\n", line, b"\r\n\r\n"].concat()
    }
    let text = "not HTTP/1.1";
    is_no_upgrade("NUL in a value", text, |answer| with(&answer, b"X: a\0b")).await;
    is_no_upgrade("CR in a value", text, |answer| with(&answer, b"X: a\rb")).await;
    is_no_upgrade("NUL in a name", text, |answer| with(&answer, b"X\0: a")).await;
    is_no_upgrade("not ASCII in a name", text, |answer| with(&answer, b"X\xff: a")).await;
    is_no_upgrade("no colon", text, |answer| with(&answer, b"nonsense")).await;
    // Other bytes in a value that nobody reads are allowed, of old (RFC 9110 section 5.5), and
    // harm nobody.
    let world = World::new(Gateway::builder());
    world.wire.plan([edited(&world, |answer| with(&answer, b"X: \xff\xfe"))]);
    let mut bot = world.bot();
    bot.begin().await;
    assert_eq!(bot.errors(ErrorKind::Connect), [""; 0]);
}

/// A connection on which answer and Hello arrive in pieces of these lengths, the rest at once.
fn in_pieces(world: &World, lens: Vec<usize>) -> (Way, Arc<AtomicUsize>) {
    let mut gateway = world.gateway.connect();
    let whole = Arc::new(AtomicUsize::new(0));
    let len = Arc::clone(&whole);
    let way = Way::serve(|mut pipe| async move {
        let request = read_head(&mut pipe).await;
        gateway.write_all(&request).await.unwrap();
        let mut opening = Vec::new();
        while !opening.ends_with(b"}}") {
            opening.push(gateway.read_u8().await.unwrap());
        }
        len.store(opening.len(), Ordering::Relaxed);
        let mut rest = opening.as_slice();
        for len in lens {
            let (piece, more) = rest.split_at(len.min(rest.len()));
            rest = more;
            pipe.write_all(piece).await.unwrap();
            sleep(ms(5)).await;
        }
        pipe.write_all(rest).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut pipe, &mut gateway).await;
    });
    (way, whole)
}

#[tokio::test(start_paused = true)]
async fn f19_answer_and_hello_lose_no_byte_in_one_segment_or_in_any_three() {
    let mut whole = 1;
    let mut cut = 0;
    while cut <= whole {
        let world = World::new(Gateway::builder());
        let (way, len) = in_pieces(&world, vec![cut, (whole - cut) / 2]);
        world.wire.plan([way]);
        let mut bot = world.bot();
        bot.begin().await;
        assert_eq!(bot.errors(ErrorKind::Connect), [""; 0], "cut at {cut}");
        assert_eq!(world.wire.dials().len(), 1, "cut at {cut}");
        whole = len.load(Ordering::Relaxed);
        cut += 1;
    }
    assert!(whole > 150, "{whole} bytes are no answer and no Hello");
}

#[tokio::test(start_paused = true)]
async fn f20_an_extension_or_subprotocol_that_was_not_asked_for_is_no_upgrade() {
    fn with(answer: &str, line: &str) -> Vec<u8> {
        answer.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n")).into_bytes()
    }
    is_no_upgrade("extension", "extension", |answer| {
        with(&answer, "Sec-WebSocket-Extensions: permessage-deflate")
    })
    .await;
    is_no_upgrade("subprotocol", "subprotocol", |answer| {
        with(&answer, "Sec-WebSocket-Protocol: chat")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn f21_a_system_that_gives_no_socket_backs_off_and_keeps_the_session() {
    // As Linux numbers them; elsewhere they are other errors, which do as well.
    for (error, text) in [
        (|| io::Error::from_raw_os_error(24), "(os error 24)"),
        (|| io::Error::from_raw_os_error(99), "(os error 99)"),
        (|| io::Error::from_raw_os_error(101), "(os error 101)"),
    ] as [(fn() -> io::Error, &str); 3]
    {
        backs_off_and_keeps_the_session(error, text).await;
    }
}

/// `tail` with this many descriptors, and what it prints.
struct Tail {
    child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Tail {
    fn start(url: &str, descriptors: usize) -> Self {
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test.ancestors().nth(2).expect("target");
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")])
            .arg(folder.join("examples/tail"))
            .args(["--token", "any", "--url", url])
            .env_clear()
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell, and `cargo build --examples`");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    async fn until(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let line = timeout(secs(30), self.lines.next_line()).await;
            let line = line.expect("it says more").unwrap().expect("it runs");
            let value = serde_json::from_str(&line).unwrap();
            if wanted(&value) {
                return value;
            }
        }
    }

    /// The numbers of its sockets, rising; none where the system does not tell.
    fn sockets(&self) -> Vec<usize> {
        let id = self.child.id().expect("it runs");
        let Ok(open) = std::fs::read_dir(format!("/proc/{id}/fd")) else {
            return Vec::new();
        };
        let socket = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let target = std::fs::read_link(&path).ok()?;
            let number = path.file_name()?.to_str()?.parse().ok()?;
            target.to_str()?.starts_with("socket:").then_some(number)
        };
        let mut sockets: Vec<usize> = open.filter_map(socket).collect();
        sockets.sort_unstable();
        sockets
    }

    async fn terminate(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &id]).status();
        assert!(killed.unwrap().success());
        let exit = timeout(secs(30), self.child.wait()).await.expect("it ends");
        assert!(exit.unwrap().success());
    }
}

/// Goal: a process that has no descriptor left for a socket tries again and stays alive. Method:
/// look which number its connection has, the last of its sockets, and start it again with the
/// numbers below it.
#[tokio::test]
async fn f21_a_process_without_descriptors_tries_again() {
    let gateway = Gateway::start().await.unwrap();
    let mut tail = Tail::start(gateway.url(), 64);
    tail.until(|line| line["event"] == "READY").await;
    let Some(last) = tail.sockets().last().copied() else {
        println!("this system does not tell what a process has open");
        return;
    };
    tail.terminate().await;
    let mut tail = Tail::start(gateway.url(), last);
    for _ in 0..2 {
        let failed = tail.until(|line| line["kind"] == "connect").await;
        assert!(failed["error"].as_str().unwrap().contains("os error 24"), "{failed}");
        assert_eq!(failed["fatal"], false);
    }
    tail.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn f21_a_shard_that_gets_no_socket_leaves_the_others_alone() {
    let world = World::new(Gateway::builder());
    let mut live = begun(&world).await;
    world.wire.always(|_| Way::Fail(io::Error::from_raw_os_error(24)));
    let mut other = world.bot();
    for _ in 0..5 {
        assert!(other.error().await.to_string().contains("os error 24"));
        live.goes_on().await;
    }
    assert_eq!(live.causes(), []);
    assert_eq!(world.gateway.stats().connections, 1);
}

#[tokio::test]
async fn f21_failed_attempts_keep_no_descriptor() {
    let gateway = Gateway::start().await.unwrap();
    let mut tail = Tail::start(gateway.url(), 64);
    tail.until(|line| line["event"] == "READY").await;
    gateway.send(ShardId::ONE, "TEST", "1").unwrap();
    tail.until(|line| line["event"] == "TEST").await;
    let before = tail.sockets().len();
    for fault in [Fault::rst_on_accept(), Fault::http(500, &[], "")] {
        gateway.misbehave([fault]);
        gateway.order(ShardId::ONE, [Step::Rst]);
        tail.until(|line| line["kind"] == "connect").await;
        tail.until(|line| line["event"] == "RESUMED").await;
        gateway.send(ShardId::ONE, "TEST", "2").unwrap();
        tail.until(|line| line["event"] == "TEST").await;
    }
    assert_eq!(tail.sockets().len(), before);
    tail.terminate().await;
}

/// Goal: however the resume url is dead, it is tried once, then the base url has the session, no
/// later than 11 s after the cut.
#[tokio::test(start_paused = true)]
async fn f107_a_dead_resume_url_is_tried_once_and_then_the_base_url_has_the_session() {
    fn not_found() -> Way {
        Way::serve(|mut pipe| async move {
            read_head(&mut pipe).await;
            pour(&mut pipe, b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        })
    }
    fn garbage() -> Way {
        Way::serve(|mut pipe| async move {
            pour(&mut pipe, &[0; 64]).await;
        })
    }
    let cases: [(&str, &str, fn() -> Way); 6] = [
        ("refused", "ws://127.0.0.2:9", || Way::Fail(refused())),
        ("silent", "ws://127.0.0.2:9", || Way::Hang),
        ("no such name", "ws://127.0.0.2:9", || Way::Fail(no_such_name())),
        ("404", "ws://127.0.0.2:9", not_found),
        ("no TLS", "wss://127.0.0.2:9", garbage),
        ("closed", "ws://127.0.0.2:9", || Way::serve(|pipe| async { drop(pipe) })),
    ];
    for (name, url, way) in cases {
        let world = World::new(Gateway::builder().resume_url(url));
        let mut bot = begun(&world).await;
        world.wire.always(move |dialled| match dialled.host.as_str() {
            "127.0.0.2" => way(),
            _ => Way::Gateway,
        });
        let cut = Instant::now();
        bot.order([Step::Rst]);
        bot.goes_on().await;
        let took = cut.elapsed();
        assert!(took <= secs(11), "{name}: {took:?}");
        bot.kept_its_session(1);
        let hosts: Vec<_> = world.wire.dials().into_iter().map(|dial| dial.host).collect();
        assert_eq!(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.1"], "{name}");
        // Also after the next cut the session is there. RESUMED names no url: the base has it.
        bot.order([Step::Rst]);
        bot.goes_on().await;
        bot.kept_its_session(2);
        assert_eq!(world.wire.dials()[3].host, "127.0.0.1", "{name}");
    }
}

/// As JSON texts, in place of a url to which the token may be sent.
fn hostile_urls() -> Vec<String> {
    let mut urls: Vec<String> = [
        "ws://gateway.discord.gg",
        "http://gateway.discord.gg",
        "https://gateway.discord.gg",
        "gateway.discord.gg",
        "//gateway.discord.gg",
        "ftp://gateway.discord.gg",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "unix:///run/socket",
        "",
        " ",
        "wss://",
        "wss:///path",
        "wss://:443",
        "wss://evil.example",
        "wss://evil.example/gateway.discord.gg",
        "wss://evil.example?gateway.discord.gg",
        "wss://evil.example#gateway.discord.gg",
        "wss://gateway.discord.gg.evil.example",
        "wss://discord.gg.evil.example",
        "wss://evildiscord.gg",
        "wss://evil-discord.gg",
        "wss://discord.gg:80",
        "wss://gateway-us.discord.gg:8443",
        "wss://gateway-us.discord.gg:0",
        "wss://gateway-us.discord.gg:65536",
        "wss://gateway-us.discord.gg:",
        "wss://gateway-us.discord.gg:443:443",
        "wss://gateway-us.discord.gg@evil.example",
        "wss://evil.example@gateway-us.discord.gg",
        "wss://user:password@gateway-us.discord.gg",
        "wss://gateway-us.discord.gg\\@evil.example",
        "wss:\\\\gateway-us.discord.gg",
        "wss://gateway-us.discord.gg%2eevil.example",
        "wss://gateway-us.discord.gg%00.evil.example",
        "wss://evil.example%2f.discord.gg",
        "wss://gateway us.discord.gg",
        "wss://gateway-us.discord.gg\u{0}",
        "wss://gateway-us.discord.gg\r\nHost: evil.example",
        " wss://gateway-us.discord.gg",
        "wss://gateway-us.discord.gg\n",
        "wss://gateway-us.d\u{456}scord.gg",
        "wss://\u{ff45}vil.example",
        "wss://.discord.gg",
        "wss://..discord.gg",
        "wss://discord..gg",
        "wss://gateway.discord.gg.",
        "wss://gg",
        "wss://localhost",
        "wss://127.0.0.1",
        "ws://127.0.0.1:1",
        "wss://[::1]",
        "wss://[::ffff:127.0.0.1]",
        "wss://[gateway.discord.gg]",
        "wss://[::1",
        "wss://10.0.0.1",
        "wss://169.254.169.254/latest/meta-data",
        "wss://0x7f.1",
        "wss://2130706433",
        "wss://127.1",
        "wss://0.0.0.0",
        "wss://gateway-us.discord.gg?token=1",
        "wss://gateway-us.discord.gg#x",
        "wss://gateway-us.discord.gg/%2e%2e?x",
    ]
    .into_iter()
    .map(|url| serde_json::Value::from(url).to_string())
    .collect();
    let long = format!("wss://{}.discord.gg", "a".repeat(64 << 10));
    urls.push(serde_json::Value::from(long).to_string());
    let path = format!("wss://gateway-us.discord.gg/{}", "a".repeat(64 << 10));
    urls.push(serde_json::Value::from(path).to_string());
    let typed = ["null", "0", "-1e300", "true", "[]", "{}", r#"["wss://gateway.discord.gg"]"#];
    urls.extend(typed.map(String::from));
    urls
}

/// Goal: a url that is not the platform's is never dialled, and costs nothing but itself: the
/// session is resumed at the base url. Method: dial by host, behind TLS as in earnest, so that
/// addresses of this machine are strangers too.
#[tokio::test(start_paused = true)]
async fn f108_a_hostile_resume_url_is_never_dialled_and_the_base_url_has_the_session() {
    const HOST: &str = "gateway.discord.gg";
    let urls = hostile_urls();
    assert!(urls.len() >= 40);
    for url in &urls {
        let (world, _) = World::tls(HOST, None);
        world.gateway.misbehave([Fault::ready_with("resume_gateway_url", url)]);
        let mut bot = begun(&world).await;
        bot.order([Step::Rst]);
        bot.goes_on().await;
        bot.kept_its_session(1);
        for dial in world.wire.dials() {
            assert_eq!((dial.host.as_str(), dial.port), (HOST, 443), "{url}");
        }
        assert_eq!(world.wire.dials().len(), 2, "{url}");
        assert_eq!(bot.errors(ErrorKind::Connect), [""; 0], "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn f108_a_resume_url_of_the_platform_is_dialled() {
    let (world, _) = World::tls("gateway.discord.gg", Some("wss://gateway-us.discord.gg"));
    let mut bot = begun(&world).await;
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let hosts: Vec<_> = world.wire.dials().into_iter().map(|dial| dial.host).collect();
    // Its certificate is for another name here, so the base url follows.
    assert_eq!(hosts, ["gateway.discord.gg", "gateway-us.discord.gg", "gateway.discord.gg"]);
}
