//! OpenID Connect: the code flow with PKCE, as Google and others speak it. We send the browser there with a state, it comes
//! back with a code, and the token we get for it says who it is; which agent that is, the store knows.

use super::https::{Https, Unreachable};
use super::pending::{Begun, LIFE, Pending};
use super::provider::{Known, Provider};
use super::token::{self, Claimed, Expected, Fault};
use crate::request::{random_token, sha256};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, header};
use openidconnect::url::{Url, form_urlencoded};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use terms::{Secret, WallTime};

/// Longest path that is remembered for afterwards.
const NEXT_BYTES_MAX: usize = 512;
/// Longest code or state that is looked at.
const WORD_BYTES_MAX: usize = 4096;

/// What `oidc.toml` says.
#[derive(Clone)]
pub struct OidcSettings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// On the button.
    pub label: String,
    /// Only accounts of this organisation (Google's `hd`).
    pub hosted_domain: Option<String>,
    pub scopes: Vec<String>,
    /// For providers that know it: `select_account` asks at desks that several people use.
    pub prompt: Option<String>,
    /// `<public_url>/api/login/oidc/back`, and nothing that a request says.
    pub redirect_uri: String,
    /// Whose certificates are believed, in DER.
    pub roots: Vec<Vec<u8>>,
    pub timeout: Duration,
}

impl PartialEq for OidcSettings {
    fn eq(&self, o: &OidcSettings) -> bool {
        let words = (&self.issuer, &self.client_id, &self.label, &self.redirect_uri);
        words == (&o.issuer, &o.client_id, &o.label, &o.redirect_uri)
            && self.client_secret.expose() == o.client_secret.expose()
            && (&self.hosted_domain, &self.scopes, &self.prompt, &self.roots, self.timeout)
                == (&o.hosted_domain, &o.scopes, &o.prompt, &o.roots, o.timeout)
    }
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The way to one provider, with the logins that are on it.
pub struct Oidc {
    pub settings: OidcSettings,
    https: Https,
    provider: Provider,
    pending: Mutex<Pending>,
}

/// Where to send the browser, and the word it is known by when it comes back.
pub(super) struct Away {
    pub(super) location: String,
    pub(super) browser: Secret,
}

/// What the browser brings back (RFC 6749 §4.1.2).
#[derive(Deserialize, Default)]
pub(crate) struct Back {
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) iss: Option<String>,
    pub(super) error: Option<String>,
}

/// Who came back, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) subject: String,
    pub(super) email: String,
    pub(super) next: Option<String>,
}

/// Why somebody did not arrive. The audit log gets the detail, the person a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// No such state, used already, too old, or begun in another browser.
    Expired,
    /// The person, or the provider, said no.
    Denied(String),
    /// Whatever came is not a proof.
    Refused(String),
    /// A right proof, but the provider does not vouch for the address.
    Unverified,
    /// A right proof of somebody from elsewhere.
    OtherDomain,
    Unavailable(String),
}

impl From<Unreachable> for Astray {
    fn from(error: Unreachable) -> Astray {
        Astray::Unavailable(error.0)
    }
}

