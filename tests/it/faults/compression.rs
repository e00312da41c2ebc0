//! Compressed streams: broken, split, endless, of the wrong kind.

use std::time::Duration;

use flate2::{Compress, FlushCompress};
use shardstream::{
    Cause, Compression, ErrorKind, Limits, ShardId,
    local::{Fault, Gateway, Moment, Step},
};

use super::world::{Bot, Got, World, ms, secs};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[
    (
        "f42",
        "a gateway's text holds no such bytes, only a hostile coder makes them: covered byte by \
         byte by codec::inflate::zlib::tests::suffix_bytes_that_are_data_end_nothing",
    ),
    (
        "f46",
        "zstd headers are made byte by byte in \
         codec::inflate::zstd::tests::a_window_above_the_limit_is_broken_before_it_is_allocated",
    ),
    (
        "f47",
        "zstd frames are made byte by byte in \
         codec::inflate::zstd::tests::frames_that_a_gateway_never_sends_are_broken",
    ),
];

const INTERVAL: Duration = Duration::from_millis(41_250);

/// The compressions that a gateway can be asked for here.
fn compressions() -> Vec<Compression> {
    let mut all = vec![Compression::Zlib];
    if cfg!(feature = "zstd") {
        all.push(Compression::Zstd);
    }
    all
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

#[tokio::test(start_paused = true)]
async fn f45_a_bomb_stops_at_the_limit() {
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    let bomb = zlib.message(vec![b' '; 64 << 20]);
    steps.extend([Step::Binary(bomb), Step::Hang]);
    world.gateway.script(steps);
    let mut limits = Limits::default();
    limits.inflated_len_max = 1 << 20;
    let config = world.config().compression(Compression::Zlib).limits(limits);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    assert_eq!(bot.error().await.kind(), ErrorKind::Compression);
    assert_eq!(bot.disconnected().await.0, Cause::TooLong);
    begins_anew(&mut bot).await;
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
    let world = world();
    let mut zlib = Zlib::new();
    let mut steps = zlib.begin();
    steps.push(Step::Binary(
        zlib.message(b"{\"op\":0,\"t\":\"X\xff\",\"s\":2}"),
    ));
    steps.push(Step::Binary(zlib.event(3)));
    steps.push(Step::Hang);
    world.gateway.script(steps);
    let mut bot = bot(&world);
    assert_eq!(bot.error().await.kind(), ErrorKind::Frame);
    assert_eq!(bot.event("X").await, Some(3));
    assert!(bot.causes().is_empty());
}
