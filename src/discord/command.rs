//! What may a bot ask of the gateway? Commands that Discord does not refuse.
//!
//! <https://docs.discord.com/developers/events/gateway-events#send-events>

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Intents,
    model::{ActivityKind, Channel, Guild, User},
    protocol::{Discord, Payload},
};
use crate::{
    codec::json,
    error::{Error, ErrorKind},
    id::Id,
    platform,
};

/// Discord closes the connection on a longer message.
const LEN_MAX: usize = 4096;
/// The most ids of one request for members.
const IDS_MAX: usize = 100;
/// The most members that a request by prefix gives.
const QUERY_LIMIT_MAX: u16 = 100;
/// Discord ignores a longer nonce, and the chunks then carry none.
const NONCE_LEN_MAX: usize = 32;

fn refused(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Command, message)
}

/// Declares the commands: each a type and an opcode.
macro_rules! commands {
    ($( $name:ident = $op:literal ),* $(,)?) => {
        /// Any command.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Command {
            $(
                #[doc = concat!("[`", stringify!($name), "`], opcode ", stringify!($op), ".")]
                $name($name),
            )*
        }

        impl Command {
            /// The opcode.
            pub const fn op(&self) -> u8 {
                match self {
                    $( Self::$name(_) => $op, )*
                }
            }

            /// The whole message, `{"op":..,"d":..}`.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Command`] where it would be longer than the 4,096 bytes that Discord
            /// takes.
            pub fn payload(&self) -> Result<Vec<u8>, Error> {
                let mut out = Vec::new();
                match self {
                    $( Self::$name(d) => json::write(&Payload { op: $op, d }, &mut out), )*
                }
                if out.len() > LEN_MAX {
                    return Err(refused(format!(
                        "the command has {} bytes; Discord takes {LEN_MAX}",
                        out.len()
                    )));
                }
                Ok(out)
            }
        }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }
        )*
    };
}

/// Any of the commands, and the enum of them.
impl<T: Clone + Into<Command>> platform::Command<Discord> for T {
    fn op(&self) -> u64 {
        Command::op(&self.clone().into()).into()
    }

    fn payload(&self) -> Result<Vec<u8>, Error> {
        self.clone().into().payload()
    }
}

commands! {
    UpdatePresence = 3,
    UpdateVoiceState = 4,
    RequestGuildMembers = 8,
    RequestSoundboardSounds = 31,
    RequestChannelInfo = 43,
}

/// Sets the bot's status and activities. Discord takes 5 in 20 seconds.
///
/// <https://docs.discord.com/developers/events/gateway-events#update-presence>
///
/// ```
/// use shardstream::discord::{BotActivity, BotStatus, Command, UpdatePresence};
///
/// let presence = UpdatePresence::new(BotStatus::Idle).activity(BotActivity::watching("the tide"));
/// let payload = Command::from(presence).payload()?;
/// assert_eq!(
///     String::from_utf8_lossy(&payload),
///     concat!(
///         r#"{"op":3,"d":{"since":null,"activities":[{"name":"the tide","type":3}],"#,
///         r#""status":"idle","afk":false}}"#
///     )
/// );
/// # Ok::<(), shardstream::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdatePresence {
    // Discord wants it there, be it `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    since: Option<u64>,
    activities: Vec<BotActivity>,
    status: BotStatus,
    afk: bool,
}

impl UpdatePresence {
    /// A presence with this status, no activity, not idle since any time and not away.
    pub const fn new(status: BotStatus) -> Self {
        Self {
            since: None,
            activities: Vec::new(),
            status,
            afk: false,
        }
    }

    /// Adds an activity; Discord shows the first.
    #[must_use]
    pub fn activity(mut self, activity: BotActivity) -> Self {
        self.activities.push(activity);
        self
    }

    /// Sets whether the bot is away.
    #[must_use]
    pub const fn afk(mut self, afk: bool) -> Self {
        self.afk = afk;
        self
    }

    /// Sets since when the bot is idle, in milliseconds of Unix time.
    #[must_use]
    pub const fn since(mut self, unix_ms: u64) -> Self {
        self.since = Some(unix_ms);
        self
    }
}

