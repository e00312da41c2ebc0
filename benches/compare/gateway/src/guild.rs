//! A guild, and how it comes whole: GUILD_CREATE.

use fastrand::Rng;

use super::{
    events::presence,
    people::{Member, World, text},
};

pub struct Guild {
    pub id: u64,
    name: String,
    pub members: Vec<Member>,
    pub roles: Vec<u64>,
    pub categories: Vec<u64>,
    pub text_channels: Vec<u64>,
    pub voice_channels: Vec<u64>,
    pub emojis: Vec<(u64, String)>,
    /// Commands of the bot: their ids and names.
    pub commands: Vec<(u64, String)>,
}

/// When something was changed last, in milliseconds; 0 for what never was.
fn version(world: &mut World) -> u64 {
    if world.chance(55) {
        0
    } else {
        world.now_ms() - world.rng.u64(0..90_000_000_000)
    }
}

/// How many of what a guild has.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub members: usize,
    pub roles: usize,
    pub channels: usize,
    pub emojis: usize,
}

impl Guild {
    pub fn new(world: &mut World, size: Size) -> Self {
        let ids = |world: &mut World, len: usize| -> Vec<u64> {
            (0..len).map(|_| world.id_past()).collect()
        };
        let roles = ids(world, size.roles.max(1));
        let members = (0..size.members)
            .map(|_| Member::new(world, &roles))
            .collect();
        let emojis = ids(world, size.emojis).into_iter();
        let emojis = emojis
            .map(|id| (id, format!("{}_{}", world.word(), id % 100)))
            .collect();
        let commands = (0..12)
            .map(|_| (world.id_past(), world.word().to_lowercase()))
            .collect();
        Self {
            id: world.id_past(),
            name: world.sentence(3),
            members,
            roles,
            categories: ids(world, size.channels / 8 + 1),
            text_channels: ids(world, size.channels * 5 / 8 + 1),
            voice_channels: ids(world, size.channels / 4 + 1),
            emojis,
            commands,
        }
    }

    /// A text channel, by chance or the one at this place, as it lies in a guild.
    pub fn channel_json(&self, world: &mut World, place: Option<usize>) -> String {
        let at = place.unwrap_or_else(|| world.skewed(self.text_channels.len(), 1.5));
        let topic = world.chance(45).then(|| {
            let len = 4 + world.rng.usize(0..14);
            world.sentence(len)
        });
        format!(
            concat!(
                r#"{{"topic":{},"parent_id":"{}","name":"{}","last_message_id":"{}","id":"{}","#,
                r#""position":{},"permission_overwrites":[{}],"version":{},"#,
                r#""rate_limit_per_user":0,"flags":0,"type":0}}"#
            ),
            text(topic.as_deref()),
            self.categories[at % self.categories.len()],
            world.word().to_owned(),
            world.id_now(),
            self.text_channels[at],
            at,
            self.overwrites_of_channel(world, at),
            version(world),
        )
    }

    fn voice_json(&self, world: &mut World, at: usize) -> String {
        format!(
            concat!(
                r#"{{"parent_id":"{}","bitrate":64000,"name":"{}","user_limit":0,"status":null,"#,
                r#""last_message_id":null,"id":"{}","position":{},"permission_overwrites":[{}],"#,
                r#""version":{},"rate_limit_per_user":0,"flags":0,"rtc_region":null,"type":2}}"#
            ),
            self.categories[at % self.categories.len()],
            world.word().to_owned(),
            self.voice_channels[at],
            at,
            self.overwrites_of_channel(world, at),
            version(world),
        )
    }

    fn category_json(&self, world: &mut World, at: usize) -> String {
        let name = world.word().to_uppercase();
        format!(
            concat!(
                r#"{{"name":"{}","flags":0,"id":"{}","position":{},"#,
                r#""permission_overwrites":[{}],"version":0,"type":4}}"#
            ),
            name,
            self.categories[at],
            at,
            self.overwrites_of_category(at),
        )
    }

    /// Most channels have the permissions of their category.
    fn overwrites_of_channel(&self, world: &mut World, at: usize) -> String {
        if world.chance(75) {
            self.overwrites_of_category(at % self.categories.len())
        } else {
            self.overwrites(&mut world.rng)
        }
    }

    fn overwrites_of_category(&self, at: usize) -> String {
        self.overwrites(&mut Rng::with_seed(self.categories[at]))
    }

