//! A session with two cuts, recorded over real sockets and played again: the same events in the
//! same order.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;
use shardstream::{
    Config, Message, Notice, Shard, ShardId,
    discord::Intents,
    local::{Dialect, Event, Fault, Feed, Gateway, Recorded},
    platform::{Compression, Platform},
    qq,
};
use tokio::time::timeout;

use crate::{faults::world::scaled, process::printed, watch};

const FRAMES: &str = include_str!("../../examples/frames/harbour.jsonl");
const PATIENCE: Duration = Duration::from_secs(30);
/// Each frame so many times, so that the cuts lie far apart.
const REPEAT: u64 = 20;

/// The secrets of these frames.
const SECRET: [&str; 2] = ["session_id", "token"];

/// Name, number, data, and whether it came in a replay; the texts of READY differ by the session.
type Seen = (String, u64, String, bool);

async fn gateway(dialect: Dialect) -> Gateway {
    let events: Result<Vec<Event>, _> = FRAMES.lines().map(Event::from_frame).collect();
    Gateway::builder()
        .platform(dialect)
        .token(watch::TOKEN)
        .credentials("102", watch::CLIENT_SECRET)
        .identify_window(Duration::ZERO)
        .feed(Feed::new(events.unwrap()).repeat(REPEAT))
        .start()
        .await
        .unwrap()
}

/// Takes events until all of the feed are there, on the third connection.
async fn seen<P: Platform>(shard: &mut Shard<P>) -> Vec<Seen> {
    let mut seen = Vec::new();
    let (mut connected, mut fed) = (0, 0);
    let all = FRAMES.lines().count() as u64 * REPEAT;
    let whole = async {
        while connected < 3 || fed < all {
            match shard.next_message().await.unwrap() {
                Message::Frame(frame) => {
                    let name = frame.event_name().unwrap().into_owned();
                    let data = shown(&name, &frame.text()[frame.data_range().unwrap()]);
                    fed += u64::from(!matches!(&*name, "READY" | "RESUMED"));
                    seen.push((name, frame.seq().unwrap(), data, frame.replayed()));
                }
                Message::Gateway(Notice::Connected) => connected += 1,
                _ => {}
            }
        }
    };
    let whole = timeout(PATIENCE, whole).await;
    whole.unwrap_or_else(|_| panic!("{connected} connections, {fed} of {all}"));
    seen
}

/// The data of an event without what is a secret of it; byte for byte where there is none.
fn shown(name: &str, data: &str) -> String {
    match name {
        "READY" => String::new(),
        _ if SECRET.iter().any(|secret| data.contains(secret)) => {
            let mut data: Value = serde_json::from_str(data).unwrap();
            without_secrets(&mut data);
            data.to_string()
        }
        _ => data.to_owned(),
    }
}

fn without_secrets(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_secrets),
        Value::Object(members) => {
            members.retain(|name, _| !SECRET.contains(&name.as_str()));
            members.values_mut().for_each(without_secrets);
        }
        _ => {}
    }
}

/// Records a session with two cuts, plays it, and holds one against the other.
async fn twice<P: Platform>(
    dialect: Dialect,
    faults: [Fault; 2],
    shard: impl Fn(&Gateway) -> Shard<P>,
) {
    let path = scratch();
    let first = gateway(dialect).await;
    for fault in faults {
        first.misbehave([fault]);
    }
    let mut bot = shard(&first);
    let recording = bot.handle().record(&path).unwrap();
    let before = seen(&mut bot).await;
    let lines = recording.finish().await.unwrap();
    drop(bot);

    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as u64, lines);
    assert_eq!(watch::leak(&text), None);
    let recorded = Recorded::read(&path).unwrap();
    assert_eq!(recorded.connections(), 3);
    for recorded in [recorded.clone(), recorded.without_pauses()] {
        let again = Gateway::builder().platform(dialect);
        let again = again
            .token(watch::TOKEN)
            .credentials("102", watch::CLIENT_SECRET);
        let again = again.start().await.unwrap();
        again.replay(&recorded);
        let mut bot = shard(&again);
        let after = seen(&mut bot).await;
        let mut pairs = before.iter().zip(&after);
        assert_eq!(pairs.find(|(before, after)| before != after), None);
        assert_eq!(before.len(), after.len());
        let stats = again.stats();
        assert_eq!((stats.identifies, stats.resumes), (1, 2));
    }
    std::fs::remove_file(path).unwrap();
}

fn scratch() -> PathBuf {
    let name = format!(
        "recording-{}-{}.jsonl",
        std::process::id(),
        fastrand::u64(..)
    );
    std::env::temp_dir().join(name)
}

#[tokio::test]
async fn a_recorded_session_with_two_cuts_gives_the_same_events_in_the_same_order() {
    for compression in [Compression::None, Compression::Zlib, Compression::Zstd] {
        let faults = [Fault::rst_after(40), Fault::fin_after(90)];
        twice(Dialect::Discord, faults, |gateway| {
            let config = Config::builder(watch::token(), Intents::GUILDS)
                .gateway_url(gateway.url())
                .compression(compression)
                .limits(scaled());
            Shard::with_config(ShardId::ONE, config.build().unwrap())
        })
        .await;
    }
}

#[tokio::test]
async fn a_recorded_session_of_the_other_platform_does_so_too() {
    let faults = [Fault::fin_after(70), Fault::rst_after(30)];
    twice(Dialect::Qq, faults, |gateway| {
        let credentials = qq::Credentials::new("102", watch::CLIENT_SECRET);
        let config = Config::builder(credentials, qq::Intents::GUILDS)
            .rest_url(gateway.rest_url())
            .limits(scaled());
        Shard::with_config(ShardId::ONE, config.build().unwrap())
    })
    .await;
}

#[test]
fn the_example_of_an_offline_test_says_again_what_it_recorded() {
    let tally = "Tally { messages: 4, deleted: 2, resumes: 1 }";
    let lines = printed("offline_test");
    let start = format!("it happened:  {tally}, recorded in ");
    assert!(lines[0].starts_with(&start), "{lines:?}");
    let tested = format!("it is tested: {tally}");
    let report = "the report:   Recorded { connections: 2, events: 28, pauses: true }";
    assert_eq!(lines[1..], [report, &tested, &tested]);
}
