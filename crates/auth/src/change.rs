//! Choosing another password: the rules the page ticks, and the change itself, on the way in or while sitting.

use crate::Core;
use crate::desk::{account_of, ready_answer};
use crate::entry::{self, stage_answer};
use crate::login::Password;
use crate::password::PASSWORD_BYTES_MAX;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, ended};
use crate::suite::{Age, Owner, Policy, Rule, sentence_for_another};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Instant;
use store::{Account, Stage, Store, Way, WebSession};
use terms::{Secret, WallTime};

/// `GET /api/password/rules`. Open to everybody: whoever follows a link to reset a password has no session, and the rules are
/// no secret.
pub(crate) async fn rules<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let second_factor = match auth.session_any(&headers, Reason::NoSession).await {
        Ok(session) => {
            let account = auth.store.account_by_id(session.agent).await?;
            match account {
                Some(account) => has_second_factor(&auth, &account).await?,
                None => false,
            }
        }
        Err(_) => false,
    };
    Ok(Json(rules_json(auth.policies().passwords, second_factor)))
}

fn rules_json(policy: Policy, second_factor: bool) -> Value {
    let rules: Vec<Value> = policy.rules(second_factor).into_iter().map(Rule::json).collect();
    json!({ "profile": policy.profile, "rules": rules })
}

/// What the page at the stage `ChangePassword` is told: why, and what is asked.
pub(crate) async fn stage_json<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Value {
    let policy = auth.policies().passwords;
    let second_factor = has_second_factor(auth, account).await.unwrap_or(false);
    let why = policy.must_change(age(account), auth.now());
    let mut answer = rules_json(policy, second_factor);
    answer["state"] = json!("change_password");
    // Nothing is due any more where the rules were switched off meanwhile; whoever is here began because of a first password.
    answer["why"] = json!(why.unwrap_or(crate::suite::Why::First));
    answer
}

/// Whether the account has to choose a password before anything else.
pub(crate) fn is_due(policy: Policy, account: &Account, now: WallTime) -> bool {
    account.way == Way::Local && policy.must_change(age(account), now).is_some()
}

/// Days left, where the login has to say so.
pub(crate) fn notice(policy: Policy, account: &Account, now: WallTime) -> Option<u32> {
    policy.notice(age(account), now).filter(|_| account.way == Way::Local)
}

fn age(account: &Account) -> Age {
    Age { set: account.password_at, must_change: account.must_change }
}

async fn has_second_factor<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Result<bool, Refusal> {
    crate::factor::is_enrolled(auth, account).await
}

#[derive(Deserialize)]
pub(crate) struct Change {
    #[serde(default)]
    old: Option<Password>,
    new: Password,
}

/// `POST /api/password`. On the way in the password was shown a moment ago; who sits shows it again.
pub(crate) async fn change<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Change>, JsonRejection>,
) -> Result<Response, Refusal> {
    let from = auth.client(&parts);
    let mut session = auth.session_to_change_any(&parts.headers, Reason::LoginExpired).await?;
    if session.stage != Stage::In {
        session = auth.session_to_change_at(Stage::ChangePassword, &parts.headers).await?;
    }
    let Json(Change { old, new: Password(new) }) = body?;
    let account = account_of(&auth, &session).await?;
    if account.way != Way::Local {
        return Err(Reason::PasswordElsewhere.into());
    }
    let who = account.agent.login_name.clone();
    // Each try costs hashes, and on a page that somebody left open each is a guess at the old one.
    let bucket = format!("{}\u{0}password", who.to_lowercase());
    if let Err(limited) = auth.limits.attempt(Instant::now(), &bucket, from) {
        if limited.first {
            auth.audit(&who, from, "password", Reason::TooManyAttempts.word()).await;
        }
        return Err(Refusal::from(Reason::TooManyAttempts).retry_after(limited.retry_after_s));
    }
    if session.stage == Stage::In {
        let Some(Password(old)) = old else { return Err(Reason::BadRequest.into()) };
        let right = auth.hasher.verify(old, account.password_hash.clone()).await.map_err(|_| Reason::Busy)?;
        if !right {
            auth.audit(&who, from, "password", Reason::OldPasswordWrong.word()).await;
            return Err(Reason::OldPasswordWrong.into());
        }
    }
    let hash = match accept(&auth, &account, new).await {
        Ok(hash) => hash,
        Err(refusal) => {
            auth.audit(&who, from, "password", refusal.word()).await;
            return Err(refusal);
        }
    };
    auth.store.put_password(account.agent.id, hash, Some(auth.now()), false).await?;
    // Whoever else got as far as a session with the old password gets no further. Where the agent sits, they stay.
    auth.store.drop_other_sessions(account.agent.id, session.token_sha256).await?;
    auth.limits.right(&bucket, from);
    auth.audit(&who, from, "password", "changed").await;
    let account = account_of(&auth, &session).await?;
    match session.stage {
        Stage::In => Ok(Json(where_they_are(&auth, &account, &session).await?).into_response()),
        _ => entry::advance(&auth, &parts, &session, &account).await,
    }
}

