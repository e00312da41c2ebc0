//! What does it take to make an event of its text?
//!
//! The whole way, as a shard goes it, from bytes by way of a frame to the event; what of this is
//! decoding the payload; and decoding the payload by serde, as a program does that parses it.
//!
//! - `cargo bench --bench decode` prints microseconds an event: the best of some rounds, CPU time
//!   on Linux and what the clock says elsewhere.
//! - `cargo bench --bench decode -- count` prints instructions a byte and an event, which do not
//!   depend on what else the machine does. It needs valgrind.
//! - `cargo bench --bench decode -- count linear` prints these of one guild in four sizes.
//!
//! With `--features simd-json` the first two are what simd-json makes of it.
#![expect(clippy::cast_precision_loss, reason = "means of times and counts")]

use std::{
    array, env, fmt, fs,
    hint::black_box,
    process::{Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use shardstream::{
    Frame,
    discord::{Discord, model},
    local::Traffic,
    platform::Platform,
};

const SEED: u64 = 7;
const ROUNDS: usize = 7;

/// So many bytes a round: a tenth of a second at least, because Linux counts in milliseconds.
const ROUND_LEN: usize = 100_000_000;

const WAYS: [&str; 3] = ["whole way", "decoding", "serde"];

/// The traces by name.
const TRACES: &[&str] = &[
    "mixed",
    "no presences",
    "start-up",
    "messages",
    "guild 5 KB",
    "guild 50 KB",
    "guild 80 KB",
    "guild 500 KB",
    "guild 5 MB",
];

/// One guild in sizes that are ten times as large each.
const LINEAR: &[&str] = &["guild 5 KB", "guild 50 KB", "guild 500 KB", "guild 5 MB"];

fn main() {
    // `cargo bench` passes a flag of its own, and `cargo test --benches` runs it too.
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let words = args
        .strip_suffix(&["--bench"])
        .or_else(|| args.strip_prefix(&["--bench"]));
    match words {
        None => println!("run by `cargo bench --bench decode`"),
        Some([]) => show_times(),
        Some(["count"]) => show_counts(TRACES),
        Some(["count", "linear"]) => show_counts(LINEAR),
        Some(["under", "valgrind", trace, way]) => take(&events(trace), way),
        Some(words) => println!("{words:?}? See the first lines of benches/decode.rs."),
    }
}

fn show_times() {
    show_head("us");
    for trace in TRACES {
        let events = events(trace);
        let bytes: usize = events.iter().map(|event| event.text.len()).sum();
        let times = ROUND_LEN.div_ceil(bytes);
        let time = |way| {
            let start = now();
            for _ in 0..times {
                take(&events, way);
            }
            now().saturating_sub(start).as_secs_f64() / times as f64
        };
        // They alternate: what else the machine does is in the way of all.
        let rounds = (0..ROUNDS).map(|_| WAYS.map(time));
        let best = rounds.fold([f64::MAX; WAYS.len()], |best, round| {
            array::from_fn(|way| best[way].min(round[way]))
        });
        show_row(trace, &events, best.map(|best| best * 1e6));
    }
}

fn show_counts(traces: &[&str]) {
    show_head("instructions");
    for trace in traces {
        show_row(trace, &events(trace), WAYS.map(|way| counted(trace, way)));
    }
}

fn show_head(unit: &str) {
    let columns = WAYS.map(|way| format!("{way}, {unit} | a KB |"));
    println!("| trace | bytes | {}", columns.join(" "));
    println!("|---|---|{}", "---|---|".repeat(WAYS.len()));
}

/// The mean length of the events, and what each way takes of all of them: for an event, and for
/// 1,000 bytes.
fn show_row(trace: &str, events: &[Event], all: [f64; WAYS.len()]) {
    let bytes: usize = events.iter().map(|event| event.text.len()).sum();
    let (count, bytes) = (events.len() as f64, bytes as f64);
    let columns = all.map(|all| format!("{:.2} | {:.2} |", all / count, all * 1e3 / bytes));
    println!("| {trace} | {:.0} | {}", bytes / count, columns.join(" "));
}

/// The time that this thread has run.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let nanoseconds = || {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        stat.split_once(' ')?.0.parse().ok()
    };
    nanoseconds().map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// The instructions of one trace taken one way.
fn counted(trace: &str, way: &str) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Not what makes the trace.
        .arg("--toggle-collect=decode::take*")
        .arg(env::current_exe().expect("a program"))
        .args(["--bench", "under", "valgrind", trace, way])
        .stdout(Stdio::null())
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.unwrap_or_else(|| panic!("{said}"));
    count.trim().parse().expect("a number")
}

/// A frame, and its parts for those that take no frame.
struct Event {
    name: &'static str,
    data: String,
    text: Vec<u8>,
}

impl Event {
    fn new(name: &'static str, data: String, seq: usize) -> Self {
        let text = format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#).into_bytes();
        Self { name, data, text }
    }
}

