//! What did someone ask the bot for? Interactions.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::{
    Application, Attachment, Channel, Entitlement, Guild, InteractionData, InteractionGuild,
    Member, Message, Permissions, Role, SecretText, User,
};
use crate::id::Id;

object! {
    /// Someone used a command, a component or a form of the bot.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>
    pub struct Interaction {
        id: Id<Interaction> = required,
        application_id: Id<Application> = required,
        kind as "type": InteractionKind = required,
        /// Absent only in a ping.
        data: Option<InteractionData> = by_kind,
        guild: Option<Box<InteractionGuild>> = optional,
        guild_id: Option<Id<Guild>> = optional,
        channel: Option<Box<Channel>> = optional,
        channel_id: Option<Id<Channel>> = optional,
        /// Who it was, in a guild.
        member: Option<Box<Member>> = optional,
        /// Who it was, in a direct message.
        user: Option<Box<User>> = optional,
        /// What answers the interaction, for 15 minutes.
        token: SecretText = required,
        version: u64 = default,
        /// What holds the component that was used.
        message: Option<Box<Message>> = optional,
        app_permissions: Option<Permissions> = optional,
        locale: Option<CompactString> = optional,
        guild_locale: Option<CompactString> = optional,
        entitlements: Vec<Entitlement> = default,
        authorizing_integration_owners: IntegrationOwners = default,
        context: Option<InteractionContext> = optional,
        /// In bytes.
        attachment_size_limit: Option<u64> = optional,
    }
}

int_enum! {
    /// What someone used.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-type>
    pub enum InteractionKind {
        Ping = 1,
        ApplicationCommand = 2,
        MessageComponent = 3,
        ApplicationCommandAutocomplete = 4,
        ModalSubmit = 5,
    }
}

int_enum! {
    /// Where an interaction took place.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-context-types>
    pub enum InteractionContext {
        Guild = 0,
        BotDm = 1,
        PrivateChannel = 2,
    }
}

object! {
    /// By whose installation the interaction is allowed.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-authorizing-integration-owners-object>
    #[derive(Default)]
    pub struct IntegrationOwners {
        /// The guild that installed the app; 0 in a direct message with the bot.
        guild as "0": Option<Id<Guild>> = optional,
        /// The user that installed the app.
        user as "1": Option<Id<User>> = optional,
    }
}

object! {
    /// The things that ids in options and values name.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure>
    pub struct ResolvedData {
        users: BTreeMap<Id<User>, User> = sparse,
        /// Without user, `deaf` and `mute`.
        members: BTreeMap<Id<User>, Member> = sparse,
        roles: BTreeMap<Id<Role>, Role> = sparse,
        channels: BTreeMap<Id<Channel>, Channel> = sparse,
        messages: BTreeMap<Id<Message>, Message> = sparse,
        attachments: BTreeMap<Id<Attachment>, Attachment> = sparse,
    }
}
