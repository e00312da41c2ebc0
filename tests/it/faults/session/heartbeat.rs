//! Heartbeats, acks, silence, and what must not hold them back.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use shardstream::{
    Cause, Error, ShardId,
    local::{Act, Fault, Moment, Record, Step},
    queue::{Permit, Queue},
};
use tokio::sync::watch;

use super::places::{Place, Player, World, in_both, in_memory, ms, secs, since};

const INTERVAL: Duration = ms(41_250);

/// Waits until the gateway has seen one more heartbeat: when.
async fn next_beat(world: &World, player: &mut Player<'_>) -> Duration {
    let before = world.heartbeats().len();
    for _ in 0..100_000 {
        player.run_for(ms(100)).await;
        if let Some(at) = world.heartbeats().get(before) {
            return *at;
        }
    }
    panic!("no heartbeat");
}

#[test]
fn f67_a_requested_heartbeat_comes_at_once_in_every_state() {
    in_both(async |place: Place| {
        let wait = Step::Wait(place.time(secs(2)));
        let world = place.world().await;
        // Each time the answer is held back until the beat must have come.
        let ask = |at| {
            let steps = [Step::RequestHeartbeat, wait.clone(), Step::Answer];
            Fault::at(at, steps).times(1)
        };
        world.gateway.misbehave_always([
            ask(Moment::Hello),
            ask(Moment::Identify),
            ask(Moment::Resume),
        ]);
        let mut player = world.playing().await;
        world.order([Step::RequestHeartbeat]);
        player.run_for(secs(2)).await;
        world.order([Step::Rst]);
        player.until_notice("resumed").await;
        player.goes_on().await;
        let records = world.seen(|_| true);
        let asked = records
            .iter()
            .enumerate()
            .filter(|(_, seen)| matches!(seen.act, Act::Sent { op: Some(1), .. }));
        let mut answers = Vec::new();
        for (index, asked) in asked {
            let answer = records[index..].iter().find_map(|seen| match seen.act {
                Act::Heartbeat { seq } => Some((seen.at, seq)),
                _ => None,
            });
            let (at, seq) = answer.unwrap();
            world.took(since(asked.at, at), ms(0)..=ms(1));
            answers.push(seq);
        }
        assert_eq!(answers, [None, None, Some(2), Some(2)]);
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f67_a_flood_of_requests_is_answered_once_a_second_within_the_send_limit() {
    in_memory(async |place| {
        // Each request is a record, and none may be forgotten.
        let world = place.world_with(|builder| builder.log_len(200_000)).await;
        let mut player = world.playing().await;
        let before = world.heartbeats().len();
        for _ in 0..100 {
            world.order(vec![Step::RequestHeartbeat; 1000]);
            player.run_for(ms(100)).await;
        }
        let answers = world.heartbeats().len() - before;
        assert!((10..=13).contains(&answers), "{:?}", world.heartbeats());
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f68_an_ack_that_is_missing_in_silence_is_found_eight_seconds_after_its_beat() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        next_beat(&world, &mut player).await;
        let fault = Fault::withhold_acks().times(1);
        world.gateway.misbehave_always([fault]);
        let beat = next_beat(&world, &mut player).await;
        let ended = player.until_ended().await;
        assert_eq!((ended.cause, ended.resumable), (Cause::Silence, true));
        world.took(since(beat, ended.at), secs(8)..=secs(8));
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
    });
}

/// Events every five seconds for so long, or until the connection ends.
async fn with_events(player: &mut Player<'_>, time: Duration) {
    let mut left = time;
    let connections = player.ended().len();
    while left > ms(0) && player.ended().len() == connections {
        let step = left.min(secs(5));
        player.run_for(step).await;
        left -= step;
        if player.ended().len() == connections {
            player.goes_on().await;
        }
    }
}

#[test]
fn f70_events_without_an_ack_are_no_ack() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        next_beat(&world, &mut player).await;
        let fault = Fault::withhold_acks().times(1);
        world.gateway.misbehave_always([fault]);
        let beat = next_beat(&world, &mut player).await;
        with_events(&mut player, INTERVAL * 2).await;
        let ended = player.ended().pop().unwrap();
        assert_eq!((&ended.cause, ended.resumable), (&Cause::MissingAck, true));
        world.took(since(beat, ended.at), INTERVAL..=INTERVAL);
        player.run_for(secs(1)).await;
        player.goes_on().await;
        assert_eq!(player.notices("resumed"), 1);
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f69_an_ack_may_come_until_the_next_beat_is_due_while_events_flow() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.gateway.misbehave_always([Fault::withhold_acks()]);
        for _ in 0..3 {
            let beat = next_beat(&world, &mut player).await;
            let passed = since(beat, world.elapsed());
            with_events(&mut player, ms(41_100).saturating_sub(passed)).await;
            world.order([Step::Ack]);
        }
        assert!(player.ended().is_empty());
        // The last one comes too late: the connection is gone by then, and the session is not.
        let beat = next_beat(&world, &mut player).await;
        with_events(&mut player, INTERVAL + ms(500)).await;
        let ended = player.ended().pop().unwrap();
        assert_eq!(ended.cause, Cause::MissingAck);
        world.took(since(beat, ended.at), INTERVAL..=INTERVAL);
        world.gateway.misbehave_always([]);
        player.run_for(secs(1)).await;
        player.goes_on().await;
        assert_eq!(player.notices("resumed"), 1);
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f69_acks_too_many_are_nothing() {
    in_both(async |place: Place| {
        let world = place.world().await;
        world.gateway.misbehave_always([Fault::duplicate_acks()]);
        let fault = Fault::at(Moment::Identify, [Step::Ack, Step::Ack, Step::Answer]);
        world.gateway.misbehave([fault]);
        let mut player = world.playing().await;
        world.order([Step::Ack, Step::Ack]);
        player.run_for(INTERVAL * 2).await;
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
    });
}

/// Acks that answer no beat are no progress: else a server that says READY, acks at once and
/// closes would be met without backoff.
#[test]
fn f69_acks_that_nobody_asked_for_reset_no_backoff() {
    in_memory(async |place| {
        let world = place.world().await;
        let ready = r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"x"}}"#;
        let steps = [Step::Send(ready.to_owned()), Step::Ack, Step::Close(4006)];
        let fault = Fault::at(Moment::Identify, steps);
        world.gateway.misbehave_always([fault]);
        let mut player = world.player();
        for step in [5, 10, 20, 40] {
            let ended = player.until_ended().await;
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        world.gateway.misbehave_always([]);
        player.until_event("READY").await;
        player.goes_on().await;
    });
}

#[test]
fn f71_silence_is_found_an_interval_and_eight_seconds_after_the_last_message() {
    in_memory(async |place| {
        for n in 0..25 {
            let world = place.world().await;
            let mut player = world.playing().await;
            next_beat(&world, &mut player).await;
            player.run_for(ms(1700) * n).await;
            player.goes_on().await;
            let heard = player.all.last().unwrap().0;
            let beats = world.heartbeats().len();
            // It reads and says no more.
            world.order([Step::Mute]);
            let ended = player.until_ended().await;
            let unacked = world.heartbeats()[beats];
            let silence = heard + INTERVAL + secs(8);
            let (cause, at) = if unacked + INTERVAL < silence {
                (Cause::MissingAck, unacked + INTERVAL)
            } else {
                (Cause::Silence, silence)
            };
            assert_eq!(ended.cause, cause, "{n}");
            world.took(ended.at, at..=at);
            player.until_notice("resumed").await;
            player.goes_on().await;
        }
    });
}

#[test]
fn f71_a_server_that_hangs_is_left_and_the_session_resumed() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let heard = player.all.last().unwrap().0;
        world.order([Step::Hang]);
        let ended = player.until_ended().await;
        assert!(matches!(ended.cause, Cause::Silence | Cause::MissingAck));
        world.took(since(heard, ended.at), INTERVAL..=INTERVAL + secs(8));
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f72_acks_without_events_keep_the_connection_for_days() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        player.run_for(secs(3 * 24 * 3600)).await;
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
        let beats = world.heartbeats();
        for pair in beats.windows(2) {
            world.took(since(pair[0], pair[1]), INTERVAL..=INTERVAL);
        }
        assert!(beats.len() >= 6282, "{}", beats.len());
    });
}