/// A status that a bot may set.
///
/// <https://docs.discord.com/developers/events/gateway-events#update-presence-status-types>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BotStatus {
    /// Do not disturb.
    Dnd,
    /// Away.
    Idle,
    /// Shown as offline.
    Invisible,
    /// Shown as offline; Discord takes it like `Invisible`.
    Offline,
    /// Online.
    Online,
}

/// An activity that a bot may set: a name or text, and for streams a url.
///
/// <https://docs.discord.com/developers/events/gateway-events#activity-object>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BotActivity {
    name: Cow<'static, str>,
    #[serde(rename = "type", deserialize_with = "known_kind")]
    kind: ActivityKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'static, str>>,
}

/// Bots may set these, and Discord closes on others.
fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ActivityKind, D::Error> {
    match ActivityKind::deserialize(deserializer)? {
        ActivityKind::Unknown(_) => Err(de::Error::custom("no type of activity")),
        kind => Ok(kind),
    }
}

/// Whether a payload is a presence that Discord takes, however it was written.
pub(super) fn is_presence(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Read {
        op: u64,
        #[serde(rename = "d")]
        _presence: UpdatePresence,
    }
    serde_json::from_slice::<Read>(payload).is_ok_and(|read| read.op == 3)
}

impl BotActivity {
    const fn new(kind: ActivityKind, name: Cow<'static, str>) -> Self {
        Self {
            name,
            kind,
            state: None,
            url: None,
        }
    }

    /// "Competing in `name`".
    pub fn competing(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ActivityKind::Competing, name.into())
    }

    /// A custom status: just `text`.
    pub fn custom(text: impl Into<Cow<'static, str>>) -> Self {
        // Discord wants a name and does not show it.
        Self::new(ActivityKind::Custom, Cow::Borrowed("Custom Status")).state(text)
    }

    /// "Listening to `name`".
    pub fn listening(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ActivityKind::Listening, name.into())
    }

    /// "Playing `name`".
    pub fn playing(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ActivityKind::Playing, name.into())
    }

    /// "Streaming", with a `url` of Twitch or `YouTube`; Discord drops others.
    pub fn streaming(
        name: impl Into<Cow<'static, str>>,
        url: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            url: Some(url.into()),
            ..Self::new(ActivityKind::Streaming, name.into())
        }
    }

    /// "Watching `name`".
    pub fn watching(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ActivityKind::Watching, name.into())
    }

    /// Sets the second line, or of a custom status the text.
    #[must_use]
    pub fn state(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.state = Some(text.into());
        self
    }
}

/// Joins, moves to or leaves a voice channel. The answers are `VOICE_STATE_UPDATE` and
/// `VOICE_SERVER_UPDATE`.
///
/// <https://docs.discord.com/developers/events/gateway-events#update-voice-state>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UpdateVoiceState {
    guild_id: Id<Guild>,
    channel_id: Option<Id<Channel>>,
    self_mute: bool,
    self_deaf: bool,
}

impl UpdateVoiceState {
    /// Joins a channel, or moves to it, neither muted nor deafened.
    pub const fn join(guild: Id<Guild>, channel: Id<Channel>) -> Self {
        Self {
            guild_id: guild,
            channel_id: Some(channel),
            self_mute: false,
            self_deaf: false,
        }
    }

    /// Leaves the guild's voice channel.
    pub const fn leave(guild: Id<Guild>) -> Self {
        Self {
            guild_id: guild,
            channel_id: None,
            self_mute: false,
            self_deaf: false,
        }
    }

    /// Sets whether the bot is deaf.
    #[must_use]
    pub const fn self_deaf(mut self, deaf: bool) -> Self {
        self.self_deaf = deaf;
        self
    }

    /// Sets whether the bot is mute.
    #[must_use]
    pub const fn self_mute(mut self, mute: bool) -> Self {
        self.self_mute = mute;
        self
    }
}

