//! What must not be read by passers-by: `Pii` travels shortened in logs, `Secret` does not travel at all.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A phone number, a name or an address of a person. Prints shortened (`+49…23`); `reveal` where it is needed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pii(String);

impl Pii {
    pub fn new(text: impl Into<String>) -> Pii {
        Pii(text.into())
    }
    /// The text itself, for wires, rows and pages that are entitled to it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Pii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        if count <= 4 {
            // Extensions are not secrets and a log without them helps nobody.
            return f.write_str(&self.0);
        }
        let head: String = self.0.chars().take(3).collect();
        let tail: String = self.0.chars().skip(count - 2).collect();
        write!(f, "{head}…{tail}")
    }
}

impl fmt::Debug for Pii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A password, key or token. Never prints, never serialises; `expose` at the one place that needs it.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    /// The secret itself. Each caller is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_show_neither_numbers_nor_secrets() {
        assert_eq!(Pii::new("+4969123456").to_string(), "+49…56");
        assert_eq!(Pii::new("2001").to_string(), "2001");
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
