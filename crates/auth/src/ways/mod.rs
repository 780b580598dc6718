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

use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
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
    /// What did not change stays as it is, with the logins that are on their way.
    pub fn set(&self, directory: Option<DirectorySettings>, oidc: Option<OidcSettings>) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if now.directory.as_ref().map(|one| &one.settings) != directory.as_ref() {
            now.directory = directory.map(|settings| Arc::new(Directory::new(settings)));
        }
        if now.oidc.as_ref().map(|one| &one.settings) != oidc.as_ref() {
            now.oidc = oidc.map(|settings| Arc::new(Oidc::new(settings)));
        }
    }

    pub fn directory(&self) -> Option<Arc<Directory>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).directory.clone()
    }

    pub fn oidc(&self) -> Option<Arc<Oidc>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).oidc.clone()
    }

    /// What directory.toml and oidc.toml say, without secrets, for administrators.
    pub fn describe(&self) -> (Option<Value>, Option<Value>) {
        let directory = self.directory().map(|one| {
            let s = &one.settings;
            json!({
                "servers": s.servers,
                "tls": match s.protection { Protection::Ldaps => "ldaps", Protection::StartTls => "starttls" },
                "base": s.base,
                "login_attribute": s.login_attribute,
                "user_filter": s.user_filter,
                "service_account": s.service.is_some(),
                "locked_ends_login": s.locked_ends_login,
                "timeout_s": s.timeout.as_secs(),
                "watch_s": s.watch_every.as_secs(),
            })
        });
        let oidc = self.oidc().map(|one| {
            let s = &one.settings;
            json!({
                "issuer": s.issuer,
                "client_id": s.client_id,
                "label": s.label,
                "hosted_domain": s.hosted_domain,
                "redirect_uri": s.redirect_uri,
                "timeout_s": s.timeout.as_secs(),
            })
        });
        (directory, oidc)
    }

    /// The words of `GET /api/site`.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        let enabled = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let directory = enabled.directory.is_some().then_some("directory");
        let oidc = enabled.oidc.is_some().then_some("oidc");
        [Some("password"), directory, oidc].into_iter().flatten().collect()
    }
}

/// How we speak to those who vouch: TLS, with these roots and no others.
fn client(roots: &[Vec<u8>]) -> Arc<rustls::ClientConfig> {
    let mut store = rustls::RootCertStore::empty();
    // Old roots that cannot be read are skipped, as everywhere.
    store.add_parsable_certificates(roots.iter().map(|der| CertificateDer::from(der.as_slice())));
    Arc::new(rustls::ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
}
