//! What an OpenID provider says about itself (OpenID Connect Discovery), kept for an hour, and its keys, looked at again when
//! a token names one we do not have.

use super::https::{Https, Unreachable};
use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What was read is used so long without a question.
const FRESH: Duration = Duration::from_secs(3600);
/// Where the provider does not answer, what was read before is used this much longer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// After a failure nobody asks again for so long: a queue of people must not wait one after the other.
const REST: Duration = Duration::from_secs(5);
/// Unknown keys make us look at the keys at most so often: anybody can write a key's name into a token.
const KEYS_EVERY: Duration = Duration::from_secs(10);

/// The provider's addresses and habits (Discovery §3).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207 §3: then a redirect without `iss` is somebody else's.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Client credentials in the header (RFC 6749 §2.3.1), the default, unless only the body is taken.
    pub(super) fn basic(&self) -> bool {
        match &self.token_endpoint_auth_methods_supported {
            None => true,
            Some(methods) => methods.iter().any(|method| method == "client_secret_basic"),
        }
    }
}

#[derive(Clone)]
pub(super) struct Known {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Arc<CoreJsonWebKeySet>,
    read: Instant,
    keys_read: Instant,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    failed: Option<(Instant, Unreachable)>,
}

pub(super) struct Provider {
    issuer: String,
    state: Mutex<State>,
}

impl Provider {
    pub(super) fn new(issuer: String) -> Provider {
        Provider { issuer, state: Mutex::default() }
    }

    /// What is known, asked for where it is too old.
    pub(super) async fn known(&self, https: &Https) -> Result<Known, Unreachable> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(known) = &state.known
            && now.saturating_duration_since(known.read) < FRESH
        {
            return Ok(known.clone());
        }
        let resting = state.failed.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < REST);
        let read = match resting {
            Some((_, error)) => Err(error.clone()),
            None => self.read(https).await,
        };
        match read {
            Ok(known) => {
                *state = State { known: Some(known.clone()), failed: None };
                Ok(known)
            }
            Err(error) => {
                if resting.is_none() {
                    tracing::warn!(%error, issuer = self.issuer, "provider not available");
                    state.failed = Some((Instant::now(), error.clone()));
                }
                match &state.known {
                    Some(known) if now.saturating_duration_since(known.read) < STALE => Ok(known.clone()),
                    _ => Err(error),
                }
            }
        }
    }

    /// The keys again, because a token names one that `seen` does not have; `None` where that was asked a moment ago.
    pub(super) async fn keys_again(
        &self,
        https: &Https,
        seen: &Known,
    ) -> Result<Option<Arc<CoreJsonWebKeySet>>, Unreachable> {
        let mut state = self.state.lock().await;
        let Some(known) = &mut state.known else { return Ok(None) };
        if known.keys_read > seen.keys_read {
            // Somebody else's token made us look while this one waited.
            return Ok(Some(Arc::clone(&known.keys)));
        }
        let now = Instant::now();
        if now.saturating_duration_since(known.keys_read) < KEYS_EVERY {
            return Ok(None);
        }
        // Counted before the answer: a provider that fails is not asked more often.
        known.keys_read = now;
        known.keys = Arc::new(json(https, &known.metadata.jwks_uri).await?);
        Ok(Some(Arc::clone(&known.keys)))
    }

    async fn read(&self, https: &Https) -> Result<Known, Unreachable> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = json(https, &url).await?;
        // Discovery §4.3: it must be the very same, or it speaks for somebody else.
        if metadata.issuer != self.issuer {
            return Err(Unreachable(format!(
                "{url} speaks for {}, not for {}",
                metadata.issuer, self.issuer
            )));
        }
        for address in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            if !address.starts_with("https://") {
                return Err(Unreachable(format!("{url} names {address}, which is not https")));
            }
        }
        let keys = json(https, &metadata.jwks_uri).await?;
        let now = Instant::now();
        Ok(Known { metadata: Arc::new(metadata), keys: Arc::new(keys), read: now, keys_read: now })
    }
}

async fn json<T: DeserializeOwned>(https: &Https, url: &str) -> Result<T, Unreachable> {
    let answer = https.get(url).await?;
    if answer.status() != http::StatusCode::OK {
        return Err(Unreachable(format!("{url} answers {}", answer.status())));
    }
    serde_json::from_slice(answer.body())
        .map_err(|error| Unreachable(format!("{url} does not read: {error}")))
}
