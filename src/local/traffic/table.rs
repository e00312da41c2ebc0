//! What is in each event? The rows, in the language of `schema`.
//!
//! Sources: <https://docs.discord.com/developers/events/gateway-events> and the pages of the
//! resources that it names. Fields that no page has but bots receive are marked as optional.

/// What many objects are made of.
pub(super) const COMMON: &str = r"
decoration asset:asset sku_id:id expires_at?30~80:secs
nameplate sku_id:id asset:asset label:name palette:$crimson,berry,sky,teal,forest,violet,white
collectibles nameplate?80:@nameplate
tag_of_guild identity_guild_id~40:guild_id identity_enabled~30:bool tag~40:word badge~40:hash
name_styles font_id:1..12 effect_id:1..6 colors:[0..16777215]1-2
user/4000 username:word public_flags?90:bits23 primary_guild?85~80:@tag_of_guild id:self
 global_name~40:name display_name_styles?60~90:@name_styles display_name?60~40:name discriminator:'0
 collectibles?80~92:@collectibles clan?60~80:@tag_of_guild avatar_decoration_data?90~88:@decoration
 avatar~15:hash bot?5:true system?1:true banner?5~50:hash accent_color?5~50:0..16777215
own_user verified:true username:word primary_guild?~90:@tag_of_guild mfa_enabled:bool id:user_id
 global_name~60:name flags:bits20 email?~90:word discriminator:'4242 clan?~95:@tag_of_guild bot:true
 avatar~20:hash public_flags?:bits20 locale?20:$en-US,nl,ja premium_type?10:#0,1,2,3
 banner?30~80:hash accent_color?30~80:0..16777215
user_partial id:user_id
member_fields roles:[role_id]0-4 premium_since?90~85:time pending?95:bool8 nick?95~60:w1-2
 mute:bool2 joined_at~2:time flags:bits8 deaf:bool2 communication_disabled_until?90~95:time
 banner?85~97:hash avatar?90~85:hash avatar_decoration_data?30~90:@decoration
 collectibles?20~85:@collectibles unusual_dm_activity_until?20~97:time
member_bare/4000 ..member_fields
member/4000 user:@user ..member_fields
interaction_member user:@user ..member_fields permissions:perms
interaction_member_bare ..member_fields permissions:perms
role_colors primary_color:0..16777215 secondary_color~80:0..16777215 tertiary_color~90:0..16777215
role_tags bot_id?40:user_id integration_id?40:id subscription_listing_id?10:id
 premium_subscriber?20:null available_for_purchase?10:null guild_connections?10:null
role/300 version?70:ms unicode_emoji?90~85:symbol tags?30:@role_tags position:0..60
 permissions:perms name:name mentionable:bool20 managed:bool20 id:self icon?90~90:hash hoist:bool40
 flags:bits2 colors:@role_colors color:0..16777215
emoji/300 version?40:ms user?20:@user roles?95:[role_id]0-1 require_colons?95:true name:word
 managed?95:bool5 id:self available?95:bool97 animated?95:bool30
emoji_symbol id:null name:symbol
emoji_custom id:emoji_id name~3:word animated?60:bool30
activity_emoji name:symbol id?30:emoji_id animated?30:bool
sticker/200 id:id name:name tags:w1-2 type:#1,2 format_type:#1,2,3,4 description~40:w2-9
 available?95:bool97 guild_id?90:guild_id user?20:@user pack_id?10:id sort_value?20:0..30
 version?40:ms asset?60:'
sticker_item id:id name:name format_type:#1,2,3,4
overwrite_role id:role_id type:0 allow:perms deny:perms
overwrite_user id:user_id type:1 allow:perms deny:perms
thread_metadata locked:bool10 create_timestamp?90~10:time auto_archive_duration:#60,1440,4320,10080
 archived:bool20 archive_timestamp:time invitable?30:bool
thread_member user_id?95:user_id muted?70:bool10 mute_config?70:null join_timestamp:time id?95:id
 flags:bits3
channel_common version?70:ms position?95:0..90
 permission_overwrites?95:[@overwrite_role|@overwrite_role|@overwrite_user]0-5
 parent_id?95~20:channel_id name?99~1:word id:self flags?95:bits5
channel_text type:0 topic?95~40:w3-20 rate_limit_per_user?95:0..30 nsfw?95:bool5
 last_message_id?95~10:id icon_emoji?40~60:@emoji_symbol theme_color?40:null
 default_auto_archive_duration?30:#60,1440,4320,10080 default_thread_rate_limit_per_user?20:0..9
 last_pin_timestamp?60~20:time ..channel_common
channel_news type:5 topic?95~50:w3-14 nsfw?95:bool5 last_message_id?95~10:id ..channel_common
channel_voice type:2 voice_background_display?40:null user_limit?95:0..99 topic?60:null
 status?60~80:w1-4 rtc_region?95~70:$rotterdam,us-east,brazil rate_limit_per_user?95:0..5
 nsfw?95:bool2 last_message_id?90~50:id bitrate?95:8000..384000 video_quality_mode?20:#1,2
 voice_start_time?30~80:secs ..channel_common
