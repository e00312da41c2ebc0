//! Who is who? Shard ids and snowflakes. Imports nothing of the crate.

use std::{fmt, hash, marker::PhantomData, num::NonZeroU32};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which shard of how many: the `[shard_id, num_shards]` pair of IDENTIFY.
///
/// The number is always below the total, so a `ShardId` cannot be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    number: u32,
    total: NonZeroU32,
}

impl ShardId {
    /// The only shard of a bot that does not shard: number 0 of 1.
    pub const ONE: Self = Self {
        number: 0,
        total: NonZeroU32::MIN,
    };

    /// Shard `number` of `total`, or `None` where `number` is not below `total`.
    ///
    /// ```
    /// use shardstream::ShardId;
    /// assert_eq!(ShardId::new(0, 1), Some(ShardId::ONE));
    /// assert_eq!(ShardId::new(4, 4), None);
    /// ```
    pub const fn new(number: u32, total: u32) -> Option<Self> {
        match NonZeroU32::new(total) {
            Some(total) if number < total.get() => Some(Self { number, total }),
            _ => None,
        }
    }

    /// The shard that has this guild when there are `total`: `(guild_id >> 22) % total`. `None`
    /// where `total` is 0.
    ///
    /// What belongs to no guild, such as direct messages, comes on shard 0.
    /// <https://docs.discord.com/developers/events/gateway#sharding-sharding-formula>
    ///
    /// ```
    /// use shardstream::{Id, ShardId, discord::model::Guild};
    ///
    /// let guild: Id<Guild> = Id::new(41771983423143937);
    /// assert_eq!(ShardId::of_guild(guild, 16), ShardId::new(6, 16));
    /// ```
    pub const fn of_guild<T>(guild: Id<T>, total: u32) -> Option<Self> {
        match NonZeroU32::new(total) {
            Some(total) => {
                #[expect(clippy::cast_possible_truncation, reason = "it is below a `u32`")]
                let number = ((guild.get() >> 22) % total.get() as u64) as u32;
                Some(Self { number, total })
            }
            None => None,
        }
    }

    /// The zero-based number of this shard.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many shards the bot has in all.
    pub const fn total(self) -> u32 {
        self.total.get()
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.number, self.total)
    }
}

impl Serialize for ShardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.number, self.total.get()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShardId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (number, total) = <(u32, u32)>::deserialize(deserializer)?;
        Self::new(number, total).ok_or_else(|| {
            de::Error::custom(format_args!("shard {number} does not exist in {total}"))
        })
    }
}

/// A snowflake: the 64-bit id of a thing of kind `T`.
///
/// On the wire it is a decimal string; a plain integer is accepted too. `T` keeps ids of
/// different kinds apart; [`Id::cast`] crosses over where the protocol says that two kinds share
/// a number.
pub struct Id<T> {
    value: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// An id from its number.
    pub const fn new(value: u64) -> Self {
        Self {
            value,
            kind: PhantomData,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.value
    }

    /// The same number as an id of another kind.
    pub const fn cast<U>(self) -> Id<U> {
        Id::new(self.value)
    }
}

// By hand, because derives would ask the same of `T`, which is only a name.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}
impl<T> hash::Hash for Id<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}
impl<T> From<u64> for Id<T> {
    fn from(value: u64) -> Self {
        Self::new(value)
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.value)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a decimal string or an integer")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
                Ok(value)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Other("another string"), &self))
            }
        }
        deserializer.deserialize_any(Visitor).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, ShardId};

    #[test]
    fn a_shard_id_is_below_its_total_also_when_read() {
        assert_eq!(ShardId::new(0, 0), None);
        assert_eq!(ShardId::new(3, 4).map(ShardId::number), Some(3));
        assert_eq!(
            serde_json::from_str::<ShardId>("[1,2]").unwrap(),
            ShardId::new(1, 2).unwrap()
        );
        assert!(serde_json::from_str::<ShardId>("[2,2]").is_err());
    }

    #[test]
    fn every_guild_has_one_shard_by_the_bits_that_are_its_time() {
        for total in [1, 2, 3, 16, 257, u32::MAX] {
            for time in [0, 1, 2, 15, 16, 300, (1 << 42) - 1] {
                let shard = u32::try_from(time % u64::from(total)).unwrap();
                // The lower bits say nothing.
                for low in [0, (1 << 22) - 1] {
                    let guild = Id::<()>::new((time << 22) | low);
                    assert_eq!(ShardId::of_guild(guild, total), ShardId::new(shard, total));
                }
            }
        }
        assert_eq!(ShardId::of_guild(Id::<()>::new(1), 0), None);
    }

    #[test]
    fn an_id_is_read_from_a_string_or_a_number_and_written_as_a_string() {
        let max: Id<()> = serde_json::from_str("\"18446744073709551615\"").unwrap();
        assert_eq!(max.get(), u64::MAX);
        assert_eq!(serde_json::from_str::<Id<()>>("7").unwrap(), Id::new(7));
        assert_eq!(serde_json::to_string(&Id::<()>::new(7)).unwrap(), "\"7\"");
        for bad in ["\"\"", "\"-1\"", "-1", "1.5", "\"1a\"", "null"] {
            assert!(serde_json::from_str::<Id<()>>(bad).is_err(), "{bad}");
        }
    }
}
