//! Compressed streams: broken, split, endless, of the wrong kind.

use std::time::Duration;

use flate2::{Compress, FlushCompress};
use shardstream::{
    Cause, Compression, ErrorKind, Limits, ShardId,
    local::{Fault, Gateway, Moment, Step},
};

use super::world::{Bot, Got, World, ms, secs};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[(
    "f42",
    "a gateway's text holds no such bytes, only a hostile coder makes them: covered byte by \
         byte by codec::inflate::zlib::tests::suffix_bytes_that_are_data_end_nothing",
)];

const INTERVAL: Duration = Duration::from_millis(41_250);

/// The compressions that a gateway can be asked for here.
fn compressions() -> impl Iterator<Item = Compression> {
    let all = [Compression::Zlib, Compression::Zstd];
    all.into_iter().filter(|kind| kind.is_built_in())
}

fn world() -> World {
    World::new(Gateway::builder())
}

fn bot_with(world: &World, compression: Compression) -> Bot {
    let config = world.config().compression(compression);
    Bot::new(config, &world.gateway, secs(3600))
}

fn bot(world: &World) -> Bot {
    bot_with(world, Compression::Zlib)
}

/// A server's zlib stream, made by hand.
struct Zlib(Compress);

impl Zlib {
    fn new() -> Self {
        Self(Compress::new(flate2::Compression::default(), true))
    }

    fn pack(&mut self, text: impl AsRef<[u8]>, flush: FlushCompress) -> Vec<u8> {
        let text = text.as_ref();
        let mut out = Vec::with_capacity(text.len() + 128);
        let mut read = 0;
        loop {
            let before = self.0.total_in();
            self.0
                .compress_vec(&text[read..], &mut out, flush)
                .expect("deflate takes anything");
            read += usize::try_from(self.0.total_in() - before).expect("small");
            if read == text.len() && out.len() < out.capacity() {
                return out;
            }
            out.reserve(1 << 16);
        }
    }

    fn message(&mut self, text: impl AsRef<[u8]>) -> Vec<u8> {
        self.pack(text, FlushCompress::Sync)
    }

