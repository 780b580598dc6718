//! The address of record: the name under which a device registers, `user@domain`, compared as RFC 3261 §10.3 step 5 asks.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// `user@domain`, without scheme, port or parameters; the domain in lower case. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Aor(Arc<str>);

impl Aor {
    pub fn new(user: &str, domain: &str) -> Aor {
        Aor(format!("{user}@{}", domain.to_ascii_lowercase()).into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(user, _)| user)
    }
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
