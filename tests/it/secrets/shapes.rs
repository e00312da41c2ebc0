//! What every public type that holds a secret shows of it: nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::{Arc, Mutex},
};

use futures::future::{BoxFuture, FutureExt};
use shardstream::{
    Config, CredentialError, CredentialSource, Error, ErrorKind, Frame, Intents, Message, Proxy,
    ResumeState, Shard, ShardId, Shutdown, Token, TokenRequest,
    discord::{Discord, Event},
    handler,
    local::{Fault, Gateway},
    platform::Ready,
    qq, rest,
    stream::{
        FileStore, Reshard, SessionStore as _, Sessions, ShardEventStream, ShardMessageStream,
    },
};

use crate::{
    faults::world::scaled,
    watch::{self, TOKEN},
};

/// Where the public names are: the crate's root and its public rooms. The payloads of events are
/// people's; what is secret in them is of one type, `SecretText`, which is looked at here too.
const ROOMS: [(&str, &str); 9] = [
    ("", include_str!("../../../src/lib.rs")),
    ("discord", include_str!("../../../src/discord/mod.rs")),
    ("handler", include_str!("../../../src/handler/mod.rs")),
    ("local", include_str!("../../../src/local/mod.rs")),
    ("platform", include_str!("../../../src/platform/mod.rs")),
    ("qq", include_str!("../../../src/qq/mod.rs")),
    ("queue", include_str!("../../../src/queue/mod.rs")),
    ("rest", include_str!("../../../src/rest.rs")),
    ("stream", include_str!("../../../src/stream/mod.rs")),
];

/// Names of types that hold no secret, of traits, and of what users write themselves.
const HARMLESS: &[(&str, &str)] = &[
    (
        "",
        "Cause Compression Counters CredentialSource Degraded Dial Duplex ErrorKind EventCounts \
         EventFlags Health Id Intents Latency Limits Members Meta Notice OwnEvent Reconnect \
         ShardId Shutdown State Tls",
    ),
    (
        "discord",
        "BotActivity BotStatus Command Discord EventFlags EventKind GuildArrivals \
         IdentifyProperties Intents RequestChannelInfo RequestGuildMembers RequestSoundboardSounds \
         UnknownEvent UpdatePresence UpdateVoiceState",
    ),
    // `Act` and `Record` are what the server saw: its own sessions, and no token.
    (
        "local",
        "BadEvent BadRecording Dialect End Event Fault Feed Follow Moment NotSeen Recorded Stats \
         Step Traffic",
    ),
    (
        "platform",
        "CloseAction CloseRow Command Compression DecodeError EventName EventSet GatewayUrl \
         IntentsOf LatestWins Platform Refused Scope UrlError",
    ),
    (
        "qq",
        "Event EventFlags EventKind Hosts Intents QQ UnknownEvent",
    ),
    ("queue", "BudgetState HeldBack Permit Queue"),
    ("rest", "GatewayBot SessionStartLimit"),
    ("stream", "Progress Recommend SessionStore Source"),
];

/// The public names of a room: what it exports, and what it declares.
fn names(source: &str) -> BTreeSet<&str> {
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<_> = code.collect();
    let mut found = BTreeSet::new();
    let mut exporting = false;
    for line in code {
        exporting |= line.starts_with("pub use ");
        let declared = ["pub struct ", "pub enum ", "pub trait "];
        let declared = declared.iter().find_map(|start| line.strip_prefix(start));
        let words = |text| str::split(text, |unit: char| !unit.is_alphanumeric());
        let is_type = |word: &&str| word.starts_with(char::is_uppercase);
        if exporting {
            found.extend(words(line).filter(is_type));
        } else if let Some(declared) = declared {
            found.extend(words(declared).next());
        }
        exporting &= !line.contains(';');
    }
    found
}

/// What was shown, by room and name.
#[derive(Default)]
struct Shown(BTreeMap<(&'static str, &'static str), String>);

impl Shown {
    fn debug(&mut self, room: &'static str, name: &'static str, value: &impl Debug) {
        self.text(room, name, &format!("{value:?} {value:#?}"));
    }

    fn text(&mut self, room: &'static str, name: &'static str, text: &str) {
        assert_eq!(watch::leak(text), None, "{room}::{name}: {text}");
        self.0.entry((room, name)).or_default().push_str(text);
    }
}

/// A source of the user's own, which shows what it is asked.
#[derive(Clone, Debug, Default)]
struct Asked(Arc<Mutex<String>>);

