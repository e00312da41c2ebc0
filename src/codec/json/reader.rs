//! How is JSON taken apart without being built? Byte by byte where it lies, and in eights where that
//! pays.
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
    /// Where a text with escapes is put together.
    scratch: String,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            scratch: String::new(),
        }
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_err() && self.at == self.text.len()
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
    fn eat(&mut self, byte: u8) -> Result<(), Refused> {
        if self.peek()? != byte {
            return Err(Refused);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), Refused> {
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

    #[inline]
    fn open(&mut self, bracket: u8) -> Result<(), Refused> {
        self.eat(bracket)?;
        if self.depth >= DEPTH_MAX {
            return Err(Refused);
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    const fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Begins an object: its first key, with what is between that and its value taken; `None` where
    /// it is empty, and has ended.
    ///
    /// A key is what is before the next quote, and not yet held to be anything: one that equals a
    /// name is that name, and any other is to be [skipped](Self::skip_field).
    #[inline(never)]
    pub(crate) fn first_key(&mut self) -> Result<Option<&'a [u8]>, Refused> {
        self.open(b'{')?;
        if self.peek()? == b'}' {
            self.close();
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// The next key of the object that is open, behind a value; `None` where it has ended.
    #[inline(never)]
    pub(crate) fn next_key(&mut self) -> Result<Option<&'a [u8]>, Refused> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                self.key().map(Some)
            }
            b'}' => {
                self.close();
                Ok(None)
            }
            _ => Err(Refused),
        }
    }

    /// A key and what is behind it.
    #[inline(always)]
    fn key(&mut self) -> Result<&'a [u8], Refused> {
        self.eat(b'"')?;
        let rest = self.text.as_bytes().get(self.at..).ok_or(Refused)?;
        let (key, behind) = rest.split_at_checked(quote(rest)?).ok_or(Refused)?;
        self.at += key.len() + 1;
        if behind.get(1) == Some(&b':') {
            self.at += 1;
        } else {
            self.eat(b':')?;
        }
        Ok(key)
    }

    /// Goes over the value of a key that is no name.
    pub(crate) fn skip_field(&mut self, key: &[u8]) -> Result<(), Refused> {
        self.hold(key)?;
        self.skip()
    }

    /// Holds a key that is no name to be one without escapes. (With one it may be a name after all,
    /// and with an escaped quote it has not ended.)
    pub(crate) fn hold(&self, key: &[u8]) -> Result<(), Refused> {
        match special(key) {
            Ok(_) => Err(Refused),
            Err(Refused) => Ok(()),
        }
    }

    /// Begins a list; whether it has an item. Where not, it has ended.
    #[inline]
    pub(crate) fn first_item(&mut self) -> Result<bool, Refused> {
        self.open(b'[')?;
        if self.peek()? == b']' {
            self.close();
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether another item comes, behind one. Where not, the list has ended.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Result<bool, Refused> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            b']' => {
                self.close();
                Ok(false)
            }
            _ => Err(Refused),
        }
    }

    /// A text: where it lies, or put together where it has escapes.
    pub(crate) fn text(&mut self) -> Result<&str, Refused> {
        self.eat(b'"')?;
        let rest = self.text.get(self.at..).ok_or(Refused)?;
        let len = special(rest.as_bytes())?;
        if rest.as_bytes().get(len) == Some(&b'"') {
            self.at += len + 1;
            return rest.get(..len).ok_or(Refused);
        }
        self.unescape(self.at + len)?;
        Ok(&self.scratch)
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
            at = self.at + special(bytes.get(self.at..).ok_or(Refused)?)?;
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

    /// Goes over a text or key, and holds its escapes to be some that have a meaning.
    #[inline]
    fn skip_text(&mut self) -> Result<(), Refused> {
        self.eat(b'"')?;
        let bytes = self.text.as_bytes();
        loop {
            let rest = bytes.get(self.at..).ok_or(Refused)?;
            let len = special(rest)?;
            self.at += len + 1;
            match rest.get(len) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => _ = self.escape()?,
                _ => return Err(Refused),
            }
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
                b'"' => self.skip_text()?,
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
                            self.skip_text()?;
                            self.eat(b':')?;
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
                            self.skip_text()?;
                            self.eat(b':')?;
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

/// Where the first quote, backslash or control byte is.
#[inline]
fn special(bytes: &[u8]) -> Result<usize, Refused> {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let found = zeros(eight ^ all(b'"'))
            | zeros(eight ^ all(b'\\'))
            | (eight.wrapping_sub(all(b' ')) & !eight);
        if found & all(0x80) != 0 {
            return Ok(bytes.len() - rest.len() + first(found));
        }
        rest = behind;
    }
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    let found = rest.iter().position(is_special).ok_or(Refused)?;
    Ok(bytes.len() - rest.len() + found)
}

/// Where the first quote is.
#[inline]
fn quote(bytes: &[u8]) -> Result<usize, Refused> {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let found = zeros(u64::from_le_bytes(*eight) ^ all(b'"'));
        if found & all(0x80) != 0 {
            return Ok(bytes.len() - rest.len() + first(found));
        }
        rest = behind;
    }
    let found = rest.iter().position(|byte| *byte == b'"').ok_or(Refused)?;
    Ok(bytes.len() - rest.len() + found)
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
