//! What can be set? `Config`, parsed once at the border.
