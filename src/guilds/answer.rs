//! Which parts of a list of members have come? They are put together by their index; pure.

use std::collections::BTreeMap;

use crate::{
    discord::model::{Guild, GuildMembersChunk, Member, NotFound, Presence},
    error::{Error, ErrorKind},
    id::Id,
};

/// The complete answer to a [request for members](crate::ShardHandle::request_members).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Members {
    /// The guild.
    pub guild_id: Id<Guild>,
    /// The members, in the order in which Discord gave them.
    pub members: Vec<Member>,
    /// The presences of those who have one, where they were asked for.
    pub presences: Vec<Presence>,
    /// Users who were asked for by id and are not in the guild.
    pub not_found: Vec<NotFound>,
}

/// The parts that have come of one answer.
#[derive(Debug)]
pub(super) struct Answer {
    guild: Id<Guild>,
    parts: BTreeMap<u32, GuildMembersChunk>,
    /// How many parts there are in all.
    count: u32,
    held: usize,
    most: usize,
}

impl Answer {
    /// Nothing yet, of at most so many members.
    pub(super) const fn new(guild: Id<Guild>, most: usize) -> Self {
        Self {
            guild,
            parts: BTreeMap::new(),
            count: 1,
            held: 0,
            most,
        }
    }

    /// Takes a part; whether it is one that was missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unanswered`] where there is more than was asked for.
    pub(super) fn add(&mut self, part: GuildMembersChunk) -> Result<bool, Error> {
        let (index, count) = (part.chunk_index, part.chunk_count.max(1));
        if part.guild_id != self.guild || index >= count || self.parts.contains_key(&index) {
            return Ok(false);
        }
        // Each list of a part is as long as what was asked for, at most; and a part but the only
        // one has members.
        let lists = [
            part.members.len(),
            part.presences.len(),
            part.not_found.len(),
        ];
        let longest = lists.into_iter().max().unwrap_or_default();
        self.held = self.held.saturating_add(longest);
        self.count = self.count.max(count);
        if self.held > self.most || self.count as usize > self.most.max(1) {
            let message = format!(
                "the answer holds more than the {} members that may be",
                self.most
            );
            return Err(Error::new(ErrorKind::Unanswered, message));
        }
        self.parts.insert(index, part);
        Ok(true)
    }

    /// How many parts have come, of how many.
    pub(super) fn progress(&self) -> (usize, u32) {
        (self.parts.len(), self.count)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.parts.len() == self.count as usize
    }

    /// All that has come, in order.
    pub(super) fn into_members(self) -> Members {
        let mut all = Members {
            guild_id: self.guild,
            members: Vec::with_capacity(self.held),
            presences: Vec::new(),
            not_found: Vec::new(),
        };
        for part in self.parts.into_values() {
            all.members.extend(part.members);
            all.presences.extend(part.presences);
            all.not_found.extend(part.not_found);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn part(index: u32, count: u32, members: &[u64]) -> GuildMembersChunk {
        let member = |id: &u64| {
            json!({"user": {
                "id": id.to_string(), "username": "x", "discriminator": "0", "avatar": null
            }})
        };
        let members: Vec<Value> = members.iter().map(member).collect();
        serde_json::from_value(json!({
            "guild_id": "7", "members": members, "chunk_index": index, "chunk_count": count,
        }))
        .unwrap()
    }

    fn ids(members: &Members) -> Vec<u64> {
        let id = |member: &Member| Some(member.user.as_ref()?.id.get());
        members.members.iter().filter_map(id).collect()
    }

    #[test]
    fn parts_in_any_order_and_more_than_once_make_the_list_in_order() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut answer = Answer::new(Id::new(7), 10);
            for index in order {
                assert!(!answer.is_complete());
                let first = u64::from(index) * 2;
                assert!(answer.add(part(index, 3, &[first, first + 1])).unwrap());
                assert!(!answer.add(part(index, 3, &[9])).unwrap(), "it was there");
            }
            assert!(answer.is_complete());
            assert_eq!(ids(&answer.into_members()), [0, 1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn a_part_that_cannot_be_one_counts_for_nothing() {
        let mut answer = Answer::new(Id::new(7), 10);
        assert!(!answer.add(part(3, 3, &[1])).unwrap());
        let mut other = part(0, 1, &[1]);
        other.guild_id = Id::new(8);
        assert!(!answer.add(other).unwrap());
        assert_eq!(answer.progress(), (0, 1));
        // Neither index nor count: the only one.
        assert!(answer.add(part(0, 0, &[])).unwrap());
        assert!(answer.is_complete());
    }

    #[test]
    fn an_answer_holds_what_was_asked_for_and_no_more() {
        let add = |parts: &[GuildMembersChunk]| {
            let mut answer = Answer::new(Id::new(7), 3);
            parts
                .iter()
                .try_for_each(|part| answer.add(part.clone()).map(drop))
        };
        assert!(add(&[part(0, 2, &[1, 2]), part(1, 2, &[3])]).is_ok());
        for bad in [
            vec![part(0, 2, &[1, 2]), part(1, 2, &[3, 4])],
            vec![part(0, 4, &[])],
            vec![part(0, u32::MAX, &[])],
        ] {
            assert_eq!(add(&bad).unwrap_err().kind(), ErrorKind::Unanswered);
        }
    }
}
