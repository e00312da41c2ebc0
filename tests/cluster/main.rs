//! Do shards survive the machine they run on? Nodes and workers as processes, a NATS server of its
//! own for each test, a gateway that never stops sending, and faults: nothing is lost, nothing
//! comes twice, each shard in order, no identify too many.
//!
//! Skipped, with a message, where there is no `nats-server`. `SHARDSTREAM_CLUSTER_SEEDS=100` runs
//! as many random schedules (5 by default), `SHARDSTREAM_CLUSTER_SEED=7` that one alone.

mod broker;
mod dropped;
mod process;
mod throughput;
mod world;

use std::{thread::sleep, time::Duration};

use fastrand::Rng;

use self::world::{World, turn};

const SHARDS: u32 = 12;
const LEASE: Duration = Duration::from_secs(1);

/// What a takeover may take beyond the lease.
const TAKEOVER: Duration = Duration::from_secs(5);

#[test]
#[ignore = "a process that the other tests start"]
fn the_node_process() {
    process::run_node();
}

#[test]
#[ignore = "a process that the other tests start"]
fn the_direct_process() {
    throughput::run_direct();
}

#[test]
#[ignore = "a process that the other tests start"]
fn the_worker_process() {
    process::run_worker();
}

/// The NATS server's program, or a word that the test is skipped.
fn program() -> Option<&'static str> {
    let program = broker::program();
    if program.is_none() {
        eprintln!("cluster | skipped: there is no nats-server (Debian: apt install nats-server)");
    }
    program
}

#[test]
fn the_shards_of_a_killed_node_are_resumed_by_the_others_in_time() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let mut world = World::start(program, 3);
    sleep(LEASE);
    let before = world.stats();
    world.nodes[0].kill();
    let took = world.wait_until_all_flow();
    world.say(&format!("all flows {took:.1?} after the end of a node"));
    assert!(took < LEASE + TAKEOVER, "{took:?}");
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
    assert!(after.resumed > before.resumed, "nothing was resumed");
}

/// Goal: of two that both believe to own a shard, the one that has lost it notices before it sends
/// anything. Method: a node that stands still while the others take its shards over, and goes on.
#[test]
fn a_node_that_stood_still_for_three_leases_is_fenced_and_joins_anew() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let world = World::start(program, 3);
    sleep(LEASE);
    let before = world.stats();
    world.stand_still(1);
    world.wait_until_all_flow();
    // Twelve were taken over once, and moved back in part.
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
    assert!(after.resumed > before.resumed, "nothing was resumed");
}

#[test]
fn a_broker_that_is_killed_and_restarted_with_its_store_loses_and_repeats_nothing() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let mut world = World::start(program, 3);
    sleep(LEASE);
    let before = world.stats();
    world.restart_broker(LEASE / 2);
    world.wait_until_all_flow();
    let short = world.stats();
    assert_eq!(short.resumes, before.resumes, "a connection was not kept");
    // Longer than any lease: nobody may act, and nobody has lost anything.
    world.restart_broker(3 * LEASE);
    world.wait_until_all_flow();
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
}

#[test]
fn a_node_that_is_cut_off_from_the_broker_loses_its_shards_to_the_others() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let world = World::start(program, 3);
    sleep(LEASE);
    let before = world.stats();
    world.cut_off(2);
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
    assert!(after.resumed > before.resumed, "nothing was resumed");
}

/// Goal: who joins gets its share and no more is moved; all nodes can be replaced one by one. And
/// one node is a cluster like any other.
#[test]
fn nodes_join_and_are_replaced_one_by_one_without_an_identify() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let mut world = World::start(program, 1);
    sleep(LEASE);
    let before = world.stats();
    world.add_node();
    world.wait_for_resumes(before.resumed + u64::from(SHARDS) / 2);
    world.wait_until_all_flow();
    let joined = world.stats();
    assert_eq!(
        joined.resumed - before.resumed,
        u64::from(SHARDS) / 2,
        "moved"
    );
    world.roll();
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
}

#[test]
fn random_schedules_of_faults_lose_and_repeat_nothing() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SHARDSTREAM_CLUSTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SHARDSTREAM_CLUSTER_SEEDS").unwrap_or(5),
    };
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::start(program, 3);
        world.say(&format!("seed {seed} (SHARDSTREAM_CLUSTER_SEED={seed})"));
        sleep(LEASE);
        let before = world.stats();
        for _ in 0..3 {
            let node = rng.usize(..world.nodes.len());
            match rng.u8(..6) {
                0 => {
                    world.say(&format!("kill and replace node {node}"));
                    world.nodes[node].kill();
                    sleep(rng_up_to(&mut rng, 2 * LEASE));
                    world.replace_node(node);
                }
                1 => world.stand_still(node),
                2 => world.restart_broker(rng_up_to(&mut rng, 2 * LEASE)),
                3 => world.cut_off(node),
                4 if world.nodes.len() < 4 => world.add_node(),
                _ => {
                    world.say(&format!("node {node} leaves and comes back"));
                    world.nodes[node].leave();
                    world.replace_node(node);
                }
            }
            sleep(rng_up_to(&mut rng, LEASE));
            // Another fault comes sometimes before the last is over.
            if rng.bool() {
                world.wait_until_all_flow();
            }
        }
        world.wait_until_all_flow();
        let after = world.finish();
        assert_eq!(
            after.identifies, before.identifies,
            "seed {seed}: identified anew"
        );
    }
}

fn rng_up_to(rng: &mut Rng, most: Duration) -> Duration {
    most.mul_f64(rng.f64())
}

/// Method: each public future is dropped at its first poll, at its second and so on, until one is
/// done; nodes and workers, which are never done, at polls ever further apart.
#[test]
fn futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let world = World::start(program, 1);
    sleep(LEASE);
    let before = world.stats();
    world.drop_futures();
    world.wait_until_all_flow();
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
}

/// Goal: an entry that anybody wrote is reported and treated as absent, while all goes on. Method:
/// garbage in the place of each kind of entry, and a member that never was.
#[test]
fn corrupt_entries_cost_nothing_but_a_resume() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let world = World::start(program, 2);
    sleep(LEASE);
    let before = world.stats();
    world.spoil(&[
        "session.3",
        "node.item.4",
        "node.member.ghost",
        "identify",
        "bot",
    ]);
    sleep(LEASE);
    world.wait_until_all_flow();
    let after = world.finish();
    assert_eq!(after.identifies, before.identifies, "identified anew");
    let moved = after.resumed - before.resumed;
    assert!((1..=SHARDS.into()).contains(&moved), "{moved}");
}

#[test]
fn commands_of_workers_are_sent_by_the_owner_of_the_shard() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    let world = World::start(program, 2);
    world.send_commands();
    world.finish();
}

/// Not a test: what a broker costs. `cargo test --release --features nats --test cluster
/// throughput -- --ignored --nocapture` prints it.
#[test]
#[ignore = "measures; see the guide"]
fn throughput() {
    let (Some(program), _turn) = (program(), turn()) else {
        return;
    };
    throughput::measure(program);
}

#[test]
fn a_broker_that_is_absent_is_an_error_that_says_what_to_start() {
    let error = world::refused("nats://127.0.0.1:1");
    assert!(error.contains("nats-server -js"), "{error}");
    let Some(program) = program() else {
        return;
    };
    let plain = broker::Broker::without_jetstream(program);
    let error = world::refused(&plain.url());
    assert!(error.contains("nats-server -js"), "{error}");
}