/// Asks for members of a guild. The answer is one or many `GUILD_MEMBERS_CHUNK`, or `RATE_LIMITED`.
///
/// <https://docs.discord.com/developers/events/gateway-events#request-guild-members>
///
/// ```
/// use shardstream::{Id, discord::{Command, RequestGuildMembers}};
///
/// let request = RequestGuildMembers::query(Id::new(7), "her", 10)?.nonce("search-1")?;
/// assert_eq!(
///     String::from_utf8_lossy(&Command::from(request).payload()?),
///     r#"{"op":8,"d":{"guild_id":"7","query":"her","limit":10,"nonce":"search-1"}}"#
/// );
/// assert!(RequestGuildMembers::users(Id::new(7), (0..101).map(Id::new)).is_err());
/// # Ok::<(), shardstream::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestGuildMembers {
    guild_id: Id<Guild>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_ids: Vec<Id<User>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    presences: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

impl RequestGuildMembers {
    fn new(guild: Id<Guild>) -> Self {
        Self {
            guild_id: guild,
            query: None,
            limit: None,
            user_ids: Vec::new(),
            presences: false,
            nonce: None,
        }
    }

    /// All members. Needs the intent `GUILD_MEMBERS`; Discord takes one for a guild in 30 seconds.
    pub fn all(guild: Id<Guild>) -> Self {
        Self {
            query: Some(String::new()),
            limit: Some(0),
            ..Self::new(guild)
        }
    }

    /// Up to `limit` members whose names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`] where `limit` is not from 1 to 100.
    pub fn query(guild: Id<Guild>, prefix: impl Into<String>, limit: u16) -> Result<Self, Error> {
        if !(1..=QUERY_LIMIT_MAX).contains(&limit) {
            return Err(refused(format!(
                "limit: {limit} is not from 1 to {QUERY_LIMIT_MAX}"
            )));
        }
        Ok(Self {
            query: Some(prefix.into()),
            limit: Some(limit),
            ..Self::new(guild)
        })
    }

    /// The members that these users are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`] where there is no user, or more than 100.
    pub fn users(
        guild: Id<Guild>,
        users: impl IntoIterator<Item = Id<User>>,
    ) -> Result<Self, Error> {
        // One more than there may be tells enough, however many there are.
        let user_ids: Vec<_> = users.into_iter().take(IDS_MAX + 1).collect();
        if user_ids.is_empty() || user_ids.len() > IDS_MAX {
            return Err(refused(format!("user_ids: not from 1 to {IDS_MAX} ids")));
        }
        Ok(Self {
            user_ids,
            ..Self::new(guild)
        })
    }

    /// Sets what the chunks of the answer carry, to know them by.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`] where it has more than 32 bytes: Discord would ignore it.
    pub fn nonce(mut self, nonce: impl Into<String>) -> Result<Self, Error> {
        let nonce = nonce.into();
        if nonce.len() > NONCE_LEN_MAX {
            return Err(refused(format!(
                "nonce: more than {NONCE_LEN_MAX} bytes long"
            )));
        }
        self.nonce = Some(nonce);
        Ok(self)
    }

    /// The guild.
    pub const fn guild_id(&self) -> Id<Guild> {
        self.guild_id
    }

    /// The most members that the answer may have; `None` where that is all of the guild.
    pub fn members_max(&self) -> Option<usize> {
        match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit.into()),
            None => Some(self.user_ids.len()),
        }
    }

    /// The intents without which Discord does not answer: `GUILD_MEMBERS` for a list that no
    /// prefix narrows, `GUILD_PRESENCES` for presences.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#request-guild-members>
    pub fn intents(&self) -> Intents {
        let mut intents = Intents::empty();
        intents.set(
            Intents::GUILD_MEMBERS,
            self.query.as_ref().is_some_and(String::is_empty),
        );
        intents.set(Intents::GUILD_PRESENCES, self.presences);
        intents
    }

    /// Asks for the members' presences as well. Needs the intent `GUILD_PRESENCES`.
    #[must_use]
    pub const fn presences(mut self) -> Self {
        self.presences = true;
        self
    }
}

