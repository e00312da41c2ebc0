//! What may a server say unasked that is no event?

use super::server::{Packet, What};

/// Messages that mean nothing; but an ack is an ack, whatever it carries.
pub(super) fn noise(which: u8) -> Packet {
    let text = match which {
        0 => r#"{"op":12,"d":null}"#,
        1 => r#"{"op":99,"d":{"a":[1,2]}}"#,
        2 => r#"{"op":3}"#,
        3 => r#"{"op":18446744073709551615,"d":null}"#,
        4 => return Packet::new(What::Ack, r#"{"op":11,"d":[[[[]]]]}"#.into()),
        5 => r#"{"op":2,"d":{"token":"x"}}"#,
        6 => r#"{"op":8,"s":5,"t":"READY","d":{"session_id":"x"}}"#,
        _ => r#"{"op":6,"s":77777777,"t":"RESUMED","d":null}"#,
    };
    Packet::new(What::Other, text.into())
}
