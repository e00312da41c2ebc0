//! From IDENTIFY to READY.

use std::time::Duration;

use shardstream::{
    Cause,
    local::{Act, Fault, Moment, Step},
};

use super::places::{Ended, Place, World, in_both, in_memory, most_within, ms, secs, since};

/// From the first IDENTIFY on a connection to the close frame that ended it.
fn patiences(world: &World) -> Vec<Duration> {
    let begun = world.seen(|act| matches!(act, Act::Identify { .. }));
    let ends = world.seen(|act| matches!(act, Act::Close { .. }));
    begun
        .iter()
        .filter_map(|begun| {
            let end = ends.iter().find(|end| end.connection == begun.connection)?;
            Some(since(begun.at, end.at))
        })
        .collect()
}

#[test]
fn f55_ready_is_awaited_for_30_seconds_and_then_ever_longer() {
    in_memory(async |place| {
        let world = place.world().await;
        world.gateway.misbehave_always([Fault::no_ready().times(5)]);
        let mut player = world.player();
        for step in [5, 10, 20, 40, 80] {
            let ended = player.until_ended().await;
            assert_eq!((&ended.cause, ended.resumable), (&Cause::NoReady, false));
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        player.until_event("READY").await;
        player.goes_on().await;
        let patiences = patiences(&world);
        assert_eq!(patiences.len(), 5);
        for (took, expected) in patiences.into_iter().zip([30, 60, 120, 120, 120]) {
            world.took(took, secs(expected)..=secs(expected));
        }
        assert_eq!(world.identifies().len(), 6);
        // After a READY the patience is that of the beginning.
        world.gateway.end_sessions(shardstream::ShardId::ONE);
        world.gateway.misbehave_always([Fault::no_ready().times(1)]);
        world.order([Step::Rst]);
        player.until(|got| got.is_event("READY")).await;
        let again = self::patiences(&world);
        assert_eq!(again.len(), 6);
        world.took(again[5], secs(30)..=secs(30));
    });
}

#[test]
fn f55_without_ready_the_shard_identifies_again() {
    in_both(async |place: Place| {
        let world = place.world().await;
        world.gateway.misbehave([Fault::no_ready()]);
        let mut player = world.player();
        let ended = player.until_ended().await;
        assert_eq!((&ended.cause, ended.resumable), (&Cause::NoReady, false));
        player.waits(&ended, ms(2500)..=secs(5));
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 2);
        assert!(world.resumes().is_empty());
        assert_eq!(player.notices("session_lost"), 0);
    });
}

#[test]
fn f55_ready_at_29_seconds_is_in_time() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let late = place.time(secs(29));
        // A busy machine may take longer than what is left.
        let late = if place == Place::Memory {
            late
        } else {
            late / 2
        };
        let fault = Fault::at(Moment::Identify, [Step::Wait(late), Step::Answer]);
        world.gateway.misbehave([fault]);
        let mut player = world.player();
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f55_ready_without_a_session_id_is_no_ready() {
    in_both(async |place: Place| {
        let with = |value| Fault::ready_with("session_id", value);
        for fault in [
            Fault::ready_without("session_id"),
            with("null"),
            with("7"),
            with("\"\""),
            with("{}"),
        ] {
            let world = place.world().await;
            world.gateway.misbehave([fault.clone()]);
            let mut player = world.player();
            let ended = player.until_ended().await;
            assert_eq!(
                (&ended.cause, ended.resumable),
                (&Cause::BadReady, false),
                "{fault:?}"
            );
            player.waits(&ended, ms(2500)..=secs(5));
            player.until_event("READY").await;
            player.goes_on().await;
            let names: Vec<_> = player.events().map(|(name, _)| name).collect();
            assert_eq!(names, ["READY", "E1"], "{fault:?}");
            assert_eq!(world.identifies().len(), 2);
        }
    });
}

#[test]
fn f55_ready_without_a_usable_resume_url_costs_no_session() {
    in_both(async |place: Place| {
        let with = |value| Fault::ready_with("resume_gateway_url", value);
        for fault in [
            Fault::ready_without("resume_gateway_url"),
            with("null"),
            with("7"),
            with("\"\""),
            with("\"wss://evil.example\""),
            with("[\"ws://127.0.0.1\"]"),
        ] {
            let world = place.world().await;
            world.gateway.misbehave([fault.clone()]);
            let mut player = world.playing().await;
            world.order([Step::Rst]);
            world.send(2);
            let ended = player.until_ended().await;
            assert!(ended.resumable, "{fault:?}");
            player.until_notice("resumed").await;
            player.goes_on().await;
            assert_eq!(world.identifies().len(), 1, "{fault:?}");
            assert_eq!(world.connects().len(), 2, "{fault:?}");
        }
    });
}