/// Asks for the sounds of guilds. The answer is a `SOUNDBOARD_SOUNDS` for each.
///
/// <https://docs.discord.com/developers/events/gateway-events#request-soundboard-sounds>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestSoundboardSounds {
    guild_ids: Vec<Id<Guild>>,
}

impl RequestSoundboardSounds {
    /// The sounds of these guilds; some 180 fit into one command.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`] where there is no guild.
    pub fn new(guilds: impl IntoIterator<Item = Id<Guild>>) -> Result<Self, Error> {
        // An id takes at least four bytes of the message: more can never be sent.
        let guild_ids: Vec<_> = guilds.into_iter().take(LEN_MAX).collect();
        if guild_ids.is_empty() {
            return Err(refused("guild_ids: no guild"));
        }
        Ok(Self { guild_ids })
    }
}

/// Asks for what happens in the voice channels of a guild. The answer is a `CHANNEL_INFO`.
///
/// <https://docs.discord.com/developers/events/gateway-events#request-channel-info>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestChannelInfo {
    guild_id: Id<Guild>,
    fields: ChannelInfoFields,
}

impl RequestChannelInfo {
    /// The status and the start time of each channel.
    pub const fn all(guild: Id<Guild>) -> Self {
        Self {
            guild_id: guild,
            fields: ChannelInfoFields::All,
        }
    }

    /// The status alone.
    pub const fn status(guild: Id<Guild>) -> Self {
        Self {
            guild_id: guild,
            fields: ChannelInfoFields::Status,
        }
    }

    /// The start time alone.
    pub const fn voice_start_time(guild: Id<Guild>) -> Self {
        Self {
            guild_id: guild,
            fields: ChannelInfoFields::VoiceStartTime,
        }
    }
}

/// At least one of the fields that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChannelInfoFields {
    All,
    Status,
    VoiceStartTime,
}

