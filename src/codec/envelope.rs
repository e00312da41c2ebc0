//! What is around an event? `op`, `s`, `t`, `id` and where `d` lies, without touching `d`.
//!
//! Both platforms send `d` last in all but a few frames. Then reading the envelope costs the same
//! for a frame of 100 bytes and of 10 MB: `d` is taken to run to the closing brace of the frame.
//! Elsewhere `d` is walked once, counting brackets. Either way the inside of an event's `d` is
//! delimited here and not validated: the decoder does that, and must refuse bytes that are left
//! over. All other parts of a frame, and frames with another op than 0 as a whole, are held to
//! what `serde_json` takes for JSON.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use crate::limits::JSON_DEPTH_MAX;

/// Names of events and QQ's event ids are below 200 bytes; a longer one is no name, and copying
/// it to undo its escapes could double what a message costs.
const NAME_LEN_MAX: usize = 4096;

/// The longest way to write a key of ours: `id` with both letters as `\u0069`.
const ESCAPED_KEY_LEN_MAX: usize = 12;

/// What JSON calls whitespace.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The op of a dispatch, the one frame whose `d` can be large.
const DISPATCH: u64 = 0;

/// Where a part of a frame's text lies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self {
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        })
    }
}

/// The parsed header of a frame: plain numbers, to be kept beside the text they point into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `op`.
    pub(crate) op: u64,
    /// `s`, where it is there and an unsigned integer.
    pub(crate) seq: Option<u64>,
    /// Between the quotes of `t`, where that is a string.
    pub(crate) event: Option<Span>,
    /// Between the quotes of `id` (QQ), where that is a string.
    pub(crate) id: Option<Span>,
    /// The value of `d`.
    pub(crate) data: Option<Span>,
    /// Whether `event` or `id` holds escapes.
    pub(crate) escaped: bool,
}

/// A text that is not a gateway message. Its sequence is known where it could still be read: where
/// `s` stands before the place at which the text stops to be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) seq: Option<u64>,
}

impl Header {
    /// Reads the envelope of `text`, a JSON object with its keys in any order.
    ///
    /// Of a key that occurs twice the last counts, as in a map. `op` must be an integer written as
    /// one (`1e0` is not); an `s` that is no `u64`, or a `t` or `id` that is no string, is treated
    /// as missing.
    ///
    /// Where `op`, `s` and `t` stand before `d` of an event, and the text ends like a frame whose
    /// last value is `d`, then the rest of the text *is* `d`. Should another object or array follow
    /// `d` after all, then `data` covers that as well and is not JSON;
    /// [`parse_exact`](Self::parse_exact) is the remedy. So a `data` that is JSON is always right.
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        match Self::usual(text) {
            Some(header) => Ok(header),
            None => Self::read(text, true),
        }
    }

    /// The envelope in the form that nearly all of Discord's have:
    /// `{"t":"NAME","s":1,"op":0,"d":{…}}`, with nothing between.
    fn usual(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let rest = bytes.strip_prefix(b"{\"t\":\"")?;
        let is_in_name = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
        let name_len = rest.iter().position(|byte| !is_in_name(byte))?;
        let start = bytes.len() - rest.len();
        let event = Span::new(start, start + name_len)?;
        let rest = rest.get(name_len..)?.strip_prefix(b"\",\"s\":")?;
        // Nineteen digits are a number in any case.
        let digits = rest
            .iter()
            .take(20)
            .position(|byte| !byte.is_ascii_digit())?;
        let (number, rest) = rest.split_at_checked(digits)?;
        if !matches!(number, [b'1'..=b'9', ..]) || name_len + 2 > NAME_LEN_MAX {
            return None;
        }
        let digit = |seq, byte: &u8| seq * 10 + u64::from(byte - b'0');
        let seq = number.iter().fold(0, digit);
        let data = rest.strip_prefix(b",\"op\":0,\"d\":")?;
        let inside = data.strip_suffix(b"}")?;
        if !matches!(inside, [b'{', .., b'}'] | [b'[', .., b']']) {
            return None;
        }
        let start = bytes.len() - data.len();
        Some(Self {
            op: DISPATCH,
            seq: Some(seq),
            event: Some(event),
            id: None,
            data: Some(Span::new(start, start + inside.len())?),
            escaped: false,
        })
    }

    /// Like [`parse`](Self::parse), but finds the end of `d` by walking it: for an event whose `d`
    /// turned out not to be JSON.
    pub(crate) fn parse_exact(text: &str) -> Result<Self, Unreadable> {
        Self::read(text, false)
    }

    fn read(text: &str, trust_end: bool) -> Result<Self, Unreadable> {
        let mut found = Found::default();
        let complete = Scanner { text, at: 0 }.frame(&mut found, trust_end);
        let unreadable = Unreadable { seq: found.seq };
        let (Some(()), Some(op)) = (complete, found.op) else {
            return Err(unreadable);
        };
        if op != DISPATCH && !is_json(text) {
            return Err(unreadable);
        }
        Ok(Self {
            op,
            seq: found.seq,
            event: found.event,
            id: found.id,
            data: found.data,
            escaped: found.escaped,
        })
    }
}

