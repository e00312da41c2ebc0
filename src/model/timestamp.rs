//! When was it? ISO 8601 timestamps as microseconds.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor},
};

const MICROS: i64 = 1_000_000;
const DAY_SECS: i64 = 86_400;

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// On the wire an ISO 8601 text with any offset and up to nine digits of a second's fraction (what
/// is finer than a microsecond is cut); it is written in UTC, with six digits or none.
/// <https://docs.discord.com/developers/reference#iso8601-datetime>
///
/// ```
/// use shardstream::discord::model::Timestamp;
/// let at: Timestamp = "2026-02-01T03:34:22.613000+00:00".parse()?;
/// assert_eq!(at.micros(), 1_769_916_862_613_000);
/// assert_eq!(at.to_string(), "2026-02-01T03:34:22.613000+00:00");
/// # Ok::<(), shardstream::discord::model::TimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not a timestamp of the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ISO 8601 timestamp")
    }
}

impl std::error::Error for TimestampError {}

impl Timestamp {
    /// A timestamp from microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970; negative before.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(MICROS)
    }
}

/// Takes digits and marks off the front of a text.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        (self.next()? == mark).then_some(())
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.next()?.wrapping_sub(b'0');
        (digit <= 9).then(|| i64::from(digit))
    }

    fn number(&mut self, digits: u32, max: i64) -> Option<i64> {
        // Programs that reflow what they pass on put blanks behind the colons.
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.digit()?;
        }
        (number <= max).then_some(number)
    }

    /// A fraction of one to nine digits in microseconds, or nothing.
    fn fraction(&mut self) -> Option<i64> {
        if !matches!(self.0.first(), Some(b'.' | b',')) {
            return Some(0);
        }
        self.next()?;
        let mut micros = 0;
        let mut unit = MICROS;
        let mut digits = 0;
        while matches!(self.0.first(), Some(b'0'..=b'9')) {
            unit /= 10;
            micros += self.digit()? * unit;
            digits += 1;
        }
        (1..=9).contains(&digits).then_some(micros)
    }

    /// `Z`, or hours and minutes east of Greenwich, as seconds. Nothing is Greenwich too, which is
    /// where Discord's times are from.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() {
            return Some(0);
        }
        let sign = match self.next()? {
            b'Z' | b'z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.number(2, 23)?;
        if self.0.is_empty() {
            return Some(sign * hours * 3600);
        }
        if self.0.first() == Some(&b':') {
            self.next()?;
        }
        let minutes = self.number(2, 59)?;
        Some(sign * (hours * 3600 + minutes * 60))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. The year begins in March here, so
/// that a leap day is its last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const fn month_len(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The form in which platforms write nearly all times: `2026-02-01T03:34:22`, six digits of a
/// fraction or none, and UTC. `None` for any other, be it right or wrong.
fn parse_usual(text: &[u8]) -> Option<i64> {
    let (time, rest) = text.split_first_chunk::<19>()?;
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        rest_of_time @ ..,
    ] = *time
    else {
        return None;
    };
    let [h0, h1, b':', i0, i1, b':', s0, s1] = rest_of_time else {
        return None;
    };
    let micros = match rest {
        b"+00:00" | b"Z" => 0,
        [b'.', digits @ .., b'+', b'0', b'0', b':', b'0', b'0'] if digits.len() == 6 => {
            let (pairs, _) = digits.as_chunks();
            let join =
                |micros: i64, [tens, ones]: &[u8; 2]| Some(micros * 100 + two(*tens, *ones)?);
            pairs.iter().try_fold(0, join)?
        }
        _ => return None,
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(i0, i1)?, two(s0, s1)?);
    let is_date = (1..=12).contains(&month) && day >= 1 && day <= month_len(year, month);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let secs = days_from_civil(year, month, day) * DAY_SECS + hour * 3600 + minute * 60 + second;
    Some(secs * MICROS + micros)
}

/// The value of two digits.
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

fn parse(text: &str) -> Option<i64> {
    parse_usual(text.as_bytes()).or_else(|| parse_any(text))
}

