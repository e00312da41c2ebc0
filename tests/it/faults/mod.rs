//! Every fault that a server, a proxy or the network can provoke, from outside: shards and
//! programs over real sockets, against a gateway that misbehaves.
//!
//! The rows are those of the fault catalogue: F01 to F75, F77 to F92, F107 and F108. Each has a
//! test that begins with its number (`f04_...`), or a reason why none applies.

mod compression;
mod connect;
mod payloads;
mod sending;
mod session;
mod websocket;
pub(crate) mod world;

/// Rows without a test here, each with its reason.
fn reasons() -> Vec<(&'static str, &'static str)> {
    [
        compression::REASONS,
        connect::REASONS,
        payloads::REASONS,
        sending::REASONS,
        session::REASONS,
        websocket::REASONS,
    ]
    .concat()
}

/// The sources of the tests, to find their names.
const SOURCES: [&str; 14] = [
    include_str!("compression.rs"),
    include_str!("connect.rs"),
    include_str!("connect/resume_url.rs"),
    include_str!("connect/upgrade.rs"),
    include_str!("payloads.rs"),
    include_str!("sending.rs"),
    include_str!("session.rs"),
    include_str!("session/closes.rs"),
    include_str!("session/heartbeat.rs"),
    include_str!("session/hello.rs"),
    include_str!("session/ready.rs"),
    include_str!("session/resume.rs"),
    include_str!("websocket.rs"),
    include_str!("websocket/peers.rs"),
];

fn rows() -> Vec<String> {
    (1..=75)
        .chain(77..=92)
        .chain([107, 108])
        .map(|row| format!("f{row:02}"))
        .collect()
}

#[test]
fn every_row_of_the_catalogue_has_a_test_or_a_reason() {
    let lines = SOURCES.iter().flat_map(|source| source.lines());
    let names: Vec<_> = lines
        .filter_map(|line| {
            let line = line.trim().trim_start_matches("async ");
            line.strip_prefix("fn ")?.split('(').next()
        })
        .collect();
    let reasons = reasons();
    let mut missing = Vec::new();
    let mut tested = 0;
    for row in rows() {
        let test = names.iter().any(|name| {
            name.strip_prefix(row.as_str())
                .is_some_and(|rest| rest.starts_with('_'))
        });
        let reason = reasons.iter().any(|(id, _)| *id == row);
        assert!(
            !(test && reason),
            "{row} has a test and a reason not to have one"
        );
        tested += usize::from(test);
        if !test && !reason {
            missing.push(row);
        }
    }
    for (row, reason) in &reasons {
        println!("{row}: not tested here: {reason}");
    }
    println!("{tested} of {} rows have a test here", rows().len());
    assert!(missing.is_empty(), "neither test nor reason: {missing:?}");
}
