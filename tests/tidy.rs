//! Is the house in order? Reads the crate's own sources and holds them to the rules that the
//! compiler cannot know: who may import whom, what a pure room may not contain, how long a line,
//! a function and a file may be, and what is no finished code.
//!
//! Each rule is a function from sources to findings, so that the last tests can show, on made-up
//! sources, that the rules find what they are for.

#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, Token, closing, exclude_test_modules, paths, sources};

/// The words that every other room may import and that import nothing.
const WORDS: &[&str] = &["error", "id", "limits", "notice", "secret"];

/// Which rooms each room may import beside itself and the words. A room stands below all that it
/// imports, so there are no circles.
const ROOMS: &[(&str, &[&str])] = &[
    ("platform", &[]),
    ("codec", &["platform"]),
    ("model", &["codec", "platform"]),
    ("discord", &["codec", "model", "platform"]),
    ("qq", &["codec", "model", "platform"]),
    ("session", &["codec", "platform"]),
    ("queue/buckets", &[]),
    ("queue/budget", &[]),
    ("queue", &["platform", "queue/buckets", "queue/budget"]),
    ("observe", &["codec", "platform", "session"]),
    ("transport", &["observe", "platform"]),
    ("credential", &["platform", "transport"]),
    // The one part of it that waits: what is asked, and what an answer means, is pure.
    (
        "qq/credentials",
        &["credential", "observe", "platform", "qq", "transport"],
    ),
    (
        "rest",
        &["credential", "discord", "observe", "platform", "transport"],
    ),
    (
        "shard",
        &[
            "codec",
            "credential",
            "observe",
            "platform",
            "queue",
            "rest",
            "session",
            "transport",
        ],
    ),
    ("guilds", &["discord", "platform", "session", "shard"]),
    (
        "stream",
        &["observe", "platform", "queue", "rest", "session", "shard"],
    ),
    (
        "handler",
        &[
            "credential",
            "observe",
            "platform",
            "queue",
            "session",
            "shard",
            "stream",
        ],
    ),
    // What decides in a cluster is pure; the words of a stored session are the shard's.
    ("cluster/entry", &["shard"]),
    ("cluster/fence", &[]),
    ("cluster/gate", &["queue/budget"]),
    ("cluster/plan", &[]),
    ("cluster/window", &[]),
    (
        "cluster",
        &[
            "cluster/entry",
            "cluster/fence",
            "cluster/gate",
            "cluster/plan",
            "cluster/window",
            "credential",
            "observe",
            "platform",
            "queue",
            "rest",
            "session",
            "shard",
            "stream",
        ],
    ),
    // An oracle that shares code with the accused acquits it: never `session`, never `shard`.
    ("local", &["codec", "discord", "platform", "qq"]),
    ("twilight", &["codec", "platform", "shard"]),
    ("guide", &[]),
];

/// Files that are part of a room elsewhere: what a shard is made from refers to the shard's own
/// words, and the shard to it.
const ANNEXES: &[(&str, &str)] = &[("config", "shard")];

/// Files and folders that know platforms only through the trait.
const BLIND: &[&str] = &[
    "cluster",
    "codec",
    "config",
    "credential",
    "handler",
    "observe",
    "platform",
    "queue",
    "session",
    "shard",
    "stream",
    "transport",
];

/// Those with a type parameter that has a default: one line each may say which.
const DEFAULTED: &[&str] = &["config", "handler", "shard"];

/// Rooms without clock, task, socket, lock and chance.
const PURE: &[&str] = &[
    "cluster/entry",
    "cluster/fence",
    "cluster/gate",
    "cluster/plan",
    "cluster/window",
    "codec",
    "discord",
    "error",
    "id",
    "limits",
    "model",
    "notice",
    "platform",
    "qq",
    "queue/buckets",
    "queue/budget",
    "secret",
    "session",
];

/// Models and tables may be as long as what they list.
const LONG_FILES: &[&str] = &["src/discord/model/", "src/qq/model/"];

/// The files of pure rooms that may keep something beside their arguments, because those who call
/// them have no room for an argument of ours: how deep the call is (the decoder is called through
/// serde), and the space in which texts are read (events are decoded in whatever task wants them).
const KEEPERS: &[&str] = &["src/codec/json/simd.rs", "src/model/nest.rs"];

const LINE_MAX: usize = 100;
const FUNCTION_MAX: usize = 70;
const FILE_MAX: usize = 800;

/// The room of the table that a file belongs to, or nothing.
fn room(source: &Source) -> &'static str {
    room_of(&source.module()).unwrap_or("")
}

