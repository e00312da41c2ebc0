//! Of the commands the one that the rules know: a presence, as Discord takes it, without the
//! activities.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Dnd,
    Idle,
    Invisible,
    Offline,
    Online,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdatePresence {
    since: Option<u64>,
    activities: [(); 0],
    status: Status,
    afk: bool,
}

pub(super) fn is_presence(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Read {
        op: u64,
        #[serde(rename = "d")]
        _presence: UpdatePresence,
    }
    serde_json::from_slice::<Read>(payload).is_ok_and(|read| read.op == 3)
}
