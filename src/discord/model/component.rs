//! What can one press? Components of messages and forms.
//!
//! One type serves a component in a message or form and what a user submitted of it in a form:
//! the latter has its `id`, `custom_id` and `value` or `values` only.

use compact_str::CompactString;

use super::{AnyKind, Attachment, ChannelKind, Maybe, PartialEmoji, Scalar, Sku};
use crate::id::Id;

tagged! {
    /// A component of a message or form.
    ///
    /// <https://docs.discord.com/developers/components/reference#component-object>
    pub enum Component of
    /// What a component is.
    ///
    /// <https://docs.discord.com/developers/components/reference#component-object-component-types>
    ComponentKind;

    slots ComponentSlots, ComponentKey {
        id: Option<i64>,
        custom_id: Option<CompactString>,
        style: Option<i64>,
        label: Option<CompactString>,
        description: Option<CompactString>,
        content: Option<CompactString>,
        emoji: Option<Box<PartialEmoji>>,
        url: Option<CompactString>,
        sku_id: Option<Id<Sku>>,
        disabled: Option<bool>,
        options: Option<Vec<ComponentOption>>,
        channel_types: Option<Vec<ChannelKind>>,
        placeholder: Option<CompactString>,
        default_values: Option<Vec<ComponentDefault>>,
        min_values: Option<u32>,
        max_values: Option<u32>,
        min_length: Option<u32>,
        max_length: Option<u32>,
        required: Option<bool>,
        default: Option<bool>,
        value: Maybe<Scalar>,
        values: Option<Vec<CompactString>>,
        file_types: Option<Vec<CompactString>>,
        components: Option<Vec<Component>>,
        component: Option<Box<Component>>,
        accessory: Option<Box<Component>>,
        media: Option<ComponentMedia>,
        items: Option<Vec<ComponentGalleryItem>>,
        file: Option<ComponentMedia>,
        name: Option<CompactString>,
        size: Option<u64>,
        spoiler: Option<bool>,
        divider: Option<bool>,
        spacing: Option<i64>,
        accent_color: Option<u32>,
    }

    /// Up to five buttons, or a select, side by side; in old forms a text input.
    ///
    /// <https://docs.discord.com/developers/components/reference#action-row>
    1 => ActionRow(ActionRow), ActionRow {
        /// Its number within the message.
        id: Option<i64> = optional,
        components: Vec<Component> = default,
    }

    /// Something to press.
    ///
    /// <https://docs.discord.com/developers/components/reference#button>
    2 => Button(Button), Button {
        /// Its number within the message.
        id: Option<i64> = optional,
        style: Option<ButtonStyle> = optional,
        label: Option<CompactString> = optional,
        emoji: Option<Box<PartialEmoji>> = optional,
        /// What the bot named it; links and premium buttons have none.
        custom_id: Option<CompactString> = optional,
        /// What a premium button sells.
        sku_id: Option<Id<Sku>> = optional,
        /// Where a link leads.
        url: Option<CompactString> = optional,
        disabled: Option<bool> = optional,
    }

    /// A choice among texts of the bot's.
    ///
    /// <https://docs.discord.com/developers/components/reference#string-select>
    3 => StringSelect(Box<StringSelect>), StringSelect {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        /// What can be selected.
        options: Vec<ComponentOption> = sparse,
        placeholder: Option<CompactString> = optional,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered, in a form.
        required: Option<bool> = optional,
        disabled: Option<bool> = optional,
        /// What was selected, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// Somewhere to write.
    ///
    /// <https://docs.discord.com/developers/components/reference#text-input>
    4 => TextInput(Box<TextInput>), TextInput {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        style: Option<TextInputStyle> = optional,
        /// Deprecated by the label around it.
        label: Option<CompactString> = optional,
        min_length: Option<u32> = optional,
        max_length: Option<u32> = optional,
        /// Whether it must be answered.
        required: Option<bool> = optional,
        /// What was written, or is there at first.
        value: Option<CompactString> = optional,
        placeholder: Option<CompactString> = optional,
    }

    /// A choice among users.
    ///
    /// <https://docs.discord.com/developers/components/reference#user-select>
    5 => UserSelect(Box<UserSelect>), UserSelect {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        placeholder: Option<CompactString> = optional,
        /// What is selected at first.
        default_values: Vec<ComponentDefault> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered, in a form.
        required: Option<bool> = optional,
        disabled: Option<bool> = optional,
        /// The ids that were selected, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// A choice among roles.
    ///
    /// <https://docs.discord.com/developers/components/reference#role-select>
    6 => RoleSelect(Box<RoleSelect>), RoleSelect {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        placeholder: Option<CompactString> = optional,
        /// What is selected at first.
        default_values: Vec<ComponentDefault> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered, in a form.
        required: Option<bool> = optional,
        disabled: Option<bool> = optional,
        /// The ids that were selected, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// A choice among users and roles.
    ///
    /// <https://docs.discord.com/developers/components/reference#mentionable-select>
    7 => MentionableSelect(Box<MentionableSelect>), MentionableSelect {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        placeholder: Option<CompactString> = optional,
        /// What is selected at first.
        default_values: Vec<ComponentDefault> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered, in a form.
        required: Option<bool> = optional,
        disabled: Option<bool> = optional,
        /// The ids that were selected, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// A choice among channels.
    ///
    /// <https://docs.discord.com/developers/components/reference#channel-select>
    8 => ChannelSelect(Box<ChannelSelect>), ChannelSelect {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        /// Which channels can be selected; all where empty.
        channel_types: Vec<ChannelKind> = sparse,
        placeholder: Option<CompactString> = optional,
        /// What is selected at first.
        default_values: Vec<ComponentDefault> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered, in a form.
        required: Option<bool> = optional,
        disabled: Option<bool> = optional,
        /// The ids that were selected, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// Texts with a button or an image beside them.
    ///
    /// <https://docs.discord.com/developers/components/reference#section>
    9 => Section(Section), Section {
        /// Its number within the message.
        id: Option<i64> = optional,
        components: Vec<Component> = default,
        /// What stands beside the texts.
        accessory: Option<Box<Component>> = optional,
    }

    /// A text with Markdown.
    ///
    /// <https://docs.discord.com/developers/components/reference#text-display>
    10 => TextDisplay(TextDisplay), TextDisplay {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// Absent in a form that was submitted.
        content: Option<CompactString> = optional,
    }

    /// A small image beside a section.
    ///
    /// <https://docs.discord.com/developers/components/reference#thumbnail>
    11 => Thumbnail(Box<Thumbnail>), Thumbnail {
        /// Its number within the message.
        id: Option<i64> = optional,
        media: ComponentMedia = default,
        /// What it shows, for those who cannot see it.
        description: Option<CompactString> = optional,
        spoiler: Option<bool> = optional,
    }

    /// Up to ten images and the like.
    ///
    /// <https://docs.discord.com/developers/components/reference#media-gallery>
    12 => MediaGallery(MediaGallery), MediaGallery {
        /// Its number within the message.
        id: Option<i64> = optional,
        items: Vec<ComponentGalleryItem> = default,
    }

    /// A file that came with the message.
    ///
    /// <https://docs.discord.com/developers/components/reference#file>
    13 => File(Box<ComponentFile>), ComponentFile {
        /// Its number within the message.
        id: Option<i64> = optional,
        file: ComponentMedia = default,
        spoiler: Option<bool> = optional,
        /// The file's name.
        name: Option<CompactString> = optional,
        /// The file's length in bytes.
        size: Option<u64> = optional,
    }

    /// Room between components, with a line or without.
    ///
    /// <https://docs.discord.com/developers/components/reference#separator>
    14 => Separator(Separator), Separator {
        /// Its number within the message.
        id: Option<i64> = optional,
        /// Whether there is a line; there is where absent.
        divider: Option<bool> = optional,
        /// How much room it takes; little where absent.
        spacing: Option<SeparatorSpacing> = optional,
    }

    /// A box around components, with a coloured bar.
    ///
    /// <https://docs.discord.com/developers/components/reference#container>
    17 => Container(Container), Container {
        /// Its number within the message.
        id: Option<i64> = optional,
        components: Vec<Component> = default,
        /// The bar's colour as 0xRRGGBB.
        accent_color: Option<u32> = optional,
        spoiler: Option<bool> = optional,
    }

    /// A component of a form with what is asked.
    ///
    /// <https://docs.discord.com/developers/components/reference#label>
    18 => Label(Box<Label>), Label {
        /// Its number within the form.
        id: Option<i64> = optional,
        /// Absent in a form that was submitted.
        label: Option<CompactString> = optional,
        description: Option<CompactString> = optional,
        component: Option<Box<Component>> = optional,
    }

    /// Somewhere to put files.
    ///
    /// <https://docs.discord.com/developers/components/reference#file-upload>
    19 => FileUpload(Box<FileUpload>), FileUpload {
        /// Its number within the form.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered.
        required: Option<bool> = optional,
        /// `image`, `video`, `audio` or endings such as `.pdf`; all where empty.
        file_types: Vec<CompactString> = sparse,
        /// The ids of the attachments, in a form that was submitted.
        values: Option<Vec<Id<Attachment>>> = optional,
    }

    /// A choice of one.
    ///
    /// <https://docs.discord.com/developers/components/reference#radio-group>
    21 => RadioGroup(Box<RadioGroup>), RadioGroup {
        /// Its number within the form.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        options: Vec<ComponentOption> = sparse,
        /// Whether it must be answered.
        required: Option<bool> = optional,
        /// What was chosen, `Null` for nothing; `Absent` where nothing was submitted.
        value: Maybe<CompactString> = maybe,
    }

    /// A choice of several.
    ///
    /// <https://docs.discord.com/developers/components/reference#checkbox-group>
    22 => CheckboxGroup(Box<CheckboxGroup>), CheckboxGroup {
        /// Its number within the form.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        options: Vec<ComponentOption> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        /// Whether it must be answered.
        required: Option<bool> = optional,
        /// What was chosen, in a form that was submitted.
        values: Option<Vec<CompactString>> = optional,
    }

    /// Yes or no.
    ///
    /// <https://docs.discord.com/developers/components/reference#checkbox>
    23 => Checkbox(Checkbox), Checkbox {
        /// Its number within the form.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: CompactString = default,
        /// Whether it is set at first.
        default: Option<bool> = optional,
        /// Whether it was set, in a form that was submitted.
        value: Option<bool> = optional,
    }
}

int_enum! {
    /// How a button looks and what it does.
    ///
    /// <https://docs.discord.com/developers/components/reference#button-button-styles>
    pub enum ButtonStyle {
        Primary = 1,
        Secondary = 2,
        Success = 3,
        Danger = 4,
        /// Leads to its `url`.
        Link = 5,
        /// Sells its `sku_id`.
        Premium = 6,
    }
}

int_enum! {
    /// How much can be written.
    ///
    /// <https://docs.discord.com/developers/components/reference#text-input-text-input-styles>
    pub enum TextInputStyle {
        /// A line.
        Short = 1,
        /// Several lines.
        Paragraph = 2,
    }
}

int_enum! {
    /// How much room a separator takes.
    ///
    /// <https://docs.discord.com/developers/components/reference#separator-separator-structure>
    pub enum SeparatorSpacing {
        Small = 1,
        Large = 2,
    }
}

object! {
    /// Something to select, in a select, radio group or checkbox group.
    ///
    /// <https://docs.discord.com/developers/components/reference#string-select-select-option-structure>
    pub struct ComponentOption {
        label: CompactString = loose_default,
        value: CompactString = loose_default,
        description: Option<CompactString> = loose,
        /// In selects only.
        emoji: Option<Box<PartialEmoji>> = optional,
        /// Whether it is selected at first.
        default: Option<bool> = loose,
    }
}

object! {
    /// What is selected at first.
    ///
    /// <https://docs.discord.com/developers/components/reference#user-select-select-default-value-structure>
    pub struct ComponentDefault {
        id: Id<AnyKind> = required,
        kind as "type": Option<ComponentDefaultKind> = optional,
    }
}

string_enum! {
    /// What an id is of.
    ///
    /// <https://docs.discord.com/developers/components/reference#user-select-select-default-value-structure>
    pub enum ComponentDefaultKind {
        Channel = "channel",
        Role = "role",
        User = "user",
    }
}

object! {
    /// An image or file.
    ///
    /// <https://docs.discord.com/developers/components/reference#unfurled-media-item>
    #[derive(Default)]
    pub struct ComponentMedia {
        url: CompactString = loose_default,
        proxy_url: Option<CompactString> = loose,
        height: Option<u32> = loose,
        width: Option<u32> = loose,
        /// What to show while it loads.
        placeholder: Option<CompactString> = loose,
        placeholder_version: Option<u32> = loose,
        content_type: Option<CompactString> = loose,
        flags: Option<ComponentMediaFlags> = optional,
        attachment_id: Option<Id<Attachment>> = loose,
    }
}

flags! {
    /// What is special about an image or file.
    ///
    /// <https://docs.discord.com/developers/components/reference#unfurled-media-item-unfurled-media-item-flags>
    pub struct ComponentMediaFlags: number {
        IS_ANIMATED = 0,
    }
}

object! {
    /// An image of a gallery.
    ///
    /// <https://docs.discord.com/developers/components/reference#media-gallery-media-gallery-item-structure>
    pub struct ComponentGalleryItem {
        media: ComponentMedia = default,
        /// What it shows, for those who cannot see it.
        description: Option<CompactString> = loose,
        spoiler: Option<bool> = loose,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::json::decode_owned;

    fn read(text: &str) -> Component {
        decode_owned(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn written(component: &Component) -> Value {
        serde_json::to_value(component).unwrap()
    }

    /// An object with `type` before and behind its other fields.
    fn orders(kind: &Value, fields: &Value) -> [String; 2] {
        let fields = fields.to_string();
        let inner = &fields[1..fields.len() - 1];
        let comma = if inner.is_empty() { "" } else { "," };
        [
            format!("{{\"type\":{kind}{comma}{inner}}}"),
            format!("{{{inner}{comma}\"type\":{kind}}}"),
        ]
    }

    /// Goal: nothing documented of any kind is lost, wherever its type stands. Method: each kind
    /// with all of its fields, as it is shown or as it was submitted.
    #[test]
    fn every_kind_comes_back_as_it_was_sent_wherever_its_type_stands() {
        let text = json!({"type": 10, "content": "x"});
        let media = json!({"url": "a", "proxy_url": "b", "height": 1, "width": 2,
            "placeholder": "c", "placeholder_version": 1, "content_type": "d", "flags": 1,
            "attachment_id": "7"});
        let select = json!({"id": 1, "custom_id": "a", "placeholder": "b", "min_values": 0,
            "max_values": 2, "required": false, "disabled": true, "values": ["1"],
            "default_values": [{"id": "1", "type": "user"}]});
        let with = |object: &Value, field: &str, value: Value| {
            let mut object = object.clone();
            object[field] = value;
            object
        };
        let option = json!([{"label": "a", "value": "b", "description": "c",
            "emoji": {"id": null, "name": "d"}, "default": true}]);
        let plain = json!([{"label": "a", "value": "b", "description": "c", "default": false}]);
        let mut strings = with(&select, "options", option);
        strings.as_object_mut().unwrap().remove("default_values");
        #[rustfmt::skip]
        let kinds = [
            (1, json!({"id": 1, "components": [text]})),
            (2, json!({"id": 1, "style": 2, "label": "a", "emoji": {"id": "1", "name": "b"},
                "custom_id": "c", "sku_id": "2", "url": "d", "disabled": false})),
            (3, strings),
            (4, json!({"id": 1, "custom_id": "a", "style": 2, "label": "b", "min_length": 0,
                "max_length": 1, "required": true, "value": "", "placeholder": "c"})),
            (5, select.clone()),
            (6, select.clone()),
            (7, select.clone()),
            (8, with(&select, "channel_types", json!([0, 77]))),
            (9, json!({"id": 1, "components": [text], "accessory": {"type": 2, "style": 1}})),
            (10, json!({"id": 1, "content": "a"})),
            (11, json!({"id": 1, "media": media, "description": "a", "spoiler": true})),
            (12, json!({"id": 1, "items": [{"media": media, "description": "a",
                "spoiler": false}]})),
            (13, json!({"id": 1, "file": media, "spoiler": false, "name": "a", "size": 1})),
            (14, json!({"id": 1, "divider": true, "spacing": 2})),
            (17, json!({"id": 1, "components": [], "accent_color": 0, "spoiler": true})),
            (18, json!({"id": 1, "label": "a", "description": "b", "component": text})),
            (19, json!({"id": 1, "custom_id": "a", "min_values": 0, "max_values": 1,
                "required": true, "file_types": [".pdf"], "values": ["1"]})),
            (21, json!({"id": 1, "custom_id": "a", "options": plain, "required": false,
                "value": null})),
            (22, json!({"id": 1, "custom_id": "a", "options": plain, "min_values": 0,
                "max_values": 1, "required": true, "values": []})),
            (23, json!({"id": 1, "custom_id": "a", "default": true, "value": false})),
        ];
        for (number, fields) in kinds {
            let expected = with(&fields, "type", json!(number));
            for text in orders(&json!(number), &fields) {
                let component = read(&text);
                assert!(!matches!(component, Component::Unknown(_)), "{text}");
                assert_eq!(component.kind().unwrap().number(), number);
                assert_eq!(written(&component), expected);
            }
        }
    }

    /// Goal: a kind that is not known costs nothing and no one. Method: fields that no kind has,
    /// and fields of known kinds in forms that those do not have, before and behind the type.
    #[test]
    fn an_unknown_kind_is_kept_whole_wherever_its_type_stands() {
        let fields = json!({"id": 7, "label": {"text": [1.5, null]}, "options": "x",
            "components": [{"type": 10, "content": "x"}], "value": [1], "style": "wavy",
            "wind": {"from": "\"\u{1F6A4}\n", "knots": [-1, 18_446_744_073_709_551_615_u64]}});
        for text in orders(&json!(97), &fields) {
            let component = read(&text);
            assert_eq!(component.kind(), Some(ComponentKind::Unknown(97)));
            let expected: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(written(&component), expected);
            let again = serde_json::to_string(&component).unwrap();
            assert_eq!(read(&again), component, "{again}");
        }
    }

    #[test]
    fn a_component_without_a_type_is_unknown() {
        for text in [
            "{}",
            r#"{"label":"a","x":[]}"#,
            r#"{"type":null,"label":"a","x":[]}"#,
        ] {
            let Component::Unknown(unknown) = read(text) else {
                panic!("{text}");
            };
            assert_eq!(unknown.kind, None);
            assert!(text.len() == 2 || unknown.json.as_str().contains(r#""label":"a""#));
        }
    }

    #[test]
    fn what_does_not_fit_a_known_kind_is_as_good_as_absent() {
        for text in orders(
            &json!(2),
            &json!({"label": 7, "style": "big", "components": 1, "media": [], "custom_id": "a"}),
        ) {
            let Component::Button(button) = read(&text) else {
                panic!("{text}");
            };
            assert_eq!((button.label, button.style), (None, None));
            assert_eq!(button.custom_id.as_deref(), Some("a"));
        }
    }

    #[test]
    fn components_in_components_end_at_the_limit_of_nesting() {
        let nested = |depth: usize, open: &str, close: &str| {
            format!(
                "{}{{\"type\":14}}{}",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for (open, close) in [
            (r#"{"type":17,"components":["#, "]}"),
            (r#"{"components":["#, r#"],"type":17}"#),
            (r#"{"type":9,"accessory":"#, "}"),
            (r#"{"component":"#, r#","type":18}"#),
        ] {
            read(&nested(15, open, close));
            let error = decode_owned::<Component>(&nested(16, open, close)).unwrap_err();
            assert_eq!(error.problem, "nested too deep");
        }
        // What is kept as text is bounded by the back end.
        let deep = nested(100, r#"{"type":97,"components":["#, "]}");
        assert!(decode_owned::<Component>(&deep).is_err());
        read(&nested(50, r#"{"type":97,"components":["#, "]}"));
    }

    #[test]
    fn components_are_lean() {
        assert!(size_of::<Component>() <= 160, "{}", size_of::<Component>());
    }
}
