//! What is someone doing? Presences and activities.

use std::fmt;

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use super::{Application, Guild, ImageHash, UnixTime, User};
use crate::id::Id;

object! {
    /// A user's status and activities.
    ///
    /// Discord warns that every field but the user's id may be missing.
    /// <https://docs.discord.com/developers/events/gateway-events#presence-update>
    pub struct Presence {
        user: PresenceUser = required,
        /// Absent in the lists of a guild.
        guild_id: Option<Id<Guild>> = optional,
        /// Unknown and empty where it was not there.
        status: Status = sparse,
        activities: Vec<Activity> = default,
        client_status: ClientStatus = default,
    }
}

object! {
    /// Whose presence it is: always the id, the rest only when it has changed.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#presence-update>
    pub struct PresenceUser {
        id: Id<User> = required,
        username: Option<CompactString> = optional,
        discriminator: Option<CompactString> = optional,
        global_name: Option<CompactString> = optional,
        avatar: Option<ImageHash> = optional,
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
        desktop: Option<Status> = optional,
        mobile: Option<Status> = optional,
        web: Option<Status> = optional,
        vr: Option<Status> = optional,
    }
}

object! {
    /// What a user does.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object>
    pub struct Activity {
        name: CompactString = default,
        kind as "type": ActivityKind = required,
        /// The stream's url, of streaming.
        url: Option<CompactString> = optional,
        /// In milliseconds.
        created_at: Option<UnixTime> = optional,
        timestamps: Option<ActivityTimestamps> = optional,
        application_id: Option<Id<Application>> = optional,
        /// Which field the short status shows.
        status_display_type: Option<StatusDisplayKind> = optional,
        details: Option<CompactString> = optional,
        details_url: Option<CompactString> = optional,
        /// The party's status, or the text of a custom status.
        state: Option<CompactString> = optional,
        state_url: Option<CompactString> = optional,
        emoji: Option<Box<ActivityEmoji>> = optional,
        party: Option<Box<ActivityParty>> = optional,
        assets: Option<Box<ActivityAssets>> = optional,
        secrets: Option<Box<ActivitySecrets>> = optional,
        instance: Option<bool> = optional,
        flags: Option<ActivityFlags> = optional,
        buttons: Vec<ActivityButton> = sparse,
        id: Option<CompactString> = optional,
        session_id: Option<CompactString> = optional,
        /// The track, of Spotify.
        sync_id: Option<CompactString> = optional,
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
        start: Option<UnixTime> = optional,
        end: Option<UnixTime> = optional,
    }
}

object! {
    /// The emoji of a custom status.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-emoji>
    pub struct ActivityEmoji {
        name: CompactString = default,
        id: Option<Id<super::Emoji>> = optional,
        animated: bool = sparse,
    }
}

object! {
    /// With whom an activity is done.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-party>
    pub struct ActivityParty {
        id: Option<CompactString> = optional,
        /// The party's size and its largest size.
        size: Vec<i64> = sparse,
    }
}

object! {
    /// The pictures of an activity and what is written about them.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-assets>
    pub struct ActivityAssets {
        large_image: Option<CompactString> = optional,
        large_text: Option<CompactString> = optional,
        large_url: Option<CompactString> = optional,
        small_image: Option<CompactString> = optional,
        small_text: Option<CompactString> = optional,
        small_url: Option<CompactString> = optional,
        invite_cover_image: Option<CompactString> = optional,
    }
}

object! {
    /// What lets others join an activity.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#activity-object-activity-secrets>
    pub struct ActivitySecrets {
        join: Option<CompactString> = optional,
        spectate: Option<CompactString> = optional,
        match_ as "match": Option<CompactString> = optional,
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
        label: CompactString = required,
        url: Option<CompactString> = optional,
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

impl<'de> Deserialize<'de> for ActivityButton {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = ActivityButton;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a button: its label or an object")
            }

            fn visit_str<E: de::Error>(self, label: &str) -> Result<ActivityButton, E> {
                Ok(ActivityButton {
                    label: label.into(),
                    url: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ActivityButton, A::Error> {
                let LongButton { label, url } =
                    LongButton::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ActivityButton { label, url })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
