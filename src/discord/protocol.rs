//! How does one talk to Discord's gateway? Urls, IDENTIFY, RESUME, READY.

use std::{borrow::Cow, env::consts, time::Duration};

use serde::Serialize;

use super::{Event, EventFlags, EventKind, Intents, UpdatePresence, close, command};
use crate::{
    codec::json,
    error::{Error, ErrorKind},
    id::ShardId,
    model::{ready, scope},
    notice::Notice,
    platform::{
        CloseAction, CloseRow, Compression, DecodeError, LatestWins, Platform, Ready, Refused,
        Scope,
    },
    secret::Token,
};

/// What this library calls itself in IDENTIFY.
const PRODUCT: &str = "shardstream";
/// What IDENTIFY's limit of 4,096 bytes leaves for the presence beside 1,024 for all else.
const PRESENCE_LEN_MAX: usize = 3072;

/// Discord's gateway, version 10, with JSON.
///
/// The value holds what IDENTIFY tells beside token and shard. Everything but the intents is left
/// to Discord's defaults.
///
/// <https://docs.discord.com/developers/events/gateway-events#identify>
#[derive(Clone, Debug, PartialEq)]
pub struct Discord {
    intents: Intents,
    properties: IdentifyProperties,
    large_threshold: Option<u8>,
    capabilities: Option<u64>,
    presence: Option<UpdatePresence>,
}

impl Discord {
    /// Discord with these intents.
    pub fn new(intents: Intents) -> Self {
        Self {
            intents,
            properties: IdentifyProperties::default(),
            large_threshold: None,
            capabilities: None,
            presence: None,
        }
    }

    /// Sets the capability bits of IDENTIFY; none by default, as most bots want none.
    ///
    /// The only documented one is `1 << 15`, `CHANNEL_OBFUSCATION`.
    #[must_use]
    pub const fn capabilities(mut self, bits: u64) -> Self {
        self.capabilities = Some(bits);
        self
    }

    /// Sets from how many members on a guild is large: its `GUILD_CREATE` then lacks the members
    /// that are offline. Discord's default is 50, the least.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the number is not from 50 to 250.
    pub fn large_threshold(mut self, members: u16) -> Result<Self, Error> {
        match u8::try_from(members) {
            Ok(members @ 50..=250) => {
                self.large_threshold = Some(members);
                Ok(self)
            }
            _ => Err(Error::new(
                ErrorKind::Configuration,
                format!("large_threshold: {members} is not from 50 to 250"),
            )),
        }
    }

    /// Sets the status and activities that the bot begins with; online with none by default. One
    /// that is set later, by a command, is set again behind this one in each new session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where it takes more than 3,072 bytes: Discord takes 4,096 for
    /// the whole of IDENTIFY.
    pub fn presence(mut self, presence: UpdatePresence) -> Result<Self, Error> {
        let mut text = Vec::new();
        json::write(&presence, &mut text);
        if text.len() > PRESENCE_LEN_MAX {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("presence: more than {PRESENCE_LEN_MAX} bytes long"),
            ));
        }
        self.presence = Some(presence);
        Ok(self)
    }

    /// Sets what IDENTIFY says about this client.
    #[must_use]
    pub fn properties(mut self, properties: IdentifyProperties) -> Self {
        self.properties = properties;
        self
    }

    /// The intents.
    pub const fn intents(&self) -> Intents {
        self.intents
    }
}

/// What IDENTIFY says about the client.
///
/// By default the operating system that this was built for, and this library.
/// <https://docs.discord.com/developers/events/gateway-events#identify-identify-connection-properties>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentifyProperties {
    os: Cow<'static, str>,
    browser: Cow<'static, str>,
    device: Cow<'static, str>,
}

impl IdentifyProperties {
    /// Properties with these values for `os`, `browser` and `device`.
    pub fn new(
        os: impl Into<Cow<'static, str>>,
        browser: impl Into<Cow<'static, str>>,
        device: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            os: os.into(),
            browser: browser.into(),
            device: device.into(),
        }
    }
}

impl Default for IdentifyProperties {
    fn default() -> Self {
        Self::new(consts::OS, PRODUCT, PRODUCT)
    }
}

/// The one shape of everything that a client sends.
#[derive(Serialize)]
pub(super) struct Payload<T> {
    pub(super) op: u8,
    pub(super) d: T,
}

#[derive(Serialize)]
struct Identify<'a> {
    token: &'a str,
    properties: &'a IdentifyProperties,
    intents: u64,
    shard: ShardId,
    #[serde(skip_serializing_if = "Option::is_none")]
    large_threshold: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<&'a UpdatePresence>,
}

#[derive(Serialize)]
struct Resume<'a> {
    token: &'a str,
    session_id: &'a str,
    seq: u64,
}