async fn where_they_are<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
) -> Result<Value, Refusal> {
    let Some(login) = session.login else { return Ok(stage_answer(auth, account, session).await) };
    auth.refresh().await?;
    let Some(login) = auth.board().login(login).cloned() else {
        let login = auth.store.ended_session(session.token_sha256).await?;
        return Err(login.map_or_else(|| Reason::NoSession.into(), |login| ended(&login)));
    };
    Ok(ready_answer(auth, account, &login, &session.csrf).await)
}

/// The hash of a password that keeps all rules, or which it breaks (422 `password_rules`). Whoever sets a password for its
/// owner's use comes through here.
pub(crate) async fn accept<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    new: Secret,
) -> Result<String, Refusal> {
    if new.expose().is_empty() || new.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    let policy = auth.policies().passwords;
    let second_factor = has_second_factor(auth, account).await?;
    let mut broken = shape(auth, policy, account, second_factor, new.clone()).await?;
    if broken.is_empty() {
        broken = history(auth, policy.rules(second_factor), account, &new).await?;
    }
    if !broken.is_empty() {
        let failed: Vec<&str> = broken.into_iter().map(Rule::id).collect();
        return Err(Refusal::from(Reason::PasswordRules).with("failed", failed));
    }
    let hash = auth.hasher.hash(new).await.map_err(|_| Reason::Busy)?;
    hash.ok_or_else(|| Reason::Busy.into())
}

/// A password somebody chose for another is held against what shows in it; that it differs from earlier ones is its owner's
/// business, and told to nobody else.
pub(crate) async fn accept_for_another<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    new: Secret,
) -> Result<(), Refusal> {
    if new.expose().is_empty() || new.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    let second_factor = has_second_factor(auth, account).await?;
    let broken = shape(auth, auth.policies().passwords, account, second_factor, new).await?;
    if broken.is_empty() {
        return Ok(());
    }
    let sentence = sentence_for_another(&broken);
    let failed: Vec<&str> = broken.into_iter().map(Rule::id).collect();
    Err(Refusal::from(Reason::PasswordRules).saying(sentence).with("failed", failed))
}

/// What shows in the password itself. The lists take a millisecond or twenty: not on the runtime's threads.
async fn shape<S: Store, C: Core>(
    auth: &Auth<S, C>,
    policy: Policy,
    account: &Account,
    second_factor: bool,
    new: Secret,
) -> Result<Vec<Rule>, Refusal> {
    let (login_name, display_name) = (account.agent.login_name.clone(), account.agent.display_name.clone());
    let broken = auth.hasher.run(move || {
        let owner = Owner { login_name: &login_name, display_name: &display_name, second_factor };
        policy.broken(new.expose(), owner)
    });
    broken.await.map_err(|_| Reason::Busy.into())
}

/// What only hashes know, one after the other.
async fn history<S: Store, C: Core>(
    auth: &Auth<S, C>,
    rules: Vec<Rule>,
    account: &Account,
    new: &Secret,
) -> Result<Vec<Rule>, Refusal> {
    let mut broken = Vec::new();
    for rule in rules {
        let hashes = match rule {
            Rule::NotOld => account.password_hash.iter().cloned().collect(),
            Rule::NotRecent(n) => auth.store.old_passwords(account.agent.id, n).await?,
            _ => Vec::new(),
        };
        for hash in hashes {
            if auth.hasher.verify(new.clone(), Some(hash)).await.map_err(|_| Reason::Busy)? {
                broken.push(rule);
                break;
            }
        }
    }
    Ok(broken)
}
