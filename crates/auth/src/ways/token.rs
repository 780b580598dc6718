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
    // §3.1.3.7 step 5, which the library leaves to us: whoever it was issued to is us.
    if claims.authorized_party().is_some_and(|party| party.as_str() != expected.client_id) {
        return Err(refused("it was issued to another client".into()));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};
    use openidconnect::core::CoreEdDsaPrivateSigningKey;
    use openidconnect::{JsonWebKeyId, PrivateSigningKey};
    use serde_json::{Value, json};

    const NOW: WallTime = WallTime(1_795_478_400_000);
    const NOW_S: i64 = NOW.0 / 1000;
    /// Made for these tests; it opens nothing.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAvQbqumysyekYGbQ0D12GrDYfts1/M432JSgo66EuDc\n-----END PRIVATE KEY-----";

    fn key(named: &str) -> CoreEdDsaPrivateSigningKey {
        CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, Some(JsonWebKeyId::new(named.into()))).unwrap()
    }

    fn keys(named: &str) -> CoreJsonWebKeySet {
        CoreJsonWebKeySet::new(vec![key(named).as_verification_key()])
    }

    fn claims(change: &[(&str, Value)]) -> Value {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "hotseat", "sub": "s-1", "nonce": "once", "iat": NOW_S, "exp": NOW_S + 300,
            "email": "Ann@Example.com", "email_verified": true, "hd": "example.com",
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        claims
    }

    fn part(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn signed(claims: &Value) -> String {
        let text = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": "k1"})), part(claims));
        let signature = key("k1").sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn says(token: &str) -> Result<Claimed, Fault> {
        says_with(token, &keys("k1"))
    }

    fn says_with(token: &str, keys: &CoreJsonWebKeySet) -> Result<Claimed, Fault> {
        let nonce = Secret::new("once");
        let expected =
            Expected { issuer: "https://id.example", client_id: "hotseat", nonce: &nonce, now: NOW };
        verify(token, keys, &expected)
    }

    #[test]
    fn a_token_of_the_issuer_for_us_says_who_it_is() {
        let claimed = says(&signed(&claims(&[]))).unwrap();
        assert_eq!(
            (claimed.subject.as_str(), claimed.verified_email.as_deref()),
            ("s-1", Some("Ann@Example.com"))
        );
        assert_eq!(claimed.hosted_domain.as_deref(), Some("example.com"));
        for unverified in [json!(false), Value::Null] {
            assert_eq!(
                says(&signed(&claims(&[("email_verified", unverified)]))).unwrap().verified_email,
                None
            );
        }
    }

    #[test]
    fn whatever_is_not_for_us_now_is_refused() {
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!("https://id.example/")),
            ("aud", json!("another")),
            ("aud", json!(["hotseat", "another"])),
            ("azp", json!("another")),
            ("nonce", json!("twice")),
            ("nonce", Value::Null),
            ("exp", json!(NOW_S - 61)),
            ("iat", json!(NOW_S + 61)),
            ("iat", json!(NOW_S - 661)),
            ("sub", json!("")),
            ("sub", json!("s".repeat(256))),
        ] {
            let token = signed(&claims(&[(name, value.clone())]));
            assert!(matches!(says(&token), Err(Fault::Refused(_))), "{name} {value}: {:?}", says(&token));
        }
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        assert!(says(&signed(&claims(&[("exp", json!(NOW_S - 59))]))).is_ok());
        assert!(says(&signed(&claims(&[("iat", json!(NOW_S + 59))]))).is_ok());
    }

    #[test]
    fn no_signature_a_foreign_one_and_one_made_with_the_public_key_are_none() {
        let good = signed(&claims(&[]));
        let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims(&[])));
        assert!(says(&none).is_err());
        let (head, rest) = good.split_once('.').unwrap();
        let other =
            format!("{head}.{}.{}", part(&claims(&[("sub", json!("s-2"))])), rest.split_once('.').unwrap().1);
        assert!(matches!(says(&other), Err(Fault::Refused(_))), "another body under the same signature");
        // Whoever knows the public key takes it for a shared secret.
        let public = serde_json::to_string(&key("k1").as_verification_key()).unwrap();
        let text = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "k1"})), part(&claims(&[])));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(public.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let shared = format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        assert!(matches!(says(&shared), Err(Fault::Refused(_))), "{:?}", says(&shared));
        assert_eq!(
            says_with(&good, &keys("k2")),
            Err(Fault::UnknownKey),
            "then the keys are looked at again"
        );
        for rubbish in ["", ".", "a.b.c", "..", &"x".repeat(10_000)] {
            assert!(says(rubbish).is_err());
        }
    }
}
