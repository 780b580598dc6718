//! The way in after somebody has proved who they are, by whatever means: what still stands between them and their work, and
//! the answer that says so. Stages are gone in their order, each under a cookie of its own.

use crate::Core;
use crate::change;
use crate::desk::{agent_json, pending_answer, ready_answer};
use crate::factor;
use crate::login::{Seat, calls_in_browser, sit_down};
use crate::notices;
use crate::refusal::{Reason, Refusal};
use crate::request::{random_token, set_cookie, sha256};
use crate::state::Auth;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::time::Duration;
use store::{Account, Stage, Store, WebSession};
use terms::{Role, Secret};

/// The stages that can stand between a proved identity and the work, in their order.
const STAGES: [Stage; 3] = [Stage::SecondFactor, Stage::ChangePassword, Stage::EnrolFactor];

/// Identity is proved: makes a session for what comes next and answers with it. `proof` is the audit log's word for how it was
/// proved (`password_right`, `directory_right` …).
pub(crate) async fn enter<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    account: &Account,
    proof: &str,
) -> Result<Response, Refusal> {
    let from = auth.client(parts);
    auth.refresh().await?;
    if let Some(answer) = already_in(auth, parts, account).await? {
        return Ok(Json(answer).into_response());
    }
    let (token, session) = fresh(auth, account, None, &from.to_string()).await?;
    auth.store.put_session(session.clone()).await?;
    auth.audit(&account.agent.login_name, from, "login", proof).await;
    go_on(auth, account, &session, &token, from, Map::new()).await
}

/// The session's stage was passed: the next one begins, under another cookie, so that what was known before is worth nothing.
pub(crate) async fn advance<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    session: &WebSession,
    account: &Account,
) -> Result<Response, Refusal> {
    advance_with(auth, parts, session, account, Map::new()).await
}

/// The same, where the answer tells something else once: recovery codes, which are never shown again.
pub(crate) async fn advance_with<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    session: &WebSession,
    account: &Account,
    more: Map<String, Value>,
) -> Result<Response, Refusal> {
    let (token, next) = fresh(auth, account, Some(session.stage), &session.from).await?;
    if !auth.store.advance_session(session.token_sha256, next.clone()).await? {
        return Err(Reason::LoginExpired.into());
    }
    go_on(auth, account, &next, &token, auth.client(parts), more).await
}

async fn fresh<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    passed: Option<Stage>,
    from: &str,
) -> Result<(Secret, WebSession), Refusal> {
    let (token, csrf) = random_token().zip(random_token()).ok_or(Reason::Busy)?;
    let stage = next_stage(auth, account, passed).await?;
    let now = auth.now();
    let session = WebSession {
        token_sha256: sha256(&token),
        agent: account.agent.id,
        login: None,
        csrf: csrf.expose().to_owned(),
        created: now,
        expires: now + lives(auth, account, stage),
        seen: now,
        from: from.to_owned(),
        stage,
    };
    Ok((token, session))
}

/// Whoever looks after others works without sitting down, as long as a login would last.
fn lives<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account, stage: Stage) -> Duration {
    match stage == Stage::In && account.role != Role::Agent {
        true => auth.policies().sessions.longest,
        false => auth.policies().sessions.pending,
    }
}

/// The first stage behind `passed` that this account has to go through.
async fn next_stage<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    passed: Option<Stage>,
) -> Result<Stage, Refusal> {
    for stage in STAGES {
        if passed.is_none_or(|passed| stage > passed) && is_due(auth, account, stage).await? {
            return Ok(stage);
        }
    }
    Ok(Stage::In)
}

async fn is_due<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    stage: Stage,
) -> Result<bool, Refusal> {
    Ok(match stage {
        Stage::SecondFactor => factor::is_enrolled(auth, account).await?,
        Stage::EnrolFactor => {
            factor::is_demanded(auth, account) && !factor::is_enrolled(auth, account).await?
        }
        Stage::In => false,
        Stage::ChangePassword => change::is_due(auth.policies().passwords, account, auth.now()),
    })
}

/// What somebody at this stage is told and asked, also after a reload.
pub(crate) async fn stage_answer<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
) -> Value {
    let mut answer = match session.stage {
        Stage::In => return pending_answer(auth, account, &session.csrf).await,
        Stage::SecondFactor => {
            json!({ "state": "second_factor", "kinds": factor::kinds(auth, account).await })
        }
        Stage::ChangePassword => change::stage_json(auth, account).await,
        Stage::EnrolFactor => json!({ "state": "enrol_factor", "kinds": factor::KINDS }),
    };
    answer["csrf"] = json!(session.csrf);
    answer["agent"] = agent_json(account);
    answer["notices"] = json!(notices::of(auth, account).await);
    for none in ["held", "sentence", "last_phone", "login", "phone", "activity"] {
        answer[none] = Value::Null;
    }
    answer
}

async fn go_on<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    token: &Secret,
    from: IpAddr,
    more: Map<String, Value>,
) -> Result<Response, Refusal> {
    if session.stage == Stage::In && calls_in_browser(account.agent.typology) {
        // No phone to choose: whoever sits nowhere yet sits down at once, and whoever does is asked (SPEC F1, C1).
        match sit_down(auth, account, session, &Seat::default(), from).await {
            Ok((token, answer)) => {
                return with_cookie(telling(answer, more), &token, auth.policies().sessions.longest);
            }
            Err(refusal) if refusal.word() == Reason::AlreadyLoggedIn.word() => {}
            Err(refusal) => {
                auth.audit(&account.agent.login_name, from, "sit_down", refusal.word()).await;
                return Err(refusal);
            }
        }
    }
    let answer = stage_answer(auth, account, session).await;
    with_cookie(telling(answer, more), token, lives(auth, account, session.stage))
}

fn telling(mut answer: Value, more: Map<String, Value>) -> Value {
    if let Value::Object(answer) = &mut answer {
        answer.extend(more);
    }
    answer
}

/// A second tab of the browser where the same agent sits already: nothing to ask, nothing to change.
async fn already_in<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    account: &Account,
) -> Result<Option<Value>, Refusal> {
    let Ok(session) = auth.session(&parts.headers, Reason::NoSession).await else { return Ok(None) };
    if session.agent != account.agent.id {
        return Ok(None);
    }
    let login = session.login.and_then(|login| auth.board().login(login).cloned());
    match login {
        Some(login) => Ok(Some(ready_answer(auth, account, &login, &session.csrf).await)),
        None => Ok(None),
    }
}

pub(crate) fn with_cookie(answer: Value, token: &Secret, lives: Duration) -> Result<Response, Refusal> {
    let cookie = set_cookie(token, lives).ok_or(Reason::Busy)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}