channel_stage type:13 user_limit?95:0..10000 topic?60~60:w2-6 bitrate?95:8000..64000
 rtc_region?95~70:$rotterdam,us-east nsfw?95:false ..channel_common
channel_category type:4 ..channel_common
channel_hidden type:0 topic?90:null name?99:'___hidden___
 permission_overwrites?99:[@overwrite_role]1 position?99:0..90 parent_id?99~50:channel_id
 nsfw?90:false last_message_id?90:null id:self flags?99:131072
forum_tag name:name moderated:bool10 id:id emoji_name~30:symbol emoji_id~80:emoji_id
default_reaction emoji_name~20:symbol emoji_id~80:emoji_id
channel_forum type:#15,16 topic?95~30:w3-30 rate_limit_per_user?95:0..30 nsfw?95:bool5
 last_message_id?95~20:id default_sort_order?95~50:#0,1
 default_reaction_emoji?95~50:@default_reaction default_forum_layout?95:#0,1,2
 available_tags?95:[@forum_tag]0-6 template?30:' default_thread_rate_limit_per_user?20:0..9
 ..channel_common
thread_fields type:#10,11,12 total_message_sent?95:0..900 thread_metadata?99:@thread_metadata
 rate_limit_per_user?95:0..10 parent_id?99:channel_id owner_id?99:user_id name?99~1:w1-7
 message_count?95:0..900 member_ids_preview?60:[user_id]0-4 member_count?95:0..50
 last_message_id?95~10:id id:channel_id flags?95:bits3 applied_tags?30:[id]0-3
 last_pin_timestamp?20~50:time
thread ..thread_fields guild_id?99:guild_id
thread_joined ..thread member?:@thread_member
channel_dm type:1 recipients?99:[@user]1 last_message_id?95~20:id id:channel_id flags?95:bits2
timestamps start?80:ms end?40:ms
party id?90:hex size?40:[1..9]2
assets large_image?90:asset large_text?60:w1-4 small_image?60:asset small_text?50:w1-3
 large_url?5~50:url small_url?5~50:url invite_cover_image?3~50:asset
secrets join?80:hex spectate?20:hex match?20:hex
activity_status type:4 state?90~5:w1-8 name:'Custom&Status id?95:'custom emoji?40~3:@activity_emoji
 created_at:ms
activity_music type:2 timestamps?99:@timestamps sync_id?95:hex state?99:w1-3 session_id?95:hex
 party?99:@party name:'Spotify id?95:'spotify:1 flags?95:bits6 details?99:w1-6 created_at:ms
 assets?99:@assets
activity_game type:#0,3,5 timestamps?80:@timestamps state?50~5:w1-6 session_id?90:hex name:name
 id?95:hex flags?50:bits9 details?60~5:w1-6 created_at:ms assets?60:@assets application_id?80:app_id
 party?30:@party secrets?5:@secrets instance?5:bool buttons?15:[name]1-2
 status_display_type?20~30:#0,1,2 details_url?3~50:url state_url?3~50:url
 platform?20:$desktop,ps5,xbox
activity_stream type:1 url?99~3:url state?60~5:w1-3 name:'Twitch id?95:hex details?90~3:w2-9
 created_at:ms assets?80:@assets
activity @activity_status @activity_status @activity_game @activity_music @activity_stream
 @activity_game
client_status web?15:$online,idle,dnd mobile?35:$online,idle,dnd desktop?70:$online,idle,dnd
 vr?2:$online
presence user:@user_partial status:$online,online,idle,dnd,offline processed_at_timestamp?70:ms
 client_status:@client_status activities:[@activity]60%1-2
presence_guild ..presence guild_id:guild_id
voice_state_bare user_id:user_id suppress:bool10 session_id:hex self_video:bool10 self_mute:bool40
 self_deaf:bool20 self_stream?20:bool request_to_speak_timestamp~95:time mute:bool2 deaf:bool2
 channel_id~25:channel_id
stage privacy_level:#1,2 id:id guild_id:guild_id discoverable_disabled:bool80 channel_id:channel_id
 topic:w1-6 guild_scheduled_event_id~60:id invite_code?30:null
recurrence_weekday n:1..5 day:#0,1,2,3,4,5,6
recurrence start:time0 interval:1..2 frequency:#0,1,2,3 end~90:time count~90:1..9
 by_year_day~95:[1..364]1 by_weekday~60:[0..6]1-3 by_n_weekday~80:[@recurrence_weekday]1
 by_month_day~90:[1..31]1 by_month~90:[1..12]1
scheduled_stage user_count?40:0..90 status:#1,2,3,4 sku_ids?40:[id]0 scheduled_start_time:time0
 scheduled_end_time~90:time0 recurrence_rule~70:@recurrence privacy_level:2 name:w1-5
 image?95~50:hash id:id guild_id:guild_id entity_type:#1,2 entity_metadata~95:@scheduled_nowhere
 entity_id~50:id description?95~40:w3-30 creator_id?95~5:user_id creator?60:@user
 channel_id:channel_id auto_start?40:bool