impl Platform for Discord {
    const NAME: &'static str = "discord";
    const GATEWAY: Option<&'static str> = Some("wss://gateway.discord.gg");
    const REST: &'static str = "https://discord.com/api/v10";
    const GATEWAY_HOSTS: &'static [&'static str] = &["discord.gg"];
    // An op 9 in answer to IDENTIFY means that identifies came too fast; a wrong token is 4004.
    const REFUSED_IDENTIFY: Refused = Refused::Retry;
    const UNKNOWN_CLOSE: CloseAction = CloseAction::Resume;
    const LATEST_WINS: &'static [LatestWins] = &[LatestWins {
        // Update Presence.
        op: 3,
        max: 5,
        window: Duration::from_secs(20),
    }];

    type Credentials = Token;
    type Intents = Intents;
    type Event = Event;
    type EventFlags = EventFlags;

    fn with_intents(intents: Intents) -> Self {
        Self::new(intents)
    }

    fn close_row(code: u16) -> Option<CloseRow> {
        CloseRow::find(close::TABLE, code)
    }

    fn url_query(&self, compression: Compression) -> &'static str {
        match compression {
            Compression::None => "?v=10&encoding=json",
            Compression::Zlib => "?v=10&encoding=json&compress=zlib-stream",
            Compression::Zstd => "?v=10&encoding=json&compress=zstd-stream",
        }
    }

    fn write_identify(&self, token: &Token, shard: ShardId, out: &mut Vec<u8>) {
        let d = Identify {
            token: token.expose(),
            properties: &self.properties,
            intents: self.intents.bits(),
            shard,
            large_threshold: self.large_threshold,
            capabilities: self.capabilities,
            presence: self.presence.as_ref(),
        };
        json::write(&Payload { op: 2, d }, out);
    }

    fn write_resume(&self, token: &Token, session_id: &str, seq: u64, out: &mut Vec<u8>) {
        let d = Resume {
            token: token.expose(),
            session_id,
            seq,
        };
        json::write(&Payload { op: 6, d }, out);
    }

    fn read_ready(data: &str) -> Option<Ready> {
        ready::read(data)
    }

    fn decode(name: &str, data: &str) -> Result<Event, DecodeError> {
        Event::decode(name, data)
    }

    fn known_event(name: &str) -> Option<&'static str> {
        let kind = EventKind::from_name(name);
        (kind != EventKind::Unknown).then(|| kind.name())
    }

    fn sets_state(op: u64, payload: &[u8]) -> bool {
        op == 3 && command::is_presence(payload)
    }

    fn scope_of(name: &str, data: &str) -> Scope {
        if OF_A_CONNECTION.contains(&name) {
            return Scope::Connection;
        }
        scope::of_event(name, data)
    }

    fn guilds_of_ready(data: &str) -> Vec<u64> {
        scope::of_ready(data)
    }

    fn notice(notice: Notice) -> Event {
        Event::Gateway(notice)
    }

    /// <https://docs.discord.com/developers/reference#authentication>
    fn authorization(token: &Token) -> Token {
        let text = token.expose();
        Token::new(format!("Bot {}", text.strip_prefix("Bot ").unwrap_or(text)))
    }
}

