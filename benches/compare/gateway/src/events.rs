//! What happens in the guilds, one event at a time.

use super::{
    guild::Guild,
    people::{Member, World, text},
};

/// The data of an event, with its name.
pub struct Event {
    pub name: &'static str,
    pub data: String,
}

fn event(name: &'static str, data: String) -> Event {
    Event { name, data }
}

/// What a message's content and company look like, of a hundred.
const SHORT: u32 = 62;
const REPLIES: u32 = 22;

impl Guild {
    fn someone(&self, world: &mut World) -> &Member {
        &self.members[world.skewed(self.members.len(), 2.4)]
    }

    fn anyone(&self, world: &mut World) -> &Member {
        &self.members[world.skewed(self.members.len(), 1.3)]
    }

    fn text_channel(&self, world: &mut World) -> u64 {
        self.text_channels[world.skewed(self.text_channels.len(), 2.2)]
    }

    pub fn presence_update(&self, world: &mut World) -> Event {
        let member = self.anyone(world);
        event(
            "PRESENCE_UPDATE",
            presence(member, world, &format!(r#""guild_id":"{}","#, self.id)),
        )
    }

    pub fn typing_start(&self, world: &mut World) -> Event {
        let (member, channel) = (self.someone(world), self.text_channel(world));
        event(
            "TYPING_START",
            format!(
                concat!(
                    r#"{{"member":{},"guild_id":"{}","user_id":"{}","timestamp":{},"#,
                    r#""channel_id":"{}"}}"#
                ),
                member.json_with_user(),
                self.id,
                member.user.id,
                world.now_ms() / 1000,
                channel,
            ),
        )
    }

    pub fn message_create(&self, world: &mut World) -> Event {
        let id = world.id_now();
        event("MESSAGE_CREATE", self.message(world, id, false))
    }

    pub fn message_update(&self, world: &mut World) -> Event {
        let id = world.id_now();
        world.pass(30_000);
        event("MESSAGE_UPDATE", self.message(world, id, true))
    }

    fn message(&self, world: &mut World, id: u64, is_update: bool) -> String {
        let (member, channel) = (self.someone(world), self.text_channel(world));
        let content = content(world);
        let replied = world.chance(REPLIES).then(|| self.replied(world, channel));
        let (reference, mentioned) = replied.map_or_else(Default::default, |(message, by)| {
            let fields = format!(r#""referenced_message":{message},"#);
            (fields, Some(by))
        });
        let mentions = mentioned.map_or_else(String::new, |by| {
            let member = &self.members[by];
            format!(r#"{{"member":{},{}}}"#, member.json(), member.user.fields())
        });
        let embeds = if is_update || world.chance(9) {
            embed(world)
        } else {
            String::new()
        };
        let attachments = if world.chance(10) {
            attachment(world, channel)
        } else {
            String::new()
        };
        let (kind, nonce) = if reference.is_empty() {
            (
                0,
                if world.chance(55) {
                    format!(r#""nonce":"{}","#, world.id_now())
                } else {
                    String::new()
                },
            )
        } else {
            (19, String::new())
        };
        let edited = if is_update {
            format!("\"{}\"", world.now())
        } else {
            "null".to_owned()
        };
        format!(
            concat!(
                r#"{{"member":{},"channel_type":0,"guild_id":"{}",{}"edited_timestamp":{},"#,
                r#""author":{},"pinned":false,"id":"{}","channel_id":"{}","content":{},"#,
                r#""embeds":[{}],"mentions":[{}],"components":[],{}"flags":0,"#,
                r#""mention_everyone":false,"tts":false,"mention_roles":[],"attachments":[{}],"#,
                r#""timestamp":"{}","type":{}}}"#
            ),
            member.json(),
            self.id,
            reference,
            edited,
            member.user.json(),
            id,
            channel,
            text(Some(&content)),
            embeds,
            mentions,
            nonce,
            attachments,
            world.now(),
            kind,
        )
    }

    /// The message that is replied to, with the reference to it, and who wrote it.
    fn replied(&self, world: &mut World, channel: u64) -> (String, usize) {
        let by = world.skewed(self.members.len(), 2.4);
        let id = world.id_now();
        let len = 3 + world.rng.usize(0..12);
        let content = world.sentence(len);
        let message = format!(
            concat!(
                r#"{{"edited_timestamp":null,"author":{},"pinned":false,"id":"{}","#,
                r#""channel_id":"{}","content":{},"embeds":[],"mentions":[],"components":[],"#,
                r#""flags":0,"mention_everyone":false,"tts":false,"mention_roles":[],"#,
                r#""attachments":[],"timestamp":"{}","type":0}},"#,
                r#""message_reference":{{"message_id":"{}","guild_id":"{}","channel_id":"{}","#,
                r#""type":0}}"#
            ),
            self.members[by].user.json(),
            id,
            channel,
            text(Some(&content)),
            world.now(),
            id,
            self.id,
            channel,
        );
        (message, by)
    }

    pub fn message_delete(&self, world: &mut World) -> Event {
        let (id, channel) = (world.id_now(), self.text_channel(world));
        let guild = self.id;
        event(
            "MESSAGE_DELETE",
            format!(r#"{{"guild_id":"{guild}","id":"{id}","channel_id":"{channel}"}}"#),
        )
    }

    pub fn reaction(&self, world: &mut World) -> Event {
        let (member, author) = (self.someone(world), self.someone(world));
        let (channel, id) = (self.text_channel(world), world.id_now());
        let emoji = self.emoji(world);
        if world.chance(15) {
            return event(
                "MESSAGE_REACTION_REMOVE",
                format!(
                    concat!(
                        r#"{{"user_id":"{}","type":0,"message_id":"{}","emoji":{},"#,
                        r#""channel_id":"{}","burst":false,"guild_id":"{}"}}"#
                    ),
                    member.user.id, id, emoji, channel, self.id,
                ),
            );
        }
        event(
            "MESSAGE_REACTION_ADD",
            format!(
                concat!(
                    r#"{{"member":{},"message_id":"{}","message_author_id":"{}","emoji":{},"#,
                    r#""guild_id":"{}","user_id":"{}","channel_id":"{}","burst":false,"type":0}}"#
                ),
                member.json_with_user(),
                id,
                author.user.id,
                emoji,
                self.id,
                member.user.id,
                channel,
            ),
        )
    }

    fn emoji(&self, world: &mut World) -> String {
        const PLAIN: [&str; 12] = [
            "👍", "❤️", "😂", "🔥", "👀", "🎉", "✅", "😭", "💀", "🙏", "⚓", "🌊",
        ];
        if world.chance(45) && !self.emojis.is_empty() {
            let (id, name) = &self.emojis[world.skewed(self.emojis.len(), 2.0)];
            format!(r#"{{"name":"{name}","id":"{id}"}}"#)
        } else {
            format!(
                r#"{{"name":"{}","id":null}}"#,
                PLAIN[world.skewed(PLAIN.len(), 2.0)]
            )
        }
    }

    pub fn voice_state_update(&self, world: &mut World) -> Event {
        let member = self.someone(world);
        let left = world.chance(30);
        let channel = if left {
            "null".to_owned()
        } else {
            let at = world.rng.usize(0..self.voice_channels.len());
            format!("\"{}\"", self.voice_channels[at])
        };
        let (deaf, mute) = (world.chance(15), world.chance(40));
        event(
            "VOICE_STATE_UPDATE",
            format!(
                concat!(
                    r#"{{"member":{},"suppress":false,"guild_id":"{}","self_video":{},"#,
                    r#""user_id":"{}","self_deaf":{},"self_mute":{},"session_id":"{}","#,
                    r#""channel_id":{},"mute":false,"discoverable":true,"deaf":false,"#,
                    r#""request_to_speak_timestamp":null}}"#
                ),
                member.json_with_user(),
                self.id,
                world.chance(5),
                member.user.id,
                deaf,
                deaf || mute,
                member.session,
                channel,
            ),
        )
    }

    pub fn member_event(&self, world: &mut World) -> Event {
        match world.rng.u32(0..100) {
            0..70 => {
                let member = self.anyone(world);
                event(
                    "GUILD_MEMBER_UPDATE",
                    format!("{{{}}}", member.fields_of_event(self.id)),
                )
            }
            70..87 => {
                let member = Member::new(world, &[]);
                event(
                    "GUILD_MEMBER_ADD",
                    format!(
                        r#"{{{},"deaf":false,"mute":false}}"#,
                        member.fields_of_event(self.id)
                    ),
                )
            }
            _ => {
                let member = self.anyone(world);
                event(
                    "GUILD_MEMBER_REMOVE",
                    format!(
                        r#"{{"user":{},"guild_id":"{}"}}"#,
                        member.user.json(),
                        self.id
                    ),
                )
            }
        }
    }

    pub fn channel_update(&self, world: &mut World) -> Event {
        let channel = self.channel_json(world, None);
        event(
            "CHANNEL_UPDATE",
            format!(r#"{{"guild_id":"{}",{}"#, self.id, &channel[1..]),
        )
    }

    pub fn interaction_create(&self, world: &mut World) -> Event {
        let (member, channel) = (self.someone(world), self.text_channel(world));
        let id = world.id_now();
        let is_button = world.chance(45);
        let (data, message) = if is_button {
            let custom = format!("{}:{}", world.word().to_owned(), world.rng.u32(0..100_000));
            let message = self.message(world, id, true);
            let data = format!(r#"{{"id":2,"custom_id":"{custom}","component_type":2}}"#);
            (data, format!(r#""message":{message},"#))
        } else {
            (self.command(world), String::new())
        };
        let last = world.id_now();
        let topic = world.sentence(8);
        event(
            "INTERACTION_CREATE",
            format!(
                concat!(
                    r#"{{"member":{},"guild_id":"{}",{}"data":{},"#,
                    r#""app_permissions":"2248473465835073","id":"{}","channel_id":"{}","#,
                    r#""version":1,"entitlement_sku_ids":[],"attachment_size_limit":10485760,"#,
                    r#""entitlements":[],"channel":{{"topic":{},"guild_id":"{}","#,
                    r#""parent_id":"{}","theme_color":null,"name":"{}","nsfw":false,"#,
                    r#""last_message_id":"{}","id":"{}","position":3,"icon_emoji":null,"#,
                    r#""rate_limit_per_user":0,"permissions":"2251799813685247","flags":0,"#,
                    r#""type":0}},"token":"{}","locale":"en-GB","guild_locale":"en-US","#,
                    r#""guild":{{"locale":"en-US","features":["COMMUNITY","NEWS"],"id":"{}"}},"#,
                    r#""application_id":"{}","context":0,"type":{},"#,
                    r#""authorizing_integration_owners":{{"0":"{}"}}}}"#
                ),
                member.json_in_interaction(),
                self.id,
                message,
                data,
                id,
                channel,
                text(Some(&topic)),
                self.id,
                self.categories[0],
                world.word().to_owned(),
                last,
                channel,
                token(world),
                self.id,
                super::traces::BOT_ID,
                if is_button { 3 } else { 2 },
                self.id,
            ),
        )
    }

    /// The data of a slash command with a member as its option.
    fn command(&self, world: &mut World) -> String {
        let target = self.anyone(world);
        let id = target.user.id;
        let len = 2 + world.rng.usize(0..8);
        let reason = world.sentence(len);
        format!(
            concat!(
                r#"{{"type":1,"resolved":{{"users":{{"{}":{}}},"members":{{"{}":{{{},"#,
                r#""permissions":"2248473465835073"}}}}}},"options":[{{"value":"{}","type":6,"#,
                r#""name":"member"}},{{"value":{},"type":3,"name":"reason"}}],"#,
                r#""name":"{}","id":"{}","guild_id":"{}"}}"#
            ),
            id,
            target.user.json(),
            id,
            without_voice(&target.fields()),
            id,
            text(Some(&reason)),
            self.commands[world.rng.usize(0..self.commands.len())].1,
            self.commands[0].0,
            self.id,
        )
    }
}

/// Members in resolved data have no voice fields.
fn without_voice(fields: &str) -> String {
    fields
        .replace(r#""mute":false,"#, "")
        .replace(r#""deaf":false,"#, "")
}

/// What a member shows; `guild` is a field of the event's, none inside of a guild.
pub fn presence(member: &Member, world: &mut World, guild: &str) -> String {
    const STATUS: [&str; 4] = ["online", "idle", "dnd", "offline"];
    const CLIENT: [&str; 3] = ["desktop", "mobile", "web"];
    let status = STATUS[world.skewed(4, 1.2)];
    let clients = if status == "offline" {
        String::new()
    } else {
        format!(r#""{}":"{}""#, CLIENT[world.skewed(3, 1.6)], status)
    };
    let mut activities = Vec::new();
    if status != "offline" {
        if world.chance(44) {
            activities.push(custom_status(world));
        }
        if world.chance(52) {
            activities.push(game(world));
        }
        if world.chance(24) {
            activities.push(music(world));
        }
    }
    format!(
        r#"{{"user":{{"id":"{}"}},"status":"{}",{}"client_status":{{{}}},"activities":[{}]}}"#,
        member.user.id,
        status,
        guild,
        clients,
        activities.join(","),
    )
}

fn custom_status(world: &mut World) -> String {
    let len = 2 + world.rng.usize(0..6);
    let state = world.sentence(len);
    format!(
        r#"{{"type":4,"state":{},"name":"Custom Status","id":"custom","created_at":{}}}"#,
        text(Some(&state)),
        world.now_ms() - world.rng.u64(0..9_000_000),
    )
}

fn game(world: &mut World) -> String {
    let at = world.now_ms() - world.rng.u64(0..9_000_000);
    // Few games are played by most; each has one application.
    let place = world.skewed(300, 3.0);
    let mut rng = fastrand::Rng::with_seed(place as u64);
    let application = rng.u64(350_000_000_000_000_000..1_100_000_000_000_000_000);
    let asset = rng.u64(350_000_000_000_000_000..1_100_000_000_000_000_000);
    let name = format!("Game of {:03} Isles", place);
    let (details, state) = (world.sentence(3), world.sentence(2));
    format!(
        concat!(
            r#"{{"type":0,"timestamps":{{"start":{}}},"state":{},"name":"{}","id":"{:x}","#,
            r#""details":{},"created_at":{},"assets":{{"large_image":"{}","large_text":"{}"}},"#,
            r#""application_id":"{}"}}"#
        ),
        at,
        text(Some(&state)),
        name,
        world.rng.u64(..),
        text(Some(&details)),
        at + 77,
        asset,
        name,
        application,
    )
}

fn music(world: &mut World) -> String {
    let at = world.now_ms() - world.rng.u64(0..200_000);
    let (title, band, album) = (world.sentence(3), world.sentence(2), world.sentence(3));
    let (track, image) = (world.hash(), world.hash());
    format!(
        concat!(
            r#"{{"type":2,"timestamps":{{"start":{},"end":{}}},"sync_id":"{}","state":{},"#,
            r#""session_id":"{}","party":{{"id":"spotify:{}"}},"name":"Spotify","#,
            r#""id":"spotify:1","flags":48,"details":{},"created_at":{},"#,
            r#""assets":{{"large_text":{},"large_image":"spotify:ab67616d0000b273{}"}}}}"#
        ),
        at,
        at + 187_000,
        &track[..22],
        text(Some(&band)),
        image,
        world
            .rng
            .u64(100_000_000_000_000_000..900_000_000_000_000_000),
        text(Some(&title)),
        at + 211,
        text(Some(&album)),
        &image[..24],
    )
}

fn content(world: &mut World) -> String {
    let len = if world.chance(SHORT) {
        1 + world.rng.usize(0..10)
    } else {
        10 + world.rng.usize(0..45)
    };
    let mut content = world.sentence(len);
    match world.rng.u32(0..20) {
        0 => content.push_str(" 😂"),
        1 => content.push_str("\n\n> quoted \"so\""),
        2 => content.push_str(" https://example.com/watch?v=dQ"),
        _ => {}
    }
    content
}

fn embed(world: &mut World) -> String {
    let len = 15 + world.rng.usize(0..30);
    let (title, description) = (world.sentence(5), world.sentence(len));
    let (id, video) = (world.id_now(), world.hash());
    format!(
        concat!(
            r#"{{"url":"https://example.com/watch?v={}","type":"article","title":{},"#,
            r#""thumbnail":{{"width":1280,"url":"https://cdn.example.com/vi/{}/large.jpg","#,
            r#""proxy_url":"https://images.example.net/external/{}/https/large.jpg","#,
            r#""placeholder_version":1,"placeholder":"lDgKDIQHiJZyiniCe3ingHsKqA==","#,
            r#""height":720,"flags":0,"content_type":"image/jpeg"}},"provider":{{"#,
            r#""url":"https://example.com","name":"Example"}},"id":"{}","description":{},"#,
            r#""content_scan_version":4,"color":16711680}}"#
        ),
        &video[..11],
        text(Some(&title)),
        &video[..11],
        world.hash(),
        id,
        text(Some(&description)),
    )
}

fn attachment(world: &mut World, channel: u64) -> String {
    let (id, hm) = (world.id_now(), world.hash());
    let name = format!("IMG_{:04}.jpg", world.rng.u32(0..9999));
    let query = format!(
        "ex={:x}&is={:x}&hm={hm}{}&",
        world.now_ms() / 1000,
        world.now_ms() / 1100,
        world.hash()
    );
    format!(
        concat!(
            r#"{{"width":{},"url":"https://cdn.discordapp.com/attachments/{}/{}/{}?{}","#,
            r#""size":{},"proxy_url":"https://media.discordapp.net/attachments/{}/{}/{}?{}","#,
            r#""placeholder_version":1,"placeholder":"WlkKDgSql6d2d3d4d4B4gZqYrHCJCGc=","#,
            r#""id":"{}","height":{},"filename":"{}","content_type":"image/jpeg","#,
            r#""content_scan_version":4}}"#
        ),
        world.rng.u32(300..4000),
        channel,
        id,
        name,
        query,
        world.rng.u32(20_000..4_000_000),
        channel,
        id,
        name,
        query,
        id,
        world.rng.u32(300..4000),
        name,
    )
}

fn token(world: &mut World) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| LETTERS[world.rng.usize(0..LETTERS.len())] as char;
    let token: String = (0..160).map(letter).collect();
    format!("aW50ZXJhY3Rpb246{token}")
}
