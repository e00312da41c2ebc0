//! The upgrade: answers that are no upgrade, that are too long or too slow, or that come in pieces.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shardstream::{
    ErrorKind, Notice,
    local::{Fault, Gateway, Step},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::{
    super::world::{Got, Way, World, assert_backoff, lock, ms, pour, read_head, secs, targets},
    begun,
};

#[tokio::test(start_paused = true)]
async fn f11_a_redirect_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::new(Gateway::builder());
        let mut bot = begun(&world).await;
        let location = [("Location", "ws://127.0.0.9:9/canary")];
        for _ in 0..3 {
            world
                .gateway
                .misbehave([Fault::http(status, &location, "canary")]);
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
            assert!(
                !error.contains("canary") && !error.contains("127.0.0.9"),
                "{error}"
            );
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
    assert_eq!(
        at_resume.collect::<Vec<_>>(),
        expected,
        "{status}: {asked:?}"
    );
    let gaps = world.wire.gaps(1);
    assert_eq!(gaps[0], Duration::ZERO, "{status}: {gaps:?}");
    assert_backoff(&gaps[1..]);
    let errors = bot.errors(ErrorKind::Connect);
    assert!(
        errors
            .iter()
            .all(|error| error.contains(&status.to_string())),
        "{errors:?}"
    );
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
        world
            .gateway
            .misbehave_always([Fault::http(status, &[], "")]);
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
        assert!(
            asked[1].starts_with("/resume?") && asked[2].starts_with("/?"),
            "{asked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f14_a_retry_after_is_kept_to_and_believed_for_fifteen_minutes_at_most() {
    type Case = (&'static [(&'static str, &'static str)], u64, u64);
    const NOW: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    // What the answer says; the least and the most wait. Without a word it is the backoff.
    let cases: [Case; 7] = [
        (&[("Retry-After", "7")], 7, 14),
        (&[("Retry-After", "899")], 899, 930),
        (&[("Retry-After", "1000000000")], 900, 930),
        (
            &[NOW, ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT")],
            60,
            90,
        ),
        (
            &[NOW, ("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT")],
            0,
            1,
        ),
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
        assert!(
            gap >= least && gap <= secs(most) + ms(2),
            "{headers:?}: {gap:?}"
        );
    }
}

/// Rows that overlap: the longest delay that applies.
#[tokio::test(start_paused = true)]
async fn f14_a_retry_after_at_the_resume_url_is_kept_to_as_well() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    world
        .gateway
        .misbehave([Fault::http(429, &[("Retry-After", "30")], "")]);
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
        world
            .wire
            .plan([Way::serve_with(PIPE, move |mut pipe| async move {
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
        assert!(
            *taken <= (4 << 10) + PIPE,
            "{taken} bytes of the page were taken"
        );
    }
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 2);
    for error in errors {
        assert!(
            error.contains("200") && !error.contains("canary"),
            "{error}"
        );
    }
}

/// A connection whose upgrade answer is another than the gateway's.
fn edited(world: &World, edit: impl FnOnce(String) -> Vec<u8> + Send + 'static) -> Way {
    let mut gateway = world.gateway.connect();
    Way::serve(|mut pipe| async move {
        let request = read_head(&mut pipe).await;
        gateway
            .write_all(&request)
            .await
            .expect("the side of the test works");
        let answer =
            String::from_utf8(read_head(&mut gateway).await).expect("the side of the test works");
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

/// Makes another answer of the gateway's.
type Edit = fn(String) -> Vec<u8>;

const ACCEPT: &str = "Sec-WebSocket-Accept";

/// Goal: an answer so changed is no upgrade: the attempt fails with this text, nothing is sent,
/// and the next attempt works.
async fn is_no_upgrade(name: &str, text: &str, edit: Edit) {
    let world = World::new(Gateway::builder());
    world.wire.plan([edited(&world, edit)]);
    let mut bot = world.bot();
    bot.begin().await;
    let errors = bot.errors(ErrorKind::Connect);
    assert_eq!(errors.len(), 1, "{name}: {errors:?}");
    assert!(errors[0].contains(text), "{name}: {errors:?}");
    assert_eq!(
        bot.count(|got| matches!(got, Got::Notice(Notice::Connected))),
        1
    );
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f17_an_answer_with_a_wrong_accept_value_is_no_upgrade_and_no_panic() {
    fn with(answer: &str, accept: &str) -> Vec<u8> {
        let right = value_of(answer, ACCEPT).to_owned();
        answer.replace(&right, accept).into_bytes()
    }
    let cases: [(&str, Edit); 9] = [
        ("missing", |answer| {
            answer.replace(ACCEPT, "X-Accept").into_bytes()
        }),
        ("empty", |answer| with(&answer, "")),
        ("another's", |answer| {
            with(&answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        }),
        ("of 63 bytes", |answer| with(&answer, &"QUFB".repeat(21))),
        ("of 64 bytes", |answer| {
            with(&answer, &format!("{}QQ==", "QUFB".repeat(21)))
        }),
        ("of 8,000 bytes", |answer| {
            with(&answer, &"QUFB".repeat(2000))
        }),
        ("not base64", |answer| with(&answer, "!!!! not base64 !!!!")),
        ("not ASCII", |answer| {
            with(&answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xO\u{e9}=")
        }),
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
        (
            "one endless line",
            format!("{head}X: {}", "x".repeat(1 << 20)),
            "too long",
        ),
        ("no line at all", "x".repeat(1 << 20), "too long"),
        (
            "100,000 lines",
            format!("{head}{}", "A: b\r\n".repeat(100_000)),
            "too long",
        ),
        (
            "101 lines",
            format!("{head}{}\r\n", "A: b\r\n".repeat(101)),
            "too many headers",
        ),
    ];
    for (name, answer, text) in endless {
        let world = World::new(Gateway::builder());
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        world
            .wire
            .plan([Way::serve_with(PIPE, move |mut pipe| async move {
                read_head(&mut pipe).await;
                count.store(pour(&mut pipe, answer.as_bytes()).await, Ordering::Relaxed);
            })]);
        let mut bot = world.bot();
        bot.begin().await;
        let taken = taken.load(Ordering::Relaxed);
        assert!(
            taken <= (16 << 10) + PIPE,
            "{name}: {taken} bytes were taken"
        );
        let errors = bot.errors(ErrorKind::Connect);
        assert!(
            errors.len() == 1 && errors[0].contains(text),
            "{name}: {errors:?}"
        );
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
    is_no_upgrade("not ASCII in a name", text, |answer| {
        with(&answer, b"X\xff: a")
    })
    .await;
    is_no_upgrade("no colon", text, |answer| with(&answer, b"nonsense")).await;
    // Other bytes in a value that nobody reads are allowed, of old (RFC 9110 section 5.5), and
    // harm nobody.
    let world = World::new(Gateway::builder());
    world
        .wire
        .plan([edited(&world, |answer| with(&answer, b"X: \xff\xfe"))]);
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
        gateway
            .write_all(&request)
            .await
            .expect("the side of the test works");
        let mut opening = Vec::new();
        while !opening.ends_with(b"}}") {
            opening.push(gateway.read_u8().await.expect("the side of the test works"));
        }
        len.store(opening.len(), Ordering::Relaxed);
        let mut rest = opening.as_slice();
        for len in lens {
            let (piece, more) = rest.split_at(len.min(rest.len()));
            rest = more;
            pipe.write_all(piece)
                .await
                .expect("the side of the test works");
            sleep(ms(5)).await;
        }
        pipe.write_all(rest)
            .await
            .expect("the side of the test works");
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
        answer
            .replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
            .into_bytes()
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