#[test]
fn f73_a_user_who_is_away_loses_nothing_and_the_heart_beats() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.player_with(|config| {
            let mut limits = place.limits();
            limits.buffered_events_max = 32;
            config.limits(limits)
        });
        player.until_event("READY").await;
        player.goes_on().await;
        // More than pipe and buffer hold together.
        world.send(10_000);
        let away = match place {
            Place::Memory => secs(600),
            Place::Sockets => ms(950),
        };
        let before = world.heartbeats().len();
        tokio::time::sleep(away).await;
        let beats = world.heartbeats().split_off(before);
        match place {
            Place::Memory => assert!((14..=15).contains(&beats.len()), "{beats:?}"),
            Place::Sockets => assert!((1..=3).contains(&beats.len()), "{beats:?}"),
        }
        player.goes_on().await;
        player.run_for(secs(1)).await;
        assert_eq!(world.connects().len(), 1);
        assert_eq!(player.notices("slow_consumer"), 1);
        assert_eq!(player.notices("reading_resumed"), 1);
        assert_eq!(player.shard.status().counters.duplicates, 0);
    });
}

/// Goal: while reading is paused no ack is missed, and afterwards a missing one gets its whole time
/// anew. Method: the server acks nothing any more, and the user comes back between two beats.
#[test]
fn f73_the_ack_deadline_starts_again_when_the_user_comes_back() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.player_with(|config| {
            let mut limits = place.limits();
            limits.buffered_events_max = 32;
            config.limits(limits)
        });
        player.until_event("READY").await;
        player.goes_on().await;
        next_beat(&world, &mut player).await;
        world.send(10_000);
        world.gateway.misbehave_always([Fault::withhold_acks()]);
        let is_beat = |seen: &Record| matches!(seen.act, Act::Heartbeat { .. });
        let nth = world.heartbeats().len() + 3;
        world.gateway.wait_for_nth(nth, is_beat).await.unwrap();
        tokio::time::sleep(secs(20)).await;
        let back = world.elapsed();
        let ended = player.until_ended().await;
        assert_eq!((ended.cause, ended.resumable), (Cause::Silence, true));
        let time = INTERVAL + secs(8);
        world.took(since(back, ended.at), time..=time);
        world.gateway.misbehave_always([]);
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
    });
}

