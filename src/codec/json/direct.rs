//! How does a built-in type come out of a text? Without serde in between.
//!
//! [`Decode`] is what the macros of the models generate beside serde's `Deserialize`, from the same
//! declarations. A generated decoder knows that it reads JSON from memory: it matches keys as bytes
//! where they lie, and asks for what its field is rather than being told what there is.
//!
//! What it refuses `serde_json` reads anew, so errors are that one's own, and what is rare need not
//! be known twice.

use compact_str::CompactString;

use super::reader::{Number, Reader, Refused};

#[cfg(any(test, fuzzing))]
thread_local! {
    /// How many texts were taken.
    static TAKEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// Whether every text is refused.
    static REFUSES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// What `read` gives with the direct decoder, and by `serde_json` alone.
#[cfg(any(test, fuzzing))]
pub(crate) fn both<T>(read: impl Fn() -> T) -> (T, T) {
    #[cfg(feature = "simd-json")]
    super::simd::REFUSES.set(true);
    let first = read();
    REFUSES.set(true);
    let second = read();
    REFUSES.set(false);
    #[cfg(feature = "simd-json")]
    super::simd::REFUSES.set(false);
    (first, second)
}

/// Reads `text`, or `None` where the other reader is to be asked.
pub(super) fn decode<T: Decode>(text: &str) -> Option<T> {
    #[cfg(any(test, fuzzing))]
    if REFUSES.get() {
        return None;
    }
    let mut json = Reader::new(text);
    let value = T::decode(&mut json).ok()?;
    if !json.is_at_end() {
        return None;
    }
    #[cfg(any(test, fuzzing))]
    TAKEN.set(TAKEN.get() + 1);
    Some(value)
}

/// A type that reads itself.
pub(crate) trait Decode: Sized {
    /// Takes the value that comes next. What it makes of it is what `Deserialize` does, and what
    /// that refuses it refuses; it may refuse more.
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused>;
}

impl Decode for bool {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.bool()
    }
}

impl Decode for i64 {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        match json.number()? {
            Number::Unsigned(number) => number.try_into().map_err(|_| Refused),
            Number::Negative(number) => Ok(number),
            Number::Fraction(_) => Err(Refused),
        }
    }
}

macro_rules! unsigned {
    ($($integer:ident),*) => {$(
        impl Decode for $integer {
            fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
                match json.number()? {
                    Number::Unsigned(number) => number.try_into().map_err(|_| Refused),
                    Number::Negative(_) | Number::Fraction(_) => Err(Refused),
                }
            }
        }
    )*};
}

unsigned!(u8, u32, u64);

impl Decode for CompactString {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.text().map(Self::from)
    }
}

impl<T: Decode> Decode for Option<T> {
    #[inline]
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        if json.null()? {
            return Ok(None);
        }
        T::decode(json).map(Some)
    }
}

impl<T: Decode> Decode for Box<T> {
    #[inline]
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        T::decode(json).map(Self::new)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.list(|json| T::decode(json).map(Some))
    }
}

// They read what the platforms have.
#[cfg(test)]
#[cfg(any(feature = "discord", feature = "qq"))]
mod tests;
