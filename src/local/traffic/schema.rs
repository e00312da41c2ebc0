//! How does each event look on the wire? Text tables, and what reads them.
//!
//! A description of its own, from the protocol's pages: it knows nothing of the types that are to
//! read what is made of it, so that a mistake in them shows.
//!
//! A row is an object: its name, then its fields in the order in which they are sent. Lines that
//! begin with a blank go on with the row before.
//!
//! | written | is |
//! |---|---|
//! | `user/4000` | an object of which there are so many, the first being the most frequent |
//! | `..channel` | the fields of another object |
//! | `@a @b` | in place of fields: it is one of these objects |
//! | `key:kind` | a field that is always there |
//! | `key?20:kind` | one that is documented as optional, there in so many of 100 cases (50) |
//! | `key~20:kind` | one that is documented as nullable, `null` in so many of 100 cases (30) |
//! | `7` `0..9` `true` `null` | a number, one of a range, a value |
//! | `'text` | a text; `&` stands for a blank |
//! | `@a` `@a\|@b` | an object, one of several |
//! | `[kind]0-5` `[kind]*8` | a list; its length, or how long it is on average at scale 1 |
//! | `[kind]20%1-3` | a list that is empty but in so many of 100 cases |
//! | `=[0,1]` | this JSON |
//! | `{kind}1-2` | an object with ids for keys |
//! | `#0,1,2` `$on,off` | one of an enumeration of numbers, of texts |
//! | `bits9` `perms` | a set of so many bits, of permissions as a text |
//! | `id` `user_id` ... | a new id, one of those that the objects have |
//! | `w2-9` `url` `hash` ... | a text of so many words, and other scalars: see `SCALARS` |

use std::{collections::BTreeMap, sync::LazyLock};

/// The tables.
const TABLES: [&str; 3] = [
    super::table::COMMON,
    super::table::OBJECTS,
    super::table::EVENTS,
];

pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::read);

