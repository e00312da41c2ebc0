//! What a shard records, and what a gateway plays of it: the same things in the same order.

use std::{
    fs::{File, OpenOptions},
    path::PathBuf,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::bench::{Bench, Got, next, until, until_ready};
use crate::{
    Notice, Recording, Shard, ShardId, Shutdown,
    local::{Fault, Gateway, Recorded, Step},
};

/// A file of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("shardstream-{}-{}", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What can be compared: the delays between are by chance.
fn shown(all: &[Got]) -> Vec<String> {
    let show = |got: &Got| match got {
        Got::Notice(Notice::Disconnected {
            cause, resumable, ..
        }) => format!("disconnected {cause} {resumable}"),
        got => format!("{got:?}"),
    };
    all.iter().map(show).collect()
}

fn is_last(got: &Got) -> bool {
    matches!(got, Got::Event(name, _) | Got::Replayed(name, _) if name == "LAST")
}

/// Begins a recording before the first event, and goes on until READY.
async fn recorded(shard: &mut Shard, scratch: &Scratch) -> (Recording, Vec<Got>) {
    let recording = shard.handle().record(&scratch.0).unwrap();
    let all = until_ready(shard).await;
    (recording, all)
}

/// A shard on a gateway that plays what was recorded, up to `LAST`.
async fn replayed(recorded: &Recorded) -> Vec<Got> {
    let bench = Bench::new();
    bench.gateway.replay(recorded);
    let mut shard = bench.shard();
    until(&mut shard, is_last).await
}

/// One event, a fault, events, another fault, events, each minutes apart.
async fn day_with(faults: [Vec<Step>; 2]) -> (Vec<Got>, Scratch) {
    let (bench, scratch) = (Bench::new(), Scratch::new());
    let mut shard = bench.shard();
    let (recording, mut all) = recorded(&mut shard, &scratch).await;
    for steps in faults {
        for _ in 0..3 {
            bench.send(1);
            sleep(Duration::from_mins(3)).await;
        }
        bench.gateway.order(ShardId::ONE, steps);
        bench.send(2);
        sleep(Duration::from_mins(20)).await;
    }
    bench.gateway.send(ShardId::ONE, "LAST", "{}").unwrap();
    all.extend(until(&mut shard, is_last).await);
    recording.finish().await.unwrap();
    (all, scratch)
}

/// Goal: a bug report becomes a test. Method: each way for a connection to end, and what is wrong
/// with messages, recorded and played, with the pauses and without.
#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_played_as_it_came() {
    let garbled = r#"{"s":99,"op"#;
    for faults in [
        [vec![Step::Rst], vec![Step::Fin]],
        [vec![Step::Close(4000)], vec![Step::Reconnect]],
        [
            vec![Step::CloseWith {
                code: None,
                reason: String::new(),
            }],
            vec![Step::Close(4009)],
        ],
        [
            vec![Step::InvalidSession(true)],
            vec![Step::InvalidSession(false)],
        ],
        [vec![Step::Mute], vec![Step::LoseNext]],
        [vec![Step::Send(garbled.into())], vec![Step::DuplicateNext]],
        [vec![Step::Send("null".into())], vec![Step::SkipSequence(9)]],
        [vec![Step::Renumber(1)], vec![Step::RequestHeartbeat]],
    ] {
        let said = format!("{faults:?}");
        let (all, scratch) = day_with(faults).await;
        let recorded = Recorded::read(&scratch.0).unwrap();
        let start = Instant::now();
        let timed = replayed(&recorded).await;
        assert_eq!(shown(&timed), shown(&all), "{said}");
        // Whoever takes them is as late as the one who sent them was.
        assert!(start.elapsed() > Duration::from_mins(55), "{said}");
        assert!(!scratch.text().contains("CANARY"), "{}", scratch.text());
        let hurried = replayed(&recorded.without_pauses()).await;
        let events = |all: &[Got]| -> Vec<_> {
            let is_event = |got: &&Got| matches!(got, Got::Event(..) | Got::Replayed(..));
            all.iter().filter(is_event).cloned().collect()
        };
        assert_eq!(events(&hurried), events(&all), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_begins_midway_or_with_a_resume_is_played_behind_a_ready() {
    let (bench, scratch) = (Bench::new(), Scratch::new());
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(2);
    sleep(Duration::from_secs(1)).await;
    let recording = shard.handle().record(&scratch.0).unwrap();
    bench.send(1);
    sleep(Duration::from_secs(1)).await;
    bench.gateway.order(ShardId::ONE, [Step::Rst]);
    sleep(Duration::from_secs(20)).await;
    bench.gateway.send(ShardId::ONE, "LAST", "{}").unwrap();
    until(&mut shard, is_last).await;
    recording.finish().await.unwrap();
    let recorded = Recorded::read(&scratch.0).unwrap();
    assert_eq!((recorded.connections(), recorded.events()), (2, 3));
    let got = replayed(&recorded).await;
    let seqs = super::bench::seqs(&got, "TEST");
    assert_eq!(
        (seqs, got.contains(&Got::Event("LAST".into(), Some(6)))),
        (vec![4], true)
    );

    // The next start, by the session of this one.
    let state = shard.shutdown(Shutdown::Keep).await.unwrap();
    let scratch = Scratch::new();
    let mut shard = bench.shard_from(state);
    let recording = shard.handle().record(&scratch.0).unwrap();
    until(
        &mut shard,
        |got| matches!(got, Got::Event(name, _) if name == "RESUMED"),
    )
    .await;
    bench.gateway.send(ShardId::ONE, "LAST", "{}").unwrap();
    until(&mut shard, is_last).await;
    recording.finish().await.unwrap();
    let got = replayed(&Recorded::read(&scratch.0).unwrap()).await;
    assert!(
        matches!(&got[1], Got::Event(name, _) if name == "READY"),
        "{got:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_ends_the_recording_with_a_notice_and_not_the_shard() {
    let full = || OpenOptions::new().write(true).open("/dev/full");
    if full().is_err() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let bench = Bench::new();
    let mut shard = bench.shard();
    let recording = shard.handle().record_to(full).unwrap();
    let all = until(&mut shard, |got| {
        matches!(got, Got::Notice(Notice::RecordingEnded { .. }))
    })
    .await;
    let Some(Got::Notice(Notice::RecordingEnded { why })) = all.last() else {
        panic!("{all:?}");
    };
    assert!(why.contains("No space left"), "{why}");
    if !all.iter().any(|got| matches!(got, Got::Event(..))) {
        until_ready(&mut shard).await;
    }
    bench.send(1);
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(2)));
    let error = recording.finish().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    // Another disk may do.
    let scratch = Scratch::new();
    let recording = shard.handle().record(&scratch.0).unwrap();
    bench.send(1);
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(3)));
    assert_eq!(recording.finish().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_made_begins_no_recording_and_a_second_has_no_place() {
    let (bench, scratch) = (Bench::new(), Scratch::new());
    let mut shard = bench.shard();
    let handle = shard.handle();
    File::create(&scratch.0).unwrap();
    let error = handle.record(&scratch.0).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    let error = handle.record(scratch.0.join("below")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory);
    assert_eq!(scratch.text(), "");
    let (first, second) = (Scratch::new(), Scratch::new());
    let recording = handle.record(&first.0).unwrap();
    let error = handle.record(&second.0).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(!second.0.exists());
    until_ready(&mut shard).await;
    // Dropped, it ends; the file is completed by itself.
    drop(recording);
    let recording = handle.record(&second.0).unwrap();
    drop(shard);
    let lines = recording.finish().await.unwrap();
    let text = second.text();
    assert_eq!(text.lines().count() as u64, lines);
    assert!(text.contains(r#""opened":{"midway":true}"#), "{text}");
    while first.text().lines().count() < 4 {
        tokio::task::yield_now().await;
    }
    let head = r#"{"recording":1,"platform":"discord","shard":[0,1],"begun_ms":"#;
    assert!(first.text().starts_with(head), "{}", first.text());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&first.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_written_whoever_repeats_it() {
    let (bench, scratch) = (Bench::new(), Scratch::new());
    let token = crate::observe::watch::token_of("bench");
    bench.gateway.misbehave([Fault::rst_after(2)]);
    let mut shard = bench.shard();
    let (recording, _) = recorded(&mut shard, &scratch).await;
    let interaction = format!(r#"{{"token":"CANARYi","name":"kept {token}"}}"#);
    let send = |gateway: &Gateway, data: &str| {
        gateway
            .send(ShardId::ONE, "INTERACTION_CREATE", data)
            .unwrap();
    };
    for _ in 0..4 {
        send(&bench.gateway, &interaction);
    }
    bench.gateway.send(ShardId::ONE, "LAST", "{}").unwrap();
    until(&mut shard, is_last).await;
    recording.finish().await.unwrap();
    let text = scratch.text();
    assert!(!text.contains("CANARY") && !text.contains(&token), "{text}");
    assert_eq!(text.matches("redacted session_id").count(), 1);
    assert!(text.contains(r#"{"token":"redacted token","name":"kept redacted"}"#));
}
