//! How deep may objects lie in objects of their own type? No deeper than the stack bears.
//!
//! JSON's own limit of depth guards against hostile text in general, but one level of a message
//! in a message takes some 20 KB of stack in a debug build, and a runtime's thread has 2 MiB.

use std::cell::Cell;

use serde::de;

use crate::codec::json;

/// Far above any real frame: a form that a message's component opened reaches 6.
const NEST_MAX: u8 = 16;

thread_local! {
    /// How many objects of recursive types are being read right now, one in another. Decoding is
    /// one call on one stack, so this is but a hidden argument: serde has no room for an open one.
    static NESTED: Cell<u8> = const { Cell::new(0) };
}

/// One object of a recursive type that is being read.
pub(crate) struct Nest(());

impl Nest {
    /// One level deeper, or an error where that is too deep.
    pub(crate) fn enter<E: de::Error>() -> Result<Self, E> {
        let depth = NESTED.get();
        if depth >= NEST_MAX {
            return Err(E::custom(json::TOO_DEEP));
        }
        NESTED.set(depth + 1);
        Ok(Self(()))
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        NESTED.set(NESTED.get() - 1);
    }
}
