//! What does it know of guilds? Who is in them, and the answers to what clients ask; pure.
//!
//! <https://docs.discord.com/developers/events/gateway-events#request-guild-members>

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// The members of one part of an answer.
const PART_LEN: usize = 1000;
/// One full list of a guild in this time.
const FULL_APART: Duration = Duration::from_secs(30);
/// The members that a request with a prefix gets at most.
const PREFIX_MAX: usize = 100;

/// An event in answer to a command: its name and its data.
type Answer = (&'static str, String);

/// Who is in which guild, and when all of them were asked for.
#[derive(Debug, Default)]
pub(super) struct Census {
    full_at: BTreeMap<String, Instant>,
}

impl Census {
    /// The answers to a command that asks for something, in order.
    pub(super) fn answer(
        &mut self,
        rosters: &BTreeMap<u64, Vec<Value>>,
        now: Instant,
        op: u64,
        data: &Value,
    ) -> Vec<Answer> {
        match op {
            8 => self.members(rosters, now, data),
            31 => sounds(data),
            43 => channel_info(data),
            _ => Vec::new(),
        }
    }

    fn members(
        &mut self,
        rosters: &BTreeMap<u64, Vec<Value>>,
        now: Instant,
        data: &Value,
    ) -> Vec<Answer> {
        let guild = &data["guild_id"];
        let name = text_of(guild);
        let is_full = data["query"] == "" && data["limit"] == 0;
        if is_full {
            self.full_at
                .retain(|_, at| now.saturating_duration_since(*at) < FULL_APART);
            if let Some(at) = self.full_at.get(&name) {
                let left = FULL_APART.saturating_sub(now.saturating_duration_since(*at));
                let mut meta = json!({ "guild_id": guild });
                keep(&mut meta, "nonce", data.get("nonce").cloned());
                let limited = json!({"opcode": 8, "retry_after": left.as_secs_f64(), "meta": meta});
                return vec![("RATE_LIMITED", limited.to_string())];
            }
            self.full_at.insert(name.clone(), now);
        }
        let roster = name.parse().ok().and_then(|id: u64| rosters.get(&id));
        let roster = roster.map_or(&[][..], Vec::as_slice);
        let (found, not_found) = find(roster, data);
        let parts: Vec<&[&Value]> = if found.is_empty() {
            vec![&[]]
        } else {
            found.chunks(PART_LEN).collect()
        };
        let count = parts.len();
        let part = |(index, members): (usize, &&[&Value])| {
            let mut part = json!({
                "guild_id": guild, "members": members, "chunk_index": index, "chunk_count": count,
            });
            let first = not_found.clone().filter(|_| index == 0);
            keep(&mut part, "not_found", first);
            let presences = (data["presences"] == true).then(|| json!([]));
            keep(&mut part, "presences", presences);
            keep(&mut part, "nonce", data.get("nonce").cloned());
            ("GUILD_MEMBERS_CHUNK", part.to_string())
        };
        parts.iter().enumerate().map(part).collect()
    }
}

/// The members that were asked for, and of those asked for by id the ids that nobody has.
fn find<'a>(roster: &'a [Value], data: &Value) -> (Vec<&'a Value>, Option<Value>) {
    if let Some(ids) = data.get("user_ids") {
        let ids = match ids {
            Value::Array(ids) => ids.clone(),
            id => vec![id.clone()],
        };
        let has = |member: &&Value, id: &Value| text_of(&member["user"]["id"]) == text_of(id);
        let is_asked = |member: &&Value| ids.iter().any(|id| has(member, id));
        let found: Vec<_> = roster.iter().filter(is_asked).collect();
        let is_missing = |id: &&Value| !found.iter().any(|member| has(member, id));
        let not_found: Vec<_> = ids.iter().filter(is_missing).collect();
        let not_found = json!(not_found);
        return (found, Some(not_found));
    }
    let prefix = text_of(&data["query"]).to_lowercase();
    let limit = match data["limit"].as_u64() {
        Some(0) if prefix.is_empty() => roster.len(),
        limit => usize::try_from(limit.unwrap_or(1)).map_or(PREFIX_MAX, |n| n.min(PREFIX_MAX)),
    };
    let names = |member: &&Value| {
        [
            &member["nick"],
            &member["user"]["username"],
            &member["user"]["global_name"],
        ]
        .iter()
        .any(|name| text_of(name).to_lowercase().starts_with(&prefix))
    };
    (roster.iter().filter(names).take(limit).collect(), None)
}

