//! How a stream's packets travel: in the clear, under keys that the description carries (SDES, RFC 4568), or between
//! browsers' ICE and DTLS (RFC 8839, RFC 8842).

use crate::chance::Chance;
use crate::srtp::{KEY_LEN, Keys, Suite};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::net::SocketAddr;
use subtle::ConstantTimeEq as _;
use terms::Secret;

/// A browser with many interfaces names a dozen.
pub(super) const CANDIDATES_MAX: usize = 32;
/// Phones list each suite they know; the longest lists have about ten.
pub(super) const CRYPTOS_MAX: usize = 16;
pub(super) const FINGERPRINTS_MAX: usize = 8;
/// RFC 8839 §5.4.
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;
const PWD: std::ops::RangeInclusive<usize> = 22..=256;
/// RFC 4568 §9.1: a tag has at most nine digits.
const TAG_DIGITS_MAX: usize = 9;

/// Keys come padded or not, and with odd last bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carriage {
    Plain,
    /// At least one line we can use, in the peer's order.
    Sdes(Vec<Crypto>),
    WebRtc(Box<WebRtcSide>),
}

/// One `a=crypto` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crypto {
    pub tag: u32,
    pub keys: Keys,
}

impl Crypto {
    /// Lines of our own, a key for each suite. What every phone speaks comes first, since some read no further; short
    /// tags are last and only ever used in an answer.
    pub(crate) fn ours(chance: &mut Chance) -> Vec<Crypto> {
        let suites = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_32];
        let line = |(tag, suite): (u32, Suite)| {
            let mut bytes = Vec::with_capacity(32);
            while bytes.len() < KEY_LEN + suite.salt_len() {
                bytes.extend(chance.next_u32().to_be_bytes());
            }
            bytes.truncate(KEY_LEN + suite.salt_len());
            Keys::of_bytes(suite, &bytes).map(|keys| Crypto { tag, keys })
        };
        (1..).zip(suites).filter_map(line).collect()
    }

    /// `1 AES_CM_128_HMAC_SHA1_80 inline:…|2^20|1:4 WSH=64` (RFC 4568 §9.1). Lines we cannot use are passed over.
    pub(super) fn read(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|t| t.len() <= TAG_DIGITS_MAX)?.parse().ok()?;
        let suite = Suite::of_name(words.next()?)?;
        let (method, info) = words.next()?.split_once(':')?;
        // Several keys need an MKI to tell them apart, and an MKI lengthens each packet: nobody uses either.
        if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
            return None;
        }
        let mut parts = info.split('|');
        let key = parts.next()?;
        if parts.any(|part| part.contains(':')) {
            return None;
        }
        // A lifetime is a promise of the sender, shorter than which no call lasts.
        // RFC 4568 §6.3: session parameters that are not understood void the line; a window hint may be ignored, and
        // what begins with a dash asks to be.
        if words.any(|word| !word.starts_with("WSH=") && !word.starts_with('-')) {
            return None;
        }
        let bytes = BASE64.decode(key).ok()?;
        Some(Crypto { tag, keys: Keys::of_bytes(suite, &bytes)? })
    }

    pub(super) fn write(&self, out: &mut String) {
        use std::fmt::Write as _;
        let key = BASE64.encode(self.keys.expose());
        let _ = write!(out, "a=crypto:{} {} inline:{key}\r\n", self.tag, self.keys.suite.name());
    }
}

/// A peer that speaks ICE and DTLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebRtcSide {
    pub ice: Credentials,
    /// Never empty.
    pub fingerprints: Vec<Fingerprint>,
    pub setup: Option<Setup>,
    /// Those with an address; names (`….local`) are passed over, for such a peer is learned from its checks.
    pub candidates: Vec<Candidate>,
    pub mid: Option<String>,
    /// Its BUNDLE group holds this stream (RFC 9143).
    pub bundle: bool,
    /// More candidates may follow in messages of their own; from SIP none do.
    pub trickle: bool,
    pub end_of_candidates: bool,
}

impl WebRtcSide {
    /// RFC 8122 §5: the certificate must fit one fingerprint of the strongest hash there is.
    pub fn is_certificate(&self, der: &[u8]) -> bool {
        let strongest = self.fingerprints.iter().map(|f| f.hash).max();
        self.fingerprints.iter().any(|f| Some(f.hash) == strongest && f.is_of(der))
    }

    /// The same DTLS identity: no new association is needed (RFC 8842 §4).
    pub fn is_same_identity(&self, before: &WebRtcSide) -> bool {
        self.fingerprints == before.fingerprints
    }
}

/// `ice-ufrag` and `ice-pwd`. Comparing takes the same time whatever differs.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub ufrag: String,
    pub pwd: Secret,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.ufrag == other.ufrag
            && bool::from(self.pwd.expose().as_bytes().ct_eq(other.pwd.expose().as_bytes()))
    }
}

