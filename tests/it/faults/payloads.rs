//! Payloads: what is not JSON, not an envelope, not the event that it says it is.

use std::{fmt::Write as _, fs, path::Path, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use shardstream::{
    Cause, Compression, Config, ErrorKind, Frame, Intents, Message, Notice, ShardId,
    local::{Act, Fault, Gateway, Moment, Record, Step},
};
use tokio::time::timeout;

use super::world::{Bot, Got, World, scaled, scaled_gateway, secs};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];

/// Every way in which a payload can arrive in this build.
fn compressions() -> impl Iterator<Item = Compression> {
    [Compression::None, Compression::Zlib, Compression::Zstd]
        .into_iter()
        .filter(|kind| kind.is_built_in())
}

/// A bot with a session, over real sockets.
async fn begun(kind: Compression) -> (Arc<Gateway>, Bot) {
    let gateway = Arc::new(scaled_gateway().start().await.unwrap());
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .gateway_url(gateway.url())
        .compression(kind)
        .limits(scaled());
    let mut bot = Bot::over_sockets(config, &gateway);
    bot.begin().await;
    (gateway, bot)
}

/// The text goes out as it is, compressed where the connection is.
fn say(text: impl Into<Vec<u8>>) -> Step {
    Step::Pack(text.into())
}

/// The next error, and all that came before it must be notices.
async fn next_error(bot: &mut Bot) -> shardstream::Error {
    loop {
        match bot.next().await {
            Some(Got::Error(error)) => return error,
            Some(Got::Notice(_)) => {}
            other => panic!("no error: {other:?}"),
        }
    }
}

