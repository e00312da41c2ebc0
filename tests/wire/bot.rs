//! What differs between the platforms? How to configure a shard, and which events it is fed.

use shardstream::{
    Config, ConfigBuilder, Notice, discord,
    local::{Builder, Event, Gateway},
    platform::Platform,
    qq,
};

/// A platform whose shards can be run through the weather.
pub(crate) trait Bot: Platform {
    fn config(gateway: &Gateway) -> ConfigBuilder<Self>;

    /// What only its gateway has.
    fn server(builder: Builder) -> Builder;

    /// The event with that number: of a known kind, or of one that nobody knows.
    fn feed(number: u64, len: usize) -> Event;

    /// The notice that an event is.
    fn notice_of(event: &Self::Event) -> Option<&Notice>;

    /// The name of an event on the wire.
    fn name_of(event: &Self::Event) -> &str;
}

/// Of which every other event is, so that some reach the user as unknown.
pub(crate) const UNKNOWN: &str = "NEVER_HEARD_OF";

fn unknown(number: u64, len: usize) -> String {
    // Not all alike, so that they do not shrink to nothing.
    let mut rng = fastrand::Rng::with_seed(number);
    let text: String = (0..len).map(|_| rng.alphanumeric()).collect();
    format!(r#"{{"n":{number},"text":"é{text}"}}"#)
}

fn event(name: &str, data: String) -> Event {
    Event::new(name, data).expect("JSON")
}

impl Bot for discord::Discord {
    fn config(gateway: &Gateway) -> ConfigBuilder<Self> {
        Config::builder("CANARY.token", discord::Intents::GUILDS).gateway_url(gateway.url())
    }

    fn server(builder: Builder) -> Builder {
        builder.token("CANARY.token")
    }

    fn feed(number: u64, len: usize) -> Event {
        if number.is_multiple_of(2) && len < 50 {
            let data = format!(r#"{{"id":"{}","channel_id":"7"}}"#, number + 1);
            return event("MESSAGE_DELETE", data);
        }
        event(UNKNOWN, unknown(number, len))
    }

    fn notice_of(event: &Self::Event) -> Option<&Notice> {
        match event {
            discord::Event::Gateway(notice) => Some(notice),
            _ => None,
        }
    }

    fn name_of(event: &Self::Event) -> &str {
        match event {
            discord::Event::Unknown(unknown) => &unknown.name,
            event => event.kind().name(),
        }
    }
}

impl Bot for qq::QQ {
    fn config(gateway: &Gateway) -> ConfigBuilder<Self> {
        let credentials = qq::Credentials::new("102000001", "CANARY");
        Config::builder(credentials, qq::Intents::GROUP_AND_C2C_EVENT).rest_url(gateway.rest_url())
    }

    fn server(builder: Builder) -> Builder {
        builder.credentials("102000001", "CANARY")
    }

    fn feed(number: u64, len: usize) -> Event {
        if number.is_multiple_of(2) && len < 50 {
            let data = format!(r#"{{"timestamp":1700000000,"openid":"friend{number}"}}"#);
            return event("FRIEND_ADD", data);
        }
        event(UNKNOWN, unknown(number, len))
    }

    fn notice_of(event: &Self::Event) -> Option<&Notice> {
        match event {
            qq::Event::Gateway(notice) => Some(notice),
            _ => None,
        }
    }

    fn name_of(event: &Self::Event) -> &str {
        match event {
            qq::Event::Unknown(unknown) => &unknown.name,
            event => event.kind().name(),
        }
    }
}
