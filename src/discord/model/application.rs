//! What does an application have? Parts of it, entitlements, integrations, and marker types.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Guild, ImageHash, Role, Timestamp, User};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

/// Names of things that only their ids are known of here.
macro_rules! markers {
    ($( $(#[$doc:meta])* $name:ident ),* $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[non_exhaustive]
            pub enum $name {}
        )*
    };
}

markers! {
    /// Marks ids of application commands.
    Command,
    /// Marks ids that may name things of several kinds.
    AnyKind,
    /// Marks ids of what a scheduled event takes place in.
    ScheduledEventEntity,
    /// Marks ids of things on sale.
    Sku,
    /// Marks ids of a role's subscription listings.
    SkuSubscriptionListing,
    /// Marks ids of sticker packs.
    StickerPack,
    /// Marks ids of webhooks.
    Webhook,
}

object! {
    /// What READY tells of the bot's application.
    ///
    /// <https://docs.discord.com/developers/resources/application#application-object>
    pub struct ReadyApplication {
        id: Id<Application> = required,
        flags: Option<ApplicationFlags> = optional,
        /// The same with bits beyond 32, since 2026.
        flags_new: Option<ApplicationFlagsText> = optional,
    }
}

object! {
    /// The parts of an application that messages, invites and integrations show.
    ///
    /// <https://docs.discord.com/developers/resources/application#application-object>
    pub struct Application {
        id: Option<Id<Application>> = loose,
        name: CompactString = loose_default,
        icon: Option<ImageHash> = loose_nullable,
        description: CompactString = loose_default,
        cover_image: Option<ImageHash> = loose,
        rpc_origins: Vec<CompactString> = loose_sparse,
        /// Whether others than the owner may add it.
        bot_public: Option<bool> = loose,
        bot_require_code_grant: Option<bool> = loose,
        bot: Option<Box<User>> = optional,
        owner: Option<Box<User>> = optional,
        terms_of_service_url: Option<CompactString> = loose,
        privacy_policy_url: Option<CompactString> = loose,
        /// What signs the interactions that it gets over HTTP, as hex digits.
        verify_key: Option<CompactString> = loose,
        /// Its own guild.
        guild_id: Option<Id<Guild>> = loose,
        /// What a game sells to play it.
        primary_sku_id: Option<Id<Sku>> = loose,
        /// What its page in the store is named.
        slug: Option<CompactString> = loose,
        flags: Option<ApplicationFlags> = optional,
        /// The same with bits beyond 32, since 2026.
        flags_new: Option<ApplicationFlagsText> = optional,
        tags: Vec<CompactString> = loose_sparse,
    }
}

flags! {
    /// What an application is and may do.
    ///
    /// <https://docs.discord.com/developers/resources/application#application-object-application-flags>
    pub struct ApplicationFlags: number {
        APPLICATION_AUTO_MODERATION_RULE_CREATE_BADGE = 6,
        GATEWAY_PRESENCE = 12,
        GATEWAY_PRESENCE_LIMITED = 13,
        GATEWAY_GUILD_MEMBERS = 14,
        GATEWAY_GUILD_MEMBERS_LIMITED = 15,
        VERIFICATION_PENDING_GUILD_LIMIT = 16,
        EMBEDDED = 17,
        GATEWAY_MESSAGE_CONTENT = 18,
        GATEWAY_MESSAGE_CONTENT_LIMITED = 19,
        APPLICATION_COMMAND_BADGE = 23,
    }
}

/// The flags of an application as a decimal text; a number is accepted too.
///
/// <https://docs.discord.com/developers/resources/application#application-object>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "another form of the same set")]
pub struct ApplicationFlagsText(pub ApplicationFlags);

impl Serialize for ApplicationFlagsText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.bits())
    }
}

impl<'de> Deserialize<'de> for ApplicationFlagsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ApplicationFlags::deserialize(deserializer).map(Self)
    }
}

