//! How much memory can a server make a shard hold? Never more than the limit concerned and 1 MiB.
//!
//! Each test serves one attack over loopback to a process of its own: this same program, which runs
//! nothing but [`client`] there, with an allocator that counts. So neither the server nor another
//! attack is measured. What counts is what was live at most, a buffer that grows by its new length
//! (glibc moves the pages of long ones and copies nothing; the resident size shows it).
#![cfg(all(feature = "discord", feature = "http", feature = "zlib-rs"))]

mod client;
mod server;

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio},
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use cap::Cap;

use client::{Kind, Orders};
use server::{Peer, Server, event, frame, header, stored, zeros};

#[global_allocator]
static HEAP: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;

/// What may come on top of a limit.
const MARGIN: usize = MIB;

/// The whole process, its code and the test harness included.
const RESIDENT_MAX: usize = 300 * MIB;

/// How long anything may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

const TEXT: u8 = 0x81;
const TEXT_OPEN: u8 = 0x01;
const BINARY: u8 = 0x82;
const CONTINUATION: u8 = 0x80;
const CONTINUATION_OPEN: u8 = 0x00;
const PING: u8 = 0x89;

/// Serves `attack` on every connection until the client has seen what it waits for, and holds what
/// it measured to `limit`.
fn holds<A>(row: &str, limit: usize, orders: &Orders, attack: A)
where
    A: Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
{
    let start = Instant::now();
    let server = Server::start(attack);
    let mut child = Command::new(env::current_exe().expect("a program"))
        .args(["the_client_process", "--exact", "--ignored", "--nocapture"])
        .env(client::ORDERS, orders.to_text(server.port()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let stdin = child.stdin.take();
    if orders.kind == Kind::Idle {
        // It takes nothing, so only the server knows when the attack is over.
        let over = server.over.recv_timeout(PATIENCE);
        assert_ne!(over, Err(RecvTimeoutError::Timeout), "{row}: never over");
        drop(stdin);
    }
    let mut text = String::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_string(&mut text).expect("text");
    let status = child.wait().expect("a child");
    assert!(status.success(), "{row}: {text}");
    let figure = |name: &str| -> usize {
        let (_, rest) = text
            .split_once(name)
            .unwrap_or_else(|| panic!("{row}: {text}"));
        let digits = rest.split_whitespace().next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("{row}: {text}"))
    };
    let (peak, resident) = (figure("peak="), figure("resident="));
    let table = format!(
        "memory | {row:<48} | live {:>7.2} MiB of {:>3} + 1 | resident {:>4} MiB | {:>4.1} s\n",
        mib(peak),
        limit / MIB,
        resident / MIB,
        start.elapsed().as_secs_f64(),
    );
    // Past the harness, which shows nothing of a test that passes.
    io::stderr().write_all(table.as_bytes()).expect("stderr");
    assert!(peak <= limit + MARGIN, "{table}");
    assert!(resident <= RESIDENT_MAX, "{table}");
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / MIB as f64
}

/// The most that this process has had in memory, or 0 where that is not known.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() * 1024
}

#[test]
#[ignore = "the process that the other tests start and measure"]
fn the_client_process() {
    client::run();
}

// --- Before the WebSocket

#[test]
fn f16_the_body_of_an_http_error_is_not_read() {
    let orders = Orders::shard("error connect").times(3);
    holds("f16 HTTP error with a body of 10 MiB", 0, &orders, |peer| {
        peer.request()?;
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10485760\r\n\r\n";
        peer.write(head.as_bytes())?;
        peer.write_times(&[b'<'; 1024], 10 << 10)
    });
}

#[test]
fn f16_the_body_of_a_rest_answer_is_bounded() {
    let orders = Orders::of(Kind::Rest, "error");
    holds(
        "f16 REST answer with a body of 10 MiB",
        0,
        &orders,
        |peer| {
            peer.request()?;
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n";
            peer.write(head.as_bytes())?;
            peer.write_times(&[b' '; 1024], 10 << 10)
        },
    );
}

