//! Do both decoders say the same? Each text is given to both: first to the direct one, which asks
//! serde where it refuses, then to serde alone.

use std::{env, fmt::Debug, fs, path::Path};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{TAKEN, both};
use crate::{codec::json::Reader, platform::DecodeError};

/// What both make of a text; whether the direct one took it.
fn agree<E: Debug + PartialEq>(read: impl Fn() -> Result<E, DecodeError>, text: &str) -> bool {
    let taken = TAKEN.get();
    let (direct, serde) = both(read);
    let taken = TAKEN.get() > taken;
    assert!(!taken || direct.is_ok());
    let (shown, expected) = (format!("{direct:?}"), format!("{serde:?}"));
    let same = shown.bytes().zip(expected.bytes());
    let same = same.take_while(|(one, other)| one == other).count();
    let rest = |text: &str| {
        let start = text.floor_char_boundary(same.saturating_sub(60));
        text[start..].chars().take(160).collect::<String>()
    };
    assert!(
        shown == expected,
        "direct: …{}\nserde: …{}\n{text:.3000}",
        rest(&shown),
        rest(&expected)
    );
    // Secrets are not shown, but equal.
    if let (Ok(direct), Ok(serde)) = (&direct, &serde) {
        assert!(direct == serde, "{text:.3000}");
    }
    taken
}

/// Name and payload of each frame in a folder.
fn frames(folder: &Path) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        t: Option<String>,
        #[serde(borrow)]
        d: &'a RawValue,
    }
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let frames = texts.filter_map(|text| {
        let frame: Frame<'_> = serde_json::from_str(&text).ok()?;
        Some((frame.t?, frame.d.get().to_owned()))
    });
    frames.collect()
}

struct Frames {
    /// Our own: one of each event.
    own: &'static str,
    /// The folder of captured ones.
    captured: &'static str,
    /// Whether an event was taken.
    agree: fn(&str, &str) -> bool,
}

/// The events of each platform that is built in.
const PLATFORMS: &[Frames] = &[
    #[cfg(feature = "discord")]
    Frames {
        own: "tests/events/frames",
        captured: "discord",
        agree: |name, data| agree(|| crate::discord::Event::decode(name, data), data),
    },
    #[cfg(feature = "qq")]
    Frames {
        own: "tests/qq/frames",
        captured: "qq",
        agree: |name, data| agree(|| crate::qq::Event::decode(name, data), data),
    },
];

