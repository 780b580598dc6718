//! When a certificate ends: read out of its DER (RFC 5280 §4.1), and nothing else of it.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use terms::WallTime;

/// Tags of DER (X.690 §8.1.2) that stand on the way.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first moment at which some certificate of this PEM file is no longer valid; `None` where it holds none that reads.
pub fn of_file(file: &Path) -> Option<WallTime> {
    let chain = CertificateDer::pem_file_iter(file).ok()?;
    chain.filter_map(Result::ok).filter_map(|der| not_after(&der)).min()
}

/// `notAfter` of a certificate.
pub fn not_after(der: &[u8]) -> Option<WallTime> {
    let (tag, certificate, _) = element(der)?;
    let (tbs_tag, tbs, _) = element((tag == SEQUENCE).then_some(certificate)?)?;
    let mut rest = (tbs_tag == SEQUENCE).then_some(tbs)?;
    // Version 1 certificates have no version; then the serial number comes first.
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm of the signature, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (validity_tag, validity, _) = element(rest)?;
    let (_, _, after) = element((validity_tag == SEQUENCE).then_some(validity)?)?;
    let (tag, text, _) = element(after)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

/// One element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Longer lengths say in how many bytes they come; a certificate needs two, three are plenty.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// RFC 5280 §4.1.2.5: to the second, in UTC; years of two digits are 1950 to 2049.
fn moment(tag: u8, text: &str) -> Option<WallTime> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: i32 = digits.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, digits.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = time::Date::from_calendar_date(year, time::Month::try_from(two(0)?).ok()?, two(2)?).ok()?;
    let at = date.with_hms(two(4)?, two(6)?, two(8)?).ok()?.assume_utc();
    Some(WallTime(at.unix_timestamp().saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn until(year: i32, month: u8, day: u8) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["desk.example.com".into()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        assert_eq!(not_after(&until(2026, 12, 31)).unwrap().to_string(), "2026-12-31T00:00:00.000Z");
        assert_eq!(not_after(&until(2049, 12, 31)).unwrap().to_string(), "2049-12-31T00:00:00.000Z");
        assert_eq!(not_after(&until(2061, 2, 28)).unwrap().to_string(), "2061-02-28T00:00:00.000Z");
    }

    #[test]
    fn the_first_of_a_chain_to_end_counts() {
        let file = std::env::temp_dir().join(format!("hotseat-expiry-{}.pem", std::process::id()));
        std::fs::write(&file, pem(&until(2030, 1, 1)) + &pem(&until(2027, 5, 6))).unwrap();
        assert_eq!(of_file(&file).unwrap().to_string(), "2027-05-06T00:00:00.000Z");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(of_file(&file), None);
    }

    /// PEM by hand (RFC 7468), so that no encoder of ours reads what it wrote.
    fn pem(der: &[u8]) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in der.chunks(3) {
            let word =
                chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for at in 0..4 {
                let letter = LETTERS[(word >> (18 - 6 * at)) as usize & 63] as char;
                text.push(if at > chunk.len() { '=' } else { letter });
            }
        }
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn rubbish_ends_never_and_panics_never() {
        let der = until(2026, 12, 31).to_vec();
        for cut in 0..der.len() {
            let _ = not_after(&der[..cut]);
        }
        for at in 0..der.len().min(200) {
            for byte in [0, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = byte;
                let _ = not_after(&changed);
            }
        }
        assert_eq!(moment(UTC_TIME, "261331000000Z"), None);
        assert_eq!(moment(UTC_TIME, "2612310000ü0Z"), None);
        assert_eq!(moment(GENERALIZED_TIME, "261231000000Z"), None);
    }
}