/// The innermost room of the table that holds `module`.
fn room_of(module: &[&str]) -> Option<&'static str> {
    let path = format!("{}/", module.join("/"));
    let rooms = known_rooms().into_iter().map(|room| (room, room));
    rooms
        .chain(ANNEXES.iter().copied())
        .filter(|(name, _)| path.starts_with(&format!("{name}/")))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, room)| room)
}

// --- Rules

/// Where the crate's root exports the names of rooms: name -> room.
fn exports(sources: &[Source]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path == "src/lib.rs") {
        for (_, _, path) in paths(&source.all, &known_rooms()) {
            if let (Some(name), Some(room)) = (path.last(), room_of(&path)) {
                names.insert((*name).to_owned(), room.to_owned());
            }
        }
    }
    // A macro that is exported is named at the root, whichever room wrote it.
    for source in sources {
        let texts: Vec<&str> = source.all.iter().map(|token| &*token.text).collect();
        for tokens in texts.windows(5) {
            if let ["macro_export", "]", "macro_rules", "!", name] = tokens {
                names.insert((*name).to_owned(), room(source).to_owned());
            }
        }
    }
    names
}

fn known_rooms() -> Vec<&'static str> {
    ROOMS
        .iter()
        .map(|(room, _)| *room)
        .chain(WORDS.iter().copied())
        .collect()
}

fn may_import(from: &str, to: &str) -> bool {
    let row = ROOMS.iter().find(|(room, _)| *room == from);
    from == to || row.is_some_and(|(_, rooms)| WORDS.contains(&to) || rooms.contains(&to))
}

fn imports(sources: &[Source]) -> Vec<String> {
    let exports = exports(sources);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.module().is_empty()) {
        let (module, from) = (source.module(), room(source));
        for (line, inline, path) in paths(&source.shipped, &["crate", "super"]) {
            let ups = path.iter().take_while(|part| **part == "super").count();
            let base = match ups {
                0 => 0,
                // Within an inline module of this file.
                _ if ups <= inline => continue,
                _ => module.len().saturating_sub(ups - inline),
            };
            let rest = &path[ups.max(1)..];
            let target: Vec<_> = module[..base].iter().chain(rest).copied().collect();
            let exported = exports.get(*target.first().unwrap_or(&""));
            let to = room_of(&target).or_else(|| exported.map(String::as_str));
            let is_default = DEFAULTED.contains(&from) && target == ["discord", "Discord"];
            match to {
                Some(to) if may_import(from, to) || is_default => {}
                Some(to) => findings.push(source.finding(line, &format!("imports `{to}`"))),
                None if base == 0 => {
                    let what = format!("`{}` is in no room of the table", path.join("::"));
                    findings.push(source.finding(line, &what));
                }
                None => {}
            }
        }
        if from.is_empty() && !source.shipped.is_empty() {
            findings.push(source.finding(1, "is in no room of the table"));
        }
    }
    findings
}

/// Whether a name or a text names a platform: `discord` anywhere, `qq` as a word of its own.
fn names_platform(text: &str) -> bool {
    let is_qq = |word: &str| ["QQ", "Qq", "qq"].contains(&word);
    let words = text.split(|unit: char| !unit.is_ascii_alphanumeric());
    let starts = |word: &str| word.starts_with("QQ") || word.starts_with("Qq");
    text.to_ascii_lowercase().contains("discord")
        || words.into_iter().any(|word| is_qq(word) || starts(word))
}

/// Rooms that must not know a platform by name do not, neither in a word nor in a literal.
fn platform_names(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut defaults = BTreeMap::<&str, BTreeSet<(&str, usize)>>::new();
    for source in sources {
        let module = source.module();
        let Some(room) = module.first().copied().filter(|name| BLIND.contains(name)) else {
            continue;
        };
        let text_of = |line: usize| {
            let text = source.text.lines().nth(line - 1).unwrap_or_default();
            text.split(" // ").next().unwrap_or_default()
        };
        let named = source.shipped.iter().filter(|token| match &*token.text {
            "\"" => names_platform(text_of(token.line)),
            word => names_platform(word),
        });
        let lines: BTreeSet<_> = named.map(|token| token.line).collect();
        for line in lines {
            let text = text_of(line);
            // The default, and that it is there with its platform only.
            let allowed = ["P: Platform = Discord", "cfg(feature = \"discord\")"];
            let more = ["cfg(not(feature = \"discord\"))", "use super::Discord;"];
            let mut allowed = allowed.iter().chain(&more);
            if DEFAULTED.contains(&room) && allowed.any(|known| text.contains(known)) {
                continue;
            }
            if DEFAULTED.contains(&room) && text.contains("crate::discord::Discord") {
                defaults
                    .entry(room)
                    .or_default()
                    .insert((&source.path, line));
            } else {
                findings.push(source.finding(line, "names a platform"));
            }
        }
    }
    for (room, lines) in defaults {
        if lines.len() > 1 {
            findings.push(format!(
                "{room}: names its default platform twice: {lines:?}"
            ));
        }
    }
    findings
}