#[test]
fn f18_an_endless_header_ends_at_its_limit() {
    let orders = Orders::shard("error connect").times(3);
    holds("f18 header of 64 MiB", 0, &orders, |peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 101 Switching Protocols\r\nX: ")?;
        peer.write_times(&[b'x'; 1024], 64 << 10)
    });
    holds("f18 100,000 headers", 0, &orders, |peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 101 Switching Protocols\r\n")?;
        peer.write_times(b"X: y\r\n", 100_000)
    });
}

// --- Frames and messages

#[test]
fn f24_a_claim_costs_nothing() {
    for (what, len) in [
        ("64 MiB + 1", (64 << 20) + 1),
        ("8 GiB", 8 * GIB),
        ("2^62", 1 << 62),
        ("2^63 - 1", (1 << 63) - 1),
    ] {
        let row = format!("f24 frame header that claims {what}");
        let orders = Orders::shard("disconnected TooLong").times(3);
        holds(&row, 0, &orders, move |peer| {
            peer.begin()?;
            peer.write(&header(BINARY, len))?;
            peer.write_times(&[b'x'; 1024], 1024)
        });
    }
}

#[test]
fn f24_a_claim_within_the_limit_costs_what_has_arrived() {
    let orders = Orders::shard("disconnected Cut").times(3);
    holds(
        "f24 claim of 64 MiB, 4 MiB of it sent",
        4 * MIB + MIB,
        &orders,
        |peer| {
            peer.begin()?;
            peer.write(&header(TEXT, 64 << 20))?;
            peer.write_times(&[b'x'; 1024], 4 << 10)?;
            peer.hang_up()
        },
    );
}

#[test]
fn f25_a_message_of_exactly_the_limit_is_held_once() {
    let orders = Orders::shard("frame MESSAGE_CREATE 67108864");
    holds(
        "f25 message of 64 MiB in one frame",
        64 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            peer.write(&frame(TEXT, &event(2, 64 * MIB)))
        },
    );
    let orders = Orders::shard("frame MESSAGE_CREATE 67108864");
    holds(
        "f25 message of 64 MiB in 4,096 fragments",
        64 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            let message = event(2, 64 * MIB);
            let mut parts = message.chunks(16 << 10);
            let (first, last) = (parts.next(), parts.next_back());
            peer.write(&frame(TEXT_OPEN, first.unwrap_or_default()))?;
            for part in parts {
                peer.write(&frame(CONTINUATION_OPEN, part))?;
            }
            peer.write(&frame(CONTINUATION, last.unwrap_or_default()))
        },
    );
}

#[test]
fn f25_a_message_that_never_ends_ends_at_the_limit() {
    for (what, first) in [("text", TEXT_OPEN), ("binary", BINARY & 0x0F)] {
        let row = format!("f25 {what} that never ends");
        let orders = Orders::shard("disconnected TooLong");
        holds(&row, 64 * MIB, &orders, move |peer| {
            peer.begin()?;
            peer.write(&frame(first, b"{"))?;
            peer.write_times(&frame(CONTINUATION_OPEN, &vec![b' '; 32 << 10]), 1 << 14)
        });
    }
}

#[test]
fn f26_tiny_fragments_are_bounded_in_number() {
    let orders = Orders::shard("disconnected TooLong").times(3);
    holds("f26 10^6 fragments of one byte", 0, &orders, |peer| {
        peer.begin()?;
        peer.write(&frame(TEXT_OPEN, b"{"))?;
        peer.write_times(&frame(CONTINUATION_OPEN, b" "), 1_000_000)
    });
    holds("f26 10^6 empty fragments", 0, &orders, |peer| {
        peer.begin()?;
        peer.write(&frame(TEXT_OPEN, b""))?;
        peer.write_times(&frame(CONTINUATION_OPEN, b""), 1_000_000)
    });
}

#[test]
fn f27_pings_of_a_peer_that_does_not_read_pile_up_nowhere() {
    let orders = Orders::shard("disconnected");
    holds("f27 10^6 pings, the pongs unread", 0, &orders, |peer| {
        peer.begin()?;
        peer.write_times(&frame(PING, &[b'p'; 125]), 1_000_000)
    });
}

#[test]
fn empty_messages_pile_up_nowhere() {
    let orders = Orders::of(Kind::Idle, "");
    holds("10^7 empty messages", 0, &orders, |peer| {
        peer.begin()?;
        peer.write_times(&frame(TEXT, b""), 10_000_000)
    });
}

