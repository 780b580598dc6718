//! Ways in beside our own passwords: a directory, a provider of OpenID Connect. Each proves who somebody is; what comes then
//! is the same for everybody.

mod account;
mod directory;
pub(crate) mod enter;
mod https;
mod oidc;
mod pending;
mod provider;
mod token;
pub(crate) mod watch;

pub use account::Why;
pub use directory::{Directory, DirectorySettings, Person, Protection, Service, Unavailable, is_filter};
pub use oidc::{Oidc, OidcSettings};

use std::sync::{Arc, PoisonError, RwLock};

/// The ways that are enabled now. Whoever reads the configuration again sets them anew; clones see it.
#[derive(Clone, Default)]
pub struct Ways(Arc<RwLock<Enabled>>);

#[derive(Clone, Default)]
struct Enabled {
    directory: Option<Arc<Directory>>,
    oidc: Option<Arc<Oidc>>,
}

impl Ways {
    pub fn set(&self, directory: Option<Arc<Directory>>, oidc: Option<Arc<Oidc>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Enabled { directory, oidc };
    }

    pub fn directory(&self) -> Option<Arc<Directory>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).directory.clone()
    }

    pub fn oidc(&self) -> Option<Arc<Oidc>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).oidc.clone()
    }

    /// The words of `GET /api/site`.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        let enabled = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let directory = enabled.directory.is_some().then_some("directory");
        let oidc = enabled.oidc.is_some().then_some("oidc");
        [Some("password"), directory, oidc].into_iter().flatten().collect()
    }
}