/// All objects; events are those whose names are in capitals.
#[derive(Debug)]
pub(super) struct Schema(BTreeMap<&'static str, Object>);

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    /// Of how many it is one; 0 where each is new.
    pub(super) pool: u64,
    /// Objects of which one comes in its place.
    pub(super) instead: Vec<&'static str>,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    /// In how many of 100 cases it is there, where it need not be.
    pub(super) present: Option<u64>,
    /// In how many of 100 cases it is `null`.
    pub(super) null: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bits(u64),
    Bool(u64),
    Literal(&'static str),
    List(Box<Self>, Len),
    Map(Box<Self>, Len),
    Numbers(Vec<u64>),
    Objects(Vec<&'static str>),
    Pooled(Pool),
    Range(u64, u64),
    Scalar(Scalar),
    Text(&'static str),
    Texts(Vec<&'static str>),
    Words(u64, u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Len {
    /// From, to.
    Between(u64, u64),
    /// Empty but in so many of 100 cases: then from, to.
    Rare(u64, u64, u64),
    /// On average at scale 1.
    Scaled(u64),
}

/// Ids of which there are only so many. That of a pooled object is `self`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pool {
    Application,
    Channel,
    Emoji,
    Guild,
    Role,
    SelfId,
    User,
}

impl Pool {
    const NAMES: [(&'static str, Self); 7] = [
        ("app_id", Self::Application),
        ("channel_id", Self::Channel),
        ("emoji_id", Self::Emoji),
        ("guild_id", Self::Guild),
        ("role_id", Self::Role),
        ("self", Self::SelfId),
        ("user_id", Self::User),
    ];

    /// The object whose ids these are, and how many there are.
    pub(super) const fn object(self) -> (&'static str, u64) {
        match self {
            Self::Application => ("application", 3),
            Self::Channel => ("channel", 400),
            Self::Emoji => ("emoji", 300),
            Self::Guild => ("guild", 200),
            Self::Role => ("role", 300),
            Self::SelfId | Self::User => ("user", 4000),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar {
    /// An image's asset, which need not be a hash.
    Asset,
    Colour,
    /// A fraction from 0 to 1.
    Fraction,
    /// Sixteen bytes in hexadecimal digits, some with `a_` in front.
    Hash,
    /// Thirty-two hexadecimal digits.
    Hex,
    /// A new id.
    Id,
    /// Milliseconds since 1970.
    Milliseconds,
    /// A name of one or two words.
    Name,
    Permissions,
    /// Seconds since 1970.
    Seconds,
    /// The time of the event.
    Now,
    /// A time before.
    Time,
    /// A time without a fraction of a second.
    WholeTime,
    /// A secret of a hundred characters.
    Token,
    Url,
    /// A single lower-case word.
    Word,
    /// An emoji of Unicode.
    Symbol,
}

const SCALARS: [(&str, Scalar); 17] = [
    ("asset", Scalar::Asset),
    ("colour", Scalar::Colour),
    ("fraction", Scalar::Fraction),
    ("hash", Scalar::Hash),
    ("hex", Scalar::Hex),
    ("id", Scalar::Id),
    ("ms", Scalar::Milliseconds),
    ("name", Scalar::Name),
    ("now", Scalar::Now),
    ("perms", Scalar::Permissions),
    ("secs", Scalar::Seconds),
    ("symbol", Scalar::Symbol),
    ("time", Scalar::Time),
    ("time0", Scalar::WholeTime),
    ("token", Scalar::Token),
    ("url", Scalar::Url),
    ("word", Scalar::Word),
];

impl Schema {
    pub(super) fn object(&self, name: &str) -> &Object {
        self.0
            .get(name)
            .expect("a test walks all names of the tables")
    }

    /// The names of the events.
    pub(super) fn events(&'static self) -> impl Iterator<Item = &'static str> {
        let is_event = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
        self.0.keys().copied().filter(is_event)
    }

    fn read() -> Self {
        let mut schema = Self(BTreeMap::new());
        for table in TABLES {
            let mut row = Vec::new();
            for line in table.lines().filter(|line| !line.is_empty()) {
                if !line.starts_with(' ') {
                    schema.add(&row);
                    row.clear();
                }
                row.extend(line.split_whitespace());
            }
            schema.add(&row);
        }
        schema
    }

    /// Adds a row. It may take fields of rows before it.
    fn add(&mut self, row: &[&'static str]) {
        let Some((name, fields)) = row.split_first() else {
            return;
        };
        let (name, pool) = name.split_once('/').unwrap_or((name, "0"));
        let mut object = Object {
            name,
            pool: number(pool),
            instead: Vec::new(),
            fields: Vec::new(),
        };
        for field in fields {
            match field.strip_prefix("..") {
                Some(other) => object.fields.extend_from_slice(&self.object(other).fields),
                None if field.starts_with('@') => object.instead.push(&field[1..]),
                None => object.fields.push(Field::read(field)),
            }
        }
        self.0.insert(name, object);
    }
}

impl Field {
    fn read(text: &'static str) -> Self {
        let (key, kind) = text.split_once(':').expect("a test reads all fields");
        let (key, null) = share(key, '~', 30);
        let (key, present) = share(key, '?', 50);
        Self {
            key,
            present,
            null: null.unwrap_or(0),
            kind: Kind::read(kind),
        }
    }
}

/// What is before a mark, and the number behind it.
fn share(text: &'static str, mark: char, default: u64) -> (&'static str, Option<u64>) {
    match text.split_once(mark) {
        None => (text, None),
        Some((before, "")) => (before, Some(default)),
        Some((before, share)) => (before, Some(number(share))),
    }
}

fn number(text: &str) -> u64 {
    text.parse()
        .expect("a test reads all numbers of the tables")
}

fn pair(text: &str, between: &str) -> (u64, u64) {
    let (from, to) = text.split_once(between).unwrap_or((text, text));
    (number(from), number(to))
}

impl Kind {
    fn read(text: &'static str) -> Self {
        let (first, rest) = text.split_at(1);
        match first {
            "@" => Self::Objects(text.split('|').map(|name| &name[1..]).collect()),
            "'" => Self::Text(rest),
            "=" => Self::Literal(rest),
            "#" => Self::Numbers(rest.split(',').map(number).collect()),
            "$" => Self::Texts(rest.split(',').collect()),
            "[" => {
                let (kind, len) = rest.rsplit_once(']').expect("a test reads all lists");
                Self::List(Box::new(Self::read(kind)), Len::read(len))
            }
            "{" => {
                let (kind, len) = rest.rsplit_once('}').expect("a test reads all maps");
                Self::Map(Box::new(Self::read(kind)), Len::read(len))
            }
            _ => Self::read_word(text),
        }
    }

    fn read_word(text: &'static str) -> Self {
        let first_is = |what: fn(&char) -> bool| text.chars().next().is_some_and(|c| what(&c));
        if let Some((_, pool)) = Pool::NAMES.iter().find(|(name, _)| *name == text) {
            return Self::Pooled(*pool);
        }
        if let Some((_, scalar)) = SCALARS.iter().find(|(name, _)| *name == text) {
            return Self::Scalar(*scalar);
        }
        if matches!(text, "true" | "false" | "null") {
            return Self::Literal(text);
        }
        if first_is(char::is_ascii_digit) {
            let Some((from, to)) = text.split_once("..") else {
                return Self::Literal(text);
            };
            return Self::Range(number(from), number(to));
        }
        if let Some(bits) = text.strip_prefix("bits") {
            return Self::Bits(number(bits));
        }
        if let Some(share) = text.strip_prefix("bool") {
            return Self::Bool(if share.is_empty() { 50 } else { number(share) });
        }
        let (from, to) = pair(text.strip_prefix('w').unwrap_or(text), "-");
        Self::Words(from, to)
    }
}

impl Len {
    fn read(text: &str) -> Self {
        if let Some(average) = text.strip_prefix('*') {
            return Self::Scaled(number(average));
        }
        let (share, len) = text.split_once('%').unwrap_or(("", text));
        let (from, to) = pair(len, "-");
        match share {
            "" => Self::Between(from, to),
            _ => Self::Rare(number(share), from, to),
        }
    }
}
