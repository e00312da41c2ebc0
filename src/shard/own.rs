//! May I bring my own events? Types of the user, decoded from frames with the fields they name.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{future::poll_fn, stream::Stream};

#[cfg(feature = "discord")]
use super::Discord;
use super::{Frame, Message, Meta, Shard, nothing_taken};
use crate::{error::Error, notice::Notice, platform::Platform};

/// An event type of your own: of the events that you name, the fields that you name.
///
/// [`own_events!`](crate::own_events) implements it, for enums and structs that own what they
/// hold or borrow it from the frame. [`Shard::typed`] makes a shard that gives such events, and
/// [`Frame::event`] decodes one frame.
///
/// By hand it is for types that choose in another way, such as by what is in the event:
///
/// ```
/// use shardstream::{Error, Frame, OwnEvent};
///
/// /// How large the events are of which a bot does not know.
/// #[derive(Debug, PartialEq)]
/// struct Len(usize);
///
/// impl OwnEvent for Len {
///     type Event<'a> = Self;
///
///     fn wants(name: &str) -> bool {
///         !name.starts_with("GUILD_")
///     }
///
///     fn from_frame(frame: &Frame) -> Result<Self, Error> {
///         match frame.data().len() {
///             4096.. => Err(frame.error("the event is longer than it may be")),
///             len => Ok(Self(len)),
///         }
///     }
/// }
///
/// let frame = Frame::from_text(r#"{"op":0,"s":7,"t":"TYPING_START","d":{}}"#)?;
/// assert_eq!(frame.event::<Len>()?, Some(Len(2)));
/// # Ok::<(), Error>(())
/// ```
pub trait OwnEvent {
    /// The event that borrows from a frame; `Self` for a type that borrows nothing.
    type Event<'a>;

    /// Whether notices are wanted, as [`from_notice`](Self::from_notice) shows them. By default
    /// not.
    const NOTICES: bool = false;

    /// Whether the event that the wire calls `name` is one of these. Others are dropped in the
    /// connection's task, before anything of them is copied; they are no errors.
    ///
    /// It must be quick, must not panic, and must always say the same of a name.
    fn wants(name: &str) -> bool;

    /// The event of a frame that is wanted.
    ///
    /// # Errors
    ///
    /// The payload does not have the shape of the event's type.
    fn from_frame(frame: &Frame) -> Result<Self::Event<'_>, Error>;

    /// The event that shows a notice; `None` where it is to be skipped. By default all are.
    fn from_notice<'a>(_notice: Notice) -> Option<Self::Event<'a>> {
        None
    }
}

