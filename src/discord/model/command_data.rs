//! What was entered for a command? Options with their values.

use std::fmt;

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeStruct,
};

use super::{
    AnyKind, Attachment, Channel, Role, Scalar, UnknownObject, User, nest::Nest, slot::Want,
    untyped::Untyped,
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

/// A parameter of a command with its value, or a subcommand with its parameters.
///
/// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-interaction-data-option-structure>
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CommandOption {
    /// The parameter's or subcommand's.
    pub name: CompactString,
    /// What was entered, or the parameters of the subcommand.
    pub value: CommandOptionValue,
    /// Whether choices are wanted for it.
    pub focused: bool,
}

/// What was entered for a parameter.
///
/// <https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-option-type>
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CommandOptionValue {
    /// A file: its id in the resolved data.
    Attachment(Id<Attachment>),
    /// Yes or no.
    Boolean(bool),
    /// A channel.
    Channel(Id<Channel>),
    /// A number without a fraction.
    Integer(i64),
    /// A user or a role.
    Mentionable(Id<AnyKind>),
    /// A number.
    Number(f64),
    /// What was typed so far for a parameter of this type, while a command is being typed: often a
    /// text whatever the type.
    Partial(CommandOptionKind, Scalar),
    /// A role.
    Role(Id<Role>),
    /// A text.
    String(CompactString),
    /// The subcommand that was chosen, with its parameters.
    SubCommand(Vec<CommandOption>),
    /// The group of the subcommand that was chosen, with that subcommand.
    SubCommandGroup(Vec<CommandOption>),
    /// The whole option, where it has no value, no type or one that this version does not name.
    Unknown(Box<UnknownObject>),
    /// A user.
    User(Id<User>),
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

impl CommandOptionValue {
    /// The type of the parameter; `None` where it came without one.
    pub fn kind(&self) -> Option<CommandOptionKind> {
        Some(match self {
            Self::Attachment(_) => CommandOptionKind::Attachment,
            Self::Boolean(_) => CommandOptionKind::Boolean,
            Self::Channel(_) => CommandOptionKind::Channel,
            Self::Integer(_) => CommandOptionKind::Integer,
            Self::Mentionable(_) => CommandOptionKind::Mentionable,
            Self::Number(_) => CommandOptionKind::Number,
            Self::Partial(kind, _) => *kind,
            Self::Role(_) => CommandOptionKind::Role,
            Self::String(_) => CommandOptionKind::String,
            Self::SubCommand(_) => CommandOptionKind::SubCommand,
            Self::SubCommandGroup(_) => CommandOptionKind::SubCommandGroup,
            Self::Unknown(unknown) => return unknown.kind.map(CommandOptionKind::from),
            Self::User(_) => CommandOptionKind::User,
        })
    }

    /// What was entered for a parameter of a type.
    fn new(kind: CommandOptionKind, scalar: Scalar) -> Self {
        use CommandOptionKind as Kind;
        match (kind, scalar) {
            (Kind::Boolean, Scalar::Bool(value)) => Self::Boolean(value),
            (Kind::Integer, Scalar::Integer(value)) => Self::Integer(value),
            (Kind::Number, Scalar::Number(value)) => Self::Number(value),
            #[expect(clippy::cast_precision_loss, reason = "as every peer reads it")]
            (Kind::Number, Scalar::Integer(value)) => Self::Number(value as f64),
            (Kind::String, Scalar::Text(text)) => Self::String(text),
            (kind, scalar) => match scalar_id(&scalar) {
                Some(id) if kind == Kind::Attachment => Self::Attachment(Id::new(id)),
                Some(id) if kind == Kind::Channel => Self::Channel(Id::new(id)),
                Some(id) if kind == Kind::Mentionable => Self::Mentionable(Id::new(id)),
                Some(id) if kind == Kind::Role => Self::Role(Id::new(id)),
                Some(id) if kind == Kind::User => Self::User(Id::new(id)),
                _ => Self::Partial(kind, scalar),
            },
        }
    }
}

/// The id that is written as a text.
fn scalar_id(scalar: &Scalar) -> Option<u64> {
    match scalar {
        Scalar::Text(text) => text.parse().ok(),
        Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Number(_) => None,
    }
}

tagged! {
    slots OptionSlots, OptionKey of CommandOptionKind {
        name: Option<CompactString>,
        value: Option<Untyped>,
        options: Option<Vec<CommandOption>>,
        focused: Option<bool>,
    }
}

impl OptionSlots {
    /// What to do with a field of an option of a type.
    fn want(kind: Option<CommandOptionKind>, key: &OptionKey) -> Want {
        match key {
            OptionKey::Tag__ | OptionKey::name | OptionKey::focused => Want::Read,
            OptionKey::value | OptionKey::options => match kind {
                Some(CommandOptionKind::Unknown(_)) => Want::Text,
                _ => Want::Read,
            },
            OptionKey::Other__(_) => match kind {
                Some(CommandOptionKind::Unknown(_)) | None => Want::Text,
                Some(_) => Want::Skip,
            },
        }
    }

    fn complete(mut self) -> CommandOption {
        use CommandOptionKind as Kind;
        let name = self.name.clone().unwrap_or_default();
        let focused = self.focused == Some(true);
        let value = match (self.tag__, self.value.take()) {
            (Some(Kind::SubCommand), _) => {
                CommandOptionValue::SubCommand(self.options.unwrap_or_default())
            }
            (Some(Kind::SubCommandGroup), _) => {
                CommandOptionValue::SubCommandGroup(self.options.unwrap_or_default())
            }
            (Some(kind), Some(Untyped::Scalar(scalar))) if !matches!(kind, Kind::Unknown(_)) => {
                CommandOptionValue::new(kind, scalar)
            }
            (kind, value) => {
                self.value = value;
                CommandOptionValue::Unknown(Box::new(UnknownObject {
                    kind: kind.map(Kind::number),
                    json: self.into_json(),
                }))
            }
        };
        CommandOption {
            name,
            value,
            focused,
        }
    }
}

impl<'de> Deserialize<'de> for CommandOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = CommandOption;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object: CommandOption")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CommandOption, A::Error> {
                let _guard = Nest::enter()?;
                OptionSlots::read(map, OptionSlots::want).map(OptionSlots::complete)
            }
        }
        deserializer.deserialize_struct("CommandOption", OptionSlots::FIELDS, Fields)
    }
}

