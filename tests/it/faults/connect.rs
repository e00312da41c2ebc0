//! Connect, TLS, upgrade: what can go wrong before the first message, and where a session may be
//! resumed.

mod resume_url;
pub(super) mod tls;
mod upgrade;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use shardstream::{
    Cause, Config, ErrorKind, Intents, ShardId, Tls,
    local::{Fault, Gateway, Moment, Step},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::tls::{Authority, self_signed};
use super::world::{
    Bot, Door, TcpServer, Way, World, assert_backoff, frame, lock, ms, pour, read_head, scaled,
    scaled_gateway, secs,
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
    (
        "f22",
        "there are no outbound proxies yet: they come with an issue of their own",
    ),
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
        assert!(
            error.contains(text) && error.contains("127.0.0.1"),
            "{error}"
        );
    }
    let gaps = world.wire.gaps(0);
    assert!(gaps[0] <= ms(502), "the first return is quick: {gaps:?}");
    assert_eq!(
        gaps[1],
        Duration::ZERO,
        "the base url follows the resume url at once: {gaps:?}"
    );
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
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
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
        (
            "closed instead of hello",
            close(Moment::Hello, Step::Close(1000)),
        ),
        (
            "4000 instead of hello",
            close(Moment::Hello, Step::Close(4000)),
        ),
        (
            "op 7 instead of hello",
            close(Moment::Hello, Step::Reconnect),
        ),
        (
            "op 9 instead of hello",
            close(Moment::Hello, Step::InvalidSession(true)),
        ),
        ("an unusable hello", Fault::hello_interval("0")),
    ];
    for (name, fault) in cases {
        let world = World::new(Gateway::builder());
        world.gateway.misbehave_always([fault]);
        let mut bot = world.bot();
        bot.idle(secs(300)).await;
        let dials = world.wire.dials();
        let within = |time| {
            dials
                .iter()
                .filter(|dial| dial.at - dials[0].at <= time)
                .count()
        };
        let (soon, all) = (within(secs(15)), within(secs(300)));
        assert!(
            soon <= 8 && all <= 15,
            "{name}: {soon} in 15 s, {all} in 300 s"
        );
        assert!(
            soon >= 2 && all >= 8,
            "{name}: {soon} in 15 s, {all} in 300 s"
        );
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
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .gateway_url(&url)
        .limits(scaled());
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
            stream
                .read_exact(&mut hello)
                .await
                .expect("the side of the test works");
        }
        Cut::AfterTls | Cut::Answer => {
            let mut secured = tls
                .accept(stream)
                .await
                .expect("the side of the test works");
            if matches!(at, Cut::Answer) {
                read_head(&mut secured).await;
                let half = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso";
                secured
                    .write_all(half)
                    .await
                    .expect("the side of the test works");
                secured.flush().await.expect("the side of the test works");
            }
            // Without TLS's own goodbye.
            stream = secured.into_inner().0;
        }
    }
    if reset {
        stream
            .set_zero_linger()
            .expect("the side of the test works");
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
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
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
    let steps = [
        "TLS handshake",
        "TLS handshake",
        "WebSocket upgrade",
        "WebSocket upgrade",
    ];
    for (pair, step) in errors.chunks(2).zip(steps) {
        assert!(
            pair.iter().all(|error| error.contains(step)),
            "{step}: {errors:?}"
        );
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
            near.write_all(&first)
                .await
                .expect("the side of the test works");
            // The rest goes to the server as well; what it takes, it could read.
            let _ = tokio::io::copy_bidirectional(&mut pipe, &mut near).await;
        })
    });
    let before = world.wire.dials().len();
    let asked = world.gateway.stats().connections;
    let mut bot = world.bot();
    bot.idle(secs(600)).await;
    let errors = bot.errors(ErrorKind::Connect);
    assert!(errors.len() >= 10, "{errors:?}");
    for error in &errors {
        assert!(
            error.contains("TLS handshake: ") && error.contains(text),
            "{text}: {error}"
        );
        assert!(!error.contains("CANARY"));
    }
    assert_backoff(&world.wire.gaps(before));
    for first in lock(&heard).iter() {
        assert_eq!(first.first(), Some(&0x16), "TLS and nothing else");
    }
    let stats = world.gateway.stats();
    assert_eq!(stats.connections, asked, "nobody asked for the upgrade");
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
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
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
            .args([
                "-c",
                &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""),
            ])
            .arg(folder.join("examples/tail"))
            .args(["--token", crate::watch::TOKEN, "--url", url])
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
            let line = line
                .expect("it says more")
                .expect("the side of the test works")
                .expect("it runs");
            let value = serde_json::from_str(&line).expect("the side of the test works");
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
        let killed = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status();
        assert!(killed.expect("the side of the test works").success());
        let exit = timeout(secs(30), self.child.wait()).await.expect("it ends");
        assert!(exit.expect("the side of the test works").success());
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
        assert!(
            failed["error"].as_str().unwrap().contains("os error 24"),
            "{failed}"
        );
        assert_eq!(failed["fatal"], false);
    }
    tail.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn f21_a_shard_that_gets_no_socket_leaves_the_others_alone() {
    let world = World::new(Gateway::builder());
    let mut live = begun(&world).await;
    world
        .wire
        .always(|_| Way::Fail(io::Error::from_raw_os_error(24)));
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
