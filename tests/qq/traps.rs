//! Where do the service's frames differ from the documentation? One row each, with what the same
//! event looks like as documented.

use serde_json::{Value, json};
use shardstream::qq::{
    Event,
    model::{ReactionTargetKind, SecretText},
};

use super::{decode, written};

/// The wire's form is read as the documented one.
#[track_caller]
fn same(name: &str, wire: &Value, documented: &Value) {
    let event = decode(name, wire).unwrap_or_else(|error| panic!("{wire}: {error}"));
    assert_eq!(event, decode(name, documented).unwrap());
    assert_eq!(written(&event), written(&decode(name, documented).unwrap()));
}

#[test]
fn ids_above_the_signed_range_are_read_from_texts_and_numbers() {
    let text = json!({"id": "15488460326014391322", "guild_id": "18446744073709551615"});
    let number = json!({"id": 15_488_460_326_014_391_322_u64, "guild_id": u64::MAX});
    same("CHANNEL_CREATE", &number, &text);
    let event = decode("CHANNEL_CREATE", &text).unwrap();
    assert_eq!(event.guild_id().unwrap().get(), u64::MAX);
}

#[test]
fn an_empty_id_is_none() {
    same(
        "GUILD_MEMBER_ADD",
        &json!({"guild_id": "1", "op_user_id": "", "user": {"id": "", "union_openid": ""}}),
        &json!({"guild_id": "1", "user": {}}),
    );
}

#[test]
fn ids_of_forums_are_numbers_in_the_documentation_and_texts_live() {
    let thread = |guild: Value, author: Value, title: Value| {
        json!({"guild_id": guild, "channel_id": "2", "author_id": author,
            "thread_info": {"thread_id": "B_1", "title": title}})
    };
    let list = json!([{"type": 1, "text_info": {"text": "Test"}}]);
    let elems = json!([{"type": 1, "text": {"text": "Test"}}]);
    let document = json!(json!({"paragraphs": [{ "elems": elems }]}).to_string());
    same(
        "FORUM_THREAD_CREATE",
        &thread(json!(47), json!(144_115), list.clone()),
        &thread(json!("47"), json!("144115"), list.clone()),
    );
    for title in [list, document] {
        let wire = thread(json!("47"), json!("144115"), title.clone());
        let event = decode("FORUM_THREAD_CREATE", &wire).unwrap();
        assert_eq!(written(&event)["thread_info"]["title"], title);
        let Event::ForumThreadCreate(thread) = event else {
            panic!("{event:?}");
        };
        assert_eq!(thread.thread_info.unwrap().title.unwrap().words(), "Test");
    }
}

#[test]
fn the_target_of_a_reaction_is_an_integer_in_the_documentation_and_a_text_live() {
    let reaction = |kind: Value| {
        let target = json!({"id": "3", "type": kind});
        json!({"guild_id": "1", "channel_id": "2", "target": target})
    };
    for (live, documented) in [
        ("ReactionTargetType_MSG", 0),
        ("ReactionTargetType_FEED", 1),
        ("ReactionTargetType_COMMNENT", 2),
        ("ReactionTargetType_REPLY", 3),
        ("4", 4),
    ] {
        for name in ["MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"] {
            same(name, &reaction(json!(live)), &reaction(json!(documented)));
        }
    }
    let new = decode(
        "MESSAGE_REACTION_ADD",
        &reaction(json!("ReactionTargetType_NEW")),
    )
    .unwrap();
    assert_eq!(written(&new)["target"]["type"], "ReactionTargetType_NEW");
    let Event::MessageReactionAdd(new) = new else {
        panic!("{new:?}");
    };
    let kind = new.target.unwrap().kind;
    assert!(matches!(kind, Some(ReactionTargetKind::UnknownText(_))));
}

#[test]
fn a_time_is_rfc_3339_unix_seconds_or_what_go_prints() {
    let message = |time: Value| json!({"id": "a", "timestamp": time});
    let documented = message(json!("2023-11-06T13:37:18+08:00"));
    for time in [
        json!("2023-11-06 13:37:18 +0800 CST m=+0.000000001"),
        json!("2023-11-06T05:37:18Z"),
        json!(1_699_249_038),
    ] {
        same("C2C_MESSAGE_CREATE", &message(time), &documented);
    }
    let member = |time: Value| json!({"group_openid": "g", "timestamp": time});
    for time in [json!("2023-11-06T13:37:18+08:00"), json!("1699249038")] {
        same(
            "GROUP_MEMBER_ADD",
            &member(time),
            &member(json!(1_699_249_038)),
        );
    }
}

#[test]
fn a_message_of_an_image_alone_has_no_content() {
    let image = json!({"id": "a", "channel_id": "1", "guild_id": "2", "direct_message": true,
        "attachments": [{"url": "gchat.qpic.cn/qmeetpic/1/0"}]});
    let Event::DirectMessageCreate(message) = decode("DIRECT_MESSAGE_CREATE", &image).unwrap()
    else {
        panic!("{image}");
    };
    assert_eq!(message.content, None);
    let url = message.attachments[0].https_url();
    assert_eq!(url.as_deref(), Some("https://gchat.qpic.cn/qmeetpic/1/0"));
}

#[test]
fn lists_may_be_null_and_hold_null() {
    same(
        "GROUP_AT_MESSAGE_CREATE",
        &json!({"id": "a", "group_openid": "g", "mentions": null, "msg_elements": [null],
            "author": null, "attachments": {}, "message_scene": {"ext": null}}),
        &json!({"id": "a", "group_openid": "g", "message_scene": {}}),
    );
}

#[test]
fn the_sequence_in_a_channel_is_a_text_and_may_be_a_number() {
    let message =
        |seq: Value| json!({"id": "a", "channel_id": "1", "guild_id": "2", "seq_in_channel": seq});
    same(
        "MESSAGE_CREATE",
        &message(json!(1905)),
        &message(json!("1905")),
    );
    let event = decode("MESSAGE_CREATE", &message(json!(1905))).unwrap();
    assert_eq!(written(&event)["seq_in_channel"], "1905");
}

#[test]
fn resumed_is_read_whatever_comes_with_it() {
    for data in [
        json!(""),
        json!(null),
        json!({}),
        json!({"_trace": [1]}),
        json!(7),
    ] {
        let event = decode("RESUMED", &data).unwrap();
        assert_eq!(written(&event), data);
        assert!(matches!(event, Event::Resumed(_)));
    }
}

#[test]
fn ready_is_read_with_a_shard_that_cannot_be_and_without_guilds() {
    let ready = json!({"version": 1, "session_id": "s", "user": {"id": "1"}, "shard": [0, 0]});
    let Event::Ready(read) = decode("READY", &ready).unwrap() else {
        panic!("{ready}");
    };
    assert_eq!(read.shard, [0, 0]);
    assert_eq!(read.session_id.as_ref().map(SecretText::expose), Some("s"));
    assert!(decode("READY", &json!({"session_id": "s"})).is_ok());
}

#[test]
fn an_event_without_a_row_keeps_its_data() {
    let data = r#"{"b":[1,{"a":null}],"a":1.50}"#;
    let event = <shardstream::qq::QQ as shardstream::platform::Platform>::decode("NEW", data);
    let Event::Unknown(unknown) = event.unwrap() else {
        panic!("a row for NEW");
    };
    assert_eq!((&*unknown.name, &*unknown.data), ("NEW", data));
}
