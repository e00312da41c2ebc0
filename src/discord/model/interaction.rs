//! What did someone ask the bot for? Interactions.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::{
    AnyKind, Application, Attachment, Channel, Component, ComponentKind, Entitlement, Guild,
    InteractionGuild, Member, Message, Permissions, Role, Scalar, SecretText, User,
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
        data: Option<Box<InteractionData>> = optional,
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
    /// What was asked for: which fields are there depends on the interaction's type.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-data>
    pub struct InteractionData {
        /// The command's.
        id: Option<Id<super::Command>> = optional,
        /// The command's.
        name: Option<CompactString> = optional,
        kind as "type": Option<CommandKind> = optional,
        resolved: Option<Box<ResolvedData>> = optional,
        options: Vec<CommandOption> = sparse,
        /// Where the command is registered, if not everywhere.
        guild_id: Option<Id<Guild>> = optional,
        /// The user or message that the command was used on.
        target_id: Option<Id<AnyKind>> = optional,
        /// What the bot named the component or form.
        custom_id: Option<CompactString> = optional,
        component_type: Option<ComponentKind> = optional,
        /// What was selected.
        values: Vec<CompactString> = sparse,
        /// What was entered into a form.
        components: Vec<Component> = sparse,
    }
}

int_enum! {
    /// How a command is used.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-types>
    pub enum CommandKind {
        ChatInput = 1,
        User = 2,
        Message = 3,
        PrimaryEntryPoint = 4,
    }
}

object! {
    /// A parameter with its value, or a subcommand with its parameters.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-interaction-data-option-structure>
    pub struct CommandOption, nests {
        name: CompactString = required,
        kind as "type": CommandOptionKind = required,
        /// While autocompleting whatever was typed, else as the type says.
        value: Option<Scalar> = optional,
        options: Vec<CommandOption> = sparse,
        /// Whether it is being autocompleted.
        focused: bool = sparse,
    }
}

int_enum! {
    /// The type of a command's parameter.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-option-type>
    pub enum CommandOptionKind {
        SubCommand = 1,
        SubCommandGroup = 2,
        String = 3,
        Integer = 4,
        Boolean = 5,
        User = 6,
        Channel = 7,
        Role = 8,
        Mentionable = 9,
        Number = 10,
        Attachment = 11,
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
