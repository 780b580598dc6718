//! What a password must be, as data: the same list is checked here, shown by the page, and ticked while one types. How old a
//! password may get, and when its owner has to choose a new one.

use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use terms::WallTime;
use zxcvbn::zxcvbn;

/// The characters of which the suite asks for one (SPEC D2, to the character). Others may be used and do not count.
pub const SPECIALS: &str = "~!@#$%^&-_=+[{]}";
/// The most old passwords that can be asked to differ from.
pub const HISTORY_MAX: u32 = 12;
/// Characters a password has at least, whatever the profile.
const LENGTH_MIN: usize = 8;
/// NIST SP 800-63B-4: a password that is the only proof has 15 characters, one beside a second factor 8.
const MODERN_LENGTH: usize = 15;
/// A password among the first so many guesses of somebody who knows the lists of breached ones is as good as on the list.
const GUESSES_MIN: u64 = 100_000;
/// Characters of either end that are looked up. The estimate tries all readings of `4@8(` and the like: its time grows with
/// the power of the length.
const LOOKED_UP_MAX: usize = 20;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which rules hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The floor alone: no composition, no expiry, no history, no change at the first login (SPEC D4). A password of one
    /// character, or one that everybody guesses, is refused all the same: no house means that by «no rules».
    #[default]
    Off,
    /// Composition, expiry, history (SPEC D1 to D3).
    Suite,
    /// Length and lists; nobody changes a password because time has passed (NIST SP 800-63B-4, ASVS 5.0 6.2).
    Modern,
}

/// `[passwords]` of security.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub profile: Profile,
    /// How long a password of the suite is good.
    pub valid_days: u32,
    /// So many days before, the login says how many are left.
    pub notice_days: u32,
    /// Old passwords the new one must differ from, beside the present one; of the suite.
    pub history: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { profile: Profile::Off, valid_days: 90, notice_days: 15, history: 5 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Length(usize),
    Lower,
    Upper,
    Digit,
    Special,
    /// Not the present password. Only hashes know.
    NotOld,
    /// None of the last so many. Only hashes know.
    NotRecent(u32),
    NotCommon,
}

/// What belongs to the person, for rules that need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner<'a> {
    pub login_name: &'a str,
    pub display_name: &'a str,
    /// A second factor is enrolled.
    pub second_factor: bool,
}

impl Policy {
    pub fn rules(&self, second_factor: bool) -> Vec<Rule> {
        match self.profile {
            Profile::Off => vec![Rule::Length(LENGTH_MIN), Rule::NotCommon],
            Profile::Suite => {
                let mut rules =
                    vec![Rule::Length(LENGTH_MIN), Rule::Lower, Rule::Upper, Rule::Digit, Rule::Special];
                rules.extend([Rule::NotOld, Rule::NotCommon]);
                let history = self.history.min(HISTORY_MAX);
                rules.extend((history > 0).then_some(Rule::NotRecent(history)));
                rules
            }
            Profile::Modern => {
                let length = if second_factor { LENGTH_MIN } else { MODERN_LENGTH };
                vec![Rule::Length(length), Rule::NotOld, Rule::NotCommon]
            }
        }
    }

    /// Which rules the password breaks, as far as it shows without a hash.
    pub fn broken(&self, password: &str, owner: Owner<'_>) -> Vec<Rule> {
        let mut rules = self.rules(owner.second_factor);
        rules.retain(|rule| !rule.holds(password, owner));
        rules
    }

    /// Why the owner has to choose a new password before anything else (SPEC D1, D3), if so.
    pub fn must_change(&self, age: Age, now: WallTime) -> Option<Why> {
        // Whoever handed the password out said so; that holds without any rules too.
        if age.must_change {
            return Some(Why::Administrator);
        }
        match age.set {
            _ if self.profile == Profile::Off => None,
            None => Some(Why::First),
            Some(_) if self.days_left(age, now) == Some(0) => Some(Why::Expired),
            Some(_) => None,
        }
    }

    /// Days until the password expires, the one under way counted; `None` where it does not expire.
    pub fn days_left(&self, age: Age, now: WallTime) -> Option<u32> {
        if self.profile != Profile::Suite {
            return None;
        }
        let old = now.since(age.set?).as_secs() / DAY.as_secs();
        Some(self.valid_days.saturating_sub(u32::try_from(old).unwrap_or(u32::MAX)))
    }

    /// Days left, where the login has to say so (SPEC D3).
    pub fn notice(&self, age: Age, now: WallTime) -> Option<u32> {
        self.days_left(age, now).filter(|left| (1..=self.notice_days).contains(left))
    }
}

/// What is known of when a password was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// When its owner set it; `None`: never, somebody else did.
    pub set: Option<WallTime>,
    /// An administrator asks for a new one.
    pub must_change: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    First,
    Expired,
    Administrator,
}

