//! Codes from an authenticator app: TOTP (RFC 6238) with SHA-1, six digits and steps of thirty seconds, which is what every
//! app reads, whatever else it claims to.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use terms::{Secret, WallTime};

/// RFC 4226 §4, requirement R6: 128 bits at least, 160 recommended.
pub(crate) const SECRET_LEN: usize = 20;
/// RFC 6238 §5.2: the recommended time step.
const STEP_S: u64 = 30;
/// RFC 6238 §5.2: how far the phone's clock may be from ours, in steps, either way.
const SKEW_STEPS: u64 = 1;
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;

/// A new secret; `None` when the system has no randomness to give.
pub(crate) fn new_secret() -> Option<[u8; SECRET_LEN]> {
    let mut secret = [0u8; SECRET_LEN];
    getrandom::fill(&mut secret).ok()?;
    Some(secret)
}

/// The time step of this moment (RFC 6238 §4.2, T0 = 0).
fn step_at(now: WallTime) -> u64 {
    u64::try_from(now.unix_s()).unwrap_or(0) / STEP_S
}

/// The code of one step (RFC 4226 §5.3).
fn code_of(secret: &[u8], step: u64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(&step.to_be_bytes());
    let hash: [u8; 20] = mac.finalize().into_bytes().into();
    // Step 2, dynamic truncation: the low nibble of the last byte is at most 15, and 15 + 4 bytes are inside the twenty.
    let at = usize::from(hash[19] & 0x0f);
    let four = [hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]];
    u32::from_be_bytes(four) % MODULUS
}

/// The step that this code belongs to, if it is one of now and later than the last one used: a code is good once
/// (RFC 6238 §5.2). All steps are computed and compared, whichever fits.
pub(crate) fn step_of(secret: &[u8], now: WallTime, code: &str, used: u64) -> Option<u64> {
    let shown = digits(code)?;
    let here = step_at(now);
    let mut found = 0u64;
    for step in here.saturating_sub(SKEW_STEPS)..=here.saturating_add(SKEW_STEPS) {
        let fits = code_of(secret, step).ct_eq(&shown);
        found.conditional_assign(&step, fits);
    }
    (found > used).then_some(found)
}

/// Six digits; people type a space in the middle because apps show one.
fn digits(code: &str) -> Option<u32> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
    let right = plain.len() == DIGITS && plain.bytes().all(|b| b.is_ascii_digit());
    if right { plain.parse().ok() } else { None }
}

/// The code as a phone would show it now; for tests of other modules.
#[cfg(test)]
pub(crate) fn code_now(secret: &[u8], now: WallTime) -> String {
    format!("{:06}", code_of(secret, step_at(now)))
}

/// The secret as apps take it when typed (RFC 4648 §6, without padding).
pub(crate) fn base32(bytes: &[u8]) -> Secret {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    Secret::new(text)
}

/// What the QR code says. Apps disagree about defaults, so every parameter is named.
pub(crate) fn uri(issuer: &str, account: &str, secret: &[u8]) -> Secret {
    let (issuer, account) = (escaped(issuer), escaped(account));
    let secret = base32(secret);
    Secret::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
        secret.expose()
    ))
}

/// RFC 3986 §2.1: everything but unreserved characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The QR code as a picture that a page may put into itself: no script, no reference, its own colours, because readers
/// want dark on light whatever the page looks like. `None` for a text too long for any QR code.
pub(crate) fn qr_svg(text: &Secret) -> Option<String> {
    let code = qrcode::QrCode::with_error_correction_level(text.expose(), qrcode::EcLevel::M).ok()?;
    let width = code.width();
    // ISO/IEC 18004 §6.3.8: four modules of quiet around it.
    let side = width + 8;
    let mut path = String::new();
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        if colour == qrcode::Color::Dark {
            let (x, y) = (at % width + 4, at / width + 4);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC_SECRET: &[u8] = b"12345678901234567890";

    fn at(unix_s: i64) -> WallTime {
        WallTime(unix_s * 1000)
    }

    #[test]
    fn the_codes_of_rfc_4226_appendix_d() {
        let expected =
            [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
        for (count, code) in (0u64..).zip(expected) {
            assert_eq!(code_of(RFC_SECRET, count), code, "count {count}");
        }
    }

    #[test]
    fn the_times_of_rfc_6238_appendix_b() {
        // The table has eight digits; the last six are ours.
        for (unix_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = at(unix_s);
            assert_eq!(step_of(RFC_SECRET, now, code, 0), Some(unix_s as u64 / 30), "{unix_s}");
            assert_eq!(code_now(RFC_SECRET, now), code);
        }
    }

    #[test]
    fn a_code_is_good_from_one_step_before_to_one_after_and_only_once() {
        let step = 1_000_000u64;
        let begins = i64::try_from(step * 30).unwrap();
        let code = code_now(RFC_SECRET, at(begins));
        for (offset, good) in
            [(-31, false), (-30, true), (-1, true), (0, true), (29, true), (59, true), (60, false)]
        {
            assert_eq!(step_of(RFC_SECRET, at(begins + offset), &code, 0).is_some(), good, "{offset} s");
        }
        assert_eq!(step_of(RFC_SECRET, at(begins), &code, step - 1), Some(step));
        assert_eq!(step_of(RFC_SECRET, at(begins), &code, step), None, "used already");
        assert_eq!(step_of(RFC_SECRET, at(begins), &code, step + 1), None, "a later one was used already");
    }

    #[test]
    fn only_six_digits_are_looked_at() {
        let now = at(59);
        for good in ["287082", " 287 082 ", "287\u{a0}082"] {
            assert_eq!(step_of(RFC_SECRET, now, good, 0), Some(1), "{good:?}");
        }
        for bad in ["", "28708", "2870820", "28708x", "+87082", "２８７０８２", &"2".repeat(10_000), "-00001"]
        {
            assert_eq!(step_of(RFC_SECRET, now, bad, 0), None);
        }
    }

    #[test]
    fn base32_as_in_rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()).expose(), coded);
        }
    }

    #[test]
    fn what_the_picture_says_is_escaped() {
        let text = uri("Hotseat", "ann & bob@hotseat.example", RFC_SECRET);
        assert_eq!(
            text.expose(),
            "otpauth://totp/Hotseat:ann%20%26%20bob%40hotseat.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Hotseat&algorithm=SHA1&digits=6&period=30"
        );
        let svg = qr_svg(&text).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>") && !svg.contains("script"));
        assert!(qr_svg(&Secret::new("x".repeat(5000))).is_none());
    }
}
