//! Licences: a short text that a person can read, signed with Ed25519 (RFC 8032). None is the community edition and never
//! expires. A licence is only ever told, never enforced: no call, no login and no phone depends on it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::Serialize;
use terms::{Secret, WallTime};
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcDateTime};

/// The first line. Signed with the rest, so that no other text of ours can pass for a licence.
const FIRST_LINE: &str = "hotseat-licence 1";
/// A licence has nine short lines.
const BYTES_MAX: usize = 4096;
const TEXT_MAX: usize = 200;
const NOTICE_DAYS_MAX: u16 = 365;

/// Keys that count everywhere; see the file itself.
const KEYS: &str = include_str!("../licence-keys.txt");
/// The name of the key that everybody who has this source can sign with.
pub const DEVELOPMENT: &str = "development";
/// Its private half. It proves nothing, and only a development world (`hotseat dev`) and tests listen to it.
const DEVELOPMENT_SEED: [u8; 32] = *b"hotseat: for trying, never serve";

/// Whose signatures count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Those in `licence-keys.txt`: what `hotseat serve` listens to.
    Compiled,
    /// The development key too.
    Development,
}

/// What a licence says. `until` is its last day; days are those of UTC.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Licence {
    pub customer: String,
    pub seats: u32,
    #[serde(serialize_with = "as_day")]
    pub from: Date,
    #[serde(serialize_with = "as_day")]
    pub until: Date,
    /// Whom to ask for the next one.
    pub contact: String,
    /// So many days before the end people are told at login.
    pub notice_days: u16,
}

/// How a licence stands on a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Begins in so many days.
    NotYet(i64),
    Valid,
    /// Ends in so many days; 0 is today.
    Ending(i64),
    /// Ended so many days ago.
    Ended(i64),
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LicenceError {
    #[error("the licence is too long; it has {0} bytes")]
    TooLong(usize),
    #[error("line {line} of the licence must be `{wanted}`")]
    Line { line: usize, wanted: &'static str },
    #[error("line {line} of the licence: {why}")]
    Value { line: usize, why: &'static str },
    #[error("the licence is signed with the key \"{0}\", which this program does not know")]
    UnknownKey(String),
    #[error("the signature of the licence is not right: it was changed, or nobody entitled signed it")]
    WrongSignature,
    #[error("the licence cannot be read: {0}")]
    Unreadable(String),
}

/// What is installed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Installed {
    /// No licence: nothing to say, ever.
    #[default]
    Community,
    Licensed(Licence),
    /// A file is there and is no licence; administrators are told.
    Broken(LicenceError),
}

impl Installed {
    /// The text of the installed file, `None` where there is none.
    pub fn of(text: Option<&str>, trust: Trust) -> Installed {
        match text.map(|text| read(text, trust)) {
            None => Installed::Community,
            Some(Ok((licence, _))) => Installed::Licensed(licence),
            Some(Err(error)) => Installed::Broken(error),
        }
    }
}

/// Reads and verifies; the licence and the name of the key that signed it.
pub fn read(text: &str, trust: Trust) -> Result<(Licence, String), LicenceError> {
    if text.len() > BYTES_MAX {
        return Err(LicenceError::TooLong(text.len()));
    }
    // Mail and editors add spaces at ends of lines, carriage returns and empty lines at the end; none of them means anything.
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').trim().lines().map(str::trim_end).collect();
    let mut at = Reading { lines: &lines, at: 0 };
    if at.next() != Some(FIRST_LINE) {
        return Err(LicenceError::Line { line: 1, wanted: FIRST_LINE });
    }
    let customer = at.text("customer = …", "customer")?;
    let seats = at.number("seats = NUMBER", "seats", u32::MAX)?;
    let from = at.day("from = YYYY-MM-DD", "from")?;
    let until = at.day("until = YYYY-MM-DD", "until")?;
    let contact = at.text("contact = …", "contact")?;
    let notice_days = at.number("notice_days = NUMBER", "notice_days", u32::from(NOTICE_DAYS_MAX))?;
    let key = at.text("key = NAME", "key")?;
    let signed: String = lines.iter().take(at.at).flat_map(|line| [*line, "\n"]).collect();
    let signature = at.text("signature = BASE64", "signature")?;
    if at.next().is_some() {
        return Err(LicenceError::Value { line: at.at, why: "nothing may follow the signature" });
    }
    if until < from {
        return Err(LicenceError::Value { line: 5, why: "it ends before it begins" });
    }
    let public = public_key(&key, trust).ok_or_else(|| LicenceError::UnknownKey(key.clone()))?;
    let signature = STANDARD.decode(signature).map_err(|_| LicenceError::WrongSignature)?;
    UnparsedPublicKey::new(&ED25519, public)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| LicenceError::WrongSignature)?;
    let notice_days = u16::try_from(notice_days).unwrap_or(NOTICE_DAYS_MAX);
    Ok((Licence { customer, seats, from, until, contact, notice_days }, key))
}

