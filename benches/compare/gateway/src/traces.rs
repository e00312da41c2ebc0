//! The traces, and what each must be like.

use serde::Serialize;

use super::{
    encode::{Compression, Encoded, encode},
    events::Event,
    guild::{Guild, Size},
    people::World,
};

pub const BOT_ID: &str = "1000000000000000001";

/// How a trace is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// All intents: a third are presences.
    Mixed,
    /// Without presences and typing.
    Nopres,
    /// READY and a thousand guilds.
    Startup,
    /// A READY of 72 KB and 500 messages, for shards of which there are many.
    Memory,
    /// Nothing after READY.
    Idle,
}

/// What a trace is to be like: bytes of an event, and how many times smaller the stream becomes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub bytes: f64,
    pub zlib: f64,
    pub zstd: f64,
}

/// A trace may differ from its target by so much.
const TOLERANCE: f64 = 0.1;

/// Frames, in order: READY, what comes right after it, and after a pause the events that count.
pub struct Trace {
    pub kind: Kind,
    /// READY and what brings every client into the same state; the last is a MESSAGE_CREATE.
    pub prelude: Vec<String>,
    pub frames: Vec<String>,
    /// Of `frames`, those that a narrowed client gets.
    pub narrowed: usize,
}

/// What a narrowed client asks for.
const NARROWED: [&str; 2] = ["MESSAGE_CREATE", "INTERACTION_CREATE"];

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Mixed,
        Self::Nopres,
        Self::Startup,
        Self::Memory,
        Self::Idle,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Nopres => "nopres",
            Self::Startup => "startup",
            Self::Memory => "memory",
            Self::Idle => "idle",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub fn target(self) -> Option<Target> {
        let target = |bytes, zlib, zstd| Some(Target { bytes, zlib, zstd });
        match self {
            Self::Mixed => target(943.0, 4.10, 4.68),
            Self::Nopres => target(1237.0, 4.39, 4.99),
            Self::Startup => target(82_218.0, 6.68, 7.59),
            _ => None,
        }
    }
}

struct Writer {
    seq: u64,
    frames: Vec<String>,
    narrowed: usize,
}

impl Writer {
    fn push(&mut self, event: Event) {
        self.seq += 1;
        self.narrowed += usize::from(NARROWED.contains(&event.name));
        let (name, seq, data) = (event.name, self.seq, event.data);
        self.frames
            .push(format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#));
    }

    fn take(&mut self) -> (Vec<String>, usize) {
        (
            std::mem::take(&mut self.frames),
            std::mem::take(&mut self.narrowed),
        )
    }
}

impl Trace {
    /// The trace of this seed. `url` is where READY tells clients to resume.
    pub fn new(kind: Kind, seed: u64, url: &str) -> Self {
        let mut world = World::new(seed);
        let mut out = Writer {
            seq: 0,
            frames: Vec::new(),
            narrowed: 0,
        };
        let guilds = guilds(kind, &mut world);
        let ids: Vec<_> = guilds.iter().map(|guild| guild.id).collect();
        let padding = if kind == Kind::Memory { 1_495 } else { 0 };
        out.push(ready(&mut world, url, &ids, padding));
        // Clients that keep a cache learn the guilds, so that the events mean something to them.
        if matches!(kind, Kind::Mixed | Kind::Nopres) {
            for guild in &guilds {
                let data = guild.json(&mut world, 60);
                out.push(Event {
                    name: "GUILD_CREATE",
                    data,
                });
            }
        }
        if kind != Kind::Memory && kind != Kind::Idle {
            out.push(guilds[0].message_create(&mut world));
        }
        let (prelude, _) = out.take();
        match kind {
            Kind::Mixed => chat(&mut world, &mut out, &guilds, 20_000, MIXED),
            Kind::Nopres => chat(&mut world, &mut out, &guilds, 20_000, NOPRES),
            Kind::Startup => startup(&mut world, &mut out),
            Kind::Memory => chat(&mut world, &mut out, &guilds, 500, MESSAGES),
            Kind::Idle => {}
        }
        let (frames, narrowed) = out.take();
        Self {
            kind,
            prelude,
            frames,
            narrowed,
        }
    }

    pub fn encode(&self, compression: Compression) -> Encoded {
        encode(self, compression)
    }

    pub fn bytes(&self) -> usize {
        self.frames.iter().map(String::len).sum()
    }

    pub fn mean_bytes(&self) -> f64 {
        self.bytes() as f64 / self.frames.len().max(1) as f64
    }

