//! A socket over pipes, the server's bytes made by hand.

mod rest;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, task::noop_waker_ref};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::{Instant, sleep, timeout},
};

use super::{Read, Socket, push_piece};
use crate::{
    limits::Limits,
    transport::{Duplex, Io, frames::tests::frame},
};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

fn limits() -> Limits {
    Limits {
        message_len_max: 1 << 20,
        ..Limits::default()
    }
}

fn socket(stream: impl Duplex) -> Socket {
    let stream: Box<dyn Duplex> = Box::new(stream);
    Socket::new(Io::Plain(stream.into()), Bytes::new(), &limits().into())
}

/// A client and its server's end of a pipe that holds `len` bytes each way.
fn pair(len: usize) -> (Socket, DuplexStream) {
    let (client, server) = duplex(len);
    (socket(client), server)
}

/// Drives the socket as its documentation says.
async fn read(socket: &mut Socket) -> Read {
    poll_fn(|cx| {
        let _ = socket.poll_flush(cx);
        socket.poll_read(cx)
    })
    .await
}

async fn flush(socket: &mut Socket) -> io::Result<()> {
    poll_fn(|cx| socket.poll_flush(cx)).await
}

/// What the socket gives for `bytes`, after which the server hangs up.
async fn read_all(bytes: &[u8]) -> (Vec<Read>, Vec<u8>) {
    let (mut socket, mut server) = pair(8 << 20);
    server.write_all(bytes).await.unwrap();
    server.shutdown().await.unwrap();
    let mut reads = Vec::new();
    loop {
        let read = read(&mut socket).await;
        let over = !matches!(read, Read::Text(_) | Read::Binary(_));
        reads.push(read);
        if over {
            break;
        }
    }
    assert!(
        matches!(read(&mut socket).await, Read::Cut(_)),
        "nothing follows"
    );
    let _ = flush(&mut socket).await;
    drop(socket);
    let mut written = Vec::new();
    server.read_to_end(&mut written).await.unwrap();
    (reads, written)
}

async fn read_last(bytes: &[u8]) -> (Read, Vec<u8>) {
    let (mut reads, written) = read_all(bytes).await;
    (reads.pop().unwrap(), written)
}

/// The client's frames, unmasked: opcode and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80, 0x80, "masked");
        let (len, rest) = match second & 0x7F {
            126 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            len => (usize::from(len), rest),
        };
        let (mask, rest) = rest.split_at(4);
        let (payload, rest) = rest.split_at(len);
        let plain = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b);
        frames.push((*first, plain.collect()));
        bytes = rest;
    }
    frames
}

#[tokio::test]
async fn messages_arrive_whole_in_kind_and_in_order() {
    let long = vec![b'l'; 200_000];
    let stream = [
        frame(TEXT, b"{}"),
        frame(BINARY, b"\0\xff"),
        frame(PONG, b"unasked"),
        frame(0x01, b"fir"),
        frame(PING, b"between"),
        frame(0x80, b"st"),
        frame(TEXT, &long),
        frame(TEXT, b""),
        frame(CLOSE, b"\x0f\xa7bye"),
        frame(TEXT, b"never"),
    ]
    .concat();
    let (reads, written) = read_all(&stream).await;
    let shown = format!("{reads:?}");
    assert_eq!(
        shown,
        "[Text(2 bytes), Binary(2 bytes), Text(5 bytes), Text(200000 bytes), Text(0 bytes), \
         Closed(Some(4007), \"bye\")]"
    );
    assert!(matches!(&reads[2], Read::Text(text) if text == "first"));
    assert!(matches!(&reads[3], Read::Text(text) if *text == long));
    let answers = [(PONG, b"between".to_vec()), (CLOSE, b"\x0f\xa7".to_vec())];
    assert_eq!(frames(&written), answers);
}

