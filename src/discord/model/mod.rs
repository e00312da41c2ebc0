//! What do events hold? Discord's objects, lean.
