//! Every close code in every state, and servers that close whatever one does.

use shardstream::{
    Cause,
    local::{Fault, Moment, Step},
};

use super::places::{Got, Place, Player, World, in_both, in_memory, most_within, ms, secs, since};

/// What follows a close code, by the table "after a connection ends".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Fatal,
    Identify,
    Resume,
    ResumeLater,
}

/// A code of each row and of each gap between rows, those that may not stand on the wire included.
fn codes() -> Vec<(Option<u16>, After)> {
    let unnamed = [0, 1, 999, 1016, 2999, 3000, 3500, 3999];
    let unknown = [4015, 4016, 4100, 4900, 4903, 4913, 4914, 4999, 5000, 65_535];
    let mut codes = vec![(None, After::Resume)];
    codes.extend(
        unnamed
            .into_iter()
            .chain(1000..=1015)
            .chain(unknown)
            .chain([4000, 4001, 4002, 4005])
            .map(|code| (Some(code), After::Resume)),
    );
    codes.extend([4003, 4006, 4007, 4009].map(|code| (Some(code), After::Identify)));
    codes.extend([4004, 4010, 4011, 4012, 4013, 4014].map(|code| (Some(code), After::Fatal)));
    codes.push((Some(4008), After::ResumeLater));
    codes
}

fn close(code: Option<u16>) -> Step {
    let reason = String::new();
    Step::CloseWith { code, reason }
}

/// The shard ends with an error that names the code, gives it for ever, and connects no more.
async fn is_over(player: &mut Player<'_>, code: u16) {
    let (kind, close_code, text) = player.until_end().await;
    assert_eq!((kind, close_code), ("refused", Some(code)));
    assert!(text.contains(&code.to_string()), "{text}");
    let connects = player.world.connects().len();
    if player.world.place == Place::Memory {
        tokio::time::sleep(secs(24 * 3600)).await;
    }
    assert_eq!(player.next().await, Got::End(kind, close_code, text));
    assert_eq!(player.world.connects().len(), connects);
}

#[test]
fn close_codes_of_a_live_session_do_what_the_table_says() {
    in_memory(async |place| {
        for (code, after) in codes() {
            let world = place.world().await;
            let mut player = world.playing().await;
            world.order([close(code)]);
            if after == After::Fatal {
                is_over(&mut player, code.unwrap()).await;
                continue;
            }
            let ended = player.until_ended().await;
            assert!(matches!(ended.cause, Cause::Closed { .. }), "{code:?}");
            assert_eq!(ended.resumable, after != After::Identify, "{code:?}");
            match after {
                After::Resume => player.waits(&ended, ms(0)..=ms(500)),
                After::ResumeLater => player.waits(&ended, secs(60)..=secs(75)),
                After::Identify | After::Fatal => player.waits(&ended, secs(1)..=secs(5)),
            }
            if after == After::Identify {
                player.forgive_losses();
                player.until_event("READY").await;
            } else {
                world.send(3);
            }
            player.goes_on().await;
            let lost = usize::from(after == After::Identify);
            assert_eq!(player.notices("session_lost"), lost, "{code:?}");
            assert_eq!(world.identifies().len(), 1 + lost, "{code:?}");
            assert_eq!(world.resumes().len(), 1 - lost, "{code:?}");
            let back = since(ended.at, world.connects()[1]);
            world.took(back, ended.retry_in..=ended.retry_in);
        }
    });
}

#[test]
fn close_codes_over_sockets_keep_the_session_or_end_the_shard() {
    in_both(async |place: Place| {
        for code in [None, Some(1000), Some(4000)] {
            let world = place.world().await;
            let mut player = world.playing().await;
            world.order([close(code)]);
            world.send(3);
            assert_eq!(player.until_ended().await.cause, Cause::Closed { code });
            player.until_notice("resumed").await;
            player.goes_on().await;
            assert_eq!(world.identifies().len(), 1);
        }
        for (code, after) in codes() {
            if after == After::Fatal {
                let world = place.world().await;
                let mut player = world.playing().await;
                world.order([close(code)]);
                is_over(&mut player, code.unwrap()).await;
            }
        }
    });
}

#[test]
fn close_codes_in_answer_to_identify_wait_for_the_identify_backoff() {
    in_memory(async |place| {
        for (code, after) in codes() {
            let world = place.world().await;
            let fault = Fault::at(Moment::Identify, [close(code)]);
            world.gateway.misbehave([fault]);
            let mut player = world.player();
            if after == After::Fatal {
                is_over(&mut player, code.unwrap()).await;
                continue;
            }
            let ended = player.until_ended().await;
            assert!(!ended.resumable);
            match after {
                After::ResumeLater => player.waits(&ended, secs(60)..=secs(75)),
                _ => player.waits(&ended, ms(2500)..=secs(5)),
            }
            player.until_event("READY").await;
            player.goes_on().await;
            assert_eq!(world.identifies().len(), 2, "{code:?}");
            assert!(world.resumes().is_empty(), "{code:?}");
        }
    });
}

