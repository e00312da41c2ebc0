//! How do bytes become an event? The envelope, JSON, inflation.
//! Imports `id`, `error`, `limits`, `platform`; pure.

pub(crate) mod envelope;
pub(crate) mod inflate;
pub(crate) mod json;