impl Eq for Credentials {}

pub(super) fn ufrag(text: &str) -> Option<&str> {
    is_ice(text).filter(|text| UFRAG.contains(&text.len()))
}

pub(super) fn pwd(text: &str) -> Option<&str> {
    is_ice(text).filter(|text| PWD.contains(&text.len()))
}

/// RFC 8839 §5.1: ice-char.
fn is_ice(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).then_some(text)
}

/// Hashes a certificate may be named by, weakest first; MD5 and SHA-1 name nothing (RFC 8122 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    pub hash: Hash,
    /// As long as the hash gives.
    pub digest: Vec<u8>,
}

impl Fingerprint {
    /// `sha-256 4A:AD:B9:…` (RFC 8122 §5); hashes we do not know are passed over.
    pub(super) fn read(value: &str) -> Option<Fingerprint> {
        let (name, text) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let hash = match name.to_ascii_lowercase().as_str() {
            "sha-256" => Hash::Sha256,
            "sha-384" => Hash::Sha384,
            "sha-512" => Hash::Sha512,
            _ => return None,
        };
        let two = |two: &str| (two.len() == 2).then(|| u8::from_str_radix(two, 16).ok()).flatten();
        let digest = text.trim().split(':').map(two).collect::<Option<Vec<u8>>>()?;
        (digest.len() == hash.algorithm().output_len()).then_some(Fingerprint { hash, digest })
    }

    pub fn is_of(&self, der: &[u8]) -> bool {
        digest::digest(self.hash.algorithm(), der).as_ref() == self.digest
    }
}

/// Who begins the DTLS handshake (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Sends the ClientHello.
    Active,
    Passive,
    /// Either; only in offers.
    ActPass,
}

impl Setup {
    pub fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Setup> {
        [Setup::Active, Setup::Passive, Setup::ActPass].into_iter().find(|setup| setup.name() == name)
    }
}

/// How a candidate is reached (RFC 8445 §5.1, RFC 6544 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    Udp,
    /// It connects to us.
    TcpActive,
    /// We would have to connect to it, or it is one of ours that listens.
    TcpPassive,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CandidateKind {
    Host,
    ServerReflexive,
    PeerReflexive,
    Relayed,
}

/// A place a stream may be reached at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub via: Via,
    pub address: SocketAddr,
    pub kind: CandidateKind,
    pub priority: u32,
}

impl Candidate {
    /// One of ours. `rank` 0 is the one we like best; RFC 8445 §5.1.2.1, with TCP behind all UDP (RFC 6544 §4.2).
    pub fn host(via: Via, address: SocketAddr, rank: u8) -> Candidate {
        let kind_preference: u32 = if via == Via::Udp { 126 } else { 90 };
        let local = 65_535 - u32::from(rank);
        let priority = kind_preference << 24 | local << 8 | 255;
        Candidate { via, address, kind: CandidateKind::Host, priority }
    }

