//! What administrators keep valid: the licence and the certificates in use. Whoever watches the files says here how they
//! stand; `notices` tells people before they end, and afterwards.

use crate::licence::{Installed, Status, days};
use crate::notices::{Notice, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use terms::WallTime;

/// A certificate is spoken of so many days before its end. Those of ACME are renewed a month before, so nobody hears of them.
const CERTIFICATE_DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;

/// How the licence and the certificates stand. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Standing(Arc<Inner>);

#[derive(Default)]
struct Inner {
    licence: RwLock<Installed>,
    /// Its name for people, and when it ends.
    certificates: RwLock<BTreeMap<String, WallTime>>,
}

impl Standing {
    /// The licence file was read.
    pub fn licence(&self, installed: Installed) {
        *self.0.licence.write().unwrap_or_else(PoisonError::into_inner) = installed;
    }

    /// The certificate of this name was read and ends then.
    pub fn certificate(&self, name: &str, until: WallTime) {
        let mut all = self.0.certificates.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), until);
    }

    fn installed(&self) -> Installed {
        self.0.licence.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is told about the licence at login: to everybody shortly before the end and after it, to who keeps the house in
    /// order also that the file is no licence, or not yet.
    pub(crate) fn of_licence(&self, now: WallTime, keeps_house: bool) -> Option<Notice> {
        let licence = match self.installed() {
            Installed::Community => return None,
            Installed::Broken(error) => {
                let sentence =
                    format!("The installed licence does not count: {error}. Calls are not affected.");
                return keeps_house.then(|| of_licence(Severity::Warning, sentence, None));
            }
            Installed::Licensed(licence) => licence,
        };
        let sentence = licence.sentence(now);
        match licence.status(now) {
            Status::Valid => None,
            Status::NotYet(begins) => keeps_house.then(|| of_licence(Severity::Info, sentence, Some(begins))),
            Status::Ending(left) => Some(of_licence(Severity::Warning, sentence, Some(left))),
            Status::Ended(ago) => Some(of_licence(Severity::Warning, sentence, Some(-ago))),
        }
    }

    /// Certificates that end within two weeks, or have ended.
    pub(crate) fn of_certificates(&self, now: WallTime) -> Vec<Notice> {
        let all = self.0.certificates.read().unwrap_or_else(PoisonError::into_inner);
        let ending = all.iter().filter_map(|(name, until)| {
            // A begun day counts as one: «in 1 day» is said until the last minute, and never «in 0 days».
            let left = (until.0.saturating_sub(now.0)).div_euclid(DAY_MS) + 1;
            let day = until.to_string().chars().take(10).collect::<String>();
            let sentence = match until.0.saturating_sub(now.0) {
                ms if ms <= 0 => format!(
                    "The certificate of {name} ended on {day}. Browsers and phones warn or stay away."
                ),
                _ if left <= CERTIFICATE_DAYS => {
                    format!("The certificate of {name} ends in {}, on {day}.", days(left))
                }
                _ => return None,
            };
            Some(Notice { kind: "certificate", severity: Severity::Warning, sentence, days: Some(left) })
        });
        ending.collect()
    }

    /// Everything about it, for administrators. `seats_used` are the agents that may log in.
    pub fn describe(&self, now: WallTime, seats_used: usize) -> Value {
        let (status, licence, sentence, left) = match self.installed() {
            Installed::Community => {
                ("community", None, "This is the community edition; it never expires.".into(), None)
            }
            Installed::Broken(error) => {
                ("broken", None, format!("The installed licence does not count: {error}."), None)
            }
            Installed::Licensed(licence) => {
                let sentence = licence.sentence(now);
                let (status, left) = match licence.status(now) {
                    Status::NotYet(begins) => ("not_yet", Some(begins)),
                    Status::Valid => ("valid", None),
                    Status::Ending(left) => ("ending", Some(left)),
                    Status::Ended(ago) => ("ended", Some(-ago)),
                };
                (status, Some(licence), sentence, left)
            }
        };
        let all = self.0.certificates.read().unwrap_or_else(PoisonError::into_inner);
        let certificates: Vec<Value> =
            all.iter().map(|(name, until)| json!({ "name": name, "until": until })).collect();
        json!({
            "status": status,
            "sentence": sentence,
            "days": left,
            "licence": licence,
            "seats_used": seats_used,
            "certificates": certificates,
        })
    }
}

fn of_licence(severity: Severity, sentence: String, days: Option<i64>) -> Notice {
    Notice { kind: "licence", severity, sentence, days }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::licence::{Licence, LicenceError, day};

    /// Noon of 2026-11-24.
    const NOW: WallTime = WallTime(1_795_521_600_000);

    fn until(last: &str) -> Installed {
        Installed::Licensed(Licence {
            customer: "Example".into(),
            seats: 5,
            from: day("2026-01-01").unwrap(),
            until: day(last).unwrap(),
            contact: "sales@example.com".into(),
            notice_days: 30,
        })
    }

    #[test]
    fn nobody_is_bothered_without_a_licence_or_long_before_its_end() {
        let standing = Standing::default();
        assert_eq!(standing.of_licence(NOW, true), None);
        standing.licence(until("2027-12-31"));
        assert_eq!(standing.of_licence(NOW, true), None);
        standing.licence(until("2026-12-25"));
        assert_eq!(standing.of_licence(NOW, true), None, "31 days");
        assert_eq!(standing.describe(NOW, 3)["status"], "valid");
    }

    #[test]
    fn everybody_hears_of_the_end_before_and_after_and_only_who_can_help_hears_of_a_broken_file() {
        let standing = Standing::default();
        standing.licence(until("2026-12-24"));
        let told = standing.of_licence(NOW, false).unwrap();
        assert_eq!((told.days, told.severity), (Some(30), Severity::Warning));
        assert!(told.sentence.contains("sales@example.com"), "{told:?}");
        standing.licence(until("2026-11-20"));
        assert_eq!(standing.of_licence(NOW, false).unwrap().days, Some(-4));
        assert_eq!(standing.describe(NOW, 3)["days"], -4);
        standing.licence(Installed::Broken(LicenceError::WrongSignature));
        assert_eq!(standing.of_licence(NOW, false), None);
        assert!(standing.of_licence(NOW, true).is_some());
        assert_eq!(standing.describe(NOW, 3)["status"], "broken");
    }

    #[test]
    fn certificates_are_spoken_of_from_fourteen_days_before() {
        let standing = Standing::default();
        let said = |left_ms: i64| {
            standing.certificate("these pages", WallTime(NOW.0 + left_ms));
            standing.of_certificates(NOW).first().map(|told| told.days.unwrap())
        };
        assert_eq!(said(14 * DAY_MS), None);
        assert_eq!(said(14 * DAY_MS - 1), Some(14));
        assert_eq!(said(1), Some(1));
        assert_eq!((said(-1), said(-3 * DAY_MS - 1)), (Some(0), Some(-3)));
        standing.certificate("these pages", WallTime(NOW.0 - 1));
        assert!(standing.of_certificates(NOW)[0].sentence.contains("ended on 2026-11-24"));
        assert_eq!(said(90 * DAY_MS), None, "renewed, and read again");
    }
}
