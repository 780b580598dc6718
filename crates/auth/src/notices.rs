//! What a person should know at the login and cannot see elsewhere: something runs out, something is missing.

use crate::Core;
use crate::state::Auth;
use serde::Serialize;
use store::{Account, Store};

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
#[expect(dead_code, reason = "the sources that give notices come with what they watch")]
pub(crate) enum Severity {
    Info,
    Warning,
}

/// All notices for this person, the most pressing first.
pub(crate) async fn of<S: Store, C: Core>(_auth: &Auth<S, C>, _account: &Account) -> Vec<Notice> {
    Vec::new()
}