fn random() -> fastrand::Rng {
    let seed = env::var("SHARDSTREAM_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SHARDSTREAM_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// How many frames, or changes of frames: so many, or as the environment says.
fn count(default: usize) -> usize {
    let count = env::var("SHARDSTREAM_FRAMES").ok();
    count.map_or(default, |count| count.parse().unwrap())
}

/// A place between two characters.
fn place(text: &str, random: &mut fastrand::Rng) -> usize {
    text.floor_char_boundary(random.usize(..=text.len()))
}

/// Another value in the place of one, or a field once more or earlier.
fn with_other_field(data: &str, random: &mut fastrand::Rng) -> Option<String> {
    const VALUES: &[&str] = &[
        "null",
        "true",
        "false",
        "0",
        "-0",
        "7",
        "-7",
        "1.5",
        "1e3",
        "-1e-9",
        "1e400",
        "256",
        "4294967296",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "\"\"",
        "\"7\"",
        "\"+7\"",
        "\"007\"",
        "\"-7\"",
        "\"x\"",
        "[]",
        "{}",
        "\"18446744073709551616\"",
        "[1]",
        "[null,\"1\",{}]",
        "{\"a\":[{}]}",
        "{\"id\":\"1\"}",
        "\"\\u00e9\\n\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "{\"\\ud83d\":1}",
        "{\"\\u0069d\":\"1\"}",
        "\"2026-02-01T03:34:22.613000+00:00\"",
        "\"2026-02-01 03:34:22\"",
        " 7 ",
        "[[[[1]]]]",
    ];
    let colon = data[..place(data, random)].rfind("\":")?;
    let key = data[..colon].rfind('"')?;
    let start = colon + 2;
    let value = Reader::new(&data[start..]).raw().ok()?;
    let behind = &data[start + value.len()..];
    Some(match random.u8(..3) {
        0 => format!("{}{}{behind}", &data[..start], random.choice(VALUES)?),
        1 => format!(
            "{}{}:{value},{}",
            &data[..key],
            &data[key..=colon],
            &data[key..]
        ),
        _ => format!(
            "{{{}:{value},{}",
            &data[key..=colon],
            data.strip_prefix('{')?
        ),
    })
}

/// A text that differs in one or two places.
fn changed(data: &str, random: &mut fastrand::Rng) -> String {
    const PARTS: &[&str] = &[
        "{", "}", "[", "]", ":", ",", "\"", "\\", "0", "1", "5", "9", "-", "+", ".", "e", "E", "t",
        "n", "u", " ", "/", "\n", "\u{1}", "\u{7f}", "é", "🚤", "null", "\\u0041", "\\ud83d",
        "\"\"",
    ];
    let mut text = data.to_owned();
    for _ in 0..random.usize(1..3) {
        let at = place(&text, random);
        match random.u8(..8) {
            0 => text.truncate(at),
            1 => text.insert_str(at, random.choice(PARTS).unwrap()),
            2 if at < text.len() => _ = text.remove(at),
            3 if at < text.len() => {
                text.remove(at);
                text.insert_str(at, random.choice(PARTS).unwrap());
            }
            _ => text = with_other_field(&text, random).unwrap_or(text),
        }
    }
    text
}

#[test]
fn every_event_is_taken_and_read_as_serde_reads_it() {
    for platform in PLATFORMS {
        let frames = frames(&Path::new(env!("CARGO_MANIFEST_DIR")).join(platform.own));
        assert!(frames.len() > 30);
        for (name, data) in frames {
            assert!((platform.agree)(&name, &data), "{name} is refused");
        }
    }
}

#[test]
fn a_frame_that_is_changed_anywhere_is_read_as_serde_reads_it() {
    let mut random = random();
    for platform in PLATFORMS {
        let frames = frames(&Path::new(env!("CARGO_MANIFEST_DIR")).join(platform.own));
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..count(8000) {
            let (name, data) = random.choice(&frames).unwrap();
            let data = changed(data, &mut random);
            *if (platform.agree)(name, &data) {
                &mut taken
            } else {
                &mut refused
            } += 1;
        }
        println!("{}: {taken} taken, {refused} refused", platform.own);
        assert!(taken.min(refused) > (taken + refused) / 20);
    }
}

/// Texts of every kind with every special byte at every place: within an eight and across two.
#[test]
fn texts_of_all_lengths_and_escapes_are_read_as_serde_reads_them() {
    use compact_str::CompactString;

    let read = |text: &str| {
        agree(
            || crate::codec::json::decode_owned::<Vec<CompactString>>(text),
            text,
        )
    };
    for len in 0..40 {
        for part in [
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\b\\f\\r\\t",
            "\\u0000",
            "\\u00E9",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\ude00",
            "\\ud83dx",
            "\\ud83d\\u0041",
            "\\x",
            "\\u12g4",
            "\\",
            "\"",
            "\n",
            "\u{1f}",
            "\u{7f}",
            "\u{80}",
            "🚤",
            "\0",
        ] {
            for before in 0..len {
                let plain = "x".repeat(before);
                let after = "é".repeat(len - before);
                read(&format!("[\"{plain}{part}{after}\",\"{after}\"]"));
            }
        }
        assert!(read(&format!("[ \"{}\" , \"\" ]", "a".repeat(len))));
    }
}

#[test]
fn numbers_in_every_form_are_read_as_serde_reads_them() {
    use crate::model::{Decimal, Nonce, RawJson, Scalar, Timestamp, UnixTime};

    for number in [
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "1",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.0",
        "-0.0",
        "0.1",
        "1e2",
        "1E+2",
        "1e-2",
        "1e",
        "1e+",
        "1.e1",
        "1e400",
        "1e-400",
        "--1",
        "1_0",
        "0x10",
        "NaN",
        "",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999",
        "255",
        "256",
        "0.1234567890123456789012345",
        "1.7976931348623157e308",
        "12345678901234567890.5",
    ] {
        for text in [
            format!("[{number}]"),
            format!("[ {number} ,1]"),
            format!("[\"{number}\"]"),
        ] {
            let text = text.as_str();
            macro_rules! all {
                ($($ty:ty),*) => {$(
                    agree(|| crate::codec::json::decode_owned::<Vec<$ty>>(text), text);
                )*};
            }
            all!(
                u8,
                u32,
                u64,
                i64,
                bool,
                crate::id::Id<()>,
                Scalar,
                Nonce,
                UnixTime,
                Decimal
            );
            all!(RawJson, Timestamp, Option<u8>);
        }
    }
}

#[test]
fn nesting_ends_where_serde_ends_it() {
    use crate::model::RawJson;

    for depth in (0..6).chain(90..135).chain([1000, 100_000]) {
        let list = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let object = format!("{}{{}}{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for text in [&list, &object] {
            agree(|| crate::codec::json::decode_owned::<RawJson>(text), text);
            for platform in PLATFORMS {
                for name in ["MESSAGE_CREATE", "INTERACTION_CREATE", "C2C_MESSAGE_CREATE"] {
                    let data = format!("{{\"id\":\"1\",\"content\":{text},\"data\":{text}}}");
                    (platform.agree)(name, &data);
                }
            }
        }
    }
}

/// Goal: nothing broken is taken for an end. Method: an object that needs no field, in one that
/// does not need it, with its keys, colons and commas in every form.
#[cfg(feature = "discord")]
#[test]
fn an_object_that_is_broken_between_its_fields_is_refused_as_a_whole() {
    let mut taken = 0;
    for before in ["", " ", ",", "{", "\\", "\"", "x"] {
        for key in [
            "web",
            "w",
            "",
            "we\\u0062",
            "web\\",
            "web\n",
            "web\u{7f}",
            "longer than sixteen",
        ] {
            for (open, close) in [("\"", "\""), ("'", "'"), ("", ""), ("\"", ""), ("", "\"")] {
                for colon in [":", " : ", "::", "", ","] {
                    for after in [
                        "",
                        ",",
                        " ",
                        "}",
                        "]",
                        ",\"vr\":\"idle\"",
                        ",\"vr\"",
                        " \"vr\":1",
                    ] {
                        let inner = format!("{{{before}{open}{key}{close}{colon}\"dnd\"{after}}}");
                        for data in [
                            format!("{{\"client_status\":{inner},\"user\":{{\"id\":\"1\"}}}}"),
                            format!("{{\"user\":{{\"id\":\"1\"}},\"client_status\":{inner}}}"),
                        ] {
                            taken += u32::from((PLATFORMS[0].agree)("PRESENCE_UPDATE", &data));
                        }
                    }
                }
            }
        }
    }
    assert!(taken > 50, "{taken}");
}

#[cfg(all(feature = "discord", feature = "local-gateway"))]
#[test]
fn generated_frames_are_taken_and_read_as_serde_reads_them() {
    use crate::local::Traffic;

    let seed = random().u64(..);
    let count = count(4000);
    let mut taken = 0;
    let mut each = |traffic: Traffic, count: usize| {
        for event in traffic.take(count) {
            let was_taken = (PLATFORMS[0].agree)(event.name(), event.data());
            assert!(was_taken, "{}: {:.3000}", event.name(), event.data());
            taken += 1;
        }
    };
    each(Traffic::every(seed), count / 4);
    each(
        Traffic::every(seed).unknown_fields(10).unknown_values(5),
        count / 4,
    );
    each(Traffic::every(seed).required_only(), count / 8);
    each(Traffic::mixed(seed), count / 4);
    each(Traffic::without_presences(seed), count / 8);
    each(Traffic::start_up(seed), count / 400);
    println!("{taken} taken");
}

#[test]
fn captured_frames_are_read_as_serde_reads_them() {
    let Some(folder) = env::var_os("SHARDSTREAM_FIXTURES") else {
        eprintln!("skipped: SHARDSTREAM_FIXTURES is not set");
        return;
    };
    let mut random = random();
    for platform in PLATFORMS {
        let frames = frames(&Path::new(&folder).join(platform.captured));
        let taken = frames
            .iter()
            .filter(|(name, data)| (platform.agree)(name, data));
        let taken = taken.count();
        println!("{}: {taken} of {} taken", platform.captured, frames.len());
        assert!(taken > frames.len() * 4 / 5);
        for _ in 0..count(4000) {
            let (name, data) = random.choice(&frames).unwrap();
            (platform.agree)(name, &changed(data, &mut random));
        }
    }
}
