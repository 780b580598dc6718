//! The pass of a seat in the browser: what a page shows over SIP to prove that this login is its own. Derived from a key,
//! never stored: whoever holds the key makes it again, and it is worth nothing once another login stands.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;
use terms::{Epoch, LoginId, Secret};

/// User parts of the addresses of record of browsers begin so; no phone may be named like that.
pub const BROWSER_PREFIX: &str = "web-";
/// What our own phones and pages dial to hear themselves. A name, so that it is nobody's number; no phone may have it either.
pub const SELF_TEST: &str = "self-test";

/// The user part of a browser's address of record and its digest username: one per login, so that a late word of an older
/// login is nobody's any more.
pub fn browser_user(login: LoginId) -> String {
    format!("{BROWSER_PREFIX}{login}")
}

/// The login a user part names, if it names one the way we write it.
pub fn login_named(user: &str) -> Option<LoginId> {
    let digits = user.strip_prefix(BROWSER_PREFIX)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    plain.then(|| digits.parse().ok().map(LoginId)).flatten()
}

/// The key of all passes: 32 bytes that survive a restart, so that a page goes on after one.
#[derive(Clone, PartialEq, Eq)]
pub struct PassKey([u8; 32]);

impl PassKey {
    pub fn new(bytes: [u8; 32]) -> PassKey {
        PassKey(bytes)
    }

    /// What the page sends as `Authorization: Bearer` (RFC 8898 §2.1). It names its login and epoch in clear.
    pub fn ticket(&self, login: LoginId, epoch: Epoch) -> Secret {
        Secret::new(format!("{login}.{}.{}", epoch.0, hex(&self.mac("ticket", login, epoch))))
    }

    /// The digest password for softphones that know nothing of tickets. 128 bits.
    pub fn password(&self, login: LoginId, epoch: Epoch) -> Secret {
        let mac = self.mac("password", login, epoch);
        Secret::new(hex(mac.get(..16).unwrap_or_default()))
    }

    /// The login and epoch of a ticket that we made. Whether that login still stands is another question.
    pub fn read(&self, ticket: &str) -> Option<(LoginId, Epoch)> {
        let mut parts = ticket.splitn(3, '.');
        let login = LoginId(parts.next()?.parse().ok()?);
        let epoch = Epoch(parts.next()?.parse().ok()?);
        let given = parts.next()?;
        let expected = hex(&self.mac("ticket", login, epoch));
        bool::from(expected.as_bytes().ct_eq(given.as_bytes())).then_some((login, epoch))
    }

    fn mac(&self, purpose: &str, login: LoginId, epoch: Epoch) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(&login.0.to_be_bytes());
        mac.update(&epoch.0.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for PassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassKey(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0'));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_only_as_it_was_made_and_with_its_own_key() {
        let (key, other) = (PassKey::new([7; 32]), PassKey::new([8; 32]));
        let ticket = key.ticket(LoginId(12), Epoch(3));
        assert_eq!(key.read(ticket.expose()), Some((LoginId(12), Epoch(3))));
        let again = PassKey::new([7; 32]).ticket(LoginId(12), Epoch(3));
        assert_eq!(again.expose(), ticket.expose(), "the same after a restart");
        assert_eq!(other.read(ticket.expose()), None);
        let mac = ticket.expose().rsplit('.').next().unwrap();
        for forged in [
            format!("13.3.{mac}"),
            format!("12.4.{mac}"),
            format!("12.3.{}", &mac[1..]),
            format!("12.3.{mac}0"),
            "12.3.".into(),
            "12.3".into(),
            String::new(),
            format!("-1.3.{mac}"),
        ] {
            assert_eq!(key.read(&forged), None, "{forged}");
        }
    }

    #[test]
    fn the_password_says_nothing_about_the_ticket_and_differs_by_login_and_epoch() {
        let key = PassKey::new([7; 32]);
        let password = |login, epoch| key.password(LoginId(login), Epoch(epoch)).expose().to_owned();
        assert_eq!(password(12, 3).len(), 32);
        assert!(!key.ticket(LoginId(12), Epoch(3)).expose().contains(&password(12, 3)));
        assert_ne!(password(12, 3), password(12, 4));
        assert_ne!(password(12, 3), password(13, 3));
    }

    #[test]
    fn a_browser_has_exactly_one_name() {
        assert_eq!(browser_user(LoginId(12)), "web-12");
        assert_eq!(login_named("web-12"), Some(LoginId(12)));
        for not_one in
            ["web-", "web-012", "web-+12", "web-12a", "desk-12", "WEB-12", "web-99999999999999999999"]
        {
            assert_eq!(login_named(not_one), None, "{not_one}");
        }
    }
}