impl CredentialSource for Asked {
    fn bot(&self) -> u64 {
        7
    }

    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn token(&self, request: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>> {
        *self.0.lock().unwrap() = format!("{request:?}");
        std::future::ready(Ok(Token::from(TOKEN))).boxed()
    }
}

/// What is made from a configuration, without a connection.
fn at_rest(shown: &mut Shown, config: &Config<Discord>) {
    let with_password = format!("https://bot:{TOKEN}@discord.com/api?token={TOKEN}");
    let builder = Config::builder(TOKEN, Intents::GUILDS).rest_url(&with_password);
    shown.debug("", "ConfigBuilder", &builder);
    let error = builder.build().unwrap_err();
    shown.text("", "Error", &format!("{error} {error:?}"));
    let with_query = format!("wss://gateway.discord.gg/?token={TOKEN}");
    let builder = Config::builder(TOKEN, Intents::GUILDS).gateway_url(&with_query);
    shown.debug("", "ConfigBuilder", &builder);
    let error = builder.build().unwrap_err();
    shown.text("", "Error", &format!("{error} {error:?}"));
    shown.debug("", "Config", config);
    for url in [
        format!("http://bot:{TOKEN}@proxy.example"),
        format!("gopher://{TOKEN}@a"),
    ] {
        let proxy = Proxy::url(&url);
        shown.debug("", "Proxy", &proxy);
        let builder = Config::builder(TOKEN, Intents::GUILDS).proxy(proxy.clone());
        shown.debug("", "ConfigBuilder", &builder);
        shown.debug(
            "",
            "Proxy",
            &builder.build().map(|config| config.rest_client()),
        );
        shown.debug("rest", "Client", &rest::Client::new(TOKEN).proxy(proxy));
    }
    shown.debug("", "Token", &Token::from(TOKEN));
    shown.debug("rest", "Client", &config.rest_client());
    let client = rest::Client::new(TOKEN).base_url(&with_password);
    shown.debug("rest", "Client", &client);
    let credentials = qq::Credentials::new("102", watch::CLIENT_SECRET);
    shown.debug("qq", "Credentials", &credentials);
    shown.debug("qq", "Credentials", &qq::Credentials::legacy("102", TOKEN));
    let error = Error::new(ErrorKind::Connect, "no token");
    shown.debug("", "CredentialError", &CredentialError::new(error, None));
    for op in [2, 6] {
        let text = format!(r#"{{"op":{op},"d":{{"token":"{TOKEN}","session_id":"{TOKEN}"}}}}"#);
        let frame = Frame::from_text(text).unwrap();
        shown.debug("", "Frame", &frame);
        shown.debug("", "Message", &Message::Frame(frame));
    }
    let ready = Ready {
        session_id: TOKEN.to_owned(),
        resume_url: Some(with_query),
    };
    shown.debug("platform", "Ready", &ready);
    let builder = Gateway::builder().token(TOKEN);
    shown.debug(
        "local",
        "Builder",
        &builder.credentials("102", watch::CLIENT_SECRET),
    );
    let interaction = format!(
        r#"{{"op":0,"s":1,"t":"INTERACTION_CREATE","d":{{"id":"1","application_id":"2","type":1,
        "token":"{TOKEN}","version":1}}}}"#
    );
    let event = Frame::from_text(interaction).unwrap().decode::<Discord>();
    let event = event.unwrap();
    assert!(matches!(event, Event::InteractionCreate(_)), "{event:?}");
    shown.debug("discord", "Event", &event);
}