#[test]
fn close_codes_in_answer_to_resume_resume_with_backoff_or_identify() {
    in_memory(async |place| {
        for (code, after) in codes() {
            let world = place.world().await;
            let mut player = world.playing().await;
            let steps = match after {
                // As with the real server, the session is gone, whoever was on it.
                After::Identify => vec![Step::Answer, close(code)],
                _ => vec![close(code)],
            };
            world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
            world.order([Step::Rst]);
            assert_eq!(player.until_ended().await.cause, Cause::Cut);
            if after == After::Fatal {
                is_over(&mut player, code.unwrap()).await;
                continue;
            }
            let ended = player.until_ended().await;
            assert_eq!(ended.resumable, after != After::Identify, "{code:?}");
            match after {
                After::Identify => {
                    player.waits(&ended, secs(1)..=secs(5));
                    player.until_event("READY").await;
                }
                After::ResumeLater => player.waits(&ended, secs(60)..=secs(75)),
                _ => player.waits(&ended, ms(500)..=secs(1)),
            }
            player.goes_on().await;
            let lost = usize::from(after == After::Identify);
            assert_eq!(world.identifies().len(), 1 + lost, "{code:?}");
            assert_eq!(world.resumes().len(), 2 - lost, "{code:?}");
        }
    });
}

#[test]
fn close_codes_in_place_of_hello_end_the_shard_or_wait() {
    in_memory(async |place| {
        for (code, after) in codes() {
            let world = place.world().await;
            let fault = Fault::at(Moment::Hello, [close(code)]);
            world.gateway.misbehave([fault]);
            let mut player = world.player();
            if after == After::Fatal {
                is_over(&mut player, code.unwrap()).await;
                continue;
            }
            let ended = player.until_ended().await;
            match after {
                After::ResumeLater => player.waits(&ended, secs(60)..=secs(75)),
                After::Identify => player.waits(&ended, secs(1)..=secs(5)),
                _ => player.waits(&ended, ms(500)..=secs(1)),
            }
            player.until_event("READY").await;
            player.goes_on().await;
            assert_eq!(world.identifies().len(), 1, "{code:?}");
        }
    });
}

/// All the ways to accept a connection and to end it at once.
fn slammed_doors() -> Vec<Fault> {
    let mut faults = vec![
        Fault::fin_on_accept(),
        Fault::rst_on_accept(),
        Fault::http(503, &[], "no"),
        Fault::http(404, &[], "no"),
    ];
    for end in [Step::Fin, Step::Rst, close(None), close(Some(1000))] {
        faults.push(Fault::at(Moment::Upgrade, [end.clone()]));
        faults.push(Fault::at(Moment::Hello, [end.clone()]));
        faults.push(Fault::at(Moment::Hello, [Step::Hello, end.clone()]));
    }
    faults.push(Fault::at(Moment::Hello, [close(Some(4000))]));
    faults.push(Fault::at(Moment::Hello, [Step::Reconnect]));
    faults.push(Fault::at(Moment::Hello, [Step::InvalidSession(true)]));
    faults.push(Fault::at(Moment::Hello, [Step::InvalidSession(false)]));
    faults
}

async fn few_connects(world: &World, player: &mut Player<'_>, fault: &Fault) {
    let from = world.dials().len();
    player.run_for(secs(3600)).await;
    let dials = world.dials().split_off(from);
    let (early, later) = (
        most_within(&dials, secs(15)),
        most_within(&dials, secs(300)),
    );
    assert!(early <= 8, "{fault:?}: {early} in 15 s: {dials:?}");
    assert!(later <= 15, "{fault:?}: {later} in 5 minutes: {dials:?}");
    // It does not give up either: the longest wait is a minute.
    assert!(dials.len() >= 3600 / 60, "{fault:?}: {dials:?}");
}

/// Goal: a server that accepts and closes gets at most 8 connects in 15 s and 15 in 5 minutes,
/// and the shard is back within about a minute of the server. Method: an hour of paused time.
#[test]
fn servers_that_accept_and_close_get_few_connects() {
    in_memory(async |place| {
        for fault in slammed_doors() {
            let world = place.world().await;
            world.gateway.misbehave_always([fault.clone()]);
            let mut player = world.player();
            few_connects(&world, &mut player, &fault).await;
            world.gateway.misbehave_always([]);
            player.until_event("READY").await;
            player.goes_on().await;
        }
    });
}

/// As above, with a session that had worked: its first return is quick, and those behind it are
/// not.
#[test]
fn servers_that_close_on_a_held_session_get_few_connects() {
    in_memory(async |place| {
        for fault in slammed_doors() {
            let world = place.world().await;
            let mut player = world.playing().await;
            world.gateway.misbehave_always([fault.clone()]);
            world.order([Step::Rst]);
            few_connects(&world, &mut player, &fault).await;
            world.gateway.misbehave_always([]);
            player.forgive_losses();
            player
                .until(|got| got.is_event("READY") || got.is_event("RESUMED"))
                .await;
            player.goes_on().await;
        }
    });
}