    fn overwrites(&self, rng: &mut Rng) -> String {
        const BITS: [u64; 9] = [
            0,
            1024,
            2048,
            1_049_600,
            3_147_265,
            412_317_305_921,
            8_924_432_145,
            535_529_258_065,
            409_717_111_782_225,
        ];
        let one = |rng: &mut Rng| {
            let role = self.roles[rng.usize(0..self.roles.len().min(6))];
            let (allow, deny) = (BITS[rng.usize(0..9)], BITS[rng.usize(0..4)]);
            format!(r#"{{"id":"{role}","allow":"{allow}","deny":"{deny}","type":0}}"#)
        };
        let all: Vec<_> = (0..rng.usize(0..5)).map(|_| one(rng)).collect();
        all.join(",")
    }

    fn role_json(&self, world: &mut World, at: usize) -> String {
        let color = if world.chance(60) {
            world.rng.u32(0..1 << 24)
        } else {
            0
        };
        let tags = match world.rng.u32(0..10) {
            0 => format!(r#"{{"bot_id":"{}"}}"#, world.id_past()),
            1 => r#"{"premium_subscriber":null}"#.to_owned(),
            _ => "{}".to_owned(),
        };
        let id = if at == 0 { self.id } else { self.roles[at] };
        format!(
            concat!(
                r#"{{"colors":{{"secondary_color":null,"tertiary_color":null,"#,
                r#""primary_color":{}}},"name":"{}","icon":null,"id":"{}","position":{},"#,
                r#""hoist":{},"version":{},"permissions":"{}","unicode_emoji":null,"#,
                r#""mentionable":{},"managed":{},"flags":0,"color":{},"tags":{}}}"#
            ),
            color,
            world.word().to_owned(),
            id,
            at,
            world.chance(40),
            version(world),
            [2_248_473_465_835_073_u64, 1_071_698_660_929, 36_700_160, 0][world.skewed(4, 1.4)],
            world.chance(30),
            tags.len() > 2,
            color,
            tags,
        )
    }

    fn emoji_json(&self, world: &mut World, at: usize) -> String {
        let (id, name) = &self.emojis[at];
        format!(
            concat!(
                r#"{{"version":0,"roles":[],"require_colons":true,"name":"{}","managed":false,"#,
                r#""id":"{}","available":true,"animated":{}}}"#
            ),
            name,
            id,
            world.chance(30),
        )
    }

    fn voice_state_json(&self, world: &mut World) -> String {
        let member = &self.members[world.rng.usize(0..self.members.len())];
        format!(
            concat!(
                r#"{{"suppress":false,"self_video":false,"user_id":"{}","self_deaf":{},"#,
                r#""self_mute":{},"session_id":"{}","channel_id":"{}","mute":false,"#,
                r#""discoverable":true,"deaf":false,"request_to_speak_timestamp":null}}"#
            ),
            member.user.id,
            world.chance(10),
            world.chance(40),
            member.session,
            self.voice_channels[world.rng.usize(0..self.voice_channels.len())],
        )
    }

    /// The whole guild: GUILD_CREATE's data. `presences` of a hundred members have one.
    pub fn json(&self, world: &mut World, presences: u32) -> String {
        let mut channels = Vec::new();
        channels.extend((0..self.categories.len()).map(|at| self.category_json(world, at)));
        let texts = 0..self.text_channels.len();
        channels.extend(texts.map(|at| self.channel_json(world, Some(at))));
        channels.extend((0..self.voice_channels.len()).map(|at| self.voice_json(world, at)));
        let members: Vec<_> = self.members.iter().map(Member::json_with_user).collect();
        let roles: Vec<_> = (0..self.roles.len())
            .map(|at| self.role_json(world, at))
            .collect();
        let emojis: Vec<_> = (0..self.emojis.len())
            .map(|at| self.emoji_json(world, at))
            .collect();
        let mut shown = Vec::new();
        for member in &self.members {
            if world.chance(presences) {
                shown.push(presence(member, world, ""));
            }
        }
        let voices = self.members.len().min(1 + self.members.len() / 20);
        let voices: Vec<_> = (0..voices).map(|_| self.voice_state_json(world)).collect();
        let description = world.sentence(12);
        format!(
            concat!(
                r#"{{"mfa_level":0,"channels":[{}],"system_channel_id":"{}","#,
                r#""max_stage_video_channel_users":50,"member_count":{},"members":[{}],"#,
                r#""banner":null,"inventory_settings":null,"home_header":null,"stickers":[],"#,
                r#""unavailable":false,"roles":[{}],"presences":[{}],"premium_features":{{"#,
                r#""features":["TIERLESS_BOOSTING"],"additional_emoji_slots":0,"#,
                r#""additional_sticker_slots":0,"additional_sound_slots":0}},"emojis":[{}],"#,
                r#""name":{},"nsfw":false,"moderator_reporting":null,"#,
                r#""guild_scheduled_events":[],"public_updates_channel_id":null,"#,
                r#""afk_timeout":300,"preferred_locale":"en-US","voice_states":[{}],"#,
                r#""afk_channel_id":null,"hub_type":null,"owner_configured_content_level":0,"#,
                r#""premium_progress_bar_enabled":false,"explicit_content_filter":1,"#,
                r#""default_message_notifications":1,"icon":"{}","id":"{}","nsfw_level":0,"#,
                r#""version":{},"discovery_splash":null,"verification_level":0,"#,
                r#""incidents_data":null,"profile":null,"lazy":true,"application_id":null,"#,
                r#""joined_at":"{}","max_members":25000000,"large":false,"premium_tier":0,"#,
                r#""embedded_activities":[],"owner_id":"{}","#,
                r#""latest_onboarding_question_id":null,"application_command_counts":{{}},"#,
                r#""splash":null,"threads":[],"vanity_url_code":null,"#,
                r#""premium_progress_bar_enabled_user_updated_at":null,"description":{},"#,
                r#""safety_alerts_channel_id":null,"rules_channel_id":null,"#,
                r#""max_video_channel_users":25,"region":"deprecated","soundboard_sounds":[],"#,
                r#""activity_instances":[],"stage_instances":[],"#,
                r#""features":["TIERLESS_BOOSTING","SOUNDBOARD","GUESTS_ENABLED"],"#,
                r#""premium_subscription_count":0,"system_channel_flags":0}}"#
            ),
            channels.join(","),
            self.text_channels[0],
            self.members.len(),
            members.join(","),
            roles.join(","),
            shown.join(","),
            emojis.join(","),
            text(Some(&self.name)),
            voices.join(","),
            world.hash(),
            self.id,
            world.now_ms() - 77_000_000,
            world.past(),
            self.members.first().map_or(1, |owner| owner.user.id),
            text(Some(&description)),
        )
    }
}
