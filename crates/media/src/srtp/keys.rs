//! Which protection, with which master key, and the session keys derived from it (RFC 3711 §4.3).

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128Enc, Aes256Enc};
use std::fmt;

/// Master keys have 128 bits, except the one of AEAD_AES_256_GCM.
pub const KEY_LEN: usize = 16;
pub const KEY_MAX: usize = 32;
/// AES-CM salts have 112 bits, GCM's 96.
pub const SALT_MAX: usize = 14;

/// What protects a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// RFC 3711, 80-bit tags: what every phone speaks.
    AesCm128HmacSha1_80,
    /// The same with 32-bit tags on RTP; taken where a phone offers nothing better, never offered by us.
    AesCm128HmacSha1_32,
    /// RFC 7714, 128-bit tags.
    AeadAes128Gcm,
    /// The same with a key of 256 bits. Browsers may settle on it in their handshake; phones are not offered it.
    AeadAes256Gcm,
}

impl Suite {
    /// In SDES (RFC 4568 §6.2, RFC 7714 §14.2).
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    pub fn of_name(name: &str) -> Option<Suite> {
        [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm]
            .into_iter()
            .find(|suite| suite.name() == name)
    }

    pub fn salt_len(self) -> usize {
        match self {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 12,
            _ => SALT_MAX,
        }
    }

    pub fn key_len(self) -> usize {
        match self {
            Suite::AeadAes256Gcm => KEY_MAX,
            _ => KEY_LEN,
        }
    }
}

/// A master key and salt. As good as the conversation: never prints, and is compared nowhere but with itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub suite: Suite,
    /// What the suite does not use of either is zero.
    key: [u8; KEY_MAX],
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
        let (key, salt) = bytes.split_at_checked(suite.key_len())?;
        Keys::of_parts(suite, key, salt)
    }

    fn of_parts(suite: Suite, key: &[u8], salt: &[u8]) -> Option<Keys> {
        if key.len() != suite.key_len() || salt.len() != suite.salt_len() {
            return None;
        }
        let mut keys = Keys { suite, key: [0; KEY_MAX], salt: [0; SALT_MAX] };
        keys.key.get_mut(..key.len())?.copy_from_slice(key);
        keys.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(keys)
    }

    /// RFC 5764 §4.2: what DTLS exports under `EXTRACTOR-dtls_srtp` is the client's key, the server's, the client's
    /// salt, the server's. The client's keys protect what the client sends.
    pub fn of_dtls(suite: Suite, exported: &[u8]) -> Option<(Keys, Keys)> {
        let (client, rest) = exported.split_at_checked(suite.key_len())?;
        let (server, rest) = rest.split_at_checked(suite.key_len())?;
        let salt = suite.salt_len();
        let (client_salt, server_salt) = (rest.get(..salt)?, rest.get(salt..2 * salt)?);
        Some((Keys::of_parts(suite, client, client_salt)?, Keys::of_parts(suite, server, server_salt)?))
    }

    /// Key and salt one behind the other, for `a=crypto`. Each caller is a place to review.
    pub fn expose(&self) -> Vec<u8> {
        let salt = self.salt.get(..self.suite.salt_len()).unwrap_or(&self.salt);
        [self.key(), salt].concat()
    }

    fn key(&self) -> &[u8] {
        self.key.get(..self.suite.key_len()).unwrap_or(&self.key)
    }

    /// RFC 3711 §4.3.1 with a derivation rate of zero: the label is added at its place into the salt, and counter mode
    /// under the master key gives as many bytes as asked for. A 96-bit salt stands left (RFC 7714 §11).
    pub(super) fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        let mut iv = [0; 16];
        iv[..SALT_MAX].copy_from_slice(&self.salt);
        iv[7] ^= label;
        let mut out = [0; N];
        match self.key.first_chunk::<KEY_LEN>() {
            Some(key) if self.suite.key_len() == KEY_LEN => {
                keystream(&Aes128Enc::new(key.into()), &iv, &mut out);
            }
            // RFC 7714 §11: AES_256_CM_PRF, which is the same with the longer key (RFC 6188 §3).
            _ => keystream(&Aes256Enc::new(&self.key.into()), &iv, &mut out),
        }
        out
    }
}

/// RFC 3711 §4.1.1: AES in counter mode, added to `data`.
#[inline]
pub(super) fn keystream<A>(aes: &A, iv: &[u8; 16], data: &mut [u8])
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let core = ctr::CtrCore::inner_iv_init(aes, iv.into());
    let mut stream: ctr::Ctr128BE<&A> = aes::cipher::StreamCipherCoreWrapper::from_core(core);
    stream.apply_keystream(data);
}
