//! What makes a passkey ours and an assertion true: the relying party's steps of Web Authentication Level 2, §7.1 and §7.2,
//! as pure functions. We ask for no attestation, so what remains is parsing, comparing and one signature, which `ring` checks.

use super::cbor::{self, Value};
use ring::signature::{self, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// COSE algorithms (RFC 8152, RFC 8812) we ask for, preferred first: ES256, EdDSA, RS256. Windows needs the last.
pub(crate) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;
/// WebAuthn §5.1.4: bytes a credential id may have.
pub(crate) const CREDENTIAL_MAX: usize = 1023;
/// Bytes of a public key that are kept; RSA with 4096 bits needs 528.
pub(crate) const KEY_MAX: usize = 1100;

/// §6.1: bits of the flags of authenticator data.
const USER_PRESENT: u8 = 0x01;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;
/// §6.1: RP id hash, flags and counter.
const HEAD: usize = 37;
/// §6.5.1: the model, before the length of the credential id.
const AAGUID: usize = 16;

/// Why a passkey was not believed. For the log; the person hears one sentence whatever it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("the client data does not read")]
    ClientData,
    #[error("the client data is for another ceremony")]
    Type,
    #[error("the challenge is another one")]
    Challenge,
    #[error("the page was another one")]
    Origin,
    #[error("the authenticator data does not read")]
    AuthenticatorData,
    #[error("the passkey is for another site")]
    Party,
    #[error("nobody touched the authenticator")]
    NotPresent,
    #[error("the public key does not read or has an algorithm we did not ask for")]
    Key,
    #[error("the signature is wrong")]
    Signature,
    #[error("the counter went backwards: there may be a copy of this passkey")]
    Counter,
}

/// Who we are to a browser.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Party {
    /// The host of our pages, without a port.
    pub(crate) id: String,
    /// `https://host:port`.
    pub(crate) origin: String,
}

impl Party {
    /// From the origin of our pages; `None` where that is no name: a passkey cannot belong to an address (§5.1.2).
    pub(crate) fn of(origin: &str) -> Option<Party> {
        let host = origin.strip_prefix("https://")?;
        if host.starts_with('[') {
            return None;
        }
        let name = host.split(':').next().filter(|name| !name.is_empty())?;
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return None;
        }
        Some(Party { id: name.to_ascii_lowercase(), origin: origin.to_ascii_lowercase() })
    }
}

/// A passkey as it is kept.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Passkey {
    pub(crate) credential: Vec<u8>,
    /// The COSE key, as it came.
    pub(crate) key: Vec<u8>,
    pub(crate) counter: u32,
}

#[derive(Deserialize)]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// §7.1 steps 5-10 and §7.2 steps 9-14: the browser's side of the ceremony.
fn client_data(party: &Party, kind: &str, challenge: &[u8], json: &[u8]) -> Result<(), Wrong> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Wrong::ClientData)?;
    if data.r#type != kind {
        return Err(Wrong::Type);
    }
    let shown = super::unbase64(&data.challenge).ok_or(Wrong::Challenge)?;
    if !bool::from(shown.as_slice().ct_eq(challenge)) {
        return Err(Wrong::Challenge);
    }
    // Our pages are never framed, so a ceremony inside a foreign frame is not ours either.
    if !data.origin.eq_ignore_ascii_case(&party.origin) || data.cross_origin {
        return Err(Wrong::Origin);
    }
    Ok(())
}

struct AuthenticatorData<'a> {
    counter: u32,
    /// Credential id and COSE key.
    attested: Option<(&'a [u8], &'a [u8])>,
}

