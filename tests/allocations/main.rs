//! How often does an event touch the allocator? Counted, not timed.
//!
//! The whole client runs on the test's thread, where allocations are counted: socket, inflate,
//! rules, hand-over, decoding. The server runs on another. It has written everything before the
//! count begins, so that every run counts the same.
#![cfg(all(feature = "discord", feature = "zlib-rs"))]

mod server;

use std::{borrow::Cow, sync::Arc};

use allocation_counter::{AllocationInfo, measure};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use shardstream::{
    Compression, Config, Id, Intents, Message, Shard, ShardId,
    discord::Event,
    local::{self, Traffic},
    own_events,
    queue::LocalQueue,
};
use tokio::runtime::{Builder, Runtime};

use server::{Pipe, Server};

const EVENTS: usize = 8_000;

/// So often, of a hundred, an event comes to a bot with all intents. The frames are of the shape
/// and length that most have, not the fullest that may be.
const MIX: &[(&str, usize)] = &[
    ("MESSAGE_CREATE", 30),
    ("PRESENCE_UPDATE", 30),
    ("TYPING_START", 14),
    ("VOICE_STATE_UPDATE", 8),
    ("MESSAGE_REACTION_ADD", 6),
    ("MESSAGE_UPDATE", 4),
    ("MESSAGE_DELETE", 2),
    ("GUILD_MEMBER_ADD", 2),
    ("GUILD_CREATE", 1),
    ("CHANNEL_UPDATE", 1),
    ("INTERACTION_CREATE", 1),
    ("A_NEW_EVENT_NOBODY_KNOWS", 1),
];

#[derive(Deserialize)]
struct Line<'a> {
    t: &'a str,
    #[serde(borrow)]
    d: &'a RawValue,
}

/// The events of the trace, without their envelopes' numbers, evenly mixed.
fn trace() -> Vec<(String, String)> {
    let lines = include_str!("../../examples/frames/harbour.jsonl").lines();
    let line = |line| serde_json::from_str(line).expect("a name and data");
    let lines: Vec<Line<'_>> = lines.map(line).collect();
    let of = |name: &str| -> Vec<&Line<'_>> {
        let mut found = lines.iter().collect::<Vec<_>>();
        found.retain(|line| line.t == name);
        assert!(!found.is_empty(), "{name}");
        found
    };
    let hundred: usize = MIX.iter().map(|(_, share)| share).sum();
    assert_eq!(hundred, 100);
    let mut mixed = Vec::new();
    for (name, share) in MIX {
        let found = of(name);
        for n in 0..*share {
            // Its place among the hundred, so that none comes in a row.
            let place = (2 * n + 1) * 100 / (2 * share);
            let data = found[n % found.len()].d.get().to_owned();
            mixed.push((place, (*name).to_owned(), data));
        }
    }
    mixed.sort_by_key(|(place, ..)| *place);
    let hundred = mixed.into_iter().map(|(_, name, data)| (name, data));
    hundred.cycle_to(EVENTS)
}

trait CycleTo: Iterator {
    fn cycle_to(self, len: usize) -> Vec<Self::Item>;
}

impl<I: Iterator<Item: Clone>> CycleTo for I {
    fn cycle_to(self, len: usize) -> Vec<I::Item> {
        let once: Vec<_> = self.collect();
        once.iter().cycle().take(len).cloned().collect()
    }
}

/// A third presences, a fifth messages, the fullest that come among them, by chance from a seed.
fn mixed() -> Vec<(String, String)> {
    let each = |event: local::Event| (event.name().to_owned(), event.data().to_owned());
    Traffic::mixed(7).take(EVENTS).map(each).collect()
}

/// A name, and what makes it: names and payloads of events.
type Trace = (&'static str, fn() -> Vec<(String, String)>);

const TRACES: [Trace; 2] = [("harbour", trace), ("mixed", mixed)];

/// A shard that has had READY, with the whole trace before it.
fn shard(compression: Compression) -> (Runtime, Shard, Server) {
    shard_before(compression, trace())
}

fn shard_before(
    compression: Compression,
    events: Vec<(String, String)>,
) -> (Runtime, Shard, Server) {
    let (client, server) = Server::start(compression, events);
    let config = Config::builder("any token", Intents::all())
        .compression(compression)
        .gateway_url("ws://127.0.0.1:1")
        .dialler(Arc::new(Pipe::new(client)))
        // Of its own: nobody waits for the identify of another test.
        .queue(Arc::new(LocalQueue::new()))
        .build();
    let mut shard = Shard::with_config(ShardId::ONE, config.expect("a configuration"));
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let ready = async {
        loop {
            let message = shard.next_message().await.expect("READY");
            if matches!(message, Message::Frame(_)) {
                break;
            }
        }
    };
    runtime.block_on(ready);
    server.serve();
    (runtime, shard, server)
}

/// Counts what `take` does on the trace, by event, and shows it.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn per_event(what: &str, events: usize, counted: AllocationInfo) -> f64 {
    let each = counted.count_total as f64 / events as f64;
    println!("allocations | {what:<44} | {each:.4} an event");
    each
}

const COMPRESSIONS: [Compression; 2] = [Compression::None, Compression::Zlib];

/// Each trace with each compression.
fn runs() -> impl Iterator<Item = (Trace, Compression)> {
    let each = |trace| COMPRESSIONS.map(|compression| (trace, compression));
    TRACES.into_iter().flat_map(each)
}

#[test]
fn an_event_is_at_most_64_bytes() {
    assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
}