impl Frame {
    /// Decodes the frame into an event type of your own; `None` where that does not want it.
    ///
    /// See [`own_events!`](crate::own_events) for an example.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`](crate::ErrorKind::Event) where `d` does not have the shape of the
    /// event's type. Nothing happens to the shard.
    pub fn event<E: OwnEvent>(&self) -> Result<Option<E::Event<'_>>, Error> {
        if E::wants(&self.event_name().unwrap_or_default()) {
            E::from_frame(self).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// What the driver needs to know of an event type.
#[derive(Clone, Copy)]
pub(super) struct Wants {
    pub(super) event: fn(&str) -> bool,
    pub(super) notices: bool,
}

impl Wants {
    fn of<E: OwnEvent>() -> Self {
        Self {
            event: E::wants,
            notices: E::NOTICES,
        }
    }
}

/// A shard that gives events of a type of your own; [`Shard::typed`] makes it.
///
/// It does what the [`Shard`] does that it was made of, and shows all of its methods that take
/// `&self`. Where the events own what they hold it is also a stream, of the events with what is
/// around each.
///
/// Events that borrow do so from the shard: take a [`sender`](Shard::sender) before the loop, to
/// answer them in it.
///
/// ```
/// use serde::Deserialize;
/// use shardstream::{Config, Id, Intents, Shard, ShardId, own_events};
/// use shardstream::local::{Event, Feed, Gateway};
///
/// own_events! {
///     #[derive(Debug, Deserialize)]
///     struct Typing = "TYPING_START" {
///         user_id: Id<()>,
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let typing = Event::new("TYPING_START", r#"{"user_id":"80351110224678913"}"#)?;
/// let gateway = Gateway::builder().feed(Feed::new([typing])).start().await?;
/// let config = Config::builder("any token", Intents::GUILD_MESSAGE_TYPING)
///     .gateway_url(gateway.url())
///     .build()?;
///
/// let mut shard = Shard::with_config(ShardId::ONE, config).typed::<Typing>();
/// let typing = shard.next_event().await?;
/// assert_eq!(typing.user_id, Id::new(80351110224678913));
/// assert!(shard.is_ready());
/// # Ok(())
/// # }
/// ```
pub struct TypedShard<
    E,
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
> {
    shard: Shard<P>,
    /// What the event given last may borrow from. Let go before the next is asked for, so that
    /// the buffer can be used again.
    frame: Option<Frame>,
    events: PhantomData<fn() -> E>,
}

impl<P: Platform> Shard<P> {
    /// The shard with events of your own type in place of the platform's. Only what the type
    /// wants is handed over at all: the filters of the configuration hold as well.
    ///
    /// See [`own_events!`](crate::own_events) for an example.
    pub fn typed<E: OwnEvent>(self) -> TypedShard<E, P> {
        self.shared.want(Wants::of::<E>());
        TypedShard {
            shard: self,
            frame: None,
            events: PhantomData,
        }
    }
}

impl<E: OwnEvent, P: Platform> TypedShard<E, P> {
    /// The next event, or what happened instead of one. Where the type borrows, the event borrows
    /// from the shard: it is to be done with before the next call.
    ///
    /// Order and errors are those of [`Shard::next_event`].
    ///
    /// # Errors
    ///
    /// As [`Shard::next_event`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing that is wanted is taken.
    pub async fn next_event(&mut self) -> Result<E::Event<'_>, Error> {
        loop {
            poll_fn(|cx| self.poll_wanted(cx)).await?;
            // A notice borrows nothing, and may be skipped; a frame ends the loop.
            let Some(notice) = self.shard.notice_taken() else {
                break;
            };
            if let Some(event) = E::from_notice(notice) {
                return Ok(event);
            }
        }
        E::from_frame(self.frame_taken()?)
    }

    /// The next raw message that is wanted: for who keeps the frame, or wants what is around the
    /// event, and decodes with [`Frame::event`].
    ///
    /// # Errors
    ///
    /// As [`Shard::next_message`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing that is wanted is taken.
    pub async fn next_message(&mut self) -> Result<Message, Error> {
        poll_fn(|cx| self.poll_wanted(cx)).await?;
        self.shard.message_taken()
    }

    /// The stream of raw messages that are wanted; it ends after the fatal error.
    pub(crate) fn poll_next_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.shard.end_given {
            return Poll::Ready(None);
        }
        let taken = ready!(self.poll_wanted(cx));
        Poll::Ready(Some(taken.and_then(|()| self.shard.message_taken())))
    }

    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.frame = None;
        self.shard.poll_wanted(cx, E::wants, E::NOTICES)
    }

    fn frame_taken(&mut self) -> Result<&Frame, Error> {
        match self.shard.message_taken()? {
            Message::Frame(frame) => Ok(self.frame.insert(frame)),
            Message::Gateway(_) => Err(nothing_taken()),
        }
    }
}

/// Items are what [`next_event`](TypedShard::next_event) gives, with what is around each event.
/// The stream ends after the fatal error. Dropping a future of `next` loses nothing.
impl<E, P> Stream for TypedShard<E, P>
where
    E: for<'a> OwnEvent<Event<'a> = E>,
    P: Platform,
{
    type Item = (Meta, Result<E, Error>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.shard.end_given {
            return Poll::Ready(None);
        }
        loop {
            if let Err(error) = ready!(this.poll_wanted(cx)) {
                return Poll::Ready(Some((Meta::default(), Err(error))));
            }
            match this.shard.notice_taken().map(E::from_notice) {
                Some(None) => {}
                Some(Some(event)) => return Poll::Ready(Some((Meta::default(), Ok(event)))),
                None => break,
            }
        }
        Poll::Ready(Some(match this.frame_taken() {
            Ok(frame) => (frame.meta(), E::from_frame(frame)),
            Err(error) => (Meta::of_error(&error), Err(error)),
        }))
    }
}

