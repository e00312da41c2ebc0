//! Every target on its files, and on changes of them by chance.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fastrand::Rng;

/// Runs of each target on changed files; a thousand inputs take a fraction of a second.
const CHANGES: usize = 2000;

type Body = fn(&[u8]);

/// Each target by its name, which is that of its folders and of its file in `tests/fuzz/targets`.
const TARGETS: &[(&str, Body)] = &[
    ("envelope", super::envelope),
    ("event_decode", super::event_decode),
    ("qq_token", super::qq_token),
    ("resume_state", super::resume_state),
    ("retry_after", super::retry_after),
    ("session_ops", super::session_ops),
    ("shard_workload", super::shard_workload),
    ("upgrade", super::upgrade),
    ("url", super::url),
    ("websocket", super::websocket),
    #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
    ("zlib_stream", super::zlib_stream),
    #[cfg(feature = "zstd")]
    ("zstd_stream", super::zstd_stream),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Its corpus, and what was found once.
fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = files(&root().join("corpus").join(name));
    all.extend(files(&root().join("regress").join(name)));
    all
}

#[test]
fn every_target_has_a_body_a_file_and_inputs() {
    let names = |folder: &str| {
        let folder = fs::read_dir(root().join(folder)).unwrap();
        let stem = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = folder.map(stem).collect();
        names.sort();
        names
    };
    let optional = ["zlib_stream", "zstd_stream"];
    let built = |name: &String| {
        TARGETS.iter().any(|(target, _)| target == name) || optional.contains(&&**name)
    };
    let targets = names("targets");
    assert!(targets.iter().all(built), "{targets:?}");
    for (name, _) in TARGETS {
        assert!(
            targets.iter().any(|target| target == name),
            "{name} has no file"
        );
        let corpus = files(&root().join("corpus").join(name));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        assert!(corpus.len() <= 40, "{name}: {} files", corpus.len());
    }
    for folder in ["corpus", "regress"] {
        // Nothing was found yet where there is no folder for it.
        let there = root().join(folder).exists();
        let folders = if there { names(folder) } else { Vec::new() };
        assert!(
            folders.iter().all(|name| targets.contains(name)),
            "{folders:?}"
        );
        for name in folders {
            let files = files(&root().join(folder).join(&name));
            assert!(!files.is_empty(), "{folder}/{name} is empty");
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for name in targets {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not built"
        );
    }
}

#[test]
fn every_target_holds_on_its_corpus_and_on_what_was_found() {
    for (name, body) in TARGETS {
        for (path, input) in inputs(name) {
            let result = catch_unwind(AssertUnwindSafe(|| body(&input)));
            assert!(result.is_ok(), "{}", path.display());
        }
    }
}

/// Method: files of the corpus, with bytes changed, taken out, doubled and spliced by chance.
#[test]
fn every_target_holds_on_changes_of_its_corpus() {
    let seed = env::var("SHARDSTREAM_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().unwrap());
    for (name, body) in TARGETS {
        let inputs = inputs(name);
        let mut random = Rng::with_seed(seed);
        for n in 0..CHANGES {
            let mut input = random.choice(&inputs).unwrap().1.clone();
            let other = &random.choice(&inputs).unwrap().1;
            for _ in 0..random.usize(1..5) {
                change(&mut input, other, &mut random);
            }
            let result = catch_unwind(AssertUnwindSafe(|| body(&input)));
            if result.is_err() {
                let path = env::temp_dir().join(format!("{name}-{seed}-{n}"));
                fs::write(&path, &input).unwrap();
                panic!(
                    "{name} does not hold on {} (SHARDSTREAM_SEED={seed})",
                    path.display()
                );
            }
        }
    }
}

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    let at = random.usize(..=input.len());
    let until = (at + random.usize(..16)).min(input.len());
    match random.u8(..7) {
        0 if at < input.len() => input[at] = random.u8(..),
        1 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        2 => input.insert(at, random.u8(..)),
        3 => _ = input.drain(at..until),
        4 => {
            let piece = input[at..until].to_vec();
            input.splice(at..at, piece);
        }
        5 if !other.is_empty() => {
            let from = random.usize(..other.len());
            let to = (from + random.usize(1..64)).min(other.len());
            input.splice(at..until, other[from..to].iter().copied());
        }
        _ => input.truncate(at),
    }
}
