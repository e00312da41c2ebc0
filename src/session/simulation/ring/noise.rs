//! What may a server say that means nothing?

/// Messages that mean nothing.
pub(super) fn noise(which: u8) -> &'static str {
    match which {
        0 => r#"{"op":12,"d":null}"#,
        1 => r#"{"op":99,"d":{"a":[1,2]}}"#,
        2 => r#"{"op":3}"#,
        3 => r#"{"op":18446744073709551615,"d":null}"#,
        4 => r#"{"op":11,"d":[[[[]]]]}"#,
        5 => r#"{"op":2,"d":{"token":"x"}}"#,
        6 => r#"{"op":8,"s":5,"t":"READY","d":{"session_id":"x"}}"#,
        _ => r#"{"op":6,"s":77777777,"t":"RESUMED","d":null}"#,
    }
}
