//! What is planned? Scheduled events.

use compact_str::CompactString;

use super::{Channel, Guild, ImageHash, ScheduledEventEntity, Timestamp, User};
use crate::id::Id;

object! {
    /// An event that a guild plans.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object>
    pub struct ScheduledEvent {
        id: Id<ScheduledEvent> = required,
        guild_id: Id<Guild> = required,
        channel_id: Option<Id<Channel>> = loose_nullable,
        creator_id: Option<Id<User>> = loose,
        name: CompactString = loose_default,
        description: Option<CompactString> = loose,
        scheduled_start_time: Timestamp = required,
        scheduled_end_time: Option<Timestamp> = loose_nullable,
        privacy_level: ScheduledEventPrivacyLevel = required,
        status: ScheduledEventStatus = required,
        entity_type: ScheduledEventEntityKind = required,
        entity_id: Option<Id<ScheduledEventEntity>> = loose_nullable,
        entity_metadata: Option<ScheduledEventMetadata> = nullable,
        creator: Option<Box<User>> = optional,
        user_count: Option<u32> = loose,
        image: Option<ImageHash> = loose,
        recurrence_rule: Option<Box<RecurrenceRule>> = nullable,
    }
}

object! {
    /// Where an event takes place that is in no channel.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-entity-metadata>
    pub struct ScheduledEventMetadata {
        location: Option<CompactString> = loose,
    }
}

int_enum! {
    /// Who can see a planned event.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-privacy-level>
    pub enum ScheduledEventPrivacyLevel {
        GuildOnly = 2,
    }
}

int_enum! {
    /// How far a planned event is.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-status>
    pub enum ScheduledEventStatus {
        Scheduled = 1,
        Active = 2,
        Completed = 3,
        Canceled = 4,
    }
}

int_enum! {
    /// Where a planned event takes place.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-entity-types>
    pub enum ScheduledEventEntityKind {
        StageInstance = 1,
        Voice = 2,
        External = 3,
    }
}

object! {
    /// How an event repeats: a part of iCalendar's rules.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object>
    pub struct RecurrenceRule {
        start: Timestamp = required,
        end: Option<Timestamp> = loose_nullable,
        frequency: RecurrenceFrequency = required,
        interval: u32 = loose_default,
        by_weekday: Option<Vec<RecurrenceWeekday>> = nullable,
        by_n_weekday: Option<Vec<RecurrenceNthWeekday>> = nullable,
        by_month: Option<Vec<RecurrenceMonth>> = nullable,
        by_month_day: Option<Vec<i64>> = loose_nullable,
        by_year_day: Option<Vec<i64>> = loose_nullable,
        count: Option<u32> = loose_nullable,
    }
}

int_enum! {
    /// How often an event repeats.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object-guild-scheduled-event-recurrence-rule-frequency>
    pub enum RecurrenceFrequency {
        Yearly = 0,
        Monthly = 1,
        Weekly = 2,
        Daily = 3,
    }
}

int_enum! {
    /// A day of the week.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object-guild-scheduled-event-recurrence-rule-weekday>
    pub enum RecurrenceWeekday {
        Monday = 0,
        Tuesday = 1,
        Wednesday = 2,
        Thursday = 3,
        Friday = 4,
        Saturday = 5,
        Sunday = 6,
    }
}

int_enum! {
    /// A month.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object-guild-scheduled-event-recurrence-rule-month>
    pub enum RecurrenceMonth {
        January = 1,
        February = 2,
        March = 3,
        April = 4,
        May = 5,
        June = 6,
        July = 7,
        August = 8,
        September = 9,
        October = 10,
        November = 11,
        December = 12,
    }
}

object! {
    /// The nth weekday of a month.
    ///
    /// <https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object-guild-scheduled-event-recurrence-rule-nweekday-structure>
    pub struct RecurrenceNthWeekday {
        /// From 1 to 5.
        n: i64 = loose_default,
        day: RecurrenceWeekday = required,
    }
}
