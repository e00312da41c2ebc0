//! The WebSocket layer: frames that break its rules, claim too much or come too slowly.

mod peers;

use std::sync::Arc;

use futures::future::join_all;
use shardstream::{
    Cause, Compression, ErrorKind, Limits, Notice,
    local::{Act, Gateway, Step},
};
use tokio::time::Instant;

use super::world::{Bot, Got, World, closes, frame, ms, real_bot, scaled_gateway, secs};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];

const FIN: u8 = 0x80;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A header that claims so many bytes, without any of them.
fn claim(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first, 127];
    header.extend(len.to_be_bytes());
    header
}

/// The sequence that the last RESUME carried.
fn resumed_from(gateway: &Gateway) -> Option<u64> {
    let seq = |act: Act| match act {
        Act::Resume { seq, .. } => Some(seq),
        _ => None,
    };
    gateway
        .log()
        .into_iter()
        .rev()
        .find_map(|record| seq(record.act))
}

/// Goal: these bytes in the middle of a session end the connection for this cause, with this code
/// in our close frame, and the session is resumed where it was.
async fn ends_and_resumes(name: &str, bytes: Vec<u8>, cause: Cause, code: Option<u16>) {
    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    let seq = bot.shard.last_sequence();
    bot.order([Step::Raw(bytes)]);
    assert_eq!(bot.disconnected().await, (cause, true), "{name}");
    assert_eq!(
        bot.shard.last_sequence(),
        seq,
        "{name}: the sequence is what it was"
    );
    bot.goes_on().await;
    bot.kept_its_session(1);
    assert_eq!(resumed_from(&world.gateway), seq, "{name}");
    assert_eq!(closes(&world.gateway), [code], "{name}");
    let gap = world.wire.gaps(0)[0];
    assert!(gap <= ms(502), "{name}: {gap:?}");
}

