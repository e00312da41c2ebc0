//! Events of the user's own types, from a shard and from single frames.

use std::{borrow::Cow, time::Duration};

use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::bench::Bench;
use crate::{
    Error, ErrorKind, Frame, Id, Message, Meta, Notice, OwnEvent, Reconnect, ShardId, Shutdown,
    TypedShard,
    local::{Fault, Moment, Step},
    own_events, own_names_differ,
};

own_events! {
    /// Owned, with everything that a variant can be.
    #[derive(Clone, Debug, PartialEq)]
    pub(super) enum Owned {
        /// One name.
        Typing(Typing) = "TYPING_START",
        Said(Said) = "MESSAGE_CREATE" | "MESSAGE_UPDATE",
        Banned = "GUILD_BAN_ADD",
        Gateway(Notice) = notice,
    }
}

own_events! {
    /// Borrowed, with a name for the rest that stands first.
    #[derive(Debug)]
    enum Borrowed<'a> {
        Other(Frame) = _,
        Text(Text<'a>) = "MESSAGE_CREATE",
    }
}

own_events! {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Text<'a> = "MESSAGE_CREATE" | "MESSAGE_UPDATE" {
        #[serde(borrow)]
        content: Cow<'a, str>,
    }
}

own_events! {
    #[derive(Clone, Debug, Deserialize, PartialEq)]
    pub(super) struct Typing = "TYPING_START" {
        user_id: Id<()>,
    }
}

own_events! { enum Nothing {} }

