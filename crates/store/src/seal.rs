//! Digest hashes at rest: H(A1) is as good as the password it was made of, so a copied database must not give it away.
//! AES-256-GCM, a fresh nonce per row, the device's name bound in so that rows cannot be exchanged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use terms::{Ha1, Secret};

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HA1_LEN: usize = 16 + 32;

/// Seals digest hashes at rest: 32 bytes in base64. Read from `secret.key` in the data folder, made at first start.
#[derive(Clone)]
pub struct SealingKey(pub Secret);

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the sealing key is not base64")]
    NotBase64,
    #[error("the sealing key has {0} bytes, it must have 32")]
    WrongLength(usize),
}

impl SealingKey {
    /// From 32 random bytes.
    pub fn generate(bytes: [u8; KEY_LEN]) -> SealingKey {
        SealingKey(Secret::new(STANDARD.encode(bytes)))
    }

    /// From the text of the key file; white space around it does not matter.
    pub fn parse(text: &str) -> Result<SealingKey, KeyError> {
        let key = SealingKey(Secret::new(text.trim()));
        key.bytes()?;
        Ok(key)
    }

    /// Another key for another purpose, made from this one: it survives what the key file survives, and says nothing about it.
    pub fn derive(&self, purpose: &str) -> Result<[u8; KEY_LEN], KeyError> {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.bytes()?);
        let tag = ring::hmac::sign(&key, purpose.as_bytes());
        tag.as_ref().try_into().map_err(|_| KeyError::WrongLength(tag.as_ref().len()))
    }

    fn bytes(&self) -> Result<[u8; KEY_LEN], KeyError> {
        let bytes = STANDARD.decode(self.0.expose()).map_err(|_| KeyError::NotBase64)?;
        bytes.as_slice().try_into().map_err(|_| KeyError::WrongLength(bytes.len()))
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// The key, ready for use.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    pub(crate) fn new(key: &SealingKey) -> Result<Sealer, KeyError> {
        let bytes = key.bytes()?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyError::WrongLength(bytes.len()))?;
        Ok(Sealer(LessSafeKey::new(key)))
    }

    /// Nonce, ciphertext and tag in one; `None` when the system has no randomness to give.
    pub(crate) fn seal(&self, bound: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0u8; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut body = plain.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound.as_bytes()),
                &mut body,
            )
            .ok()?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut body);
        Some(sealed)
    }

    /// `None` for another key, another name or a changed byte.
    pub(crate) fn open(&self, bound: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() < NONCE_LEN + TAG_LEN {
            return None;
        }
        let (nonce, body) = sealed.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(bound.as_bytes()), &mut body).ok()?;
        Some(plain.to_vec())
    }

    pub(crate) fn seal_ha1(&self, device: &str, ha1: &Ha1) -> Option<Vec<u8>> {
        let mut plain = [0u8; HA1_LEN];
        plain[..16].copy_from_slice(&ha1.md5);
        plain[16..].copy_from_slice(&ha1.sha256);
        self.seal(device, &plain)
    }

    pub(crate) fn open_ha1(&self, device: &str, sealed: &[u8]) -> Option<Ha1> {
        let plain = self.open(device, sealed)?;
        let (md5, sha256) = plain.split_at_checked(16)?;
        Some(Ha1 { md5: md5.try_into().ok()?, sha256: sha256.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_hash_opens_only_with_its_key_and_for_its_device() {
        let sealer = Sealer::new(&SealingKey::generate([7; 32])).unwrap();
        let other = Sealer::new(&SealingKey::generate([8; 32])).unwrap();
        let ha1 = Ha1 { md5: [1; 16], sha256: [2; 32] };
        let sealed = sealer.seal_ha1("desk-17", &ha1).unwrap();
        assert_eq!(sealer.open_ha1("desk-17", &sealed), Some(ha1.clone()));
        assert_eq!(sealer.open_ha1("desk-18", &sealed), None);
        assert_eq!(other.open_ha1("desk-17", &sealed), None);
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert_eq!(sealer.open_ha1("desk-17", &changed), None);
        assert_eq!(sealer.open_ha1("desk-17", &[]), None);
        assert_ne!(sealed, sealer.seal_ha1("desk-17", &ha1).unwrap(), "each row has its own nonce");
    }

    #[test]
    fn a_key_file_is_32_bytes_of_base64() {
        let SealingKey(text) = SealingKey::generate([9; 32]);
        assert!(SealingKey::parse(&format!("{}\n", text.expose())).is_ok());
        let key = SealingKey::parse(text.expose()).unwrap();
        assert_eq!(key.derive("a"), SealingKey(text).derive("a"));
        assert_ne!(key.derive("a").unwrap(), key.derive("b").unwrap());
        assert_ne!(key.derive("a").unwrap(), [9; 32]);
        assert_eq!(SealingKey::parse("AAAA").unwrap_err(), KeyError::WrongLength(3));
        assert_eq!(SealingKey::parse("not a key").unwrap_err(), KeyError::NotBase64);
    }
}
