//! simd-json in place of the direct decoder, where it takes the text; else `serde_json` has the
//! last word.
//!
//! So the errors are those of `serde_json`, and so are the results of all that simd-json refuses:
//! texts that are deeper than our limit, numbers that fit no type of its own, parts that are kept
//! as raw text (which is `serde_json`'s own). That costs a second reading, of the rare and the
//! broken. The one number that both take and read in two ways is looked for first.
//!
//! When it pays: not for built-in types. From bytes to the event it takes 1.6 times the
//! instructions of the direct decoder on messages of one or two kilobytes, and 1.7 times on guilds
//! of 80 KB, 500 KB and 5 MB; `serde_json` takes about what it takes. It reads every text twice,
//! once into a tape and once into the type, and needs a copy that it may write to. Counted by
//! `cargo bench --bench decode -- count`, with AVX2 and rustc 1.95.

use std::cell::RefCell;

use serde::de::DeserializeOwned;
use simd_json::Buffers;

use crate::limits::JSON_DEPTH_MAX;

/// What a thread keeps between two texts; more is given back. Most frames are far below it.
const KEPT_LEN_MAX: usize = 256 << 10;

/// What is reused.
struct Scratch {
    /// The text, which simd-json overwrites.
    text: Vec<u8>,
    buffers: Buffers,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            // One less than `serde_json`'s, which counts differently.
            buffers: Buffers::with_max_depth(0, JSON_DEPTH_MAX - 1),
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[cfg(any(test, fuzzing))]
thread_local! {
    /// How often simd-json took a text.
    static TAKEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// Whether `serde_json` is always asked.
    pub(super) static REFUSES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// What `read` gives with simd-json, and without.
#[cfg(any(test, fuzzing))]
pub(crate) fn both<T>(read: impl Fn() -> T) -> (T, T) {
    let first = read();
    REFUSES.set(true);
    let second = read();
    REFUSES.set(false);
    (first, second)
}

/// Decodes `text`; `None` where `serde_json` is to be asked.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    #[cfg(any(test, fuzzing))]
    if REFUSES.get() {
        return None;
    }
    if has_minus_zero(text) {
        return None;
    }
    SCRATCH.with(|scratch| {
        // A type that decodes another text while it is decoded finds it taken.
        let mut scratch = scratch.try_borrow_mut().ok()?;
        let Scratch {
            text: copy,
            buffers,
        } = &mut *scratch;
        copy.clear();
        copy.extend_from_slice(text.as_bytes());
        // Why it fails does not matter: `serde_json` tells it in its own words.
        let value = simd_json::serde::from_slice_with_buffers(copy, buffers).ok();
        #[cfg(any(test, fuzzing))]
        TAKEN.set(TAKEN.get() + u32::from(value.is_some()));
        if copy.capacity() > KEPT_LEN_MAX {
            *scratch = Scratch::default();
        }
        value
    })
}

/// Whether the number `-0` may be in the text. It is the one thing that both take and read in two
/// ways: as an integer here, as a fraction there.
fn has_minus_zero(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes, b"-0").any(|at| {
        let next = bytes.get(at + 2);
        !next.is_some_and(|next| next.is_ascii_digit() || matches!(next, b'.' | b'e' | b'E'))
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Deserialize;

    use super::{TAKEN, both};
    use crate::{codec::json, platform::DecodeError};

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
        super::decode(text).map_or_else(|| json::decode(text), Ok)
    }

    fn agree<T: serde::de::DeserializeOwned + Debug>(text: &str) {
        let (simd, serde) = both(|| format!("{:?}", read::<T>(text)));
        assert_eq!(simd, serde, "{text:.200}");
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "shown")]
    struct Numbers {
        a: Option<u64>,
        b: Option<i64>,
        c: Option<f64>,
        d: Option<u8>,
        e: Option<bool>,
        f: Option<String>,
    }

    #[rustfmt::skip]
    const VALUES: &[&str] = &[
        "0", "-0", "1", "-1", "01", "1.", ".5", "1.0", "-0.0", "1e2", "1E+2", "1e400", "-1e400",
        "1e-400", "18446744073709551615", "18446744073709551616", "9223372036854775807",
        "-9223372036854775808", "-9223372036854775809", "255", "256", "0.1",
        "1.7976931348623157e308", "123456789012345678901234567890",
        "0.1234567890123456789012345", "0.9843569397926331", "null", "true", "tru", "\"a\"",
        "\"\"", r#""\ud83d\ude00""#, r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\u0000""#,
        r#""\x""#, "\"\u{1}\"", "\"\n\"", "\"\u{7f}\"", "[]", "{}", "[1]", "", "+1", "NaN",
        "Infinity", "--1", "1 2", "0x10", "1_0", "\"a\" \"b\"",
    ];

