//! The course of a shard: connect, events, a cut, the end.

use std::time::Duration;

use super::bench::{Bench, Got, next, notices, seqs, until, until_ready};
use crate::{
    Notice, Shutdown, State,
    local::{Act, Fault},
};

#[tokio::test(start_paused = true)]
async fn a_shard_identifies_gets_events_resumes_after_a_cut_and_ends() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(3)]);
    let mut shard = bench.shard();
    assert!(!shard.is_ready());
    let first = until_ready(&mut shard).await;
    assert_eq!(
        first,
        [
            Got::Notice(Notice::Connected),
            Got::Event("READY".into(), Some(1))
        ]
    );
    assert!(shard.is_ready());
    bench.send(6);
    let all = until(&mut shard, |got| {
        *got == Got::Event("RESUMED".into(), Some(8)) || matches!(got, Got::End(_))
    })
    .await;
    assert_eq!(seqs(&all, "TEST"), [2, 3, 4, 5, 6, 7], "{all:?}");
    assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
    let stats = bench.gateway.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, 1));

    let ended = shard.shutdown(Shutdown::End).await;
    assert_eq!(ended, None);
    assert_eq!(next(&mut shard).await, Got::End("shutdown"));
    assert_eq!(next(&mut shard).await, Got::End("shutdown"));
    assert_eq!(shard.status().state, State::Stopped);
    let closed = |act: &Act| {
        matches!(
            act,
            Act::Close {
                code: Some(1000),
                ..
            }
        )
    };
    assert!(bench.gateway.log().iter().any(|record| closed(&record.act)));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.gateway.stats().connections, 2);
}