fn events(trace: &str) -> Vec<Event> {
    let of = |traffic: Traffic, count| {
        let named = |event: shardstream::local::Event| {
            let name = Traffic::names().find(|name| *name == event.name());
            (name.expect("its own name"), event.data().to_owned())
        };
        let events: Vec<_> = traffic.take(count).map(named).collect();
        events
    };
    let events = match trace {
        "mixed" => of(Traffic::mixed(SEED), 4000),
        "no presences" => of(Traffic::without_presences(SEED), 4000),
        "start-up" => of(Traffic::start_up(SEED), 40),
        "messages" => of(Traffic::of("MESSAGE_CREATE", SEED).expect("an event"), 2000),
        "guild 5 KB" => guilds(5_000, 400),
        "guild 50 KB" => guilds(50_000, 40),
        "guild 80 KB" => guilds(80_000, 40),
        "guild 500 KB" => guilds(500_000, 4),
        "guild 5 MB" => guilds(5_000_000, 2),
        _ => panic!("{trace}"),
    };
    let events = events.into_iter().enumerate();
    events
        .map(|(seq, (name, data))| Event::new(name, data, seq))
        .collect()
}

/// One guild of this size, so many times: a large one, with each of its lists cut or repeated, so
/// that guilds of all sizes consist of the same.
fn guilds(len: usize, count: usize) -> Vec<(&'static str, String)> {
    let large = Traffic::start_up(SEED)
        .take(200)
        .max_by_key(|event| event.data().len());
    let large = large.expect("a guild");
    let fields: Fields<'_> = serde_json::from_str(large.data()).expect("an object");
    let mut share = len as f64 / large.data().len() as f64;
    let mut data = resized(&fields, share);
    // What is not in lists is in the way at first.
    for _ in 0..20 {
        share *= len as f64 / data.len() as f64;
        data = resized(&fields, share);
    }
    vec![("GUILD_CREATE", data); count]
}

fn resized(Fields(fields): &Fields<'_>, share: f64) -> String {
    let field = |(key, value): &(&str, &RawValue)| {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            return format!("\"{key}\":{value}");
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few"
        )]
        let count = (items.len() as f64 * share).round() as usize;
        let items = items.iter().cycle().take(count).map(|item| item.get());
        let items: Vec<&str> = items.collect();
        format!("\"{key}\":[{}]", items.join(","))
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!("{{{}}}", fields.join(","))
}

/// An object as it lies there.
struct Fields<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Takes all events. What callgrind counts.
#[inline(never)]
fn take(events: &[Event], way: &str) {
    for event in events {
        match way {
            "whole way" => whole_way(&event.text),
            "decoding" => decoding(event.name, &event.data),
            _ => by_serde(event.name, &event.data),
        }
    }
}

/// What a shard does with a message: from UTF-8 to the event's end.
fn whole_way(text: &[u8]) {
    let text = str::from_utf8(text).expect("text");
    let frame = Frame::from_text(text).expect("a frame");
    let event = frame.decode::<Discord>().expect("an event");
    drop(black_box(event));
}

fn decoding(name: &str, data: &str) {
    let event: shardstream::discord::Event = Discord::decode(name, data).expect("an event");
    drop(black_box(event));
}

/// What a program gets that parses the payload itself.
fn by_serde(name: &str, data: &str) {
    fn read<'de, T: Deserialize<'de>>(data: &'de str) {
        let payload: Box<T> = serde_json::from_str(data).expect("an event");
        drop(black_box(payload));
    }
    match name {
        "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => read::<model::Channel>(data),
        "GUILD_AUDIT_LOG_ENTRY_CREATE" => read::<model::AuditLogEntry>(data),
        "GUILD_BAN_ADD" => read::<model::GuildBan>(data),
        "GUILD_CREATE" => read::<model::GuildCreate>(data),
        "GUILD_EMOJIS_UPDATE" => read::<model::GuildEmojisUpdate>(data),
        "GUILD_MEMBER_ADD" => read::<model::GuildMemberAdd>(data),
        "GUILD_MEMBER_REMOVE" => read::<model::GuildMemberRemove>(data),
        "GUILD_MEMBER_UPDATE" => read::<model::GuildMemberUpdate>(data),
        "GUILD_ROLE_UPDATE" => read::<model::GuildRole>(data),
        "GUILD_UPDATE" => read::<model::Guild>(data),
        "INTERACTION_CREATE" => read::<model::Interaction>(data),
        "INVITE_CREATE" => read::<model::InviteCreate>(data),
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" => read::<model::Message>(data),
        "MESSAGE_DELETE" => read::<model::MessageDelete>(data),
        "MESSAGE_DELETE_BULK" => read::<model::MessageDeleteBulk>(data),
        "MESSAGE_REACTION_ADD" => read::<model::MessageReactionAdd>(data),
        "MESSAGE_REACTION_REMOVE" => read::<model::MessageReactionRemove>(data),
        "PRESENCE_UPDATE" => read::<model::Presence>(data),
        "THREAD_MEMBERS_UPDATE" => read::<model::ThreadMembersUpdate>(data),
        "TYPING_START" => read::<model::TypingStart>(data),
        "VOICE_STATE_UPDATE" => read::<model::VoiceState>(data),
        _ => panic!("{name}"),
    }
}
