//! What comes from a gateway in this very process? Events by chance, and trouble.

use std::time::Duration;

use shardstream::{
    ShardId,
    local::{Builder, Fault, Gateway, Step, Traffic},
};

/// The shortest interval of heartbeats that a shard accepts.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The time of a shard to identify; the platforms' is 5 s.
pub(crate) const IDENTIFY_WINDOW: Duration = Duration::from_millis(400);

/// A gateway for so many shards.
pub(crate) fn gateway(shards: u32) -> Builder {
    Gateway::builder()
        .shards(shards)
        .max_concurrency(8)
        .heartbeat_interval(HEARTBEAT)
        // Its clock may see two identifies closer together than they were sent.
        .identify_window(IDENTIFY_WINDOW / 10)
        .session_starts(1000, 870)
        .log_events(false)
        .log_len(100)
        .replay_len(1000)
}

/// Sends events, and makes trouble for a shard now and then. Never ends.
pub(crate) async fn blow(gateway: &Gateway, shards: u32) {
    let ids: Vec<_> = (0..shards)
        .filter_map(|number| ShardId::new(number, shards))
        .collect();
    for id in &ids {
        gateway.misbehave_shard(*id, slow_acks());
    }
    let mut events = Traffic::without_presences(fastrand::u64(..));
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut beat = 0;
    loop {
        tick.tick().await;
        for _ in 0..fastrand::u32(0..=shards / 4 + 1) {
            if let (Some(id), Some(event)) = (fastrand::choice(&ids), events.next()) {
                gateway.send_event(*id, event);
            }
        }
        // All is well until all have identified, and for four seconds more.
        beat += u64::from(gateway.stats().identifies >= u64::from(shards));
        if beat > 200
            && beat % 15 == 0
            && let Some(id) = fastrand::choice(&ids)
        {
            trouble(gateway, *id);
        }
    }
}

/// Acks that take their time, each another one.
fn slow_acks() -> Vec<Fault> {
    let base = fastrand::u64(8..60);
    let late = |_| Fault::late_acks(Duration::from_millis(base + fastrand::u64(0..base))).times(1);
    (0..600).map(late).collect()
}

fn trouble(gateway: &Gateway, id: ShardId) {
    let mut next = slow_acks();
    let steps = match fastrand::u32(0..40) {
        0..12 => vec![Step::Rst],
        12..17 => vec![Step::Close(4000)],
        17..25 => vec![Step::Reconnect],
        25..28 => vec![Step::InvalidSession(true)],
        // Costs an identify.
        28 => vec![Step::InvalidSession(false)],
        // The heartbeats of the next connection find no answer.
        29..33 => {
            next = vec![Fault::withhold_acks()];
            vec![Step::Fin]
        }
        // The server is away for a while.
        33..37 => {
            gateway.misbehave([Fault::http(503, &[], "")]);
            gateway.misbehave([Fault::http(503, &[], "")]);
            vec![Step::Rst]
        }
        // Nothing comes any more, though the connection stays.
        _ => vec![Step::Mute],
    };
    gateway.misbehave_shard(id, next);
    gateway.order(id, steps);
}
