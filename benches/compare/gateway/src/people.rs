//! Who is there: words, ids, users and members.

use std::fmt::Write as _;

use fastrand::Rng;

/// Discord's epoch, in milliseconds of Unix time.
const EPOCH_MS: u64 = 1_420_070_400_000;
/// When the traces begin: 2026-03-01.
const BEGIN_MS: u64 = 1_772_323_200_000;

/// A text in JSON, quoted, or `null`.
pub fn text(value: Option<&str>) -> String {
    value.map_or_else(
        || "null".to_owned(),
        |value| serde_json::to_string(value).expect("text is JSON"),
    )
}

/// A name or an id that needs no escapes, quoted.
pub fn quoted(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

/// Chance, time and vocabulary.
pub struct World {
    pub rng: Rng,
    now_ms: u64,
    words: Vec<String>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let words = (0..1_800).map(|_| word(&mut rng)).collect();
        Self {
            rng,
            now_ms: BEGIN_MS,
            words,
        }
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    /// An index below `len`; low ones far more often, as few people say most.
    pub fn skewed(&mut self, len: usize, power: f64) -> usize {
        let place = self.rng.f64().powf(power) * len as f64;
        (place as usize).min(len - 1)
    }

    /// Time goes on by up to so many milliseconds.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += self.rng.u64(1..=ms);
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The id of something that happens now.
    pub fn id_now(&mut self) -> u64 {
        let low = self.rng.u64(0..1 << 22);
        ((self.now_ms - EPOCH_MS) << 22) | low
    }

    /// The id of something made in the years before.
    pub fn id_past(&mut self) -> u64 {
        let at = self.rng.u64(EPOCH_MS + 40_000_000_000..BEGIN_MS);
        let low = self.rng.u64(0..1 << 22);
        ((at - EPOCH_MS) << 22) | low
    }

    pub fn word(&mut self) -> &str {
        let at = self.skewed(self.words.len(), 2.6);
        &self.words[at]
    }

    /// So many words with spaces, the first with a capital.
    pub fn sentence(&mut self, len: usize) -> String {
        let mut out = String::new();
        for n in 0..len {
            if n > 0 {
                out.push_str(match self.rng.u32(0..24) {
                    0 => ", ",
                    1 => ". ",
                    _ => " ",
                });
            }
            let word = self.word().to_owned();
            if n == 0 {
                out.push(word.as_bytes()[0].to_ascii_uppercase() as char);
                out.push_str(&word[1..]);
            } else {
                out.push_str(&word);
            }
        }
        out
    }

    pub fn hash(&mut self) -> String {
        format!("{:032x}", self.rng.u128(..))
    }

    /// Now, as the platform writes it.
    pub fn now(&self) -> String {
        timestamp(self.now_ms, Some((self.now_ms % 1000) * 1000))
    }

    /// Some time in the years before.
    pub fn past(&mut self) -> String {
        let at = self.rng.u64(EPOCH_MS + 40_000_000_000..BEGIN_MS);
        let micros = self.rng.u64(0..1_000_000);
        timestamp(at, Some(micros))
    }
}

/// ISO 8601 in UTC. Days to dates as in <https://howardhinnant.github.io/date_algorithms.html>.
fn timestamp(ms: u64, micros: Option<u64>) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut out = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if let Some(micros) = micros {
        let _ = write!(out, ".{micros:06}");
    }
    out + "+00:00"
}

/// A made-up word of one to four syllables.
fn word(rng: &mut Rng) -> String {
    const HEADS: &[&str] = &[
        "b", "br", "d", "dr", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "pr", "r", "s", "st",
        "t", "tr", "v", "w", "sh", "th", "",
    ];
    const CORES: &[&str] = &["a", "e", "i", "o", "u", "ai", "ea", "oo", "ou", "y"];
    const TAILS: &[&str] = &["", "", "n", "r", "l", "s", "t", "nd", "st", "ck", "m"];
    let mut out = String::new();
    for _ in 0..1 + rng.usize(0..4) * rng.usize(0..4) / 3 {
        for part in [HEADS, CORES, TAILS] {
            out.push_str(part[rng.usize(0..part.len())]);
        }
    }
    out
}

pub struct User {
    pub id: u64,
    pub username: String,
    global_name: Option<String>,
    avatar: Option<String>,
    /// What is worn on the avatar: hash and its id in the shop.
    decoration: Option<(String, u64)>,
    /// The tag of a guild beside the name: guild, tag and badge.
    tag: Option<(u64, String, String)>,
    pub is_bot: bool,
    discriminator: u16,
    flags: u32,
}

impl User {
    pub fn new(world: &mut World) -> Self {
        let is_bot = world.chance(3);
        let number = world.rng.u32(0..9999);
        let username = format!("{}{number}", world.word());
        let global_name = (!is_bot && world.chance(70)).then(|| world.sentence(2));
        let avatar = world.chance(85).then(|| world.hash());
        let decoration = (!is_bot && world.chance(12)).then(|| (world.hash(), world.id_past()));
        let tag = (!is_bot && world.chance(12)).then(|| {
            let mut tag = world.word().to_uppercase();
            tag.truncate(4);
            (world.id_past(), tag, world.hash())
        });
        Self {
            id: world.id_past(),
            username,
            global_name,
            avatar,
            decoration,
            tag,
            is_bot,
            discriminator: if is_bot { world.rng.u16(1..10_000) } else { 0 },
            flags: if world.chance(30) {
                world.rng.u32(0..1 << 20) & 0x4_01C0
            } else {
                0
            },
        }
    }