/// §6.1, with §7.1 steps 13-14 and §7.2 steps 15-16: our site, and somebody was there. Whether the authenticator knows who is
/// not asked: a password came before.
fn authenticator_data<'a>(party: &Party, data: &'a [u8]) -> Result<AuthenticatorData<'a>, Wrong> {
    let (head, mut rest) = data.split_at_checked(HEAD).ok_or(Wrong::AuthenticatorData)?;
    let (hash, more) = head.split_at(32);
    let (flags, counter) = more.split_first().ok_or(Wrong::AuthenticatorData)?;
    let counter = u32::from_be_bytes(counter.try_into().map_err(|_| Wrong::AuthenticatorData)?);
    if hash != Sha256::digest(party.id.as_bytes()).as_slice() {
        return Err(Wrong::Party);
    }
    if flags & USER_PRESENT == 0 {
        return Err(Wrong::NotPresent);
    }
    let mut attested = None;
    if flags & ATTESTED != 0 {
        let take = |from: &'a [u8], n: usize| from.split_at_checked(n).ok_or(Wrong::AuthenticatorData);
        let (_, after) = take(rest, AAGUID)?;
        let (length, after) = take(after, 2)?;
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (credential, key) = take(after, length)?;
        let (_, after) = cbor::read(key).ok_or(Wrong::AuthenticatorData)?;
        let key = key.get(..key.len().saturating_sub(after.len())).ok_or(Wrong::AuthenticatorData)?;
        attested = Some((credential, key));
        rest = after;
    }
    if flags & EXTENSIONS != 0 {
        (_, rest) = cbor::read(rest).ok_or(Wrong::AuthenticatorData)?;
    }
    match rest {
        [] => Ok(AuthenticatorData { counter, attested }),
        _ => Err(Wrong::AuthenticatorData),
    }
}

/// §7.1: a new passkey. The statement of the attestation is not looked at: we asked for none, and an authenticator's word
/// about itself would prove nothing to somebody who has no list of makers.
pub(crate) fn registered(
    party: &Party,
    challenge: &[u8],
    client_data_json: &[u8],
    attestation_object: &[u8],
) -> Result<Passkey, Wrong> {
    client_data(party, "webauthn.create", challenge, client_data_json)?;
    // Step 12.
    let (object, rest) = cbor::read(attestation_object).ok_or(Wrong::AuthenticatorData)?;
    let data = object.named("authData").and_then(Value::bytes).filter(|_| rest.is_empty());
    let data = authenticator_data(party, data.ok_or(Wrong::AuthenticatorData)?)?;
    let (credential, key) = data.attested.ok_or(Wrong::AuthenticatorData)?;
    if credential.is_empty() || credential.len() > CREDENTIAL_MAX || key.len() > KEY_MAX {
        return Err(Wrong::AuthenticatorData);
    }
    // Step 16: one of the algorithms we named, and a key that reads.
    PublicKey::read(key).ok_or(Wrong::Key)?;
    Ok(Passkey { credential: credential.to_vec(), key: key.to_vec(), counter: data.counter })
}

/// §7.2: the holder of this passkey is there now. Gives back the authenticator's counter, which `may_follow` has judged here
/// and the store judges once more when it writes it.
pub(crate) fn asserted(
    party: &Party,
    challenge: &[u8],
    passkey: &Passkey,
    client_data_json: &[u8],
    authenticator_data_bytes: &[u8],
    signature: &[u8],
) -> Result<u32, Wrong> {
    client_data(party, "webauthn.get", challenge, client_data_json)?;
    let data = authenticator_data(party, authenticator_data_bytes)?;
    // Steps 19-20: over the authenticator's data and the hash of what the browser said.
    let mut signed = authenticator_data_bytes.to_vec();
    signed.extend_from_slice(&Sha256::digest(client_data_json));
    let key = PublicKey::read(&passkey.key).ok_or(Wrong::Key)?;
    if !key.verifies(&signed, signature) {
        return Err(Wrong::Signature);
    }
    // Step 21.
    match may_follow(passkey.counter, data.counter) {
        true => Ok(data.counter),
        false => Err(Wrong::Counter),
    }
}

/// §6.1.1: a counter rises with each use; passkeys that travel between devices have none and say zero forever.
fn may_follow(held: u32, shown: u32) -> bool {
    (held == 0 && shown == 0) || shown > held
}