#[tokio::test(start_paused = true)]
async fn f23_a_frame_that_breaks_the_rfc_is_answered_by_1002_and_resumes() {
    let masked = |opcode: u8| vec![FIN | opcode, FIN | 2, 1, 2, 3, 4, b'{' ^ 1, b'}' ^ 2];
    let mut cases = vec![
        ("masked text".to_owned(), masked(1)),
        ("masked ping".to_owned(), masked(9)),
        ("stray continuation".to_owned(), frame(0x80, b"{}")),
        ("stray open continuation".to_owned(), frame(0x00, b"{}")),
        ("fragmented ping".to_owned(), frame(0x09, b"")),
        ("fragmented pong".to_owned(), frame(0x0A, b"")),
        ("fragmented close".to_owned(), frame(0x08, b"")),
        ("ping of 126 bytes".to_owned(), frame(PING, &[0; 126])),
        ("pong of 126 bytes".to_owned(), frame(PONG, &[0; 126])),
        ("close of 126 bytes".to_owned(), frame(CLOSE, &[0; 126])),
        (
            "text inside a text".to_owned(),
            [frame(0x01, b"{"), frame(TEXT, b"}")].concat(),
        ),
        (
            "long form of a short length".to_owned(),
            vec![TEXT, 126, 0, 2, b'{', b'}'],
        ),
    ];
    for rsv in [0x40, 0x20, 0x10, 0x70] {
        cases.push((format!("RSV {rsv:#x}"), frame(TEXT | rsv, b"{}")));
        cases.push((format!("RSV {rsv:#x} on a ping"), frame(PING | rsv, b"")));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((format!("opcode {opcode}"), frame(FIN | opcode, b"{}")));
    }
    for (name, bytes) in cases {
        ends_and_resumes(&name, bytes, Cause::BrokenFrame, Some(1002)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f24_a_header_that_claims_more_than_the_limit_is_answered_by_1009_and_resumes() {
    for first in [TEXT, BINARY, 0x01] {
        for len in [(1 << 63) - 1, 1 << 62, 8 << 30, (64 << 20) + 1] {
            let name = format!("{first:#x} of {len}");
            ends_and_resumes(&name, claim(first, len), Cause::TooLong, Some(1009)).await;
        }
    }
    // The highest bit may not be set at all.
    let bytes = claim(TEXT, 1 << 63);
    ends_and_resumes("2^63", bytes, Cause::BrokenFrame, Some(1002)).await;
}

/// The other side of the bound: a claim of exactly the limit is waited for, and a message of it
/// is taken.
#[tokio::test(start_paused = true)]
async fn f24_a_claim_of_exactly_the_limit_is_waited_for() {
    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    // What the server says meanwhile is swallowed by the claim; text would have to be UTF-8.
    bot.order([Step::Raw(claim(BINARY, 64 << 20))]);
    bot.idle(secs(30)).await;
    assert_eq!(bot.causes(), []);
}

/// How long the frame of the next event with so much padding is.
fn event_len(padding: usize) -> usize {
    format!(
        r#"{{"t":"TEST","s":3,"op":0,"d":[2,"{}"]}}"#,
        "x".repeat(padding)
    )
    .len()
}

#[tokio::test(start_paused = true)]
async fn f25_a_message_of_the_limit_passes_and_one_byte_more_ends_the_connection() {
    const LIMIT: usize = 64 << 10;
    let padding = LIMIT - event_len(0);
    assert_eq!(event_len(padding), LIMIT);
    for fragment in [0, 1000] {
        let world = World::new(Gateway::builder());
        let mut bot = world.bot_with(|limits| limits.message_len_max = LIMIT);
        bot.begin().await;
        bot.order([Step::Fragment(fragment)]);
        bot.send_padded(padding);
        bot.catches_up().await;
        assert_eq!(bot.causes(), []);

        let world = World::new(Gateway::builder());
        let mut bot = world.bot_with(|limits| limits.message_len_max = LIMIT);
        bot.begin().await;
        bot.order([Step::Fragment(fragment)]);
        bot.send_padded(padding + 1);
        assert_eq!(bot.disconnected().await, (Cause::TooLong, true));
    }
}

/// Goal: a message that is too long in every replay costs the session after three resumes, not
/// the bot; what could be had is had once.
async fn poison_ends_the_session(compression: Compression, change: fn(&mut Limits)) -> Bot {
    let world = World::new(Gateway::builder());
    let mut limits = Limits::default();
    change(&mut limits);
    let config = world.config().limits(limits).compression(compression);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    bot.begin().await;
    bot.send_padded(100 << 10);
    assert_eq!(bot.disconnected().await, (Cause::TooLong, true));
    let lost = |got: &Got| match got {
        Got::Notice(Notice::SessionLost { last_seq }) => Some(*last_seq),
        _ => None,
    };
    assert_eq!(bot.until(lost).await, 2);
    let stats = world.gateway.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, 3));
    bot.event("READY").await;
    bot.lost_session();
    bot.goes_on().await;
    let stats = world.gateway.stats();
    assert_eq!((stats.identifies, stats.resumes), (2, 3));
    assert_eq!(bot.causes(), vec![Cause::TooLong; 4]);
    bot
}

#[tokio::test(start_paused = true)]
async fn f25_a_message_that_is_too_long_in_every_replay_costs_the_session_only() {
    poison_ends_the_session(Compression::None, |limits| {
        limits.message_len_max = 64 << 10;
    })
    .await;
    let limit = |limits: &mut Limits| limits.inflated_len_max = 64 << 10;
    let bot = poison_ends_the_session(Compression::Zlib, limit).await;
    assert_eq!(bot.errors(ErrorKind::Compression).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn f26_a_message_of_4096_fragments_passes_and_one_more_ends_the_connection() {
    let padding = 4096 - event_len(0);
    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    bot.order([Step::Fragment(1)]);
    bot.send_padded(padding);
    bot.catches_up().await;
    assert_eq!(bot.causes(), []);

    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    bot.order([Step::Fragment(1)]);
    bot.send_padded(padding + 1);
    assert_eq!(bot.disconnected().await, (Cause::TooLong, true));
    bot.goes_on().await;
    bot.kept_its_session(1);
    assert_eq!(closes(&world.gateway), [Some(1009)]);
}

/// Goal: a million fragments of one byte, or of none, are not looked at beyond the limit.
#[tokio::test(start_paused = true)]
async fn f26_a_million_fragments_end_the_connection_early() {
    for payload in [&b"x"[..], b""] {
        let world = World::new(Gateway::builder());
        let mut bot = world.bot();
        let (way, tap) = world.tapped(1 << 10);
        world.wire.plan([way]);
        bot.begin().await;
        let before = tap.taken();
        let flood = [frame(0x01, payload), frame(0x00, payload).repeat(1_000_000)].concat();
        bot.order([Step::Raw(flood)]);
        assert_eq!(bot.disconnected().await, (Cause::TooLong, true));
        // What the pipes and the client's read buffer hold may have been taken beside.
        let taken = tap.taken() - before;
        assert!(taken <= 4096 * 3 + (32 << 10), "{taken} bytes were taken");
        bot.goes_on().await;
        bot.kept_its_session(1);
    }
}

/// Goal: a peer that sends pings and does not read the pongs is not read for long, and is left
/// when it has not read for ten seconds.
#[tokio::test(start_paused = true)]
async fn f27_pings_of_a_peer_that_does_not_read_are_left_unread() {
    const PIPE: usize = 1 << 10;
    let world = World::new(Gateway::builder());
    let (way, tap) = world.tapped(PIPE);
    world.wire.plan([way]);
    let mut bot = world.bot();
    bot.begin().await;
    tap.hold(true);
    let start = Instant::now();
    let before = tap.taken();
    bot.order([Step::Raw(frame(PING, b"").repeat(1_000_000))]);
    assert_eq!(bot.disconnected().await, (Cause::WriteStall, true));
    let took = start.elapsed();
    assert!(took >= secs(10) && took <= secs(11), "{took:?}");
    let taken = tap.taken() - before;
    assert!(taken <= 32 << 10, "{taken} bytes were taken");
    bot.goes_on().await;
    bot.kept_its_session(1);
}

/// The other side: who reads gets all pongs, and nothing ends.
#[tokio::test(start_paused = true)]
async fn f27_pings_of_a_peer_that_reads_are_all_answered() {
    let world = World::new(Gateway::builder());
    let (way, tap) = world.tapped(1 << 10);
    world.wire.plan([way]);
    let mut bot = world.bot();
    bot.begin().await;
    bot.order([Step::Raw(frame(PING, b"?").repeat(10_000))]);
    bot.goes_on().await;
    bot.idle(secs(1)).await;
    let pongs = tap
        .frames()
        .iter()
        .filter(|(first, _)| *first == PONG)
        .count();
    assert_eq!(pongs, 10_000);
    assert_eq!(bot.causes(), []);
}

#[tokio::test(start_paused = true)]
async fn f28_pings_are_echoed_exactly_and_unasked_pongs_ignored() {
    let world = World::new(Gateway::builder());
    let (way, tap) = world.tapped(64 << 10);
    world.wire.plan([way]);
    let mut bot = world.bot();
    bot.begin().await;
    let longest: Vec<u8> = (0..125).map(|n| n * 2 + 1).collect();
    let payloads: [&[u8]; 4] = [b"", b"\x00", "\u{456}\n".as_bytes(), &longest];
    for payload in payloads {
        bot.order([
            Step::Raw(frame(PONG, payload)),
            Step::Ping(payload.to_vec()),
        ]);
        bot.goes_on().await;
    }
    // Between the fragments of a message too.
    let event = br#"{"op":0,"t":"BETWEEN","d":{}}"#;
    let (front, back) = event.split_at(9);
    let pieces = [frame(0x01, front), frame(PING, b"inner"), frame(0x80, back)].concat();
    bot.order([Step::Raw(pieces)]);
    bot.event("BETWEEN").await;
    bot.idle(secs(1)).await;
    let pongs = tap.frames().into_iter().filter(|(first, _)| *first == PONG);
    let echoed: Vec<_> = pongs.map(|(_, payload)| payload).collect();
    assert_eq!(echoed, [payloads.as_slice(), &[b"inner"]].concat());
    assert_eq!(bot.causes(), []);
}

/// Goal: what a message is shows in its bytes, whatever its opcode says.
#[tokio::test(start_paused = true)]
async fn f29_text_where_binary_is_expected_and_the_reverse_are_read() {
    const FRAME: &str = r#"{"op":0,"t":"OTHER","d":{"text":"\u00e9"}}"#;
    let world = World::new(Gateway::builder());
    let config = world.config().compression(Compression::Zlib);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    bot.begin().await;
    bot.order([Step::Text(FRAME.to_owned())]);
    bot.event("OTHER").await;
    bot.goes_on().await;
    assert_eq!(bot.causes(), []);

    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    bot.order([Step::Binary(FRAME.as_bytes().to_vec())]);
    bot.event("OTHER").await;
    bot.goes_on().await;
    assert_eq!(bot.causes(), []);
}

/// Goal: also where messages are compressed, a binary message may be text: a deflate block that
/// begins with `{` would be the last of its stream, which the gateway's has not. Method: texts
/// that happen to inflate to something, and one that does not; then more of the real stream.
#[tokio::test(start_paused = true)]
async fn f29_binary_that_is_not_compressed_where_it_should_be_is_read() {
    let long = format!(
        r#"{{"t":"OTHER","op":0,"d":{{"text":"{}"}}}}"#,
        "hello there ".repeat(9)
    );
    for text in [
        r#"{"op":0,"t":"OTHER","d":{}}"#,
        r#"{"op":0,"t":"OTHER"}"#,
        long.as_str(),
    ] {
        let world = World::new(Gateway::builder());
        let config = world.config().compression(Compression::Zlib);
        let mut bot = Bot::new(config, &world.gateway, secs(3600));
        bot.begin().await;
        bot.order([Step::Binary(text.as_bytes().to_vec())]);
        bot.event("OTHER").await;
        bot.goes_on().await;
        bot.idle(secs(600)).await;
        bot.goes_on().await;
        assert_eq!(bot.causes(), []);
    }
}

/// What is neither is an error, or silence that the ack rule ends.
#[tokio::test(start_paused = true)]
async fn f29_binary_that_is_neither_compressed_nor_text_resumes() {
    for bytes in [
        &b"\x07"[..],
        b"[]",
        b"\xff\xff\xff\xff\xff",
        b"hello",
        b"\x1f\x8b\x08\x00",
    ] {
        let world = World::new(Gateway::builder());
        let config = world.config().compression(Compression::Zlib);
        let mut bot = Bot::new(config, &world.gateway, secs(3600));
        bot.begin().await;
        let start = Instant::now();
        bot.order([Step::Binary(bytes.to_vec())]);
        let (cause, resumable) = bot.disconnected().await;
        let dead = matches!(
            cause,
            Cause::Compression | Cause::MissingAck | Cause::Silence
        );
        assert!(dead && resumable, "{bytes:?}: {cause:?}");
        // One whole interval may pass before a heartbeat that needs its ack.
        let took = start.elapsed();
        assert!(took <= ms(2 * 41_250), "{bytes:?}: {took:?}");
        bot.goes_on().await;
        bot.kept_its_session(1);
    }
}

/// Goal: text that is not UTF-8 breaks RFC 6455 (section 8.1), wherever it is split; text that is
/// does not, wherever it is split.
#[tokio::test(start_paused = true)]
async fn f30_text_that_is_not_utf_8_is_answered_by_1007_and_resumes() {
    let bad: [&[u8]; 6] = [
        b"{\"op\":0,\"t\":\"\xff\"}",
        // Overlong, a surrogate, beyond the last code point, a stray continuation, cut short.
        b"{\"op\":0,\"t\":\"\xc0\xaf\"}",
        b"{\"op\":0,\"t\":\"\xed\xa0\x80\"}",
        b"{\"op\":0,\"t\":\"\xf4\x90\x80\x80\"}",
        b"{\"op\":0,\"t\":\"\x80\"}",
        b"{\"op\":0,\"t\":\"\xf0\x9f\x92",
    ];
    for text in bad {
        let name = format!("{text:x?}");
        ends_and_resumes(&name, frame(TEXT, text), Cause::BrokenFrame, Some(1007)).await;
        for at in [13, 14, text.len() - 1] {
            let (front, back) = text.split_at(at);
            let pieces = [frame(0x01, front), frame(0x80, back)].concat();
            let name = format!("{name} split at {at}");
            ends_and_resumes(&name, pieces, Cause::BrokenFrame, Some(1007)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f30_a_code_point_may_be_split_at_each_offset() {
    let text = "{\"op\":0,\"t\":\"\u{e9}\u{20ac}\u{1f4a9}\",\"d\":{}}".as_bytes();
    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    for at in 0..=text.len() {
        let (front, back) = text.split_at(at);
        bot.order([Step::Raw([frame(0x01, front), frame(0x80, back)].concat())]);
        assert_eq!(bot.event("\u{e9}\u{20ac}\u{1f4a9}").await, None);
    }
    assert_eq!(bot.causes(), []);
    assert_eq!(bot.errors(ErrorKind::Frame), [""; 0]);
}

/// Over real sockets: what was there of the frame is forgotten.
#[tokio::test]
async fn f31_a_frame_that_is_cut_is_discarded_and_replayed_whole() {
    let case = |byte, reset| async move {
        let gateway = Arc::new(scaled_gateway().start().await.unwrap());
        let mut bot = real_bot(&gateway);
        bot.begin().await;
        bot.order([Step::CutNext { byte, reset }]);
        bot.send();
        assert_eq!(
            bot.disconnected().await,
            (Cause::Cut, true),
            "{byte} {reset}"
        );
        bot.goes_on().await;
        bot.kept_its_session(1);
    };
    let bytes = [0, 1, 2, 3, 20, 40];
    let cases = bytes
        .into_iter()
        .flat_map(|byte| [case(byte, true), case(byte, false)]);
    join_all(cases).await;
}

/// A link that says nothing more, in the middle of a frame, is dead by the rule for acks: no
/// complete message for the interval and 8 s, or a heartbeat unacked when the next is due.
#[tokio::test(start_paused = true)]
async fn f31_a_frame_whose_rest_never_comes_is_bounded_by_the_ack_rule() {
    for _ in 0..20 {
        let world = World::new(Gateway::builder());
        let mut bot = world.bot();
        bot.begin().await;
        let start = Instant::now();
        bot.order([
            Step::Raw(frame(TEXT, &[b'{'; 1000])[..500].to_vec()),
            Step::Hang,
        ]);
        let (cause, resumable) = bot.disconnected().await;
        let took = start.elapsed();
        assert!(
            matches!(cause, Cause::MissingAck | Cause::Silence) && resumable,
            "{cause:?}"
        );
        assert!(took >= ms(41_250) && took <= ms(49_252), "{took:?}");
        bot.goes_on().await;
        bot.kept_its_session(1);
    }
}

/// Bytes are no sign of life: only complete messages are.
#[tokio::test(start_paused = true)]
async fn f32_a_frame_that_dribbles_in_is_no_sign_of_life() {
    for _ in 0..20 {
        let world = World::new(Gateway::builder());
        let mut bot = world.bot();
        bot.begin().await;
        let start = Instant::now();
        let mut bytes = claim(TEXT, 16 << 20);
        bytes.extend([b' '; 1000]);
        bot.order([
            Step::Dribble {
                bytes: 1,
                every: secs(1),
            },
            Step::Raw(bytes),
        ]);
        let (cause, resumable) = bot.disconnected().await;
        let took = start.elapsed();
        assert!(
            matches!(cause, Cause::MissingAck | Cause::Silence) && resumable,
            "{cause:?}"
        );
        assert!(took >= ms(41_250) && took <= ms(49_252), "{took:?}");
        bot.goes_on().await;
        bot.kept_its_session(1);
    }
}
