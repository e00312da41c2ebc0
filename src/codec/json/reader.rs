//! How is JSON taken apart without being built? Byte by byte where it lies, and in eights where
//! that pays.
//!
//! A [`Reader`] stands somewhere in a text and takes what comes next: a key, a text, a number, or a
//! whole value to skip. It knows the common part of JSON and refuses the rest, be it broken or only
//! rare: integers beyond 64 bits, a minus before a zero, escapes in keys that are matched as bytes,
//! depth. Whoever is refused asks `serde_json`, whose word counts; so this must never take what
//! that refuses, nor read another value out of it.

use std::fmt;

use serde::de;

/// Nesting; what is deeper the other reader takes or refuses.
const DEPTH_MAX: u32 = 100;

/// That the other reader is to be asked. What was wrong it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }

    // Without a text being made of what is thrown away.
    fn invalid_type(_found: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self
    }
}

/// A number, as the other reader tells numbers apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// An integer from 0 on.
    Unsigned(u64),
    /// An integer below 0.
    Negative(i64),
    /// One that is written with a fraction or an exponent.
    Fraction(f64),
}

/// A place in a text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many lists and objects are open.
    depth: u32,
    /// Whether something was refused that there was no other word for.
    refused: bool,
    /// Where a text with escapes is put together.
    scratch: String,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            refused: false,
            scratch: String::new(),
        }
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_err() && self.at == self.text.len() && !self.refused
    }

    /// The first byte of what comes next.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, Refused> {
        match self.text.as_bytes().get(self.at) {
            Some(&byte) if byte > b' ' => Ok(byte),
            _ => self.peek_behind_space(),
        }
    }

    #[cold]
    fn peek_behind_space(&mut self) -> Result<u8, Refused> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied().ok_or(Refused)
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> Result<(), Refused> {
        if self.peek()? != byte {
            return Err(Refused);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), Refused> {
        let rest = self.text.as_bytes().get(self.at..).ok_or(Refused)?;
        if !rest.starts_with(word) {
            return Err(Refused);
        }
        self.at += word.len();
        Ok(())
    }

    /// `null`, where it comes next; whether it did.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<bool, Refused> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    #[inline]
    pub(crate) fn bool(&mut self) -> Result<bool, Refused> {
        if self.peek()? == b't' {
            self.word(b"true").map(|()| true)
        } else {
            self.word(b"false").map(|()| false)
        }
    }

    /// Begins a list or object; whether there is something in it. Where not, it has ended.
    #[inline]
    pub(super) fn begin(&mut self, open: u8, close: u8) -> Result<bool, Refused> {
        self.eat(open)?;
        if self.depth >= DEPTH_MAX {
            return Err(Refused);
        }
        if self.peek()? == close {
            self.at += 1;
            return Ok(false);
        }
        self.depth += 1;
        Ok(true)
    }

    /// Whether more comes in a list or object, behind something. Where not, it has ended.
    #[inline]
    pub(super) fn goes_on(&mut self, close: u8) -> Result<bool, Refused> {
        let next = self.peek()?;
        if next != b',' && next != close {
            return Err(Refused);
        }
        self.at += 1;
        self.depth -= u32::from(next == close);
        Ok(next == b',')
    }

    /// Begins an object: its first key, with what is between that and its value taken. `None` where
    /// it is empty and has ended, or is refused; then nothing more can be taken, and the reader
    /// never [is at the end](Self::is_at_end).
    ///
    /// A key is what is before the next quote, and not yet held to be anything: one that equals a
    /// name is that name, and any other is to be [skipped](Self::skip_field).
    pub(crate) fn first_key(&mut self) -> Option<&'a [u8]> {
        match self.text.as_bytes().get(self.at..) {
            Some([b'{', b'"', rest @ ..]) if self.depth < DEPTH_MAX => {
                if let Some(key) = key(rest) {
                    self.at += key.len() + 4;
                    self.depth += 1;
                    return Some(key);
                }
            }
            Some([b'{', b'}', ..]) if self.depth < DEPTH_MAX => {
                self.at += 2;
                return None;
            }
            _ => {}
        }
        self.rare_key(true)
    }

    /// The next key of the object that is open, behind a value; else as
    /// [`first_key`](Self::first_key).
    pub(crate) fn next_key(&mut self) -> Option<&'a [u8]> {
        match self.text.as_bytes().get(self.at..) {
            Some([b',', b'"', rest @ ..]) => {
                if let Some(key) = key(rest) {
                    self.at += key.len() + 4;
                    return Some(key);
                }
            }
            Some([b'}', ..]) => {
                self.at += 1;
                self.depth -= 1;
                return None;
            }
            _ => {}
        }
        self.rare_key(false)
    }

    /// A key that is long, or has space around it. Apart, so that the others need few registers.
    #[inline(never)]
    fn rare_key(&mut self, first: bool) -> Option<&'a [u8]> {
        let key = self.any_key(first);
        key.unwrap_or_else(|Refused| {
            self.at = self.text.len();
            self.refused = true;
            None
        })
    }

    fn any_key(&mut self, first: bool) -> Result<Option<&'a [u8]>, Refused> {
        let more = if first {
            self.begin(b'{', b'}')?
        } else {
            self.goes_on(b'}')?
        };
        if !more {
            return Ok(None);
        }
        self.eat(b'"')?;
        let rest = self.text.as_bytes().get(self.at..).ok_or(Refused)?;
        let len = memchr::memchr(b'"', rest).ok_or(Refused)?;
        self.at += len + 1;
        self.eat(b':')?;
        Ok(rest.get(..len))
    }

    /// Goes over the value of a key that is no name.
    pub(crate) fn skip_field(&mut self, key: &[u8]) -> Result<(), Refused> {
        Self::hold(key)?;
        self.skip()
    }

    /// Holds a key that is no name to be one without escapes. (With one it may be a name after all,
    /// and with an escaped quote it has not ended.)
    pub(crate) fn hold(key: &[u8]) -> Result<(), Refused> {
        special(key).map_or(Ok(()), |_| Err(Refused))
    }

    /// A list of what `take` makes of its items; what that makes nothing of is left out.
    pub(crate) fn list<T>(
        &mut self,
        mut take: impl FnMut(&mut Self) -> Result<Option<T>, Refused>,
    ) -> Result<Vec<T>, Refused> {
        if !self.begin(b'[', b']')? {
            return Ok(Vec::new());
        }
        let start = self.at;
        let first = take(self)?;
        if !self.goes_on(b']')? {
            // Most lists are of one item, which may be large: no room for others.
            return Ok(first.into_iter().collect());
        }
        let mut items = Vec::with_capacity(1 + self.items_ahead(self.at - start));
        items.extend(first);
        loop {
            items.extend(take(self)?);
            if !self.goes_on(b']')? {
                return Ok(items);
            }
        }
    }

    /// How many items are likely to come, where the last was of this length: of ids as many as
    /// there are, so that their list grows once; of others a few.
    fn items_ahead(&self, len: usize) -> usize {
        const LOOKED_AT_MAX: usize = 1024;
        const FEW: usize = 3;
        let ahead = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let ahead = ahead.get(..LOOKED_AT_MAX).unwrap_or(ahead);
        match memchr::memchr2(b']', b'{', ahead) {
            Some(end) if ahead.get(end) == Some(&b']') => (end + 1).div_ceil(len),
            _ => FEW,
        }
    }

    /// A text: where it lies, or put together where it has escapes.
    pub(crate) fn text(&mut self) -> Result<&str, Refused> {
        if let Some([b'"', rest @ ..]) = self.text.as_bytes().get(self.at..)
            && let Some(len) = special(rest)
            && rest.get(len) == Some(&b'"')
        {
            let start = self.at + 1;
            let end = start + len;
            self.at = end + 1;
            return self.text.get(start..end).ok_or(Refused);
        }
        self.rare_text()
    }

    /// A text that has escapes, or space before it.
    #[inline(never)]
    fn rare_text(&mut self) -> Result<&str, Refused> {
        match self.text_in_place()? {
            Some(text) => Ok(text),
            None => Ok(&self.scratch),
        }
    }

    /// A text where it lies; `None` where it has escapes, and is to be [taken](Self::put_together).
    #[inline]
    pub(super) fn text_in_place(&mut self) -> Result<Option<&'a str>, Refused> {
        self.eat(b'"')?;
        let rest = self.text.get(self.at..).ok_or(Refused)?;
        let len = special(rest.as_bytes()).ok_or(Refused)?;
        if rest.as_bytes().get(len) == Some(&b'"') {
            self.at += len + 1;
            return rest.get(..len).map(Some).ok_or(Refused);
        }
        self.unescape(self.at + len)?;
        Ok(None)
    }

    /// The text that was put together last.
    pub(super) fn put_together(&mut self) -> String {
        std::mem::take(&mut self.scratch)
    }

    /// Puts together a text whose first escape, if it is one, is at `at`.
    #[inline(never)]
    fn unescape(&mut self, mut at: usize) -> Result<(), Refused> {
        let bytes = self.text.as_bytes();
        self.scratch.clear();
        loop {
            let plain = self.text.get(self.at..at).ok_or(Refused)?;
            self.scratch.push_str(plain);
            self.at = at + 1;
            match bytes.get(at) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    self.scratch.push(escaped);
                }
                _ => return Err(Refused),
            }
            at = self.at + bytes.get(self.at..).and_then(special).ok_or(Refused)?;
        }
    }

    /// What an escape means, behind its backslash.
    fn escape(&mut self) -> Result<char, Refused> {
        let kind = *self.text.as_bytes().get(self.at).ok_or(Refused)?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => kind.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                let code = if (0xD800..0xDC00).contains(&unit) {
                    // The first half of a pair.
                    self.word(b"\\u")?;
                    let second = self.unit()?;
                    if !(0xDC00..0xE000).contains(&second) {
                        return Err(Refused);
                    }
                    0x10000 + ((unit - 0xD800) << 10 | (second - 0xDC00))
                } else {
                    unit
                };
                char::from_u32(code).ok_or(Refused)?
            }
            _ => return Err(Refused),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Refused> {
        let rest = self.text.as_bytes().get(self.at..).ok_or(Refused)?;
        let digits: &[u8; 4] = rest.first_chunk().ok_or(Refused)?;
        let mut unit = 0;
        for digit in digits {
            unit = unit << 4 | char::from(*digit).to_digit(16).ok_or(Refused)?;
        }
        self.at += 4;
        Ok(unit)
    }

    /// The number in a text that is one, of digits alone; else nothing is taken.
    #[inline]
    pub(crate) fn quoted_number(&mut self) -> Option<u64> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        let mut number = 0_u64;
        // 16 digits fit, whatever they are.
        while at - start < 16
            && let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk)
            && let Some(value) = eight_digits(*eight)
        {
            number = number * 100_000_000 + value;
            at += 8;
        }
        loop {
            let byte = *bytes.get(at)?;
            at += 1;
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                let is_number = byte == b'"' && at - start > 1;
                self.at = if is_number { at } else { self.at };
                return is_number.then_some(number);
            }
            number = number.checked_mul(10)?.checked_add(digit.into())?;
        }
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number, Refused> {
        let negative = self.peek()? == b'-';
        let bytes = self.text.as_bytes();
        let start = self.at + usize::from(negative);
        let mut at = start;
        let mut number = 0_u64;
        let next = loop {
            let byte = bytes.get(at).copied().unwrap_or_default();
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break byte;
            }
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(digit.into()))
                .ok_or(Refused)?;
            at += 1;
        };
        if at == start || (at - start > 1 && bytes.get(start) == Some(&b'0')) {
            return Err(Refused);
        }
        if matches!(next, b'.' | b'e' | b'E') {
            return self.fraction();
        }
        self.at = at;
        if !negative {
            return Ok(Number::Unsigned(number));
        }
        let number = 0_i64.checked_sub_unsigned(number).ok_or(Refused)?;
        // Minus zero is a fraction to the other reader.
        if number == 0 {
            return Err(Refused);
        }
        Ok(Number::Negative(number))
    }

    /// A number that is no integer.
    #[inline(never)]
    fn fraction(&mut self) -> Result<Number, Refused> {
        let start = self.at;
        self.skip_number()?;
        let number = self.text.get(start..self.at).ok_or(Refused)?;
        let number: f64 = number.parse().map_err(|_| Refused)?;
        if !number.is_finite() {
            return Err(Refused);
        }
        Ok(Number::Fraction(number))
    }

    /// Goes over a number, as JSON writes one.
    fn skip_number(&mut self) -> Result<(), Refused> {
        let byte = |at| self.text.as_bytes().get(at);
        let digits = |mut at| {
            while byte(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let start = self.at + usize::from(byte(self.at) == Some(&b'-'));
        let mut at = digits(start);
        if at == start || (at - start > 1 && byte(start) == Some(&b'0')) {
            return Err(Refused);
        }
        if byte(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return Err(Refused);
            }
        }
        if let Some(b'e' | b'E') = byte(at) {
            at += 1;
            if let Some(b'+' | b'-') = byte(at) {
                at += 1;
            }
            let exponent = at;
            at = digits(exponent);
            if at == exponent {
                return Err(Refused);
            }
        }
        self.at = at;
        Ok(())
    }

    /// Goes over a text, and holds its escapes to be some. Half of a pair is one to whoever skips.
    #[inline]
    fn skip_text(&mut self) -> Result<(), Refused> {
        while let Some(kind) = self.skip_to_escape()? {
            if kind == b'u' {
                self.at += 1;
                self.unit()?;
            } else {
                self.escape()?;
            }
        }
        Ok(())
    }

    /// Goes over a key and what is behind it. Half of a pair is refused here: serde may be shown
    /// the key of what it skips.
    #[inline]
    fn skip_key(&mut self) -> Result<(), Refused> {
        while self.skip_to_escape()?.is_some() {
            self.escape()?;
        }
        self.eat(b':')
    }

    /// Goes over a text to what is behind the next backslash, or to its end.
    #[inline]
    fn skip_to_escape(&mut self) -> Result<Option<u8>, Refused> {
        let rest = self.text.as_bytes().get(self.at..).ok_or(Refused)?;
        let len = special(rest).ok_or(Refused)?;
        self.at += len + 1;
        match rest.get(len) {
            Some(b'"') => Ok(None),
            Some(b'\\') => rest.get(len + 1).copied().map(Some).ok_or(Refused),
            _ => Err(Refused),
        }
    }

    /// Goes over a value of any kind, and holds it to be JSON. No recursion: a bit remembers which
    /// bracket is open.
    pub(crate) fn skip(&mut self) -> Result<(), Refused> {
        let mut objects = 0_u128;
        let mut depth = self.depth;
        let outside = depth;
        loop {
            // A value, or the beginning of one.
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.skip_text()?;
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                open @ (b'{' | b'[') => {
                    if depth >= DEPTH_MAX {
                        return Err(Refused);
                    }
                    self.at += 1;
                    let is_object = open == b'{';
                    let end = if is_object { b'}' } else { b']' };
                    if self.peek()? == end {
                        self.at += 1;
                    } else {
                        depth += 1;
                        objects = objects << 1 | u128::from(is_object);
                        if is_object {
                            self.eat(b'"')?;
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                _ => self.skip_number()?,
            }
            // What comes behind it.
            loop {
                if depth == outside {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.eat(b'"')?;
                            self.skip_key()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return Err(Refused),
                }
                self.at += 1;
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    /// The text of a value of any kind, which is held to be JSON.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Refused> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at).ok_or(Refused)
    }
}

/// A byte in each of the eight.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The key that begins here, where it is shorter than 16, as nearly all are, and a colon is behind
/// it.
#[inline]
fn key(bytes: &[u8]) -> Option<&[u8]> {
    let sixteen = u128::from_le_bytes(*bytes.first_chunk()?);
    #[expect(clippy::cast_possible_truncation, reason = "each half")]
    let (low, high) = (sixteen as u64, (sixteen >> 64) as u64);
    let found = zeros(low ^ all(b'"')) & all(0x80);
    let len = if found != 0 {
        first(found)
    } else {
        let found = zeros(high ^ all(b'"')) & all(0x80);
        if found == 0 {
            return None;
        }
        8 + first(found)
    };
    let (key, behind) = bytes.split_at_checked(len)?;
    (behind.get(1) == Some(&b':')).then_some(key)
}

/// Where the first quote, backslash or control byte is.
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let found = zeros(eight ^ all(b'"'))
            | zeros(eight ^ all(b'\\'))
            | (eight.wrapping_sub(all(b' ')) & !eight);
        if found & all(0x80) != 0 {
            return Some(bytes.len() - rest.len() + first(found));
        }
        rest = behind;
    }
    special_of_few(rest).map(|found| bytes.len() - rest.len() + found)
}

/// As [`special`], near the end of the text.
#[inline(never)]
fn special_of_few(bytes: &[u8]) -> Option<usize> {
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    bytes.iter().position(is_special)
}

/// The upper bit of each byte that is zero, among others. A byte borrows from the next where it is
/// what is looked for, so of the upper bits the lowest is right.
const fn zeros(eight: u64) -> u64 {
    eight.wrapping_sub(all(1)) & !eight
}

/// The first of eight bytes whose upper bit is set.
const fn first(found: u64) -> usize {
    (found & all(0x80)).trailing_zeros() as usize / 8
}

/// The value of eight decimal digits, the first the highest; `None` where one is none.
#[inline]
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(digits);
    let low = digits & all(0xF0);
    let carried = (digits.wrapping_add(all(6)) & all(0xF0)) >> 4;
    if low | carried != all(0x33) {
        return None;
    }
    // Neighbours are joined: ones, twos, fours.
    let ones = digits & all(0x0F);
    let twos = (ones.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}