#[tokio::test]
async fn what_came_with_the_upgrade_is_read_first_however_it_is_cut() {
    let stream = [frame(TEXT, b"hello"), frame(TEXT, &[b'x'; 300])].concat();
    for cut in 0..=stream.len() {
        let (client, mut server) = duplex(1000);
        let client: Box<dyn Duplex> = Box::new(client);
        let early = Bytes::copy_from_slice(&stream[..cut]);
        let mut socket = Socket::new(Io::Plain(client.into()), early, &limits().into());
        server.write_all(&stream[cut..]).await.unwrap();
        assert!(matches!(read(&mut socket).await, Read::Text(text) if text == "hello"));
        assert!(matches!(read(&mut socket).await, Read::Text(text) if text.len() == 300));
    }
}

/// F23: each of them; the server is told by 1002.
#[tokio::test]
async fn a_frame_that_breaks_the_rfc_is_broken() {
    for bad in [
        &[TEXT, 0x82, 1, 2, 3, 4, 5, 6][..],
        &[0xC1, 0],
        &[0xA1, 0],
        &[0x91, 0],
        &[0x83, 0],
        &[0x8B, 0],
        &[0x80, 0],
        &[0x09, 0],
        &[PING, 126, 0, 126],
        &[TEXT, 126, 0, 1, b'x'],
    ] {
        let (reads, written) = read_all(&[&frame(TEXT, b"ok"), bad].concat()).await;
        assert_eq!(format!("{reads:?}"), "[Text(2 bytes), Broken]", "{bad:x?}");
        assert_eq!(frames(&written), [(CLOSE, 1002_u16.to_be_bytes().to_vec())]);
    }
}

/// F30, F31.
#[tokio::test]
async fn text_that_is_no_utf8_is_broken_and_a_cut_code_point_is_not() {
    for bad in [
        &b"\xff"[..],
        b"ok\xc3",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
    ] {
        assert!(
            matches!(read_last(&frame(TEXT, bad)).await.0, Read::Broken),
            "{bad:x?}"
        );
        // In pieces, the last of them empty, or so long that this side makes the pieces.
        let padded = [&vec![b'a'; 70_000], bad].concat();
        for stream in [
            [frame(0x01, bad), frame(0x80, b"")].concat(),
            [frame(0x01, b"a"), frame(0x80, bad)].concat(),
            [
                frame(0x01, bad),
                frame(0x00, b""),
                frame(PING, b""),
                frame(0x80, b"a"),
            ]
            .concat(),
            frame(TEXT, &padded),
            [
                frame(TEXT, b"before"),
                frame(0x01, bad),
                frame(0x80, &padded),
            ]
            .concat(),
        ] {
            let (mut reads, written) = read_all(&stream).await;
            assert!(matches!(reads.pop(), Some(Read::Broken)), "{bad:x?}");
            let before = reads
                .iter()
                .all(|read| matches!(read, Read::Text(text) if text == "before"));
            assert!(before, "{reads:?}");
            let last = frames(&written).pop().unwrap();
            assert_eq!(last, (CLOSE, 1007_u16.to_be_bytes().to_vec()));
        }
        let binary = read_all(&frame(BINARY, bad)).await.0;
        assert!(matches!(binary[0], Read::Binary(_)));
    }
    let text = "aä€😀".as_bytes();
    for cut in 0..=text.len() {
        let (a, b) = text.split_at(cut);
        let stream = [frame(0x01, a), frame(PING, b""), frame(0x80, b)].concat();
        let reads = read_all(&stream).await.0;
        assert!(
            matches!(&reads[0], Read::Text(whole) if whole == text),
            "{cut}"
        );
    }
    // The cuts that this side makes in long frames are no different.
    for shift in 0..4 {
        let text = format!("{}{}", "a".repeat(shift), "😀".repeat(50_000));
        let reads = read_all(&frame(TEXT, text.as_bytes())).await.0;
        assert!(matches!(&reads[0], Read::Text(whole) if whole == text.as_bytes()));
    }
}

/// Goal: text that can become UTF-8 no more ends the connection at once, though its frame is not
/// complete.
#[tokio::test(start_paused = true)]
async fn text_in_pieces_is_judged_byte_by_byte() {
    let (mut socket, mut server) = pair(1000);
    let stream = frame(0x01, b"ok\xf4\x90 and so on");
    for byte in &stream[..5] {
        server.write_all(&[*byte]).await.unwrap();
        assert!(read(&mut socket).now_or_never().is_none());
    }
    server.write_all(&stream[5..6]).await.unwrap();
    assert!(matches!(read(&mut socket).await, Read::Broken));
}

