//! What does it take to make an event of its text? By the direct decoder, and by serde.
//!
//! `cargo bench --bench decode` prints nanoseconds an event. For instructions, which do not depend
//! on what else the machine does, run the program that it builds under callgrind, for one trace and
//! one way (`mixed`, `nopres` or `startup`; `direct`, `serde` or `none`, which only makes the trace
//! and is to be taken off):
//!
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/decode-* --bench
//! mixed direct`
#![expect(clippy::cast_precision_loss, reason = "a mean of times")]

use std::{env, hint::black_box, time::Instant};

use serde::Deserialize;
use shardstream::{
    discord::{Discord, Event, model},
    local::Traffic,
    platform::Platform,
};

const SEED: u64 = 7;
const ROUNDS: usize = 7;

fn main() {
    // `cargo bench` passes flags of its own, and `cargo test --benches` runs it too.
    let args: Vec<String> = env::args().collect();
    let Some(at) = args.iter().position(|arg| arg == "--bench") else {
        println!("run by `cargo bench --bench decode`");
        return;
    };
    if let [name, way] = &args[at + 1..] {
        let events = trace(name);
        let decode: fn(&str, &str) = match way.as_str() {
            "direct" => direct,
            "serde" => by_serde,
            "none" => |_, _| (),
            _ => panic!("{way}"),
        };
        for (name, data) in &events {
            decode(name, data);
        }
        println!("{} events", events.len());
        return;
    }
    println!("| trace | mean B | direct ns | serde ns |");
    println!("|---|---|---|---|");
    for name in ["mixed", "nopres", "startup"] {
        let events = trace(name);
        let bytes: usize = events.iter().map(|(_, data)| data.len()).sum();
        let (direct, serde) = best(&events);
        println!(
            "| {name} | {} | {direct:.0} | {serde:.0} |",
            bytes / events.len()
        );
    }
}

fn trace(name: &str) -> Vec<(&'static str, String)> {
    let (traffic, count) = match name {
        "mixed" => (Traffic::mixed(SEED), 4000),
        "nopres" => (Traffic::without_presences(SEED), 4000),
        "startup" => (Traffic::start_up(SEED), 40),
        _ => panic!("{name}"),
    };
    let named = |event: &shardstream::local::Event| {
        let name = Traffic::names().find(|name| *name == event.name());
        (name.expect("its own name"), event.data().to_owned())
    };
    traffic.take(count).map(|event| named(&event)).collect()
}

/// The best of some rounds, which alternate, in nanoseconds an event.
fn best(events: &[(&str, String)]) -> (f64, f64) {
    let time = |decode: fn(&str, &str)| {
        let start = Instant::now();
        for (name, data) in events {
            decode(name, data);
        }
        start.elapsed().as_secs_f64() * 1e9 / events.len() as f64
    };
    (0..ROUNDS).fold((f64::MAX, f64::MAX), |(best_direct, best_serde), _| {
        (
            time(direct).min(best_direct),
            time(by_serde).min(best_serde),
        )
    })
}

fn direct(name: &str, data: &str) {
    let event: Event = Discord::decode(name, data).expect("an event");
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
