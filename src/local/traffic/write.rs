//! How does a row become JSON? With chance from a seed, and a clock of its own.

use std::fmt::Write as _;

use super::schema::{Field, Kind, Len, Object, Pool, SCHEMA, Scalar};

/// `SplitMix64`: small, and the same for ever, so that a seed means the same in each version.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Below `end`, or 0.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        let product = (self.next() as u128) * (end as u128);
        (product >> 64) as u64
    }

    const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// Whether a case of so many in a hundred.
    const fn is(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// From 0 to 1.
    pub(super) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 30)).unwrap_or(0)) / f64::from(1 << 30)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        &items[at]
    }
}

const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A number for a name, to tell the chance of one kind of object from that of another.
fn hash(name: &str) -> u64 {
    name.bytes()
        .fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// The first millisecond of 2015, from which ids count.
const EPOCH_MS: u64 = 1_420_070_400_000;

/// When traffic begins: the first of March 2026.
const START_MS: u64 = 1_772_323_200_000;

/// What texts are made of: of the lengths that words have, some of other scripts, some to escape.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "i", "is", "the", "to", "and", "you", "it", "that", "for", "on", "was", "tide",
    "harbour", "lantern", "boat", "rope", "keel", "river", "bridge", "morning", "evening",
    "current", "oar", "gull", "heron", "anchor", "north", "wind", "weather", "crossing",
    "passenger", "timetable", "ferry", "landing", "quay", "late", "early", "again", "maybe",
    "never", "water", "deep", "shallow", "what", "when", "how", "lol", "ok", "yes", "no",
    "thanks", "please", "wait", "o'clock", "50%", "right?", "well,", "there.", "überfahrt",
    "naïve", "crème", "Ελλάδα", "привет", "こんにちは", "안녕", "你好", "🚣", "⚓", "\\n", "\\\"ahoy\\\"",
    "<@700000000000000003>", "<#700000000000000002>", "https://example.org/timetable",
    "**now**", "`oar`",
];

#[rustfmt::skip]
const SYLLABLES: &[&str] = &[
    "ka", "lo", "mi", "ren", "to", "su", "vel", "an", "dor", "el", "qui", "bra", "shi", "no",
    "pex", "ur", "za", "fen", "gal", "hy",
];

const SYMBOLS: &[&str] = &["🌊", "⚓", "🚣", "👍", "🎉", "⛈", "❤️", "🧭", "🐟", "🪝"];

/// How traffic differs from what is ordinary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knobs {
    /// How many of 100 fields have one after them that nobody knows.
    pub(super) unknown_fields: u64,
    /// How many of 100 values of enumerations and sets are new.
    pub(super) unknown_values: u64,
    /// Whether fields are there that are documented as optional.
    pub(super) optional: bool,
    /// How long scaled lists are.
    pub(super) scale: f64,
}

/// Writes payloads.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    seed: u64,
    pub(super) random: Random,
    now_ms: u64,
    pub(super) knobs: Knobs,
    /// Which of its pool the object is that is being written.
    member: Option<u64>,
    out: String,
}