    /// What is too far from the target, given how well it compresses.
    pub fn problems(&self, zlib: f64, zstd: f64) -> Vec<String> {
        let Some(target) = self.kind.target() else {
            return Vec::new();
        };
        let pairs = [
            ("bytes an event", self.mean_bytes(), target.bytes),
            ("zlib ratio", zlib, target.zlib),
            ("zstd ratio", zstd, target.zstd),
        ];
        let far = |&(_, is, wanted): &(&str, f64, f64)| (is / wanted - 1.0).abs() > TOLERANCE;
        let show = |(what, is, wanted)| {
            format!(
                "{}: {what} is {is:.2}, not near {wanted:.2}",
                self.kind.name()
            )
        };
        pairs.into_iter().filter(far).map(show).collect()
    }
}

fn guilds(kind: Kind, world: &mut World) -> Vec<Guild> {
    let (count, members) = match kind {
        Kind::Mixed => (24, 170),
        Kind::Nopres => (24, 170),
        Kind::Startup | Kind::Idle => (1, 5),
        Kind::Memory => (8, 60),
    };
    let size = Size {
        members,
        roles: 30,
        channels: 32,
        emojis: 40,
    };
    (0..count).map(|_| Guild::new(world, size)).collect()
}

/// So many guilds beyond those that come are named in READY.
fn ready(world: &mut World, url: &str, guilds: &[u64], padding: usize) -> Event {
    let mut ids = guilds.to_vec();
    ids.extend((0..padding).map(|_| world.id_past()));
    let guild = |id| format!(r#"{{"unavailable":true,"id":"{id}"}}"#);
    let guilds: Vec<_> = ids.into_iter().map(guild).collect();
    let data = format!(
        concat!(
            r#"{{"resume_gateway_url":"{}","presences":[],"private_channels":[],"#,
            r#""session_type":"normal","user":{{"username":"harbourmaster","bot":true,"#,
            r#""global_name":null,"primary_guild":null,"id":"{}","clan":null,"#,
            r#""discriminator":"0001","email":null,"flags":0,"mfa_enabled":true,"#,
            r#""verified":true,"avatar":null}},"session_id":"{}","shard":[0,1],"#,
            r#""_trace":["[\"gateway-made-up\",{{\"micros\":1}}]"],"user_settings":{{}},"v":10,"#,
            r#""guild_join_requests":[],"auth":{{}},"relationships":[],"guilds":[{}],"#,
            r#""application":{{"flags":11051008,"id":"{}"}},"game_relationships":[],"#,
            r#""geo_ordered_rtc_regions":["here","there"]}}"#
        ),
        url,
        BOT_ID,
        world.hash(),
        guilds.join(","),
        BOT_ID,
    );
    Event {
        name: "READY",
        data,
    }
}

type Make = fn(&Guild, &mut World) -> Event;
/// Of a hundred events, so many are made by this.
type Mix = &'static [(u32, Make)];

const MIXED: Mix = &[
    (33, Guild::presence_update),
    (12, Guild::typing_start),
    (20, Guild::message_create),
    (5, Guild::message_update),
    (7, Guild::reaction),
    (7, Guild::voice_state_update),
    (9, Guild::member_event),
    (2, Guild::interaction_create),
    (3, Guild::message_delete),
    (2, Guild::channel_update),
];

const NOPRES: Mix = &[
    (34, Guild::message_create),
    (10, Guild::message_update),
    (16, Guild::reaction),
    (12, Guild::voice_state_update),
    (15, Guild::member_event),
    (5, Guild::interaction_create),
    (5, Guild::message_delete),
    (3, Guild::channel_update),
];

const MESSAGES: Mix = &[(100, Guild::message_create)];

fn chat(world: &mut World, out: &mut Writer, guilds: &[Guild], len: usize, mix: Mix) {
    assert_eq!(mix.iter().map(|(share, _)| share).sum::<u32>(), 100);
    for n in 1..=len {
        world.pass(120);
        let guild = &guilds[world.skewed(guilds.len(), 2.0)];
        let mut at = world.rng.u32(0..100);
        let pick = mix.iter().find(|(share, _)| {
            let is_it = at < *share;
            at = at.wrapping_sub(*share);
            is_it
        });
        let make = pick.expect("the shares are a hundred").1;
        // The last is one that every client gets: when it is there, all is done.
        let last = n == len;
        out.push(if last {
            guild.message_create(world)
        } else {
            make(guild, world)
        });
    }
}

fn startup(world: &mut World, out: &mut Writer) {
    const SMALL: f64 = 5_000.0;
    const LARGE: f64 = 500_000.0;
    for _ in 0..1_000 {
        world.pass(20);
        let place = world.rng.f64().powf(1.25);
        let bytes = SMALL * (LARGE / SMALL).powf(place);
        let guild = Guild::new(world, size_for(bytes));
        let data = guild.json(world, 22);
        out.push(Event {
            name: "GUILD_CREATE",
            data,
        });
    }
}

/// What a guild of so many bytes has.
fn size_for(bytes: f64) -> Size {
    let of = |share: f64, each: f64| (bytes * share / each) as usize;
    Size {
        members: of(0.27, 620.0).max(1),
        roles: of(0.22, 320.0).clamp(1, 250),
        channels: of(0.28, 460.0).clamp(2, 490),
        emojis: of(0.12, 135.0).min(500),
    }
}
