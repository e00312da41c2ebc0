//! Messages that are no messages, events that are no events.

use shardstream::{
    Compression, ErrorKind, Notice,
    local::{Act, Fault, Gateway, Moment, Step},
};

use super::world::{Bot, Got, World, secs};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];

fn world() -> World {
    World::new(Gateway::builder())
}

/// A bot in the midst of a session, plain and compressed.
async fn begun(world: &World, compression: Compression) -> Bot {
    let config = world.config().compression(compression);
    let mut bot = Bot::new(config, &world.gateway, secs(3600));
    bot.begin().await;
    bot
}

const BOTH: [Compression; 2] = [Compression::None, Compression::Zlib];

fn say(text: impl Into<String>) -> Step {
    Step::Send(text.into())
}

fn dispatch(name: &str, seq: &str, d: &str) -> Step {
    say(format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{d}}}"#))
}

#[tokio::test(start_paused = true)]
async fn f77_what_is_no_json_is_an_error_each_time_and_the_link_lives() {
    let bad = [
        "",
        " ",
        "{",
        "}",
        "null",
        "[]",
        "7",
        "\"op\"",
        "\u{feff}{\"op\":11}",
        "{\"op\":11}\0",
        "{\"op\":11}{\"op\":11}",
        "{\"op\":11},",
        "{\"op\":11,}",
        "{op:11}",
        "{'op':11}",
        "{\"op\":}",
        "{\"t\":\"X\",\"op\":0,\"d\":{\"a\":[}",
    ];
    for compression in BOTH {
        let world = world();
        let mut bot = begun(&world, compression).await;
        for text in bad {
            if text.is_empty() && compression == Compression::Zlib {
                // A flush without text is no message.
                continue;
            }
            bot.order([say(text)]);
            let error = bot.error().await;
            assert_eq!(error.kind(), ErrorKind::Frame, "{text:?}");
            assert!(!error.is_fatal());
            bot.order([say(r#"{"t":"X","op":0,"d":null}"#)]);
            bot.event("X").await;
        }
        bot.goes_on().await;
        bot.kept_its_session(0);
        assert!(bot.causes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn f78_deep_nesting_overflows_no_stack() {
    let deep = "[".repeat(100_000);
    let closed = format!("{deep}{}", "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for compression in BOTH {
        let world = world();
        let mut bot = begun(&world, compression).await;
        for d in [&deep, &closed, &objects] {
            for name in ["X", "MESSAGE_CREATE", "GUILD_CREATE"] {
                // No number, so that the gateway's own go on.
                bot.order([dispatch(name, "null", d)]);
                let error = bot.error().await;
                assert!(
                    matches!(error.kind(), ErrorKind::Frame | ErrorKind::Event),
                    "{error:?}"
                );
                assert!(error.to_string().len() < 200, "no payload in it");
            }
        }
        bot.order([say(&closed)]);
        bot.error().await;
        bot.goes_on().await;
        bot.kept_its_session(0);
        assert!(bot.causes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn f79_keys_may_stand_in_any_order_and_inside_data_mean_nothing() {
    let frames = [
        (
            r#"{"op":0,"d":{"op":7,"s":99,"t":"EVIL"},"s":3,"t":"X"}"#,
            3,
        ),
        (r#"{"d":{"op":9},"t":"X","s":4,"op":0}"#, 4),
        (r#" { "s" : 5 , "op" : 0 , "t" : "X" , "d" : null } "#, 5),
        (
            "{\"\\u006fp\":0,\"\\u0073\":6,\"t\":\"\\u0058\",\"d\":[]}",
            6,
        ),
        (r#"{"op":0,"t":"X","s":7}"#, 7),
        (r#"{"op":0,"t":"X","s":8,"d":"a\"}{\\"}"#, 8),
        (
            r#"{"extra":[{"op":7}],"op":0,"t":"X","s":9,"d":{},"id":"X:1"}"#,
            9,
        ),
        (r#"{"t":"X","s":10,"op":0,"d":{"\\":"}"},"z":0}"#, 10),
    ];
    for compression in BOTH {
        let world = world();
        let mut bot = begun(&world, compression).await;
        for (text, seq) in frames {
            bot.order([say(text)]);
            assert_eq!(bot.event("X").await, Some(seq), "{text}");
        }
        assert!(bot.causes().is_empty());
        assert_eq!(bot.errors(ErrorKind::Frame).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f80_unknown_ops_are_ignored() {
    let world = world();
    let mut bot = begun(&world, Compression::Zlib).await;
    for op in [2, 3, 5, 6, 8, 12, 31, 43, 255, 65_536, u64::MAX] {
        bot.order([say(format!(r#"{{"op":{op},"d":{{"s":1}},"s":null}}"#))]);
    }
    bot.goes_on().await;
    bot.kept_its_session(0);
    assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
}

#[tokio::test(start_paused = true)]
async fn f81_what_is_unknown_is_data() {
    let world = world();
    let mut bot = begun(&world, Compression::None).await;
    bot.order([
        dispatch("NEVER_HEARD_OF", "3", r#"{"a":[1,2,{"b":null}]}"#),
        dispatch(
            "TYPING_START",
            "4",
            r#"{"channel_id":"1","user_id":"2","timestamp":3,"new":{"x":[]},"guild_id":null}"#,
        ),
        dispatch(
            "CHANNEL_CREATE",
            "5",
            r#"{"id":"1","type":250,"flags":9007199254740993,"name":"x","video_quality_mode":77}"#,
        ),
    ]);
    assert_eq!(bot.event("NEVER_HEARD_OF").await, Some(3));
    assert_eq!(bot.event("TYPING_START").await, Some(4));
    assert_eq!(bot.event("CHANNEL_CREATE").await, Some(5));
    assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
}

#[tokio::test(start_paused = true)]
async fn f82_an_event_that_cannot_be_decoded_is_an_error_with_its_name_and_counts_as_received() {
    for d in [
        "null",
        "[]",
        "7",
        "{}",
        r#"{"id":{},"channel_id":"1"}"#,
        r#"{"id":"x"}"#,
        "{\"id\":\"SECRET-CONTENT\"",
    ] {
        let world = world();
        let mut bot = begun(&world, Compression::None).await;
        bot.order([dispatch("MESSAGE_CREATE", "3", d)]);
        let error = bot.error().await;
        // Broken JSON may be known to be broken before anything is decoded.
        if error.kind() == ErrorKind::Event {
            assert_eq!(error.event_name(), Some("MESSAGE_CREATE"), "{d}");
        }
        assert_eq!(error.seq(), Some(3), "{d}: {error:?}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("SECRET"), "{shown}");
        bot.order([Step::Rst]);
        let resumed = |got: &Got| matches!(got, Got::Notice(Notice::Disconnected { .. }));
        bot.until(|got| resumed(got).then_some(())).await;
        bot.event("READY").await;
        let seq = |act: &Act| match act {
            Act::Resume { seq, .. } => Some(*seq),
            _ => None,
        };
        let log = world.gateway.log();
        let asked: Vec<_> = log.iter().filter_map(|record| seq(&record.act)).collect();
        // The gateway never numbered a 3 and refuses; what counts is what was asked for.
        assert_eq!(asked, [3], "{d}: the poison is not asked for again");
    }
}

#[tokio::test(start_paused = true)]
async fn f83_an_event_without_a_usable_sequence_is_delivered_and_moves_nothing() {
    for seq in [
        "null",
        "-1",
        "1.5",
        "\"9\"",
        "18446744073709551616",
        "true",
        "[]",
        "{}",
    ] {
        let world = world();
        let mut bot = begun(&world, Compression::None).await;
        bot.order([dispatch("X", seq, "null")]);
        assert_eq!(bot.event("X").await, None, "{seq}");
        assert_eq!(bot.shard.last_sequence(), Some(2), "{seq}");
        bot.goes_on().await;
        bot.kept_its_session(0);
    }
    let world = world();
    let mut bot = begun(&world, Compression::None).await;
    bot.order([say(r#"{"op":0,"t":"X","d":null}"#)]);
    assert_eq!(bot.event("X").await, None);
    bot.order([say(r#"{"op":0,"t":null,"s":3,"d":null}"#)]);
    assert_eq!(bot.event("").await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn f84_a_poison_in_each_replay_costs_neither_link_nor_session() {
    let world = world();
    let mut bot = begun(&world, Compression::None).await;
    for seq in 3..6 {
        let poison = say(format!(r#"{{"t":"X","s":{seq},"op":0,"d":{{"#));
        let resumed = say(format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{}}}}"#));
        let ack = Step::Ack;
        let steps = [poison, resumed, Step::Expect(1), ack];
        world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
        bot.order([Step::Rst]);
        assert_eq!(bot.error().await.kind(), ErrorKind::Frame);
        bot.event("RESUMED").await;
        bot.idle(secs(60)).await;
        assert_eq!(
            bot.shard.last_sequence(),
            Some(seq),
            "it counts as received"
        );
    }
    assert_eq!(bot.lost_sessions(), 0);
    assert_eq!(world.gateway.stats().identifies, 1);
}

#[tokio::test(start_paused = true)]
async fn f85_a_jump_is_told_a_zero_is_dropped_and_a_restart_begins_anew() {
    let world = world();
    let mut bot = begun(&world, Compression::None).await;
    bot.order([dispatch("X", "0", "null"), dispatch("X", "1000003", "null")]);
    let gap = |got: &Got| match got {
        Got::Notice(Notice::Gap { after, next }) => Some((*after, *next)),
        _ => None,
    };
    assert_eq!(bot.until(gap).await, (2, 1_000_003));
    assert_eq!(bot.event("X").await, Some(1_000_003));
    bot.order([1, 2, 3].map(|seq| dispatch("X", &seq.to_string(), "null")));
    let lost = |got: &Got| match got {
        Got::Notice(Notice::SessionLost { last_seq }) => Some(*last_seq),
        _ => None,
    };
    assert_eq!(bot.until(lost).await, 1_000_003);
    bot.lost_session();
    bot.begin().await;
    assert_eq!(world.gateway.stats().identifies, 2);
}
