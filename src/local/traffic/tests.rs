//! Is the traffic what it says it is?

use std::collections::BTreeMap;

use serde_json::Value;

use super::Traffic;

/// Goal: no row is misspelt, and what is written is JSON. Method: all rows, all knobs.
#[test]
fn every_event_is_json_that_says_its_name() {
    let names: Vec<_> = Traffic::names().collect();
    assert_eq!(names.len(), 79);
    let profiles: [fn(u64) -> Traffic; 3] = [
        Traffic::every,
        |seed| Traffic::every(seed).required_only(),
        |seed| Traffic::every(seed).unknown_fields(30).unknown_values(30),
    ];
    for profile in profiles {
        for (event, name) in profile(7).take(79 * 40).zip(names.iter().cycle()) {
            assert_eq!(event.name(), *name);
            let data: Result<Value, _> = serde_json::from_str(event.data());
            let data = data.unwrap_or_else(|e| panic!("{name}: {e}: {}", event.data()));
            assert!(data.is_object(), "{name}");
        }
    }
}

#[test]
fn a_seed_always_means_the_same() {
    let frames = |seed| Traffic::mixed(seed).frames().take(300).collect::<Vec<_>>();
    assert_eq!(frames(1), frames(1));
    assert_ne!(frames(1), frames(2));
    assert!(frames(1)[299].contains(r#","s":300,"op":0,"d":{"#));
}

#[test]
fn times_and_days_are_those_of_the_calendar() {
    for (day, date) in [
        (0, (1970, 1, 1)),
        (59, (1970, 3, 1)),
        (19_782, (2024, 2, 29)),
        (19_783, (2024, 3, 1)),
        (20_513, (2026, 3, 1)),
        (20_818, (2026, 12, 31)),
    ] {
        assert_eq!(super::write::date(day), date);
    }
}

/// What so many frames of a trace weigh: bytes a frame, and how often smaller zlib makes them.
fn weigh(traffic: Traffic, count: u32) -> (f64, f64) {
    let mut zlib = flate2::Compress::new(flate2::Compression::new(6), true);
    let mut out = vec![0; 2 << 20];
    let mut bytes = 0.0;
    for frame in traffic.frames().take(count as usize) {
        let flush = flate2::FlushCompress::Sync;
        zlib.compress(frame.as_bytes(), &mut out, flush).unwrap();
        bytes += f64::from(u32::try_from(frame.len()).unwrap());
    }
    let packed = f64::from(u32::try_from(zlib.total_out()).unwrap());
    (bytes / f64::from(count), bytes / packed)
}

/// Goal: what is measured with this traffic holds for a real bot's. Method: the sizes and what
/// compression makes of them, beside those of traces that were composed from captured frames.
#[test]
fn traces_weigh_what_real_ones_do() {
    for (name, trace, count, bytes, ratio) in [
        ("mixed", Traffic::mixed(7), 6000, 943.0, 4.1),
        (
            "without presences",
            Traffic::without_presences(7),
            6000,
            1237.0,
            4.4,
        ),
        ("start-up", Traffic::start_up(7), 300, 82_000.0, 6.0),
    ] {
        let (own_bytes, own_ratio) = weigh(trace, count);
        println!("{name}: {own_bytes:.0} bytes a frame, {own_ratio:.2} times smaller");
        assert!((own_bytes / bytes - 1.0).abs() < 0.2, "{name}: {own_bytes}");
        assert!((own_ratio / ratio - 1.0).abs() < 0.2, "{name}: {own_ratio}");
    }
    let sizes = Traffic::start_up(7)
        .take(300)
        .map(|event| event.data().len());
    let (least, most) = sizes.fold((usize::MAX, 0), |(least, most), len| {
        (least.min(len), most.max(len))
    });
    assert!((3_000..12_000).contains(&least), "{least}");
    assert!((250_000..700_000).contains(&most), "{most}");
}

#[test]
fn events_come_as_often_as_their_shares_say() {
    let mut counts = BTreeMap::<String, u32>::new();
    for event in Traffic::mixed(3).take(10_000) {
        *counts.entry(event.name().to_owned()).or_default() += 1;
    }
    for (name, share) in super::MIXED {
        let expected = f64::from(u32::try_from(share * 10).unwrap());
        let count = f64::from(counts[*name]);
        // Five standard deviations.
        assert!(
            (count - expected).abs() < 5.0 * expected.sqrt() + 1.0,
            "{name}: {count}"
        );
    }
    assert_eq!(counts.len(), super::MIXED.len());
}

/// What is asked for is there, and what is not asked for is not.
#[test]
fn knobs_do_what_they_say() {
    let text = |traffic: Traffic| {
        traffic
            .take(79 * 5)
            .map(|e| e.data().to_owned())
            .collect::<String>()
    };
    let plain = text(Traffic::every(9));
    assert!(!plain.contains("zz_"));
    assert!(text(Traffic::every(9).unknown_fields(10)).contains("\"zz_"));
    assert!(text(Traffic::every(9).unknown_values(5)).contains(":\"zz_"));
    let sparse = text(Traffic::every(9).required_only());
    for optional in ["public_flags", "referenced_message", "_trace"] {
        assert!(!sparse.contains(optional), "{optional}");
    }
    assert!(plain.contains("public_flags") && sparse.len() < plain.len() * 3 / 4);
    assert!(Traffic::of("NO_SUCH_EVENT", 1).is_none() && Traffic::of("user", 1).is_none());
}