fn purity(sources: &[Source]) -> Vec<String> {
    let words = [
        "async",
        "await",
        "Condvar",
        "Mutex",
        "RwLock",
        "SystemTime",
        "UNIX_EPOCH",
        "thread_local",
        "thread_rng",
    ];
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| PURE.contains(&room(source))) {
        let mut add = |line: usize, what: &str| {
            findings.push(source.finding(line, &format!("`{what}` in a pure room")));
        };
        for (index, token) in source.shipped.iter().enumerate() {
            let before = |text: &str| index > 0 && source.shipped[index - 1].text == text;
            let text = token.text.as_str();
            let kept = text == "thread_local" && KEEPERS.contains(&source.path.as_str());
            if !kept && (words.contains(&text) || text.starts_with("tokio")) {
                add(token.line, text);
            }
            if text == "elapsed" && before(".") {
                add(token.line, ".elapsed()");
            }
        }
        for (line, _, path) in paths(&source.shipped, &["std", "fastrand", "Instant", "Rng"]) {
            let is_address = source.path == "src/platform/url.rs" && path.last() == Some(&"IpAddr");
            let bad = match path.as_slice() {
                ["std", "net", ..] => !is_address,
                ["std", "thread", ..] | [.., "Instant", "now"] | [.., "Rng", "new"] => true,
                ["fastrand", "Rng", ..] => false,
                ["fastrand", ..] => true,
                _ => false,
            };
            if bad {
                add(line, &path.join("::"));
            }
        }
    }
    findings
}

fn lengths(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            // A url cannot be broken.
            if line.chars().count() > LINE_MAX && !line.contains("https://") {
                findings.push(source.finding(index + 1, "a line of more than 100 characters"));
            }
        }
        let exempt = LONG_FILES.iter().any(|long| source.path.starts_with(long));
        if source.text.lines().count() > FILE_MAX && !exempt {
            findings.push(source.finding(FILE_MAX, "a file of more than 800 lines"));
        }
        let all = &source.all;
        for start in 0..all.len() {
            // `fn(u8)` is a type.
            let named = all.get(start + 1).is_some_and(|next| next.text != "(");
            if all[start].text != "fn" || !named {
                continue;
            }
            let ends = |token: &Token| ["{", ";"].contains(&&*token.text);
            let body = all[start..].iter().position(ends).map(|body| start + body);
            let last = body.and_then(|body| all.get(closing(all, body)));
            let lines = last.map_or(0, |last| last.line - all[start].line + 1);
            if lines > FUNCTION_MAX {
                let what = format!("`{}` has {lines} lines", all[start + 1].text);
                findings.push(source.finding(all[start].line, &what));
            }
        }
    }
    findings
}

fn unwraps(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        for call in source.shipped.windows(4) {
            if [".", "unwrap", "(", ")"]
                .iter()
                .eq(call.iter().map(|token| &token.text))
            {
                findings.push(source.finding(call[0].line, "`.unwrap()` outside tests"));
            }
        }
    }
    findings
}

fn stubs(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        for call in source.all.windows(2) {
            let stub = ["todo", "unimplemented", "dbg"].contains(&&*call[0].text);
            if stub && call[1].text == "!" {
                findings.push(source.finding(call[0].line, &format!("`{}!`", call[0].text)));
            }
        }
    }
    findings
}

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

// --- The crate

#[test]
fn the_sources_are_found() {
    let sources = sources();
    for path in ["src/lib.rs", "src/codec/envelope.rs", "tests/tidy.rs"] {
        assert!(sources.iter().any(|source| source.path == path), "{path}");
    }
    assert!(
        exports(&sources)
            .get("ShardId")
            .is_some_and(|room| room == "id")
    );
}

#[test]
fn a_room_stands_below_all_that_it_imports() {
    for (index, (room, imported)) in ROOMS.iter().enumerate() {
        for other in *imported {
            let above = ROOMS[..index].iter().any(|(name, _)| name == other);
            assert!(above, "{room} imports {other}");
        }
    }
    let known = known_rooms();
    assert!(PURE.iter().all(|room| known.contains(room)));
    assert!(BLIND.iter().all(|name| room_of(&[*name]).is_some()));
    assert!(DEFAULTED.iter().all(|name| BLIND.contains(name)));
}