impl Rule {
    pub fn id(self) -> &'static str {
        match self {
            Rule::Length(_) => "length",
            Rule::Lower => "lower",
            Rule::Upper => "upper",
            Rule::Digit => "digit",
            Rule::Special => "special",
            Rule::NotOld => "not_old",
            Rule::NotRecent(_) => "not_recent",
            Rule::NotCommon => "not_common",
        }
    }

    /// One line of the list on the page.
    pub fn text(self) -> String {
        match self {
            Rule::Length(min) => format!("At least {min} characters"),
            Rule::Lower => "At least one lower-case letter".into(),
            Rule::Upper => "At least one upper-case letter".into(),
            Rule::Digit => "At least one digit".into(),
            Rule::Special => format!("At least one of {SPECIALS}"),
            Rule::NotOld => "Different from your present password".into(),
            Rule::NotRecent(1) => "Different from the one before it".into(),
            Rule::NotRecent(n) => format!("Different from your last {n} passwords"),
            Rule::NotCommon => "Not a common password, and not your name".into(),
        }
    }

    /// The same for somebody who chooses a password for another.
    pub fn text_for_another(self) -> String {
        match self {
            Rule::NotCommon => "Not a common password, and not the agent's name".into(),
            other => other.text(),
        }
    }

    /// For the page, with what it needs to tick by itself.
    pub fn json(self) -> Value {
        let mut value = json!({ "id": self.id(), "text": self.text() });
        match self {
            Rule::Length(min) => value["min"] = json!(min),
            Rule::Special => value["chars"] = json!(SPECIALS),
            Rule::NotRecent(n) => value["n"] = json!(n),
            _ => {}
        }
        value
    }

    fn holds(self, password: &str, owner: Owner<'_>) -> bool {
        match self {
            Rule::Length(min) => password.chars().count() >= min,
            // Letters of every alphabet that has cases: `é` is a lower-case letter to whoever types it.
            Rule::Lower => password.chars().any(char::is_lowercase),
            Rule::Upper => password.chars().any(char::is_uppercase),
            Rule::Digit => password.chars().any(|c| c.is_ascii_digit()),
            Rule::Special => password.chars().any(|c| SPECIALS.contains(c)),
            Rule::NotCommon => !is_common(password, owner),
            Rule::NotOld | Rule::NotRecent(_) => true,
        }
    }
}