/// Events that only one session gets: its own beginning, answers to what was sent on it, and what
/// tells it how to join a voice channel.
const OF_A_CONNECTION: &[&str] = &[
    "GUILD_MEMBERS_CHUNK",
    "RATE_LIMITED",
    "READY",
    "RESUMED",
    "SOUNDBOARD_SOUNDS",
    "VOICE_SERVER_UPDATE",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::discord::{BotActivity, BotStatus, Command};

    fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn identify_tells_token_shard_intents_and_what_was_set() {
        let shard = ShardId::new(3, 16).unwrap();
        let token = Token::from("quo\"te\\slash");
        let plain = Discord::new(Intents::GUILDS);
        assert_eq!(
            parsed(|out| plain.write_identify(&token, shard, out)),
            json!({"op": 2, "d": {
                "token": "quo\"te\\slash",
                "properties": {
                    "os": consts::OS, "browser": "shardstream", "device": "shardstream"
                },
                "intents": 1,
                "shard": [3, 16],
            }})
        );
        let full = plain
            .large_threshold(250)
            .unwrap()
            .capabilities(1 << 15)
            .presence(UpdatePresence::new(BotStatus::Idle))
            .unwrap()
            .properties(IdentifyProperties::new("a", "b", "c"));
        let d = &parsed(|out| full.write_identify(&token, shard, out))["d"];
        assert_eq!(d["large_threshold"], 250);
        assert_eq!(d["capabilities"], 32768);
        assert_eq!(
            d["presence"],
            json!({"since": null, "activities": [], "status": "idle", "afk": false})
        );
        assert_eq!(
            d["properties"],
            json!({"os": "a", "browser": "b", "device": "c"})
        );
    }

    #[test]
    fn the_op_that_has_a_limit_of_its_own_is_the_presence() {
        let presence = Command::from(UpdatePresence::new(BotStatus::Online));
        let ops: Vec<_> = Discord::LATEST_WINS.iter().map(|row| row.op).collect();
        assert_eq!(ops, [u64::from(presence.op())]);
    }

    #[test]
    fn a_large_threshold_is_from_50_to_250() {
        let discord = || Discord::new(Intents::empty());
        for good in [50, 51, 249, 250] {
            assert!(discord().large_threshold(good).is_ok(), "{good}");
        }
        for bad in [0, 49, 251, 256 + 50, u16::MAX] {
            let error = discord().large_threshold(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{bad}");
        }
    }

    #[test]
    fn a_presence_leaves_room_for_the_rest_of_identify() {
        let named = |len: usize| {
            let activity = BotActivity::playing("x".repeat(len));
            Discord::new(Intents::all())
                .presence(UpdatePresence::new(BotStatus::Online).activity(activity))
        };
        let mut out = Vec::new();
        let shard = ShardId::new(u32::MAX - 1, u32::MAX).unwrap();
        let longest = named(2900).unwrap().large_threshold(250).unwrap();
        longest.write_identify(&Token::from("t".repeat(100)), shard, &mut out);
        assert!(out.len() <= 4096);
        assert_eq!(named(3072).unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn resume_tells_token_session_and_sequence() {
        let discord = Discord::new(Intents::GUILDS);
        assert_eq!(
            parsed(|out| discord.write_resume(&Token::from("t"), "a\"b", 1337, out)),
            json!({"op": 6, "d": {"token": "t", "session_id": "a\"b", "seq": 1337}})
        );
    }

    #[test]
    fn payloads_are_appended() {
        let mut out = b"x".to_vec();
        Discord::new(Intents::GUILDS).write_resume(&Token::from("t"), "s", 1, &mut out);
        assert!(out.starts_with(b"x{\"op\":6"));
    }

    #[test]
    fn ready_gives_its_session_whatever_else_is_wrong_with_it() {
        let ready = |data: Value| Discord::read_ready(&data.to_string());
        let url = "wss://gateway-somewhere.discord.gg";
        let full = ready(json!({
            "v": 10, "user": {"id": null}, "session_id": "abc", "resume_gateway_url": url
        }));
        assert_eq!(
            full,
            Some(Ready {
                session_id: "abc".to_owned(),
                resume_url: Some(url.to_owned()),
            })
        );
        for mistyped in [
            json!(null),
            json!(7),
            json!(["x"]),
            json!({"a": {}}),
            json!(true),
        ] {
            let got = ready(json!({"resume_gateway_url": mistyped, "session_id": "abc"}));
            assert_eq!(got.unwrap().resume_url, None, "{mistyped}");
        }
        assert_eq!(
            ready(json!({"session_id": "abc"})).unwrap().resume_url,
            None
        );
        // A lone surrogate is a JSON text that is no Unicode text.
        let lone = r#"{"resume_gateway_url":"\ud800","session_id":"abc"}"#;
        assert_eq!(Discord::read_ready(lone).unwrap().resume_url, None);
    }

    #[test]
    fn ready_without_a_usable_session_id_gives_nothing() {
        let bad = [
            r#"{"resume_gateway_url":"wss://x.discord.gg"}"#,
            r#"{"session_id":null}"#,
            r#"{"session_id":7}"#,
            r#"{"session_id":""}"#,
            r#"{"session_id":"abc""#,
            "null",
            "[]",
            "",
        ];
        for data in bad {
            assert_eq!(Discord::read_ready(data), None, "{data}");
        }
    }

    #[test]
    fn events_tell_whom_they_concern() {
        let scope = |name: &str, data: Value| Discord::scope_of(name, &data.to_string());
        let of_guild = json!({"id": "5", "guild_id": "41771983423143937", "x": [{}]});
        let guild = Scope::Guild(41_771_983_423_143_937);
        assert_eq!(scope("MESSAGE_CREATE", of_guild.clone()), guild);
        assert_eq!(scope("SOMETHING_NEW", of_guild.clone()), guild);
        for name in ["GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"] {
            assert_eq!(
                scope(name, json!({"id": "7", "name": "x"})),
                Scope::Guild(7)
            );
        }
        assert_eq!(scope("MESSAGE_CREATE", json!({"id": "5"})), Scope::Account);
        for odd in [
            json!(null),
            json!([]),
            json!({"guild_id": null}),
            json!({"guild_id": "x"}),
        ] {
            assert_eq!(scope("MESSAGE_CREATE", odd), Scope::Account);
        }
        for name in ["READY", "RESUMED", "GUILD_MEMBERS_CHUNK"] {
            assert_eq!(scope(name, of_guild.clone()), Scope::Connection);
        }
    }

    #[test]
    fn ready_names_its_guilds() {
        let ready = |data: Value| Discord::guilds_of_ready(&data.to_string());
        let guilds = json!([{"id": "3", "unavailable": true}, {"unavailable": true}, {"id": "9"}]);
        assert_eq!(ready(json!({"v": 10, "guilds": guilds})), [3, 9]);
        for odd in [json!({}), json!({"guilds": 7}), json!(null)] {
            assert_eq!(ready(odd), [0; 0]);
        }
    }

    #[test]
    fn an_event_without_a_name_in_the_table_is_data() {
        let event = Discord::decode("SOMETHING_NEW", "{\"a\":1}").unwrap();
        let Event::Unknown(unknown) = event else {
            panic!("{event:?}");
        };
        assert_eq!(&*unknown.name, "SOMETHING_NEW");
        assert_eq!(&*unknown.data, "{\"a\":1}");
    }
}