impl Decode for CommandOption {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        let _guard = Nest::enter::<Refused>()?;
        OptionSlots::decode(json, OptionSlots::want).map(OptionSlots::complete)
    }
}

impl Serialize for CommandOption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use CommandOptionValue as Value;
        if let Value::Unknown(unknown) = &self.value {
            return unknown.serialize(serializer);
        }
        let mut object = serializer.serialize_struct("CommandOption", 4)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("type", &self.value.kind())?;
        match &self.value {
            Value::Attachment(id) => object.serialize_field("value", id)?,
            Value::Boolean(value) => object.serialize_field("value", value)?,
            Value::Channel(id) => object.serialize_field("value", id)?,
            Value::Integer(value) => object.serialize_field("value", value)?,
            Value::Mentionable(id) => object.serialize_field("value", id)?,
            Value::Number(value) => object.serialize_field("value", value)?,
            Value::Partial(_, value) => object.serialize_field("value", value)?,
            Value::Role(id) => object.serialize_field("value", id)?,
            Value::String(text) => object.serialize_field("value", text)?,
            Value::SubCommand(options) | Value::SubCommandGroup(options) => {
                object.serialize_field("options", options)?;
            }
            Value::Unknown(_) => {}
            Value::User(id) => object.serialize_field("value", id)?,
        }
        if self.focused {
            object.serialize_field("focused", &true)?;
        }
        object.end()
    }
}