/// What somebody who chose a password for another is told: «… at least 8 characters; not a common password …».
pub fn sentence_for_another(broken: &[Rule]) -> String {
    let lower = |text: String| {
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    let list: Vec<String> = broken.iter().map(|rule| lower(rule.text_for_another())).collect();
    format!("This password does not keep the rules: {}.", list.join("; "))
}

/// On a list of common and breached passwords whatever its case, close to one, or the owner's own name.
fn is_common(password: &str, owner: Owner<'_>) -> bool {
    let folded = fold(password);
    if [owner.login_name, owner.display_name].iter().any(|name| !name.is_empty() && fold(name) == folded) {
        return true;
    }
    let letters: Vec<char> = password.chars().collect();
    let of_the_owner = [owner.login_name, owner.display_name, "hotseat"];
    let easy = |part: &[char]| {
        let part: String = part.iter().collect();
        zxcvbn(&part, &of_the_owner).guesses() < GUESSES_MIN
    };
    match letters.len() {
        0..=LOOKED_UP_MAX => easy(&letters),
        // One end that is hard to guess is enough.
        n => {
            letters.get(..LOOKED_UP_MAX).is_none_or(easy) && letters.get(n - LOOKED_UP_MAX..).is_none_or(easy)
        }
    }
}

/// Without what people think makes a difference: case and spaces.
fn fold(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Owner<'_> =
        Owner { login_name: "ann.lee", display_name: "Annabel van der Lee", second_factor: false };

    fn suite() -> Policy {
        Policy { profile: Profile::Suite, ..Policy::default() }
    }

    fn modern() -> Policy {
        Policy { profile: Profile::Modern, ..Policy::default() }
    }

    fn broken(policy: Policy, password: &str) -> Vec<&'static str> {
        policy.broken(password, ANN).into_iter().map(Rule::id).collect()
    }

    #[test]
    fn the_rules_of_the_suite_one_by_one() {
        for (password, wanted) in [
            ("Kx7#mQ2p", &[][..]),
            ("Kx7#mQ2", &["length"]),
            ("KX7#MQ2P", &["lower"]),
            ("kx7#mq2p", &["upper"]),
            ("Kxt#mQwp", &["digit"]),
            ("Kx7tmQ2p", &["special"]),
            ("", &["length", "lower", "upper", "digit", "special", "not_common"]),
            ("Kx7#mQ2p and as long as anybody likes", &[]),
            ("Ünïcödé 7#", &[]),
            // Digits of other scripts and full-width signs are not what the rule says.
            ("Kxt#mQw\u{0663}", &["digit"]),
            ("Kx7\u{FF03}mQ2p", &["special"]),
        ] {
            assert_eq!(broken(suite(), password), wanted, "{password:?}");
        }
    }

    #[test]
    fn exactly_these_signs_count() {
        let counts: String = (' '..='~')
            .filter(|c| !c.is_ascii_alphanumeric())
            .filter(|c| Rule::Special.holds(&c.to_string(), ANN))
            .collect();
        let mut wanted: Vec<char> = "~!@#$%^&-_=+[{]}".chars().collect();
        wanted.sort_unstable();
        assert_eq!(counts, wanted.into_iter().collect::<String>());
        for c in "*()|\\:;\"'<>,.?/` €§ß".chars() {
            assert_eq!(broken(suite(), &format!("Kx7{c}mQ2p")), ["special"], "{c}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(broken(suite(), "Äö7#üßÄ"), ["length"], "seven, whatever the bytes");
        assert_eq!(broken(suite(), "Äö7#üßÄq"), [""; 0]);
    }

    #[test]
    fn common_ones_are_refused_in_every_profile() {
        for password in ["Password1!", "P@ssw0rd!", "Qwerty1!", "Welcome1!", "Aa1!Aa1!", "Hotseat1!"] {
            assert_eq!(broken(suite(), password), ["not_common"], "{password}");
        }
        for password in [
            "passwordpassword",
            "aaaaaaaaaaaaaaa",
            "123456789012345",
            "qwertyuiopasdfgh",
            "QWERTYUIOPASDFGH",
            "annabelvanderlee",
            "Annabel van der Lee",
            "ANNABEL VAN DER LEE",
        ] {
            assert_eq!(broken(modern(), password), ["not_common"], "{password}");
        }
        assert_eq!(broken(modern(), "a b c d e f g h i j k l m n o p, and then she laughed"), [""; 0]);
    }

    #[test]
    fn without_rules_there_is_still_a_floor() {
        let off = Policy::default();
        for (password, wanted) in [
            ("1", &["length", "not_common"][..]),
            ("xk7wmq2", &["length"]),
            ("xk7wmq2p", &[]),
            ("Password1!", &["not_common"]),
            ("12345678", &["not_common"]),
            ("annabelvanderlee", &["not_common"]),
        ] {
            assert_eq!(broken(off, password), wanted, "{password}");
        }
        assert_eq!(
            sentence_for_another(&off.broken("1", ANN)),
            "This password does not keep the rules: at least 8 characters; not a common password, and not the agent's name."
        );
    }

    #[test]
    fn modern_asks_for_length_and_nothing_else() {
        assert_eq!(broken(modern(), "shoulder-lamps"), ["length"]);
        assert_eq!(broken(modern(), "shoulder-lamps!"), [""; 0]);
        let owner = Owner { second_factor: true, ..ANN };
        assert!(modern().broken("xk7wmq2p", owner).is_empty());
        assert_eq!(modern().broken("xk7wmq2", owner), [Rule::Length(8)]);
    }

    #[test]
    fn no_password_however_odd_takes_long() {
        let odd = "4@8({[<369&#!1|7$5+%2".repeat(48);
        let started = std::time::Instant::now();
        assert!(modern().broken(&odd, ANN).is_empty());
        // Half a second would be many times what it takes; the whole text would take minutes.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn ninety_days_and_the_fifteen_before() {
        let day = 24 * 3600 * 1000;
        let set = WallTime(1_795_444_000_000);
        let age = Age { set: Some(set), must_change: false };
        let at = |days: i64, ms: i64| WallTime(set.0 + days * day + ms);
        for (now, notice, why) in [
            (at(0, 0), None, None),
            (at(-3, 0), None, None),
            (at(74, day - 1), None, None),
            (at(75, 0), Some(15), None),
            (at(75, day - 1), Some(15), None),
            (at(76, 0), Some(14), None),
            (at(89, day - 1), Some(1), None),
            (at(90, 0), None, Some(Why::Expired)),
            (at(40_000, 0), None, Some(Why::Expired)),
        ] {
            assert_eq!((suite().notice(age, now), suite().must_change(age, now)), (notice, why), "{now}");
            assert_eq!((modern().notice(age, now), modern().must_change(age, now)), (None, None));
            let off = Policy::default();
            assert_eq!((off.notice(age, now), off.must_change(age, now)), (None, None));
        }
    }

    #[test]
    fn who_never_chose_one_chooses_first() {
        let never = Age { set: None, must_change: false };
        let asked = Age { set: Some(WallTime(0)), must_change: true };
        let now = WallTime(1);
        for policy in [suite(), modern()] {
            assert_eq!(policy.must_change(never, now), Some(Why::First));
            assert_eq!(policy.must_change(asked, now), Some(Why::Administrator));
        }
        assert_eq!(Policy::default().must_change(never, now), None);
        assert_eq!(Policy::default().must_change(asked, now), Some(Why::Administrator));
    }

    #[test]
    fn the_page_is_told_what_it_needs_to_tick() {
        let rules: Vec<Value> = suite().rules(false).into_iter().map(Rule::json).collect();
        assert_eq!(rules[0]["min"], 8);
        assert_eq!(rules[4]["chars"], SPECIALS);
        assert_eq!((&rules[7]["id"], &rules[7]["n"]), (&json!("not_recent"), &json!(5)));
        let twelve = Policy { history: 40, ..suite() };
        assert!(twelve.rules(false).contains(&Rule::NotRecent(12)));
        assert!(!Policy { history: 0, ..suite() }.rules(false).iter().any(|rule| rule.id() == "not_recent"));
    }
}