impl Oidc {
    pub fn new(settings: OidcSettings) -> Oidc {
        let provider = Provider::new(settings.issuer.clone());
        let https = Https::new(super::client(&settings.roots), settings.timeout);
        Oidc { settings, https, provider, pending: Mutex::default() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `browser` is the word this browser has from a login it began before, in another tab.
    pub(super) async fn begin(
        &self,
        browser: Option<Secret>,
        next: Option<&str>,
        source: IpAddr,
    ) -> Result<Away, Astray> {
        let known = self.provider.known(&self.https).await?;
        let no_chance = || Astray::Unavailable("the system gives no random bytes".into());
        let word = || random_token().ok_or_else(no_chance);
        let (state, nonce, verifier) = (word()?, word()?, word()?);
        let browser = match browser {
            Some(browser) => browser,
            None => word()?,
        };
        let location = self.location(&known, &state, &nonce, &verifier)?;
        let begun = Begun {
            browser: sha256(&browser),
            nonce,
            verifier,
            next: next.filter(|next| is_own_path(next)).map(str::to_owned),
            source,
            at: Instant::now(),
        };
        self.pending().put(sha256(&state), begun);
        Ok(Away { location, browser })
    }

    fn location(
        &self,
        known: &Known,
        state: &Secret,
        nonce: &Secret,
        verifier: &Secret,
    ) -> Result<String, Astray> {
        let settings = &self.settings;
        let mut url = Url::parse(&known.metadata.authorization_endpoint)
            .map_err(|error| Astray::Unavailable(format!("authorization_endpoint: {error}")))?;
        // RFC 7636 §4.2.
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_uri)
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", state.expose())
            .append_pair("nonce", nonce.expose())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if let Some(domain) = &settings.hosted_domain {
            query.append_pair("hd", domain);
        }
        if let Some(prompt) = &settings.prompt {
            query.append_pair("prompt", prompt);
        }
        drop(query);
        Ok(url.into())
    }

    /// Every step must hold, in the order of OpenID Connect Core §3.1.2.7 and §3.1.3.7.
    pub(super) async fn arrive(
        &self,
        back: Back,
        browser: Option<Secret>,
        now: WallTime,
    ) -> Result<Arrived, Astray> {
        let state = back.state.filter(|state| state.len() <= WORD_BYTES_MAX).ok_or(Astray::Expired)?;
        let browser = browser.map(|browser| sha256(&browser));
        let begun = self.pending().take(sha256(&Secret::new(state)), browser, Instant::now());
        let begun = begun.ok_or(Astray::Expired)?;
        let known = self.provider.known(&self.https).await?;
        // RFC 9207 §2.4: an answer of another provider is no answer to our question, not even a refusal.
        match &back.iss {
            Some(issuer) if *issuer != self.settings.issuer => {
                return Err(Astray::Refused("the redirect names another issuer".into()));
            }
            None if known.metadata.authorization_response_iss_parameter_supported => {
                return Err(Astray::Refused("the redirect does not name its issuer".into()));
            }
            _ => {}
        }
        if let Some(error) = back.error {
            return Err(Astray::Denied(error.chars().filter(char::is_ascii_graphic).take(60).collect()));
        }
        let code = back.code.filter(|code| !code.is_empty() && code.len() <= WORD_BYTES_MAX);
        let code = code.ok_or_else(|| Astray::Refused("the redirect brings no code".into()))?;
        let token = self.exchange(&known, &Secret::new(code), &begun.verifier).await?;
        let claimed = self.verify(&known, &token, &begun.nonce, now).await?;
        let email = self.admit(&claimed)?;
        Ok(Arrived { subject: claimed.subject, email, next: begun.next })
    }

    /// RFC 6749 §4.1.3, with RFC 7636 §4.5.
    async fn exchange(&self, known: &Known, code: &Secret, verifier: &Secret) -> Result<Secret, Astray> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: String,
        }
        let request = self.exchange_request(known, code, verifier)?;
        let answer = self.https.send(request).await?;
        if answer.status().is_server_error() {
            return Err(Astray::Unavailable(format!("the token endpoint answers {}", answer.status())));
        }
        if !answer.status().is_success() {
            return Err(Astray::Refused(format!("the code is not taken: {}", answer.status())));
        }
        let tokens: Tokens = serde_json::from_slice(answer.body())
            .map_err(|error| Astray::Refused(format!("the token answer does not read: {error}")))?;
        Ok(Secret::new(tokens.id_token))
    }

    fn exchange_request(
        &self,
        known: &Known,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<Request<Body>, Astray> {
        let settings = &self.settings;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose())
            .append_pair("redirect_uri", &settings.redirect_uri)
            .append_pair("code_verifier", verifier.expose());
        let mut request = Request::post(&known.metadata.token_endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if known.metadata.basic() {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair =
                format!("{}:{}", encoded(&settings.client_id), encoded(settings.client_secret.expose()));
            let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
            let mut value = value.map_err(|error| Astray::Unavailable(error.to_string()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        } else {
            form.append_pair("client_id", &settings.client_id)
                .append_pair("client_secret", settings.client_secret.expose());
        }
        request.body(Body::from(form.finish())).map_err(|error| Astray::Unavailable(error.to_string()))
    }

    async fn verify(
        &self,
        known: &Known,
        token: &Secret,
        nonce: &Secret,
        now: WallTime,
    ) -> Result<Claimed, Astray> {
        let settings = &self.settings;
        let expected = Expected { issuer: &settings.issuer, client_id: &settings.client_id, nonce, now };
        let mut claimed = token::verify(token.expose(), &known.keys, &expected);
        if claimed == Err(Fault::UnknownKey)
            && let Some(keys) = self.provider.keys_again(&self.https, known).await?
        {
            claimed = token::verify(token.expose(), &keys, &expected);
        }
        claimed.map_err(|fault| Astray::Refused(fault.to_string()))
    }

    /// Whom the provider vouches for, and of the right house.
    fn admit(&self, claimed: &Claimed) -> Result<String, Astray> {
        if let Some(domain) = &self.settings.hosted_domain
            && !claimed.hosted_domain.as_ref().is_some_and(|hd| hd.eq_ignore_ascii_case(domain))
        {
            return Err(Astray::OtherDomain);
        }
        claimed.verified_email.clone().ok_or(Astray::Unverified)
    }

    /// How long the browser's word is kept.
    pub(super) fn life() -> Duration {
        LIFE
    }
}

/// A path on this very site: nothing that a browser could read as another host (RFC 3986 §4.2, and browsers that take a
/// backslash for a slash).
pub(super) fn is_own_path(path: &str) -> bool {
    let second = path.as_bytes().get(1);
    path.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && path.len() <= NEXT_BYTES_MAX
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_ours_is_gone_to_afterwards() {
        for good in ["/", "/desktop", "/desktop?tab=2#x", "/a//b"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "desktop",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/a\\b",
            "/a b",
            "/a\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            "/ä",
            "javascript:alert(1)",
        ] {
            assert!(!is_own_path(bad), "{bad}");
        }
        assert!(!is_own_path(&format!("/{}", "a".repeat(NEXT_BYTES_MAX))));
    }
}