enum PublicKey {
    /// An uncompressed point.
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// RFC 8152 §7 and §13, RFC 8230 §4: 1 is the kind of key, 3 the algorithm; the rest is the kind's own.
    fn read(cose: &[u8]) -> Option<PublicKey> {
        let (key, rest) = cbor::read(cose)?;
        if !rest.is_empty() {
            return None;
        }
        let int = |label: i64| key.numbered(label).and_then(Value::int);
        let bytes = |label: i64| key.numbered(label).and_then(Value::bytes);
        match (int(1)?, int(3)?) {
            // Curve 1 is P-256.
            (2, ES256) if int(-1)? == 1 => {
                let (x, y) = (bytes(-2)?, bytes(-3)?);
                (x.len() == 32 && y.len() == 32).then(|| PublicKey::Es256([&[4][..], x, y].concat()))
            }
            // Curve 6 is Ed25519.
            (1, EDDSA) if int(-1)? == 6 => {
                let x = bytes(-2)?;
                (x.len() == 32).then(|| PublicKey::Ed25519(x.to_vec()))
            }
            (3, RS256) => Some(PublicKey::Rs256 { n: bytes(-1)?.to_vec(), e: bytes(-2)?.to_vec() }),
            _ => None,
        }
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::Es256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
                .verify(signed, signature)
                .is_ok(),
            PublicKey::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature).is_ok()
            }
            PublicKey::Rs256 { n, e } => {
                // A DER integer may carry a zero in front; ring wants none.
                let n = n.as_slice();
                let n = n.iter().position(|byte| *byte != 0).and_then(|at| n.get(at..)).unwrap_or_default();
                let key = signature::RsaPublicKeyComponents { n, e: e.as_slice() };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
#[path = "../../tests/toy/mod.rs"]
mod toy;

#[cfg(test)]
mod tests {
    use super::toy::Toy;
    use super::*;

    const ORIGIN: &str = "https://desk.example:8443";
    const CHALLENGE: &[u8] = b"thirty-two bytes of pure chance.";

    fn party() -> Party {
        Party::of(ORIGIN).unwrap()
    }

    fn enrolled(toy: &Toy) -> Passkey {
        let client = Toy::client_data("webauthn.create", CHALLENGE, ORIGIN);
        registered(&party(), CHALLENGE, &client, &toy.attestation("desk.example")).unwrap()
    }

    #[test]
    fn a_name_can_have_passkeys_and_an_address_cannot() {
        assert_eq!(party(), Party { id: "desk.example".into(), origin: ORIGIN.into() });
        assert_eq!(Party::of("https://Desk.Example").unwrap().id, "desk.example");
        for none in ["https://192.0.2.1:8443", "https://[2001:db8::1]", "http://desk.example", "https://", ""]
        {
            assert_eq!(Party::of(none), None, "{none}");
        }
    }

    #[test]
    fn a_passkey_is_made_and_shown() {
        let mut toy = Toy::new(b"credential 1");
        let passkey = enrolled(&toy);
        assert_eq!((passkey.credential.as_slice(), passkey.counter), (&b"credential 1"[..], 1));
        let client = Toy::client_data("webauthn.get", CHALLENGE, ORIGIN);
        let (data, signature) = toy.assertion("desk.example", &client);
        assert_eq!(asserted(&party(), CHALLENGE, &passkey, &client, &data, &signature), Ok(2));
    }

    #[test]
    fn what_is_of_another_page_ceremony_or_moment_is_refused() {
        let toy = Toy::new(b"credential 1");
        let object = toy.attestation("desk.example");
        let make = |kind: &str, challenge: &[u8], origin: &str| {
            let client = Toy::client_data(kind, challenge, origin);
            registered(&party(), CHALLENGE, &client, &object).map(|_| ())
        };
        assert_eq!(make("webauthn.create", CHALLENGE, ORIGIN), Ok(()));
        assert_eq!(make("webauthn.get", CHALLENGE, ORIGIN), Err(Wrong::Type));
        assert_eq!(make("webauthn.create", b"another", ORIGIN), Err(Wrong::Challenge));
        assert_eq!(make("webauthn.create", CHALLENGE, "https://evil.example"), Err(Wrong::Origin));
        assert_eq!(make("webauthn.create", CHALLENGE, "https://desk.example"), Err(Wrong::Origin));
        let framed = br#"{"type":"webauthn.create","challenge":"dGhpcnR5LXR3byBieXRlcyBvZiBwdXJlIGNoYW5jZS4","origin":"https://desk.example:8443","crossOrigin":true}"#;
        assert_eq!(registered(&party(), CHALLENGE, framed, &object).err(), Some(Wrong::Origin));
        let client = Toy::client_data("webauthn.create", CHALLENGE, ORIGIN);
        let elsewhere = toy.attestation("evil.example");
        assert_eq!(registered(&party(), CHALLENGE, &client, &elsewhere).err(), Some(Wrong::Party));
        let mut absent = Toy::new(b"c");
        absent.flags = 0;
        let absent = absent.attestation("desk.example");
        assert_eq!(registered(&party(), CHALLENGE, &client, &absent).err(), Some(Wrong::NotPresent));
        for nonsense in [&b""[..], b"{}", b"null", b"\xff", br#"{"type":1}"#] {
            assert_eq!(registered(&party(), CHALLENGE, nonsense, &object).err(), Some(Wrong::ClientData));
        }
    }

    #[test]
    fn a_copied_key_another_key_or_a_changed_byte_is_noticed() {
        let mut toy = Toy::new(b"credential 1");
        let passkey = enrolled(&toy);
        let client = Toy::client_data("webauthn.get", CHALLENGE, ORIGIN);
        let (data, signature) = toy.assertion("desk.example", &client);
        let check = |passkey: &Passkey, client: &[u8], data: &[u8], signature: &[u8]| {
            asserted(&party(), CHALLENGE, passkey, client, data, signature)
        };
        let used = Passkey { counter: 2, ..passkey.clone() };
        assert_eq!(check(&used, &client, &data, &signature), Err(Wrong::Counter), "the same counter again");
        let none = Passkey { counter: 0, ..passkey.clone() };
        assert_eq!(check(&none, &client, &data, &signature), Ok(2));
        let other = enrolled(&Toy::new(b"credential 1"));
        assert_eq!(check(&other, &client, &data, &signature), Err(Wrong::Signature));
        let mut changed = data.clone();
        changed[36] ^= 1;
        assert_eq!(check(&passkey, &client, &changed, &signature), Err(Wrong::Signature));
        let spaced = [&client[..], b" "].concat();
        assert_eq!(check(&passkey, &spaced, &data, &signature), Err(Wrong::Signature));
        assert_eq!(check(&passkey, &client, &data, b""), Err(Wrong::Signature));
        assert_eq!(check(&passkey, &client, &data[..36], &signature), Err(Wrong::AuthenticatorData));
        let (longer, signature) = {
            let mut longer = data.clone();
            longer.push(0);
            (longer, signature.clone())
        };
        assert_eq!(check(&passkey, &client, &longer, &signature), Err(Wrong::AuthenticatorData));
    }

    #[test]
    fn a_broken_attestation_never_panics() {
        let toy = Toy::new(b"credential 1");
        let good = toy.attestation("desk.example");
        let client = Toy::client_data("webauthn.create", CHALLENGE, ORIGIN);
        for at in 0..good.len() {
            assert!(registered(&party(), CHALLENGE, &client, &good[..at]).is_err());
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                if let Ok(passkey) = registered(&party(), CHALLENGE, &client, &changed) {
                    let _ = asserted(&party(), CHALLENGE, &passkey, &client, &[0; 64], &[0; 70]);
                }
            }
        }
    }

    #[test]
    fn keys_of_other_kinds_read_and_weak_ones_do_not() {
        let ed = [&[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20][..], &[7; 32]].concat();
        assert!(matches!(PublicKey::read(&ed), Some(PublicKey::Ed25519(_))));
        let rsa = [
            &[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, 0x01, 0x00][..],
            &[0xc1; 256],
            &[0x21, 0x43, 1, 0, 1],
        ]
        .concat();
        let key = PublicKey::read(&rsa).unwrap();
        assert!(matches!(&key, PublicKey::Rs256 { n, e } if n.len() == 256 && e == &[1, 0, 1]));
        assert!(!key.verifies(b"x", &[0; 256]));
        // P-256 by name, P-384 by curve; a short coordinate; an unknown algorithm; something after the key.
        let mut odd = ed.clone();
        odd[7] = 0x02;
        assert!(PublicKey::read(&odd).is_none());
        assert!(PublicKey::read(&[0xa1, 0x01, 0x02]).is_none());
        assert!(PublicKey::read(&[ed.as_slice(), &[0]].concat()).is_none());
    }
}