/// A frame's text with its header, as the session sees it for one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) text: &'a str,
    pub(crate) header: Header,
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Unreadable> {
        Header::parse(text).map(|header| Self { text, header })
    }

    /// The event's name.
    pub(crate) fn event(&self) -> Option<Cow<'a, str>> {
        self.name(self.header.event?)
    }

    /// The platform's id of the event.
    pub(crate) fn id(&self) -> Option<Cow<'a, str>> {
        self.name(self.header.id?)
    }

    /// The text of `d`, `null` where there is none.
    pub(crate) fn data(&self) -> &'a str {
        self.header
            .data
            .and_then(|span| self.text.get(span.range()))
            .unwrap_or("null")
    }

    fn name(&self, span: Span) -> Option<Cow<'a, str>> {
        let Range { start, end } = span.range();
        let raw = self.text.get(start..end)?;
        if !self.header.escaped {
            return Some(Cow::Borrowed(raw));
        }
        let quoted = self.text.get(start.checked_sub(1)?..end.checked_add(1)?)?;
        unescaped(quoted).map(Cow::Owned)
    }
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    op: Option<u64>,
    seq: Option<u64>,
    event: Option<Span>,
    id: Option<Span>,
    data: Option<Span>,
    /// Whether there was an `s`, be it null.
    seq_seen: bool,
    escaped: bool,
}

#[derive(Clone, Copy)]
enum Key {
    Data,
    Event,
    Id,
    Op,
    Other,
    Seq,
}

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "d" => Self::Data,
            "id" => Self::Id,
            "op" => Self::Op,
            "s" => Self::Seq,
            "t" => Self::Event,
            _ => Self::Other,
        }
    }
}

