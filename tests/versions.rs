//! Is anything built in that is known to be broken? Reads the manifest and the lock file and holds
//! them to the advisories of <https://rustsec.org> that concern what this crate is made of.
//!
//! The lock file says what is tested; what the manifest requires is all that users are sure of.

use std::collections::{BTreeMap, BTreeSet};

const LOCK: &str = include_str!("../Cargo.lock");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// The first version without the flaw: crate, version, advisories.
const MINIMA: &[(&str, &str, &str)] = &[
    ("aws-lc-sys", "0.39.0", "RUSTSEC-2026-0044 to 0048"),
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("h2", "0.4.16", "RUSTSEC-2026-0258"),
    ("idna", "1.0.0", "RUSTSEC-2024-0421"),
    ("openssl", "0.10.72", "RUSTSEC-2025-0022"),
    ("ring", "0.17.12", "RUSTSEC-2025-0009"),
    (
        "rustls",
        "0.23.46",
        "RUSTSEC-2024-0336, -0399, 2026-0285, -0346 to -0349",
    ),
    (
        "rustls-webpki",
        "0.103.16",
        "RUSTSEC-2026-0049, -0098, -0099, -0104, -0382",
    ),
    ("slab", "0.4.11", "RUSTSEC-2025-0047"),
    ("tokio", "1.44.2", "RUSTSEC-2025-0023"),
    ("tracing", "0.1.40", "RUSTSEC-2023-0078"),
    ("tracing-subscriber", "0.3.20", "RUSTSEC-2025-0055"),
    ("tungstenite", "0.20.1", "RUSTSEC-2023-0065"),
    ("webpki-roots", "1.0.10", "RUSTSEC-2026-0381"),
    ("zlib-rs", "0.4.0", "RUSTSEC-2024-0401"),
    ("zstd-safe", "8.2.0", "RUSTSEC-2026-0403"),
];

/// Crates that are in no build, whatever its features, each with its reason.
const FORBIDDEN: &[(&str, &str)] = &[
    ("async-std", "unmaintained: RUSTSEC-2025-0052"),
    ("backoff", "unmaintained: RUSTSEC-2025-0012"),
    ("derivative", "unmaintained: RUSTSEC-2024-0388"),
    ("instant", "unmaintained: RUSTSEC-2024-0384"),
    ("number_prefix", "unmaintained: RUSTSEC-2025-0119"),
    ("paste", "unmaintained: RUSTSEC-2024-0436"),
    ("proc-macro-error", "unmaintained: RUSTSEC-2024-0370"),
    ("rustls-pemfile", "unmaintained: RUSTSEC-2025-0134"),
    ("ruzstd", "inflates without a bound: RUSTSEC-2026-0344"),
    ("sonic-rs", "much unsafe code, and not fuzzed by us"),
    ("websocket", "RUSTSEC-2022-0035"),
    ("ws", "never mended: RUSTSEC-2020-0043"),
    ("zstd", "the formats from before 2016: RUSTSEC-2026-0392"),
];

/// A locked package: its version and what it depends on, by name.
type Locked<'a> = BTreeMap<&'a str, Vec<(&'a str, BTreeSet<&'a str>)>>;

fn quoted(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('"')?;
    Some(rest.split_once('"')?.0)
}

fn locked(lock: &str) -> Locked<'_> {
    let mut all = Locked::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| quoted(line.strip_prefix(name)?.strip_prefix(" = ")?))
        };
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            panic!("a package without name or version:{package}");
        };
        let entries = package.lines().filter(|line| line.starts_with(' '));
        // `name`, or `name version` where there are several.
        let on = entries.filter_map(|line| quoted(line)?.split(' ').next());
        all.entry(name).or_default().push((version, on.collect()));
    }
    all
}

/// The lines of a section: name and what it says.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let lines = manifest.lines().skip_while(|line| *line != name).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = ")).collect()
}

/// The version that a line of the manifest asks for.
fn required(line: &str) -> Option<&str> {
    quoted(match line.split_once("version = ") {
        Some((_, version)) => version,
        None => line,
    })
}

fn number(version: &str) -> (u64, u64, u64) {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|part| part.parse().expect("a number"));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// Every crate that any choice of features builds into a program, tests aside.
fn built_in<'a>(lock: &Locked<'a>, manifest: &'a str) -> BTreeSet<&'a str> {
    let direct = section(manifest, "[dependencies]");
    let mut open: Vec<_> = direct.into_iter().map(|(name, _)| name).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            let versions = lock.get(name).into_iter().flatten();
            open.extend(versions.flat_map(|(_, on)| on.iter().copied()));
        }
    }
    found
}

