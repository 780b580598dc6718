//! «That wasn't me»: the page that was thrown out by a takeover says that somebody else has the password. The new login ends,
//! the account is blocked until somebody unlocks it, and whoever watches is told.

use crate::Core;
use crate::refusal::{Reason, Refusal};
use crate::request::{self, cookie};
use crate::state::Auth;
use axum::Json;
use axum::extract::State;
use http::request::Parts;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Disown, Disowned, Store};
use terms::Pii;

/// How long after the takeover its page is believed: a lunch break. The machine may stand unlocked for the rest of the day.
pub(crate) const WITHIN: Duration = Duration::from_secs(3600);

const DONE: &str = "The other login was ended and your account is blocked. Please contact the administrator.";

/// `POST /api/login/not-me`, with the cookie of the ended login and the word its page was told.
pub(crate) async fn not_me<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
) -> Result<Json<Value>, Refusal> {
    let token_sha256 = cookie(&parts.headers).ok_or(Reason::NoSession)?;
    let (now, from) = (auth.now(), auth.client(&parts));
    let Some(tombstone) = auth.store.tombstone(token_sha256, now).await? else {
        return Err(Reason::NoSession.into());
    };
    let account = auth.store.account_by_id(tombstone.login.agent).await?;
    let who = account.map_or_else(String::new, |account| account.agent.login_name);
    if let Err(refusal) = request::check_csrf(&parts.headers, &tombstone.csrf) {
        if auth.limits.tells(std::time::Instant::now(), from) {
            auth.audit(&who, from, "not_me", Reason::CsrfFailed.word()).await;
        }
        return Err(refusal);
    }
    let said = Disown { token_sha256, at: now, from: from.to_string(), within: WITHIN };
    match auth.store.disown(said).await? {
        Disowned::Done { ended } => {
            auth.core.poke();
            auth.poke();
            let taken_by = tombstone.login.ended.as_ref().map_or("", |end| &end.from);
            tracing::warn!(
                who = %Pii::new(&*who), %from, taken_by, ended = ?ended.as_ref().map(|login| login.id),
                "an agent says that somebody else took over; the account is blocked"
            );
            auth.audit(&who, from, "not_me", "account_blocked").await;
            if let Some(login) = ended {
                auth.audit(&who, &login.from, "logout", "disowned").await;
            }
        }
        Disowned::Already => {}
        Disowned::NoTombstone => return Err(Reason::NoSession.into()),
        refused @ (Disowned::NotTakenOver | Disowned::TooLate) => {
            let reason =
                if refused == Disowned::TooLate { Reason::NotMeTooLate } else { Reason::NotTakenOver };
            auth.audit(&who, from, "not_me", reason.word()).await;
            return Err(reason.into());
        }
    }
    Ok(Json(json!({ "sentence": DONE })))
}
