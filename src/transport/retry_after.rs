//! How long does the server want to be left alone? `Retry-After` in both its forms. Pure.

use std::time::Duration;

/// The delay that `Retry-After` asks for: seconds, or a date, taken relative to the answer's own
/// `Date` because this machine's clock may be wrong (RFC 9110 section 10.2.3).
///
/// Nothing is cut here: a hostile value is as long as it says.
pub(crate) fn parse(retry_after: &[u8], date: Option<&[u8]>) -> Option<Duration> {
    let text = str::from_utf8(retry_after).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a u64 has are still a very long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let then = unix_seconds(text)?;
    let now = unix_seconds(str::from_utf8(date?).ok()?.trim())?;
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// An IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 section 5.6.7) as seconds since 1970.
fn unix_seconds(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split([' ', ':']);
    let day = number(parts.next()?, 2, 31)?;
    let month = parts.next()?;
    let month = 1 + MONTHS
        .iter()
        .zip(0_u64..)
        .find(|(name, _)| **name == month)?
        .1;
    let year = number(parts.next()?, 4, 9999)?;
    let hour = number(parts.next()?, 2, 23)?;
    let minute = number(parts.next()?, 2, 59)?;
    let second = number(parts.next()?, 2, 60)?;
    if parts.next() != Some("GMT") || parts.next().is_some() || day == 0 || year < 1970 {
        return None;
    }
    // Days from the civil calendar, years starting in March so that leap days end them.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // 1970-01-01 in the same count.
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// A number of exactly `len` digits.
fn number(text: &str, len: usize, max: u64) -> Option<u64> {
    let plain = text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&number| plain && number <= max)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, unix_seconds};

    #[test]
    fn seconds_are_taken_whatever_their_number() {
        for (text, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("1000000000", Some(1_000_000_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let parsed = parse(text.as_bytes(), None);
            assert_eq!(parsed, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_date_counts_from_the_answers_own() {
        let (now, then) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:51:07 GMT",
        );
        let delay = parse(then.as_bytes(), Some(now.as_bytes()));
        assert_eq!(delay, Some(Duration::from_secs(90)));
        assert_eq!(
            parse(now.as_bytes(), Some(then.as_bytes())),
            Some(Duration::ZERO)
        );
        assert_eq!(parse(then.as_bytes(), None), None);
        assert_eq!(parse(then.as_bytes(), Some(b"yesterday")), None);
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 0001 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            (", ", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(text), seconds, "{text}");
        }
    }
}
