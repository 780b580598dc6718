//! `[passwords]` and `[lockout]` of security.toml: what a password must be, how old it may get, how many wrong ones.

use super::read::Section;
use auth::Policies;
use auth::suite::{HISTORY_MAX, Policy, Profile};
use hotdesk::lockout::Limit;
use std::time::Duration;

/// Three years and a bit; who wants longer wants `modern`.
const VALID_DAYS_MAX: u64 = 1_200;
/// NIST SP 800-63B-4 §3.2.2: no more than a hundred failures in a row.
const WRONG_MAX: u64 = 100;
/// A week.
const BLOCK_MINUTES_MAX: u64 = 7 * 24 * 60;

/// Reads both sections of the top of the file.
pub(super) fn read(top: &mut Section<'_>, policies: &mut Policies) {
    if let Some(mut s) = top.section("passwords") {
        policies.passwords = passwords(&mut s, policies.passwords);
        s.finish();
    }
    if let Some(mut s) = top.section("lockout") {
        policies.lockout = lockout(&mut s, policies.lockout);
        s.finish();
    }
}

fn passwords(s: &mut Section<'_>, d: Policy) -> Policy {
    let profiles = [("off", Profile::Off), ("suite", Profile::Suite), ("modern", Profile::Modern)];
    let profile = s.word("profile", &profiles).unwrap_or(d.profile);
    let mut number = |key, min, max, default: u32| {
        s.number(key, min, max).and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
    };
    let valid_days = number("valid_days", 1, VALID_DAYS_MAX, d.valid_days);
    let notice_days = number("notice_days", 0, VALID_DAYS_MAX, d.notice_days);
    let history = number("history", 0, u64::from(HISTORY_MAX), d.history);
    Policy { profile, valid_days, notice_days, history }
}

fn lockout(s: &mut Section<'_>, d: Limit) -> Limit {
    let wrong = s.number("attempts", 0, WRONG_MAX).and_then(|n| u32::try_from(n).ok()).unwrap_or(d.wrong);
    let block = match s.number("minutes", 0, BLOCK_MINUTES_MAX) {
        None => d.block,
        Some(0) => None,
        Some(minutes) => Some(Duration::from_secs(60 * minutes)),
    };
    Limit { wrong, block }
}

#[cfg(test)]
mod tests {
    use super::super::read::Source;
    use super::*;

    fn read_text(text: &str) -> (Policies, Vec<String>) {
        let source = Source::new("security.toml", text.to_owned());
        let table = source.parse();
        let mut top = Section::top(&source, &table);
        let mut policies = Policies::default();
        read(&mut top, &mut policies);
        top.finish();
        drop(table);
        (policies, source.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_left_out_is_as_it_comes_and_zero_means_never() {
        assert_eq!(read_text(""), (Policies::default(), vec![]));
        let (policies, errors) = read_text(
            "[passwords]\nprofile = \"suite\"\nhistory = 12\nvalid_days = 30\n[lockout]\nattempts = 3\nminutes = 0\n",
        );
        assert_eq!(errors, [""; 0]);
        let wanted = Policy { profile: Profile::Suite, valid_days: 30, notice_days: 15, history: 12 };
        assert_eq!((policies.passwords, policies.lockout), (wanted, Limit { wrong: 3, block: None }));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let (_, errors) = read_text(
            "[passwords]\nprofile = \"strong\"\nhistory = 13\n[lockout]\nattempts = -1\nminuets = 5\n",
        );
        assert_eq!(
            errors,
            [
                "security.toml:2: `profile` is \"strong\"; write one of \"off\", \"suite\", \"modern\".",
                "security.toml:3: `history` is 13, which is out of range; use 0 to 12.",
                "security.toml:5: `attempts` is -1, which is out of range; use 0 to 100.",
                "security.toml:6: `minuets` is not a setting of [lockout]; did you mean `minutes`?",
            ]
        );
    }
}
