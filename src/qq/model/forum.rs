//! What do the events of forums hold?

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::{
    Channel, Guild, RawJson, Timestamp, User,
    lenient::{Lenient, numbers, objects},
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

object! {
    /// A thread was made, changed or deleted.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/content/forum/forum.html>
    pub struct ForumThread {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        author_id: Option<Id<User>> = lenient,
        thread_info: Option<ThreadInfo> = lenient,
    }
}

object! {
    /// A thread: what a forum's discussion begins with.
    pub struct ThreadInfo {
        thread_id: Option<CompactString> = lenient,
        title: Option<RichText> = lenient,
        content: Option<RichText> = lenient,
        date_time: Option<Timestamp> = lenient,
    }
}

object! {
    /// A post was made in a thread, or deleted.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/content/forum/forum.html>
    pub struct ForumPost {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        author_id: Option<Id<User>> = lenient,
        post_info: Option<PostInfo> = lenient,
    }
}

object! {
    /// A post in a thread.
    pub struct PostInfo {
        thread_id: Option<CompactString> = lenient,
        post_id: Option<CompactString> = lenient,
        content: Option<RichText> = lenient,
        date_time: Option<Timestamp> = lenient,
    }
}

object! {
    /// A reply was made to a post, or deleted.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/content/forum/forum.html>
    pub struct ForumReply {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        author_id: Option<Id<User>> = lenient,
        reply_info: Option<ReplyInfo> = lenient,
    }
}

object! {
    /// A reply to a post.
    pub struct ReplyInfo {
        thread_id: Option<CompactString> = lenient,
        post_id: Option<CompactString> = lenient,
        reply_id: Option<CompactString> = lenient,
        content: Option<RichText> = lenient,
        date_time: Option<Timestamp> = lenient,
    }
}

object! {
    /// What the bot wrote into a forum was looked at.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/content/forum/forum.html>
    pub struct ForumPublishAuditResult {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        author_id: Option<Id<User>> = lenient,
        task_id: Option<CompactString> = lenient,
        thread_id: Option<CompactString> = lenient,
        post_id: Option<CompactString> = lenient,
        reply_id: Option<CompactString> = lenient,
        kind as "type": Option<ForumAuditKind> = lenient,
        /// 0 where it passed.
        result: Option<i64> = lenient,
        err_msg: Option<CompactString> = lenient,
        date_time: Option<Timestamp> = lenient,
    }
}

int_enum! {
    /// What was looked at.
    pub enum ForumAuditKind {
        /// A thread.
        Thread = 1,
        /// A post.
        Post = 2,
        /// A reply.
        Reply = 3,
    }
}

object! {
    /// Something happened in an open forum. What it was about is not told.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/content/forum/open_forum.html>
    pub struct OpenForum {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        author_id: Option<Id<User>> = lenient,
    }
}

/// A text with links, channels and the like, in one of two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RichText {
    /// The form that is documented: JSON, a list of elements.
    Elements(RawJson),
    /// The form that is sent: a text, which is JSON again (`{"paragraphs":[...]}`).
    Document(CompactString),
}

/// The parts of both forms that have a text.
#[derive(Deserialize)]
struct Element {
    #[serde(alias = "text_info")]
    text: Option<ElementText>,
    #[serde(alias = "url")]
    url_info: Option<ElementUrl>,
    #[serde(alias = "channel")]
    channel_info: Option<ElementChannel>,
}

#[derive(Deserialize)]
struct ElementText {
    text: Option<String>,
}

#[derive(Deserialize)]
struct ElementUrl {
    url: Option<String>,
    #[serde(alias = "desc")]
    display_text: Option<String>,
}

#[derive(Deserialize)]
struct ElementChannel {
    channel_name: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    #[serde(default)]
    elems: Vec<Element>,
}