fn parse_any(text: &str) -> Option<i64> {
    let mut cursor = Cursor(text.as_bytes());
    let year = cursor.number(4, 9999)?;
    cursor.mark(b'-')?;
    let month = cursor.number(2, 12)?;
    cursor.mark(b'-')?;
    let day = cursor.number(2, 31)?;
    if month < 1 || day < 1 || day > month_len(year, month) {
        return None;
    }
    if !matches!(cursor.next()?, b'T' | b't' | b' ') {
        return None;
    }
    let hour = cursor.number(2, 23)?;
    cursor.mark(b':')?;
    let minute = cursor.number(2, 59)?;
    cursor.mark(b':')?;
    // A leap second is the first of the next minute.
    let second = cursor.number(2, 60)?;
    let micros = cursor.fraction()?;
    let offset = cursor.offset()?;
    if !cursor.0.is_empty() {
        return None;
    }
    let secs = days_from_civil(year, month, day) * DAY_SECS + hour * 3600 + minute * 60 + second;
    Some((secs - offset) * MICROS + micros)
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).map(Self).ok_or(TimestampError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, micros) = (self.secs(), self.0.rem_euclid(MICROS));
        let (year, month, day) = civil_from_days(secs.div_euclid(DAY_SECS));
        let of_day = secs.rem_euclid(DAY_SECS);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("+00:00")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an ISO 8601 timestamp")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(Unexpected::Other("string"), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, parse_any, parse_usual};

    fn micros(text: &str) -> Option<i64> {
        text.parse().ok().map(Timestamp::micros)
    }

    #[test]
    fn a_timestamp_is_read_with_any_fraction_and_offset() {
        let base = 1_769_916_862_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00+00:00", 0),
            ("1970-01-01T00:00:00", 0),
            ("1970-01-01 00:00:00Z", 0),
            ("1970-01-01T00: 00: 00.000000+00: 00", 0),
            ("1969-12-31T23:59:59.999999+00:00", -1),
            ("2026-02-01T03:34:22+00:00", base),
            ("2026-02-01T03:34:22Z", base),
            ("2026-02-01T03:34:22.6Z", base + 600_000),
            ("2026-02-01T03:34:22.613000+00:00", base + 613_000),
            ("2026-02-01T03:34:22.613000999+00:00", base + 613_000),
            ("2026-02-01T05:04:22+01:30", base),
            ("2026-01-31T22:34:22-05", base),
            ("2026-01-31T22:34:22-0500", base),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("0000-03-01T00:00:00Z", -62_162_035_200_000_000),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2026-02-01",
            "2026-02-01T03:34:22.+00:00",
            "2026-02-01T03:34:22.1234567890Z",
            "2026-02-01T03:34:22Zx",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00+24:00",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    #[test]
    fn the_usual_form_is_read_as_any_form_is() {
        for text in [
            "2026-02-01T03:34:22.613000+00:00",
            "2024-02-29T23:59:59+00:00",
            "1969-12-31T00:00:00Z",
        ] {
            assert!(parse_usual(text.as_bytes()).is_some(), "{text}");
            // Each place with each byte that is next to a digit, or means something.
            for at in 0..text.len() {
                for byte in "0123456789/:-+.TZ ,".chars() {
                    let changed = format!("{}{byte}{}", &text[..at], &text[at + 1..]);
                    if let Some(usual) = parse_usual(changed.as_bytes()) {
                        assert_eq!(parse_any(&changed), Some(usual), "{changed}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_timestamp_is_written_as_it_was_read() {
        for text in [
            "2026-02-01T03:34:22.613000+00:00",
            "2024-02-29T23:59:59+00:00",
            "1969-12-31T23:59:59.000001+00:00",
            "0000-01-01T00:00:00+00:00",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        // Every day of eight centuries, through both calendars' rules.
        for day in -146_097..146_097 {
            let at = Timestamp::from_micros(day * 86_400_000_000 + 1);
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }
}