    /// `1 1 udp 2113937151 192.0.2.2 54321 typ host …` (RFC 8839 §5.1); of the first component, since RTCP shares it.
    pub(super) fn read(value: &str) -> Option<Candidate> {
        let mut words = value.split_ascii_whitespace();
        let (_foundation, component) = (words.next()?, words.next()?);
        let (transport, priority) = (words.next()?, words.next()?.parse().ok()?);
        let (ip, port) = (words.next()?.parse::<std::net::IpAddr>().ok()?, words.next()?.parse().ok()?);
        if component != "1" || words.next()? != "typ" {
            return None;
        }
        let kind = match words.next()? {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            _ => return None,
        };
        let mut tcp = None;
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if name == "tcptype" {
                tcp = Some(value);
            }
        }
        let via = match (transport.to_ascii_lowercase().as_str(), tcp) {
            ("udp", None) => Via::Udp,
            ("tcp", Some("active")) => Via::TcpActive,
            ("tcp", Some("passive")) => Via::TcpPassive,
            _ => return None,
        };
        Some(Candidate { via, address: SocketAddr::new(ip.to_canonical(), port), kind, priority })
    }

    pub(super) fn write(&self, foundation: usize, out: &mut String) {
        use std::fmt::Write as _;
        let (transport, tcp) = match self.via {
            Via::Udp => ("udp", ""),
            Via::TcpActive => ("tcp", " tcptype active"),
            Via::TcpPassive => ("tcp", " tcptype passive"),
        };
        let (ip, port, priority) = (self.address.ip(), self.address.port(), self.priority);
        // Ours are host candidates all.
        let _ =
            write!(out, "a=candidate:{foundation} 1 {transport} {priority} {ip} {port} typ host{tcp}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn crypto_lines_are_taken_or_passed_over() {
        for (line, taken) in [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), true),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20"), true),
            (format!("999999999 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|1048576 WSH=128"), true),
            (format!("2 AEAD_AES_128_GCM inline:{}", &KEY[..38]), true),
            (format!("2 AEAD_AES_128_GCM inline:{}==", &KEY[..38]), true),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -NOVEL=1"), true),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", &KEY[..38]), false),
            (format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"), false),
            (format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"), false),
            (format!("9999999999 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), false),
            (format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), false),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:!".into(), false),
            ("1".into(), false),
        ] {
            assert_eq!(Crypto::read(&line).is_some(), taken, "{line}");
        }
    }

    #[test]
    fn our_lines_read_back_and_print_nothing() {
        let mut chance = Chance::new([4; 32]);
        let lines = Crypto::ours(&mut chance);
        assert_eq!(lines.len(), 3);
        for line in &lines {
            let mut text = String::new();
            line.write(&mut text);
            let value = text.trim_end().strip_prefix("a=crypto:").unwrap();
            assert_eq!(Crypto::read(value).as_ref(), Some(line));
            let key = value.split(':').nth(1).unwrap();
            assert!(!format!("{line:?}").contains(key));
        }
        assert_ne!(lines[0].keys.expose()[..16], lines[2].keys.expose()[..16]);
    }

    #[test]
    fn candidates_of_browsers_are_read() {
        let c = Candidate::read(
            "842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.1.1 rport 46154 generation 0 network-cost 999",
        )
        .unwrap();
        assert_eq!((c.via, c.kind, c.address.port()), (Via::Udp, CandidateKind::ServerReflexive, 46_154));
        let c = Candidate::read("2 1 TCP 1015021823 2001:db8::5 9 typ host tcptype active").unwrap();
        assert_eq!((c.via, c.kind), (Via::TcpActive, CandidateKind::Host));
        for refused in [
            "1 1 udp 2113937151 0d1fb7d3-9e47-4ad4-a0b1-1b1b1b1b1b1b.local 54321 typ host",
            "1 2 udp 2113937151 192.0.2.2 54321 typ host",
            "1 1 udp 2113937151 192.0.2.2 54321 typ unheard",
            "1 1 udp 99999999999 192.0.2.2 54321 typ host",
            "1 1 tcp 2113937151 192.0.2.2 54321 typ host",
            "1 1 udp 2113937151 192.0.2.2 70000 typ host",
            "1 1 udp",
            "",
        ] {
            assert_eq!(Candidate::read(refused), None, "{refused}");
        }
        let ours = Candidate::host(Via::Udp, "192.0.2.1:3478".parse().unwrap(), 0);
        let tcp = Candidate::host(Via::TcpPassive, "192.0.2.1:3478".parse().unwrap(), 0);
        assert!(ours.priority > Candidate::host(Via::Udp, ours.address, 1).priority);
        assert!(Candidate::host(Via::Udp, ours.address, 255).priority > tcp.priority);
        let mut text = String::new();
        tcp.write(1, &mut text);
        assert_eq!(Candidate::read(text.trim_end().strip_prefix("a=candidate:").unwrap()), Some(tcp));
    }

    #[test]
    fn a_certificate_must_fit_the_strongest_hash() {
        let der = b"a certificate";
        let named = |hash: Hash, of: &[u8]| Fingerprint {
            hash,
            digest: digest::digest(hash.algorithm(), of).as_ref().to_vec(),
        };
        let side = |fingerprints| WebRtcSide {
            ice: Credentials { ufrag: "abcd".into(), pwd: Secret::new("0123456789012345678901") },
            fingerprints,
            setup: None,
            candidates: Vec::new(),
            mid: None,
            bundle: false,
            trickle: false,
            end_of_candidates: false,
        };
        assert!(side(vec![named(Hash::Sha256, der)]).is_certificate(der));
        assert!(!side(vec![named(Hash::Sha256, b"another")]).is_certificate(der));
        assert!(side(vec![named(Hash::Sha256, b"another"), named(Hash::Sha256, der)]).is_certificate(der));
        assert!(!side(vec![named(Hash::Sha256, der), named(Hash::Sha512, b"another")]).is_certificate(der));
        assert!(side(vec![named(Hash::Sha256, b"another"), named(Hash::Sha512, der)]).is_certificate(der));
        let hex: Vec<String> = named(Hash::Sha256, der).digest.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(Fingerprint::read(&format!("SHA-256 {}", hex.join(":"))), Some(named(Hash::Sha256, der)));
        assert_eq!(Fingerprint::read(&format!("sha-384 {}", hex.join(":"))), None);
        assert_eq!(Fingerprint::read(&format!("sha-1 {}", hex[..20].join(":"))), None);
        assert_eq!(Fingerprint::read(&format!("sha-256 {}", hex.join(""))), None);
    }
}
