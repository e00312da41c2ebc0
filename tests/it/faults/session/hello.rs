//! Before Hello, and Hello itself.

use shardstream::{
    Cause,
    local::{Act, Fault, Moment, Step},
};

use super::places::{Got, Place, in_both, in_memory, ms, secs, since};

fn said(text: &str) -> Step {
    Step::Send(text.to_owned())
}

#[test]
fn f51_hello_may_take_up_to_ten_seconds() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let late = place.time(ms(9_900));
        // A busy machine may take longer than the tenth of a second that is left.
        let late = if place == Place::Memory {
            late
        } else {
            late / 2
        };
        world.gateway.misbehave([Fault::late_hello(late)]);
        let mut player = world.player();
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f51_without_hello_the_connection_is_given_up_after_ten_seconds() {
    in_both(async |place: Place| {
        let silent = Fault::at(Moment::Hello, [Step::Mute]);
        let late = Fault::late_hello(place.time(ms(10_100)));
        for fault in [Fault::no_hello(), silent, late] {
            let world = place.world().await;
            world.gateway.misbehave([fault.clone()]);
            let mut player = world.player();
            let ended = player.until_ended().await;
            assert_eq!(
                (&ended.cause, ended.resumable),
                (&Cause::NoHello, false),
                "{fault:?}"
            );
            world.took(ended.at, secs(10)..=secs(10));
            player.waits(&ended, ms(500)..=ms(1000));
            player.until_event("READY").await;
            player.goes_on().await;
            assert_eq!(world.closes(), [Some(4000)], "{fault:?}");
            assert_eq!(world.identifies().len(), 1);
        }
    });
}

