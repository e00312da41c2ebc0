//! What exactly was asked for? The data of an interaction.
//!
//! Its form depends on the type of the interaction around it, which may come later: so what may be
//! in the data of any type is read into slots, and the data is made when the interaction has
//! ended.

use std::fmt;

use compact_str::CompactString;
use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
};

use super::{
    AnyKind, Command, CommandOption, Component, ComponentKind, Guild, InteractionKind, Message,
    RawJson, ResolvedData, Scalar, User,
    slot::{ByKind, Want},
};
use crate::{
    codec::json::{Reader, Refused},
    id::Id,
};

/// What was asked for, by the interaction's type.
///
/// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-data>
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InteractionData {
    /// A command was used.
    ApplicationCommand(CommandData),
    /// A command is being typed: choices are wanted for the option that is `focused`.
    ApplicationCommandAutocomplete(CommandData),
    /// A button was pressed or a select was changed.
    MessageComponent(Box<ComponentData>),
    /// A form was submitted.
    ModalSubmit(Box<ModalData>),
    /// Data of an interaction whose type this version does not name.
    Unknown(RawJson),
}

impl Serialize for InteractionData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ApplicationCommand(data) | Self::ApplicationCommandAutocomplete(data) => {
                data.serialize(serializer)
            }
            Self::MessageComponent(data) => data.serialize(serializer),
            Self::ModalSubmit(data) => data.serialize(serializer),
            Self::Unknown(data) => data.serialize(serializer),
        }
    }
}

tagged! {
    /// A command that was used or is being typed.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-data-structure>
    pub enum CommandData of
    /// How a command is used.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-types>
    CommandKind;

    slots DataSlots, DataKey {
        id: Option<Scalar>,
        name: Option<CompactString>,
        guild_id: Option<Id<Guild>>,
        resolved: Option<Box<ResolvedData>>,
        options: Option<Vec<CommandOption>>,
        target_id: Option<Id<AnyKind>>,
        custom_id: Option<CompactString>,
        component_type: Option<ComponentKind>,
        values: Option<Vec<CompactString>>,
        components: Option<Vec<Component>>,
    }

    /// A slash command.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-data-structure>
    1 => ChatInput(Box<ChatInputCommand>), ChatInputCommand {
        /// The command's.
        id: Id<Command> = required,
        /// The command's.
        name: CompactString = default,
        /// Where the command is registered, if not everywhere.
        guild_id: Option<Id<Guild>> = optional,
        /// What was entered, or the subcommand that was chosen.
        options: Vec<CommandOption> = sparse,
        /// The things that ids in options name.
        resolved: Option<Box<ResolvedData>> = optional,
    }

    /// A command in the menu of a user.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#user-commands>
    2 => User(Box<UserCommand>), UserCommand {
        /// The command's.
        id: Id<Command> = required,
        /// The command's.
        name: CompactString = default,
        /// Where the command is registered, if not everywhere.
        guild_id: Option<Id<Guild>> = optional,
        /// Whom it was used on.
        target_id: Option<Id<User>> = optional,
        /// The user that it was used on.
        resolved: Option<Box<ResolvedData>> = optional,
    }

    /// A command in the menu of a message.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#message-commands>
    3 => Message(Box<MessageCommand>), MessageCommand {
        /// The command's.
        id: Id<Command> = required,
        /// The command's.
        name: CompactString = default,
        /// Where the command is registered, if not everywhere.
        guild_id: Option<Id<Guild>> = optional,
        /// What it was used on.
        target_id: Option<Id<Message>> = optional,
        /// The message that it was used on.
        resolved: Option<Box<ResolvedData>> = optional,
    }

    /// The command that launches an application's activity.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#entry-point-commands>
    4 => PrimaryEntryPoint(Box<PrimaryEntryPointCommand>), PrimaryEntryPointCommand {
        /// The command's.
        id: Id<Command> = required,
        /// The command's.
        name: CompactString = default,
        /// Where the command is registered, if not everywhere.
        guild_id: Option<Id<Guild>> = optional,
        /// The things that ids name.
        resolved: Option<Box<ResolvedData>> = optional,
    }
}

tagged! {
    /// A component that was used.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-message-component-data-structure>
    pub struct ComponentData of DataSlots, DataKey {
        /// The component's number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        component_type: ComponentKind = required,
        /// What was selected; for anything but a string select these are ids.
        values: Option<Vec<CompactString>> = optional,
        /// The things that were selected.
        resolved: Option<Box<ResolvedData>> = optional,
    }
}

tagged! {
    /// A form that was submitted.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-modal-submit-data-structure>
    pub struct ModalData of DataSlots, DataKey {
        /// What the bot named it.
        custom_id: CompactString = default,
        /// What was entered.
        components: Vec<Component> = default,
        /// The things that ids in values name.
        resolved: Option<Box<ResolvedData>> = optional,
    }
}

impl ByKind for Option<InteractionData> {
    type Kind = InteractionKind;
    type Slot = Option<DataSlots>;

    fn read<'de, A: MapAccess<'de>>(
        map: &mut A,
        kind: Option<InteractionKind>,
    ) -> Result<Self::Slot, A::Error> {
        map.next_value_seed(DataOf(kind))
    }

    fn decode(json: &mut Reader<'_>, kind: Option<InteractionKind>) -> Result<Self::Slot, Refused> {
        if json.null()? {
            return Ok(None);
        }
        DataSlots::decode(json, |command, key| want(kind, command, key)).map(Some)
    }

    fn resolve(slot: Self::Slot, kind: Option<InteractionKind>) -> Result<Self, &'static str> {
        let Some(mut slots) = slot else {
            return Ok(None);
        };
        Ok(Some(match kind {
            Some(InteractionKind::ApplicationCommand) => {
                InteractionData::ApplicationCommand(CommandData::complete(slots)?)
            }
            Some(InteractionKind::ApplicationCommandAutocomplete) => {
                InteractionData::ApplicationCommandAutocomplete(CommandData::complete(slots)?)
            }
            Some(InteractionKind::MessageComponent) => {
                InteractionData::MessageComponent(Box::new(ComponentData::take(&mut slots)?))
            }
            Some(InteractionKind::ModalSubmit) => {
                InteractionData::ModalSubmit(Box::new(ModalData::take(&mut slots)?))
            }
            Some(InteractionKind::Ping | InteractionKind::Unknown(_)) | None => {
                InteractionData::Unknown(slots.into_json())
            }
        }))
    }
}

/// What to do with a field of the data of an interaction of a type.
fn want(interaction: Option<InteractionKind>, command: Option<CommandKind>, key: &DataKey) -> Want {
    match interaction {
        Some(
            InteractionKind::ApplicationCommand | InteractionKind::ApplicationCommandAutocomplete,
        ) => CommandData::want(command, key),
        Some(InteractionKind::MessageComponent) => Want::if_has(ComponentData::has(key)),
        Some(InteractionKind::ModalSubmit) => Want::if_has(ModalData::has(key)),
        Some(InteractionKind::Ping | InteractionKind::Unknown(_)) => Want::Text,
        None => Want::Read,
    }
}

/// Reads the data of an interaction of a type, as far as that is known.
struct DataOf(Option<InteractionKind>);

impl<'de> DeserializeSeed<'de> for DataOf {
    type Value = Option<DataSlots>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for DataOf {
    type Value = Option<DataSlots>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: InteractionData")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_struct("InteractionData", DataSlots::FIELDS, self)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        DataSlots::read(map, |command, key| want(self.0, command, key)).map(Some)
    }
}
