//! What a person should know at the login and cannot see elsewhere: something runs out, something is missing.

use crate::Core;
use crate::change;
use crate::state::Auth;
use serde::Serialize;
use store::{Account, Store};
use terms::Role;

/// One notice, as the page shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Notice {
    /// A word for programs: `password_expires`, `licence`, `certificate` …
    pub(crate) kind: &'static str,
    pub(crate) severity: Severity,
    pub(crate) sentence: String,
    /// Days that are left, where something runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) days: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    #[allow(dead_code, reason = "the sources that tell something without urgency are to come")]
    Info,
    Warning,
}

/// All notices for this person, the most pressing first.
pub(crate) async fn of<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Vec<Notice> {
    let mut notices = Vec::new();
    notices.extend(password_expires(auth, account));
    notices.extend(what_ends(auth, account));
    notices
}

/// From some days before the password runs out, how many are left (SPEC D3).
fn password_expires<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Option<Notice> {
    let left = change::notice(auth.policies().passwords, account, auth.now())?;
    let sentence = match left {
        1 => "Your password expires within a day. Please choose a new one.".into(),
        _ => format!("Your password expires in {left} days. Please choose a new one soon."),
    };
    Some(Notice { kind: "password_expires", severity: Severity::Warning, sentence, days: Some(left.into()) })
}

/// Licence and certificates (SPEC E2). The licence is everybody's business, the rest is told to who can do something about it.
fn what_ends<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Vec<Notice> {
    let (standing, now) = (&auth.settings.standing, auth.now());
    let keeps_house = matches!(account.role, Role::Administrator | Role::Engineer);
    let mut notices = if keeps_house { standing.of_certificates(now) } else { Vec::new() };
    notices.extend(standing.of_licence(now, keeps_house));
    notices
}