#[test]
fn a_typed_event_takes_at_most_6_allocations() {
    for ((name, trace), compression) in runs() {
        let (runtime, mut shard, _server) = shard_before(compression, trace());
        let counted = measure(|| {
            runtime.block_on(async {
                for _ in 0..EVENTS {
                    shard.next_event().await.expect("an event");
                }
            });
        });
        let what = format!("typed, {name}, {compression:?}");
        let each = per_event(&what, EVENTS, counted);
        // Where simd-json is built in, an event is first read into its own list of values.
        let is_simd_json = cfg!(feature = "simd-json") && name == "mixed";
        assert!(each <= if is_simd_json { 7.5 } else { 6.0 }, "{each}");
    }
}

#[test]
fn a_raw_frame_takes_at_most_a_twentieth_of_an_allocation() {
    for ((name, trace), compression) in runs() {
        let (runtime, mut shard, _server) = shard_before(compression, trace());
        let mut len = 0;
        let counted = measure(|| {
            runtime.block_on(async {
                for _ in 0..EVENTS {
                    if let Ok(Message::Frame(frame)) = shard.next_message().await {
                        len += frame.data().len() + frame.event_name().expect("a name").len();
                    }
                }
            });
        });
        assert!(len > EVENTS * 300, "{len}");
        let each = per_event(&format!("raw, {name}, {compression:?}"), EVENTS, counted);
        assert!(each <= 0.05, "{each}");
    }
}

#[test]
fn a_raw_frame_is_forwarded_with_no_allocation_of_its_own() {
    for compression in COMPRESSIONS {
        let (runtime, mut shard, _server) = shard(compression);
        let mut forwarded = Vec::with_capacity(EVENTS);
        let counted = measure(|| {
            runtime.block_on(async {
                for _ in 0..EVENTS {
                    if let Ok(Message::Frame(frame)) = shard.next_message().await {
                        forwarded.push(frame.into_bytes());
                        // Sent: what is forwarded does not stay.
                        if forwarded.len() == 16 {
                            forwarded.clear();
                        }
                    }
                }
            });
        });
        let each = per_event(&format!("raw, as bytes, {compression:?}"), EVENTS, counted);
        assert!(each <= 0.1, "{each}");
    }
}

own_events! {
    /// Five fields, borrowed.
    #[derive(Deserialize)]
    struct Said<'a> = "MESSAGE_CREATE" | "MESSAGE_UPDATE" {
        id: Id<()>,
        channel_id: Id<()>,
        guild_id: Option<Id<()>>,
        #[serde(borrow)]
        content: Cow<'a, str>,
        timestamp: &'a str,
    }
}

#[test]
fn an_own_borrowed_event_of_five_fields_takes_at_most_half_an_allocation() {
    let is_said =
        |(name, _): &(String, String)| name == "MESSAGE_CREATE" || name == "MESSAGE_UPDATE";
    for ((name, trace), compression) in runs() {
        let trace = trace();
        let events = trace.iter().filter(|event| is_said(event)).count();
        let (runtime, shard, _server) = shard_before(compression, trace);
        let mut shard = shard.typed::<Said<'_>>();
        let mut len = 0;
        let counted = measure(|| {
            runtime.block_on(async {
                for _ in 0..events {
                    let said = shard.next_event().await.expect("an event");
                    assert!(said.id.get() > 0 && said.channel_id.get() > 0);
                    len += said.content.len() + said.timestamp.len();
                    len += usize::from(said.guild_id.is_some());
                }
            });
        });
        assert!(len > events * 40, "{len}");
        let each = per_event(&format!("own, {name}, {compression:?}"), events, counted);
        assert!(each <= 0.5, "{each}");
    }
}

#[test]
fn an_owned_event_from_the_stream_takes_only_what_it_owns() {
    own_events! {
        enum Own { Typing(Typing) = "TYPING_START" }
    }
    #[derive(Deserialize)]
    struct Typing {
        user_id: Id<()>,
    }
    let events = trace()
        .iter()
        .filter(|(name, _)| name == "TYPING_START")
        .count();
    let (runtime, shard, _server) = shard(Compression::Zlib);
    let mut shard = shard.typed::<Own>();
    let counted = measure(|| {
        runtime.block_on(async {
            for _ in 0..events {
                let Some((_, Ok(Own::Typing(typing)))) = shard.next().await else {
                    panic!("an event")
                };
                assert!(typing.user_id.get() > 0);
            }
        });
    });
    let each = per_event("own, owned ids", events, counted);
    assert!(each <= 0.5, "{each}");
}

#[test]
fn one_kept_frame_keeps_at_most_64_kib() {
    for compression in COMPRESSIONS {
        let mut kept = Vec::new();
        let (runtime, mut shard, server) = shard(compression);
        runtime.block_on(async {
            for n in 0..EVENTS {
                // Few enough that no two are of one buffer.
                if let Ok(Message::Frame(frame)) = shard.next_message().await
                    && n % 997 == 0
                {
                    kept.push(frame);
                }
            }
        });
        drop((shard, runtime, server));
        assert_eq!(kept.len(), EVENTS.div_ceil(997));
        for (n, frame) in kept.into_iter().enumerate() {
            let len = frame.text().len();
            // Half of them as bytes.
            let freed = if n % 2 == 0 {
                measure(|| drop(frame))
            } else {
                let bytes = frame.into_bytes();
                measure(|| drop(bytes))
            };
            let pinned = -freed.bytes_current;
            println!("allocations | one frame of {len:>5} bytes keeps {pinned:>6}");
            assert!(pinned >= i64::try_from(len).expect("a length"));
            assert!(pinned <= 64 << 10, "{pinned}");
        }
    }
}