    fn primary_guild(&self) -> String {
        self.tag.as_ref().map_or_else(
            || "null".to_owned(),
            |(guild, tag, badge)| {
                format!(
                    concat!(
                        r#"{{"identity_guild_id":"{}","tag":"{}","badge":"{}","#,
                        r#""identity_enabled":true}}"#
                    ),
                    guild, tag, badge,
                )
            },
        )
    }

    fn decoration(&self) -> String {
        self.decoration.as_ref().map_or_else(
            || "null".to_owned(),
            |(asset, sku)| format!(r#"{{"expires_at":null,"asset":"{asset}","sku_id":"{sku}"}}"#),
        )
    }

    fn discriminator(&self) -> String {
        if self.discriminator == 0 {
            "0".to_owned()
        } else {
            format!("{:04}", self.discriminator)
        }
    }

    /// The fields of a user beside a message, without braces.
    pub fn fields(&self) -> String {
        let bot = if self.is_bot { r#""bot":true,"# } else { "" };
        let tag = self.primary_guild();
        format!(
            concat!(
                r#""collectibles":null,"username":"{}",{}"display_name_styles":null,"#,
                r#""global_name":{},"primary_guild":{},"id":"{}","clan":{},"public_flags":{},"#,
                r#""discriminator":"{}","avatar_decoration_data":{},"avatar":{}"#
            ),
            self.username,
            bot,
            text(self.global_name.as_deref()),
            tag,
            self.id,
            tag,
            self.flags,
            self.discriminator(),
            self.decoration(),
            text(self.avatar.as_deref()),
        )
    }

    /// A user as the author of a message.
    pub fn json(&self) -> String {
        format!("{{{}}}", self.fields())
    }

    /// A user inside of a member.
    pub fn json_in_member(&self) -> String {
        format!(
            concat!(
                r#"{{"collectibles":null,"username":"{}","bot":{},"display_name_styles":null,"#,
                r#""global_name":{},"primary_guild":{},"id":"{}","public_flags":{},"#,
                r#""discriminator":"{}","avatar_decoration_data":{},"display_name":{},"#,
                r#""avatar":{}}}"#
            ),
            self.username,
            self.is_bot,
            text(self.global_name.as_deref()),
            self.primary_guild(),
            self.id,
            self.flags,
            self.discriminator(),
            self.decoration(),
            text(self.global_name.as_deref()),
            text(self.avatar.as_deref()),
        )
    }
}

/// A user in a guild.
pub struct Member {
    pub user: User,
    pub roles: String,
    nick: Option<String>,
    joined_at: String,
    premium_since: Option<String>,
    flags: u32,
    /// What they are doing, as the events about it say.
    pub session: String,
}

impl Member {
    pub fn new(world: &mut World, roles: &[u64]) -> Self {
        let user = User::new(world);
        let len = world.rng.usize(0..8).min(roles.len());
        let mut ids: Vec<_> = (0..len)
            .map(|_| roles[world.skewed(roles.len(), 1.8)])
            .collect();
        ids.dedup();
        let ids: Vec<_> = ids.into_iter().map(quoted).collect();
        Self {
            user,
            roles: ids.join(","),
            nick: world.chance(25).then(|| world.sentence(2)),
            joined_at: world.past(),
            premium_since: world.chance(6).then(|| world.past()),
            flags: if world.chance(20) { 2 } else { 0 },
            session: world.hash(),
        }
    }

    /// The fields of a member beside a message, without braces.
    pub fn fields(&self) -> String {
        format!(
            concat!(
                r#""pending":false,"banner":null,"mute":false,"flags":{},"#,
                r#""communication_disabled_until":null,"roles":[{}],"premium_since":{},"#,
                r#""nick":{},"joined_at":"{}","deaf":false,"avatar":null"#
            ),
            self.flags,
            self.roles,
            text(self.premium_since.as_deref()),
            text(self.nick.as_deref()),
            self.joined_at,
        )
    }

    pub fn json(&self) -> String {
        format!("{{{}}}", self.fields())
    }

    /// A member with its user.
    pub fn json_with_user(&self) -> String {
        format!(
            r#"{{"user":{},{}}}"#,
            self.user.json_in_member(),
            self.fields()
        )
    }

    /// The fields of GUILD_MEMBER_ADD and _UPDATE, without braces.
    pub fn fields_of_event(&self, guild: u64) -> String {
        format!(
            concat!(
                r#""guild_id":"{}","collectibles":null,"user":{},"display_name_styles":null,"#,
                r#""pending":false,"unusual_dm_activity_until":null,"banner":null,"flags":{},"#,
                r#""communication_disabled_until":null,"roles":[{}],"premium_since":{},"#,
                r#""nick":{},"joined_at":"{}","avatar":null"#
            ),
            guild,
            self.user.json(),
            self.flags,
            self.roles,
            text(self.premium_since.as_deref()),
            text(self.nick.as_deref()),
            self.joined_at,
        )
    }

    /// The member of an interaction, who has permissions in a channel.
    pub fn json_in_interaction(&self) -> String {
        format!(
            r#"{{"user":{},"permissions":"2251799813685247","unusual_dm_activity_until":null,{}}}"#,
            self.user.json(),
            self.fields(),
        )
    }
}
