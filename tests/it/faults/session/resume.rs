//! RESUME, replays, and what ends a session.

use shardstream::{
    Cause, Notice, Reconnect,
    local::{Act, Fault, Moment, Step},
};

use super::places::{Place, in_both, in_memory, ms, secs, since};

fn said(text: &str) -> Step {
    Step::Send(text.to_owned())
}

#[test]
fn f57_three_resumes_in_a_row_without_an_answer_cost_the_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world
            .gateway
            .misbehave_always([Fault::ignore_resume().times(3)]);
        world.order([Step::Rst]);
        assert_eq!(player.until_ended().await.cause, Cause::Cut);
        for (step, resumable) in [(1, true), (2, true), (4, false)] {
            let begun = world.connects().len();
            let ended = player.until_ended().await;
            assert_eq!(ended.cause, Cause::NoResumed);
            assert_eq!(ended.resumable, resumable, "{step}");
            player.waits(&ended, secs(step) / 2..=secs(step));
            let connected = *world.connects().last().unwrap();
            assert_eq!(world.connects().len(), begun + 1);
            world.took(since(connected, ended.at), secs(30)..=secs(30));
        }
        player.forgive_losses();
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(player.notices("session_lost"), 1);
        assert_eq!(world.resumes(), [2, 2, 2]);
        assert_eq!(world.identifies().len(), 2);
    });
}

#[test]
fn f57_a_replay_that_stops_is_resumed_behind_its_last_event() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.gateway.misbehave([Fault::no_resumed()]);
        world.order([Step::Rst]);
        world.send(5);
        player.until_ended().await;
        player.until_event("E6").await;
        let last = player.all.last().unwrap().0;
        let ended = player.until_ended().await;
        assert_eq!((ended.cause, ended.resumable), (Cause::NoResumed, true));
        world.took(since(last, ended.at), secs(30)..=secs(30));
        player.until_notice("resumed").await;
        player.goes_on().await;
        // Each replay went on where the one before it had stopped.
        assert_eq!(world.resumes(), [2, 7]);
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f59_resumes_that_are_cut_are_three_and_then_an_identify() {
    in_both(async |place: Place| {
        for end in [Step::Rst, Step::Fin, Step::Close(4000), Step::Reconnect] {
            let world = place.world().await;
            let mut player = world.playing().await;
            let fault = Fault::at(Moment::Resume, [end.clone()]);
            world.gateway.misbehave_always([fault]);
            world.order([Step::Rst]);
            player.until_ended().await;
            for (step, resumable) in [(1, true), (2, true), (4, false)] {
                let ended = player.until_ended().await;
                assert_eq!(ended.resumable, resumable, "{end:?} {step}");
                player.waits(&ended, secs(step) / 2..=secs(step));
            }
            player.until_event("READY").await;
            player.goes_on().await;
            assert_eq!(world.resumes(), [2, 2, 2], "{end:?}");
            assert_eq!(world.identifies().len(), 2, "{end:?}");
        }
    });
}

