//! Whether an ID token is one: signed by the issuer's key, for us, for this login, now (OpenID Connect Core §3.1.3.7).

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IssuerUrl, Nonce,
    SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;
use terms::{Secret, WallTime};

/// Clocks may differ by so much, in both directions.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// A token is made when it is fetched; one that is older than a login may take is somebody else's.
const OLD: Duration = super::pending::LIFE;

/// Signatures that prove something. Never `none`, and never a shared secret: whoever has the public key could make one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Google's word for the organisation an account belongs to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Hosted {
    hd: Option<String>,
}

impl AdditionalClaims for Hosted {}

type Token = IdToken<Hosted, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What the token must be for.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a Secret,
    pub(super) now: WallTime,
}

/// Who the provider says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) subject: String,
    /// Only where the provider says that it is verified.
    pub(super) verified_email: Option<String>,
    pub(super) hosted_domain: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The keys we have do not include the one it was signed with: they may have changed.
    #[error("the token is signed with a key we do not know")]
    UnknownKey,
    #[error("{0}")]
    Refused(String),
}

pub(super) fn verify(
    text: &str,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<Claimed, Fault> {
    let refused = |why: String| Fault::Refused(why);
    let token =
        Token::from_str(text).map_err(|error| refused(format!("the token does not read: {error}")))?;
    let issuer = IssuerUrl::new(expected.issuer.to_owned())
        .map_err(|error| refused(format!("the issuer: {error}")))?;
    let client = ClientId::new(expected.client_id.to_owned());
    let now = time(expected.now).ok_or_else(|| refused("our clock is out of range".into()))?;
    let verifier = CoreIdTokenVerifier::new_public_client(client, issuer, keys.clone())
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now - SKEW)
        .set_issue_time_verifier_fn(move |at| match at {
            at if at > now + SKEW => Err("it was issued in the future".into()),
            at if at < now - OLD - SKEW => Err("it was issued long ago".into()),
            _ => Ok(()),
        });
    let nonce = Nonce::new(expected.nonce.expose().to_owned());
    let claims = token.claims(&verifier, &nonce).map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Fault::UnknownKey
        }
        ClaimsVerificationError::SignatureVerification(why) => refused(format!("signature: {why}")),
        other => refused(other.to_string()),
    })?;
    let subject = claims.subject().as_str().to_owned();
    // §2: at most 255 ASCII characters.
    if subject.is_empty() || subject.len() > 255 {
        return Err(refused("it names no subject".into()));
    }
    let email = claims.email().filter(|_| claims.email_verified() == Some(true));
    Ok(Claimed {
        subject,
        verified_email: email.map(|email| email.as_str().to_owned()),
        hosted_domain: claims.additional_claims().hd.clone(),
    })
}

fn time(at: WallTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at.0)
}
