//! What somebody who is in sees of their second factors, takes away, and how they show once more that it is they.

use super::{TRIES_PER_SESSION, TRIES_WINDOW, Typed, factor_json, is_demanded, show};
use crate::Core;
use crate::desk::account_of;
use crate::password::PASSWORD_BYTES_MAX;
use crate::refusal::{Reason, Refusal};
use crate::state::Auth;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::{Account, FactorTry, Store, TryLimits, Way, WebSession};
use terms::WallTime;

/// Who has neither a password of ours nor a factor yet may set one up this long after the login.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// That it is still the same person: the password, or a code where there is no password of ours.
#[derive(Deserialize)]
pub(crate) struct Proof {
    #[serde(default)]
    password: Option<Typed>,
    #[serde(default)]
    code: Option<Typed>,
}

/// Before anything about second factors changes: a session alone, left open on a desk, must not do.
pub(super) async fn prove<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    session: &WebSession,
    account: &Account,
    proof: &Proof,
) -> Result<(), Refusal> {
    let from = auth.client(parts);
    let name = &account.agent.login_name;
    if account.way == Way::Local {
        let Some(Typed(password)) = &proof.password else { return Err(Reason::ConfirmFirst.into()) };
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(Reason::BadRequest.into());
        }
        let bucket = name.to_lowercase();
        if let Err(limited) = auth.limits.attempt(Instant::now(), &bucket, from) {
            return Err(Refusal::from(Reason::TooManyAttempts).retry_after(limited.retry_after_s));
        }
        let phc = account.password_hash.clone();
        if !auth.hasher.verify(password.clone(), phc).await.map_err(|_| Reason::Busy)? {
            auth.limits.wrong(Instant::now(), from);
            auth.audit(name, from, "confirm", Reason::WrongPassword.word()).await;
            return Err(Reason::WrongPassword.into());
        }
        auth.limits.right(&bucket, from);
        return Ok(());
    }
    // Somebody else keeps the password: a code will do, and without any factor the login itself while it is fresh.
    if !super::is_enrolled(auth, account).await? {
        let fresh = auth.now().since(session.created) < FRESH;
        return if fresh { Ok(()) } else { Err(Reason::ConfirmFirst.into()) };
    }
    let Some(code) = &proof.code else { return Err(Reason::ConfirmFirst.into()) };
    let code = code.code()?;
    let now = auth.now();
    let window = i64::try_from(TRIES_WINDOW.as_millis()).unwrap_or(i64::MAX);
    let limits = TryLimits {
        per_session: TRIES_PER_SESSION,
        per_agent: None,
        since: WallTime(now.0.saturating_sub(window)),
    };
    let FactorTry::Counted { .. } =
        auth.store.try_factor(account.agent.id, session.token_sha256, now, limits).await?
    else {
        return Err(Reason::TooManyAttempts.into());
    };
    if show::is_right_now(auth, account, code).await? || show::is_on_the_sheet(auth, account, code).await? {
        auth.store.forget_tries(session.token_sha256).await?;
        return Ok(());
    }
    auth.audit(name, from, "confirm", Reason::WrongCode.word()).await;
    Err(Reason::WrongCode.into())
}

/// `GET /api/factors`.
pub(crate) async fn list<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let session = auth.session(&headers, Reason::NoSession).await?;
    let account = account_of(&auth, &session).await?;
    let factors = auth.store.factors(account.agent.id).await?;
    Ok(Json(json!({
        "factors": factors.iter().map(factor_json).collect::<Vec<_>>(),
        "recovery_codes_left": auth.store.recovery_codes_left(account.agent.id).await?,
        "required": is_demanded(&auth, &account),
        "confirm": match account.way {
            Way::Local => "password",
            _ if factors.is_empty() => "fresh_login",
            _ => "code",
        },
    })))
}

/// `DELETE /api/factors/{id}`, with the password in the body.
pub(crate) async fn remove<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    id: Result<Path<u64>, PathRejection>,
    parts: Parts,
    body: Result<Json<Proof>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let session = auth.session_to_change(&parts.headers, Reason::NoSession).await?;
    let Path(id) = id.map_err(|_| Reason::NotFound)?;
    let Json(proof) = body?;
    let account = account_of(&auth, &session).await?;
    let held = auth.store.factors(account.agent.id).await?;
    let kind = held.iter().find(|factor| factor.id == id).ok_or(Reason::NotFound)?.kind;
    prove(&auth, &parts, &session, &account, &proof).await?;
    if held.len() == 1 && is_demanded(&auth, &account) {
        return Err(Reason::FactorNeeded.into());
    }
    auth.store.drop_factor(account.agent.id, id).await?;
    auth.audit(&account.agent.login_name, auth.client(&parts), "factor_removed", kind.word()).await;
    Ok(StatusCode::NO_CONTENT)
}
