//! Who is who? Ids that are texts.

use std::{fmt, hash, marker::PhantomData};

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::lenient::{self, Wire};
use crate::codec::json::{Decode, Reader, Refused};

/// The id of a thing of kind `T`: a text of no known form, such as an openid.
///
/// QQ makes an openid for each pair of bot and user, or bot and group: another bot sees another
/// one. It is never empty. `T` keeps ids of different kinds apart.
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/unique-id.html>
pub struct TextId<T> {
    text: CompactString,
    kind: PhantomData<fn() -> T>,
}

impl<T> TextId<T> {
    /// An id from its text; `None` for an empty text, which QQ writes for "none".
    ///
    /// ```
    /// use shardstream::qq::model::{Group, TextId};
    /// let id = TextId::<Group>::new("C0FFEE").unwrap();
    /// assert_eq!(id.as_str(), "C0FFEE");
    /// assert_eq!(TextId::<Group>::new(""), None);
    /// ```
    pub fn new(text: impl AsRef<str>) -> Option<Self> {
        let text = text.as_ref();
        (!text.is_empty()).then(|| Self {
            text: text.into(),
            kind: PhantomData,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

// By hand, because derives would ask the same of `T`, which is only a name.
impl<T> Clone for TextId<T> {
    fn clone(&self) -> Self {
        Self {
            text: self.text.clone(),
            kind: PhantomData,
        }
    }
}
impl<T> PartialEq for TextId<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<T> Eq for TextId<T> {}
impl<T> PartialOrd for TextId<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for TextId<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<T> hash::Hash for TextId<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<T> fmt::Debug for TextId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
impl<T> fmt::Display for TextId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T> Serialize for TextId<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> Deserialize<'de> for TextId<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id: Option<Self> = lenient::Lenient::lenient(deserializer)?;
        id.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Other("a value"), &"an id"))
    }
}

impl<T> Decode for TextId<T> {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        lenient::decode::<Option<Self>>(json)?.ok_or(Refused)
    }
}

impl<T> Wire for TextId<T> {
    fn text(text: &str) -> Option<Self> {
        Self::new(text)
    }

    fn integer(number: i128) -> Option<Self> {
        Self::new(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::TextId;

    #[test]
    fn a_text_id_is_read_from_a_text_or_a_number_and_written_as_a_text() {
        let read = serde_json::from_str::<TextId<()>>;
        for text in ["\"ROBOT1.0_a.b!\"", "\"7\""] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        assert_eq!(read("18446744073709551615").unwrap().as_str().len(), 20);
        for bad in ["\"\"", "null", "true", "1.5", "[]", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