impl Serialize for ChannelInfoFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: &[&str] = match self {
            Self::All => &["status", "voice_start_time"],
            Self::Status => &["status"],
            Self::VoiceStartTime => &["voice_start_time"],
        };
        names.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(command: impl Into<Command>) -> Value {
        serde_json::from_slice(&command.into().payload().unwrap()).unwrap()
    }

    const GUILD: Id<Guild> = Id::new(7);

    #[test]
    fn each_command_is_written_as_documented() {
        let presence = UpdatePresence::new(BotStatus::Dnd)
            .activity(BotActivity::streaming("a \"race\"", "https://twitch.tv/x"))
            .activity(BotActivity::custom("rowing"))
            .activity(BotActivity::playing("chess").state("endgame"))
            .since(91_879_201)
            .afk(true);
        assert_eq!(
            sent(presence),
            json!({"op": 3, "d": {
                "since": 91_879_201,
                "activities": [
                    {"name": "a \"race\"", "type": 1, "url": "https://twitch.tv/x"},
                    {"name": "Custom Status", "type": 4, "state": "rowing"},
                    {"name": "chess", "type": 0, "state": "endgame"},
                ],
                "status": "dnd",
                "afk": true,
            }})
        );
        assert_eq!(
            sent(UpdateVoiceState::join(GUILD, Id::new(8)).self_mute(true)),
            json!({"op": 4, "d": {
                "guild_id": "7", "channel_id": "8", "self_mute": true, "self_deaf": false
            }})
        );
        assert_eq!(
            sent(UpdateVoiceState::leave(GUILD).self_deaf(true)),
            json!({"op": 4, "d": {
                "guild_id": "7", "channel_id": null, "self_mute": false, "self_deaf": true
            }})
        );
        assert_eq!(
            sent(RequestGuildMembers::all(GUILD).presences()),
            json!({"op": 8, "d": {
                "guild_id": "7", "query": "", "limit": 0, "presences": true
            }})
        );
        assert_eq!(
            sent(RequestGuildMembers::users(GUILD, [Id::new(1), Id::new(2)]).unwrap()),
            json!({"op": 8, "d": {"guild_id": "7", "user_ids": ["1", "2"]}})
        );
        assert_eq!(
            sent(RequestSoundboardSounds::new([GUILD]).unwrap()),
            json!({"op": 31, "d": {"guild_ids": ["7"]}})
        );
        assert_eq!(
            sent(RequestChannelInfo::all(GUILD)),
            json!({"op": 43, "d": {"guild_id": "7", "fields": ["status", "voice_start_time"]}})
        );
        assert_eq!(
            sent(RequestChannelInfo::voice_start_time(GUILD))["d"]["fields"],
            json!(["voice_start_time"])
        );
    }

    #[test]
    fn a_presence_is_known_whoever_wrote_it_and_nothing_else_is() {
        let presence = UpdatePresence::new(BotStatus::Dnd)
            .activity(BotActivity::streaming("a", "https://twitch.tv/x"))
            .activity(BotActivity::custom("rowing"))
            .since(7);
        let payload = Command::from(presence.clone()).payload().unwrap();
        assert!(is_presence(&payload));
        let read: UpdatePresence =
            serde_json::from_value(sent(presence.clone())["d"].take()).unwrap();
        assert_eq!(read, presence);
        let whole = json!({"since": null, "activities": [{"name": "a", "type": 5}],
            "status": "idle", "afk": false, "later": 1});
        assert!(is_presence(
            json!({"d": whole, "op": 3}).to_string().as_bytes()
        ));
        for (field, bad) in [
            ("since", json!("now")),
            ("since", json!(-1)),
            ("activities", json!(null)),
            ("activities", json!([{"name": "a"}])),
            ("activities", json!([{"name": "a", "type": 6}])),
            ("activities", json!([{"name": null, "type": 0}])),
            ("status", json!("sleepy")),
            ("afk", json!(null)),
        ] {
            let mut d = whole.clone();
            d[field] = bad;
            assert!(
                !is_presence(json!({"op": 3, "d": d}).to_string().as_bytes()),
                "{d}"
            );
            d.as_object_mut().unwrap().remove(field);
            assert!(
                !is_presence(json!({"op": 3, "d": d}).to_string().as_bytes()),
                "{d}"
            );
        }
        assert!(!is_presence(
            json!({"op": 4, "d": whole}).to_string().as_bytes()
        ));
        assert!(!is_presence(b"{"));
    }

    #[test]
    fn what_discord_refuses_cannot_be_built() {
        let kind = |result: Result<RequestGuildMembers, Error>| result.unwrap_err().kind();
        for limit in [0, 101] {
            assert_eq!(
                kind(RequestGuildMembers::query(GUILD, "a", limit)),
                ErrorKind::Command
            );
        }
        for count in [0, 101, 100_000] {
            assert_eq!(
                kind(RequestGuildMembers::users(GUILD, (0..count).map(Id::new))),
                ErrorKind::Command
            );
        }
        // Bytes, not characters.
        assert_eq!(
            kind(RequestGuildMembers::all(GUILD).nonce("ä".repeat(17))),
            ErrorKind::Command
        );
        assert!(RequestSoundboardSounds::new([]).is_err());
    }

    #[test]
    fn what_discord_just_takes_can_be_built_and_sent() {
        assert!(RequestGuildMembers::query(GUILD, "a", 1).is_ok());
        assert!(RequestGuildMembers::query(GUILD, "a", 100).is_ok());
        assert!(
            RequestGuildMembers::all(GUILD)
                .nonce("ä".repeat(16))
                .is_ok()
        );
        let longest = (0..100).map(|n| Id::new(u64::MAX - n));
        sent(RequestGuildMembers::users(GUILD, longest).unwrap());
        let guilds = (0..180).map(|n| Id::new((1 << 60) + n));
        sent(RequestSoundboardSounds::new(guilds).unwrap());
    }

    #[test]
    fn a_command_that_is_too_long_is_refused_before_it_is_sent() {
        let named = |len: usize| {
            let activity = BotActivity::playing("x".repeat(len));
            Command::from(UpdatePresence::new(BotStatus::Online).activity(activity)).payload()
        };
        let rest = named(0).unwrap().len();
        assert_eq!(named(4096 - rest).unwrap().len(), 4096);
        assert_eq!(named(4097 - rest).unwrap_err().kind(), ErrorKind::Command);
    }
}