fn below_minimum(lock: &str, manifest: &str) -> Vec<String> {
    let (lock, mut findings) = (locked(lock), Vec::new());
    for (name, minimum, why) in MINIMA {
        for (version, _) in lock.get(name).into_iter().flatten() {
            if number(version) < number(minimum) {
                findings.push(format!("{name} {version} is locked: {minimum}, {why}"));
            }
        }
        for part in ["[dependencies]", "[dev-dependencies]"] {
            let lines = section(manifest, part);
            for (_, line) in lines.iter().filter(|(other, _)| other == name) {
                let version = required(line).unwrap_or("0");
                if number(version) < number(minimum) {
                    findings.push(format!("{name} {version} is enough: {minimum}, {why}"));
                }
            }
        }
    }
    findings
}

fn forbidden(lock: &str, manifest: &str) -> Vec<String> {
    let built_in = built_in(&locked(lock), manifest);
    let found = FORBIDDEN.iter().filter(|(name, _)| built_in.contains(name));
    found.map(|(name, why)| format!("{name}: {why}")).collect()
}

/// The crates that turn on what zstd made before 2016, or may: whoever names `zstd-safe`.
fn legacy_zstd(lock: &str, manifest: &str) -> Vec<String> {
    let lines = section(manifest, "[dependencies]");
    let ours = lines.iter().find(|(name, _)| *name == "zstd-safe");
    let off = |line: &str| line.contains("default-features = false") && !line.contains("legacy");
    let mut findings = Vec::new();
    if !ours.is_some_and(|(_, line)| off(line)) {
        findings.push("shardstream turns the formats from before 2016 on".to_owned());
    }
    for (name, versions) in locked(lock) {
        let names_it = versions.iter().any(|(_, on)| on.contains("zstd-safe"));
        if names_it && name != "shardstream" {
            findings.push(format!("{name} may turn the formats from before 2016 on"));
        }
    }
    findings
}

#[test]
fn no_crate_is_older_than_the_advisories_allow() {
    let findings = below_minimum(LOCK, MANIFEST);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn no_crate_that_is_given_up_is_built_in() {
    let findings = forbidden(LOCK, MANIFEST);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn zstd_reads_no_format_from_before_2016() {
    let findings = legacy_zstd(LOCK, MANIFEST);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_crate_comes_from_the_registry_with_its_checksum() {
    for package in LOCK.split("[[package]]").skip(1) {
        let is_ours = package.contains("name = \"shardstream\"\n");
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        let known = package.contains(registry) && package.contains("checksum = \"");
        assert!(is_ours != known, "{package}");
    }
}

/// The rules find what they are for.
#[test]
fn what_is_too_old_given_up_or_turned_on_is_found() {
    let package = |name: &str, version: &str, on: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n{on}]\n"
        )
    };
    let lock = [
        package("bytes", "1.11.0", ""),
        package("hyper", "1.7.0", " \"instant 0.1.13\",\n \"bytes\",\n"),
        package("instant", "0.1.13", ""),
        package("other", "1.0.0", " \"zstd-safe\",\n"),
        package("paste", "1.0.0", ""),
        package("zlib-rs", "0.10.0", ""),
    ];
    let lock = lock.concat();
    let manifest = "[dependencies]\nhyper = \"1\"\nring = { version = \"0.17.11\" }\n\
                    zstd-safe = { version = \"8.2.0\", features = [\"legacy\"] }\n[lints]\n\
                    [dev-dependencies]\npaste = \"1\"\ntokio = \"1.44\"\n";
    let findings = below_minimum(&lock, manifest);
    let start = |finding: &String| finding.split(" is ").next().map(str::to_owned);
    let names: Vec<_> = findings.iter().filter_map(start).collect();
    assert_eq!(names, ["bytes 1.11.0", "ring 0.17.11", "tokio 1.44"]);
    let found = forbidden(&lock, manifest);
    assert_eq!(found, ["instant: unmaintained: RUSTSEC-2024-0384"]);
    let found = legacy_zstd(&lock, manifest);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn the_tables_are_in_order_and_the_crates_that_are_there_are_found() {
    let lock = locked(LOCK);
    let names = MINIMA.iter().map(|(name, ..)| name);
    assert!(names.clone().is_sorted());
    assert!(FORBIDDEN.is_sorted());
    // Guards the reading of the lock file: most of the table are crates that are there.
    assert!(names.filter(|name| lock.contains_key(**name)).count() >= 12);
    let built_in = built_in(&lock, MANIFEST);
    assert!(built_in.contains("mio") && !built_in.contains("anyhow"));
}