/// What has a session.
async fn alive(shown: &mut Shown, gateway: &Gateway, config: &Config<Discord>) -> Sessions {
    gateway.misbehave([Fault::ready_with("session_id", &format!("\"{TOKEN}\""))]);
    let mut shard = Shard::with_config(ShardId::ONE, config.clone());
    let ready = loop {
        if let Event::Ready(ready) = shard.next_event().await.unwrap() {
            break ready;
        }
    };
    assert_eq!(ready.session_id.expose(), TOKEN);
    shown.debug("discord", "Event", &Event::Ready(ready));
    assert_eq!(shard.status().session_id.as_deref(), Some(TOKEN));
    shown.debug("", "Shard", &shard);
    let path = std::env::temp_dir().join(format!("shardstream-shapes-{}", fastrand::u64(..)));
    shown.debug("", "Recording", &shard.handle().record(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    shown.debug("", "ShardHandle", &shard.handle());
    shown.debug("", "Sender", &shard.sender());
    shown.debug("", "Status", &shard.status());
    shown.debug("", "Watch", &shard.watch());
    let state: ResumeState = shard.shutdown(Shutdown::Keep).await.unwrap();
    shown.debug("", "ResumeState", &state);
    let typed = Shard::with_config(ShardId::ONE, config.clone());
    shown.debug("", "TypedShard", &typed.typed::<Nothing>());
    let sessions: Sessions = [state].into_iter().collect();
    shown.debug("stream", "Sessions", &sessions);
    sessions
}

shardstream::own_events! {
    /// One that never comes.
    #[derive(Debug)]
    enum Nothing {
        Nothing(u64) = "NOTHING",
    }
}

async fn merged(shown: &mut Shown, config: &Config<Discord>, sessions: &Sessions) {
    let shard = |id| Shard::with_config(ShardId::new(id, 2).unwrap(), config.clone());
    let stream = ShardEventStream::new([shard(0)]);
    shown.debug("stream", "ShardEventStream", &stream);
    shown.debug("stream", "Control", &stream.control());
    let stream = ShardMessageStream::new([shard(0)]);
    shown.debug("stream", "ShardMessageStream", &stream);
    shown.debug("stream", "Reshard", &Reshard::new([shard(0)], [shard(1)]));
    let path = std::env::temp_dir().join(format!("shardstream-shapes-{}", std::process::id()));
    let store = FileStore::new(&path);
    store.save(sessions).await.unwrap();
    shown.debug("stream", "FileStore", &store);
    // What cannot be read is not quoted.
    std::fs::write(&path, format!("{{\"version\":1,\"shards\":[\"{TOKEN}\"]}}")).unwrap();
    let error = store.load().await.unwrap_err();
    shown.text("stream", "FileStore", &format!("{error} {error:?}"));
    std::fs::remove_file(&path).unwrap();
}

/// What a handler has in its hand.
async fn handled(shown: &mut Shown, config: &Config<Discord>) {
    let (out, mut said) = tokio::sync::mpsc::unbounded_channel();
    let bot = handler::Bot::with_config(config.clone()).on_raw("READY", move |context, _| {
        let said = out.send(context);
        async move { said.unwrap() }
    });
    shown.debug("handler", "Handle", &bot.handle());
    shown.debug("handler", "Bot", &bot);
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    let context: handler::Context = said.recv().await.unwrap();
    shown.debug("handler", "Context", &context);
    handle.stop();
    running.await.unwrap().unwrap();
}

/// What the token endpoint was asked, and what the fake wrote down of everything.
async fn asked(shown: &mut Shown, gateway: &Gateway) {
    let source = Asked::default();
    let config = Config::builder(TOKEN, Intents::GUILDS)
        .credential_source(Arc::new(source.clone()))
        .rest_url(gateway.rest_url())
        .build()
        .unwrap();
    let with_password = format!("https://bot:{TOKEN}@discord.com/");
    let client: rest::Client = config.rest_client();
    for client in [client.clone(), client.base_url(&with_password)] {
        shown.debug("rest", "Client", &client);
        if let Err(error) = client.gateway_bot().await {
            shown.text("rest", "Error", &format!("{error} {error:?}"));
        }
    }
    let request = source.0.lock().unwrap().clone();
    assert!(request.contains("127.0.0.1"), "{request}");
    shown.text("", "TokenRequest", &request);
    shown.debug("local", "Gateway", gateway);
    for record in gateway.log() {
        // Its own session may stand there.
        let text = format!("{record:?} {:?}", record.act).replace(TOKEN, "");
        let text = text.replace("CANARY", "");
        shown.text("local", "Record", &text);
        shown.text("local", "Act", &text);
    }
    shown.debug(
        "queue",
        "LocalQueue",
        &shardstream::queue::LocalQueue::new(),
    );
}

#[tokio::test]
async fn no_public_type_shows_a_secret_when_it_is_debugged() {
    watch::install();
    let mut shown = Shown::default();
    let gateway = Gateway::builder().token(TOKEN).start().await.unwrap();
    let config = Config::builder(TOKEN, Intents::GUILDS | Intents::GUILD_MEMBERS)
        .gateway_url(gateway.url())
        .rest_url(gateway.rest_url())
        .limits(scaled())
        .build()
        .unwrap();
    at_rest(&mut shown, &config);
    let sessions = alive(&mut shown, &gateway, &config).await;
    merged(&mut shown, &config, &sessions).await;
    handled(&mut shown, &config).await;
    asked(&mut shown, &gateway).await;

    // Whatever becomes public is looked at, or said to be harmless.
    for (room, source) in ROOMS {
        let harmless = HARMLESS.iter().find(|(name, _)| *name == room);
        let harmless: Vec<_> = harmless.map_or("", |(_, names)| names).split(' ').collect();
        let public = names(source);
        assert!(!public.is_empty(), "{room}");
        for name in public {
            let looked_at = shown.0.contains_key(&(room, name));
            let said = harmless.contains(&name);
            assert!(
                looked_at || said,
                "{room}::{name} is neither shown nor harmless"
            );
        }
    }
}