/// No guild has a sound.
fn sounds(data: &Value) -> Vec<Answer> {
    let guilds = data["guild_ids"].as_array().into_iter().flatten();
    let answer = |guild| {
        let sounds = json!({"guild_id": guild, "soundboard_sounds": []});
        ("SOUNDBOARD_SOUNDS", sounds.to_string())
    };
    guilds.map(answer).collect()
}

/// No guild has a voice channel.
fn channel_info(data: &Value) -> Vec<Answer> {
    let info = json!({"guild_id": data["guild_id"], "channels": []});
    vec![("CHANNEL_INFO", info.to_string())]
}

/// Sets a member of an object, where there is a value.
fn keep(object: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[name] = value;
    }
}

/// A text as it is, and anything else as it is written.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosters() -> BTreeMap<u64, Vec<Value>> {
        let member =
            |id: u64| json!({"user": {"id": id.to_string(), "username": format!("N{id}")}});
        [(7, (0..2500).map(member).collect())].into()
    }

    /// The names of the answers, and their data.
    fn asked(
        census: &mut Census,
        now: Instant,
        op: u64,
        data: &Value,
    ) -> Vec<(&'static str, Value)> {
        let answers = census.answer(&rosters(), now, op, data).into_iter();
        answers
            .map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
            .collect()
    }

    fn lens(answers: &[(&str, Value)]) -> Vec<usize> {
        let len = |(_, data): &(&str, Value)| data["members"].as_array().unwrap().len();
        answers.iter().map(len).collect()
    }

    #[test]
    fn a_full_list_comes_in_parts_of_a_thousand_and_once_in_thirty_seconds() {
        let (mut census, now) = (Census::default(), Instant::now());
        let full = json!({"guild_id": "7", "query": "", "limit": 0, "nonce": "n"});
        let parts = asked(&mut census, now, 8, &full);
        assert_eq!(lens(&parts), [1000, 1000, 500]);
        for (index, (name, part)) in parts.iter().enumerate() {
            assert_eq!(*name, "GUILD_MEMBERS_CHUNK");
            assert_eq!(
                (&part["chunk_index"], &part["chunk_count"]),
                (&json!(index), &json!(3))
            );
            assert_eq!(part["nonce"], "n");
        }
        let early = asked(&mut census, now + Duration::from_secs(10), 8, &full);
        let meta = json!({"guild_id": "7", "nonce": "n"});
        let limited = json!({"opcode": 8, "retry_after": 20.0, "meta": meta});
        assert_eq!(early, [("RATE_LIMITED", limited)]);
        // Other guilds and narrower lists have no such limit.
        let other = json!({"guild_id": "8", "query": "", "limit": 0});
        assert_eq!(lens(&asked(&mut census, now, 8, &other)), [0]);
        let narrow = json!({"guild_id": "7", "query": "n1", "limit": 500, "presences": true});
        let narrow = asked(&mut census, now, 8, &narrow);
        assert_eq!(
            (lens(&narrow), &narrow[0].1["presences"]),
            (vec![100], &json!([]))
        );
        let late = now + FULL_APART;
        assert_eq!(lens(&asked(&mut census, late, 8, &full)), [1000, 1000, 500]);
    }

    #[test]
    fn users_are_found_by_id_and_those_who_are_not_there_are_named() {
        let (mut census, now) = (Census::default(), Instant::now());
        for (ids, found, not_found) in [
            (json!(["3", 4, "9999"]), 2, json!(["9999"])),
            (json!("5"), 1, json!([])),
            (json!(null), 0, json!([null])),
        ] {
            let answers = asked(
                &mut census,
                now,
                8,
                &json!({"guild_id": 7, "user_ids": ids}),
            );
            assert_eq!(lens(&answers), [found], "{ids}");
            assert_eq!(answers[0].1["not_found"], not_found);
        }
    }

    #[test]
    fn sounds_and_channel_info_are_answered_for_each_guild() {
        let (mut census, now) = (Census::default(), Instant::now());
        let sounds = asked(&mut census, now, 31, &json!({"guild_ids": ["7", "8"]}));
        let names: Vec<_> = sounds
            .iter()
            .map(|(name, data)| (*name, &data["guild_id"]))
            .collect();
        let name = "SOUNDBOARD_SOUNDS";
        assert_eq!(names, [(name, &json!("7")), (name, &json!("8"))]);
        let info = asked(
            &mut census,
            now,
            43,
            &json!({"guild_id": "7", "fields": ["status"]}),
        );
        assert_eq!(
            info,
            [("CHANNEL_INFO", json!({"guild_id": "7", "channels": []}))]
        );
        for (op, data) in [(31, json!(null)), (3, json!({}))] {
            assert_eq!(asked(&mut census, now, op, &data), []);
        }
    }
}
