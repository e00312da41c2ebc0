//! How does JSON become a value, and a value JSON? The one place that knows the back end.

use serde::Serialize;

/// Appends `value` as JSON.
///
/// For our own payloads only: maps with text keys, written to memory.
pub(crate) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts, numbers and lists in memory always serialize");
}
