//! Which protection, with which master key, and the session keys derived from it (RFC 3711 §4.3).

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use std::fmt;

/// All suites we speak have a 128-bit master key.
pub const KEY_LEN: usize = 16;
/// AES-CM salts have 112 bits, GCM's 96.
pub const SALT_MAX: usize = 14;

/// What protects a stream. AES_256 variants are refused: nobody who offers them offers nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// RFC 3711, 80-bit tags: what every phone speaks.
    AesCm128HmacSha1_80,
    /// The same with 32-bit tags on RTP; taken where a phone offers nothing better, never offered by us.
    AesCm128HmacSha1_32,
    /// RFC 7714, 128-bit tags.
    AeadAes128Gcm,
}

impl Suite {
    /// In SDES (RFC 4568 §6.2, RFC 7714 §14.2).
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
        }
    }

    pub fn of_name(name: &str) -> Option<Suite> {
        [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm]
            .into_iter()
            .find(|suite| suite.name() == name)
    }

    pub fn salt_len(self) -> usize {
        match self {
            Suite::AeadAes128Gcm => 12,
            _ => SALT_MAX,
        }
    }
}

/// A master key and salt. As good as the conversation: never prints, and is compared nowhere but with itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub suite: Suite,
    key: [u8; KEY_LEN],
    /// What the suite does not use is zero.
    salt: [u8; SALT_MAX],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, …)", self.suite.name())
    }
}

impl Keys {
    /// Key and salt one behind the other, as SDES carries them (RFC 4568 §6.1). `None` if the length is not the suite's.
    pub fn of_bytes(suite: Suite, bytes: &[u8]) -> Option<Keys> {
        let (key, salt) = bytes.split_first_chunk::<KEY_LEN>()?;
        Keys::of_parts(suite, key, salt)
    }

    fn of_parts(suite: Suite, key: &[u8; KEY_LEN], salt: &[u8]) -> Option<Keys> {
        let mut padded = [0; SALT_MAX];
        padded
            .get_mut(..suite.salt_len())?
            .copy_from_slice(salt.get(..).filter(|s| s.len() == suite.salt_len())?);
        Some(Keys { suite, key: *key, salt: padded })
    }

    /// RFC 5764 §4.2: what DTLS exports under `EXTRACTOR-dtls_srtp` is the client's key, the server's, the client's
    /// salt, the server's. The client's keys protect what the client sends.
    pub fn of_dtls(suite: Suite, exported: &[u8]) -> Option<(Keys, Keys)> {
        let (client, rest) = exported.split_first_chunk::<KEY_LEN>()?;
        let (server, rest) = rest.split_first_chunk::<KEY_LEN>()?;
        let salt = suite.salt_len();
        let (client_salt, server_salt) = (rest.get(..salt)?, rest.get(salt..2 * salt)?);
        Some((Keys::of_parts(suite, client, client_salt)?, Keys::of_parts(suite, server, server_salt)?))
    }

    /// Key and salt one behind the other, for `a=crypto`. Each caller is a place to review.
    pub fn expose(&self) -> Vec<u8> {
        let salt = self.salt.get(..self.suite.salt_len()).unwrap_or(&self.salt);
        [self.key.as_slice(), salt].concat()
    }

    /// RFC 3711 §4.3.1 with a derivation rate of zero: the label is added at its place into the salt, and counter mode
    /// under the master key gives as many bytes as asked for. A 96-bit salt stands left (RFC 7714 §11).
    pub(super) fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        let mut iv = [0; 16];
        iv[..SALT_MAX].copy_from_slice(&self.salt);
        iv[7] ^= label;
        let mut out = [0; N];
        keystream(&Aes128Enc::new(&self.key.into()), &iv, &mut out);
        out
    }
}

/// RFC 3711 §4.1.1: AES in counter mode, added to `data`.
#[inline]
pub(super) fn keystream(aes: &Aes128Enc, iv: &[u8; 16], data: &mut [u8]) {
    let core = ctr::CtrCore::inner_iv_init(aes, iv.into());
    let mut stream: ctr::Ctr128BE<&Aes128Enc> = aes::cipher::StreamCipherCoreWrapper::from_core(core);
    stream.apply_keystream(data);
}
