//! What does an application have? Parts of it, entitlements, integrations, and marker types.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Guild, ImageHash, Role, Timestamp, User};
use crate::id::Id;

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
        id: Option<Id<Application>> = optional,
        name: CompactString = default,
        icon: Option<ImageHash> = nullable,
        description: CompactString = default,
        cover_image: Option<ImageHash> = optional,
        rpc_origins: Vec<CompactString> = sparse,
        /// Whether others than the owner may add it.
        bot_public: Option<bool> = optional,
        bot_require_code_grant: Option<bool> = optional,
        bot: Option<Box<User>> = optional,
        owner: Option<Box<User>> = optional,
        terms_of_service_url: Option<CompactString> = optional,
        privacy_policy_url: Option<CompactString> = optional,
        /// What signs the interactions that it gets over HTTP, as hex digits.
        verify_key: Option<CompactString> = optional,
        /// Its own guild.
        guild_id: Option<Id<Guild>> = optional,
        /// What a game sells to play it.
        primary_sku_id: Option<Id<Sku>> = optional,
        /// What its page in the store is named.
        slug: Option<CompactString> = optional,
        flags: Option<ApplicationFlags> = optional,
        /// The same with bits beyond 32, since 2026.
        flags_new: Option<ApplicationFlagsText> = optional,
        tags: Vec<CompactString> = sparse,
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

object! {
    /// The right of a user or guild to something that an application sells.
    ///
    /// <https://docs.discord.com/developers/resources/entitlement#entitlement-object>
    pub struct Entitlement {
        id: Id<Entitlement> = required,
        sku_id: Id<Sku> = required,
        application_id: Id<Application> = required,
        user_id: Option<Id<User>> = optional,
        kind as "type": EntitlementKind = required,
        deleted: bool = default,
        starts_at: Option<Timestamp> = nullable,
        ends_at: Option<Timestamp> = nullable,
        guild_id: Option<Id<Guild>> = optional,
        consumed: Option<bool> = optional,
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
        sku_ids: Vec<Id<Sku>> = default,
        entitlement_ids: Vec<Id<Entitlement>> = default,
        renewal_sku_ids: Option<Vec<Id<Sku>>> = nullable,
        current_period_start: Timestamp = required,
        current_period_end: Timestamp = required,
        status: SubscriptionStatus = required,
        canceled_at: Option<Timestamp> = nullable,
        /// ISO 3166-1 alpha-2.
        country: Option<CompactString> = optional,
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
        guild_id: Option<Id<Guild>> = optional,
        name: CompactString = default,
        /// `twitch`, `youtube`, `discord` or `guild_subscription`.
        kind as "type": CompactString = required,
        enabled: bool = default,
        syncing: Option<bool> = optional,
        role_id: Option<Id<Role>> = optional,
        enable_emoticons: Option<bool> = optional,
        expire_behavior: Option<IntegrationExpireBehavior> = optional,
        /// In days.
        expire_grace_period: Option<u32> = optional,
        user: Option<Box<User>> = optional,
        account: IntegrationAccount = required,
        synced_at: Option<Timestamp> = optional,
        subscriber_count: Option<u32> = optional,
        revoked: Option<bool> = optional,
        application: Option<Box<Application>> = optional,
        scopes: Vec<CompactString> = sparse,
    }
}

object! {
    /// The account at the other service.
    ///
    /// <https://docs.discord.com/developers/resources/guild#integration-account-object>
    pub struct IntegrationAccount {
        /// Not a snowflake for every service.
        id: CompactString = required,
        name: CompactString = default,
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