#[test]
fn f55_a_second_ready_is_a_new_session_and_the_old_one_is_told_lost() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let last_seq = player.shard.last_sequence().unwrap();
        let first = player.shard.session_id().unwrap();
        world.order([Step::Ready(vec![])]);
        let lost = player.until_notice("session_lost").await;
        assert_eq!(lost, shardstream::Notice::SessionLost { last_seq });
        player.until_event("READY").await;
        assert_ne!(player.shard.session_id().unwrap(), first);
        // The old session is still at the gateway, and would get the next event as well.
        let second = player.shard.session_id().unwrap();
        world.order([Step::Send(r#"{"op":0,"t":"LIVE","s":2,"d":{}}"#.to_owned())]);
        assert_eq!(player.until_event("LIVE").await, Some(2));
        assert_eq!(world.connects().len(), 1);
        world.order([Step::Rst]);
        player.until_ended().await;
        world
            .gateway
            .wait_for(|seen| {
                matches!(&seen.act, Act::Resume { session_id, seq: 2, .. } if *session_id == second)
            })
            .await
            .unwrap();
    });
}

#[test]
fn f56_ready_in_answer_to_resume_is_a_new_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let last_seq = player.shard.last_sequence().unwrap();
        world.gateway.misbehave([Fault::at(
            Moment::Resume,
            [Step::Ready(vec![("extra".into(), Some("1".into()))])],
        )]);
        world.order([Step::Rst]);
        let lost = player.until_notice("session_lost").await;
        assert_eq!(lost, shardstream::Notice::SessionLost { last_seq });
        let seq = player.until_event("READY").await;
        assert_eq!(seq, Some(1));
        assert_eq!(player.notices("resumed"), 0);
        player.goes_on().await;
        // The new session is the one that is resumed from here on.
        world.order([Step::Rst]);
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
        assert_eq!(world.resumes().len(), 2);
    });
}

/// All the ways to end a connection in answer to IDENTIFY.
fn refusals() -> Vec<Fault> {
    vec![
        Fault::refuse_identify(false),
        Fault::refuse_identify(true),
        Fault::at(Moment::Identify, [Step::Rst]),
        Fault::at(Moment::Identify, [Step::Fin]),
        Fault::at(Moment::Identify, [Step::Reconnect]),
        Fault::close_on_identify(1000),
        Fault::close_on_identify(4000),
        Fault::close_on_identify(4006),
        Fault::close_on_identify(4009),
        Fault::ready_without("session_id"),
    ]
}

/// Goal: whoever refuses every IDENTIFY gets at most 8 in 45 s, and so few a day that the bot
/// keeps its token. Method: a day in paused time.
#[test]
fn f61_identifies_that_are_refused_for_ever_grow_rare() {
    in_memory(async |place| {
        for fault in refusals() {
            let world = place.world().await;
            world.gateway.misbehave_always([fault.clone()]);
            let mut player = world.player();
            player.run_for(secs(24 * 3600)).await;
            let identifies = world.identifies();
            assert!(most_within(&identifies, secs(45)) <= 8, "{fault:?}");
            let gaps = identifies.windows(2).map(|pair| since(pair[0], pair[1]));
            let mut step = secs(5);
            for gap in gaps {
                world.took(gap, step / 2..=step + secs(5));
                step = (step * 2).min(secs(900));
            }
            let count = identifies.len();
            assert!((96..=205).contains(&count), "{fault:?}: {count}");
            assert!(!world.gateway.is_token_reset());
            assert!(player.all.iter().all(|(_, got)| !got.is_end()));
            world.gateway.misbehave_always([]);
            player.until_event("READY").await;
            player.goes_on().await;
        }
    });
}

#[test]
fn f61_an_identify_that_was_refused_is_sent_again() {
    in_both(async |place: Place| {
        for fault in refusals() {
            let world = place.world().await;
            world.gateway.misbehave([fault.clone()]);
            world.gateway.misbehave([fault.clone()]);
            let mut player = world.player();
            player.until_event("READY").await;
            player.goes_on().await;
            let waits: Vec<Ended> = player.ended();
            assert_eq!(waits.len(), 2, "{fault:?}");
            player.waits(&waits[0], ms(2500)..=secs(5));
            player.waits(&waits[1], secs(5)..=secs(10));
            assert_eq!(world.identifies().len(), 3, "{fault:?}");
            assert!(world.resumes().is_empty(), "{fault:?}");
        }
    });
}

/// Goal: it is only progress that makes identifies quick again. A READY after which nothing works
/// must not reset the backoff, or a server that says READY and ends the session would be asked
/// for a new one every few seconds. Where the code keeps the session, the RESUME is refused.
#[test]
fn f61_sessions_that_end_right_after_ready_grow_rare() {
    in_memory(async |place| {
        let ready = r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"x"}}"#;
        let ready = Step::Send(ready.to_owned());
        for end in [
            Step::Close(4003),
            Step::Close(4006),
            Step::Close(4007),
            Step::Close(4009),
            Step::InvalidSession(false),
            Step::Close(4000),
            Step::Rst,
            Step::Reconnect,
        ] {
            let world = place.world().await;
            let fault = Fault::at(Moment::Identify, [ready.clone(), end.clone()]);
            world.gateway.misbehave_always([fault]);
            let mut player = world.player();
            player.run_for(secs(24 * 3600)).await;
            let identifies = world.identifies();
            assert!(most_within(&identifies, secs(45)) <= 8, "{end:?}");
            let count = identifies.len();
            assert!((90..=205).contains(&count), "{end:?}: {count}");
            assert!(player.events().count() >= count - 1, "READY arrived");
            world.gateway.misbehave_always([]);
            player.until_event("READY").await;
            player.goes_on().await;
        }
    });
}