scheduled_nowhere
scheduled_place location?98:w1-5
scheduled_external user_count?40:0..90 status:#1,2,3,4 scheduled_start_time:time0
 scheduled_end_time:time0 recurrence_rule~70:@recurrence privacy_level:2 name:w1-5 image?95~50:hash
 id:id guild_id:guild_id entity_type:3 entity_metadata:@scheduled_place entity_id:null
 description?95~40:w3-30 creator_id?95~5:user_id creator?60:@user channel_id:null
sound volume:fraction user_id?40:user_id sound_id:id name:name guild_id?95:guild_id
 emoji_name~40:symbol emoji_id~80:emoji_id available:bool95 user?40:@user
";

/// Messages, interactions, guilds and what only they have.
pub(super) const OBJECTS: &str = r"
attachment id:id filename:word size:90..9000000 url:url proxy_url:url
 content_type?95:$image/png,video/mp4,text/plain width?80~3:1..4000 height?80~3:1..4000
 placeholder?70:hex placeholder_version?70:1 content_scan_version?60:1..4 title?15:name
 description?10:w2-9 ephemeral?5:true duration_secs?4:fraction waveform?4:hex flags?60:bits6
 original_content_type?20:'image/heic clip_participants?2:[@user]1-2 clip_created_at?2:time
 application?1~50:@application
embed_media url:url proxy_url?90:url width?90:1..2000 height?90:1..2000 content_type?40:'image/webp
 placeholder?50:hex placeholder_version?50:1 flags?80:bits1 description?5~50:w1-4
embed_footer text:w1-9 icon_url?60:url proxy_icon_url?60:url
embed_author name:name url?60:url icon_url?60:url proxy_icon_url?60:url
embed_provider name?98:name url?60~10:url
embed_field name:w1-3 value:w1-14 inline?95:bool
embed type?99:$rich,rich,image,video,link,article,gifv,poll_result title?70:w1-9
 description?70:w4-50 url?50:url color?80:0..16777215 timestamp?30:time fields?30:[@embed_field]1-6
 footer?40:@embed_footer author?30:@embed_author provider?15:@embed_provider
 thumbnail?30:@embed_media image?30:@embed_media video?8:@embed_media content_scan_version?50:1..4
 flags?10:bits5
reaction_counts burst:0..2 normal:0..20
reaction emoji:@emoji_symbol|@emoji_custom count:1..40 count_details:@reaction_counts
 burst_colors:[colour]0-1 me:bool5 me_burst:false burst_me?40:false burst_count?40:0..2
mention ..user member?90:@member_bare
channel_mention id:channel_id guild_id:guild_id type:#0,5 name:word
button_own type:2 style:#1,2,3,4 label?85:w1-3 id?90:1..90 emoji?50:@emoji_symbol|@emoji_custom
 disabled?20:bool custom_id:hex
button_link type:2 style:5 label?85:w1-3 id?90:1..90 url:url disabled?10:bool emoji?20:@emoji_symbol
button_premium type:2 style:6 id?90:1..90 sku_id:id
option label:w1-4 value:word description?50:w2-8 emoji?40:@emoji_symbol|@emoji_custom
 default?20:bool
select_text type:3 placeholder?80:w1-5 options:[@option]1-12 min_values?90:0..1 max_values?90:1..5
 id?90:1..90 custom_id:hex disabled?20:bool required?10:bool
default_value id:user_id type:'user
select_auto type:#5,6,7 placeholder?80:w1-5 min_values?90:0..1 max_values?90:1..5 id?90:1..90
 custom_id:hex disabled?20:bool default_values?10:[@default_value]1
