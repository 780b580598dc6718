//! The two transforms: AES in counter mode with HMAC-SHA1 (RFC 3711 §4), and AES-GCM (RFC 7714 §8 and §9).

use super::keys::{Keys, Suite, keystream};
use super::{ENCRYPTED, INDEX_LEN, RTCP_HEAD, Why};
use aes::Aes128Enc;
use aes::cipher::KeyInit;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// GCM's; the longest of all.
pub const TAG_MAX: usize = 16;
/// RFC 3711 §5.2: SRTCP has the long tag whatever RTP has.
const TAG_80: usize = 10;
const TAG_32: usize = 4;

/// One direction of RTP or of RTCP, with its session keys.
pub enum Cipher {
    Cm(Box<Cm>),
    Gcm(Box<Gcm>),
}

pub struct Cm {
    pub aes: Aes128Enc,
    pub mac: Hmac<Sha1>,
    /// 112 bits and two zero octets, where the counter stands (RFC 3711 §4.1.1).
    pub salt: [u8; 16],
    pub tag: usize,
}

pub struct Gcm {
    pub key: LessSafeKey,
    pub salt: [u8; 12],
}

impl Cipher {
    /// RFC 3711 §4.3.1: labels 0, 1 and 2.
    pub fn for_rtp(keys: &Keys) -> Cipher {
        let tag = if keys.suite == Suite::AesCm128HmacSha1_32 { TAG_32 } else { TAG_80 };
        Cipher::derived(keys, 0, tag)
    }

    /// Labels 3, 4 and 5.
    pub fn for_rtcp(keys: &Keys) -> Cipher {
        Cipher::derived(keys, 3, TAG_80)
    }

    fn derived(keys: &Keys, label: u8, tag: usize) -> Cipher {
        let key: [u8; 16] = keys.derive(label);
        match keys.suite {
            Suite::AeadAes128Gcm => Cipher::gcm(&AES_128_GCM, &key, keys.derive(label + 2)),
            Suite::AeadAes256Gcm => {
                Cipher::gcm(&AES_256_GCM, &keys.derive::<32>(label), keys.derive(label + 2))
            }
            _ => Cipher::cm(&key, &keys.derive(label + 1), keys.derive(label + 2), tag),
        }
    }

    fn cm(key: &[u8; 16], auth: &[u8; 20], salt: [u8; 14], tag: usize) -> Cipher {
        let mut padded = [0; 16];
        padded[..14].copy_from_slice(&salt);
        Cipher::Cm(Box::new(Cm {
            aes: Aes128Enc::new(key.into()),
            // HMAC takes keys of any length.
            mac: <Hmac<Sha1> as KeyInit>::new_from_slice(auth).expect("a key of any length"),
            salt: padded,
            tag,
        }))
    }

    pub fn gcm(algorithm: &'static Algorithm, key: &[u8], salt: [u8; 12]) -> Cipher {
        // The length is the algorithm's, which is all that could be wrong with a key.
        let key = UnboundKey::new(algorithm, key).expect("as long as the algorithm's");
        Cipher::Gcm(Box::new(Gcm { key: LessSafeKey::new(key), salt }))
    }

    #[inline]
    pub fn seal_rtp(&self, buf: &mut [u8], head: usize, len: usize, ssrc: u32, index: u64) -> Option<usize> {
        match self {
            Cipher::Cm(cm) => {
                let end = len.checked_add(cm.tag)?;
                let packet = buf.get_mut(..end)?;
                let (packet, tag) = packet.split_at_mut_checked(len)?;
                keystream(&cm.aes, &cm.iv(ssrc, index), packet.get_mut(head..)?);
                tag.copy_from_slice(cm.tag_of(packet, roc(index)).get(..cm.tag)?);
                Some(end)
            }
            Cipher::Gcm(gcm) => {
                let end = len.checked_add(TAG_MAX)?;
                let (packet, tag) = buf.get_mut(..end)?.split_at_mut_checked(len)?;
                let (head, body) = packet.split_at_mut_checked(head)?;
                let nonce = gcm.nonce_rtp(ssrc, index);
                let made = gcm.key.seal_in_place_separate_tag(nonce, Aad::from(&*head), body).ok()?;
                tag.copy_from_slice(made.as_ref());
                Some(end)
            }
        }
    }

    #[inline]
    pub fn open_rtp(&self, packet: &mut [u8], head: usize, ssrc: u32, index: u64) -> Result<usize, Why> {
        match self {
            Cipher::Cm(cm) => {
                let end =
                    packet.len().checked_sub(cm.tag).filter(|end| *end >= head).ok_or(Why::Malformed)?;
                let (packet, tag) = packet.split_at_mut_checked(end).ok_or(Why::Malformed)?;
                cm.check(packet, roc(index), tag)?;
                keystream(&cm.aes, &cm.iv(ssrc, index), packet.get_mut(head..).ok_or(Why::Malformed)?);
                Ok(end)
            }
            Cipher::Gcm(gcm) => {
                let end =
                    packet.len().checked_sub(TAG_MAX).filter(|end| *end >= head).ok_or(Why::Malformed)?;
                let (head, body) = packet.split_at_mut_checked(head).ok_or(Why::Malformed)?;
                let nonce = gcm.nonce_rtp(ssrc, index);
                gcm.key.open_in_place(nonce, Aad::from(&*head), body).map_err(|_| Why::Forged)?;
                Ok(end)
            }
        }
    }

