//! What does a bot get all day? Events by chance from a seed, in the shapes of the wire.

mod schema;
mod table;
mod write;

use super::{dialect::Dialect, event::Event};
use schema::SCHEMA;
use write::Writer;

/// How often which event comes, of a hundred: a bot with all intents in busy guilds.
const MIXED: &[(&str, u64)] = &[
    ("PRESENCE_UPDATE", 330),
    ("MESSAGE_CREATE", 200),
    ("TYPING_START", 120),
    ("GUILD_MEMBER_UPDATE", 50),
    ("MESSAGE_UPDATE", 50),
    ("VOICE_STATE_UPDATE", 70),
    ("MESSAGE_REACTION_ADD", 55),
    ("GUILD_MEMBER_ADD", 22),
    ("GUILD_MEMBER_REMOVE", 18),
    ("INTERACTION_CREATE", 20),
    ("MESSAGE_REACTION_REMOVE", 15),
    ("MESSAGE_DELETE", 15),
    ("CHANNEL_UPDATE", 8),
    ("THREAD_CREATE", 4),
    ("THREAD_UPDATE", 5),
    ("THREAD_MEMBERS_UPDATE", 4),
    ("GUILD_AUDIT_LOG_ENTRY_CREATE", 5),
    ("GUILD_ROLE_UPDATE", 3),
    ("GUILD_UPDATE", 1),
    ("GUILD_EMOJIS_UPDATE", 1),
    ("INVITE_CREATE", 2),
    ("GUILD_BAN_ADD", 1),
    ("MESSAGE_DELETE_BULK", 1),
];

/// The same bot without the intents for presences and typing.
const WITHOUT_PRESENCES: &[(&str, u64)] = &[
    ("MESSAGE_CREATE", 340),
    ("MESSAGE_UPDATE", 100),
    ("MESSAGE_REACTION_ADD", 125),
    ("MESSAGE_REACTION_REMOVE", 35),
    ("VOICE_STATE_UPDATE", 120),
    ("GUILD_MEMBER_UPDATE", 85),
    ("GUILD_MEMBER_ADD", 35),
    ("GUILD_MEMBER_REMOVE", 30),
    ("INTERACTION_CREATE", 50),
    ("MESSAGE_DELETE", 25),
    ("CHANNEL_UPDATE", 14),
    ("THREAD_CREATE", 7),
    ("THREAD_UPDATE", 8),
    ("THREAD_MEMBERS_UPDATE", 6),
    ("GUILD_AUDIT_LOG_ENTRY_CREATE", 8),
    ("GUILD_ROLE_UPDATE", 4),
    ("GUILD_UPDATE", 2),
    ("GUILD_EMOJIS_UPDATE", 1),
    ("INVITE_CREATE", 3),
    ("GUILD_BAN_ADD", 1),
    ("MESSAGE_DELETE_BULK", 1),
];

/// Events without end, the same for the same seed: to test and to load a bot with.
///
/// They have the fields that Discord sends, in its order, with its lengths and frequencies,
/// undocumented fields included, and invented content: users, guilds and channels that come again
/// and again, times that move on. It is a description of its own, which shares nothing with the
/// types that events are decoded to.
///
/// # Example
///
/// ```
/// use shardstream::local::{Feed, Gateway, Traffic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// // Each new session gets these after READY.
/// let events: Vec<_> = Traffic::mixed(7).take(1000).collect();
/// let gateway = Gateway::builder().feed(Feed::new(events)).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Traffic {
    writer: Writer,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    /// Each event of these in turn.
    Turns(Vec<&'static str>, usize),
    /// By chance, with these frequencies.
    Chance(&'static [(&'static str, u64)]),
    /// The guilds of a large bot.
    Guilds,
}

impl Traffic {
    /// What a bot with all intents gets: a third presences, a fifth messages.
    pub const fn mixed(seed: u64) -> Self {
        Self::new(seed, Plan::Chance(MIXED))
    }

    /// What a bot without the intents for presences and typing gets: a third messages.
    pub const fn without_presences(seed: u64) -> Self {
        Self::new(seed, Plan::Chance(WITHOUT_PRESENCES))
    }

    /// What follows READY: `GUILD_CREATE`, of 5 to 500 KB.
    pub const fn start_up(seed: u64) -> Self {
        Self::new(seed, Plan::Guilds)
    }

    /// Each of the documented events in turn, by their names.
    pub fn every(seed: u64) -> Self {
        Self::new(seed, Plan::Turns(Self::names().collect(), 0))
    }

    /// Events of one name; `None` where it is not one of [`names`](Self::names).
    pub fn of(name: &str, seed: u64) -> Option<Self> {
        let name = Self::names().find(|known| *known == name)?;
        Some(Self::new(seed, Plan::Turns(vec![name], 0)))
    }

    /// The names of all documented events.
    ///
    /// Source: <https://docs.discord.com/developers/events/gateway-events#receive-events>
    pub fn names() -> impl Iterator<Item = &'static str> {
        SCHEMA.events()
    }

    const fn new(seed: u64, plan: Plan) -> Self {
        let writer = Writer::new(seed);
        Self { writer, plan }
    }

    /// So many of 100 fields, 100 at most, are followed by one that no version knows.
    pub fn unknown_fields(mut self, percent: u8) -> Self {
        self.writer.knobs.unknown_fields = u64::from(percent);
        self
    }

    /// So many of 100 values of enumerations are ones that no version knows, and so many of 100
    /// sets of flags have such a bit.
    pub fn unknown_values(mut self, percent: u8) -> Self {
        self.writer.knobs.unknown_values = u64::from(percent);
        self
    }

    /// Only the fields that the documentation does not call optional.
    pub fn required_only(mut self) -> Self {
        self.writer.knobs.optional = false;
        self
    }

    /// The texts of whole frames, numbered from 1.
    pub fn frames(self) -> impl Iterator<Item = String> {
        let write = Dialect::Discord.table().event;
        // Discord's frames do not name the session.
        (1..)
            .zip(self)
            .map(move |(seq, event)| write(&event, seq, ""))
    }
}

impl Iterator for Traffic {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let name = match &mut self.plan {
            Plan::Turns(names, at) => {
                let name = names[*at % names.len()];
                *at += 1;
                name
            }
            Plan::Chance(shares) => {
                let sum = shares.iter().map(|(_, share)| share).sum();
                let mut at = self.writer.random.below(sum);
                let chosen = shares.iter().find(|(_, share)| {
                    let is = at < *share;
                    at = at.saturating_sub(*share);
                    is
                });
                chosen.map_or("RESUMED", |(name, _)| name)
            }
            Plan::Guilds => {
                self.writer.knobs.scale = size(self.writer.random.fraction());
                "GUILD_CREATE"
            }
        };
        Some(Event::unchecked(name, self.writer.payload(name)))
    }
}

/// How many times as large as a small guild a guild is: few are large.
fn size(chance: f64) -> f64 {
    0.26 * 85_f64.powf(chance.powf(1.4))
}

#[cfg(test)]
mod tests;
