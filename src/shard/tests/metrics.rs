//! What a recorder of metrics gets of a shard's life.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio::time::sleep;

use super::bench::{Bench, Got, next};
use crate::{Reconnect, local::Step};

/// Remembers what it was told, by name and labels.
#[derive(Debug, Default)]
struct Memory {
    values: Mutex<BTreeMap<String, Arc<Value>>>,
    described: Mutex<BTreeMap<String, Option<Unit>>>,
}

/// A sum as the bits of an `f64`, and of how many it is.
#[derive(Debug, Default)]
struct Value {
    sum: AtomicU64,
    count: AtomicU64,
}

impl Value {
    fn add(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let order = Ordering::SeqCst;
        self.sum.fetch_update(order, order, add).unwrap();
        self.count.fetch_add(1, order);
    }

    fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::SeqCst))
    }
}

impl CounterFn for Value {
    fn increment(&self, value: u64) {
        self.add(u32::try_from(value).unwrap().into());
    }

    fn absolute(&self, _: u64) {
        panic!("shards that share labels add up");
    }
}

impl GaugeFn for Value {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {
        panic!("shards that share labels add up");
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Memory {
    fn value(&self, key: &Key) -> Arc<Value> {
        let labels = key.labels().map(|label| {
            assert!(!label.value().contains("CANARY"));
            format!("{}={}", label.key(), label.value())
        });
        let labels = labels.collect::<Vec<_>>().join(",");
        let name = format!("{}{{{labels}}}", key.name());
        Arc::clone(self.values.lock().unwrap().entry(name).or_default())
    }

    fn get(&self, name: &str, label: &str) -> (f64, u64) {
        let name = format!("shardstream_{name}{{platform=discord,shard=0,total=1{label}}}");
        let values = self.values.lock().unwrap();
        let value = values.get(&name);
        value.map_or((0.0, 0), |value| {
            (value.sum(), value.count.load(Ordering::SeqCst))
        })
    }

    /// Rounded.
    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    fn sum(&self, name: &str, label: &str) -> i64 {
        self.get(name, label).0.round() as i64
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        let name = name.as_str().to_owned();
        self.described.lock().unwrap().insert(name, unit);
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_shard_is_counted_with_its_labels_and_nothing_else() {
    let memory = Memory::default();
    let _local = metrics::set_default_local_recorder(&memory);
    let bench = Bench::new();
    let mut shard = bench.shard();
    while next(&mut shard).await != Got::Event("READY".into(), Some(1)) {}
    bench.send(3);
    for _ in 0..3 {
        next(&mut shard).await;
    }
    // Two heartbeats at least.
    sleep(Duration::from_secs(100)).await;
    assert_eq!(memory.sum("ready", ""), 1);
    assert_eq!(memory.sum("state", ",state=active"), 1);
    shard.handle().reconnect(Reconnect::Resume);
    while !matches!(next(&mut shard).await, Got::Event(name, _) if name == "RESUMED") {}

    bench.gateway.order_all([Step::Close(4014)]);
    while !matches!(next(&mut shard).await, Got::End(_)) {}
    let status = shard.status();
    drop(shard);
    let counters = status.counters;
    for (name, count) in [
        ("connects", counters.connects),
        ("identifies", counters.identifies),
        ("resumes", counters.resumes),
        ("heartbeats", counters.heartbeats),
        ("acks", counters.acks),
        ("bytes_in", status.bytes_in),
        ("bytes_out", status.bytes_out),
    ] {
        assert!(count > 0, "{name}");
        assert_eq!(
            memory.sum(name, ""),
            i64::try_from(count).unwrap(),
            "{name}"
        );
    }
    // The table does not know it, whoever named it.
    assert_eq!(memory.sum("events", ",event=other"), 3);
    assert_eq!(memory.sum("events", ",event=READY"), 1);
    assert_eq!(memory.sum("disconnects", ",cause=requested"), 1);
    assert_eq!(memory.sum("disconnects", ",cause=closed"), 1);
    assert_eq!(memory.sum("ended", ",kind=refused"), 1);
    assert_eq!(memory.sum("notices", ",notice=resumed"), 1);
    assert_eq!(memory.get("latency_seconds", "").1, counters.acks);
    assert_eq!(memory.get("identify_wait_seconds", "").1, 1);
    assert_eq!(memory.get("reconnect_delay_seconds", "").1, 1);
    // Nothing is left of a shard that is gone.
    for (name, value) in memory.values.lock().unwrap().iter() {
        let gauges = ["_state{", "_ready{", "_buffered_events{"];
        if gauges.iter().any(|gauge| name.contains(gauge)) {
            assert!(value.sum().abs() < 0.1, "{name} {}", value.sum());
        }
    }
    let described = memory.described.lock().unwrap();
    for name in memory.values.lock().unwrap().keys() {
        let (name, _) = name.split_once('{').unwrap();
        assert!(described[name].is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_dropped_leaves_no_state_behind() {
    let memory = Memory::default();
    let _local = metrics::set_default_local_recorder(&memory);
    let bench = Bench::new();
    let mut shard = bench.shard();
    next(&mut shard).await;
    drop(shard);
    sleep(Duration::from_secs(1)).await;
    for (name, value) in memory.values.lock().unwrap().iter() {
        if name.contains("_state{") {
            assert!(value.sum().abs() < 0.1, "{name} {}", value.sum());
        }
    }
}