/// Walks a text from left to right. Each step is `None` where the text is not what it must be.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The whole text.
    fn frame(&mut self, found: &mut Found, trust_end: bool) -> Option<()> {
        self.space();
        self.eat(b'{')?;
        self.space();
        if self.eat(b'}').is_none() {
            loop {
                let key = self.key()?;
                self.space();
                self.eat(b':')?;
                self.space();
                self.member(key, found, trust_end)?;
                self.space();
                if self.eat(b',').is_none() {
                    break;
                }
                self.space();
            }
            self.eat(b'}')?;
        }
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    /// The value of `key`.
    fn member(&mut self, key: Key, found: &mut Found, trust_end: bool) -> Option<()> {
        match key {
            Key::Data => {
                let start = self.at;
                let can_trust = trust_end
                    && found.op == Some(DISPATCH)
                    && found.seq_seen
                    && found.event.is_some();
                match self.data_end().filter(|_| can_trust) {
                    Some(end) => self.at = end,
                    None => self.data()?,
                }
                // A decoder sees only the last `d`: one that does not count is checked here.
                if let Some(earlier) = found.data.replace(Span::new(start, self.at)?) {
                    is_json(self.text.get(earlier.range())?).then_some(())?;
                }
            }
            Key::Event => found.event = self.name(&mut found.escaped)?,
            Key::Id => found.id = self.name(&mut found.escaped)?,
            Key::Op => found.op = self.unsigned()?,
            Key::Other => {
                let raw = self.value()?;
                is_json(raw).then_some(())?;
            }
            Key::Seq => {
                found.seq_seen = true;
                found.seq = self.unsigned()?;
            }
        }
        Some(())
    }

    /// Where `d`, which starts here, ends if nothing follows it.
    fn data_end(&self) -> Option<usize> {
        let closer = match self.peek()? {
            b'{' => '}',
            b'[' => ']',
            _ => return None,
        };
        let inside = self.at + 1;
        let rest = self.text.get(inside..)?;
        let rest = rest.trim_end_matches(SPACE).strip_suffix('}')?;
        let rest = rest.trim_end_matches(SPACE);
        rest.ends_with(closer).then_some(inside + rest.len())
    }

    /// A value whose inside is left to the decoder; short ones are checked.
    fn data(&mut self) -> Option<()> {
        let container = matches!(self.peek()?, b'{' | b'[');
        let raw = self.value()?;
        (container || is_json(raw)).then_some(())
    }

    /// A value that may be an unsigned integer.
    #[expect(
        clippy::option_option,
        reason = "broken text, another value and a number"
    )]
    fn unsigned(&mut self) -> Option<Option<u64>> {
        let raw = self.value()?;
        let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (raw == "0" || raw.starts_with(|first: char| first > '0')) {
            return Some(raw.parse().ok());
        }
        is_json(raw).then_some(None)
    }

    /// A value that may be a string: what is between its quotes.
    #[expect(
        clippy::option_option,
        reason = "broken text, another value and a name"
    )]
    fn name(&mut self, escaped: &mut bool) -> Option<Option<Span>> {
        let start = self.at;
        let raw = self.value()?;
        if !raw.starts_with('"') {
            return is_json(raw).then_some(None);
        }
        if raw.len() > NAME_LEN_MAX {
            return None;
        }
        let plain = raw.bytes().all(|byte| byte >= b' ' && byte != b'\\');
        if !plain {
            unescaped(raw)?;
            *escaped = true;
        }
        Span::new(start + 1, self.at - 1).map(Some)
    }

    fn key(&mut self) -> Option<Key> {
        let start = self.at;
        (self.peek()? == b'"').then_some(())?;
        self.string()?;
        let quoted = self.text.get(start..self.at)?;
        let raw = quoted.get(1..quoted.len() - 1)?;
        let key = Key::of(raw);
        if !matches!(key, Key::Other) {
            return Some(key);
        }
        if memchr(b'\\', raw.as_bytes()).is_some() && raw.len() <= ESCAPED_KEY_LEN_MAX {
            return unescaped(quoted).map(|name| Key::of(&name));
        }
        is_json(quoted).then_some(key)
    }

    /// Any value, delimited only: what it holds may still not be JSON.
    fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'{' | b'[' => self.container()?,
            _ => {
                let rest = self.text.get(start..)?;
                let ends = |byte: u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                self.at += rest.bytes().position(ends)?;
            }
        }
        self.text.get(start..self.at)
    }

    /// An object or array. One pass, no recursion: a bit remembers which bracket is open.
    fn container(&mut self) -> Option<()> {
        const { assert!(JSON_DEPTH_MAX <= u128::BITS as usize) };
        let mut objects = 0_u128;
        // The frame's own object is the first level.
        let mut depth = 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                open @ (b'{' | b'[') => {
                    depth += 1;
                    (depth <= JSON_DEPTH_MAX).then_some(())?;
                    objects = objects << 1 | u128::from(open == b'{');
                }
                close @ (b'}' | b']') => {
                    (objects & 1 == u128::from(close == b'}')).then_some(())?;
                    objects >>= 1;
                    depth -= 1;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 1 {
                return Some(());
            }
        }
    }

    /// A string, from its opening quote to behind its closing one.
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += memchr2(b'"', b'\\', rest)?;
            if self.peek()? == b'"' {
                self.at += 1;
                return Some(());
            }
            self.at += 2;
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn is_json(text: &str) -> bool {
    text == "null" || serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The string that `quoted` is as JSON.
fn unescaped(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;