/// Gives no permit before it is told to.
#[derive(Debug)]
struct Exhausted(watch::Receiver<bool>);

impl Queue for Exhausted {
    fn acquire(&self, _: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let mut open = self.0.clone();
        Box::pin(async move {
            // The sender outlives the test.
            let _open = open.wait_for(|open| *open).await;
            Ok(Permit::new(|| {}, || {}))
        })
    }
}

#[test]
fn f74_the_heart_beats_while_the_identify_queue_is_exhausted() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let (open, exhausted) = watch::channel(false);
        let queue = Arc::new(Exhausted(exhausted));
        let mut player = world.player_with(|config| config.queue(queue));
        let wait = match place {
            Place::Memory => secs(24 * 3600),
            Place::Sockets => secs(90),
        };
        player.run_for(wait).await;
        let beats = world.heartbeats();
        for pair in beats.windows(2) {
            world.took(since(pair[0], pair[1]), INTERVAL..=INTERVAL);
        }
        assert!(beats.len() >= 2, "{beats:?}");
        assert_eq!((world.connects().len(), world.identifies().len()), (1, 0));
        open.send_replace(true);
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f74_the_heart_beats_on_time_while_the_send_limit_is_exhausted() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let sender = player.shard.sender();
        // Ten minutes of more commands than may be sent, and requests for heartbeats on top.
        for _ in 0..600 {
            while sender.try_send_payload(8, &0).is_ok() {}
            world.order([Step::RequestHeartbeat]);
            player.run_for(secs(1)).await;
        }
        assert_eq!(world.connects().len(), 1, "never more than 120 in 60 s");
        let commands = world.times(|act| matches!(act, Act::Command { .. }));
        assert!(commands.len() >= 500, "{}", commands.len());
        for pair in world.heartbeats().windows(2) {
            assert!(since(pair[0], pair[1]) <= INTERVAL + ms(20), "{pair:?}");
        }
        player.goes_on().await;
    });
}

#[test]
fn f75_thirty_seconds_without_the_runtime_cost_no_connection_and_bring_no_burst() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        for _ in 0..50 {
            let before = world.heartbeats().len();
            tokio::time::advance(secs(30)).await;
            player.run_for(ms(100)).await;
            let beats = world.heartbeats().len() - before;
            assert!(beats <= 1, "{beats}");
            player.goes_on().await;
        }
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f75_hours_of_sleep_bring_at_most_one_beat_before_the_link_is_judged() {
    in_memory(async |place| {
        for asleep in [secs(60), secs(3600), secs(24 * 3600)] {
            let world = place
                .world_with(|builder| {
                    builder
                        .heartbeat_deadline(false)
                        .resume_window(secs(48 * 3600))
                })
                .await;
            let mut player = world.playing().await;
            next_beat(&world, &mut player).await;
            let before = world.heartbeats().len();
            // What came during the sleep is read before anything is judged.
            world.send(1);
            tokio::time::advance(asleep).await;
            player.run_for(ms(500)).await;
            let beats = world.heartbeats().len() - before;
            assert!(beats <= 1, "{beats} after {asleep:?}");
            assert_eq!(world.connects().len(), 1, "{asleep:?}");
            player.goes_on().await;
            // And a link that is really dead is found dead.
            world.order([Step::Hang]);
            tokio::time::advance(asleep).await;
            player.until_notice("resumed").await;
            player.goes_on().await;
        }
    });
}

/// Goal: a process that stood still for longer than a link may be silent reads first what came
/// meanwhile. Method: the gateway has threads of its own, and ours sleeps.
#[test]
fn f75_a_process_that_stood_still_reads_before_it_judges() {
    let ours = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let theirs = tokio::runtime::Runtime::new().unwrap();
    ours.block_on(async {
        let place = Place::Sockets;
        let gateway = theirs.spawn(async move { place.gateway().start().await });
        let world = World::new(place, gateway.await.unwrap().unwrap());
        let mut player = world.playing().await;
        next_beat(&world, &mut player).await;
        world.order([Step::Wait(ms(600)), Step::Ack]);
        let before = world.heartbeats().len();
        std::thread::sleep(ms(700));
        // Everything was due: a beat, an ack, an end to the silence.
        player.goes_on().await;
        player.run_for(secs(5)).await;
        let beats = world.heartbeats().len() - before;
        // The second where a busy machine takes its time; bursts are looked for in paused time.
        assert!((1..=2).contains(&beats), "{beats}");
        assert_eq!(world.connects().len(), 1);
    });
    theirs.shutdown_background();
}