#[test]
fn f59_failures_before_resume_was_sent_do_not_count_against_the_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        for fault in [
            Fault::rst_on_accept(),
            Fault::http(503, &[], ""),
            Fault::at(Moment::Hello, [Step::Rst]),
            Fault::at(Moment::Hello, [Step::Close(4000)]),
            Fault::hello_interval("0"),
        ] {
            world.gateway.misbehave([fault]);
        }
        world.order([Step::Rst]);
        world.send(3);
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.resumes(), [2]);
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f60_op_9_in_answer_to_identify_and_resume() {
    in_memory(async |place| {
        for d in ["null", "0", "\"false\"", "\"true\"", "[true]", "false"] {
            let op_9 = said(&format!(r#"{{"op":9,"d":{d}}}"#));
            let world = place.world().await;
            let mut player = world.playing().await;
            let fault = Fault::at(Moment::Resume, [op_9]);
            world.gateway.misbehave([fault]);
            world.order([Step::Rst]);
            player.until_ended().await;
            let ended = player.until_ended().await;
            assert_eq!(
                ended.cause,
                Cause::InvalidSession { resumable: false },
                "{d}"
            );
            player.waits(&ended, secs(1)..=secs(5));
            player.until_event("READY").await;
            player.goes_on().await;
            assert_eq!((world.resumes().len(), world.identifies().len()), (1, 2));
        }
    });
}

/// Goal: nothing but the close frame is sent once op 9 came: a payload after it costs the link
/// without the chance to resume. Method: commands wait for room in the send window, op 9 comes,
/// and the server does not answer the close.
#[test]
fn f60_nothing_is_sent_after_op_9() {
    in_both(async |place: Place| {
        let world = place
            .world_with(|builder| builder.send_limit(1000, secs(60)))
            .await;
        let mut player = world.playing().await;
        let sender = player.shard.sender();
        for n in 0..200 {
            sender.try_send_payload(4, &n).unwrap();
        }
        let is_command = |act: &Act| matches!(act, Act::Command { .. });
        let first = |seen: &shardstream::local::Record| is_command(&seen.act);
        world.gateway.wait_for_nth(50, first).await.unwrap();
        // Until the window is used up: from then on no command is on its way.
        player.run_for(secs(1)).await;
        let connection = world.seen(is_command)[0].connection;
        world.gateway.order_connection(
            connection,
            [
                Step::RequestHeartbeat,
                said(r#"{"op":9,"d":true}"#),
                Step::Mute,
            ],
        );
        let ended = player.until_ended().await;
        assert_eq!(ended.cause, Cause::InvalidSession { resumable: true });
        player.until_notice("resumed").await;
        let records = world.seen(|_| true);
        let told = records
            .iter()
            .position(|seen| {
                seen.connection == connection && matches!(seen.act, Act::Sent { op: Some(9), .. })
            })
            .unwrap();
        // What was on its way when op 9 came is no sin; in memory nothing is.
        let behind = records[told..].iter().filter(|seen| {
            let act = &seen.act;
            seen.connection == connection
                && matches!(act, Act::Command { .. } | Act::Heartbeat { .. })
        });
        if place == Place::Memory {
            assert_eq!(behind.count(), 0);
        }
        assert_eq!(world.closes()[0], Some(4000));
        player.goes_on().await;
        // Each command arrives once, those on a connection that lives.
        world.gateway.wait_for_nth(200, first).await.unwrap();
        player.run_for(secs(100)).await;
        assert_eq!(world.seen(is_command).len(), 200);
    });
}

#[test]
fn f60_op_9_during_our_own_close_means_nothing() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let op_9 = said(r#"{"op":9,"d":false}"#);
        let fault = Fault::at(Moment::Close, [op_9, Step::Answer]).times(1);
        world.gateway.misbehave_always([fault]);
        player.shard.reconnect(Reconnect::Resume);
        assert_eq!(player.until_ended().await.cause, Cause::Requested);
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
        assert_eq!(player.notices("session_lost"), 0);
    });
}

/// The RESUMED really arrives here, each time; it is no progress.
#[test]
fn f62_resumed_and_then_a_close_three_times_is_a_new_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let resumed = said(r#"{"op":0,"t":"RESUMED","s":2,"d":{}}"#);
        let fault = Fault::at(Moment::Resume, [resumed, Step::Close(4000)]);
        world.gateway.misbehave_always([fault]);
        world.order([Step::Rst]);
        player.until_ended().await;
        for (step, resumable) in [(1, true), (2, true), (4, false)] {
            player.until_notice("resumed").await;
            let ended = player.until_ended().await;
            assert_eq!(ended.resumable, resumable, "{step}");
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.resumes(), [2, 2, 2]);
    });
}

/// A connection that brings an event each time works, however short it is.
#[test]
fn f62_resumed_with_an_event_each_time_never_costs_the_session() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        for _ in 0..20 {
            world.order([Step::Close(4000)]);
            player.until_notice("resumed").await;
            player.goes_on().await;
        }
        assert_eq!(world.identifies().len(), 1);
        let waits: Vec<_> = player.ended();
        // Five returns are quick, then they are calm.
        for (n, ended) in waits.iter().enumerate() {
            if n < 5 {
                player.waits(ended, ms(0)..=ms(500));
            } else {
                player.waits(ended, ms(0)..=secs(5));
            }
        }
        let calm = waits.iter().filter(|ended| ended.retry_in >= secs(1));
        assert!(calm.count() >= 13, "{waits:?}");
    });
}

#[test]
fn f63_a_replay_cut_at_any_place_is_taken_up_where_it_was_cut() {
    const EVENTS: u64 = 6;
    in_both(async |place: Place| {
        let cuts = match place {
            Place::Memory => (0..=EVENTS + 40).collect(),
            Place::Sockets => vec![0, 3, EVENTS, EVENTS + 1, EVENTS + 20],
        };
        for cut in cuts {
            let world = place.world().await;
            let mut player = world.playing().await;
            // Whole events first, then bytes of a frame, reset or ended.
            let fault = match cut.checked_sub(EVENTS) {
                None => Fault::rst_after(cut),
                Some(byte) => Fault::at(
                    Moment::Events(EVENTS / 2),
                    [Step::CutNext {
                        byte: usize::try_from(byte).unwrap(),
                        reset: byte % 2 == 0,
                    }],
                ),
            };
            world.gateway.misbehave([fault.clone()]);
            world.order([Step::Rst]);
            world.send(EVENTS);
            player.until_ended().await;
            player.until_ended().await;
            let had = player.numbers().len() as u64;
            player.until_notice("resumed").await;
            player.goes_on().await;
            // READY and E1 came before; each RESUME names the last event that came.
            let resumes = world.resumes();
            assert_eq!(resumes[0], 2);
            assert_eq!(resumes[1], 1 + had, "{fault:?}");
            assert_eq!(world.identifies().len(), 1);
        }
    });
}