impl Writer {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            now_ms: START_MS,
            knobs: Knobs {
                unknown_fields: 0,
                unknown_values: 0,
                optional: true,
                scale: 1.0,
            },
            member: None,
            out: String::new(),
        }
    }

    /// The payload of an event of this name; its clock moves on.
    pub(super) fn payload(&mut self, name: &str) -> String {
        self.now_ms += self.random.between(1, 400);
        self.object(SCHEMA.object(name));
        std::mem::take(&mut self.out)
    }

    fn object(&mut self, object: &Object) {
        if !object.instead.is_empty() {
            let name = *self.random.pick(&object.instead);
            return self.object(SCHEMA.object(name));
        }
        if object.pool == 0 {
            return self.fields(&object.fields);
        }
        // The same whenever it comes, as a user's name is.
        let index = self.popular(object.pool);
        let own = Random::new(mix(self.seed ^ hash(object.name)) ^ mix(index));
        let (random, member) = (self.random.clone(), self.member);
        self.random = own;
        self.member = Some(index);
        self.fields(&object.fields);
        self.random = random;
        self.member = member;
    }

    /// One of so many, some far more often than others.
    fn popular(&mut self, count: u64) -> u64 {
        let first = self.random.below(count) + 1;
        let second = self.random.below(first) + 1;
        let third = self.random.below(second) + 1;
        self.random.below(third)
    }

    fn fields(&mut self, fields: &[Field]) {
        self.out.push('{');
        let mut first = true;
        for field in fields {
            let share = if self.knobs.optional { 100 } else { 0 };
            let is_there = match field.present {
                None => true,
                Some(present) => self.random.is(present * share / 100),
            };
            if is_there {
                self.key(field.key, &mut first);
                if self.random.is(field.null) {
                    self.out.push_str("null");
                } else {
                    self.value(&field.kind);
                }
            }
            if self.random.is(self.knobs.unknown_fields) {
                self.unknown_field(&mut first);
            }
        }
        self.out.push('}');
    }

    fn key(&mut self, key: &str, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// A field that no version knows, with a value of any kind.
    fn unknown_field(&mut self, first: &mut bool) {
        const VALUES: &[&str] = &[
            "null",
            "true",
            "-7",
            "1e300",
            "18446744073709551615",
            r#""\ud83d\udea4 \u0000""#,
            "[]",
            "{}",
            r#"[[{"id":null}],{},"x"]"#,
            r#"{"id":{"type":[1,2,{"user":false}]},"":0}"#,
        ];
        let key = format!("zz_{}", self.random.next() % 100_000);
        self.key(&key, first);
        let value = *self.random.pick(VALUES);
        self.out.push_str(value);
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            Kind::Bits(count) => {
                let bits = self.bits(*count);
                self.number(bits);
            }
            Kind::Bool(share) => {
                let is = self.random.is(*share);
                self.out.push_str(if is { "true" } else { "false" });
            }
            Kind::Literal(text) => self.out.push_str(text),
            Kind::List(kind, len) => {
                self.out.push('[');
                for index in 0..self.len(*len) {
                    self.comma(index);
                    self.value(kind);
                }
                self.out.push(']');
            }
            Kind::Map(kind, len) => {
                self.out.push('{');
                for index in 0..self.len(*len) {
                    self.comma(index);
                    self.scalar(Scalar::Id);
                    self.out.push(':');
                    self.value(kind);
                }
                self.out.push('}');
            }
            Kind::Numbers(numbers) if self.is_new() => {
                let new = numbers.iter().max().unwrap_or(&0) + 100 + self.random.below(50);
                self.number(new);
            }
            Kind::Numbers(numbers) => {
                let number = *self.random.pick(numbers);
                self.number(number);
            }
            Kind::Objects(names) => {
                let name = *self.random.pick(names);
                self.object(SCHEMA.object(name));
            }
            Kind::Pooled(pool) => self.pooled(*pool),
            Kind::Range(from, to) => {
                let number = self.random.between(*from, *to);
                self.number(number);
            }
            Kind::Scalar(scalar) => self.scalar(*scalar),
            Kind::Text(text) => self.text(&text.replace('&', " ")),
            Kind::Texts(_) if self.is_new() => {
                let new = format!("zz_{}", self.random.below(100));
                self.text(&new);
            }
            Kind::Texts(texts) => {
                let text = *self.random.pick(texts);
                self.text(text);
            }
            Kind::Words(from, to) => self.words(*from, *to),
        }
    }

    const fn is_new(&mut self) -> bool {
        self.random.is(self.knobs.unknown_values)
    }

    fn comma(&mut self, index: u64) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn len(&mut self, len: Len) -> u64 {
        match len {
            Len::Between(from, to) => self.random.between(from, to),
            Len::Rare(share, ..) if !self.random.is(share) => 0,
            Len::Rare(_, from, to) => self.random.between(from, to),
            Len::Scaled(average) => {
                let about = 0.5 + self.random.fraction();
                let len = f64::from(u32::try_from(average).unwrap_or(0)) * about * self.knobs.scale;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive, and within a few thousand"
                )]
                let len = len.round() as u64;
                len
            }
        }
    }

    fn number(&mut self, number: u64) {
        // Writing to memory does not fail.
        let _ = write!(self.out, "{number}");
    }

    /// A text without anything to escape.
    fn text(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    fn words(&mut self, from: u64, to: u64) {
        // Short ones are more frequent.
        let most = self.random.between(from, to);
        self.out.push('"');
        for index in 0..self.random.between(from, most) {
            if index > 0 {
                self.out.push(' ');
            }
            let word = *self.random.pick(WORDS);
            self.out.push_str(word);
        }
        self.out.push('"');
    }

    fn name(&mut self) -> String {
        let count = self.random.between(2, 5);
        (0..count).map(|_| *self.random.pick(SYLLABLES)).collect()
    }

    /// A set of bits, a few of them set; one that no version knows, now and then.
    fn bits(&mut self, count: u64) -> u64 {
        let all = self.random.next() & self.random.next() & ((1 << count) - 1);
        // Most often none, as it is.
        let known = if self.random.is(50) { 0 } else { all };
        let new = u64::from(self.is_new()) << (45 + self.random.below(8));
        known | new
    }

    fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}", self.random.next(), self.random.next());
        text[..digits.min(text.len())].to_owned()
    }

    fn pooled(&mut self, pool: Pool) {
        let (object, count) = pool.object();
        let index = match (pool, self.member) {
            (Pool::SelfId, Some(member)) => member,
            _ => self.popular(count),
        };
        // The ids of roles and emojis need not be those of any that comes whole.
        let at = mix(self.seed ^ hash(object)) ^ mix(index);
        let ms = mix(at) % (START_MS - EPOCH_MS);
        let _ = write!(self.out, "\"{}\"", (ms << 22) | (at & 0x3F_FFFF));
    }

    fn scalar(&mut self, scalar: Scalar) {
        match scalar {
            Scalar::Fraction => {
                let _ = write!(self.out, "{:?}", self.random.fraction());
            }
            Scalar::Milliseconds => {
                let ms = self.now_ms - self.random.below(86_400_000);
                self.number(ms);
            }
            Scalar::Now => self.time(self.now_ms, true),
            Scalar::Seconds => {
                let seconds = self.now_ms / 1000 - self.random.below(86_400);
                self.number(seconds);
            }
            Scalar::Time | Scalar::WholeTime => {
                let ms = START_MS - self.random.below(300_000_000_000);
                self.time(ms, matches!(scalar, Scalar::Time));
            }
            _ => {
                let text = self.text_of(scalar);
                self.text(&text);
            }
        }
    }

    /// Those that are texts.
    fn text_of(&mut self, scalar: Scalar) -> String {
        match scalar {
            Scalar::Asset => {
                let prefix = *self.random.pick(&["", "a_", "v2_", "mp:external/"]);
                format!("{prefix}{}", self.hex(32))
            }
            Scalar::Colour => format!("#{}", self.hex(6)),
            Scalar::Hash => {
                let prefix = if self.random.is(15) { "a_" } else { "" };
                format!("{prefix}{}", self.hex(32))
            }
            Scalar::Id => {
                let id = ((self.now_ms - EPOCH_MS) << 22) | self.random.below(1 << 22);
                id.to_string()
            }
            Scalar::Name if self.random.is(40) => format!("{} {}", self.name(), self.name()),
            Scalar::Permissions => self.permissions().to_string(),
            Scalar::Symbol => (*self.random.pick(SYMBOLS)).to_owned(),
            Scalar::Token => (0..6).map(|_| self.hex(32)).collect(),
            Scalar::Url => {
                let file = self.hex(32);
                format!(
                    "https://cdn.example.org/{}/{file}.png?size=4096",
                    self.name()
                )
            }
            Scalar::Name | Scalar::Word => self.name(),
            _ => self.hex(32),
        }
    }

    /// Most often one of a few, as roles have them; a bit that no version knows, now and then.
    fn permissions(&mut self) -> u64 {
        const USUAL: &[u64] = &[0, 1024, 104_324_673, 2_248_473_465_835_073];
        let any = self.random.next() & ((1 << 50) - 1);
        let usual = *self.random.pick(USUAL);
        let new = u64::from(self.is_new()) << (52 + self.random.below(8));
        new | if self.random.is(30) { any } else { usual }
    }

    /// A time as texts have it: `2026-03-14T15:09:26.535000+00:00`.
    fn time(&mut self, ms: u64, has_fraction: bool) {
        let (year, month, day) = date(ms / 86_400_000);
        let second = ms / 1000;
        let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
        let _ = write!(
            self.out,
            "\"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}",
            second % 60
        );
        if has_fraction {
            let micros = self.random.below(1000);
            let _ = write!(self.out, ".{:03}{micros:03}", ms % 1000);
        }
        self.out.push_str("+00:00\"");
    }
}

/// Year, month and day of a day since 1970, before 2100.
pub(super) fn date(mut day: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let len = |year: u64| if year.is_multiple_of(4) { 366 } else { 365 };
    while day >= len(year) {
        day -= len(year);
        year += 1;
    }
    let february = len(year) - 337;
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < len {
            break;
        }
        day -= len;
        month += 1;
    }
    (year, month, day + 1)
}
