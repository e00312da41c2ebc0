//! Whole lives of a shard against the model gateway.

use std::time::Duration;

use super::{
    bench::secs,
    world::{Fault, World},
};
use crate::{notice::Notice, session::chance::Chance};

/// Every event exactly once and in order, and nothing that the server holds against us.
fn check(world: &mut World, what: &str) {
    world.fall_silent();
    let numbers: Vec<_> = world.delivered.iter().map(|(number, _)| *number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{what}: doubled or out of order"
    );
    let missing = world.missing();
    assert!(missing.is_empty(), "{what}: lost {missing:?}");
    assert!(
        world.gateway.violations.is_empty(),
        "{what}: {:?}",
        world.gateway.violations
    );
}

#[test]
fn a_quiet_day_is_one_connection_and_one_identify() {
    let mut world = World::new(1);
    world.run(secs(86_400));
    check(&mut world, "a quiet day");
    assert_eq!(
        (world.connects.len(), world.gateway.identifies.len()),
        (1, 1)
    );
    // One beat an interval, and the first within one.
    let beats = 86_400_000 / super::gateway::HEARTBEAT_MS;
    assert!((beats - 1..=beats + 1).contains(&world.gateway.heartbeats));
    assert!(world.delivered.len() > 5000);
}

#[test]
fn a_thousand_cuts_in_a_row_lose_and_double_nothing() {
    let mut world = World::new(2);
    let mut chance = Chance::new(3);
    world.pace = Duration::from_millis(40);
    world.run(secs(5));
    for _ in 0..1000 {
        world.fault(Fault::Cut);
        world.run(chance.between(Duration::ZERO, secs(12)));
    }
    world.run(secs(120));
    check(&mut world, "a thousand cuts");
    assert_eq!(
        world.gateway.identifies.len(),
        1,
        "every session was resumed"
    );
    assert!(world.is_active());
    println!(
        "1000 cuts: {} events delivered, {} replayed, 0 lost, 0 doubled, {} resumes",
        world.delivered.len(),
        world
            .delivered
            .iter()
            .filter(|(_, replayed)| *replayed)
            .count(),
        world.gateway.resumes,
    );
}

/// Goal: whatever the server does, the shard comes back and loses nothing that it could keep.
/// Method: random faults, then two quiet hours, for many seeds.
#[test]
fn after_any_faults_the_shard_is_active_again_and_lost_nothing_it_could_keep() {
    const FAULTS: [Fault; 13] = [
        Fault::Cut,
        Fault::Refuse(3),
        Fault::Blackhole,
        Fault::NoAcks,
        Fault::Send(r#"{"op":7,"d":null}"#),
        Fault::Send(r#"{"op":9,"d":true}"#),
        Fault::Send(r#"{"op":1,"d":null}"#),
        Fault::Send(r#"{"op":11}"#),
        Fault::Send(r#"{"op":10,"d":{"heartbeat_interval":41250}}"#),
        Fault::Close(1000),
        Fault::Close(4000),
        Fault::Close(4008),
        Fault::Invalidate,
    ];
    for seed in 0..300 {
        let mut world = World::new(seed);
        let mut chance = Chance::new(seed ^ 0xfa);
        for _ in 0..60 {
            world.run(chance.between(Duration::ZERO, secs(200)));
            let index = chance.between(Duration::ZERO, secs(FAULTS.len() as u64));
            let index = usize::try_from(index.as_secs()).expect("small");
            world.fault(FAULTS[index.min(FAULTS.len() - 1)]);
        }
        world.run(secs(7200));
        world.fall_silent();
        assert!(
            world.is_active(),
            "seed {seed}: {:?}",
            world.session.state()
        );
        let lost = |notice: &&Notice| matches!(notice, Notice::SessionLost { .. });
        let lost = world.notices.iter().filter(lost).count();
        let invalid = world
            .gateway
            .sessions
            .iter()
            .filter(|one| one.invalid)
            .count();
        assert_eq!(
            lost, invalid,
            "seed {seed}: a notice for each lost session and no other"
        );
        let numbers: Vec<_> = world.delivered.iter().map(|(number, _)| *number).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "seed {seed}"
        );
        // What a forgotten session held undelivered is gone; nothing else may be.
        let kept = world.gateway.sessions.iter().filter(|one| !one.invalid);
        for number in kept.flat_map(|one| one.events.iter().flatten()) {
            assert!(
                numbers.binary_search(number).is_ok(),
                "seed {seed}: lost {number}"
            );
        }
        let violations: Vec<_> = world.gateway.violations.iter().collect();
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    }
}

#[test]
fn a_dead_link_is_found_within_the_interval_and_eight_seconds() {
    let interval = Duration::from_millis(super::gateway::HEARTBEAT_MS);
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.run(secs(100));
        world.fault(Fault::Blackhole);
        let connects = world.connects.len();
        // The quick return and the dial come on top.
        world.run(interval + secs(8) + Duration::from_millis(500 + 200));
        assert_eq!(world.connects.len(), connects + 1, "seed {seed}");
    }
}

#[test]
fn an_outage_of_six_hours_is_followed_by_a_resume() {
    let mut world = World::new(9);
    world.run(secs(600));
    world.fault(Fault::Refuse(400));
    world.fault(Fault::Cut);
    world.run(secs(21_600));
    let tries = 400 - world.connects.len();
    assert!(tries < 800, "{tries}");
    world.fault(Fault::Refuse(0));
    world.run(secs(90));
    assert!(world.is_active());
    check(&mut world, "an outage");
    assert_eq!(world.gateway.identifies.len(), 1);
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let life = |seed| {
        let mut world = World::new(seed);
        for _ in 0..20 {
            world.run(secs(300));
            world.fault(Fault::Cut);
        }
        (world.log, world.steps)
    };
    for seed in 0..20 {
        assert_eq!(life(seed), life(seed));
    }
    assert_ne!(life(1), life(2));
}