#[test]
fn f64_doubles_are_dropped_and_gaps_told() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.order([Step::DuplicateNext]);
        player.goes_on().await;
        assert_eq!(player.shard.status().counters.duplicates, 1);
        world.order([Step::SkipSequence(1_000_000)]);
        player.goes_on().await;
        let gap = Notice::Gap {
            after: 3,
            next: 1_000_004,
        };
        assert!(player.all.iter().any(|(_, got)| got.is_notice("gap")));
        let told = player.all.iter().rev().find_map(|(_, got)| match got {
            super::places::Got::Notice(notice) => Some(notice.clone()),
            _ => None,
        });
        assert_eq!(told, Some(gap));
        // The later of two comes first: it is a gap, and the earlier one is too late.
        world.order([Step::SwapNext]);
        world.send(2);
        player.until_event("E5").await;
        player.forgive_losses();
        player.goes_on().await;
        let names: Vec<_> = player.events().map(|(name, _)| name).collect();
        assert_eq!(names, ["READY", "E1", "E2", "E3", "E5", "E6"]);
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f64_a_sequence_that_restarts_is_a_lost_session() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.send(5);
        player.goes_on().await;
        let last_seq = player.shard.last_sequence().unwrap();
        // Two rising ones, and then a good one: nothing.
        let event = |seq: u64| said(&format!(r#"{{"op":0,"t":"OLD","s":{seq},"d":{{}}}}"#));
        world.order([event(1), event(2)]);
        player.goes_on().await;
        world.order([event(3), event(2), event(1), event(1), event(1)]);
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
        world.order([Step::Renumber(1)]);
        world.send(3);
        let ended = player.until_ended().await;
        assert_eq!(
            (&ended.cause, ended.resumable),
            (&Cause::SequenceRestarted, false)
        );
        player.waits(&ended, secs(1)..=secs(5));
        let lost = player.until_notice("session_lost").await;
        let last_seq = last_seq + 2;
        assert_eq!(lost, Notice::SessionLost { last_seq });
        player.forgive_losses();
        player.until_event("READY").await;
        player.goes_on().await;
    });
}

#[test]
fn f64_a_replay_from_far_before_is_no_restart() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.send(6);
        player.goes_on().await;
        let old = |seq: u64| said(&format!(r#"{{"op":0,"t":"OLD","s":{seq},"d":{{}}}}"#));
        let mut steps: Vec<_> = (2..=8).map(old).collect();
        steps.push(Step::Answer);
        world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
        world.order([Step::Rst]);
        world.send(2);
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(
            player.events().filter(|(name, _)| *name == "OLD").count(),
            0
        );
        assert_eq!(world.identifies().len(), 1);
        assert_eq!(world.connects().len(), 2);
    });
}

#[test]
fn f65_op_7_is_obeyed_at_once_five_times_and_then_calmly() {
    in_memory(async |place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        for n in 0..7 {
            world.order([Step::Reconnect]);
            let ended = player.until_ended().await;
            assert_eq!((&ended.cause, ended.resumable), (&Cause::Reconnect, true));
            if n < 5 {
                player.waits(&ended, ms(0)..=ms(0));
            } else {
                player.waits(&ended, secs(1)..=secs(5));
            }
            player.until_notice("resumed").await;
            player.goes_on().await;
        }
        assert_eq!(world.closes(), vec![Some(4000); 7]);
        assert_eq!(world.identifies().len(), 1);
        // A minute later there is one more.
        player.run_for(secs(60)).await;
        player.goes_on().await;
        world.order([Step::Reconnect]);
        let ended = player.until_ended().await;
        player.waits(&ended, ms(0)..=ms(0));
    });
}

#[test]
fn f65_op_7_on_every_new_connection_meets_backoff() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        let fault = Fault::at(Moment::Hello, [Step::Hello, Step::Reconnect]);
        world.gateway.misbehave_always([fault.times(4)]);
        world.order([Step::Reconnect, Step::Reconnect]);
        let ended = player.until_ended().await;
        player.waits(&ended, ms(0)..=ms(0));
        for step in [1, 2, 4, 8] {
            let ended = player.until_ended().await;
            assert_eq!(ended.cause, Cause::Reconnect);
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        player
            .until(|got| got.is_notice("resumed") || got.is_event("READY"))
            .await;
        player.goes_on().await;
    });
}

#[test]
fn f66_op_7_and_then_silence_is_left_after_three_seconds_with_code_4000() {
    in_both(async |place: Place| {
        for silence in [Step::Mute, Step::Hang] {
            let world = place.world().await;
            let mut player = world.playing().await;
            world.order([Step::Reconnect, silence.clone()]);
            let ended = player.until_ended().await;
            world.send(2);
            player.until_notice("resumed").await;
            player.goes_on().await;
            world.took(since(ended.at, world.connects()[1]), secs(3)..=secs(3));
            if silence == Step::Mute {
                assert_eq!(world.closes(), [Some(4000)]);
            }
        }
    });
}
