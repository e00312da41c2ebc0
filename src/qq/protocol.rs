//! How does one talk to QQ's gateway? Hosts, IDENTIFY, RESUME, READY.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Credentials, Event, EventFlags, EventKind, Intents, close};
use crate::{
    codec::json,
    id::ShardId,
    model::{ready, scope},
    notice::Notice,
    platform::{CloseAction, CloseRow, Compression, DecodeError, Platform, Ready, Refused, Scope},
    secret::Token,
};

/// QQ's gateway for bots.
///
/// The value holds what IDENTIFY tells beside token and shard: the intents.
///
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QQ {
    intents: Intents,
}

impl QQ {
    /// QQ with these intents.
    pub const fn new(intents: Intents) -> Self {
        Self { intents }
    }

    /// The intents.
    pub const fn intents(&self) -> Intents {
        self.intents
    }
}

/// Which of QQ's hosts to talk to.
///
/// ```
/// use shardstream::qq::Hosts;
/// assert_eq!(Hosts::default().rest_url(), "https://api.sgroup.qq.com");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hosts {
    /// `api.bot.qq.com`, for everything; since 2026.
    Bot,
    /// `api.sgroup.qq.com`, and `bots.qq.com` for the access token: known to all bots, hence the
    /// default.
    #[default]
    Classic,
    /// `sandbox.api.sgroup.qq.com`: only events of the guilds and groups that the bot's page lists
    /// for the sandbox.
    Sandbox,
}

impl Hosts {
    /// The gateway, as the platform names it for these hosts. A shard asks for it by itself.
    pub const fn gateway_url(self) -> &'static str {
        match self {
            Self::Bot => "wss://api.bot.qq.com/websocket/",
            Self::Classic => "wss://api.sgroup.qq.com/websocket",
            Self::Sandbox => "wss://sandbox.api.sgroup.qq.com/websocket",
        }
    }

    /// The REST base, without a slash at its end.
    pub const fn rest_url(self) -> &'static str {
        match self {
            Self::Bot => "https://api.bot.qq.com",
            Self::Classic => "https://api.sgroup.qq.com",
            Self::Sandbox => "https://sandbox.api.sgroup.qq.com",
        }
    }
}

/// The events of a new message. Delivery is at least once: the same message may come twice.
const MESSAGES: [&str; 6] = [
    "AT_MESSAGE_CREATE",
    "C2C_MESSAGE_CREATE",
    "DIRECT_MESSAGE_CREATE",
    "GROUP_AT_MESSAGE_CREATE",
    "GROUP_MESSAGE_CREATE",
    "MESSAGE_CREATE",
];

/// The one shape of everything that a client sends.
#[derive(Serialize)]
struct Payload<T> {
    op: u8,
    d: T,
}

/// No `properties` but an empty object: they have no effect.
#[derive(Serialize)]
struct Identify<'a> {
    token: &'a str,
    intents: u64,
    shard: ShardId,
    properties: Properties,
}

#[derive(Serialize)]
struct Properties {}

#[derive(Serialize)]
struct Resume<'a> {
    token: &'a str,
    session_id: &'a str,
    seq: u64,
}

