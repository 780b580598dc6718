//! What a directory's answers mean: a refused bind, and an account as it was read. Pure; Active Directory's numbers live here.

use ldap3::ResultEntry;
use std::collections::HashMap;
use terms::WallTime;

/// Attributes read of an account, beside those the configuration names.
pub(super) const ATTRIBUTES: [&str; 6] =
    ["userAccountControl", CONTROL_COMPUTED, "lockoutTime", "accountExpires", "pwdLastSet", "objectGUID"];
const CONTROL_COMPUTED: &str = "msDS-User-Account-Control-Computed";
/// Values of one attribute that are looked at; a person is in fewer groups, has fewer names.
const VALUES_MAX: usize = 2_000;

/// userAccountControl (MS-ADTS §2.2.16): the account is disabled.
const ACCOUNTDISABLE: u64 = 0x0002;
/// The same bits as the server computes them at the moment of reading: locked out right now.
const LOCKOUT: u64 = 0x0010;
/// accountExpires: both mean never (MS-ADTS §3.1.1.1.4, «accountExpires»).
const NEVER: [u64; 2] = [0, 0x7fff_ffff_ffff_ffff];
/// Milliseconds between 1601, where Windows counts from, and 1970.
const SINCE_1601_MS: i64 = 11_644_473_600_000;

/// Why a directory lets somebody not in. The words are those of the audit log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    EmptyPassword,
    /// Nobody has this name there, or not with the configured filter.
    Unknown,
    /// The name finds more than one entry: whom to bind as nobody could say.
    Ambiguous,
    /// What was found carries another name than the agent's.
    AnotherName,
    WrongPassword,
    Disabled,
    Locked,
    Expired,
    PasswordExpired,
    MustChange,
    /// Not at this hour.
    Hours,
    /// Not from this computer.
    Workstation,
    /// The server said no in words that are not known here.
    Other,
}

impl Why {
    pub const ALL: [Why; 13] = [
        Why::EmptyPassword,
        Why::Unknown,
        Why::Ambiguous,
        Why::AnotherName,
        Why::WrongPassword,
        Why::Disabled,
        Why::Locked,
        Why::Expired,
        Why::PasswordExpired,
        Why::MustChange,
        Why::Hours,
        Why::Workstation,
        Why::Other,
    ];

    /// The outcome in the audit log.
    pub fn word(self) -> &'static str {
        match self {
            Why::EmptyPassword => "empty_password",
            Why::Unknown => "unknown_in_directory",
            Why::Ambiguous => "ambiguous_in_directory",
            Why::AnotherName => "another_name_in_directory",
            Why::WrongPassword => "wrong_credentials",
            Why::Disabled => "disabled_in_directory",
            Why::Locked => "locked_in_directory",
            Why::Expired => "expired_in_directory",
            Why::PasswordExpired => "directory_password_expired",
            Why::MustChange => "directory_password_must_change",
            Why::Hours => "hours_of_directory",
            Why::Workstation => "workstation_of_directory",
            Why::Other => "refused_by_directory",
        }
    }

    /// What the command line tells an administrator.
    pub fn sentence(self) -> &'static str {
        match self {
            Why::EmptyPassword => "An empty password is never sent: servers take it for an anonymous bind.",
            Why::Unknown => "The directory has no such account, or the user filter leaves it out.",
            Why::Ambiguous => {
                "More than one account has this name; make the base or the user filter narrower."
            }
            Why::AnotherName => "The account that was found has another name.",
            Why::WrongPassword => "The directory says that name or password is wrong.",
            Why::Disabled => "The account is disabled in the directory.",
            Why::Locked => "The account is locked in the directory after wrong passwords.",
            Why::Expired => "The account has expired in the directory.",
            Why::PasswordExpired => "The password has expired in the directory; change it in Windows.",
            Why::MustChange => "The password must be changed in Windows before it can be used here.",
            Why::Hours => "The directory does not allow logins of this account at this hour.",
            Why::Workstation => "The directory does not allow logins of this account from here.",
            Why::Other => "The directory refused without a reason that is known here.",
        }
    }
}

/// Result 49 (RFC 4511 appendix A.2) with Active Directory's `data XXX`, a Windows error in hexadecimal.
pub(super) fn refused_bind(rc: u32, text: &str) -> Why {
    const INVALID_CREDENTIALS: u32 = 49;
    const NO_SUCH_OBJECT: u32 = 32;
    const INVALID_DN: u32 = 34;
    match rc {
        INVALID_CREDENTIALS => {}
        NO_SUCH_OBJECT | INVALID_DN => return Why::WrongPassword,
        _ => return Why::Other,
    }
    let data = text.split("data ").nth(1).unwrap_or_default();
    let code: String = data.chars().take_while(char::is_ascii_hexdigit).collect();
    match code.to_ascii_lowercase().as_str() {
        // 525: no such user; 52e: wrong password. Others than Active Directory say neither.
        "" | "525" | "52e" => Why::WrongPassword,
        "530" => Why::Hours,
        "531" => Why::Workstation,
        "532" => Why::PasswordExpired,
        "533" => Why::Disabled,
        "701" => Why::Expired,
        "773" => Why::MustChange,
        "775" => Why::Locked,
        _ => Why::Other,
    }
}

/// An entry of a search; names of attributes in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) dn: String,
    values: HashMap<String, Vec<String>>,
}

