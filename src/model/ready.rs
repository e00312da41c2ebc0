//! What do the rules need of READY? Read from its text, whatever else it holds.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess},
};
use serde_json::value::RawValue;

use crate::platform::Ready;

/// The session of READY's `d`; `None` where it names none.
pub(crate) fn read(data: &str) -> Option<Ready> {
    let Session { id, resume_url } = serde_json::from_str(data).ok()?;
    Some(Ready {
        session_id: id.filter(|id| !id.is_empty())?,
        resume_url,
    })
}

/// Two fields of READY, each of any type: what is not a text counts as absent, because a field
/// that the platform gets wrong must not cost the session.
#[derive(Default)]
struct Session {
    id: Option<String>,
    resume_url: Option<String>,
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Session;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Session, A::Error> {
                let mut session = Session::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match key.as_ref() {
                        "session_id" => session.id = text(map.next_value()?),
                        "resume_gateway_url" => session.resume_url = text(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(session)
            }
        }

        fn text(raw: &RawValue) -> Option<String> {
            serde_json::from_str(raw.get()).ok()
        }

        deserializer.deserialize_map(Visitor)
    }
}