impl Platform for QQ {
    const NAME: &'static str = "qq";
    // The documentation asks not to keep the address: `GET /gateway/bot` tells it.
    const GATEWAY: Option<&'static str> = None;
    const REST: &'static str = Hosts::Classic.rest_url();
    // The sandbox's host lies below the first.
    const GATEWAY_HOSTS: &'static [&'static str] = &["api.sgroup.qq.com", "api.bot.qq.com"];
    // A wrong token, an intent without permission and a foreign address all look like this.
    const REFUSED_IDENTIFY: Refused = Refused::RenewCredential;
    // "Create session error", which follows the op 9 or comes alone.
    const REFUSED_CODES: &'static [u16] = &[4903];
    const REFUSED_ADVICE: &'static str = "the gateway does not say why; likely are a client \
        secret that is wrong or was reset, an intent bit that the bot has no permission for, or \
        an address of this machine that is not on the allow list of the bot's page at q.qq.com";
    // The documentation's short rule: what is neither resumed nor fatal identifies.
    const UNKNOWN_CLOSE: CloseAction = CloseAction::Identify;

    type Credentials = Credentials;
    type Intents = Intents;
    type Event = Event;
    type EventFlags = EventFlags;

    fn with_intents(intents: Intents) -> Self {
        Self::new(intents)
    }

    fn close_row(code: u16) -> Option<CloseRow> {
        CloseRow::find(close::TABLE, code)
    }

    fn url_query(&self, _: Compression) -> &'static str {
        ""
    }

    fn write_identify(&self, token: &Token, shard: ShardId, out: &mut Vec<u8>) {
        let d = Identify {
            token: token.expose(),
            intents: self.intents.bits(),
            shard,
            properties: Properties {},
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

    /// Its shard is not to be trusted: the documentation's own example has none that exists.
    fn read_ready(data: &str) -> Option<Ready> {
        // The gateway has one address, and names none to resume at.
        ready::read(data).map(|ready| Ready {
            resume_url: None,
            ..ready
        })
    }

    fn decode(name: &str, data: &str) -> Result<Event, DecodeError> {
        Event::decode(name, data)
    }

    fn known_event(name: &str) -> Option<&'static str> {
        let kind = EventKind::from_name(name);
        (kind != EventKind::Unknown).then(|| kind.name())
    }

    fn notice(notice: Notice) -> Event {
        Event::Gateway(notice)
    }

    /// Guilds are spread over shards by their id; whatever else there is counts as the account's.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
    fn scope_of(name: &str, data: &str) -> Scope {
        match name {
            "READY" | "RESUMED" => Scope::Connection,
            _ => scope::of_event(name, data),
        }
    }

    fn message_id<'a>(name: &str, data: &'a str) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
        }

        if !MESSAGES.contains(&name) {
            return None;
        }
        let message: Message<'a> = serde_json::from_str(data).ok()?;
        Some(message.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::platform::GatewayUrl;

    fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn identify_tells_token_intents_and_shard() {
        let shard = ShardId::new(3, 16).unwrap();
        let token = Token::from("QQBot quo\"te");
        let qq = QQ::new(Intents::PUBLIC_GUILD_MESSAGES);
        assert_eq!(
            parsed(|out| qq.write_identify(&token, shard, out)),
            json!({"op": 2, "d": {
                "token": "QQBot quo\"te",
                "intents": 1 << 30,
                "shard": [3, 16],
                "properties": {},
            }})
        );
    }

    #[test]
    fn a_message_has_an_id_and_other_events_have_none_that_counts() {
        let data = r#"{"content":"x","author":{"id":"1"},"id":"ROBOT1.0_a\u0062"}"#;
        let id = QQ::message_id("C2C_MESSAGE_CREATE", data);
        assert_eq!(id.as_deref(), Some("ROBOT1.0_ab"));
        assert_eq!(QQ::message_id("GUILD_CREATE", data), None);
        for odd in ["{}", r#"{"id":7}"#, r#"{"id":null}"#, "\"\"", ""] {
            assert_eq!(QQ::message_id("MESSAGE_CREATE", odd), None, "{odd}");
        }
    }

    #[test]
    fn resume_tells_token_session_and_sequence() {
        let qq = QQ::new(Intents::empty());
        let mut out = b"x".to_vec();
        qq.write_resume(&Token::from("QQBot t"), "a\"b", 1337, &mut out);
        let payload: Value = serde_json::from_slice(out.strip_prefix(b"x").unwrap()).unwrap();
        assert_eq!(
            payload,
            json!({"op": 6, "d": {"token": "QQBot t", "session_id": "a\"b", "seq": 1337}})
        );
    }

    #[test]
    fn ready_gives_its_session_whatever_else_is_wrong_with_it() {
        for data in [
            r#"{"version":1,"session_id":"abc","user":{"id":"1"},"shard":[0,0]}"#,
            r#"{"session_id":"abc"}"#,
            r#"{"version":"x","shard":"y","user":null,"guilds":{},"session_id":"abc"}"#,
            r#"{"resume_gateway_url":"wss://api.sgroup.qq.com","session_id":"abc"}"#,
        ] {
            let ready = QQ::read_ready(data).unwrap();
            assert_eq!(ready.session_id, "abc", "{data}");
            assert_eq!(ready.resume_url, None, "{data}");
        }
    }

    #[test]
    fn ready_without_a_usable_session_id_gives_nothing() {
        for data in [
            r#"{"version":1}"#,
            r#"{"session_id":null}"#,
            r#"{"session_id":7}"#,
            r#"{"session_id":""}"#,
            r#"{"session_id":"abc""#,
            "\"\"",
            "null",
            "[]",
            "",
        ] {
            assert_eq!(QQ::read_ready(data), None, "{data}");
        }
    }

    #[test]
    fn each_host_may_be_discovered_and_others_may_not() {
        for hosts in [Hosts::Bot, Hosts::Classic, Hosts::Sandbox] {
            let url = hosts.gateway_url();
            assert!(GatewayUrl::configured(url).is_ok(), "{url}");
            let found = GatewayUrl::discovered_by(url, &[], QQ::GATEWAY_HOSTS);
            assert!(found.is_ok(), "{url}");
        }
        for url in [
            "wss://qq.com",
            "wss://evilapi.bot.qq.com",
            "wss://api.sgroup.qq.com.evil.io",
        ] {
            let found = GatewayUrl::discovered_by(url, &[], QQ::GATEWAY_HOSTS);
            assert!(found.is_err(), "{url}");
        }
    }

    #[test]
    fn no_query_and_no_compression_is_offered() {
        let qq = QQ::new(Intents::default());
        for kind in [Compression::None, Compression::Zlib, Compression::Zstd] {
            assert_eq!(qq.url_query(kind), "");
        }
    }

    #[test]
    fn an_event_without_a_name_in_the_table_is_data() {
        let event = QQ::decode("SOMETHING_NEW", "{\"a\":1}").unwrap();
        let Event::Unknown(unknown) = event else {
            panic!("{event:?}");
        };
        assert_eq!(&*unknown.name, "SOMETHING_NEW");
        assert_eq!(&*unknown.data, "{\"a\":1}");
    }
}
