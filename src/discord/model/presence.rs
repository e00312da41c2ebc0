//! What is someone doing? Presences and activities.

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use super::{
    Application, AvatarDecoration, Collectibles, Guild, ImageHash, Nameplate, PrimaryGuild,
    UnixTime, User, UserFlags,
    scalar::{Lenient, Loose},
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
    model::direct::loose,
};

object! {
    /// A user's status and activities.
    ///
    /// Discord warns that every field but the user's id may be missing or of another type than
    /// documented, because parts are as users' programs sent them; what is so counts as absent.
    /// <https://docs.discord.com/developers/events/gateway-events#presence-update>
    pub struct Presence {
        user: PresenceUser = required,
        /// Absent in the lists of a guild.
        guild_id: Option<Id<Guild>> = loose,
        /// Unknown and empty where it was not there.
        status: Status = loose_sparse,
        activities: Vec<Activity> = loose_default,
        client_status: ClientStatus = loose_default,
    }
}

object! {
    /// Whose presence it is: always the id, the rest only when it has changed.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#presence-update>
    pub struct PresenceUser {
        id: Id<User> = required,
        username: Option<CompactString> = loose,
        discriminator: Option<CompactString> = loose,
        global_name: Option<CompactString> = loose,
        avatar: Option<ImageHash> = loose,
        bot: Option<bool> = loose,
        system: Option<bool> = loose,
        banner: Option<ImageHash> = loose,
        /// The banner's colour as 0xRRGGBB.
        accent_color: Option<u32> = loose,
        public_flags: Option<UserFlags> = loose,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = loose,
        collectibles: Option<Box<Collectibles>> = loose,
        primary_guild: Option<Box<PrimaryGuild>> = loose,
    }
}

string_enum! {
    /// Whether someone is there.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#update-presence-status-types>
    pub enum Status {
        Dnd = "dnd",
        Idle = "idle",
        /// Only to be sent: others see `offline`.
        Invisible = "invisible",
        Offline = "offline",
        Online = "online",
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::Unknown(CompactString::const_new(""))
    }
}

object! {
    /// The status on each kind of client that the user is active on.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#client-status-object>
    #[derive(Default)]
    pub struct ClientStatus {
        desktop: Option<Status> = loose,
        mobile: Option<Status> = loose,
        web: Option<Status> = loose,
        vr: Option<Status> = loose,
    }
}

object! {
    /// What a user does.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object>
    pub struct Activity {
        name: CompactString = loose_default,
        /// Unknown and -1 where it was not there.
        kind as "type": ActivityKind = loose_sparse,
        /// The stream's url, of streaming.
        url: Option<CompactString> = loose,
        /// In milliseconds.
        created_at: Option<UnixTime> = loose,
        timestamps: Option<ActivityTimestamps> = loose,
        application_id: Option<Id<Application>> = loose,
        /// Which field the short status shows.
        status_display_type: Option<StatusDisplayKind> = loose,
        details: Option<CompactString> = loose,
        details_url: Option<CompactString> = loose,
        /// The party's status, or the text of a custom status.
        state: Option<CompactString> = loose,
        state_url: Option<CompactString> = loose,
        emoji: Option<Box<ActivityEmoji>> = loose,
        party: Option<Box<ActivityParty>> = loose,
        assets: Option<Box<ActivityAssets>> = loose,
        secrets: Option<Box<ActivitySecrets>> = loose,
        instance: Option<bool> = loose,
        flags: Option<ActivityFlags> = loose,
        buttons: Vec<ActivityButton> = loose_sparse,
        id: Option<CompactString> = loose,
        session_id: Option<CompactString> = loose,
        /// The track, of Spotify.
        sync_id: Option<CompactString> = loose,
        /// What it runs on, such as `desktop` or `xbox`.
        platform: Option<CompactString> = loose,
    }
}

// What of a presence is an object.
lenient_objects!(
    Activity,
    ActivityAssets,
    ActivityEmoji,
    ActivityParty,
    ActivitySecrets,
    ActivityTimestamps,
    AvatarDecoration,
    ClientStatus,
    Collectibles,
    Nameplate,
    PrimaryGuild,
);