impl<E, P: Platform> Deref for TypedShard<E, P> {
    type Target = Shard<P>;

    fn deref(&self) -> &Shard<P> {
        &self.shard
    }
}

impl<E, P: Platform> fmt::Debug for TypedShard<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedShard").field(&self.shard).finish()
    }
}

/// Whether no text stands twice in a list: what [`own_events!`](crate::own_events) asks while the
/// user's crate compiles.
#[doc(hidden)]
pub const fn own_names_differ(names: &[&str]) -> bool {
    let mut at = 0;
    while at < names.len() {
        let mut other = at + 1;
        while other < names.len() {
            if are_equal(names[at].as_bytes(), names[other].as_bytes()) {
                return false;
            }
            other += 1;
        }
        at += 1;
    }
    true
}

/// `==` cannot be had in a constant.
const fn are_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Declares an event type of your own, as an enum of the events that you name or as a struct of
/// one event's fields, and implements [`OwnEvent`] for it.
///
/// A variant is followed by what it stands for:
///
/// - `= "NAME"`, or several names with `|` between them: the events that the wire calls so. The
///   payload is any type that serde can deserialize from the event's data, and may borrow from
///   the frame; fields that it does not name are skipped. A variant without a payload does not
///   look at the data at all.
/// - `= notice`: the notices, with a [`Notice`](crate::Notice) as payload.
/// - `= _`: all events that no other variant names, undecoded, with a [`Frame`] as payload or none.
///
/// Events that are not named are not handed over, and are no errors.
///
/// ```
/// use serde::Deserialize;
/// use shardstream::{Frame, Id, Notice, own_events};
///
/// own_events! {
///     /// What a greeter needs.
///     #[derive(Debug)]
///     enum Greeting {
///         Join(Member) = "GUILD_MEMBER_ADD",
///         Gateway(Notice) = notice,
///     }
/// }
///
/// #[derive(Debug, Deserialize)]
/// struct Member {
///     guild_id: Id<()>,
///     user: User,
/// }
///
/// #[derive(Debug, Deserialize)]
/// struct User {
///     username: String,
/// }
///
/// let text = r#"{"op":0,"s":2,"t":"GUILD_MEMBER_ADD","d":
///     {"guild_id":"41771983423143937","user":{"username":"nelly","bot":false}}}"#;
/// let frame = Frame::from_text(text)?;
/// let Some(Greeting::Join(member)) = frame.event::<Greeting>()? else {
///     panic!("a member joined")
/// };
/// assert_eq!(member.user.username, "nelly");
/// # Ok::<(), shardstream::Error>(())
/// ```
///
/// # A shard of it
///
/// [`Shard::typed`] makes a shard that gives these events:
///
/// ```no_run
/// # use shardstream::{Notice, own_events};
/// # own_events! { #[derive(Debug)] enum Greeting { Gateway(Notice) = notice } }
/// # async fn run(token: String) {
/// use shardstream::{Intents, Shard, ShardId};
///
/// let shard = Shard::new(ShardId::ONE, token, Intents::GUILD_MEMBERS);
/// let mut shard = shard.typed::<Greeting>();
/// loop {
///     match shard.next_event().await {
///         Ok(event) => println!("{event:?}"),
///         Err(error) if error.is_fatal() => break,
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
///
/// # Borrowed, and a struct
///
/// With one lifetime the type may borrow from the frame. Texts are `Cow<str>`, borrowed wherever
/// the frame holds them without escapes; as `&str` those with escapes would be errors. A struct
/// names its events behind its own name.
///
/// ```
/// use std::borrow::Cow;
///
/// use serde::Deserialize;
/// use shardstream::{Frame, own_events};
///
/// own_events! {
///     #[derive(Debug, Deserialize)]
///     struct Said<'a> = "MESSAGE_CREATE" | "MESSAGE_UPDATE" {
///         #[serde(borrow)]
///         content: Cow<'a, str>,
///     }
/// }
///
/// let frame = Frame::from_text(r#"{"op":0,"s":3,"t":"MESSAGE_CREATE","d":{"content":"ahoy"}}"#)?;
/// let said = frame.event::<Said>()?.expect("a message");
/// assert!(matches!(said.content, Cow::Borrowed("ahoy")));
/// # Ok::<(), shardstream::Error>(())
/// ```
///
/// # What does not compile
///
/// A variant that does not say what it stands for:
///
/// ```compile_fail
/// shardstream::own_events! {
///     enum Mine {
///         Message(String),
///     }
/// }
/// ```
///
/// An event that stands twice:
///
/// ```compile_fail
/// shardstream::own_events! {
///     enum Mine {
///         Message(String) = "MESSAGE_CREATE",
///         Edit(String) = "MESSAGE_UPDATE" | "MESSAGE_CREATE",
///     }
/// }
/// ```
#[macro_export]
macro_rules! own_events {
    ($(#[$meta:meta])* $vis:vis enum $name:ident <$life:lifetime> { $($body:tt)* }) => {
        $crate::own_events!(@enum
            [$(#[$meta])* $vis] $name [<$life>] [<'_>] ['event] [<'event>] { $($body)* });
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($body:tt)* }) => {
        $crate::own_events!(@enum [$(#[$meta])* $vis] $name [] [] ['event] [] { $($body)* });
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident <$life:lifetime> = $($what:tt)|+ {
        $($fields:tt)*
    }) => {
        $(#[$meta])* $vis struct $name<$life> { $($fields)* }
        $crate::own_events!(@struct $name [<'_>] ['event] [<'event>] $($what)|+);
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident = $($what:tt)|+ { $($fields:tt)* }) => {
        $(#[$meta])* $vis struct $name { $($fields)* }
        $crate::own_events!(@struct $name [] ['event] [] $($what)|+);
    };

    (@enum [$($head:tt)*] $name:ident [$($life:tt)*] [$($any:tt)*] [$event:lifetime] [$($of:tt)*] {
        $($(#[$on:meta])* $variant:ident $(($payload:ty))? $(= $($what:tt)|+)?),* $(,)?
    }) => {
        $($head)* enum $name $($life)* {
            $($(#[$on])* $variant $(($payload))?),*
        }

        const _: () = assert!(
            $crate::own_names_differ(&[
                $($($($crate::own_events!(@text $what),)+)?)*
            ]),
            "own_events!: an event, `notice` or `_` stands twice",
        );

        impl $crate::OwnEvent for $name $($any)* {
            type Event<$event> = $name $($of)*;

            const NOTICES: bool = false $(|| $crate::own_events!(@is_notice $($($what)|+)?))*;

            fn wants(name: &str) -> bool {
                let _ = name;
                false $(|| $crate::own_events!(@wants name $variant $($($what)|+)?))*
            }

            fn from_frame(
                frame: &$crate::Frame,
            ) -> ::core::result::Result<Self::Event<'_>, $crate::Error> {
                let name = frame.event_name().unwrap_or_default();
                let _ = &name;
                $($crate::own_events!(
                    @named name frame $name $variant [$($payload)?] $($($what)|+)?
                );)*
                $($crate::own_events!(
                    @other name frame $name $variant [$($payload)?] $($($what)|+)?
                );)*
                ::core::result::Result::Err(frame.error("the event is none of those asked for"))
            }

            fn from_notice<$event>(
                notice: $crate::Notice,
            ) -> ::core::option::Option<Self::Event<$event>> {
                let _ = &notice;
                $($crate::own_events!(
                    @notice notice $name $variant [$($payload)?] $($($what)|+)?
                );)*
                ::core::option::Option::None
            }
        }
    };
    (@enum $($rest:tt)*) => {
        ::core::compile_error!(
            "own_events!: a variant reads `Name(Payload) = \"EVENT_NAME\"`, \
             `Name = \"EVENT_NAME\"`, `Name(Notice) = notice` or `Name(Frame) = _`"
        );
    };

    (@struct $name:ident [$($any:tt)*] [$event:lifetime] [$($of:tt)*] $($what:tt)|+) => {
        impl $crate::OwnEvent for $name $($any)* {
            type Event<$event> = $name $($of)*;

            fn wants(name: &str) -> bool {
                $crate::own_events!(@wants name $name $($what)|+)
            }

            fn from_frame(
                frame: &$crate::Frame,
            ) -> ::core::result::Result<Self::Event<'_>, $crate::Error> {
                frame.parse()
            }
        }
    };

    (@text _) => { "_" };
    (@text $text:literal) => { $text };
    (@text $($other:tt)*) => { ::core::stringify!($($other)*) };

    (@is_notice notice) => { true };
    (@is_notice $($other:tt)*) => { false };

    (@wants $event:ident $variant:ident) => {
        ::core::compile_error!(::core::concat!(
            "own_events!: say which event `", ::core::stringify!($variant), "` is, as in `",
            ::core::stringify!($variant), "(..) = "EVENT_NAME"`"
        ))
    };
    (@wants $event:ident $variant:ident _) => { true };
    (@wants $event:ident $variant:ident notice) => { false };
    (@wants $event:ident $variant:ident $($text:literal)|+) => {
        ::core::matches!($event, $($text)|+)
    };
    (@wants $event:ident $variant:ident $($other:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "own_events!: `", ::core::stringify!($variant), "` is followed by names in quotes \
             with `|` between them, by `notice` or by `_`, and not by `",
            ::core::stringify!($($other)*), "`"
        ))
    };

    (@named $event:ident $frame:ident $name:ident $variant:ident [] $($text:literal)|+) => {
        if ::core::matches!(&*$event, $($text)|+) {
            return ::core::result::Result::Ok($name::$variant);
        }
    };
    (@named $event:ident $frame:ident $name:ident $variant:ident [$($payload:tt)+]
        $($text:literal)|+
    ) => {
        if ::core::matches!(&*$event, $($text)|+) {
            return ::core::result::Result::map($frame.parse(), $name::$variant);
        }
    };
    (@named $($other:tt)*) => {};

    (@other $event:ident $frame:ident $name:ident $variant:ident [] _) => {
        if <Self as $crate::OwnEvent>::wants(&$event) {
            return ::core::result::Result::Ok($name::$variant);
        }
    };
    (@other $event:ident $frame:ident $name:ident $variant:ident [$($payload:tt)+] _) => {
        if <Self as $crate::OwnEvent>::wants(&$event) {
            return ::core::result::Result::Ok($name::$variant(
                <$crate::Frame as ::core::clone::Clone>::clone($frame),
            ));
        }
    };
    (@other $($other:tt)*) => {};

    (@notice $notice:ident $name:ident $variant:ident [$($payload:tt)+] notice) => {
        if <Self as $crate::OwnEvent>::NOTICES {
            return ::core::option::Option::Some($name::$variant($notice));
        }
    };
    (@notice $notice:ident $name:ident $variant:ident [] notice) => {
        ::core::compile_error!(::core::concat!(
            "own_events!: `", ::core::stringify!($variant),
            "` needs a payload, as in `", ::core::stringify!($variant), "(Notice) = notice`"
        ))
    };
    (@notice $($other:tt)*) => {};

    ($($other:tt)*) => {
        ::core::compile_error!(
            "own_events! declares `enum Name { Variant(Payload) = \"EVENT_NAME\", .. }` or \
             `struct Name = \"EVENT_NAME\" { field: Type, .. }`, each with at most one lifetime"
        );
    };
}
