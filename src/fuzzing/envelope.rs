//! The envelope of a frame, held against `serde_json`.

use crate::codec::envelope::{Header, oracle::agrees};

/// Any text: both ways to read an envelope agree with `serde_json` on whether it is one, and on
/// what it says.
///
/// # Panics
///
/// Where that does not hold.
pub fn envelope(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (short, exact) = (Header::parse(text), Header::parse_exact(text));
    for (found, exact) in [(short, false), (exact, true)] {
        if let Err(problem) = agrees(text, found, exact) {
            panic!("exact: {exact}: {problem}");
        }
    }
}