impl Entry {
    /// `None` for a referral, or for what does not read as an entry (RFC 4511 §4.5.2). Values that are no text are left out.
    pub(super) fn read(result: ResultEntry) -> Option<Entry> {
        if result.is_ref() || result.is_intermediate() {
            return None;
        }
        let mut parts = result.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let mut values = HashMap::new();
        for attribute in parts.next()?.expect_constructed()? {
            let mut parts = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
            let list = parts.next()?.expect_constructed()?.into_iter().take(VALUES_MAX);
            let texts = list.filter_map(|value| String::from_utf8(value.expect_primitive()?).ok());
            values.insert(name.to_ascii_lowercase(), texts.collect());
        }
        Some(Entry { dn, values })
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(&name.to_ascii_lowercase())?.first().map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        // Windows writes 32-bit flags with a sign.
        let number = self.text(name)?.parse::<i64>().ok()?;
        Some(number.cast_unsigned())
    }

    /// How the account stands, whatever its password.
    pub(super) fn standing(&self, now: WallTime) -> Result<(), Why> {
        let control = self.number("userAccountControl").unwrap_or(0);
        if control & ACCOUNTDISABLE != 0 {
            return Err(Why::Disabled);
        }
        let expires = self.number("accountExpires").unwrap_or(0);
        if !NEVER.contains(&expires) && expires <= filetime(now) {
            return Err(Why::Expired);
        }
        // lockoutTime stays where it is when the lock has run out; the computed bits know.
        let locked = match self.number(CONTROL_COMPUTED) {
            Some(computed) => computed & LOCKOUT != 0,
            None => self.number("lockoutTime").unwrap_or(0) != 0,
        };
        if locked { Err(Why::Locked) } else { Ok(()) }
    }

    /// «User must change password at next logon» is a password that was set never.
    pub(super) fn must_change(&self) -> bool {
        self.number("pwdLastSet") == Some(0)
    }
}

/// Windows' time: hundreds of nanoseconds since 1601.
fn filetime(now: WallTime) -> u64 {
    u64::try_from(now.0.saturating_add(SINCE_1601_MS)).unwrap_or(0).saturating_mul(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 00:00 UTC.
    const NOW: WallTime = WallTime(1_795_478_400_000);

    fn entry(values: &[(&str, &str)]) -> Entry {
        let one = |(name, value): &(&str, &str)| (name.to_ascii_lowercase(), vec![(*value).to_owned()]);
        Entry { dn: "CN=Ann".into(), values: values.iter().map(one).collect() }
    }

    #[test]
    fn the_codes_of_a_refused_bind_are_told_apart() {
        let text = |code: &str| {
            format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1"
            )
        };
        for (code, why) in [
            ("525", Why::WrongPassword),
            ("52e", Why::WrongPassword),
            ("530", Why::Hours),
            ("531", Why::Workstation),
            ("532", Why::PasswordExpired),
            ("533", Why::Disabled),
            ("701", Why::Expired),
            ("773", Why::MustChange),
            ("775", Why::Locked),
            ("80090346", Why::Other),
        ] {
            assert_eq!(refused_bind(49, &text(code)), why, "{code}");
        }
        assert_eq!(refused_bind(49, ""), Why::WrongPassword, "other servers say no more");
        assert_eq!(refused_bind(8, "BindSimple: Transport encryption required."), Why::Other);
    }

    #[test]
    fn an_account_stands_as_its_attributes_say() {
        let at = |ms: i64| filetime(WallTime(ms)).to_string();
        assert_eq!(entry(&[]).standing(NOW), Ok(()));
        assert_eq!(entry(&[("userAccountControl", "512")]).standing(NOW), Ok(()));
        assert_eq!(entry(&[("userAccountControl", "514")]).standing(NOW), Err(Why::Disabled));
        assert_eq!(entry(&[("USERACCOUNTCONTROL", "-2147483134")]).standing(NOW), Err(Why::Disabled));
        assert_eq!(entry(&[("accountExpires", "0")]).standing(NOW), Ok(()));
        assert_eq!(entry(&[("accountExpires", "9223372036854775807")]).standing(NOW), Ok(()));
        assert_eq!(entry(&[("accountExpires", &at(NOW.0))]).standing(NOW), Err(Why::Expired));
        assert_eq!(entry(&[("accountExpires", &at(NOW.0 + 1))]).standing(NOW), Ok(()));
        assert_eq!(entry(&[("lockoutTime", "133000000000000000")]).standing(NOW), Err(Why::Locked));
        assert_eq!(entry(&[("lockoutTime", "0")]).standing(NOW), Ok(()));
        let ran_out = entry(&[("lockoutTime", "133000000000000000"), (CONTROL_COMPUTED, "0")]);
        assert_eq!(ran_out.standing(NOW), Ok(()));
        assert_eq!(entry(&[(CONTROL_COMPUTED, "16")]).standing(NOW), Err(Why::Locked));
        assert!(entry(&[("pwdLastSet", "0")]).must_change());
        assert!(!entry(&[("pwdLastSet", "134399523264953640")]).must_change());
        // 2000-01-01 as the directory's own documentation counts it.
        assert_eq!(filetime(WallTime(946_684_800_000)), 125_911_584_000_000_000);
    }

    #[test]
    fn every_outcome_has_its_own_word() {
        let mut words: Vec<_> = Why::ALL.iter().map(|why| why.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Why::ALL.len());
    }
}