impl Decode for ApplicationFlagsText {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Decode::decode(json).map(Self)
    }
}

object! {
    /// The right of a user or guild to something that an application sells.
    ///
    /// <https://docs.discord.com/developers/resources/entitlement#entitlement-object>
    pub struct Entitlement {
        id: Id<Entitlement> = required,
        sku_id: Id<Sku> = required,
        application_id: Id<Application> = required,
        user_id: Option<Id<User>> = loose,
        kind as "type": EntitlementKind = required,
        deleted: bool = loose_default,
        starts_at: Option<Timestamp> = loose_nullable,
        ends_at: Option<Timestamp> = loose_nullable,
        guild_id: Option<Id<Guild>> = loose,
        consumed: Option<bool> = loose,
    }
}

int_enum! {
    /// How an entitlement came about.
    ///
    /// <https://docs.discord.com/developers/resources/entitlement#entitlement-object-entitlement-types>
    pub enum EntitlementKind {
        Purchase = 1,
        PremiumSubscription = 2,
        DeveloperGift = 3,
        TestModePurchase = 4,
        FreePurchase = 5,
        UserGift = 6,
        PremiumPurchase = 7,
        ApplicationSubscription = 8,
    }
}

object! {
    /// What a user pays for again and again.
    ///
    /// <https://docs.discord.com/developers/resources/subscription#subscription-object>
    pub struct Subscription {
        id: Id<Subscription> = required,
        user_id: Id<User> = required,
        sku_ids: Vec<Id<Sku>> = loose_default,
        entitlement_ids: Vec<Id<Entitlement>> = loose_default,
        renewal_sku_ids: Option<Vec<Id<Sku>>> = nullable,
        current_period_start: Timestamp = required,
        current_period_end: Timestamp = required,
        status: SubscriptionStatus = required,
        canceled_at: Option<Timestamp> = loose_nullable,
        /// ISO 3166-1 alpha-2.
        country: Option<CompactString> = loose,
    }
}

int_enum! {
    /// Whether a subscription runs.
    ///
    /// <https://docs.discord.com/developers/resources/subscription#subscription-statuses>
    pub enum SubscriptionStatus {
        Active = 0,
        Inactive = 1,
        Ending = 2,
    }
}

object! {
    /// A guild's connection to another service or an application.
    ///
    /// <https://docs.discord.com/developers/resources/guild#integration-object>
    pub struct Integration {
        id: Id<Integration> = required,
        /// In events only.
        guild_id: Option<Id<Guild>> = loose,
        name: CompactString = loose_default,
        /// `twitch`, `youtube`, `discord` or `guild_subscription`.
        kind as "type": CompactString = required,
        enabled: bool = loose_default,
        syncing: Option<bool> = loose,
        role_id: Option<Id<Role>> = loose,
        enable_emoticons: Option<bool> = loose,
        expire_behavior: Option<IntegrationExpireBehavior> = optional,
        /// In days.
        expire_grace_period: Option<u32> = loose,
        user: Option<Box<User>> = optional,
        account: IntegrationAccount = required,
        synced_at: Option<Timestamp> = loose,
        subscriber_count: Option<u32> = loose,
        revoked: Option<bool> = loose,
        application: Option<Box<Application>> = optional,
        scopes: Vec<CompactString> = loose_sparse,
    }
}

object! {
    /// The account at the other service.
    ///
    /// <https://docs.discord.com/developers/resources/guild#integration-account-object>
    pub struct IntegrationAccount {
        /// Not a snowflake for every service.
        id: CompactString = required,
        name: CompactString = loose_default,
    }
}

int_enum! {
    /// What happens to a member whose subscription ended.
    ///
    /// <https://docs.discord.com/developers/resources/guild#integration-object-integration-expire-behaviors>
    pub enum IntegrationExpireBehavior {
        RemoveRole = 0,
        Kick = 1,
    }
}