impl Lenient for Status {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Lenient for ActivityKind {
    fn from_integer(number: i128) -> Option<Self> {
        i64::from_integer(number).map(Self::from)
    }
}

impl Default for ActivityKind {
    fn default() -> Self {
        Self::Unknown(-1)
    }
}

impl Lenient for StatusDisplayKind {
    fn from_integer(number: i128) -> Option<Self> {
        i64::from_integer(number).map(Self::from)
    }
}

impl Lenient for UserFlags {
    fn from_integer(number: i128) -> Option<Self> {
        u64::from_integer(number).map(Self::from_bits_retain)
    }
}

impl Lenient for ActivityFlags {
    fn from_integer(number: i128) -> Option<Self> {
        u64::from_integer(number).map(Self::from_bits_retain)
    }
}

int_enum! {
    /// How an activity is shown.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-types>
    pub enum ActivityKind {
        Playing = 0,
        Streaming = 1,
        Listening = 2,
        Watching = 3,
        /// A custom status: its text is in `state`.
        Custom = 4,
        Competing = 5,
    }
}

int_enum! {
    /// What the short form of an activity shows.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-status-display-types>
    pub enum StatusDisplayKind {
        Name = 0,
        State = 1,
        Details = 2,
    }
}

flags! {
    /// What others can do with an activity.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-flags>
    pub struct ActivityFlags: number {
        INSTANCE = 0,
        JOIN = 1,
        SPECTATE = 2,
        JOIN_REQUEST = 3,
        SYNC = 4,
        PLAY = 5,
        PARTY_PRIVACY_FRIENDS = 6,
        PARTY_PRIVACY_VOICE_CHANNEL = 7,
        EMBEDDED = 8,
    }
}

object! {
    /// When an activity began and ends, in milliseconds.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-timestamps>
    pub struct ActivityTimestamps {
        start: Option<UnixTime> = loose,
        end: Option<UnixTime> = loose,
    }
}

object! {
    /// The emoji of a custom status.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-emoji>
    pub struct ActivityEmoji {
        name: CompactString = loose_default,
        id: Option<Id<super::Emoji>> = loose,
        animated: bool = loose_sparse,
    }
}

object! {
    /// With whom an activity is done.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-party>
    pub struct ActivityParty {
        id: Option<CompactString> = loose,
        /// The party's size and its largest size.
        size: Vec<i64> = loose_sparse,
    }
}

object! {
    /// The pictures of an activity and what is written about them.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-assets>
    pub struct ActivityAssets {
        large_image: Option<CompactString> = loose,
        large_text: Option<CompactString> = loose,
        large_url: Option<CompactString> = loose,
        small_image: Option<CompactString> = loose,
        small_text: Option<CompactString> = loose,
        small_url: Option<CompactString> = loose,
        invite_cover_image: Option<CompactString> = loose,
    }
}

object! {
    /// What lets others join an activity.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-secrets>
    pub struct ActivitySecrets {
        join: Option<CompactString> = loose,
        spectate: Option<CompactString> = loose,
        match_ as "match": Option<CompactString> = loose,
    }
}

/// A button of an activity: received as its label alone, documented with a url as well.
///
/// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-buttons>
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActivityButton {
    /// Its text.
    pub label: CompactString,
    /// Where it leads; bots do not get it.
    pub url: Option<CompactString>,
}

object! {
    /// A button in its long form.
    struct LongButton {
        label: CompactString = loose_default,
        url: Option<CompactString> = loose,
    }
}

impl Serialize for ActivityButton {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.url {
            None => serializer.serialize_str(&self.label),
            Some(_) => LongButton {
                label: self.label.clone(),
                url: self.url.clone(),
            }
            .serialize(serializer),
        }
    }
}

impl Lenient for ActivityButton {
    fn from_text(label: &str) -> Option<Self> {
        Some(Self {
            label: label.into(),
            url: None,
        })
    }

    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        let LongButton { label, url } =
            LongButton::deserialize(MapAccessDeserializer::new(object))?;
        Ok(Some(Self { label, url }))
    }

    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        let LongButton { label, url } = LongButton::decode(json)?;
        Ok(Some(Self { label, url }))
    }
}

impl Decode for ActivityButton {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        loose(json)?.ok_or(Refused)
    }
}

impl<'de> Deserialize<'de> for ActivityButton {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Loose(button) = Loose::deserialize(deserializer)?;
        button.ok_or_else(|| de::Error::custom("neither a label nor an object"))
    }
}