/// The lines, one after the other.
struct Reading<'t> {
    lines: &'t [&'t str],
    at: usize,
}

impl<'t> Reading<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let line = self.lines.get(self.at).copied();
        self.at += 1;
        line
    }

    fn value(&mut self, wanted: &'static str, name: &str) -> Result<&'t str, LicenceError> {
        let line = self.next().and_then(|line| line.split_once('='));
        match line {
            Some((found, value)) if found.trim() == name => Ok(value.trim()),
            _ => Err(LicenceError::Line { line: self.at, wanted }),
        }
    }

    fn text(&mut self, wanted: &'static str, name: &str) -> Result<String, LicenceError> {
        let text = self.value(wanted, name)?;
        let why = match () {
            () if text.is_empty() => "it is empty",
            () if text.chars().count() > TEXT_MAX => "it is too long",
            // What is shown at login cannot pretend to be something else.
            () if text.chars().any(is_deceiving) => "it has characters that do not belong there",
            () => return Ok(text.to_owned()),
        };
        Err(LicenceError::Value { line: self.at, why })
    }

    fn number(&mut self, wanted: &'static str, name: &str, most: u32) -> Result<u32, LicenceError> {
        let text = self.value(wanted, name)?;
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|n| plain && *n <= most);
        number.ok_or(LicenceError::Value { line: self.at, why: "this is no number that fits here" })
    }

    fn day(&mut self, wanted: &'static str, name: &str) -> Result<Date, LicenceError> {
        let text = self.value(wanted, name)?;
        day(text).ok_or(LicenceError::Value { line: self.at, why: "this is no day; write it as 2027-12-31" })
    }
}

