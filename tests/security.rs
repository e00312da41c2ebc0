//! Is what `.github/SECURITY.md` states there? Its tests and files exist, and its limits are those
//! of the crate.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use shardstream::Limits;

const PAGE: &str = include_str!("../.github/SECURITY.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backticks, outside of longer code.
fn quoted() -> impl Iterator<Item = &'static str> {
    PAGE.split('`').skip(1).step_by(2)
}

fn sources(folder: PathBuf, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).expect("UTF-8"));
        }
    }
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let mut texts = Vec::new();
    sources(root().join("src"), &mut texts);
    sources(root().join("tests"), &mut texts);
    let functions = texts.iter().flat_map(|text| text.split("fn ").skip(1));
    let heads = functions.filter_map(|rest| rest.split_once("() {"));
    let there: BTreeSet<_> = heads.map(|(name, _)| name).collect();
    let is_test = |word: &&str| word.matches('_').count() >= 3;
    let named: Vec<_> = quoted().filter(is_test).collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(there.contains(name), "`{name}` is no test");
    }
}

#[test]
fn every_file_that_the_page_names_is_there() {
    let starts = ["src/", "tests/", "examples/", ".ci/", "deny.toml"];
    let is_path = |word: &&str| starts.iter().any(|start| word.starts_with(start));
    let named: Vec<_> = quoted().filter(is_path).collect();
    assert!(named.len() >= 8, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "`{path}` is not there");
    }
}

fn len(bytes: usize) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

fn secs(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

#[test]
fn the_limits_on_the_page_are_the_defaults() {
    let limits = Limits::default();
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, _, default, field, _] = cells[..] else {
            return None;
        };
        Some((default, field.strip_prefix('`')?.strip_suffix('`')?))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 19, "{rows:?}");
    for (shown, field) in rows {
        let default = match field {
            "buffered_bytes_max" => len(limits.buffered_bytes_max),
            "buffered_events_max" => limits.buffered_events_max.to_string(),
            "close" => secs(limits.close),
            "commands_max" => limits.commands_max.to_string(),
            "connect" => secs(limits.connect),
            "fragments_max" => limits.fragments_max.to_string(),
            "hello" => secs(limits.hello),
            "inflated_len_max" => len(limits.inflated_len_max),
            "members_max" => limits.members_max.to_string(),
            "message_len_max" => len(limits.message_len_max),
            "pongs_max" => limits.pongs_max.to_string(),
            "ready" => secs(limits.ready),
            "ready_max" => secs(limits.ready_max),
            "resumed" => secs(limits.resumed),
            "retry_after_max" => secs(limits.retry_after_max),
            "silence_margin" => secs(limits.silence_margin),
            "upgrade_headers_max" => limits.upgrade_headers_max.to_string(),
            "upgrade_len_max" => len(limits.upgrade_len_max),
            "write_stall" => secs(limits.write_stall),
            other => panic!("`{other}` is no limit that is known here"),
        };
        assert_eq!(shown, default, "{field}");
    }
}
