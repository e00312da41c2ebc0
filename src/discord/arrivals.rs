//! Have all guilds of READY come? They come one by one behind it, each as a `GUILD_CREATE`.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Deserialize;

use super::{
    Event,
    model::{Guild, GuildCreate, UnavailableGuild},
};
use crate::id::Id;

/// Tells when all guilds that READY named have come. Show it every event, or every frame.
///
/// A guild is settled by its `GUILD_CREATE`, or by a `GUILD_DELETE`: then it is down, or the bot
/// is not in it any more. A READY starts anew. A resumed session goes on where it was; one that
/// was resumed after a restart of the process brings no guilds, so that nothing is waited for
/// after its RESUMED. Without the intent `GUILDS` no guild ever comes.
///
/// [`Shard::guilds_arrived`](crate::Shard::guilds_arrived) waits, for a time.
///
/// <https://docs.discord.com/developers/events/gateway-events#ready>
///
/// ```
/// use shardstream::discord::GuildArrivals;
///
/// let mut arrivals = GuildArrivals::new();
/// let ready = r#"{"guilds":[{"id":"7","unavailable":true},{"id":"8","unavailable":true}]}"#;
/// assert!(!arrivals.observe_raw("READY", ready));
/// assert!(!arrivals.observe_raw("GUILD_CREATE", r#"{"id":"8","name":"Harbour"}"#));
/// assert_eq!(arrivals.missing().map(|guild| guild.get()).collect::<Vec<_>>(), [7]);
/// // It is down, and is not waited for.
/// assert!(arrivals.observe_raw("GUILD_DELETE", r#"{"id":"7","unavailable":true}"#));
/// assert!(arrivals.is_complete());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuildArrivals {
    /// READY came, or the RESUMED of a session that began elsewhere.
    begun: bool,
    missing: BTreeSet<Id<Guild>>,
    down: BTreeSet<Id<Guild>>,
    arrived: usize,
}

/// What one event says of one guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrived,
    Down,
    Gone,
}

impl GuildArrivals {
    /// Nothing was seen yet.
    pub const fn new() -> Self {
        Self {
            begun: false,
            missing: BTreeSet::new(),
            down: BTreeSet::new(),
            arrived: 0,
        }
    }

    /// Looks at an event; `true` for the one with which all have come.
    pub fn observe(&mut self, event: &Event) -> bool {
        match event {
            Event::Ready(ready) => self.begin(ready.guilds.iter().map(|guild| guild.id)),
            Event::Resumed(_) => self.resumed(),
            Event::GuildCreate(guild) => match &**guild {
                GuildCreate::Available(guild) => self.settle(guild.id, Fate::Arrived),
                GuildCreate::Unavailable(guild) => self.settle(guild.id, Fate::Down),
            },
            Event::GuildDelete(guild) => self.deleted(guild),
            _ => false,
        }
    }

