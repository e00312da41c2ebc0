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
        guild_id: Option<Id<Guild>> = loose,
        channel: Option<Box<Channel>> = optional,
        channel_id: Option<Id<Channel>> = loose,
        /// Who it was, in a guild.
        member: Option<Box<Member>> = optional,
        /// Who it was, in a direct message.
        user: Option<Box<User>> = optional,
        /// What answers the interaction, for 15 minutes.
        token: SecretText = required,
        version: u64 = loose_default,
        /// What holds the component that was used.
        message: Option<Box<Message>> = optional,
        app_permissions: Option<Permissions> = optional,
        locale: Option<CompactString> = loose,
        guild_locale: Option<CompactString> = loose,
        entitlements: Vec<Entitlement> = default,
        authorizing_integration_owners: IntegrationOwners = default,
        context: Option<InteractionContext> = optional,
        /// In bytes.
        attachment_size_limit: Option<u64> = loose,
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
        guild as "0": Option<Id<Guild>> = loose,
        /// The user that installed the app.
        user as "1": Option<Id<User>> = loose,
    }
}

object! {
    /// The things that ids in options and values name.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure>
    pub struct ResolvedData {
        users: BTreeMap<Id<User>, User> = by_id,
        /// Without user, `deaf` and `mute`.
        members: BTreeMap<Id<User>, Member> = by_id,
        roles: BTreeMap<Id<Role>, Role> = by_id,
        channels: BTreeMap<Id<Channel>, Channel> = by_id,
        messages: BTreeMap<Id<Message>, Message> = by_id,
        attachments: BTreeMap<Id<Attachment>, Attachment> = by_id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        codec::json::decode_owned,
        discord::model::{CommandData, CommandOption},
    };

    /// The interaction with its type before, or behind, its data.
    fn read(kind: i64, data: &Value, type_first: bool) -> Interaction {
        let (before, behind) = if type_first {
            (format!("\"type\":{kind},"), String::new())
        } else {
            (String::new(), format!(",\"type\":{kind}"))
        };
        let ids = r#""id":"1","application_id":"2","token":"t""#;
        let text = format!("{{{before}{ids},\"data\":{data}{behind}}}");
        decode_owned(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Goal: the data is of the interaction's type wherever that stands. Method: data that has the
    /// fields of all types, but for the unknown one only those that its type has.
    #[test]
    fn data_is_of_the_type_of_its_interaction_wherever_that_stands() {
        let data = json!({"id": "3", "name": "n", "type": 1, "custom_id": "c", "values": ["v"],
            "component_type": 3, "components": [{"type": 10}],
            "options": [{"name": "o", "type": 4, "value": 7}]});
        for first in [true, false] {
            for kind in 1..=6 {
                let got = read(kind, &data, first).data.unwrap();
                let written = serde_json::to_value(&got).unwrap();
                let keys: Vec<&str> = written.as_object().unwrap().keys().map(|k| &**k).collect();
                let expected: &[&str] = match (kind, &got) {
                    (2, InteractionData::ApplicationCommand(CommandData::ChatInput(_)))
                    | (
                        4,
                        InteractionData::ApplicationCommandAutocomplete(CommandData::ChatInput(_)),
                    ) => &["id", "name", "options", "type"],
                    (3, InteractionData::MessageComponent(_)) => {
                        &["component_type", "custom_id", "values"]
                    }
                    (5, InteractionData::ModalSubmit(_)) => &["components", "custom_id"],
                    (1 | 6, InteractionData::Unknown(_)) => {
                        assert_eq!(written, data);
                        continue;
                    }
                    _ => panic!("{kind} {got:?}"),
                };
                assert_eq!(keys, expected, "{kind}");
                for key in keys {
                    assert_eq!(written[key], data[key]);
                }
            }
        }
    }

    #[test]
    fn a_command_of_an_unknown_type_is_kept_whole() {
        let data = json!({"id": "3", "name": ["n"], "options": {"a": 1}, "wind": {"knots": 1},
            "type": 9});
        for first in [true, false] {
            let got = read(2, &data, first).data.unwrap();
            let InteractionData::ApplicationCommand(CommandData::Unknown(unknown)) = &got else {
                panic!("{got:?}");
            };
            assert_eq!(unknown.kind, Some(9));
            assert_eq!(serde_json::to_value(&got).unwrap(), data);
        }
    }

    /// Goal: what is kept of an option of an unknown type says the same when it is read again.
    /// Method: its type, which is written first, before and behind its fields.
    #[test]
    fn an_option_of_an_unknown_type_is_the_same_when_read_again() {
        for option in [
            r#"{"type":99,"name":"o","focused":true,"value":[1]}"#,
            r#"{"name":"o","focused":true,"value":[1],"type":99}"#,
            r#"{"name":7,"focused":"x","value":{},"options":{},"type":99}"#,
            r#"{"type":99,"name":7,"focused":"x","value":{},"options":{}}"#,
            r#"{"name":"o","focused":true,"options":[{"name":"p","new":1}]}"#,
        ] {
            let first: CommandOption = decode_owned(option).unwrap();
            let written = serde_json::to_value(&first).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(option).unwrap());
            let again: CommandOption = decode_owned(&written.to_string()).unwrap();
            assert_eq!(again.focused, first.focused, "{option}");
            assert_eq!(again.name, first.name, "{option}");
        }
    }

    /// What is new in a map of resolved things is no thing of theirs.
    #[test]
    fn resolved_data_skips_what_no_id_names() {
        let role = json!({"id": "5", "name": "r", "permissions": "0"});
        let resolved = json!({"roles": {"new": {"a": 1}, "5": role, "": null}, "users": null});
        let data = json!({"id": "3", "name": "n", "type": 1, "resolved": resolved});
        let Some(InteractionData::ApplicationCommand(CommandData::ChatInput(command))) =
            read(2, &data, true).data
        else {
            panic!("a command");
        };
        let roles = command.resolved.unwrap().roles;
        assert_eq!(roles.keys().copied().collect::<Vec<_>>(), [Id::new(5)]);
    }

    #[test]
    fn an_interaction_may_have_no_data() {
        assert_eq!(read(1, &Value::Null, true).data, None);
        assert_eq!(read(2, &Value::Null, false).data, None);
    }

    #[test]
    fn options_of_every_type_come_back_as_they_were_sent() {
        let options = json!([
            {"name": "a", "type": 1, "options": []},
            {"name": "b", "type": 2, "options": [{"name": "c", "type": 1, "options": []}]},
            {"name": "d", "type": 3, "value": "x"},
            {"name": "e", "type": 4, "value": -1},
            {"name": "f", "type": 5, "value": false},
            {"name": "g", "type": 6, "value": "1"},
            {"name": "h", "type": 7, "value": "2"},
            {"name": "i", "type": 8, "value": "3"},
            {"name": "j", "type": 9, "value": "4"},
            {"name": "k", "type": 10, "value": 0.5},
            {"name": "l", "type": 11, "value": "5"},
            {"name": "m", "type": 10, "value": "0.", "focused": true},
            {"name": "n", "type": 99, "value": {"x": [1]}, "y": null},
        ]);
        let data = json!({"id": "3", "name": "n", "type": 1, "options": options});
        let got = read(2, &data, true).data.unwrap();
        assert_eq!(serde_json::to_value(&got).unwrap(), data);
    }
}