    /// A connection up to READY, with the session `S`.
    fn begin(&mut self) -> Vec<Step> {
        let hello = r#"{"op":10,"d":{"heartbeat_interval":41250}}"#;
        let ready = r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"S",
            "user":{"id":"1","username":"x"}}}"#;
        vec![
            Step::Upgrade,
            Step::Binary(self.message(hello)),
            Step::Expect(2),
            Step::Binary(self.message(ready)),
        ]
    }

    fn event(&mut self, seq: u64) -> Vec<u8> {
        self.message(format!(r#"{{"op":0,"t":"X","s":{seq},"d":[{seq}]}}"#))
    }
}

/// After a script whose session the gateway does not know: refused, and begun anew.
async fn begins_anew(bot: &mut Bot) {
    bot.lost_session();
    bot.event("READY").await;
    bot.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn f38_a_flipped_byte_anywhere_does_no_lasting_harm() {
    for compression in compressions() {
        for offset in 0..48 {
            let world = world();
            let mut bot = bot_with(&world, compression);
            bot.begin().await;
            bot.order([Step::CorruptNext(offset)]);
            let send = |name| {
                let data = r#"{"text":"the quick brown fox jumps over the lazy dog"}"#;
                world.gateway.send(ShardId::ONE, name, data).expect("JSON")
            };
            send("HURT");
            // Whatever it made of that, a later event arrives.
            let mut well = false;
            for _ in 0..20 {
                send("MARK");
                bot.idle(secs(60)).await;
                well |= bot.count(|got| is_event(got, "MARK")) > 0;
            }
            assert!(well, "{compression:?}, byte {offset}: {:?}", bot.got);
        }
    }
}

/// Goal: no bit of a stream can be flipped so that a shard panics, hangs or stays deaf. Method: one
/// shard, one bit after the other, and after each an event that must arrive before long: at once,
/// or over a resume, or over the rules of silence and of the sequence.
#[tokio::test(start_paused = true)]
async fn f38_no_flipped_bit_does_lasting_harm() {
    const BITS: usize = 400;
    let seed = std::env::var("SHARDSTREAM_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SHARDSTREAM_SEED={seed}");
    // What is sent and every jitter: all of it draws from this thread's generator.
    fastrand::seed(seed);
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        let mut mark = 0;
        for bit in 0..BITS {
            let order = || world.gateway.order(ShardId::ONE, [Step::FlipNext(bit)]);
            // What came of the bit before may still be going on.
            let mut connected = order();
            for _ in 0..120 {
                if connected == 1 {
                    break;
                }
                bot.idle(secs(1)).await;
                connected = order();
            }
            assert_eq!(connected, 1, "{compression:?}, bit {bit}: {:?}", bot.got);
            // Different each time, so that the context has not all of it yet.
            let data = format!(r#"{{"text":"{:x}"}}"#, fastrand::u128(..));
            let event = |name: &str, data: &str| world.gateway.send(ShardId::ONE, name, data);
            event("HURT", &data).expect("JSON");
            let mut well = false;
            for _ in 0..20 {
                mark += 1;
                event(&format!("MARK_{mark}"), "{}").expect("JSON");
                bot.idle(secs(30)).await;
                let wanted = format!("MARK_{mark}");
                well = bot.count(|got| is_event(got, &wanted)) == 1;
                if well {
                    break;
                }
            }
            assert!(well, "{compression:?}, bit {bit}: {:?}", bot.got);
            bot.got.clear();
        }
        // Most of it showed; what did not was text that may as well have been sent.
        let resumes = world.gateway.stats().resumes;
        assert!(resumes > 20, "{compression:?}: {resumes}");
    }
}

/// Goal: a context is given up though some of its messages still have the form of an event, where
/// these have no name; events that have one show that it is sound. Method: scripts of 100 rounds.
#[tokio::test(start_paused = true)]
async fn f38_a_context_without_an_event_that_has_a_name_is_given_up() {
    let nameless = |seq| format!(r#"{{"op":0,"s":{seq},"d":0}}"#);
    let event = |seq| format!(r#"{{"op":0,"t":"X","s":{seq},"d":0}}"#);
    for (spoilt, named, lasts) in [(3, false, false), (15, true, true)] {
        let mut zlib = Zlib::new();
        let mut steps = zlib.begin();
        for seq in 2..102 {
            steps.extend((0..spoilt).map(|_| Step::Binary(zlib.message("{\"op\":"))));
            let text = if named { event(seq) } else { nameless(seq) };
            steps.push(Step::Binary(zlib.message(text)));
        }
        steps.push(Step::Hang);
        let world = world();
        world.gateway.script(steps);
        let mut bot = bot(&world);
        bot.event("READY").await;
        if lasts {
            bot.idle(secs(30)).await;
            assert_eq!(bot.count(|got| is_event(got, "X")), 100);
            assert_eq!(bot.causes(), []);
        } else {
            assert_eq!(bot.disconnected().await.0, Cause::Compression);
            begins_anew(&mut bot).await;
        }
    }
}

fn is_event(got: &Got, wanted: &str) -> bool {
    matches!(got, Got::Event { name, .. } if name == wanted)
}

#[tokio::test(start_paused = true)]
async fn f39_another_format_is_an_error_and_the_next_connection_is_well() {
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 4, 0, 0, 0, 0xff, 0xff,
    ];
    let dictionary = [0x78, 0xbb, 1, 2, 3, 4, 0, 0, 0xff, 0xff];
    let header = [0x79, 0x9c, 1, 2, 3, 4, 0, 0, 0xff, 0xff];
    let noise = [0xde, 0xad, 0xbe, 0xef, 0, 0, 0xff, 0xff];
    for bytes in [&gzip[..], &dictionary, &header, &noise] {
        let world = world();
        let steps = [Step::Upgrade, Step::Binary(bytes.to_vec()), Step::Hang];
        world.gateway.script(steps);
        let mut bot = bot(&world);
        assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
        assert_eq!(bot.disconnected().await.0, Cause::Compression);
        bot.begin().await;
        bot.kept_its_session(0);
    }
}

#[tokio::test(start_paused = true)]
async fn f40_a_message_that_never_ends_is_ended_by_the_rules_of_silence() {
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    let mut half = zlib.event(2);
    half.truncate(half.len() - 4);
    steps.extend([Step::Binary(half), Step::Hang]);
    world.gateway.script(steps);
    let mut bot = bot(&world);
    bot.event("READY").await;
    let start = tokio::time::Instant::now();
    let (cause, _) = bot.disconnected().await;
    assert!(
        matches!(cause, Cause::MissingAck | Cause::Silence),
        "{cause:?}"
    );
    assert!(start.elapsed() <= INTERVAL + secs(8) + ms(10));
    assert_eq!(bot.count(|got| is_event(got, "X")), 0);
    begins_anew(&mut bot).await;
}

/// What has not come to its end counts against the limit of the wire.
#[tokio::test(start_paused = true)]
async fn f40_a_message_in_pieces_may_be_as_long_as_the_limit_and_no_longer() {
    let mut zlib = Zlib::new();
    let begin = zlib.begin();
    let noise: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
    let long = zlib.message(format!(r#"{{"op":0,"t":"LONG","s":2,"d":"{noise}"}}"#));
    for (less, good) in [(0, true), (1, false)] {
        let world = world();
        let mut steps = begin.clone();
        steps.extend(long.chunks(1000).map(|piece| Step::Binary(piece.to_vec())));
        steps.push(Step::Hang);
        world.gateway.script(steps);
        let mut limits = Limits::default();
        limits.message_len_max = long.len() - less;
        let config = world.config().compression(Compression::Zlib).limits(limits);
        let mut bot = Bot::new(config, &world.gateway, secs(3600));
        if good {
            assert_eq!(bot.event("LONG").await, Some(2));
            assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
        } else {
            assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
            assert_eq!(bot.disconnected().await, (Cause::TooLong, true));
            begins_anew(&mut bot).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f41_every_split_of_a_message_gives_the_same_events() {
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    let mut seq = 1;
    for split in 1..40 {
        seq += 1;
        let message = zlib.event(seq);
        let at = split.min(message.len() - 1);
        let (first, second) = message.split_at(at);
        steps.extend([first, second].map(|part| Step::Binary(part.to_vec())));
    }
    // One byte at a time.
    seq += 1;
    let message = zlib.event(seq);
    steps.extend(message.into_iter().map(|byte| Step::Binary(vec![byte])));
    steps.push(Step::Hang);
    world.gateway.script(steps);
    let mut bot = bot(&world);
    for expected in 2..=seq {
        assert_eq!(bot.event("X").await, Some(expected));
    }
    assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
}

#[tokio::test(start_paused = true)]
async fn f41_a_message_may_be_split_anywhere_whatever_the_compression() {
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        // Beyond its length a message is followed by nothing.
        for at in 0..60 {
            bot.order([Step::SplitNext(vec![at])]);
            bot.goes_on().await;
        }
        bot.order([Step::SplitNext((0..4000).collect())]);
        bot.send_padded(3000);
        bot.catches_up().await;
        bot.kept_its_session(0);
        assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f43_outputs_around_the_sizes_of_buffers_are_complete() {
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        for size in [4 << 10, 32 << 10, 64 << 10, 128 << 10, 1 << 20] {
            for len in size - 70..size + 2 {
                if len % 9 == 0 || len + 2 > size {
                    bot.send_padded(len);
                }
            }
            bot.catches_up().await;
        }
        bot.kept_its_session(0);
    }
}

#[tokio::test(start_paused = true)]
async fn f44_a_stream_that_ends_is_an_error_and_never_a_hang() {
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    let mut end = zlib.pack("", FlushCompress::Finish);
    end.extend([0, 0, 0xff, 0xff]);
    steps.extend([Step::Binary(end), Step::Hang]);
    world.gateway.script(steps);
    // The 21 bytes that are a whole stream and the marker behind it.
    let mut whole = Zlib::new().pack("{}", FlushCompress::Finish);
    whole.extend([0, 0, 0xff, 0xff]);
    world
        .gateway
        .script([Step::Upgrade, Step::Binary(whole), Step::Hang]);
    let mut bot = bot(&world);
    for _ in 0..2 {
        assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
        assert_eq!(bot.disconnected().await.0, Cause::Compression);
    }
    begins_anew(&mut bot).await;
}

/// A connection whose first message is this ends, and the next one is well.
async fn is_refused(compression: Compression, bytes: &[u8], cause: &Cause) {
    let world = world();
    let hello = [Step::Binary(bytes.to_vec()), Step::Hang];
    world.gateway.misbehave([Fault::at(Moment::Hello, hello)]);
    let mut limits = Limits::default();
    limits.inflated_len_max = 1 << 20;
    let config = world.config().compression(compression).limits(limits);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
    assert_eq!(&bot.disconnected().await.0, cause);
    bot.begin().await;
    bot.kept_its_session(0);
}

/// A zstd frame with this window descriptor and these blocks.
fn zstd(window: u8, blocks: &[u8]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, window], blocks].concat()
}

/// The window descriptor for a window of two to the power of `log`.
const fn window(log: u8) -> u8 {
    (log - 10) << 3
}

/// A zstd block with this text as it is, which does not end the frame.
fn stored(text: &[u8]) -> Vec<u8> {
    let len = u32::try_from(text.len()).expect("short");
    [&(len << 3).to_le_bytes()[..3], text].concat()
}

#[tokio::test(start_paused = true)]
async fn f45_a_bomb_stops_at_the_limit() {
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    let bomb = zlib.message(vec![b' '; 64 << 20]);
    steps.extend([Step::Binary(bomb.clone()), Step::Hang]);
    world.gateway.script(steps);
    let mut limits = Limits::default();
    limits.inflated_len_max = 1 << 20;
    let config = world.config().compression(Compression::Zlib).limits(limits);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
    assert_eq!(bot.disconnected().await.0, Cause::TooLong);
    begins_anew(&mut bot).await;
    for compression in compressions() {
        // Of zstd four bytes for 128 KiB of spaces.
        let bomb = match compression {
            Compression::Zstd => zstd(window(18), &[0x02, 0x00, 0x10, b' '].repeat(600)),
            _ => Zlib::new().message(vec![b' '; 64 << 20]),
        };
        is_refused(compression, &bomb, &Cause::TooLong).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f46_a_zstd_window_of_8_mib_is_the_most() {
    if !Compression::Zstd.is_built_in() {
        return;
    }
    let hello = r#"{"op":10,"d":{"heartbeat_interval":41250}}"#;
    let blocks = stored(hello.as_bytes());
    for log in 24..=41 {
        let bytes = zstd(window(log), &blocks);
        is_refused(Compression::Zstd, &bytes, &Cause::Compression).await;
    }
    // An eighth above the power of two.
    let above = zstd(window(23) + 1, &blocks);
    is_refused(Compression::Zstd, &above, &Cause::Compression).await;
    for log in [10, 18, 23] {
        let world = world();
        let steps = [
            Step::Upgrade,
            Step::Binary(zstd(window(log), &blocks)),
            Step::Expect(2),
            Step::Hang,
        ];
        world.gateway.script(steps);
        let mut bot = bot_with(&world, Compression::Zstd);
        bot.idle(secs(5)).await;
        assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
        assert_eq!(world.gateway.stats().identifies, 1, "Hello was read");
    }
}

#[tokio::test(start_paused = true)]
async fn f47_zstd_that_no_gateway_sends_is_refused() {
    if !Compression::Zstd.is_built_in() {
        return;
    }
    let hello = stored(br#"{"op":10,"d":{"heartbeat_interval":41250}}"#);
    let checked = |sum: [u8; 4]| {
        // With a checksum, and its only block the last.
        let mut frame = zstd(window(18), &hello);
        frame[4] = 0x04;
        frame[6] |= 1;
        [&frame[..], &sum].concat()
    };
    for bytes in [
        // To be skipped, of a format that is no more, and no magic number at all.
        vec![0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0],
        vec![0x27, 0xb5, 0x2f, 0xfd, 0, 0],
        vec![0x24, 0xb5, 0x2f, 0xfd, 0, 0],
        vec![0; 8],
        // A reserved bit, a reserved kind of block, a block longer than any may be.
        [&[0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x40], &hello[..]].concat(),
        zstd(window(18), &[0x06, 0, 0]),
        zstd(window(18), &[0xf8, 0xff, 0xff, 0]),
        // A wrong checksum.
        checked([1, 2, 3, 4]),
    ] {
        is_refused(Compression::Zstd, &bytes, &Cause::Compression).await;
    }
    // A block cut short is waited for, and what comes then is not its rest.
    let world = world();
    let cut = zstd(window(18), &hello[..hello.len() - 9]);
    world
        .gateway
        .script([Step::Upgrade, Step::Binary(cut), Step::Hang]);
    let mut bot = bot_with(&world, Compression::Zstd);
    assert_eq!(bot.disconnected().await.0, Cause::NoHello);
    bot.begin().await;
    bot.kept_its_session(0);
}

/// Some servers make a frame of each message.
#[tokio::test(start_paused = true)]
async fn f47_a_zstd_frame_of_its_own_for_each_message_is_read() {
    if !Compression::Zstd.is_built_in() {
        return;
    }
    let message = |text: &str| {
        let mut frame = zstd(window(18), &stored(text.as_bytes()));
        frame[6] |= 1;
        Step::Binary(frame)
    };
    let world = world();
    let mut steps = vec![
        Step::Upgrade,
        message(r#"{"op":10,"d":{"heartbeat_interval":41250}}"#),
        Step::Expect(2),
        message(
            r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"S","user":{"id":"1","username":"x"}}}"#,
        ),
    ];
    steps.extend((2..10).map(|seq| message(&format!(r#"{{"op":0,"t":"X","s":{seq},"d":0}}"#))));
    steps.push(Step::Hang);
    world.gateway.script(steps);
    let mut bot = bot_with(&world, Compression::Zstd);
    for seq in 2..10 {
        assert_eq!(bot.event("X").await, Some(seq));
    }
    assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
}

#[tokio::test(start_paused = true)]
async fn f48_nothing_of_an_old_socket_is_heard_after_its_close() {
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        let late = Step::Send(r#"{"op":0,"t":"LATE","s":3,"d":null}"#.into());
        world
            .gateway
            .misbehave_always([Fault::at(Moment::Close, [late, Step::Answer]).times(1)]);
        bot.order([Step::Reconnect]);
        bot.goes_on().await;
        assert_eq!(bot.count(|got| is_event(got, "LATE")), 0);
        bot.kept_its_session(1);
    }
}

#[tokio::test(start_paused = true)]
async fn f49_a_thousand_connections_each_begin_a_context_of_their_own() {
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        for _ in 0..1000 {
            bot.order([Step::Rst]);
            bot.send();
            bot.disconnected().await;
            let resumed = |got: &Got| is_event(got, "RESUMED").then_some(());
            bot.until(resumed).await;
        }
        bot.goes_on().await;
        bot.kept_its_session(1000);
        assert_eq!(bot.errors(ErrorKind::Compression).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f50_inflated_bytes_that_are_no_text_are_an_error_and_the_link_lives() {
    for compression in compressions() {
        let world = world();
        let mut bot = bot_with(&world, compression);
        bot.begin().await;
        for bytes in [
            &b"{\"op\":0,\"t\":\"X\xff\",\"s\":null}"[..],
            b"{\"op\":11,\"d\":\"\xed\xa0\x80\"}",
            b"\xff",
            b"{\"op\":11}\xc3",
        ] {
            bot.order([Step::Pack(bytes.to_vec())]);
            assert_eq!(bot.error().await.kind(), ErrorKind::Frame);
            bot.goes_on().await;
        }
        bot.kept_its_session(0);
        assert!(bot.causes().is_empty());
    }
}