/// Control characters, and those that turn the direction of text around.
fn is_deceiving(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A day as `2027-12-31`.
pub fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

fn as_day<S: serde::Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

fn public_key(name: &str, trust: Trust) -> Option<Vec<u8>> {
    if name == DEVELOPMENT {
        let pair = (trust == Trust::Development).then(SigningKey::development)?;
        return Some(pair?.0.public_key().as_ref().to_vec());
    }
    let lines = KEYS.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut pairs = lines.filter_map(|line| line.split_once(' '));
    let (_, key) = pairs.find(|(known, _)| *known == name)?;
    STANDARD.decode(key.trim()).ok()
}

impl Licence {
    pub fn status(&self, now: WallTime) -> Status {
        let today = OffsetDateTime::from_unix_timestamp(now.unix_s())
            .map_or(UtcDateTime::UNIX_EPOCH.date(), OffsetDateTime::date);
        let days = |to: Date| (to - today).whole_days();
        match (days(self.from), days(self.until)) {
            (_, left) if left < 0 => Status::Ended(-left),
            (begins, _) if begins > 0 => Status::NotYet(begins),
            (_, left) if left <= i64::from(self.notice_days) => Status::Ending(left),
            _ => Status::Valid,
        }
    }

    /// How it stands, for people.
    pub fn sentence(&self, now: WallTime) -> String {
        let Licence { customer, until, contact, .. } = self;
        match self.status(now) {
            Status::Valid => format!("Licensed for {customer} until {until}."),
            Status::NotYet(_) => {
                format!(
                    "The licence of {customer} begins on {}; until then this is the community edition.",
                    self.from
                )
            }
            Status::Ending(0) => {
                format!(
                    "The licence of {customer} ends today. Please contact {contact}. Calls are not affected."
                )
            }
            Status::Ending(left) => format!(
                "The licence of {customer} ends in {}, on {until}. Please contact {contact}. Calls are not affected.",
                days(left)
            ),
            Status::Ended(ago) => format!(
                "The licence of {customer} ended {} ago, on {until}. Please contact {contact}. Calls are not affected.",
                days(ago)
            ),
        }
    }
}

/// `1 day`, `12 days`.
pub(crate) fn days(count: i64) -> String {
    if count == 1 { "1 day".into() } else { format!("{count} days") }
}

/// What signs licences. Whoever holds one of a compiled key decides who is licensed.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of development worlds and tests.
    pub fn development() -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(&DEVELOPMENT_SEED).ok().map(SigningKey)
    }

    /// A new one: its private half as text (PKCS#8 in base64), and its public half as it stands in `licence-keys.txt`.
    pub fn generate() -> Option<(Secret, String)> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).ok()?;
        Some((Secret::new(STANDARD.encode(pkcs8.as_ref())), STANDARD.encode(pair.public_key().as_ref())))
    }

    pub fn parse(text: &Secret) -> Option<SigningKey> {
        let pkcs8 = STANDARD.decode(text.expose().trim()).ok()?;
        Ed25519KeyPair::from_pkcs8(&pkcs8).ok().map(SigningKey)
    }

    /// The text of a licence, to be installed as it is.
    pub fn sign(&self, licence: &Licence, key: &str) -> String {
        let Licence { customer, seats, from, until, contact, notice_days } = licence;
        let text = format!(
            "{FIRST_LINE}\ncustomer = {customer}\nseats = {seats}\nfrom = {from}\nuntil = {until}\ncontact = {contact}\n\
             notice_days = {notice_days}\nkey = {key}\n"
        );
        let signature = STANDARD.encode(self.0.sign(text.as_bytes()).as_ref());
        format!("{text}signature = {signature}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licence() -> Licence {
        Licence {
            customer: "Bäcker & Söhne = GmbH".into(),
            seats: 200,
            from: day("2026-01-01").unwrap(),
            until: day("2026-12-31").unwrap(),
            contact: "sales@example.com, +49 69 1000".into(),
            notice_days: 30,
        }
    }

    fn signed() -> String {
        SigningKey::development().unwrap().sign(&licence(), DEVELOPMENT)
    }

    fn at(day_text: &str, of_day_ms: i64) -> WallTime {
        let since = day(day_text).unwrap() - UtcDateTime::UNIX_EPOCH.date();
        WallTime(since.whole_days() * 86_400_000 + of_day_ms)
    }

    #[test]
    fn a_signed_licence_is_read_back_and_mail_may_have_mangled_its_line_ends() {
        let text = signed();
        assert_eq!(read(&text, Trust::Development), Ok((licence(), DEVELOPMENT.into())), "{text}");
        let mangled = format!("\u{feff}\r\n{}\r\n\r\n", text.replace('\n', "  \r\n"));
        assert_eq!(read(&mangled, Trust::Development).map(|(read, _)| read), Ok(licence()));
    }

    #[test]
    fn whoever_changes_one_byte_has_no_licence() {
        let text = signed();
        let mut refused = 0;
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            // Another visible character: what is trimmed anyway is not what is tried here.
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // A line end within the text that became a digit joins two lines; the one at the end is no content.
            assert!(read(&changed, Trust::Development).is_err(), "byte {at}\n{changed}");
            refused += 1;
        }
        assert!(refused > 200, "{refused}");
        for (from, to) in [
            ("seats = 200", "seats = 900"),
            ("seats = 200\n", "seats = 200\nseats = 900\n"),
            ("2026-12-31", "2036-12-31"),
            ("hotseat-licence 1", "hotseat-licence 2"),
            ("key = development", "key = vendor"),
            ("key = development", "key = #"),
        ] {
            assert!(read(&text.replace(from, to), Trust::Development).is_err(), "{to}");
        }
        assert!(read(&format!("{text}seats = 900\n"), Trust::Development).is_err());
        assert!(read("", Trust::Development).is_err());
        assert!(matches!(read(&"x".repeat(9999), Trust::Development), Err(LicenceError::TooLong(9999))));
    }

    #[test]
    fn the_service_never_listens_to_the_development_key_nor_to_one_of_somebodys_own() {
        assert_eq!(read(&signed(), Trust::Compiled), Err(LicenceError::UnknownKey(DEVELOPMENT.into())));
        let (private, public) = SigningKey::generate().unwrap();
        let own = SigningKey::parse(&private).unwrap();
        assert_eq!(STANDARD.decode(public).unwrap().len(), 32);
        for name in [DEVELOPMENT, "own", "#"] {
            let text = own.sign(&licence(), name);
            assert!(
                read(&text, Trust::Compiled).is_err() && read(&text, Trust::Development).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn every_compiled_key_is_a_key_with_a_name_of_its_own() {
        let lines = KEYS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut names: Vec<&str> = Vec::new();
        for line in lines {
            let (name, _) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(name != DEVELOPMENT && !names.contains(&name), "{line}");
            assert_eq!(public_key(name, Trust::Compiled).map(|key| key.len()), Some(32), "{line}");
            names.push(name);
        }
    }

    #[test]
    fn days_are_counted_at_their_edges() {
        let last_ms = 86_400_000 - 1;
        for (now, status) in [
            (at("2025-12-31", last_ms), Status::NotYet(1)),
            (at("2026-01-01", 0), Status::Valid),
            (at("2026-11-30", last_ms), Status::Valid),
            (at("2026-12-01", 0), Status::Ending(30)),
            (at("2026-12-30", last_ms), Status::Ending(1)),
            (at("2026-12-31", last_ms), Status::Ending(0)),
            (at("2027-01-01", 0), Status::Ended(1)),
            (at("2027-01-31", 0), Status::Ended(31)),
        ] {
            assert_eq!(licence().status(now), status, "{now}");
            assert!(licence().sentence(now).contains("Bäcker"), "{now}");
        }
        let soon = licence().sentence(at("2026-12-30", 5));
        assert!(soon.contains("in 1 day, on 2026-12-31") && soon.contains("sales@example.com"), "{soon}");
    }

    #[test]
    fn nobody_writes_backwards_at_login() {
        let mut bad = licence();
        bad.contact = "sales@example.com \u{202e}moc.live".into();
        let text = SigningKey::development().unwrap().sign(&bad, DEVELOPMENT);
        assert!(matches!(read(&text, Trust::Development), Err(LicenceError::Value { line: 6, .. })));
    }
}
