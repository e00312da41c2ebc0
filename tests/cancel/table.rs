//! Is every public future here? The table says which test drops which; the sources say what there
//! is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where a public future comes from, and the test that drops it at every poll: a function's own
/// name behind the type or trait that it belongs to, and streams as `Stream for` their type.
const COVERED: &[(&str, &str)] = &[
    ("Bot::run", "a_bot_that_is_dropped_is_gone"),
    ("Bot::run_until", "a_bot_that_is_dropped_is_gone"),
    (
        "Builder::start",
        "a_start_that_is_dropped_leaves_the_port_free",
    ),
    (
        "Client::gateway_bot",
        "a_rest_call_that_is_dropped_keeps_no_connection",
    ),
    (
        "Control::remove",
        "a_shard_that_is_taken_out_is_in_one_place",
    ),
    (
        "CredentialSource::token",
        "what_a_shard_waits_for_is_dropped_with_it",
    ),
    ("Dial::dial", "what_a_shard_waits_for_is_dropped_with_it"),
    ("Follow::next", "whoever_follows_misses_no_record"),
    (
        "Gateway::start",
        "a_start_that_is_dropped_leaves_the_port_free",
    ),
    (
        "Gateway::wait_for",
        "a_record_that_was_waited_for_is_still_there",
    ),
    (
        "Gateway::wait_for_nth",
        "a_record_that_was_waited_for_is_still_there",
    ),
    (
        "Handle::send_payload",
        "a_payload_through_a_bot_is_sent_once_or_not_at_all",
    ),
    ("Queue::acquire", "a_place_in_the_queue_is_given_up"),
    (
        "Recommend::recommended",
        "a_recommendation_can_be_asked_for_again",
    ),
    (
        "Reshard::next_message",
        "next_message_of_two_sets_loses_nothing",
    ),
    (
        "Reshard::next_with_meta",
        "next_with_meta_of_two_sets_loses_nothing",
    ),
    ("Reshard::shutdown", "shutdown_while_resharding_goes_on"),
    (
        "Recording::finish",
        "a_recording_that_nobody_waits_for_is_completed",
    ),
    ("Sender::command", "a_command_is_sent_once_or_not_at_all"),
    (
        "Sender::send_payload",
        "a_payload_is_sent_once_or_not_at_all",
    ),
    (
        "SessionStore::load",
        "what_is_saved_last_is_what_the_file_holds",
    ),
    (
        "SessionStore::save",
        "what_is_saved_last_is_what_the_file_holds",
    ),
    ("Shard::forward_to", "forward_to_loses_nothing"),
    (
        "Shard::guilds_arrived",
        "guilds_arrived_has_given_all_that_it_took",
    ),
    ("Shard::next_event", "next_event_loses_nothing"),
    (
        "Shard::next_event_of",
        "next_event_of_loses_nothing_of_the_set",
    ),
    ("Shard::next_message", "next_message_loses_nothing"),
    (
        "Shard::request_members",
        "request_members_of_a_shard_in_hand_gives_up_when_it_is_dropped",
    ),
    ("Shard::shutdown", "shutdown_of_a_shard_goes_on"),
    (
        "ShardEventStream::next_with_meta",
        "next_with_meta_of_many_shards_loses_nothing",
    ),
    (
        "ShardHandle::request_members",
        "request_members_gives_up_when_it_is_dropped",
    ),
    ("ShardHandle::shutdown", "shutdown_by_a_handle_goes_on"),
    ("Stream for $name", "next_of_many_shards_loses_nothing"),
    ("Stream for Reshard", "next_of_two_sets_loses_nothing"),
    ("Stream for Shard", "next_of_a_shard_loses_nothing"),
    (
        "Stream for TypedShard",
        "next_of_a_shard_of_ones_own_type_loses_nothing",
    ),
    (
        "TypedShard::next_event",
        "next_event_of_ones_own_type_loses_nothing",
    ),
    (
        "TypedShard::next_message",
        "next_message_of_ones_own_type_loses_nothing",
    ),
    ("Watch::changed", "a_watch_misses_no_change"),
    ("$name::shutdown", "shutdown_of_a_stream_goes_on"),
    (
        "create_recommended",
        "shards_are_made_after_a_call_that_was_dropped",
    ),
    ("shutdown", "shutdown_of_a_set_goes_on"),
    // Of the cluster, with its servers and processes.
    (
        "Commands::command",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
    (
        "Commands::send_payload",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
    (
        "Node::run_until",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
    (
        "NodeBuilder::connect",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
    (
        "Worker::run_until",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
    (
        "WorkerBuilder::connect",
        "futures_that_are_dropped_at_any_poll_lose_and_repeat_nothing",
    ),
];

/// A public future as the sources declare it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    name: String,
    /// Whether its documentation says what becomes of it when it is dropped.
    is_told: bool,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The type or trait that a header (`impl<T> Stream for Shard<T> {`) is about.
fn subject(header: &str) -> String {
    let mut depth = 0_usize;
    let mut last = ' ';
    let plain = header.chars().filter(|c| {
        match c {
            '<' => depth += 1,
            // Not that of an arrow.
            '>' if last != '-' => depth = depth.saturating_sub(1),
            _ => {}
        }
        last = *c;
        depth == 0 && *c != '>'
    });
    let plain: String = plain.collect();
    let plain = plain.split(['{', ':']).next().unwrap_or_default();
    let plain = plain.split(" where").next().unwrap_or_default();
    plain
        .trim_start_matches("pub trait")
        .trim_start_matches("impl")
        .trim()
        .to_owned()
}

fn is_told(docs: &str) -> bool {
    ["# Cancel safety", "See [`", "Dropping a future of"]
        .iter()
        .any(|words| docs.contains(words))
}

/// The public futures that a file declares outside its tests.
fn declared(text: &str) -> Vec<Found> {
    let text = text.split("mod tests {").next().unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    let (mut owner, mut docs) = (String::new(), String::new());
    let mut is_trait = false;
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim();
        if code.starts_with("//") {
            docs.push_str(code);
            docs.push('\n');
            continue;
        }
        if code.starts_with('#') {
            continue;
        }
        let header = || {
            let rest = lines[at..].iter().copied();
            let end = rest
                .clone()
                .position(|line| line.contains(['{', ';']))
                .unwrap_or_default();
            rest.take(end + 1)
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(" ")
        };
        if code.starts_with("impl") || code.starts_with("pub trait") {
            is_trait = code.starts_with("pub trait");
            owner = subject(&header());
            if owner.starts_with("Stream for") {
                found.push(Found {
                    name: owner.clone(),
                    is_told: is_told(&docs) || owner.contains('$'),
                });
            }
        }
        let function = code
            .strip_prefix("pub ")
            .unwrap_or(if is_trait { code } else { "" });
        let function = function.strip_prefix("const ").unwrap_or(function);
        let name = function.trim_start_matches("async ").strip_prefix("fn ");
        let gives = || {
            let header = header();
            let header = header.split(" where ").next().unwrap_or_default();
            let output = header.rsplit_once(" -> ").map_or("", |(_, output)| output);
            ["Future<", "BoxFuture", "Stream<"]
                .iter()
                .any(|word| output.contains(word))
        };
        if let Some(name) = name
            && (function.starts_with("async ") || gives())
        {
            let name = name.split(['(', '<']).next().unwrap_or_default();
            let name = if line.starts_with("pub") {
                name.to_owned()
            } else {
                format!("{owner}::{name}")
            };
            found.push(Found {
                name,
                is_told: is_told(&docs),
            });
        }
        docs.clear();
    }
    found
}

fn all_declared() -> Vec<Found> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.retain(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    paths
        .iter()
        .flat_map(|path| declared(&fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_public_future_is_dropped_by_a_test() {
    let declared = all_declared();
    let declared: BTreeSet<_> = declared.iter().map(|found| found.name.as_str()).collect();
    let covered: BTreeSet<_> = COVERED.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = declared.difference(&covered).collect();
    let gone: Vec<_> = covered.difference(&declared).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    assert!(
        gone.is_empty(),
        "in the table, not in the sources: {gone:?}"
    );
}

#[test]
fn the_tests_of_the_table_are_there() {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    for suite in ["cancel", "cluster"] {
        files(&suites.join(suite), &mut paths);
    }
    let texts: Vec<_> = paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (future, test) in COVERED {
        let test = format!("#[test]\nfn {test}()");
        assert!(
            texts.iter().any(|text| text.contains(&test)),
            "{future}: no {test}"
        );
    }
}

#[test]
fn every_public_future_says_what_becomes_of_it_when_it_is_dropped() {
    let mut silent = all_declared();
    silent.retain(|found| !found.is_told);
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn futures_are_found_in_every_form() {
    for (text, expected) in [
        ("pub async fn f() {}", "f"),
        (
            "impl<P: Platform<A = B>> Shard<P> {\n    pub async fn f<T>(\n",
            "Shard::f",
        ),
        (
            "impl A {\n    pub fn f(\n        &self,\n    ) -> impl Future<Output = ()> + Send {",
            "A::f",
        ),
        (
            "pub trait A: Send {\n    fn f(&self) -> BoxFuture<'_, ()>;",
            "A::f",
        ),
        (
            "impl<E, P> Stream for A<E, P>\nwhere\n    P: Platform,\n{",
            "Stream for A",
        ),
        ("pub fn f() -> impl Stream<Item = ()> {", "f"),
    ] {
        let found = declared(text);
        let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, [expected], "{text}");
        assert!(!found[0].is_told);
        let told = declared(&format!("/// # Cancel safety\n{text}"));
        assert_eq!(
            told[0].is_told,
            text.starts_with("pub fn f")
                || text.starts_with("pub async fn")
                || expected.starts_with("Stream")
        );
    }
    for text in [
        "pub(crate) async fn f() {}",
        "async fn f() {}",
        "pub fn f(until: impl Future<Output = ()>) {}",
        "impl A {\n    fn f(&self) -> BoxFuture<'_, ()> {",
        "pub fn f<F, W>(f: F) -> A\nwhere\n    F: Fn() -> W,\n    W: Future<Output = ()>,\n{",
        "#[cfg(test)]\nmod tests {\n    pub async fn f() {}",
    ] {
        assert!(declared(&format!("\n{text}")).is_empty(), "{text}");
    }
}