/// Goal: the space of a message follows what arrived, and ends at the limit.
#[test]
fn space_for_a_message_in_pieces_grows_by_a_quarter_up_to_the_limit() {
    let (piece, max) = (vec![b'a'; 1000], 3_000_000);
    let (mut message, mut growths) = (Vec::new(), 0);
    while message.len() + piece.len() <= max {
        let before = message.capacity();
        push_piece(&mut message, &piece, max);
        let (len, space) = (message.len(), message.capacity());
        assert!(
            space <= (len + (64 << 10)).max(len / 4 * 5).min(max),
            "{len}"
        );
        growths += usize::from(space != before);
    }
    assert!(growths < 40, "{growths}");
    // A piece is taken whatever the limit: others have looked at it.
    push_piece(&mut message, &piece, max);
    assert_eq!(message.len(), max + piece.len());
}

/// F34 and the sweep of codes.
#[tokio::test]
async fn a_close_frame_gives_its_code_only_where_it_may_stand_on_the_wire() {
    for code in (0..=5000).chain([u16::MAX]) {
        let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let (read, written) = read_last(&frame(CLOSE, &code.to_be_bytes())).await;
        let expected = allowed.then_some(code);
        assert!(
            matches!(read, Read::Closed { code, .. } if code == expected),
            "{code}"
        );
        let answer = match code {
            1000 | 1001 => Vec::new(),
            _ if allowed => code.to_be_bytes().to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(frames(&written), [(CLOSE, answer)], "{code}");
    }
    for (payload, code, reason) in [
        (&b""[..], None, ""),
        (b"\x0f", None, ""),
        (b"\x0f\xa4auth\r\n\"x\"", Some(4004), r#"auth\r\n\"x\""#),
        (b"\x0f\xa4\xff\xfe", None, "\u{fffd}\u{fffd}"),
    ] {
        let (read, _) = read_last(&frame(CLOSE, payload)).await;
        let expected = format!(
            "{:?}",
            Read::Closed {
                code,
                reason: reason.to_owned()
            }
        );
        assert_eq!(format!("{read:?}"), expected);
    }
    let long = [b"\x0f\xa4", &[0x01; 123][..]].concat();
    let (read, _) = read_last(&frame(CLOSE, &long)).await;
    assert!(matches!(read, Read::Closed { reason, .. } if reason.len() == 256));
}

#[tokio::test]
async fn a_message_beyond_the_limits_is_too_long() {
    let claim = [&[BINARY, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    let half = vec![0; (1 << 19) + 1];
    let halves = [frame(2, &half), frame(0x80, &half)].concat();
    let tiny = [frame(2, b"1"), frame(0, b"1").repeat(4096)].concat();
    for bad in [claim, halves, tiny] {
        let (read, written) = read_last(&bad).await;
        assert!(matches!(read, Read::TooLong), "{read:?}");
        assert_eq!(frames(&written), [(CLOSE, 1009_u16.to_be_bytes().to_vec())]);
    }
    let (reads, _) = read_all(&frame(BINARY, &vec![0; 1 << 20])).await;
    assert!(matches!(&reads[0], Read::Binary(bytes) if bytes.len() == 1 << 20));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_cut_at_every_byte() {
    let stream = [
        frame(0x01, b"abc"),
        frame(0x80, &[b'x'; 200]),
        frame(CLOSE, b"\x0f\xa0"),
    ];
    let stream = stream.concat();
    for len in 0..stream.len() {
        let (reads, _) = read_all(&stream[..len]).await;
        assert!(
            matches!(reads.last(), Some(Read::Cut(_))),
            "{len}: {reads:?}"
        );
        assert_eq!(
            reads.len(),
            1 + usize::from(len >= 5 + 204),
            "{len}: {reads:?}"
        );
    }
}

/// Remembers how much space each read offered: what the library had allocated for it.
#[derive(Debug)]
struct Watched {
    stream: DuplexStream,
    largest: Arc<AtomicUsize>,
    last: Arc<AtomicUsize>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.largest.fetch_max(buf.remaining(), Ordering::Relaxed);
        self.last.store(buf.remaining(), Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// F24. Goal: memory follows what arrived. Method: the header of a message of the whole
/// limit, then a few bytes; then the space that is offered to reads after the message.
#[tokio::test]
async fn a_claim_reserves_little_and_buffers_are_given_back() {
    let (stream, mut server) = duplex(4 << 20);
    let (largest, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut socket = socket(Watched {
        stream,
        largest: Arc::clone(&largest),
        last: Arc::clone(&last),
    });
    let message = frame(BINARY, &vec![1; 1 << 20]);
    server.write_all(&message[..1000]).await.unwrap();
    assert!(read(&mut socket).now_or_never().is_none());
    assert!(largest.load(Ordering::Relaxed) <= 64 << 10, "{largest:?}");
    server.write_all(&message[1000..]).await.unwrap();
    assert!(matches!(read(&mut socket).await, Read::Binary(bytes) if bytes.len() == 1 << 20));
    assert!(largest.load(Ordering::Relaxed) <= 64 << 10, "{largest:?}");
    for _ in 0..2 {
        assert!(read(&mut socket).now_or_never().is_none());
    }
    assert!(last.load(Ordering::Relaxed) <= 8 << 10, "{last:?}");
    assert!(!socket.is_roused());
    server.write_all(&frame(TEXT, b"on")).await.unwrap();
    assert!(matches!(read(&mut socket).await, Read::Text(text) if text == "on"));
}

/// F27: what a peer that never reads can make wait is bounded on this side by not reading.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_exactly_and_pongs_never_pile_up() {
    let (mut socket, mut server) = pair(64);
    let start = Instant::now();
    let mut taken = 0;
    let flood = async {
        loop {
            let payload = [b'p'; 30];
            server.write_all(&frame(PING, &payload)).await.unwrap();
            taken += 1;
        }
    };
    let ended = tokio::select! {
        read = read(&mut socket) => read,
        () = flood => unreachable!(),
    };
    assert!(matches!(ended, Read::Cut(error) if error.kind() == io::ErrorKind::TimedOut));
    assert_eq!(start.elapsed(), limits().write_stall);
    // One in the pipe to the server, 16 waiting, some in buffers on the way.
    assert!(taken <= 16 + 1 + 8192 / 32 + 2, "{taken}");

    let (mut socket, mut server) = pair(4096);
    for len in [0, 1, 125] {
        server
            .write_all(&frame(PING, &vec![b'p'; len]))
            .await
            .unwrap();
        assert!(read(&mut socket).now_or_never().is_none());
        assert!(flush(&mut socket).now_or_never().is_some());
        assert!(socket.can_send());
        let mut pong = vec![0; 6 + len];
        server.read_exact(&mut pong).await.unwrap();
        assert_eq!(frames(&pong), [(PONG, vec![b'p'; len])]);
    }
}

/// Other tasks have their turn in a flood that this side could answer for ever.
#[tokio::test]
async fn a_flood_of_control_frames_yields() {
    let (mut socket, mut server) = pair(1 << 20);
    server
        .write_all(&frame(PONG, b"").repeat(1000))
        .await
        .unwrap();
    let mut cx = Context::from_waker(noop_waker_ref());
    let start = socket.gate().io().traffic().0;
    assert!(socket.poll_read(&mut cx).is_pending());
    server.write_all(&frame(TEXT, b"x")).await.unwrap();
    let mut polls = 1;
    while socket.poll_read(&mut cx).is_pending() {
        polls += 1;
    }
    assert!((10..30).contains(&polls), "{polls} {start}");
}

/// F33: reads go on while a write is blocked, and each byte of progress starts the deadline
/// anew.
#[tokio::test(start_paused = true)]
async fn a_write_without_progress_times_out_and_reads_go_on() {
    let (mut socket, mut server) = pair(100);
    assert!(socket.can_send());
    socket.send_text(&[b'w'; 4000]);
    assert!(!socket.can_send());
    assert!(flush(&mut socket).now_or_never().is_none());
    server.write_all(&frame(TEXT, b"in")).await.unwrap();
    assert!(matches!(read(&mut socket).await, Read::Text(text) if text == "in"));
    let start = Instant::now();
    let slow = async {
        for _ in 0..3 {
            sleep(Duration::from_secs(9)).await;
            let mut byte = [0; 1];
            server.read_exact(&mut byte).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let stalled = tokio::select! {
        stalled = flush(&mut socket) => stalled,
        () = slow => unreachable!(),
    };
    assert_eq!(stalled.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(27) + limits().write_stall
    );
}

#[tokio::test]
async fn a_text_is_sent_whole_and_masked() {
    let (mut socket, mut server) = pair(100);
    socket.send_text(&[b'w'; 4000]);
    let mut sent = vec![0; 8 + 4000];
    let (flushed, read) = tokio::join!(flush(&mut socket), server.read_exact(&mut sent));
    assert!(flushed.is_ok() && read.is_ok());
    assert_eq!(frames(&sent), [(TEXT, vec![b'w'; 4000])]);
    assert!(socket.can_send());
    assert_eq!(socket.traffic(), (0, 4008));
}

#[tokio::test]
async fn after_our_close_frame_reading_goes_on_until_the_peers() {
    let (mut socket, mut server) = pair(1000);
    socket.start_close(4000);
    socket.start_close(1000);
    assert!(!socket.can_send());
    flush(&mut socket).await.unwrap();
    let late = [
        frame(TEXT, b"late"),
        frame(PING, b""),
        frame(CLOSE, b"\x0f\xa0"),
    ]
    .concat();
    server.write_all(&late).await.unwrap();
    assert!(matches!(read(&mut socket).await, Read::Text(text) if text == "late"));
    assert!(matches!(
        read(&mut socket).await,
        Read::Closed {
            code: Some(4000),
            ..
        }
    ));
    drop(socket);
    let mut written = Vec::new();
    server.read_to_end(&mut written).await.unwrap();
    assert_eq!(
        frames(&written),
        [(CLOSE, b"\x0f\xa0".to_vec())],
        "one, and no pong behind"
    );
}

/// A peer that closes and hangs up at once has said why; a heartbeat that then fails to be
/// written must not cost that.
#[tokio::test]
async fn a_close_code_is_read_although_writing_has_failed() {
    let (mut socket, mut server) = pair(1000);
    server.write_all(&frame(CLOSE, b"\x0f\xa4")).await.unwrap();
    drop(server);
    socket.send_text(b"heartbeat");
    assert!(flush(&mut socket).await.is_ok());
    assert!(matches!(
        read(&mut socket).await,
        Read::Closed {
            code: Some(4004),
            ..
        }
    ));
}

/// Takes no bytes, and says nothing.
#[derive(Debug)]
struct Deaf;

impl AsyncRead for Deaf {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_error_cuts_a_silent_connection() {
    let mut socket = socket(Deaf);
    let start = Instant::now();
    socket.send_text(b"heartbeat");
    let cut = read(&mut socket).await;
    assert!(matches!(cut, Read::Cut(error) if error.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(start.elapsed(), limits().close);
}

#[tokio::test]
async fn debug_shows_no_byte_of_a_message() {
    let (mut socket, mut server) = pair(1000);
    socket.send_text(b"CANARY");
    server
        .write_all(&frame(TEXT, b"CANARY")[..5])
        .await
        .unwrap();
    assert!(read(&mut socket).now_or_never().is_none());
    assert!(!format!("{socket:?}").contains("CAN"));
    let text = Read::Text(super::Text(super::Form::Joined("CANARY".to_owned())));
    assert_eq!(format!("{text:?}"), "Text(6 bytes)");
}

/// Goal: nothing is lost, doubled or mixed up, whatever lies between two reads, also when buffers
/// are given back. Method: random messages, fragments and pings, written in random pieces with
/// random pauses by a server that reads slowly; the seed is printed, and taken from `SEED`.
#[tokio::test(start_paused = true)]
async fn random_streams_arrive_exactly() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or_else(|| fastrand::u64(..));
    for seed in first..first.saturating_add(30) {
        eprintln!("SEED={seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut messages, mut pings, mut stream) = (Vec::new(), 0, Vec::new());
        for _ in 0..rng.usize(1..40) {
            let max = [1, 10, 200, 10_000, 70_000, 300_000][rng.usize(..6)];
            let message = vec![rng.u8(b'a'..=b'z'); rng.usize(..max)];
            let parts = rng.usize(1..4);
            for (n, part) in (0..parts).map(|n| (n, message.len() * n / parts)) {
                let end = message.len() * (n + 1) / parts;
                let fin = if n + 1 == parts { 0x80 } else { 0 };
                let first = fin | u8::from(n == 0);
                stream.extend(frame(first, &message[part..end]));
                for _ in 0..rng.usize(..30).saturating_sub(20) {
                    pings += 1;
                    stream.extend(frame(PING, &vec![b'p'; rng.usize(..100)]));
                }
            }
            messages.push(message);
        }
        stream.extend(frame(CLOSE, b"\x0f\xa0"));
        let (mut socket, server) = pair([1, 17, 1000, 100_000][rng.usize(..4)].max(64));
        let (mut from_client, mut to_client) = tokio::io::split(server);
        let mut pauses = rng.fork();
        let write = async move {
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(pauses.usize(1..=rest.len().min(50_000)));
                to_client.write_all(piece).await.unwrap();
                sleep(Duration::from_millis(pauses.u64(..3))).await;
                rest = more;
            }
        };
        let answers = tokio::spawn(async move {
            let mut answers = Vec::new();
            while from_client
                .read_buf(&mut answers)
                .await
                .is_ok_and(|n| n > 0)
            {
                sleep(Duration::from_millis(rng.u64(..5))).await;
            }
            frames(&answers)
        });
        let read = async {
            for message in messages {
                let read = read(&mut socket).await;
                assert!(
                    matches!(&read, Read::Text(text) if *text == message),
                    "{read:?}"
                );
            }
            assert!(matches!(read(&mut socket).await, Read::Closed { .. }));
            let _ = flush(&mut socket).await;
            drop(socket);
        };
        tokio::join!(write, read);
        let answers = answers.await.unwrap();
        assert_eq!(
            answers.iter().filter(|(first, _)| *first == PONG).count(),
            pings
        );
        assert_eq!(answers.last().map(|(first, _)| *first), Some(CLOSE));
    }
}

/// Gives all its bytes at once and takes bytes every other time it is asked.
#[derive(Debug)]
struct EveryOther {
    bytes: Vec<u8>,
    asked: usize,
}

impl AsyncRead for EveryOther {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Poll::Pending;
        }
        let n = buf.remaining().min(self.bytes.len());
        buf.put_slice(&self.bytes[..n]);
        self.bytes.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for EveryOther {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked += 1;
        if self.asked.is_multiple_of(2) {
            return Poll::Ready(Ok(bytes.len()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Regression: frames that were read but not decoded were dropped with the buffer when the pongs
/// in their way could be written in the same poll after all.
#[tokio::test(start_paused = true)]
async fn frames_behind_a_pong_that_had_to_wait_are_kept() {
    let long = vec![b'l'; 5000];
    let bytes = [
        frame(TEXT, &long),
        frame(PING, b""),
        frame(TEXT, b"kept"),
        frame(PING, b""),
        frame(TEXT, b"too"),
    ];
    let stream: Box<dyn Duplex> = Box::new(EveryOther {
        bytes: bytes.concat(),
        asked: 0,
    });
    let limits = Limits {
        pongs_max: 1,
        ..limits()
    };
    let mut socket = Socket::new(Io::Plain(stream.into()), Bytes::new(), &limits.into());
    for expected in [&long[..], b"kept", b"too"] {
        let read = timeout(Duration::from_secs(1), read(&mut socket)).await;
        assert!(matches!(read, Ok(Read::Text(text)) if text == expected));
    }
}
