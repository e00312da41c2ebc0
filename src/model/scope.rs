//! Which guild is an event of? Read from its text, before it is decoded and whatever else it holds.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::platform::Scope;

/// Events that are a guild rather than of one.
const GUILDS: &[&str] = &["GUILD_CREATE", "GUILD_DELETE", "GUILD_UPDATE"];

/// The two fields of an event that may name a guild.
#[derive(Deserialize)]
struct Owners<'a> {
    #[serde(borrow)]
    guild_id: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// The scope of an event that more than one connection gets.
pub(crate) fn of_event(name: &str, data: &str) -> Scope {
    let Ok(Owners { guild_id, id }) = serde_json::from_str(data) else {
        return Scope::Account;
    };
    let guild = if GUILDS.contains(&name) { id } else { guild_id };
    guild
        .and_then(snowflake)
        .map_or(Scope::Account, Scope::Guild)
}

/// The guilds that READY names.
pub(crate) fn of_ready(data: &str) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Guilds<'a> {
        #[serde(borrow)]
        guilds: Vec<Owners<'a>>,
    }
    let guilds = serde_json::from_str::<Guilds<'_>>(data).map(|ready| ready.guilds);
    let ids = guilds.unwrap_or_default().into_iter();
    ids.filter_map(|guild| snowflake(guild.id?)).collect()
}

/// An id, which is a text on the wire.
fn snowflake(raw: &RawValue) -> Option<u64> {
    raw.get().trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_of_the_guild_that_it_names() {
        let scope = |name: &str, data: &str| of_event(name, data);
        let data = r#"{"id":"7","guild_id":"8"}"#;
        assert_eq!(scope("GUILD_UPDATE", data), Scope::Guild(7));
        assert_eq!(scope("MESSAGE_CREATE", data), Scope::Guild(8));
        // Above what fits an i64, and as a number.
        let data = r#"{"guild_id":15488460326014391322}"#;
        assert_eq!(scope("X", data), Scope::Guild(15_488_460_326_014_391_322));
        for data in [
            r#"{"id":"7"}"#,
            "\"\"",
            "{",
            r#"{"guild_id":null}"#,
            r#"{"guild_id":{}}"#,
        ] {
            assert_eq!(scope("MESSAGE_CREATE", data), Scope::Account, "{data}");
        }
    }

    #[test]
    fn ready_names_its_guilds_or_none() {
        let ready = r#"{"guilds":[{"id":"7","unavailable":true},{"id":8},{}]}"#;
        assert_eq!(of_ready(ready), [7, 8]);
        assert!(of_ready("{}").is_empty());
    }
}