    /// Looks at an event by its name and its data, of which only ids are decoded. What cannot be
    /// decoded settles nothing.
    pub fn observe_raw(&mut self, name: &str, data: &str) -> bool {
        #[derive(Deserialize)]
        struct Ready {
            #[serde(default)]
            guilds: Vec<UnavailableGuild>,
        }
        #[derive(Deserialize)]
        struct Created<'a> {
            id: Id<Guild>,
            #[serde(default)]
            unavailable: Option<bool>,
            #[serde(default, borrow)]
            name: Option<Cow<'a, str>>,
        }
        match name {
            "READY" => serde_json::from_str(data)
                .is_ok_and(|Ready { guilds }| self.begin(guilds.into_iter().map(|guild| guild.id))),
            "RESUMED" => self.resumed(),
            // Guilds are large, and once all have settled none need be read.
            "GUILD_CREATE" if !self.missing.is_empty() || !self.down.is_empty() => {
                serde_json::from_str(data).is_ok_and(|guild: Created<'_>| {
                    let is_down = guild.unavailable == Some(true) && guild.name.is_none();
                    self.settle(guild.id, if is_down { Fate::Down } else { Fate::Arrived })
                })
            }
            "GUILD_DELETE" => serde_json::from_str(data).is_ok_and(|guild| self.deleted(&guild)),
            _ => false,
        }
    }

    /// Whether READY has come, or a RESUMED in its place.
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether all guilds of READY have come, are down or gone.
    pub fn is_complete(&self) -> bool {
        self.begun && self.missing.is_empty()
    }

    /// How many guilds of READY have come.
    pub const fn arrived(&self) -> usize {
        self.arrived
    }

    /// The guilds of READY that are still to come.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = Id<Guild>> {
        self.missing.iter().copied()
    }

    /// The guilds of READY that are down. They come when they are up again.
    pub fn down(&self) -> impl ExactSizeIterator<Item = Id<Guild>> {
        self.down.iter().copied()
    }

    fn begin(&mut self, guilds: impl Iterator<Item = Id<Guild>>) -> bool {
        *self = Self {
            begun: true,
            missing: guilds.collect(),
            ..Self::new()
        };
        self.is_complete()
    }

    fn resumed(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn deleted(&mut self, guild: &UnavailableGuild) -> bool {
        let fate = match guild.unavailable {
            Some(true) => Fate::Down,
            _ => Fate::Gone,
        };
        self.settle(guild.id, fate)
    }

    fn settle(&mut self, guild: Id<Guild>, fate: Fate) -> bool {
        let was_missing = self.missing.remove(&guild);
        if was_missing || self.down.remove(&guild) {
            match fate {
                Fate::Arrived => self.arrived += 1,
                Fate::Down => {
                    self.down.insert(guild);
                }
                Fate::Gone => {}
            }
        }
        was_missing && self.is_complete()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::GuildArrivals;
    use crate::{discord::Event, id::Id};

    /// Shows an event to two of them, decoded and raw, which agree.
    fn show(both: &mut [GuildArrivals; 2], name: &str, data: &Value) -> bool {
        let data = data.to_string();
        let typed = both[0].observe(&Event::decode(name, &data).unwrap());
        assert_eq!(typed, both[1].observe_raw(name, &data), "{name} {data}");
        assert_eq!(both[0], both[1], "{name} {data}");
        typed
    }

    fn ready(ids: &[&str]) -> Value {
        let guild = |id: &&str| json!({"id": id, "unavailable": true});
        let guilds: Vec<_> = ids.iter().map(guild).collect();
        json!({"v": 10, "session_id": "s", "guilds": guilds, "user": {
            "id": "1", "username": "x", "discriminator": "0", "avatar": null
        }})
    }

    fn guild(id: &str) -> Value {
        json!({"id": id, "name": "Harbour", "owner_id": "1",
        "verification_level": 0, "default_message_notifications": 0,
        "explicit_content_filter": 0, "mfa_level": 0})
    }

    fn ids(both: &[GuildArrivals; 2]) -> [Vec<u64>; 2] {
        let [some, _] = both;
        [
            some.missing().map(Id::get).collect(),
            some.down().map(Id::get).collect(),
        ]
    }

    #[test]
    fn it_is_complete_with_the_last_guild_and_says_so_once() {
        let mut both = <[GuildArrivals; 2]>::default();
        assert!(
            !show(&mut both, "GUILD_CREATE", &guild("7")),
            "before READY"
        );
        assert!(!both[0].has_begun() && !both[0].is_complete());
        assert!(!show(&mut both, "READY", &ready(&["7", "8"])));
        assert!(!show(&mut both, "GUILD_CREATE", &guild("7")));
        assert!(!show(&mut both, "GUILD_CREATE", &guild("7")), "twice");
        assert!(
            !show(&mut both, "GUILD_CREATE", &guild("9")),
            "joined just now"
        );
        assert_eq!(ids(&both), [vec![8], vec![]]);
        assert!(show(&mut both, "GUILD_CREATE", &guild("8")));
        assert!(!show(&mut both, "GUILD_CREATE", &guild("8")));
        assert!(both[0].is_complete());
        assert_eq!(both[0].arrived(), 2);
        assert!(show(&mut both, "READY", &ready(&[])), "none to wait for");
    }

    #[test]
    fn guilds_that_are_down_or_gone_are_not_waited_for() {
        let mut both = <[GuildArrivals; 2]>::default();
        show(&mut both, "READY", &ready(&["6", "7", "8"]));
        let down = |id: &str| json!({"id": id, "unavailable": true});
        assert!(!show(&mut both, "GUILD_DELETE", &down("6")));
        assert!(!show(&mut both, "GUILD_CREATE", &down("7")));
        assert!(show(&mut both, "GUILD_DELETE", &json!({"id": "8"})));
        assert_eq!(ids(&both), [vec![], vec![6, 7]]);
        assert_eq!(both[0].arrived(), 0);
        assert!(
            !show(&mut both, "GUILD_CREATE", &guild("6")),
            "it came back"
        );
        assert!(!show(&mut both, "GUILD_DELETE", &json!({"id": "7"})));
        assert_eq!((ids(&both), both[0].arrived()), ([vec![], vec![]], 1));
    }

    #[test]
    fn a_resume_goes_on_and_a_new_ready_starts_anew() {
        let mut both = <[GuildArrivals; 2]>::default();
        show(&mut both, "READY", &ready(&["7", "8"]));
        show(&mut both, "GUILD_CREATE", &guild("7"));
        assert!(!show(&mut both, "RESUMED", &json!({})));
        assert_eq!(ids(&both)[0], [8]);
        assert!(!show(&mut both, "READY", &ready(&["7", "8"])));
        assert_eq!(ids(&both)[0], [7, 8]);
        // After a restart that resumes, nothing comes again.
        let mut both = <[GuildArrivals; 2]>::default();
        assert!(show(&mut both, "RESUMED", &json!({})));
        assert!(both[0].is_complete());
    }

    #[test]
    fn what_cannot_be_read_settles_nothing() {
        let mut arrivals = GuildArrivals::new();
        for (name, data) in [("READY", "null"), ("READY", "{"), ("TEST", "{}")] {
            assert!(!arrivals.observe_raw(name, data));
            assert!(!arrivals.has_begun());
        }
        arrivals.observe_raw("READY", &ready(&["7"]).to_string());
        for (name, data) in [("GUILD_CREATE", "{"), ("GUILD_DELETE", "null")] {
            assert!(!arrivals.observe_raw(name, data));
        }
        assert_eq!(arrivals.missing().len(), 1);
    }
}
