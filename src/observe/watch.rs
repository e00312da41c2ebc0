//! Does any log hold a secret, or text that could leave its line? For tests: a subscriber for the
//! whole process that takes every record of every crate at every level, and ends the process with
//! a failure where one does.
//!
//! Suites outside of the crate include this file by its path, so it imports nothing of the crate.

#![allow(
    dead_code,
    reason = "each suite that includes this uses the part of it that it needs"
)]

use std::{
    collections::{BTreeSet, HashSet},
    io::{self, Write as _},
    sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError},
};

use base64::{Engine as _, engine::general_purpose};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

/// The token of every bot of the suites that needs no other.
pub(crate) const TOKEN: &str = "CANARYbot.q7ZtLx.W9vKd4RsB8mNfY2hJ6pC";
/// The client secret of every bot of the suites that needs no other.
pub(crate) const CLIENT_SECRET: &str = "CANARYs3cr3t5h0wN4nYwh3r3";
/// What every secret of the suites begins with, those that the local gateway makes up too.
const MARK: &str = "CANARY";
/// So much of a secret, or so much of it encoded, is a leak.
const PART: usize = 8;
/// Hexadecimal digits are too few for that.
const HEX_PART: usize = 2 * PART;
/// No record is as long as what is cut: a handful of fields.
const RECORD_MAX: usize = 4096;

/// Who logs, and what only they say.
pub(crate) const ROOMS: [(&str, &str); 6] = [
    ("session", "state changed"),
    ("transport", "connecting host="),
    ("shard, at TRACE", "received op="),
    ("rest", "discovered the gateway"),
    ("token", "fetched an access token"),
    ("end", "the shard has ended"),
];

/// The parts that may not occur.
struct Parts {
    /// By the first two bytes: whether any begins so. Most of a log is passed over with that.
    starts: Vec<bool>,
    short: HashSet<[u8; PART]>,
    hex: HashSet<[u8; HEX_PART]>,
    words: Vec<String>,
    known: BTreeSet<String>,
}

static PARTS: LazyLock<Mutex<Parts>> = LazyLock::new(|| {
    let mut parts = Parts {
        starts: vec![false; 1 << 16],
        short: HashSet::new(),
        hex: HashSet::new(),
        words: encoded(MARK),
        known: BTreeSet::new(),
    };
    parts.add(TOKEN);
    parts.add(CLIENT_SECRET);
    Mutex::new(parts)
});
static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A text in every shape in which it may stand in another: as it is, escaped, as hexadecimal
/// digits, and the whole units of its base64 wherever it begins in what is encoded.
fn encoded(text: &str) -> Vec<String> {
    let mut all = vec![
        text.to_owned(),
        text.escape_debug().collect(),
        serde_json::Value::from(text)
            .to_string()
            .trim_matches('"')
            .to_owned(),
        hex(text),
        hex(text).to_ascii_uppercase(),
    ];
    for before in 0..3 {
        let bytes = ["\0".repeat(before), text.to_owned()].concat();
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
            let whole = engine.encode(&bytes);
            all.push(whole[first..last].to_owned());
        }
    }
    all
}