#[test]
fn rooms_import_only_what_they_may() {
    assert_none(&imports(&sources()));
}

#[test]
fn rooms_that_know_no_platform_name_none() {
    assert_none(&platform_names(&sources()));
}

#[test]
fn pure_rooms_have_no_clock_no_task_no_socket_no_lock_and_no_chance() {
    assert_none(&purity(&sources()));
}

#[test]
fn lines_functions_and_files_are_short() {
    assert_none(&lengths(&sources()));
}

#[test]
fn nothing_unwraps_outside_tests() {
    assert_none(&unwraps(&sources()));
}

#[test]
fn nothing_is_left_to_do() {
    assert_none(&stubs(&sources()));
}

// --- The rules themselves

/// The findings of `rule` on one made-up file beside a root that exports one name.
fn find(rule: fn(&[Source]) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    let root = Source::new("src/lib.rs", "pub use error::{Error, ErrorKind};");
    let mut sources = [root, Source::new(path, text)];
    exclude_test_modules(&mut sources);
    rule(&sources)
}

#[test]
fn forbidden_imports_are_found_in_every_form() {
    let bad = [
        ("src/session/mod.rs", "use crate::discord::Discord;"),
        (
            "src/session/mod.rs",
            "use crate::{id::ShardId, transport::{Socket}};",
        ),
        ("src/session/table.rs", "use super::super::shard::Shard;"),
        (
            "src/session/mod.rs",
            "mod a { use super::super::shard::Shard; }",
        ),
        ("src/session/mod.rs", "fn f() -> crate::queue::Permit {}"),
        ("src/error.rs", "use crate::id::ShardId;"),
        ("src/queue/budget.rs", "use super::LocalQueue;"),
        ("src/queue/budget.rs", "use super::{buckets::Buckets};"),
        ("src/local/server.rs", "use crate::session::State;"),
        ("src/local/mod.rs", "use crate::{shard};"),
        (
            "src/codec/mod.rs",
            "use crate::{id::Id as I, session::State as S};",
        ),
        ("src/codec/mod.rs", "use crate::{self as all};"),
        ("src/error/mod.rs", "use crate::Unheard;"),
        ("src/attic.rs", "fn f() {}"),
        (
            "src/session/mod.rs",
            "#[cfg(not(test))] mod tests { use crate::discord::Discord; }",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(any(test, feature = \"x\"))] mod tests { use crate::discord::Discord; }",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(any(test, fuzzing, unix))] mod tests { use crate::discord::Discord; }",
        ),
    ];
    for (path, text) in bad {
        assert_eq!(find(imports, path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn allowed_imports_are_let_through() {
    let good = [
        (
            "src/session/mod.rs",
            "pub(crate) use crate::{codec::envelope::*, Error, id::ShardId};",
        ),
        (
            "src/session/table.rs",
            "use super::State; mod a { use super::B; }",
        ),
        (
            "src/session/mod.rs",
            "// use crate::shard;\nconst A: &str = \"crate::shard::X\";",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(test)] mod tests { use crate::discord::Discord; }",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(test)] use crate::{discord::Discord}; fn f() {}",
        ),
        ("src/session/tests.rs", "use crate::discord::Discord;"),
        (
            "src/queue/mod.rs",
            "use self::buckets::Buckets; use super::queue::budget;",
        ),
        ("src/config.rs", "use crate::shard::ResumeState;"),
        ("src/shard/mod.rs", "use crate::config::Config;"),
        (
            "src/session/mod.rs",
            "#[cfg(all(test, feature = \"x\"))] mod tests { use crate::discord::Discord; }",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(any(test, fuzzing))] mod oracle { use crate::discord::Discord; }",
        ),
        (
            "src/session/mod.rs",
            "#[cfg(all(any(test, fuzzing), unix))] mod oracle { use crate::discord::Discord; }",
        ),
        (
            "src/config.rs",
            "struct Config<P = crate::discord::Discord>(P);",
        ),
    ];
    for (path, text) in good {
        assert_none(&find(imports, path, text));
    }
}

#[test]
fn modules_that_are_declared_for_tests_are_test_code() {
    let mut sources = [
        Source::new(
            "src/session/mod.rs",
            "#[cfg(test)]\n#[rustfmt::skip]\nmod model;",
        ),
        Source::new("src/session/model.rs", "use crate::shard::A;"),
        Source::new("src/session/model/deep.rs", "use crate::shard::A;"),
        Source::new("src/session/modelled.rs", "use crate::shard::A;"),
    ];
    exclude_test_modules(&mut sources);
    let findings = imports(&sources);
    assert_eq!(findings, ["src/session/modelled.rs:1: imports `shard`"]);
}

#[test]
fn platforms_are_named_in_the_one_line_that_may() {
    let default = "struct Shard<P = crate::discord::Discord>(P);\n";
    assert_none(&find(platform_names, "src/shard/mod.rs", default));
    assert_none(&find(
        platform_names,
        "src/discord/mod.rs",
        "struct Discord;",
    ));
    assert_none(&find(
        platform_names,
        "src/session/a.rs",
        "/// Discord and QQ differ.\nfn f() { let name = \"\"; } // qq\nfn requeue() {}",
    ));
    let twice = default.repeat(2);
    assert_eq!(find(platform_names, "src/shard/mod.rs", &twice).len(), 1);
    for text in [
        default,
        "match name { Discord => {} }",
        "use crate::qq::Model;",
        "fn f(credential: QQCredentials) {}",
        "fn is_qq() {}",
        "if P::NAME == \"qq\" {}",
        "const URL: &str = \"wss://gateway.discord.gg\";",
        "#[cfg(feature = \"qq\")] fn f() {}",
        "#[cfg(feature = \"discord\")] fn f() {}",
    ] {
        assert_eq!(
            find(platform_names, "src/session/a.rs", text).len(),
            1,
            "{text}"
        );
    }
}

#[test]
fn impurities_are_found_in_every_form() {
    let bad = [
        "use tokio::time;",
        "use tokio_websockets::Message;",
        "use std::net::TcpStream;",
        "use std::{fmt, net::IpAddr};",
        "async fn f() {}",
        "fn f() { g().await }",
        "let now = Instant::now();",
        "let now = std::time::Instant::now();",
        "let t = start.elapsed();",
        "use std::time::SystemTime;",
        "std::thread::spawn(f);",
        "use std::{sync::{Arc, Mutex}};",
        "let lock: RwLock<u8>;",
        "let n = fastrand::u64(..);",
        "let rng = fastrand::Rng::new();",
        "let rng = Rng::new();",
        "rand::thread_rng()",
    ];
    for text in bad {
        assert_eq!(find(purity, "src/session/a.rs", text).len(), 1, "{text}");
        assert_none(&find(purity, "src/shard/mod.rs", text));
        let test = format!("#[cfg(test)] mod tests {{ fn a() {{ {text} }} }} fn b() {{}}");
        assert_none(&find(purity, "src/session/a.rs", &test));
    }
    assert_none(&find(
        purity,
        "src/platform/url.rs",
        "use std::{fmt, net::IpAddr};",
    ));
    for text in [
        "use std::time::{Duration, Instant};",
        "let rng = fastrand::Rng::with_seed(7);",
        "// tokio, async and Mutex\nlet a = 'a'; let b: &'static str = r#\"\"tokio\"\"#;",
        "/* Mutex /* Mutex */ Mutex */ fn f<'a>(_: &'a str) -> char { '\\'' }",
    ] {
        assert_none(&find(purity, "src/session/a.rs", text));
    }
}

#[test]
fn what_is_too_long_is_found_on_both_sides_of_the_limit() {
    let function = |lines: usize| format!("fn f(g: fn(u8)) {{\n{}}}\n", "x();\n".repeat(lines - 2));
    for (text, findings) in [
        ("é".repeat(100), 0),
        ("é".repeat(101), 1),
        (function(70), 0),
        (function(71), 1),
        ("\n".repeat(800), 0),
        ("\n".repeat(801), 1),
    ] {
        assert_eq!(find(lengths, "src/shard/mod.rs", &text).len(), findings);
    }
    assert_none(&find(
        lengths,
        "src/discord/model/user.rs",
        &"\n".repeat(801),
    ));
}

#[test]
fn unwraps_and_stubs_are_found() {
    for (text, findings) in [
        ("a.unwrap();", 1),
        ("a\n    .unwrap()", 1),
        ("a.unwrap_or(1); // .unwrap()", 0),
        ("#[cfg(test)] mod tests { fn f() { a.unwrap() } }", 0),
    ] {
        assert_eq!(
            find(unwraps, "src/shard/mod.rs", text).len(),
            findings,
            "{text}"
        );
    }
    for stub in ["todo!()", "unimplemented!(\"later\")", "dbg!(a)"] {
        assert_eq!(find(stubs, "src/shard/mod.rs", stub).len(), 1);
    }
    assert_none(&find(
        stubs,
        "src/shard/mod.rs",
        "// todo!()\nlet a = \"todo!()\";",
    ));
}
