//! What must never be shown? Tokens. Imports nothing of the crate.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// A secret text, such as a bot token.
///
/// It has no `Display` and no `Serialize`, its `Debug` shows nothing of it, and its memory is
/// overwritten when the last clone goes. Clones share one copy.
#[derive(Clone)]
pub struct Token(Arc<Zeroizing<String>>);

impl Token {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can be sent at all: not empty, and free of control characters, which would let
    /// it break out of an HTTP header.
    pub fn is_usable(&self) -> bool {
        !self.0.is_empty() && !self.0.chars().any(char::is_control)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn debug_shows_nothing_of_a_token() {
        assert_eq!(format!("{:?}", Token::from("CANARY")), "Token([redacted])");
    }

    #[test]
    fn a_token_is_any_text_without_control_characters_but_not_empty() {
        assert!(Token::from("x").is_usable());
        assert!(Token::from("Bot äöü 1.2").is_usable());
        for bad in ["", "a\r\nb", "a\0", "\u{85}"] {
            assert!(!Token::from(bad).is_usable(), "{bad:?}");
        }
    }
}