#[test]
fn f51_a_server_that_never_says_hello_is_asked_ever_more_rarely() {
    in_memory(async |place| {
        let world = place.world().await;
        world.gateway.misbehave_always([Fault::no_hello()]);
        let mut player = world.player();
        for step in [1, 2, 4, 8, 16, 32, 60, 60] {
            let ended = player.until_ended().await;
            assert_eq!(ended.cause, Cause::NoHello);
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        world.gateway.misbehave_always([]);
        player.until_event("READY").await;
        player.goes_on().await;
    });
}

#[test]
fn f51_a_missing_hello_keeps_the_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.gateway.misbehave([Fault::no_hello()]);
        world.order([Step::Rst]);
        assert_eq!(player.until_ended().await.cause, Cause::Cut);
        world.send(2);
        let ended = player.until_ended().await;
        assert_eq!((ended.cause, ended.resumable), (Cause::NoHello, true));
        player.until_notice("resumed").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f52_op_7_in_place_of_hello_is_obeyed_with_backoff() {
    in_both(async |place: Place| {
        let world = place.world().await;
        for _ in 0..3 {
            let fault = Fault::at(Moment::Hello, [Step::Reconnect]);
            world.gateway.misbehave([fault]);
        }
        let mut player = world.player();
        for step in [1, 2, 4] {
            let ended = player.until_ended().await;
            assert_eq!(ended.cause, Cause::Reconnect);
            player.waits(&ended, secs(step) / 2..=secs(step));
        }
        player.until_event("READY").await;
        player.goes_on().await;
        assert_eq!(world.identifies().len(), 1);
    });
}

#[test]
fn f52_op_9_in_place_of_hello_ends_the_session_or_keeps_it() {
    in_memory(async |place| {
        for resumable in [false, true] {
            let world = place.world().await;
            let mut player = world.playing().await;
            let op_9 = said(&format!(r#"{{"op":9,"d":{resumable}}}"#));
            world.gateway.misbehave([Fault::at(Moment::Hello, [op_9])]);
            world.order([Step::Rst]);
            player.until_ended().await;
            let ended = player.until_ended().await;
            assert_eq!(ended.cause, Cause::InvalidSession { resumable });
            assert_eq!(ended.resumable, resumable);
            if resumable {
                player.waits(&ended, ms(500)..=ms(1000));
                player.until_notice("resumed").await;
            } else {
                player.waits(&ended, secs(1)..=secs(5));
                player.until_notice("session_lost").await;
                player.until_event("READY").await;
            }
            player.goes_on().await;
        }
    });
}

#[test]
fn f52_anything_else_before_hello_is_passed_over() {
    in_both(async |place: Place| {
        for (text, failed) in [
            (r#"{"op":0,"t":"EARLY","s":7,"d":{}}"#, 0),
            (r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"x"}}"#, 0),
            (r#"{"op":0,"t":"RESUMED","s":1,"d":{}}"#, 0),
            (r#"{"op":11,"d":null}"#, 0),
            (r#"{"op":4294967296,"d":null}"#, 0),
            ("garbage", 1),
            (r#"{"op":"10"}"#, 1),
        ] {
            let world = place.world().await;
            let fault = Fault::at(Moment::Hello, [said(text), Step::Answer]);
            world.gateway.misbehave([fault]);
            let mut player = world.player();
            player.until_event("READY").await;
            player.goes_on().await;
            let names: Vec<_> = player.events().map(|(name, _)| name).collect();
            assert_eq!(names, ["READY", "E1"], "{text}");
            let all = player.all.iter();
            let errors = all.filter(|(_, got)| matches!(got, Got::Failed("frame")));
            assert_eq!(errors.count(), failed, "{text}");
            assert_eq!(world.connects().len(), 1, "{text}");
        }
    });
}

#[test]
fn f53_a_second_hello_sets_the_interval_and_starts_no_second_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        // One while READY is awaited, one when the session is live.
        let interval = |time| {
            let ms = place.time(time).as_millis();
            said(&format!(r#"{{"op":10,"d":{{"heartbeat_interval":{ms}}}}}"#))
        };
        world.gateway.misbehave([Fault::at(
            Moment::Identify,
            [interval(secs(30)), Step::Answer],
        )]);
        let mut player = world.player();
        player.until_event("READY").await;
        player.goes_on().await;
        let changed = world.seen(|_| true).pop().unwrap().at;
        world.order([interval(secs(5))]);
        player.run_for(secs(60)).await;
        player.goes_on().await;
        let beats = world.heartbeats();
        let later: Vec<_> = beats.iter().filter(|at| **at > changed).collect();
        if place == Place::Memory {
            assert!((12..=13).contains(&later.len()), "{later:?}");
            for pair in later.windows(2) {
                world.took(since(*pair[0], *pair[1]), secs(5)..=secs(5));
            }
        } else {
            assert!(later.len() >= 3, "{later:?}");
        }
        assert_eq!(world.identifies().len(), 1);
        assert_eq!(world.connects().len(), 1);
    });
}

#[test]
fn f53_a_second_hello_that_is_bad_costs_the_connection_and_not_the_session() {
    in_both(async |place: Place| {
        let world = place.world().await;
        let mut player = world.playing().await;
        world.order([said(r#"{"op":10,"d":{"heartbeat_interval":0}}"#)]);
        let ended = player.until_ended().await;
        assert_eq!((ended.cause, ended.resumable), (Cause::BadHello, true));
        player.until_notice("resumed").await;
        player.goes_on().await;
    });
}

#[test]
fn f54_an_interval_outside_of_a_second_to_an_hour_is_refused() {
    in_memory(async |place| {
        for interval in [
            "0",
            "1",
            "999",
            "-1",
            "1e300",
            "-1e300",
            "1e999",
            "18446744073709551615",
            "3600001",
            "\"41250\"",
            "null",
            "true",
            "[]",
            "{}",
        ] {
            let world = place.world().await;
            world.gateway.misbehave([Fault::hello_interval(interval)]);
            let mut player = world.player();
            player.until_event("READY").await;
            player.goes_on().await;
            let ended = player.ended();
            // What is no JSON number at all is no message either.
            if interval == "1e999" && ended[0].cause == Cause::NoHello {
                continue;
            }
            assert_eq!(ended[0].cause, Cause::BadHello, "{interval}");
            player.waits(&ended[0], ms(500)..=ms(1000));
            assert_eq!(world.closes(), [Some(4000)]);
            assert_eq!(world.identifies().len(), 1);
        }
        for hello in [
            r#"{"op":10,"d":{}}"#,
            r#"{"op":10,"d":null}"#,
            r#"{"op":10,"d":[]}"#,
            r#"{"op":10}"#,
        ] {
            let world = place.world().await;
            let fault = Fault::at(Moment::Hello, [said(hello)]);
            world.gateway.misbehave([fault]);
            let mut player = world.player();
            player.until_event("READY").await;
            assert_eq!(player.ended()[0].cause, Cause::BadHello, "{hello}");
            player.goes_on().await;
        }
    });
}

#[test]
fn f54_an_interval_from_a_second_to_an_hour_is_kept() {
    in_memory(async |place| {
        for (interval, beat) in [
            ("1000", secs(1)),
            ("1000.0", secs(1)),
            ("41250", ms(41_250)),
            ("41250.0", ms(41_250)),
            ("4.125e4", ms(41_250)),
            ("3600000", secs(3600)),
        ] {
            let world = place
                .world_with(|builder| builder.heartbeat_deadline(false))
                .await;
            world.gateway.misbehave([Fault::hello_interval(interval)]);
            let mut player = world.player();
            player.until_event("READY").await;
            player.run_for(beat * 5).await;
            player.goes_on().await;
            let beats = world.heartbeats();
            let hello = world.times(|act| matches!(act, Act::Sent { op: Some(10), .. }))[0];
            world.took(since(hello, beats[0]), ms(0)..=beat);
            for pair in beats.windows(2) {
                world.took(since(pair[0], pair[1]), beat..=beat);
            }
            assert!((5..=6).contains(&beats.len()), "{interval}: {beats:?}");
            assert_eq!(world.connects().len(), 1, "{interval}");
        }
    });
}