impl RichText {
    /// Its words alone: texts, the words of links, the names of channels; a line a paragraph. A
    /// text in neither form is given as it is.
    ///
    /// ```
    /// # use shardstream::qq::model::RichText;
    /// let sent = r#""{\"paragraphs\":[{\"elems\":[{\"type\":1,\"text\":{\"text\":\"Hi\"}}]}]}""#;
    /// let sent: RichText = serde_json::from_str(sent)?;
    /// assert_eq!(sent.words(), "Hi");
    ///
    /// let documented = r#"[{"type":1,"text_info":{"text":"Hi"}}]"#;
    /// let documented: RichText = serde_json::from_str(documented)?;
    /// assert_eq!(documented.words(), "Hi");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn words(&self) -> String {
        let text = match self {
            Self::Elements(list) => list.as_str(),
            Self::Document(text) => text,
        };
        let paragraphs = match serde_json::from_str::<Document>(text) {
            Ok(document) => document.paragraphs,
            Err(_) => match serde_json::from_str(text) {
                Ok(elems) => vec![Paragraph { elems }],
                Err(_) => return text.to_owned(),
            },
        };
        let lines = paragraphs.iter().map(|paragraph| {
            let words = paragraph.elems.iter().filter_map(Element::words);
            words.collect::<String>()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl RichText {
    /// What valid JSON says; `None` where that is neither a list, an object nor a text.
    fn of_json(text: &str) -> Option<Self> {
        match text.bytes().next() {
            Some(b'[' | b'{') => serde_json::from_str(text).ok().map(Self::Elements),
            Some(b'"') => serde_json::from_str(text).ok().map(Self::Document),
            _ => None,
        }
    }
}

impl Element {
    fn words(&self) -> Option<&str> {
        let text = self.text.as_ref().and_then(|text| text.text.as_deref());
        let url = || {
            self.url_info
                .as_ref()
                .map(|url| (&url.display_text, &url.url))
        };
        let url = || url().and_then(|(words, url)| words.as_deref().or(url.as_deref()));
        let channel = || self.channel_info.as_ref()?.channel_name.as_deref();
        text.or_else(url).or_else(channel)
    }
}

impl Serialize for RichText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Elements(list) => list.serialize(serializer),
            Self::Document(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for RichText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Option<Self> = Lenient::lenient(deserializer)?;
        text.ok_or_else(|| de::Error::custom("neither a list nor a text"))
    }
}

impl Decode for RichText {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.raw().map(Self::of_json)?.ok_or(Refused)
    }
}

impl Lenient for Option<RichText> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(RichText::of_json(raw.get()))
    }

    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.raw().map(RichText::of_json)
    }
}

objects!(ThreadInfo, PostInfo, ReplyInfo);
numbers!(ForumAuditKind);

#[cfg(test)]
mod tests {
    use super::RichText;

    #[test]
    fn rich_text_in_each_form_has_words_and_is_written_as_it_was_read() {
        let list = r##"[{"type":1,"text_info":{"text":"See "}},{"type":5,"channel_info":
            {"channel_id":7,"channel_name":"#hall"}},{"type":3,"url_info":
            {"url":"https://example.com","display_text":" there"}},{"type":9}]"##;
        let document = serde_json::json!({"paragraphs": [
            {"elems": [{"type": 1, "text": {"text": "one"}}], "props": {}},
            {"elems": [{"type": 3, "url": {"url": "u", "desc": null}}]}, {}
        ]})
        .to_string();
        for (wire, words) in [
            (list.to_owned(), "See #hall there"),
            (serde_json::to_string(&document).unwrap(), "one\nu\n"),
            ("\"plain\"".to_owned(), "plain"),
            ("\"\"".to_owned(), ""),
            ("{\"paragraphs\":7}".to_owned(), "{\"paragraphs\":7}"),
        ] {
            let text: RichText = serde_json::from_str(&wire).unwrap();
            assert_eq!(text.words(), words, "{wire}");
            assert_eq!(serde_json::to_string(&text).unwrap(), wire);
        }
        assert!(serde_json::from_str::<RichText>("7").is_err());
    }
}
