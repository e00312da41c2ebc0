//! What can one press? Components of messages and forms.

use compact_str::CompactString;

use super::{AnyKind, ChannelKind, PartialEmoji, Scalar, Sku};
use crate::id::Id;

object! {
    /// A component of any type: which fields are there depends on it.
    ///
    /// One type for all of them, because components nest in one another, Discord adds types every
    /// few months and a bot looks at few fields of each.
    /// <https://docs.discord.com/developers/components/reference#component-object>
    pub struct Component, nests {
        kind as "type": ComponentKind = required,
        /// Its number within the message.
        id: Option<i64> = optional,
        /// What the bot named it.
        custom_id: Option<CompactString> = optional,
        /// Of buttons and text inputs, each with numbers of their own.
        style: Option<i64> = optional,
        label: Option<CompactString> = optional,
        description: Option<CompactString> = optional,
        /// The text of a text display.
        content: Option<CompactString> = optional,
        emoji: Option<Box<PartialEmoji>> = optional,
        url: Option<CompactString> = optional,
        sku_id: Option<Id<Sku>> = optional,
        disabled: Option<bool> = optional,
        /// What can be selected.
        options: Vec<ComponentOption> = sparse,
        channel_types: Vec<ChannelKind> = sparse,
        placeholder: Option<CompactString> = optional,
        default_values: Vec<ComponentDefault> = sparse,
        min_values: Option<u32> = optional,
        max_values: Option<u32> = optional,
        min_length: Option<u32> = optional,
        max_length: Option<u32> = optional,
        required: Option<bool> = optional,
        /// Whether a checkbox is set at first.
        default: Option<bool> = optional,
        /// What was entered, or is there at first.
        value: Option<Scalar> = optional,
        /// What was selected.
        values: Vec<CompactString> = sparse,
        /// What a row, section or container holds.
        components: Vec<Component> = sparse,
        /// What a label holds.
        component: Option<Box<Component>> = optional,
        /// What stands beside a section.
        accessory: Option<Box<Component>> = optional,
        /// The image of a thumbnail.
        media: Option<Box<ComponentMedia>> = optional,
        /// The images of a gallery.
        items: Vec<ComponentGalleryItem> = sparse,
        file: Option<Box<ComponentMedia>> = optional,
        /// The file's name.
        name: Option<CompactString> = optional,
        /// The file's length in bytes.
        size: Option<u64> = optional,
        spoiler: Option<bool> = optional,
        /// Whether a separator shows a line.
        divider: Option<bool> = optional,
        /// How much room a separator takes: 1 little, 2 much.
        spacing: Option<i64> = optional,
        /// A container's colour as 0xRRGGBB.
        accent_color: Option<u32> = optional,
    }
}

int_enum! {
    /// What a component is.
    ///
    /// <https://docs.discord.com/developers/components/reference#component-object-component-types>
    pub enum ComponentKind {
        ActionRow = 1,
        Button = 2,
        StringSelect = 3,
        TextInput = 4,
        UserSelect = 5,
        RoleSelect = 6,
        MentionableSelect = 7,
        ChannelSelect = 8,
        Section = 9,
        TextDisplay = 10,
        Thumbnail = 11,
        MediaGallery = 12,
        File = 13,
        Separator = 14,
        Container = 17,
        Label = 18,
        FileUpload = 19,
        RadioGroup = 21,
        CheckboxGroup = 22,
        Checkbox = 23,
    }
}

object! {
    /// Something to select.
    ///
    /// <https://docs.discord.com/developers/components/reference#string-select-select-option-structure>
    pub struct ComponentOption {
        label: CompactString = default,
        value: CompactString = default,
        description: Option<CompactString> = optional,
        emoji: Option<Box<PartialEmoji>> = optional,
        default: bool = sparse,
    }
}

object! {
    /// What is selected at first.
    ///
    /// <https://docs.discord.com/developers/components/reference#user-select-select-default-value-structure>
    pub struct ComponentDefault {
        id: Id<AnyKind> = required,
        /// `user`, `role` or `channel`.
        kind as "type": CompactString = required,
    }
}

object! {
    /// An image or file.
    ///
    /// <https://docs.discord.com/developers/components/reference#unfurled-media-item>
    pub struct ComponentMedia {
        url: CompactString = default,
        proxy_url: Option<CompactString> = optional,
        height: Option<u32> = optional,
        width: Option<u32> = optional,
        content_type: Option<CompactString> = optional,
        attachment_id: Option<Id<super::Attachment>> = optional,
    }
}

object! {
    /// An image of a gallery.
    ///
    /// <https://docs.discord.com/developers/components/reference#media-gallery-media-gallery-item-structure>
    pub struct ComponentGalleryItem {
        media: ComponentMedia = required,
        description: Option<CompactString> = optional,
        spoiler: bool = sparse,
    }
}
