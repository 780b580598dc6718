//! Something beside the password (SPEC A10): codes of an authenticator app, passkeys, and recovery codes for the day both are
//! lost. `show` is where they are asked for on the way in, `enrol` where they are made; the rest knows what they are worth.

mod cbor;
mod enrol;
mod mine;
mod recovery;
mod show;
mod totp;
mod webauthn;

pub(crate) use enrol::{new_passkey_begin, new_passkey_finish, new_recovery, totp_begin, totp_confirm};
pub(crate) use mine::{list, remove};
pub(crate) use show::{code, passkey_begin, passkey_finish};

use crate::Core;
use crate::refusal::{Reason, Refusal};
use crate::state::Auth;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Account, Factor, FactorKind, Store};
use terms::{Role, Secret};
use webauthn::Party;

/// Wrong codes of one session; then it is over, and the password has to be shown again.
const TRIES_PER_SESSION: u32 = 5;
/// Wrong codes of an app from all sessions of an agent within `TRIES_WINDOW`: whoever knows the password and guesses has a
/// chance of three in a million each time. Recovery codes and passkeys cannot be guessed and are not limited with them, so
/// the owner gets in while somebody guesses.
const TRIES_PER_AGENT: u32 = 20;
const TRIES_WINDOW: Duration = Duration::from_secs(3600);
/// What was asked of a browser is waited for this long.
const CEREMONY_LIVES: Duration = Duration::from_secs(5 * 60);
/// Bytes of a challenge; WebAuthn §13.4.3 asks for 16 at least.
const CHALLENGE_LEN: usize = 32;
/// Longest code that is looked at.
const CODE_MAX: usize = 128;
/// Longest name of a passkey, in characters.
const NAME_MAX: usize = 60;
/// What apps write above the code.
const ISSUER: &str = "Hotseat";

/// What can be set up.
pub(crate) const KINDS: [&str; 2] = ["totp", "passkey"];

/// Who needs a second factor. Whoever has one is asked for it, whatever the role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactorSettings {
    /// Roles that set one up at the next login.
    pub required: Vec<Role>,
}

/// A code or a password as it came; never printed.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Typed(Secret);

impl From<String> for Typed {
    fn from(text: String) -> Typed {
        Typed(Secret::new(text))
    }
}

impl Typed {
    fn code(&self) -> Result<&str, Refusal> {
        let code = self.0.expose();
        if code.len() > CODE_MAX { Err(Reason::BadRequest.into()) } else { Ok(code) }
    }
}

/// As browsers spell bytes in JSON (WebAuthn §3, «Base64url Encoding»).
fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Whether this person is asked for a second factor.
pub(crate) async fn is_enrolled<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
) -> Result<bool, Refusal> {
    Ok(!auth.store.factors(account.agent.id).await?.is_empty())
}

/// Whether the role demands one.
pub(crate) fn is_demanded<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> bool {
    auth.policies().factors.required.contains(&account.role)
}

/// What this person can show, for the page that asks.
pub(crate) async fn kinds<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Vec<&'static str> {
    let factors = auth.store.factors(account.agent.id).await.unwrap_or_default();
    let codes = auth.store.recovery_codes_left(account.agent.id).await.unwrap_or_default();
    let has = |kind: FactorKind| factors.iter().any(|factor| factor.kind == kind);
    let mut kinds = Vec::new();
    if has(FactorKind::Passkey) {
        kinds.push("passkey");
    }
    if has(FactorKind::Totp) {
        kinds.push("totp");
    }
    if codes > 0 {
        kinds.push("recovery");
    }
    kinds
}

fn factor_json(factor: &Factor) -> Value {
    json!({
        "id": factor.id,
        "kind": factor.kind.word(),
        "name": factor.name,
        "since": factor.since,
        "last_used": factor.used,
    })
}

/// The site a passkey belongs to: the page that asks, whose origin the router has found to be ours; without one (no browser
/// is without) the configured one.
fn party<S: Store, C: Core>(auth: &Auth<S, C>, parts: &Parts) -> Result<Party, Refusal> {
    let shown = parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = shown.or_else(|| auth.origins().first().map(String::as_str));
    origin.and_then(Party::of).ok_or_else(|| Reason::PasskeyNeedsName.into())
}

fn challenge() -> Option<[u8; CHALLENGE_LEN]> {
    let mut bytes = [0u8; CHALLENGE_LEN];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A name that can be shown: no control characters, nothing that turns the direction of the text, not too long.
fn shown_name(name: Option<&str>, otherwise: &str) -> String {
    let plain = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = name.unwrap_or_default().trim().chars().filter(plain).take(NAME_MAX).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_one_line_that_reads_from_its_beginning() {
        assert_eq!(shown_name(Some(" Grey key\n"), "Passkey"), "Grey key");
        assert_eq!(shown_name(Some("\u{202e}yek\u{0}"), "Passkey"), "yek");
        assert_eq!(shown_name(Some("\u{202e}\t"), "Passkey"), "Passkey");
        assert_eq!(shown_name(None, "Passkey"), "Passkey");
        assert_eq!(shown_name(Some(&"ü".repeat(500)), "").chars().count(), NAME_MAX);
    }
}