/// The next raw frame, or the error that came instead.
async fn next_frame(bot: &mut Bot) -> Result<Frame, shardstream::Error> {
    loop {
        let next = timeout(secs(10), bot.shard.next_message()).await;
        match next.expect("something comes") {
            Ok(Message::Frame(frame)) => return Ok(frame),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

fn gaps(bot: &Bot) -> Vec<(u64, u64)> {
    let gap = |got: &Got| match got {
        Got::Notice(Notice::Gap { after, next }) => Some((*after, *next)),
        _ => None,
    };
    bot.got.iter().filter_map(gap).collect()
}

/// The sequences that RESUMEs carried.
fn resumes(gateway: &Gateway) -> Vec<u64> {
    let seq = |record: Record| match record.act {
        Act::Resume { seq, .. } => Some(seq),
        _ => None,
    };
    gateway.log().into_iter().filter_map(seq).collect()
}

#[tokio::test]
async fn f77_text_that_is_no_message_is_an_error_and_the_connection_goes_on() {
    let bad: [&[u8]; 24] = [
        b" ",
        b"\r\n",
        b"{",
        b"}",
        b"nonsense",
        b"{\"op\":11,}",
        b"{'op':11}",
        b"{\"op\":11",
        b"{\"op\" 11}",
        b"{op:11}",
        // A byte order mark, and NUL before, in and behind.
        b"\xef\xbb\xbf{\"op\":11}",
        b"\0{\"op\":11}",
        b"{\"op\":\x0011}",
        b"{\"op\":11}\0",
        // Two documents, and bytes behind one.
        b"{\"op\":11}{\"op\":11}",
        b"{\"op\":11} x",
        // Lone surrogates, in a name and in a key.
        b"{\"op\":0,\"t\":\"\\ud800\",\"d\":{}}",
        b"{\"op\":11,\"\\udfff\":1}",
        // JSON, and no envelope.
        b"[]",
        b"null",
        b"11",
        b"\"op\"",
        b"{}",
        b"{\"t\":\"TEST\",\"d\":[1]}",
    ];
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        for bytes in bad {
            let shown = String::from_utf8_lossy(bytes);
            bot.order([say(bytes)]);
            let error = next_error(&mut bot).await;
            assert_eq!(error.kind(), ErrorKind::Frame, "{kind:?} {shown}");
            assert!(!error.is_fatal() && error.seq().is_none(), "{shown}");
            // An error never quotes what it is about.
            assert!(
                !format!("{error:?} {error}").contains("op\\\""),
                "{error:?}"
            );
            bot.goes_on().await;
        }
        bot.kept_its_session(0);
        assert_eq!(gateway.stats().connections, 1);
        assert_eq!(bot.shard.status().counters.garbled, 24);

        // Many in a row, and nothing between them. Where there is a compression context that may
        // be what is broken, the sixteenth is too much.
        bot.order(vec![say("{"); 15]);
        bot.goes_on().await;
        bot.kept_its_session(0);
        bot.order(vec![say("{"); 16]);
        bot.goes_on().await;
        if kind == Compression::None {
            bot.kept_its_session(0);
        } else {
            bot.goes_on().await;
            assert_eq!(bot.causes(), [Cause::Compression]);
            bot.kept_its_session(1);
        }
    }
}

#[tokio::test]
async fn f77_an_empty_message_is_an_error_and_the_connection_goes_on() {
    let (_gateway, mut bot) = begun(Compression::None).await;
    bot.order([Step::Text(String::new()), Step::Binary(Vec::new())]);
    for _ in 0..2 {
        assert_eq!(next_error(&mut bot).await.kind(), ErrorKind::Frame);
    }
    bot.goes_on().await;
    bot.kept_its_session(0);
}

/// A lone surrogate is JSON that no Rust string can hold.
#[tokio::test]
async fn f77_a_lone_surrogate_in_a_payload_costs_that_event_at_most() {
    for kind in compressions() {
        let (_gateway, mut bot) = begun(kind).await;
        for name in ["TYPING_START", "NEVER_HEARD_OF"] {
            let data = r#"{"channel_id":"\ud800","user_id":"1","timestamp":1}"#;
            bot.order([Step::SkipSequence(1)]);
            let seq = bot.shard.last_sequence().unwrap() + 1;
            bot.order([say(format!(
                r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#
            ))]);
            match bot.next().await.unwrap() {
                Got::Error(error) => {
                    assert_eq!(error.kind(), ErrorKind::Event);
                    assert_eq!(error.event_name(), Some(name));
                    assert_eq!(error.seq(), Some(seq));
                    // So that the sequences of what was given have no hole.
                    bot.got.push(Got::Event {
                        name: name.to_owned(),
                        seq: Some(seq),
                        number: None,
                    });
                }
                Got::Event { name: given, .. } => assert_eq!(given, name),
                other @ Got::Notice(_) => panic!("{other:?}"),
            }
            bot.goes_on().await;
        }
        bot.kept_its_session(0);
    }
}

/// So many arrays in each other.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[tokio::test]
async fn f78_nesting_of_a_hundred_thousand_costs_that_message_at_most() {
    let deep = nested(100_000);
    let open = "[".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    let replies = "{\"referenced_message\":".repeat(100_000) + "{}" + &"}".repeat(100_000);
    let mut texts = Vec::new();
    for name in [
        "NEVER_HEARD_OF",
        "TYPING_START",
        "MESSAGE_CREATE",
        "GUILD_CREATE",
    ] {
        let fields = ["user_id", "components", "never_heard_of"];
        let fields = fields.map(|field| format!("{{\"{field}\":{deep}}}"));
        for d in fields.iter().chain([&deep, &open, &objects, &replies]) {
            // With `d` last, which is how platforms write it, and first.
            texts.push(format!(r#"{{"t":"{name}","s":null,"op":0,"d":{d}}}"#));
            texts.push(format!(r#"{{"d":{d},"t":"{name}","s":null,"op":0}}"#));
        }
    }
    texts.extend([
        format!(r#"{{"op":11,"d":{deep}}}"#),
        format!(r#"{{"x":{deep},"op":11}}"#),
        deep,
        open,
        objects,
        "{\"op\":".repeat(100_000),
    ]);
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        for text in &texts {
            let start = text.get(..50).unwrap();
            let before = bot.got.len();
            bot.order([say(text.as_str())]);
            bot.goes_on().await;
            let given = &bot.got[before..bot.got.len() - 1];
            assert!(given.len() <= 1, "{start}: {given:?}");
            let causes = bot.causes();
            assert!(causes.is_empty(), "{start}: {causes:?}");
        }
        bot.kept_its_session(0);
        assert_eq!(gateway.stats().connections, 1);
        let errors = [ErrorKind::Frame, ErrorKind::Event].map(|kind| bot.errors(kind).len());
        assert!(errors[0] >= 6 && errors[1] >= 6, "{errors:?}");
    }
}

#[tokio::test]
async fn f78_an_envelope_may_be_128_levels_deep_and_no_more() {
    let (_gateway, mut bot) = begun(Compression::None).await;
    for (levels, good) in [(126, true), (127, true), (128, false), (129, false)] {
        // The object around it is a level of its own.
        let text = format!(r#"{{"x":{},"op":11}}"#, nested(levels));
        bot.order([say(text)]);
        bot.goes_on().await;
        let errors = bot.errors(ErrorKind::Frame).len();
        assert_eq!(errors, usize::from(!good), "{levels}");
        bot.got.retain(|got| !matches!(got, Got::Error(_)));
    }
    bot.kept_its_session(0);
}

const OPS: [&str; 11] = [
    "0", "0", "0", "0", "11", "0.0", "0e0", "\"0\"", "null", "-0", "[0]",
];
const SEQS: [&str; 7] = [
    "1.5",
    "-1",
    "null",
    "\"7\"",
    "1e3",
    "18446744073709551616",
    "{}",
];
const NAMES: [&str; 6] = [
    "\"TEST\"",
    "\"T\\u0045ST\"",
    "null",
    "7",
    "\"\"",
    "\"a\\\"b\"",
];
const DATAS: [&str; 10] = [
    "{}",
    "[]",
    "null",
    "\"}\"",
    r#"{"op":7,"s":99,"t":"X","d":{"op":9}}"#,
    r#"{"a":"\\","b":"}]\"{["}"#,
    "[1,[2,{\"x\":[]}]]",
    "7",
    "true",
    "-1.5e-3",
];

/// A text at random: an envelope with its keys in any order, some twice, some missing, some with
/// escapes, values of any kind, and spaces anywhere.
fn envelope(random: &mut fastrand::Rng, seq: u64) -> String {
    let mut pick = |from: &[&str]| from[random.usize(0..from.len())].to_owned();
    let mut keys = vec![
        ("op", pick(&OPS)),
        ("t", pick(&NAMES)),
        ("d", pick(&DATAS)),
        ("x", pick(&DATAS)),
    ];
    let number = if random.u8(0..3) > 0 {
        seq.to_string()
    } else {
        SEQS[random.usize(0..SEQS.len())].to_owned()
    };
    keys.push(("s", number));
    if random.u8(0..4) == 0 {
        let again = keys[random.usize(0..keys.len())].0;
        // No op that asks for something, no number that was given before.
        let from = match again {
            "op" => &OPS[..],
            "s" => &SEQS,
            _ => &DATAS,
        };
        keys.push((again, from[random.usize(0..from.len())].to_owned()));
    }
    if random.u8(0..6) == 0 {
        keys.swap_remove(random.usize(0..keys.len()));
    }
    random.shuffle(&mut keys);
    // What stands behind `d` is not looked at where the text ends as if nothing did: to find the
    // end of each `d` would cost more than all else. No server repeats a key there.
    keys.push(("z", "7".to_owned()));
    let space = |random: &mut fastrand::Rng| {
        [""; 3]
            .map(|_| ["", "", " ", "\n\t"][random.usize(0..4)])
            .concat()
    };
    let mut text = "{".to_owned();
    for (at, (key, value)) in keys.iter().enumerate() {
        let escaped = random.u8(0..5) == 0;
        let key: String = if escaped {
            let mut escaped = String::new();
            for byte in key.bytes() {
                write!(escaped, "\\u{byte:04x}").unwrap();
            }
            escaped
        } else {
            (*key).to_owned()
        };
        let comma = if at == 0 { "" } else { "," };
        let [a, b, c] = [space(random), space(random), space(random)];
        write!(text, "{comma}{a}\"{key}\"{b}:{c}{value}{}", space(random)).unwrap();
    }
    text + "}" + &space(random)
}

/// What is given for a text is what a map of it says: an event, an error, or nothing.
async fn expect_as_serde_reads(bot: &mut Bot, text: &str) -> Option<ErrorKind> {
    let map: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let op = map.as_ref().and_then(|map| map.get("op")?.as_u64());
    let Some((map, op)) = map.zip(op) else {
        let error = next_frame(bot).await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Frame, "{text}");
        return Some(ErrorKind::Frame);
    };
    if op == 0 {
        let frame = next_frame(bot).await.expect(text);
        assert_eq!(frame.text(), text);
        let name = map.get("t").and_then(Value::as_str);
        assert_eq!(frame.event_name().as_deref(), name, "{text}");
        assert_eq!(frame.seq(), map.get("s").and_then(Value::as_u64), "{text}");
        let data = map.get("d").unwrap_or(&Value::Null);
        assert_eq!(frame.parse::<Value>().expect(text), *data, "{text}");
    }
    None
}

/// Goal: what is read of an envelope is what `serde_json` reads, whatever its order, its spaces
/// and its escapes. Method: texts at random and some by hand through a real connection, against a
/// map.
#[tokio::test]
async fn f79_envelopes_are_read_as_serde_json_reads_them() {
    let seed = std::env::var("SHARDSTREAM_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SHARDSTREAM_SEED={seed}");
    let random = &mut fastrand::Rng::with_seed(seed);
    let by_hand = [
        r#"{"op":11,"op":0,"s":SEQ,"t":"TEST","d":[]}"#,
        r#"{"op":0,"s":SEQ,"t":"TEST","d":[],"op":11}"#,
        r#"{"d":{"op":11,"s":3,"t":"X"},"op":0,"s":SEQ,"t":"TEST"}"#,
        r#"{"\u006fp":0,"\u0073":SEQ,"\u0074":"TEST","\u0064":{}}"#,
        "  { \"op\" : 0 , \"s\" : SEQ , \"t\" : \"TEST\" , \"d\" : { } }  ",
        r#"{"op":1e0,"s":SEQ,"t":"TEST","d":{}}"#,
        r#"{"op":00,"s":SEQ,"t":"TEST","d":{}}"#,
        r#"{"op":0,"s":SEQ,"t":"TEST"}"#,
        // An object behind `d`, so that the text ends as if `d` were last.
        r#"{"op":0,"s":SEQ,"t":"TEST","d":{"a":"}"},"x":{"b":1}}"#,
        r#"{"op":0,"s":SEQ,"t":"TEST","d":[],"x":[]}"#,
    ];
    let texts: Vec<String> = (0..700)
        .map(|n: usize| {
            let seq = 100 + n as u64;
            if n % 8 == 7 && n >= by_hand.len() {
                // Sixteen without one that can be read would mean a damaged compression.
                return format!(r#"{{"op":0,"s":{seq},"t":"TEST","d":[]}}"#);
            }
            by_hand.get(n).map_or_else(
                || envelope(random, seq),
                |text| text.replace("SEQ", &seq.to_string()),
            )
        })
        .collect();
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        let (mut events, mut unreadable) = (0, 0);
        // Only so many errors wait for a user who does not take them.
        for texts in texts.chunks(100) {
            let steps: Vec<Step> = texts.iter().map(|text| say(text.as_str())).collect();
            bot.order(steps);
            for text in texts {
                match expect_as_serde_reads(&mut bot, text).await {
                    Some(ErrorKind::Frame) => unreadable += 1,
                    _ => events += 1,
                }
            }
        }
        bot.order([Step::Renumber(10_000)]);
        bot.send();
        let last = next_frame(&mut bot).await.unwrap();
        assert_eq!(last.seq(), Some(10_000));
        assert!(events > 200 && unreadable > 200, "{events} {unreadable}");
        assert_eq!(gateway.stats().connections, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn f80_an_op_that_means_nothing_is_ignored() {
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        for op in [
            "2",
            "3",
            "6",
            "8",
            "12",
            "13",
            "255",
            "18446744073709551615",
        ] {
            for data in ["null", "{}", "[1,2]", r#"{"session_id":"x"}"#] {
                let text = format!(r#"{{"t":null,"s":null,"op":{op},"d":{data}}}"#);
                bot.order([say(text)]);
            }
        }
        bot.goes_on().await;
        assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
        assert_eq!(bot.count(|got| matches!(got, Got::Event { .. })), 3);
        // What is no op at all is an error.
        for op in ["18446744073709551616", "-1", "0.5", "\"0\"", "null"] {
            bot.order([say(format!(r#"{{"op":{op},"d":{{}}}}"#))]);
            assert_eq!(next_error(&mut bot).await.kind(), ErrorKind::Frame);
        }
        bot.goes_on().await;
        bot.kept_its_session(0);
        assert_eq!(gateway.stats().connections, 1);
    }
}

/// The names and payloads of every event that the platform documents.
fn fixtures() -> Vec<(String, Map<String, Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events/frames");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        let name = frame["t"].as_str().unwrap().to_owned();
        // These two are the session's, and the gateway makes its own.
        if let (Value::Object(data), false) = (&frame["d"], name == "READY" || name == "RESUMED") {
            all.push((name, data.clone()));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 60, "{}", all.len());
    all
}

/// Sends an event, and takes what is given for it.
async fn given_for(gateway: &Gateway, bot: &mut Bot, name: &str, data: &str) -> Got {
    assert_eq!(gateway.send(ShardId::ONE, name, data).unwrap(), 1);
    let before = bot.shard.last_sequence().unwrap();
    let got = bot.next().await.unwrap();
    assert_eq!(bot.shard.last_sequence(), Some(before + 1), "{name} {data}");
    match &got {
        Got::Event { seq, .. } => assert_eq!(*seq, Some(before + 1)),
        Got::Error(error) => {
            assert_eq!(error.kind(), ErrorKind::Event, "{error:?}");
            assert_eq!(error.event_name(), Some(name));
            assert_eq!(error.seq(), Some(before + 1));
            // For who looks for holes in the sequences of what was given.
            let (name, seq) = (name.to_owned(), error.seq());
            let number = None;
            bot.got.push(Got::Event { name, seq, number });
        }
        Got::Notice(notice) => panic!("{name} {data}: {notice:?}"),
    }
    got
}

#[tokio::test]
async fn f81_what_is_new_in_the_protocol_is_data_and_no_error() {
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        // Events without a name in the table.
        for name in [
            "NEVER_HEARD_OF",
            "message_create",
            "MESSAGE_CREATE ",
            "É",
            "🦀",
        ] {
            for data in ["{}", "[]", "null", "-7", "\"text\"", r#"{"op":7}"#] {
                let got = given_for(&gateway, &mut bot, name, data).await;
                let Got::Event { name: given, .. } = got else {
                    panic!("{name} {data}: {got:?}");
                };
                assert_eq!(given, name);
            }
        }
        // Fields without a name in the model, in front and behind.
        for (name, mut data) in fixtures() {
            data.insert("a_new_field".into(), json!({"deep": [1, {"er": null}]}));
            data.insert("zz_new_field".into(), json!("text"));
            let data = Value::Object(data).to_string();
            let got = given_for(&gateway, &mut bot, &name, &data).await;
            assert!(matches!(got, Got::Event { .. }), "{name}: {got:?}");
        }
        // Values without a name in their enum.
        for (name, field, value) in [
            ("MESSAGE_CREATE", "type", json!(250)),
            ("CHANNEL_CREATE", "type", json!(250)),
            ("GUILD_CREATE", "features", json!(["A_NEW_FEATURE"])),
            ("GUILD_CREATE", "verification_level", json!(99)),
            ("INTERACTION_CREATE", "type", json!(99)),
            ("PRESENCE_UPDATE", "status", json!("a_new_status")),
        ] {
            let all = fixtures();
            // An event has several frames, and not all have all fields.
            let (_, data) = all
                .iter()
                .find(|(known, data)| known == name && data.contains_key(field))
                .unwrap_or_else(|| panic!("{name} has no {field}"));
            let mut data = data.clone();
            data.insert(field.into(), value);
            let data = Value::Object(data).to_string();
            let got = given_for(&gateway, &mut bot, name, &data).await;
            let Got::Event { name: given, .. } = &got else {
                panic!("{name}.{field}: {got:?}");
            };
            assert_eq!(given, name);
        }
        bot.goes_on().await;
        bot.kept_its_session(0);
        assert_eq!(gateway.stats().connections, 1);
    }
}

/// Goal: a field that is missing, null or of another type costs its event at most, and that event
/// only once. Method: every field of every event, one at a time.
#[tokio::test]
async fn f82_a_field_that_is_missing_null_or_mistyped_costs_its_event_at_most() {
    let (gateway, mut bot) = begun(Compression::Zlib).await;
    let mut errors = 0;
    for (name, data) in fixtures() {
        for field in data.keys() {
            let mut changed = vec![data.clone(); 4];
            changed[0].remove(field);
            for (data, bad) in
                changed[1..]
                    .iter_mut()
                    .zip([json!(null), json!([[["x"]]]), json!("\u{0}CANARY")])
            {
                data.insert(field.clone(), bad);
            }
            for data in changed {
                let data = Value::Object(data).to_string();
                if let Got::Error(error) = given_for(&gateway, &mut bot, &name, &data).await {
                    assert!(!format!("{error:?}{error}").contains("CANARY"), "{error:?}");
                    errors += 1;
                }
            }
        }
    }
    // And payloads that are no objects at all.
    for (name, _) in fixtures() {
        for data in ["null", "7", "[]", "\"text\""] {
            let got = given_for(&gateway, &mut bot, &name, data).await;
            errors += usize::from(matches!(got, Got::Error(_)));
        }
    }
    assert!(errors > 300, "{errors}");
    // A resume brings none of it again.
    bot.goes_on().await;
    let last = bot.shard.last_sequence().unwrap();
    bot.order([Step::Rst]);
    bot.disconnected().await;
    bot.goes_on().await;
    assert_eq!(resumes(&gateway), [last]);
    assert_eq!(gateway.stats().events_again, 0);
    bot.kept_its_session(1);
}

#[tokio::test]
async fn f83_an_event_without_a_usable_sequence_is_given_and_moves_nothing() {
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        let last = bot.shard.last_sequence();
        for seq in [
            "",
            r#""s":null,"#,
            r#""s":-1,"#,
            r#""s":1.5,"#,
            r#""s":3e0,"#,
            r#""s":18446744073709551616,"#,
            r#""s":"3","#,
            r#""s":true,"#,
            r#""s":[3],"#,
        ] {
            bot.order([say(format!(r#"{{{seq}"t":"OTHER","op":0,"d":{{}}}}"#))]);
            assert_eq!(bot.event("OTHER").await, None, "{seq}");
            assert_eq!(bot.shard.last_sequence(), last, "{seq}");
        }
        // Without a name: given as an event of no name.
        for name in ["", r#""t":null,"#, r#""t":7,"#] {
            bot.order([say(format!(r#"{{{name}"op":0,"d":{{}}}}"#))]);
            assert_eq!(bot.event("").await, None, "{name}");
        }
        assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
        bot.goes_on().await;
        bot.order([Step::Rst]);
        bot.disconnected().await;
        bot.goes_on().await;
        assert_eq!(resumes(&gateway), [last.unwrap() + 1]);
        bot.kept_its_session(1);
    }
}

/// The sequence stands in front of what is broken: it counts, and the message never comes again.
#[tokio::test]
async fn f84_a_message_that_can_never_be_read_costs_itself_and_nothing_behind_it() {
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        bot.order([Step::SkipSequence(1), say(r#"{"s":3,"t":"X","op":0,"d":{"#)]);
        let error = next_error(&mut bot).await;
        assert_eq!((error.kind(), error.seq()), (ErrorKind::Frame, Some(3)));
        bot.order([Step::Rst]);
        bot.disconnected().await;
        bot.send();
        assert_eq!(bot.event("TEST").await, Some(4));
        assert_eq!(resumes(&gateway), [3]);
        assert_eq!(gaps(&bot), []);
        bot.kept_its_session(1);
    }
}

#[tokio::test(start_paused = true)]
async fn f84_a_poison_in_each_replay_costs_neither_link_nor_session() {
    // Legible or not, its place in the sequence is passed.
    for number in ["SEQ", "null", "{"] {
        let world = World::new(Gateway::builder());
        let mut bot = world.bot();
        bot.begin().await;
        for seq in 3..7_u64 {
            let number = number.replace("SEQ", &seq.to_string());
            let steps = [
                say(format!(r#"{{"t":"X","s":{number},"op":0,"d":{{"#)),
                say(format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{}}}}"#)),
                Step::Expect(1),
                Step::Ack,
            ];
            world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
            bot.order([Step::Rst]);
            assert_eq!(bot.error().await.kind(), ErrorKind::Frame);
            bot.event("RESUMED").await;
            bot.idle(secs(60)).await;
            assert_eq!(bot.shard.last_sequence(), Some(seq));
        }
        assert_eq!(resumes(&world.gateway), [2, 3, 4, 5]);
        assert_eq!(bot.lost_sessions(), 0);
        assert_eq!(world.gateway.stats().identifies, 1);
    }
}

#[tokio::test]
async fn f85_a_jump_is_told_and_the_events_are_given() {
    for kind in compressions() {
        let (gateway, mut bot) = begun(kind).await;
        bot.order([Step::SkipSequence(1_000_000)]);
        bot.send();
        assert_eq!(bot.event("TEST").await, Some(1_000_003));
        assert_eq!(gaps(&bot), [(2, 1_000_003)]);
        // Zero was received before anything: not given, not kept.
        bot.order([say(r#"{"t":"ZERO","s":0,"op":0,"d":{}}"#)]);
        bot.send();
        assert_eq!(bot.event("TEST").await, Some(1_000_004));
        assert_eq!(
            bot.count(|got| matches!(got, Got::Event { name, .. } if name == "ZERO")),
            0
        );
        bot.order([Step::Rst]);
        bot.disconnected().await;
        bot.send();
        assert_eq!(bot.event("TEST").await, Some(1_000_005));
        assert_eq!(resumes(&gateway), [1_000_004]);
        assert_eq!(gaps(&bot).len(), 1);
        bot.kept_its_session(1);
        assert_eq!(bot.shard.status().counters.duplicates, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f85_a_sequence_that_starts_again_means_a_new_session_after_three_events() {
    let world = World::new(Gateway::builder());
    let mut bot = world.bot();
    bot.begin().await;
    for _ in 0..20 {
        bot.goes_on().await;
    }
    bot.order([Step::Renumber(1)]);
    // Two may be late duplicates of a server that stumbles.
    bot.send();
    bot.send();
    bot.idle(Duration::from_mins(2)).await;
    assert_eq!(bot.causes(), []);
    assert_eq!(bot.shard.last_sequence(), Some(22));
    bot.send();
    assert_eq!(bot.disconnected().await, (Cause::SequenceRestarted, false));
    bot.lost_session();
    bot.begin().await;
    assert_eq!(bot.lost_sessions(), 1);
    assert_eq!(world.gateway.stats().identifies, 2);
    assert_eq!(bot.shard.status().counters.duplicates, 3);
}