    #[test]
    fn numbers_and_texts_are_read_alike_or_refused_alike() {
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            for value in VALUES {
                agree::<Numbers>(&format!("{{\"{key}\":{value}}}"));
                agree::<Numbers>(&format!(" {{ \"{key}\" : {value} }} "));
                agree::<Vec<f64>>(&format!("[{value},1]"));
                agree::<serde_json::Value>(&format!("{{\"{key}\":{value}}}"));
            }
        }
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":1,\"a\":2}",
        ] {
            agree::<Numbers>(text);
            agree::<serde_json::Value>(text);
        }
    }

    #[test]
    fn a_thread_reads_on_after_an_error_and_gives_large_buffers_back() {
        let taken = TAKEN.get();
        agree::<Numbers>("{\"a\":1}");
        agree::<Numbers>("{\"a\":tru");
        let long = format!("{{\"f\":\"{}\"}}", "x".repeat(4 * super::KEPT_LEN_MAX));
        agree::<Numbers>(&long);
        super::SCRATCH.with(|scratch| assert_eq!(scratch.borrow().text.capacity(), 0));
        agree::<Numbers>("{\"a\":2}");
        assert_eq!(TAKEN.get() - taken, 3, "simd-json is asked");
    }

    /// Goal: the same depth is refused, and skipped depth is not.
    #[test]
    fn nesting_ends_at_the_same_depth() {
        #[derive(Debug, Deserialize)]
        struct Nest {
            #[expect(dead_code, reason = "shown")]
            next: Option<Box<Self>>,
        }
        for depth in (0..8).chain(120..132).chain([1000, 100_000]) {
            let typed = "{\"next\":".repeat(depth) + "{}" + &"}".repeat(depth);
            agree::<Nest>(&typed);
            let list = "[".repeat(depth) + &"]".repeat(depth);
            agree::<serde_json::Value>(&list);
            agree::<Numbers>(&format!("{{\"skipped\":{list},\"a\":1}}"));
            agree::<Numbers>(&format!("{{\"skipped\":{},\"a\":1}}", "[".repeat(depth)));
        }
    }

    /// Name and payload of each frame in a folder.
    fn frames(folder: &std::path::Path) -> Vec<(String, String)> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            t: Option<String>,
            #[serde(borrow)]
            d: &'a serde_json::value::RawValue,
        }
        let files = std::fs::read_dir(folder).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
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
        decode: fn(&str, &str) -> String,
        /// So many of our own simd-json takes; it refuses those that hold raw JSON.
        taken_min: u32,
    }

    /// The events of each platform that is built in.
    const PLATFORMS: &[Frames] = &[
        #[cfg(feature = "discord")]
        Frames {
            own: "tests/events/frames",
            captured: "discord",
            decode: |name, data| format!("{:?}", crate::discord::Event::decode(name, data)),
            taken_min: 70,
        },
        #[cfg(feature = "qq")]
        Frames {
            own: "tests/qq/frames",
            captured: "qq",
            decode: |name, data| format!("{:?}", crate::qq::Event::decode(name, data)),
            taken_min: 30,
        },
    ];

    /// Both back ends on one event; whether simd-json took it.
    fn agree_on_event(platform: &Frames, name: &str, data: &str) -> bool {
        let taken = TAKEN.get();
        let (simd, serde) = both(|| (platform.decode)(name, data));
        let pairs = simd.chars().zip(serde.chars());
        let same = pairs.take_while(|(simd, serde)| simd == serde).count();
        let shown = |text: &str| text.chars().skip(same).take(80).collect::<String>();
        assert!(
            simd == serde,
            "{name}: {} and {}: {data:.2000}",
            shown(&simd),
            shown(&serde)
        );
        TAKEN.get() > taken
    }

    /// Method: our own frames of every event, and each of them changed at many places.
    #[test]
    fn every_event_whole_or_broken_is_read_alike() {
        const BYTES: &[u8] = br#"{}[]:,"\\0159-+.eEtfnu /"#;
        let seed = std::env::var("SHARDSTREAM_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("SHARDSTREAM_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for platform in PLATFORMS {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(platform.own);
            let (mut whole, mut broken) = (0, 0);
            for (name, data) in frames(&folder) {
                whole += u32::from(agree_on_event(platform, &name, &data));
                for _ in 0..200 {
                    let mut bytes = data.clone().into_bytes();
                    for _ in 0..random.usize(1..3) {
                        let at = random.usize(..bytes.len());
                        let byte = *random.choice(BYTES).unwrap();
                        match random.u8(0..3) {
                            0 => bytes[at] = byte,
                            // The last byte stays, so that there is a place to change.
                            1 if bytes.len() > 1 => _ = bytes.remove(at),
                            _ => bytes.insert(at, byte),
                        }
                    }
                    if let Ok(data) = String::from_utf8(bytes) {
                        broken += u32::from(!agree_on_event(platform, &name, &data));
                    }
                }
            }
            println!("{}: {whole} whole, {broken} broken refused", platform.own);
            assert!(
                whole > platform.taken_min && broken > 1000,
                "{whole} {broken}"
            );
        }
    }

    #[cfg(all(feature = "discord", feature = "local-gateway"))]
    #[test]
    fn generated_frames_are_read_alike() {
        use crate::local::Traffic;

        let seed = std::env::var("SHARDSTREAM_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("SHARDSTREAM_SEED={seed}");
        let mut taken = 0;
        for (traffic, count) in [
            (Traffic::every(seed), 4000),
            (Traffic::mixed(seed), 3000),
            (
                Traffic::every(seed).unknown_fields(10).unknown_values(5),
                2000,
            ),
            (Traffic::every(seed).required_only(), 1000),
        ] {
            for event in traffic.take(count) {
                taken += u32::from(agree_on_event(&PLATFORMS[0], event.name(), event.data()));
            }
        }
        println!("{taken} of 10000 taken by simd-json");
        assert!(taken > 9000, "{taken}");
    }

    #[cfg(feature = "discord")]
    #[test]
    fn captured_frames_are_read_alike() {
        let Some(folder) = std::env::var_os("SHARDSTREAM_FIXTURES") else {
            eprintln!("skipped: SHARDSTREAM_FIXTURES is not set");
            return;
        };
        for platform in PLATFORMS {
            let frames = frames(&std::path::Path::new(&folder).join(platform.captured));
            let taken = frames
                .iter()
                .filter(|(name, data)| agree_on_event(platform, name, data))
                .count();
            println!("{}: {taken} of {} taken", platform.captured, frames.len());
            assert!(taken > frames.len() / 2);
        }
    }
}