    /// E-flag and index of an SRTCP packet: before the tag in RFC 3711 §3.4, behind it in RFC 7714 §9.1.
    pub fn index_word(&self, packet: &[u8]) -> Option<u32> {
        let behind = match self {
            Cipher::Cm(cm) => cm.tag,
            Cipher::Gcm(_) => 0,
        };
        let end = packet.len().checked_sub(behind)?;
        let at = end.checked_sub(INDEX_LEN).filter(|at| *at >= RTCP_HEAD)?;
        packet.get(at..end)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Cipher::Cm(cm) => {
                let (signed, end) = (len.checked_add(INDEX_LEN)?, len.checked_add(INDEX_LEN + cm.tag)?);
                let (packet, tag) = buf.get_mut(..end)?.split_at_mut_checked(signed)?;
                keystream(&cm.aes, &cm.iv(ssrc, u64::from(index)), packet.get_mut(RTCP_HEAD..len)?);
                packet.get_mut(len..)?.copy_from_slice(&word);
                tag.copy_from_slice(cm.tag_of(packet, None).get(..cm.tag)?);
                Some(end)
            }
            Cipher::Gcm(gcm) => {
                let end = len.checked_add(TAG_MAX + INDEX_LEN)?;
                let (packet, behind) = buf.get_mut(..end)?.split_at_mut_checked(len)?;
                let (head, body) = packet.split_at_mut_checked(RTCP_HEAD)?;
                let known = gcm.known(head, word)?;
                let nonce = gcm.nonce_rtcp(ssrc, index);
                let made = gcm.key.seal_in_place_separate_tag(nonce, Aad::from(known), body).ok()?;
                let (tag, place) = behind.split_at_mut_checked(TAG_MAX)?;
                tag.copy_from_slice(made.as_ref());
                place.copy_from_slice(&word);
                Some(end)
            }
        }
    }

    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Why> {
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Cipher::Cm(cm) => {
                let signed = packet.len().checked_sub(cm.tag).ok_or(Why::Malformed)?;
                let end = signed.checked_sub(INDEX_LEN).filter(|e| *e >= RTCP_HEAD).ok_or(Why::Malformed)?;
                let (packet, tag) = packet.split_at_mut_checked(signed).ok_or(Why::Malformed)?;
                cm.check(packet, None, tag)?;
                let body = packet.get_mut(RTCP_HEAD..end).ok_or(Why::Malformed)?;
                keystream(&cm.aes, &cm.iv(ssrc, u64::from(index)), body);
                Ok(end)
            }
            Cipher::Gcm(gcm) => {
                let sealed = packet.len().checked_sub(INDEX_LEN).ok_or(Why::Malformed)?;
                let end = sealed.checked_sub(TAG_MAX).filter(|e| *e >= RTCP_HEAD).ok_or(Why::Malformed)?;
                let packet = packet.get_mut(..sealed).ok_or(Why::Malformed)?;
                let (head, body) = packet.split_at_mut_checked(RTCP_HEAD).ok_or(Why::Malformed)?;
                let known = gcm.known(head, word).ok_or(Why::Malformed)?;
                let nonce = gcm.nonce_rtcp(ssrc, index);
                gcm.key.open_in_place(nonce, Aad::from(known), body).map_err(|_| Why::Forged)?;
                Ok(end)
            }
        }
    }
}

/// The rollover counter, as it is signed behind an RTP packet (RFC 3711 §4.2).
#[inline]
fn roc(index: u64) -> Option<[u8; 4]> {
    Some(((index >> 16) as u32).to_be_bytes())
}

impl Cm {
    /// RFC 3711 §4.1.1: salt, SSRC and packet index added together, sixteen bits left for the counter.
    #[inline]
    pub fn iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mask = u128::from(ssrc) << 64 | u128::from(index) << 16;
        (u128::from_be_bytes(self.salt) ^ mask).to_be_bytes()
    }

    /// RFC 3711 §4.2: over the packet and, for RTP, the rollover counter.
    #[inline]
    fn tag_of(&self, packet: &[u8], roc: Option<[u8; 4]>) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(packet);
        if let Some(roc) = roc {
            mac.update(&roc);
        }
        mac.finalize().into_bytes().into()
    }

    #[inline]
    fn check(&self, packet: &[u8], roc: Option<[u8; 4]>, tag: &[u8]) -> Result<(), Why> {
        let made = self.tag_of(packet, roc);
        let fits = made.get(..tag.len()).is_some_and(|made| bool::from(made.ct_eq(tag)));
        if fits { Ok(()) } else { Err(Why::Forged) }
    }
}

impl Gcm {
    /// RFC 7714 §8.1: two zero octets, SSRC, rollover counter, sequence number, added to the salt.
    #[inline]
    fn nonce_rtp(&self, ssrc: u32, index: u64) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff))
    }

    /// RFC 7714 §9.1: two zero octets, SSRC, two zero octets, the 31-bit index.
    fn nonce_rtcp(&self, ssrc: u32, index: u32) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index))
    }

    #[inline]
    fn nonce(&self, place: u128) -> Nonce {
        let mut nonce = self.salt;
        let place = place.to_be_bytes();
        for (n, p) in nonce.iter_mut().zip(&place[4..]) {
            *n ^= p;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714 §9.2: what is authenticated beside the encrypted part.
    fn known(&self, head: &[u8], word: [u8; 4]) -> Option<[u8; RTCP_HEAD + INDEX_LEN]> {
        let mut known = [0; RTCP_HEAD + INDEX_LEN];
        known.get_mut(..RTCP_HEAD)?.copy_from_slice(head);
        known.get_mut(RTCP_HEAD..)?.copy_from_slice(&word);
        Some(known)
    }
}