fn hex(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

impl Parts {
    fn add(&mut self, secret: &str) {
        if !self.known.insert(secret.to_owned()) {
            return;
        }
        for text in encoded(secret) {
            for pair in text.as_bytes().windows(2) {
                self.starts[pair_of(pair)] = true;
            }
            let is_hex = text.len() == 2 * secret.len();
            if is_hex {
                self.hex.extend(windows(text.as_bytes()));
            } else {
                self.short.extend(windows(text.as_bytes()));
            }
        }
    }

    fn leak(&self, text: &[u8]) -> Option<String> {
        let begins = |part: &[u8]| self.starts[pair_of(part)];
        let short = windows::<PART>(text).find(|part| begins(part) && self.short.contains(part));
        let hex = windows::<HEX_PART>(text).find(|part| begins(part) && self.hex.contains(part));
        let found = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        let word = || {
            let holds = |word: &&String| memchr::memmem::find(text, word.as_bytes()).is_some();
            self.words.iter().find(holds).cloned()
        };
        short
            .map(|part| found(&part))
            .or_else(|| hex.map(|part| found(&part)))
            .or_else(word)
    }
}

fn pair_of(part: &[u8]) -> usize {
    usize::from(part[0]) << 8 | usize::from(part[1])
}

fn windows<const N: usize>(text: &[u8]) -> impl Iterator<Item = [u8; N]> {
    text.windows(N).filter_map(|part| part.try_into().ok())
}

/// The first part of a secret that the text holds, in whatever shape.
pub(crate) fn leak(text: impl AsRef<[u8]>) -> Option<String> {
    lock(&PARTS).leak(text.as_ref())
}

/// From now on this is a secret as well.
pub(crate) fn secret(text: impl Into<String>) -> String {
    let text = text.into();
    lock(&PARTS).add(&text);
    install();
    text
}

/// The usual token; the process is watched from now on.
pub(crate) fn token() -> &'static str {
    install();
    TOKEN
}

/// A token of its own, of a bot of its own: what bots share is not shared with it.
pub(crate) fn token_of(bot: &str) -> String {
    secret(format!("CANARY-{bot}.{}", &TOKEN[10..]))
}

/// Watches all that the process logs from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Watch)
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::NEW);
        // With what other crates log by the crate `log`.
        subscriber.init();
    });
}

/// Which of [`ROOMS`] have been heard of.
pub(crate) fn seen() -> BTreeSet<&'static str> {
    lock(&SEEN).clone()
}

/// What is wrong with a record.
pub(crate) fn problem(record: &[u8]) -> Option<String> {
    if let Some(part) = leak(record) {
        return Some(format!("a log holds {part} of a secret"));
    }
    // What a test logs as a user's program would is its own text.
    if memchr::memmem::find(record, b" it::").is_some() {
        return None;
    }
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    if !line.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Some("a log holds what is no printable ASCII".to_owned());
    }
    (line.len() > RECORD_MAX).then(|| format!("a record of {} bytes", line.len()))
}

/// Ends the process where something is wrong with a record. A panic would not: it would end a
/// task of the library, which survives that.
pub(crate) fn judge(record: &[u8]) {
    if let Some(problem) = problem(record) {
        let shown = String::from_utf8_lossy(record);
        let said = writeln!(io::stderr(), "{problem}: {shown:?}");
        std::process::exit(if said.is_ok() { 101 } else { 102 });
    }
}

struct Watch;

impl io::Write for Watch {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        judge(record);
        for (room, words) in ROOMS {
            if memchr::memmem::find(record, words.as_bytes()).is_some() {
                lock(&SEEN).insert(room);
            }
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Watch {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose};

    use super::{TOKEN, hex, leak, problem, token_of};

    #[test]
    fn every_part_of_a_secret_is_found_in_every_shape() {
        let hex = hex(TOKEN);
        for part in TOKEN.as_bytes().windows(8) {
            assert!(leak(part).is_some());
            let base64 = general_purpose::STANDARD.encode([b"some ", part, b" more"].concat());
            assert!(leak(&base64).is_some(), "{base64}");
        }
        for part in hex.as_bytes().windows(16) {
            assert!(leak(part).is_some() && leak(part.to_ascii_uppercase()).is_some());
        }
        assert_eq!(leak(&TOKEN[12..19]), None);
        assert_eq!(leak("no word of it: CANAR Y"), None);
        let made = token_of("tests");
        assert!(leak(&made).is_some() && leak(&made[..8]).is_some());
    }

    #[test]
    fn a_record_is_one_short_line_of_printable_ascii() {
        assert_eq!(problem(b"INFO shard{id=0}: connected\n"), None);
        for bad in ["a\nb\n", "\u{1b}[31m", "\u{202e}", "a\0", &"a".repeat(5000)] {
            assert!(problem(bad.as_bytes()).is_some(), "{bad:?}");
        }
    }
}