select_channel type:8 channel_types?50:[#0,2,5,15]1-2 min_values?90:0..1 max_values?90:1..5
 id?90:1..90 custom_id:hex placeholder?60:w1-4
row type:1 id?90:1..90 components:[@button_own|@button_own|@button_link|@button_premium]1-5
row_select type:1 id?90:1..90 components:[@select_text|@select_auto|@select_channel]1
text_display type:10 id?95:1..90 content:w4-40
media url:url proxy_url?95:url width?80~5:1..2000 height?80~5:1..2000 content_type?80:'image/png
 placeholder?60:hex placeholder_version?60:1 loading_state?40:2 attachment_id?30:id flags?30:bits1
thumbnail type:11 id?95:1..90 media:@media description?40~50:w1-6 spoiler?80:bool10
section type:9 id?95:1..90 components:[@text_display]1-3
 accessory:@thumbnail|@button_own|@button_link
gallery_item media:@media description?40~50:w1-6 spoiler?80:bool10
gallery type:12 id?95:1..90 items:[@gallery_item]1-4
separator type:14 id?95:1..90 spacing?95:#1,2 divider?95:bool80
file_shown type:13 id?95:1..90 file:@media spoiler?80:bool10 name?80:word size?80:90..9000000
contained @text_display @section @separator @row @row_select @gallery @file_shown
container type:17 id?95:1..90 spoiler?80:bool5 accent_color?70~30:0..16777215
 components:[@contained]1-5
reference message_id?98:id guild_id?95:guild_id channel_id?98:channel_id type?95:0
 fail_if_not_exists?5:bool
reference_forward message_id?98:id guild_id?95:guild_id channel_id?98:channel_id type?99:1
poll_text text?98:w1-8
poll_media text?98:w1-4 emoji?40:@emoji_symbol|@emoji_custom
poll_answer answer_id:1..10 poll_media:@poll_media
poll_count id:1..10 count:0..90 me_voted:bool5
poll_results is_finalized:bool20 answer_counts:[@poll_count]0-4
poll question:@poll_text answers:[@poll_answer]2-5 expiry~5:time allow_multiselect:bool20
 layout_type:#1 results?50:@poll_results
owners 0?80:guild_id 1?40:user_id
metadata_command id:id type:2 user:@user authorizing_integration_owners:@owners
 original_response_message_id?20:id target_user?8:@user target_message_id?8:id name?70:word
 command_type?60:#1,2,3
metadata_component id:id type:3 user:@user authorizing_integration_owners:@owners
 interacted_message_id?95:id original_response_message_id?20:id
metadata_modal id:id type:5 user:@user authorizing_integration_owners:@owners
 triggering_interaction_metadata?99:@metadata_command|@metadata_component
message_interaction id:id type:2 name:w1-2 user:@user member?30:@member_bare
message_call participants:[user_id]1-3 ended_timestamp?70~20:time
message_activity type:#1,2,3,5 party_id?70:hex
subscription_data role_subscription_listing_id:id tier_name:name total_months_subscribed:1..30
 is_renewal:bool
theme colors:[hex]1-2 gradient_angle:0..360 base_mix:0..100 base_theme?30~50:#0,1
message_fields type:#0,0,0,0,0,0,0,7,8,20,18,24,46 tts:bool1 timestamp:now pinned:bool3
 mentions:[@mention]15%1-2 mention_roles:[role_id]4%1 mention_everyone:bool1 id:id flags?99:bits4
 embeds:[@embed]9%1-2 edited_timestamp~75:now content:w0-22
 components?99:[@row|@row_select|@container]0 channel_id:channel_id author:@user
 attachments:[@attachment]15%1-2
message_extra nonce?40:id webhook_id?3:id application_id?6:app_id position?10:0..90
 reactions?4:[@reaction]1-4 sticker_items?3:[@sticker_item]1-2
 mention_channels?1:[@channel_mention]1 thread?2:@thread poll?2:@poll resolved?2:@resolved
 call?1:@message_call activity?1:@message_activity application?1:@application
 role_subscription_data?1:@subscription_data shared_client_theme?1:@theme stickers?1:[@sticker]1
message_replied ..message_fields webhook_id?3:id reactions?5:[@reaction]1-3
 sticker_items?2:[@sticker_item]1 message_reference?10:@reference
snapshot_message type:#0 content:w0-40 mentions:[@mention]0 mention_roles:[role_id]0
 attachments:[@attachment]0-2 embeds:[@embed]0-1 timestamp:time edited_timestamp~80:time
 flags?98:bits3 components?98:[@row|@container]0 sticker_items?3:[@sticker_item]1
snapshot message:@snapshot_message
message_plain ..message_fields ..message_extra
message_reply ..message_fields ..message_extra message_reference?99:@reference
 referenced_message?99~5:@message_replied
message_forward ..message_fields message_reference?99:@reference_forward
 message_snapshots?99:[@snapshot]1
message_bot type:#0,20,23 tts:false timestamp:now pinned:false mentions:[@mention]10%1
 mention_roles:[role_id]0 mention_everyone:false id:id flags?99:bits16 embeds:[@embed]45%1
 edited_timestamp~70:now content:w0-20 components?99:[@row|@row|@row_select|@container]30%1-2
 channel_id:channel_id author:@user attachments:[@attachment]10%1 application_id?90:app_id
 webhook_id?90:id interaction_metadata?60:@metadata_command|@metadata_component|@metadata_modal
 interaction?40:@message_interaction position?10:0..90
application id:app_id name:name icon~20:hash description:w2-20 cover_image?20:hash bot?20:@user
 summary?30:' type?30:null flags?30:bits24
application_named/3 id:self name:name icon~20:hash description:w2-20 bot?60:@user
entitlement id:id sku_id:id application_id:app_id user_id?95:user_id type:#1,2,3,4,5,6,7,8
 deleted:bool10 starts_at~20:time ends_at~50:time guild_id?30:guild_id consumed?60:bool
 promotion_id?30:null subscription_id?30:id gift_code_flags?30:bits3
channel_resolved id:channel_id type:#0,2,5,15 name~1:word permissions:perms
 parent_id?80~20:channel_id app_permissions?30:perms nsfw?40:bool topic?40~50:w2-9 position?50:0..90
 flags?60:bits3
resolved users?60:{@user}1-2 members?50:{@interaction_member_bare}1-2 roles?15:{@role}1
 channels?15:{@channel_resolved}1 attachments?10:{@attachment}1 messages?8:{@message_replied}1
value_text type:3 name:word value:w1-6
value_number type:4 name:word value:0..90000
value_fraction type:10 name:word value:fraction
value_flag type:5 name:word value:bool
value_user type:6 name:word value:user_id
value_channel type:7 name:word value:channel_id
value_role type:8 name:word value:role_id
value_file type:11 name:word value:id
value_typed type:3 name:word value:w0-2 focused?99:true
value_any @value_text @value_number @value_fraction @value_flag @value_user @value_channel
 @value_role @value_file
value_sub type:1 name:word options?90:[@value_any]0-4
value_group type:2 name:word options?99:[@value_sub]1
value_top @value_any @value_any @value_sub @value_group
command_slash type:1 resolved?25:@resolved name:word id:id guild_id?20:guild_id
 options?80:[@value_top]1-4
command_user type:2 name:w1-2 id:id target_id?99:user_id resolved?99:@resolved guild_id?20:guild_id
command_message type:3 name:w1-2 id:id target_id?99:id resolved?99:@resolved
command_typed type:1 name:word id:id options?99:[@value_text|@value_typed]1-3
component_press custom_id:hex component_type:2 id?95:1..90
component_pick custom_id:hex component_type:3 values?99:[word]1-3 id?95:1..90
component_pick_user custom_id:hex component_type:#5,6,7,8 values?99:[user_id]1-2
 resolved?99:@resolved id?95:1..90
input_given type:4 id?95:1..90 custom_id:hex value:w0-20
input_row type:1 id?95:1..90 components:[@input_given]1
select_given type:3 id?95:1..90 custom_id:hex values:[word]0-2
upload_given type:19 id?95:1..90 custom_id:hex values:[id]0-2
label_given type:18 id?95:1..90 component:@input_given|@select_given|@upload_given
modal_given custom_id:hex components:[@input_row|@label_given|@text_display]1-4
 resolved?10:@resolved
guild_brief id:guild_id locale:$en-US,nl,ja features:[@feature]0
feature
channel_interaction type:#0,2,5,11 topic?60~50:w3-9 rate_limit_per_user?80:0..9 position?80:0..90
 permissions?99:perms app_permissions?20:perms parent_id?90~10:channel_id nsfw?80:bool
 name?99~1:word last_message_id?90~5:id id:channel_id guild_id?95:guild_id flags?90:bits3
interaction_common token:token member:@interaction_member locale?99:$en-US,nl,ja,pt-BR id:id
 guild_locale?99:$en-US,nl guild_id?99:guild_id guild?95:@guild_brief entitlements:[@entitlement]0-1
 entitlement_sku_ids?70:[id]0 context?95:#0 channel_id?99:channel_id channel?99:@channel_interaction
 authorizing_integration_owners:@owners attachment_size_limit:#10485760,524288000
 application_id:app_id app_permissions:perms version:1
interaction_direct_common token:token user:@user locale?99:$en-US,nl id:id
 entitlements:[@entitlement]0 context?95:#1,2 channel_id?99:channel_id channel?99:@channel_dm
 authorizing_integration_owners:@owners attachment_size_limit:#10485760 application_id:app_id
 app_permissions:perms version:1
interaction_command type:2 data?99:@command_slash|@command_slash|@command_user|@command_message
 ..interaction_common
interaction_component type:3
 data?99:@component_press|@component_press|@component_pick|@component_pick_user
 message?99:@message_bot ..interaction_common
interaction_typing type:4 data?99:@command_typed ..interaction_common
interaction_form type:5 data?99:@modal_given message?40:@message_bot ..interaction_common
interaction_direct type:2 data?99:@command_slash ..interaction_direct_common
channel_any @channel_text @channel_text @channel_voice @channel_text @channel_category
 @channel_forum @channel_news @channel_stage @channel_hidden
guild_common vanity_url_code~85:word system_channel_id~10:channel_id system_channel_flags:bits6
 stickers?99:[@sticker]*1 splash~80:hash rules_channel_id~50:channel_id roles:[@role]*10
 region?60~10:'deprecated public_updates_channel_id~50:channel_id premium_tier:#0,1,2,3
 premium_subscription_count?95:0..60 premium_progress_bar_enabled:bool preferred_locale:$en-US,nl,ja
 owner_id:user_id nsfw_level:#0,1,2,3 nsfw?60:bool5 name:w1-4 mfa_level:#0,1
 max_video_channel_users?95:25 max_stage_video_channel_users?95:50 max_presences?60~98:5000
 max_members?95:25000000 latest_onboarding_question_id?60~90:id inventory_settings?50:null
 incidents_data~90:@incidents id:guild_id icon~10:hash hub_type?60:null home_header?60~95:hash
 features:[$COMMUNITY,NEWS,SOUNDBOARD,ANIMATED_ICON,GUILD_ONBOARDING,TIERLESS_BOOSTING]0-5
 explicit_content_filter:#0,1,2 emojis:[@emoji]*8 discovery_splash~90:hash description~60:w3-20
 default_message_notifications:#0,1 banner~80:hash application_id~97:app_id afk_timeout:#60,300,1800
 afk_channel_id~70:channel_id verification_level:#0,1,2,3,4 widget_enabled?20:bool
 widget_channel_id?20~50:channel_id safety_alerts_channel_id~60:channel_id icon_hash?3~50:hash
 welcome_screen?3:@welcome version?60:ms
incidents invites_disabled_until~40:time dms_disabled_until~40:time raid_detected_at?60~50:time
 dm_spam_detected_at?60~50:time
welcome_channel channel_id:channel_id description:w1-6 emoji_id~80:emoji_id emoji_name~20:symbol
welcome description~30:w2-9 welcome_channels:[@welcome_channel]1-4
audit_name key:$name,topic,code,nick new_value?90:w1-3 old_value?70:w1-3
audit_number key:$position,rate_limit_per_user,color,max_age new_value?90:0..900 old_value?70:0..900
audit_flag key:$hoist,mentionable,nsfw,deaf,mute new_value?90:bool old_value?70:bool
audit_role id:role_id name:name
audit_roles key:$$add,$remove new_value:[@audit_role]1-2
audit_options application_id?10:app_id auto_moderation_rule_name?10:name
 auto_moderation_rule_trigger_type?10:'1 channel_id?40:channel_id count?30:'3
 delete_member_days?10:'7 id?20:role_id members_removed?10:'2 message_id?20:id role_name?20:name
 type?20:'0 integration_type?10:'discord
rule_metadata keyword_filter?60:[word]0-6 regex_patterns?40:[word]0-2 presets?30:[#1,2,3]1-3
 allow_list?60:[word]0-3 mention_total_limit?30:1..50 mention_raid_protection_enabled?30:bool
action_block custom_message?40:w2-9
action_alert channel_id?99:channel_id
action_timeout duration_seconds?99:60..2419200
rule_block type:1 metadata?95:@action_block
rule_alert type:2 metadata?99:@action_alert
rule_timeout type:3 metadata?99:@action_timeout
rule_mute type:4
rule trigger_type:#1,3,4,5,6 trigger_metadata:@rule_metadata name:w1-4 id:id guild_id:guild_id
 exempt_roles:[role_id]0-3 exempt_channels:[channel_id]0-3 event_type:#1,2 enabled:bool90
 creator_id:user_id actions:[@rule_block|@rule_alert|@rule_timeout|@rule_mute]1-3
subscription id:id user_id:user_id sku_ids:[id]1-2 entitlement_ids:[id]0-2 renewal_sku_ids~80:[id]1
 current_period_start:time current_period_end:time status:#0,1,2 canceled_at~80:time country?10:word
permission_row id:role_id type:#1,2,3 permission:bool
account id:hex name:name
integration_bot type:'discord scopes?95:[$bot,applications.commands]1-2 name:name id:id
 enabled:bool98 application?95:@application_named account:@account guild_id:guild_id user?30:@user
integration_stream type:$twitch,youtube name:name id:id enabled:bool98 syncing?95:bool10
 role_id?90~5:role_id enable_emoticons?90:bool expire_behavior?95:#0,1 expire_grace_period?95:1..30
 account:@account synced_at?90:time subscriber_count?90:0..900 revoked?90:bool5 guild_id:guild_id
 user?80:@user
thread_member_added ..thread_member member?99:@member presence?95~70:@presence
rate_meta guild_id:guild_id nonce?60:hex
unavailable_guild unavailable:true id:guild_id
application_ready id:app_id flags:bits24 flags_new?70:'565248
channel_info_row id:channel_id status?70~50:w1-4 voice_start_time?70~50:secs
";

/// The events.
pub(super) const EVENTS: &str = r"
READY v:10 user_settings?80:@feature user:@own_user session_type?80:'normal session_id:hex
 resume_gateway_url:'wss://gateway-north1-a.discord.gg relationships?80:[@feature]0
 private_channels?80:[@feature]0 presences?80:[@feature]0 guilds:[@unavailable_guild]*20
 guild_join_requests?80:[@feature]0 geo_ordered_rtc_regions?80:[$rotterdam,us-east,brazil]5
 game_relationships?80:[@feature]0 auth?80:@feature application:@application_ready _trace?90:[hex]1
 shard?90:=[0,1]
RESUMED _trace?90:[hex]1
RATE_LIMITED opcode:8 retry_after:fraction meta:@rate_meta
APPLICATION_COMMAND_PERMISSIONS_UPDATE permissions:[@permission_row]1-5 id:id guild_id:guild_id
 application_id:app_id
AUTO_MODERATION_RULE_CREATE ..rule
AUTO_MODERATION_RULE_UPDATE ..rule
AUTO_MODERATION_RULE_DELETE ..rule
AUTO_MODERATION_ACTION_EXECUTION user_id:user_id rule_trigger_type:#1,3,4,5,6 rule_id:id
 message_id?70:id matched_keyword~20:word matched_content~30:w1-4 guild_id:guild_id content:w0-30
 channel_id?90:channel_id alert_system_message_id?30:id action:@rule_block|@rule_alert|@rule_timeout
CHANNEL_CREATE ..channel_text guild_id?99:guild_id
CHANNEL_UPDATE ..channel_voice guild_id?99:guild_id
CHANNEL_DELETE ..channel_forum guild_id?99:guild_id
CHANNEL_INFO guild_id:guild_id channels:[@channel_info_row]0-6
CHANNEL_PINS_UPDATE last_pin_timestamp?90~20:time guild_id?90:guild_id channel_id:channel_id
THREAD_CREATE ..thread newly_created?90:true member?40:@thread_member
THREAD_UPDATE ..thread
THREAD_DELETE type:#10,11,12 parent_id:channel_id id:channel_id guild_id:guild_id
THREAD_LIST_SYNC threads:[@thread]0-4 members:[@thread_member]0-4 guild_id:guild_id
 channel_ids?60:[channel_id]1-3 most_recent_messages?30:[@message_replied]0-2
THREAD_MEMBER_UPDATE ..thread_member guild_id:guild_id
THREAD_MEMBERS_UPDATE member_count:0..50 id:channel_id guild_id:guild_id
 added_members?80:[@thread_member_added]1-2 removed_member_ids?30:[user_id]1-2
 member_ids_preview?40:[user_id]1-3
ENTITLEMENT_CREATE ..entitlement
ENTITLEMENT_UPDATE ..entitlement
ENTITLEMENT_DELETE ..entitlement
GUILD_CREATE ..guild_common joined_at:time large:bool20 lazy?60:true unavailable?95:false
 member_count:2..90000 voice_states:[@voice_state_bare]*3 members:[@member]*12
 threads:[@thread_joined]*1 channels:[@channel_any]*14 presences:[@presence]*3
 stage_instances:[@stage]0 guild_scheduled_events:[@scheduled_stage|@scheduled_external]0-1
 soundboard_sounds:[@sound]*1 embedded_activities?60:[@feature]0 activity_instances?60:[@feature]0
 application_command_counts?60:@feature moderator_reporting?60:null
 owner_configured_content_level?60:0
GUILD_UPDATE ..guild_common
GUILD_DELETE unavailable?30:true id:guild_id
GUILD_AUDIT_LOG_ENTRY_CREATE user_id~10:user_id target_id~15:user_id id:id
 action_type:#1,10,11,12,20,22,24,25,28,31,72,73,111,143
 changes?70:[@audit_name|@audit_number|@audit_flag|@audit_roles]1-4 guild_id:guild_id
 options?40:@audit_options reason?30:w1-12
GUILD_BAN_ADD user:@user guild_id:guild_id
GUILD_BAN_REMOVE user:@user guild_id:guild_id
GUILD_EMOJIS_UPDATE guild_id:guild_id emojis:[@emoji]0-20
GUILD_STICKERS_UPDATE stickers:[@sticker]0-8 guild_id:guild_id
GUILD_INTEGRATIONS_UPDATE guild_id:guild_id
GUILD_MEMBER_ADD ..member_fields user:@user guild_id:guild_id
GUILD_MEMBER_REMOVE user:@user guild_id:guild_id
GUILD_MEMBER_UPDATE user:@user roles:[role_id]0-7 premium_since?95~80:time pending?95:bool8
 nick?98~60:w1-2 joined_at~2:time guild_id:guild_id flags?98:bits8
 communication_disabled_until?95~90:time banner~95:hash avatar~85:hash mute?90:bool2 deaf?90:bool2
 avatar_decoration_data?40~90:@decoration collectibles?40~85:@collectibles
 unusual_dm_activity_until?60~97:time
GUILD_MEMBERS_CHUNK presences?20:[@presence_guild]0-4 not_found:[id]0-1 nonce?60:hex
 members:[@member]*12 guild_id:guild_id chunk_index:0..3 chunk_count:4..9
GUILD_ROLE_CREATE role:@role guild_id:guild_id
GUILD_ROLE_UPDATE role:@role guild_id:guild_id
GUILD_ROLE_DELETE role_id:role_id guild_id:guild_id
GUILD_SCHEDULED_EVENT_CREATE ..scheduled_stage
GUILD_SCHEDULED_EVENT_UPDATE ..scheduled_external
GUILD_SCHEDULED_EVENT_DELETE ..scheduled_stage
GUILD_SCHEDULED_EVENT_USER_ADD user_id:user_id guild_scheduled_event_id:id guild_id:guild_id
 guild_scheduled_event_exception_id?20:null response?20:1
GUILD_SCHEDULED_EVENT_USER_REMOVE user_id:user_id guild_scheduled_event_id:id guild_id:guild_id
GUILD_SOUNDBOARD_SOUND_CREATE ..sound
GUILD_SOUNDBOARD_SOUND_UPDATE ..sound
GUILD_SOUNDBOARD_SOUND_DELETE sound_id:id guild_id:guild_id
GUILD_SOUNDBOARD_SOUNDS_UPDATE soundboard_sounds:[@sound]0-8 guild_id:guild_id
SOUNDBOARD_SOUNDS soundboard_sounds:[@sound]0-8 guild_id:guild_id
INTEGRATION_CREATE ..integration_bot
INTEGRATION_UPDATE ..integration_stream
INTEGRATION_DELETE id:id guild_id:guild_id application_id?80:app_id
INTERACTION_CREATE @interaction_command @interaction_command @interaction_component
 @interaction_component @interaction_typing @interaction_form @interaction_direct
INVITE_CREATE uses:0 type?50:0 temporary:bool10 target_user?15:@user target_type?20:#1,2
 target_application?8:@application max_uses:0..100 max_age:#0,3600,86400,604800 inviter?95:@user
 guild_id?95:guild_id expires_at~30:time created_at:now code:hex channel_id:channel_id
 role_ids?10:[role_id]1
INVITE_DELETE guild_id?95:guild_id code:hex channel_id:channel_id
MESSAGE_CREATE @message_event_plain @message_event_plain @message_event_plain @message_event_reply
 @message_event_plain @message_event_bot @message_event_direct @message_event_plain
 @message_event_reply @message_event_bot @message_event_forward
message_event channel_type?70:#0,2,11 member?98:@member_bare guild_id?99:guild_id
message_event_plain ..message_plain ..message_event
message_event_reply ..message_reply ..message_event
message_event_bot ..message_bot ..message_event
message_event_forward ..message_forward ..message_event
message_event_direct ..message_plain channel_type?70:1
MESSAGE_UPDATE @message_event_plain @message_event_bot @message_event_reply @message_event_bot
MESSAGE_DELETE id:id guild_id?95:guild_id channel_id:channel_id
MESSAGE_DELETE_BULK ids:[id]2-20 guild_id?95:guild_id channel_id:channel_id
MESSAGE_REACTION_ADD user_id:user_id type:#0,0,0,1 message_id:id message_author_id?95:user_id
 member?95:@member guild_id?95:guild_id emoji:@emoji_symbol|@emoji_custom channel_id:channel_id
 burst:bool10 burst_colors?10:[colour]0-2
MESSAGE_REACTION_REMOVE user_id:user_id type:#0,0,0,1 message_id:id guild_id?95:guild_id
 emoji:@emoji_symbol|@emoji_custom channel_id:channel_id burst:bool10
MESSAGE_REACTION_REMOVE_ALL message_id:id guild_id?95:guild_id channel_id:channel_id
MESSAGE_REACTION_REMOVE_EMOJI message_id:id guild_id?95:guild_id emoji:@emoji_symbol|@emoji_custom
 channel_id:channel_id
MESSAGE_POLL_VOTE_ADD user_id:user_id message_id:id guild_id?90:guild_id channel_id:channel_id
 answer_id:1..10
MESSAGE_POLL_VOTE_REMOVE user_id:user_id message_id:id guild_id?90:guild_id channel_id:channel_id
 answer_id:1..10
PRESENCE_UPDATE ..presence_guild
STAGE_INSTANCE_CREATE ..stage
STAGE_INSTANCE_UPDATE ..stage
STAGE_INSTANCE_DELETE ..stage
SUBSCRIPTION_CREATE ..subscription
SUBSCRIPTION_UPDATE ..subscription
SUBSCRIPTION_DELETE ..subscription
TYPING_START user_id:user_id timestamp:secs member?90:@member guild_id?90:guild_id
 channel_id:channel_id
USER_UPDATE ..own_user
VOICE_CHANNEL_EFFECT_SEND user_id:user_id guild_id:guild_id channel_id:channel_id
 emoji?90~10:@emoji_symbol|@emoji_custom animation_type?90~10:#0,1 animation_id?90:0..20
 sound_id?30:id sound_volume?30:fraction
VOICE_CHANNEL_STATUS_UPDATE status~40:w1-5 id:channel_id guild_id:guild_id
VOICE_CHANNEL_START_TIME_UPDATE voice_start_time?95~40:secs id:channel_id guild_id:guild_id
VOICE_STATE_UPDATE member?98:@member ..voice_state_bare guild_id?99:guild_id discoverable?60:true
VOICE_SERVER_UPDATE token:hex guild_id:guild_id endpoint~15:'rotterdam42.discord.media:443
WEBHOOKS_UPDATE guild_id:guild_id channel_id:channel_id
";
