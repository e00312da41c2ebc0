//! Later.

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];
