//! Does all that Discord may send reach the user as its type?
//!
//! The traffic is made from a description of the wire that shares nothing with the types: what one
//! of them has wrong, the other shows.

#![cfg(all(feature = "discord", feature = "local-gateway"))]

use std::{collections::BTreeMap, env};

use shardstream::{
    discord::{Discord, Event, EventKind},
    local::Traffic,
    platform::Platform,
};

/// Seeds per event; each makes one frame in each profile.
const SEEDS: u64 = 200;

/// Where seeds begin: chosen by chance and printed, or as the environment says.
fn first_seed() -> u64 {
    let seed = env::var("SHARDSTREAM_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("SHARDSTREAM_SEED={seed}");
    seed
}

/// Decodes a payload, writes the event and reads it again; what went wrong.
fn round_trip(name: &str, data: &str) -> Result<(), String> {
    let event = Discord::decode(name, data).map_err(|error| error.to_string())?;
    if event.kind() != EventKind::from_name(name) || event.kind() == EventKind::Unknown {
        return Err(format!("decoded as {:?}", event.kind()));
    }
    let written = event.data().ok_or("is a notice")?;
    match Discord::decode(name, &written) {
        Ok(again) if again == event => Ok(()),
        Ok(_) => Err("is another event when written and read again".to_owned()),
        Err(error) => Err(format!("written and not read again: {error}")),
    }
}

/// Asserts that all frames of a profile are typed. Names each kind of failure once.
fn all_are_typed(profile: impl Fn(Traffic) -> Traffic) {
    let first = first_seed();
    let mut failed = BTreeMap::<String, (u64, String)>::new();
    let (mut count, mut bad) = (0, 0);
    for name in Traffic::names() {
        for seed in 0..SEEDS {
            let traffic = Traffic::of(name, first.wrapping_add(seed)).expect("a name");
            let event = profile(traffic).next().expect("no end");
            count += 1;
            if let Err(problem) = round_trip(name, event.data()) {
                bad += 1;
                let what = format!("{name}: {problem}");
                let entry = failed.entry(what).or_default();
                entry.0 += 1;
                if entry.1.is_empty() || event.data().len() < entry.1.len() {
                    event.data().clone_into(&mut entry.1);
                }
            }
        }
    }
    println!("{} of {count} typed", count - bad);
    assert_eq!(count, 79 * SEEDS);
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn ordinary_frames_of_every_event_are_typed_and_come_back_equal() {
    all_are_typed(|traffic| traffic);
}

#[test]
fn frames_with_required_fields_only_are_typed_and_come_back_equal() {
    all_are_typed(Traffic::required_only);
}

#[test]
fn frames_with_unknown_fields_and_values_are_typed_and_come_back_equal() {
    all_are_typed(|traffic| traffic.unknown_fields(10).unknown_values(5));
}

#[test]
fn sparse_frames_with_unknown_fields_and_values_are_typed_and_come_back_equal() {
    all_are_typed(|traffic| {
        let traffic = traffic.required_only();
        traffic.unknown_fields(10).unknown_values(5)
    });
}

/// The traces that bots are loaded with.
#[test]
fn every_frame_of_each_trace_is_typed() {
    let seed = first_seed();
    for (trace, count) in [
        (Traffic::mixed(seed), 5000),
        (Traffic::without_presences(seed), 5000),
        (Traffic::start_up(seed), 20),
    ] {
        for event in trace.take(count) {
            let read = Discord::decode(event.name(), event.data());
            let name = event.name();
            assert!(
                matches!(&read, Ok(event) if event.kind().name() == name),
                "{read:?}"
            );
            assert!(!matches!(read, Ok(Event::Unknown(_))), "{name}");
        }
    }
}
