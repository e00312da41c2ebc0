//! How is the hash of an image kept? In 17 bytes where it is one.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use super::scalar::Lenient;
use crate::codec::json::{Decode, Reader, Refused};

/// The name of an image on Discord's CDN: nearly always 32 hexadecimal digits, with `a_` before
/// them where the image is animated; such a name takes no memory of its own.
///
/// Other names occur and are kept as they are.
/// <https://docs.discord.com/developers/reference#image-formatting>
///
/// ```
/// use shardstream::discord::model::ImageHash;
/// let hash = ImageHash::from("a_0123456789abcdef0123456789abcdef");
/// assert!(hash.is_animated());
/// assert_eq!(hash.to_string(), "a_0123456789abcdef0123456789abcdef");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ImageHash(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Hash { animated: bool, digits: [u8; 16] },
    Other(Box<str>),
}

impl Default for ImageHash {
    /// The empty name, which no image has.
    fn default() -> Self {
        Self::from("")
    }
}

impl ImageHash {
    /// Whether the name says that the image is animated.
    pub fn is_animated(&self) -> bool {
        match &self.0 {
            Repr::Hash { animated, .. } => *animated,
            Repr::Other(text) => text.starts_with("a_"),
        }
    }
}

/// Four bytes of eight hexadecimal digits. Lower case only, so that what is read is what is
/// written.
fn four(digits: [u8; 8]) -> Option<[u8; 4]> {
    /// A byte in each of the eight.
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let digits = u64::from_le_bytes(digits);
    // Of a letter, bit 6 is set, and `a` ends in 1.
    let values = (digits & all(0x0F)) + ((digits >> 6) & all(1)) * 9;
    let letters = ((values + all(6)) >> 4) & all(1);
    let written = values + all(b'0') + letters * u64::from(b'a' - b'0' - 10);
    if written != digits || values & all(0x10) != 0 {
        return None;
    }
    // Neighbours are joined, the first the higher: in every second byte, then side by side.
    let joined = (values << 4 | values >> 8) & 0x00FF_00FF_00FF_00FF;
    let [a, _, b, _, c, _, d, _] = joined.to_le_bytes();
    Some([a, b, c, d])
}

fn packed(text: &str) -> Option<Repr> {
    let (animated, hex) = text
        .strip_prefix("a_")
        .map_or((false, text), |hex| (true, hex));
    let hex: &[u8; 32] = hex.as_bytes().try_into().ok()?;
    let (eights, _) = hex.as_chunks::<8>();
    let mut digits = [0; 16];
    for (bytes, eight) in digits.as_chunks_mut::<4>().0.iter_mut().zip(eights) {
        *bytes = four(*eight)?;
    }
    Some(Repr::Hash { animated, digits })
}

impl From<&str> for ImageHash {
    fn from(text: &str) -> Self {
        Self(packed(text).unwrap_or_else(|| Repr::Other(text.into())))
    }
}

impl fmt::Display for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Hash { animated, digits } => {
                if *animated {
                    f.write_str("a_")?;
                }
                write!(f, "{:032x}", u128::from_be_bytes(*digits))
            }
            Repr::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for ImageHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ImageHash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image's name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ImageHash, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Decode for ImageHash {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.text().map(Self::from)
    }
}

impl Lenient for ImageHash {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageHash, Repr};

    #[test]
    fn a_hash_is_packed_and_any_other_name_kept() {
        let hex = "00ff0123456789abcdef00000000000f";
        for text in [hex.to_owned(), format!("a_{hex}")] {
            let hash = ImageHash::from(text.as_str());
            assert!(matches!(hash.0, Repr::Hash { .. }), "{text}");
            assert_eq!(hash.to_string(), text);
        }
        for text in [
            "",
            "a_",
            "v2_x",
            "nameplates/a/b/",
            &hex.to_uppercase(),
            &hex[1..],
            &format!("{}é", &hex[2..]),
        ] {
            let hash = ImageHash::from(text);
            assert!(matches!(hash.0, Repr::Other(_)), "{text}");
            assert_eq!(hash.to_string(), text);
        }
        assert_eq!(size_of::<Option<ImageHash>>(), 24);
    }

    #[test]
    fn only_hexadecimal_digits_are_packed() {
        for place in [0, 7, 8, 31] {
            for byte in 0..=0x7f_u8 {
                let mut hex = b"00ff0123456789abcdef00000000000f".to_vec();
                hex[place] = byte;
                let text = String::from_utf8(hex).unwrap();
                let hash = ImageHash::from(text.as_str());
                let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                assert_eq!(matches!(hash.0, Repr::Hash { .. }), is_digit, "{text}");
                assert_eq!(hash.to_string(), text);
            }
        }
    }
}