// --- Compression

#[test]
fn f40_compressed_messages_without_an_end_are_bounded() {
    let orders = Orders::shard("disconnected TooLong").zlib();
    holds("f40 zlib without a flush", 64 * MIB, &orders, |peer| {
        peer.begin()?;
        peer.write_times(&frame(BINARY, &stored(&vec![b' '; 32 << 10])), 1 << 14)
    });
}

#[test]
fn f45_a_bomb_ends_at_the_limit() {
    let orders = Orders::shard("disconnected TooLong").zlib();
    holds("f45 zlib bomb of 600 MiB", 64 * MIB, &orders, |peer| {
        peer.begin()?;
        peer.write(&frame(BINARY, &zeros(600)))
    });
    holds(
        "f45 zlib bomb of 600 MiB in fragments",
        64 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            let bomb = zeros(600);
            peer.write(&frame(BINARY & 0x0F, b""))?;
            for part in bomb.chunks(1000) {
                peer.write(&frame(CONTINUATION_OPEN, part))?;
            }
            peer.write(&frame(CONTINUATION, b""))
        },
    );
}

/// Two limits are concerned, of 64 MiB each: the message is there packed while it is inflated.
#[test]
fn f45_a_long_message_that_was_not_shrunk_is_held_packed_and_inflated() {
    let orders = Orders::shard("frame MESSAGE_CREATE 66060288").zlib();
    holds(
        "f45 63 MiB packed, 63 MiB inflated",
        128 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            let mut packed = stored(&event(2, 63 * MIB));
            packed.extend(server::FLUSH);
            peer.write(&frame(BINARY, &packed))
        },
    );
}

// --- Messages

#[test]
fn f78_nested_json_is_not_built_up() {
    let orders = Orders::shard("frame NESTED");
    holds(
        "f78 an event of 16 Mi nested arrays",
        32 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            let (open, close) = ("[".repeat(16 * MIB), "]".repeat(16 * MIB));
            let text = format!(r#"{{"op":0,"s":2,"t":"NESTED","d":{open}{close}}}"#);
            peer.write(&frame(TEXT, text.as_bytes()))
        },
    );
    let orders = Orders::shard("error frame").times(3);
    holds("f78 10^5 nested arrays around it all", 0, &orders, |peer| {
        peer.begin()?;
        peer.write_times(&frame(TEXT, "[".repeat(100_000).as_bytes()), 10)
    });
}

#[test]
fn events_that_nobody_takes_are_bounded() {
    for (what, len) in [("100 bytes", 100), ("16 KiB", 16 << 10), ("33 KB", 33_000)] {
        let row = format!("events of {what} that nobody takes");
        let orders = Orders::of(Kind::Idle, "");
        holds(&row, 16 * MIB, &orders, move |peer| {
            peer.begin()?;
            for seq in 2..100_000 {
                peer.send(&event(seq, len))?;
            }
            Ok(())
        });
    }
    // "Always at least one event": a long one may come on top of almost a full buffer.
    let orders = Orders::of(Kind::Idle, "");
    holds(
        "events of 15 MiB that nobody takes",
        30 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            (2..10).try_for_each(|seq| peer.send(&event(seq, 15 * MIB)))
        },
    );
    // What waits, and one more, packed and inflated. A length that leaves inflating much space.
    let orders = Orders::of(Kind::Idle, "").zlib();
    holds(
        "events of 1.1 MiB, zlib, that nobody takes",
        18 * MIB,
        &orders,
        |peer| {
            peer.begin()?;
            (2..100).try_for_each(|seq| peer.send(&event(seq, 1_150_000)))
        },
    );
}

#[test]
fn what_happens_between_events_that_nobody_takes_is_bounded() {
    let orders = Orders::of(Kind::Idle, "");
    holds("gaps that nobody hears of", 16 * MIB, &orders, |peer| {
        peer.begin()?;
        (1..100_000).try_for_each(|n| peer.write(&frame(TEXT, &event(3 * n, 100))))
    });
    holds(
        "messages that cannot be read, errors untaken",
        0,
        &orders,
        |peer| {
            peer.begin()?;
            peer.write_times(&frame(TEXT, b"{\"op\":"), 2_000_000)
        },
    );
}
