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
        label: CompactString = default,
        value: CompactString = default,
        description: Option<CompactString> = optional,
        /// In selects only.
        emoji: Option<Box<PartialEmoji>> = optional,
        /// Whether it is selected at first.
        default: Option<bool> = optional,
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
        url: CompactString = default,
        proxy_url: Option<CompactString> = optional,
        height: Option<u32> = optional,
        width: Option<u32> = optional,
        /// What to show while it loads.
        placeholder: Option<CompactString> = optional,
        placeholder_version: Option<u32> = optional,
        content_type: Option<CompactString> = optional,
        flags: Option<ComponentMediaFlags> = optional,
        attachment_id: Option<Id<Attachment>> = optional,
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
        description: Option<CompactString> = optional,
        spoiler: Option<bool> = optional,
    }
}