own_events! {
    #[derive(Debug, PartialEq)]
    enum Rest { Known = "A", Other = _ }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Said {
    content: String,
}

const TYPING: &str = r#"{"user_id":"7","timestamp":1}"#;
const SAID: &str = r#"{"content":"ahoy","tts":false,"author":{"id":"7"}}"#;

fn frame(name: &str, data: &str) -> Frame {
    Frame::from_text(format!(r#"{{"op":0,"s":9,"t":"{name}","d":{data}}}"#)).unwrap()
}

fn said(content: &str) -> Owned {
    let content = content.to_owned();
    Owned::Said(Said { content })
}

/// The next that is no notice.
async fn next(shard: &mut TypedShard<Owned>) -> Result<Owned, Error> {
    loop {
        match shard.next_event().await {
            Ok(Owned::Gateway(_)) => {}
            other => return other,
        }
    }
}

async fn until_connected(shard: &mut TypedShard<Owned>) {
    let first = shard.next_event().await.unwrap();
    assert_eq!(first, Owned::Gateway(Notice::Connected));
    // READY is not asked for.
    let next = timeout(Duration::from_secs(1), shard.next_event());
    assert!(next.await.is_err() && shard.is_ready());
}

#[test]
fn a_frame_becomes_the_variant_that_names_its_event() {
    let event = |name, data| frame(name, data).event::<Owned>();
    let typing = Owned::Typing(Typing {
        user_id: Id::new(7),
    });
    assert_eq!(event("TYPING_START", TYPING).unwrap(), Some(typing));
    assert_eq!(event("MESSAGE_CREATE", SAID).unwrap(), Some(said("ahoy")));
    assert_eq!(event("MESSAGE_UPDATE", SAID).unwrap(), Some(said("ahoy")));
    // Its data is not looked at, be it what it may.
    assert_eq!(event("GUILD_BAN_ADD", "[7}]").unwrap(), Some(Owned::Banned));
    for name in ["READY", "NEW_THING", "typing_start", "", "notice"] {
        assert_eq!(event(name, "{}").unwrap(), None, "{name}");
        let error = Owned::from_frame(&frame(name, "{}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Event);
    }
    let error = event("MESSAGE_CREATE", r#"{"content":["CANARY"]}"#).unwrap_err();
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Event, Some(9)));
    assert_eq!(error.event_name(), Some("MESSAGE_CREATE"));
    assert!(!format!("{error:?}").contains("CANARY"));
    assert!(
        frame("TYPING_START", "{}")
            .event::<Nothing>()
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_type_may_borrow_from_the_frame() {
    let plain = frame("MESSAGE_CREATE", SAID);
    let text = plain.event::<Text<'_>>().unwrap().unwrap();
    let Cow::Borrowed(content) = text.content else {
        panic!("borrowed: {text:?}")
    };
    assert!(
        plain
            .text()
            .as_bytes()
            .as_ptr_range()
            .contains(&content.as_ptr())
    );
    let escaped = frame("MESSAGE_UPDATE", r#"{"content":"\"ahoy\""}"#);
    let text = escaped.event::<Text<'_>>().unwrap().unwrap();
    assert_eq!(text.content, "\"ahoy\"");
}

#[test]
fn the_rest_is_what_no_other_variant_names() {
    let text = frame("MESSAGE_CREATE", SAID);
    let event = text.event::<Borrowed<'_>>().unwrap().unwrap();
    assert!(matches!(event, Borrowed::Text(Text { content }) if content == "ahoy"));
    let other = frame("NEW_THING", "[1]");
    let event = other.event::<Borrowed<'_>>().unwrap().unwrap();
    assert!(matches!(event, Borrowed::Other(frame) if frame.data() == "[1]"));
    assert_eq!(frame("A", "1").event::<Rest>().unwrap(), Some(Rest::Known));
    assert_eq!(frame("B", "1").event::<Rest>().unwrap(), Some(Rest::Other));
}

#[test]
fn names_that_stand_twice_are_found() {
    assert!(own_names_differ(&[]));
    assert!(own_names_differ(&["A", "B", "AB", "notice", "_", ""]));
    assert!(!own_names_differ(&["A", "B", "A"]));
    assert!(!own_names_differ(&["_", "_"]));
}

#[tokio::test(start_paused = true)]
async fn a_typed_shard_gives_what_its_type_names_and_nothing_else() {
    let bench = Bench::new();
    let mut shard = bench.shard().typed::<Owned>();
    until_connected(&mut shard).await;
    let send = |name, data| bench.gateway.send(ShardId::ONE, name, data).unwrap();
    bench.send(2);
    send("MESSAGE_CREATE", SAID);
    send("GUILD_CREATE", "{}");
    send("MESSAGE_UPDATE", r#"{"content":7}"#);
    send("GUILD_BAN_ADD", "{}");
    assert_eq!(next(&mut shard).await.unwrap(), said("ahoy"));
    let error = next(&mut shard).await.unwrap_err();
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Event, Some(6)));
    assert_eq!(next(&mut shard).await.unwrap(), Owned::Banned);
    // What nobody asked for never waits for anybody, and counts as taken.
    let before = shard.status().buffered_events;
    bench.send(5);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shard.status().buffered_events, before);
    assert_eq!(shard.resume_state().unwrap().seq(), 12);
    let state = shard.shutdown(Shutdown::Keep).await.unwrap();
    assert_eq!(state.seq(), 12);
    assert_eq!(
        next(&mut shard).await.unwrap_err().kind(),
        ErrorKind::Shutdown
    );
}

#[tokio::test(start_paused = true)]
async fn what_waited_before_a_shard_became_typed_is_narrowed_too() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    super::bench::until_ready(&mut shard).await;
    bench.send(3);
    bench
        .gateway
        .send(ShardId::ONE, "TYPING_START", TYPING)
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut shard = shard.typed::<Typing>();
    assert_eq!(shard.next_event().await.unwrap().user_id, Id::new(7));
}

#[tokio::test(start_paused = true)]
async fn the_filters_of_the_configuration_hold_as_well() {
    let bench = Bench::new();
    let config = bench.config().event_filter(|name| name != "MESSAGE_CREATE");
    let config = config.event_flags(!crate::EventFlags::GATEWAY).build();
    let shard = crate::Shard::with_config(ShardId::ONE, config.unwrap());
    let mut shard = shard.typed::<Owned>();
    let first = timeout(Duration::from_secs(1), shard.next_event()).await;
    assert!(first.is_err(), "{first:?}");
    for name in ["MESSAGE_CREATE", "MESSAGE_UPDATE"] {
        bench.gateway.send(ShardId::ONE, name, SAID).unwrap();
    }
    let message = shard.next_message().await.unwrap();
    assert!(matches!(message, Message::Frame(frame) if frame.seq() == Some(3)));
}

#[tokio::test(start_paused = true)]
async fn events_that_borrow_are_given_one_at_a_time() {
    let bench = Bench::new();
    let mut shard = bench.shard().typed::<Text<'_>>();
    assert!(
        timeout(Duration::from_secs(1), shard.next_event())
            .await
            .is_err()
    );
    for n in 0..200 {
        let data = format!(r#"{{"content":"number {n}"}}"#);
        bench
            .gateway
            .send(ShardId::ONE, "MESSAGE_CREATE", &data)
            .unwrap();
    }
    for n in 0..200 {
        let text = shard.next_event().await.unwrap();
        assert_eq!(text.content, format!("number {n}"));
        assert!(matches!(text.content, Cow::Borrowed(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_own_events_tells_what_is_around_them_and_ends() {
    // The pause before a reconnect may be nothing: what is sent in it would then come live.
    fastrand::seed(7);
    let bench = Bench::new();
    let mut shard = bench.shard().typed::<Owned>();
    until_connected(&mut shard).await;
    // Else the shard may be back before the events are sent.
    let late = Step::Wait(Duration::from_secs(1));
    bench
        .gateway
        .misbehave([Fault::at(Moment::Hello, [late, Step::Answer])]);
    shard.reconnect(Reconnect::Resume);
    assert!(matches!(
        shard.next_event().await,
        Ok(Owned::Gateway(Notice::Disconnected { .. }))
    ));
    bench
        .gateway
        .send(ShardId::ONE, "MESSAGE_CREATE", SAID)
        .unwrap();
    bench
        .gateway
        .send(ShardId::ONE, "MESSAGE_CREATE", "{}")
        .unwrap();
    let (meta, event) = shard.next().await.unwrap();
    assert_eq!(
        (meta, event.unwrap()),
        (Meta::default(), Owned::Gateway(Notice::Connected))
    );
    let (meta, event) = shard.next().await.unwrap();
    assert_eq!((meta.seq, meta.replayed), (Some(2), true));
    assert_eq!(event.unwrap(), said("ahoy"));
    let (meta, event) = shard.next().await.unwrap();
    assert_eq!(
        (meta.seq, event.unwrap_err().kind()),
        (Some(3), ErrorKind::Event)
    );
    shard.shutdown(Shutdown::End).await;
    let rest: Vec<_> = shard.by_ref().collect().await;
    let (_, last) = rest.last().unwrap();
    assert!(last.as_ref().unwrap_err().is_fatal());
    assert!(shard.next().await.is_none());
    assert!(shard.next_event().await.unwrap_err().is_fatal());
}

/// Wants notices, and shows one of them.
#[derive(Debug, PartialEq)]
struct Resumed(u64);

impl OwnEvent for Resumed {
    type Event<'a> = Self;

    const NOTICES: bool = true;

    fn wants(_name: &str) -> bool {
        false
    }

    fn from_frame(frame: &Frame) -> Result<Self, Error> {
        Err(frame.error("not asked for"))
    }

    fn from_notice<'a>(notice: Notice) -> Option<Self::Event<'a>> {
        match notice {
            Notice::Resumed { replayed } => Some(Self(replayed)),
            _ => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_a_type_does_not_show_is_skipped() {
    let bench = Bench::new();
    let mut shard = bench.shard().typed::<Resumed>();
    for _ in 0..2 {
        assert!(
            timeout(Duration::from_secs(1), shard.next_event())
                .await
                .is_err()
        );
        shard.reconnect(Reconnect::Resume);
        bench.send(2);
        assert_eq!(shard.next_event().await.unwrap(), Resumed(2));
    }
    shard.reconnect(Reconnect::Resume);
    let (_, event) = shard.next().await.unwrap();
    assert_eq!(event.unwrap(), Resumed(0));
}

#[test]
fn a_typed_shard_and_its_futures_can_be_sent() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let shard = crate::Shard::new(
        ShardId::ONE,
        crate::observe::watch::TOKEN,
        crate::Intents::empty(),
    );
    let mut shard = is_send(shard.typed::<Borrowed<'_>>());
    drop(is_send(shard.next_event()));
    drop(is_send(shard.next_message()));
}
