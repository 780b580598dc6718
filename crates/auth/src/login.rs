//! Sitting down and getting up: first the password, then the phone, at the end the way out.

use crate::Core;
use crate::desk::{account_of, held_json, ready_answer};
use crate::entry::{self, with_cookie};
use crate::factor;
use crate::lockout::Try;
use crate::password::PASSWORD_BYTES_MAX;
use crate::refusal::{Reason, Refusal};
use crate::request::{self, random_token, sha256};
use crate::state::Auth;
use crate::ways::{self, Why};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use hotdesk::claim::policy_allows;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Instant;
use store::{Account, Claim, Claimed, Decision, Store, Upgrade, Way, WebSession};
use terms::{Device, Epoch, Login, LoginEndReason, PhoneState, Place, Secret, Typology};

/// Longest username that is looked up.
const USERNAME_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: String,
    password: Password,
    /// Whose password it is; ours where nothing is said.
    #[serde(default)]
    way: Option<OtherWay>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OtherWay {
    Directory,
}

/// Read straight into a `Secret`, so that no debug print of the request shows it.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(crate) struct Password(pub(crate) Secret);

impl From<String> for Password {
    fn from(text: String) -> Password {
        Password(Secret::new(text))
    }
}

/// `POST /api/login`. Nothing about logins is looked at before the password was right (SPEC C9).
pub(crate) async fn credentials<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Credentials>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(Credentials { username, password: Password(password), way }) = body?;
    let from = auth.client(&parts);
    if username.len() > USERNAME_BYTES_MAX || password.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    // Phones and password managers like to add a space.
    let username = match way {
        None => username.trim().to_owned(),
        Some(OtherWay::Directory) => ways::enter::name_in_directory(&auth, &username)?,
    };
    let bucket = username.to_lowercase();
    if let Err(limited) = auth.limits.attempt(Instant::now(), &bucket, from) {
        if limited.first {
            auth.audit(&username, from, "login", Reason::TooManyAttempts.word()).await;
        }
        return Err(Refusal::from(Reason::TooManyAttempts).retry_after(limited.retry_after_s));
    }
    // Counted before anybody looks: neither a storm at once nor a browser that does not wait gets more than its attempts.
    let attempt = Try::begin(&auth, &username, &parts).await?;
    let checked = match way {
        None => check(&auth, &username, password.clone()).await,
        Some(OtherWay::Directory) => elsewhere(&auth, &username, &password).await,
    };
    let Checked { account, outcome } = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            attempt.give_back(&auth).await;
            // A directory or a store that does not answer is nobody's wrong password.
            auth.limits.right(&bucket, from);
            return Err(refusal);
        }
    };
    let opened = account.as_ref().filter(|account| outcome.is_ok() && attempt.opens(account));
    let Some(account) = opened else {
        auth.limits.wrong(Instant::now(), from);
        let (refusal, word) = match (attempt.wrong(&auth, account.as_ref()).await?, outcome) {
            (Reason::WrongCredentials, Err(why)) => (ways::enter::refused(why), why.word()),
            (reason, _) => (reason.into(), reason.word()),
        };
        auth.audit(&username, from, "login", word).await;
        return Err(refusal);
    };
    auth.limits.right(&bucket, from);
    let proof = match way {
        None => {
            freshen(&auth, account, password).await?;
            "password_right"
        }
        Some(OtherWay::Directory) => "directory_right",
    };
    // Whoever has a second factor has shown half of what it takes. A stranger with a right password does not begin the count
    // anew by it, nor become a browser that is known (SPEC D6, D7): that is for the code to do.
    let half = match factor::is_enrolled(&auth, account).await {
        Ok(half) => half,
        Err(refusal) => {
            attempt.give_back(&auth).await;
            return Err(refusal);
        }
    };
    if half {
        attempt.give_back(&auth).await;
        return entry::enter(&auth, &parts, account, proof).await;
    }
    let known = attempt.right(&auth, account.agent.id).await?;
    let mut answer = entry::enter(&auth, &parts, account, proof).await?;
    answer.headers_mut().append(header::SET_COOKIE, known);
    Ok(answer)
}

/// The account of a name, and whether this is its password.
struct Checked {
    account: Option<Account>,
    outcome: Result<(), Why>,
}

/// As `check`, by asking the directory.
async fn elsewhere<S: Store, C: Core>(
    auth: &Auth<S, C>,
    username: &str,
    password: &Secret,
) -> Result<Checked, Refusal> {
    Ok(match ways::enter::check_directory(auth, username, password).await? {
        Ok(account) => Checked { account: Some(account), outcome: Ok(()) },
        Err(why) => Checked { account: None, outcome: Err(why) },
    })
}

/// One hash for every question, whether the name exists or not, so that the time tells nothing (SPEC A2).
async fn check<S: Store, C: Core>(
    auth: &Auth<S, C>,
    username: &str,
    password: Secret,
) -> Result<Checked, Refusal> {
    // For whom somebody else vouches there is no password of ours, whatever an earlier one may have left behind.
    let usable = |account: &Account| account.agent.enabled && account.way == Way::Local;
    let account = auth.store.account(username).await?.filter(usable);
    let phc = account.as_ref().and_then(|account| account.password_hash.clone());
    let right = auth.hasher.verify(password, phc).await.map_err(|_| Reason::Busy)?;
    Ok(Checked { account, outcome: if right { Ok(()) } else { Err(Why::WrongPassword) } })
}

/// A hash of yesterday's parameters is made anew while the password is at hand (SPEC D8).
async fn freshen<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    password: Secret,
) -> Result<(), Refusal> {
    if account.password_hash.as_deref().is_some_and(crate::password::is_outdated)
        && let Ok(Some(anew)) = auth.hasher.hash(password).await
    {
        auth.store.set_password(account.agent.id, anew).await?;
    }
    Ok(())
}

#[derive(Default, Deserialize)]
pub(crate) struct Seat {
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    take_over_epoch: Option<u64>,
}

pub(crate) fn calls_in_browser(typology: Typology) -> bool {
    matches!(typology, Typology::Webrtc | Typology::Phonebar)
}

/// `POST /api/login/device`: the pending session becomes a login at this phone, under a new cookie; agents who take their
/// calls in the browser name no phone.
pub(crate) async fn device<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Seat>, JsonRejection>,
) -> Result<Response, Refusal> {
    let from = auth.client(&parts);
    let session = auth.session_to_change(&parts.headers, Reason::LoginExpired).await?;
    let Json(seat) = body?;
    let account = account_of(&auth, &session).await?;
    let outcome = sit_down(&auth, &account, &session, &seat, from).await;
    match outcome {
        Ok((token, answer)) => with_cookie(answer, &token, auth.policies().sessions.longest),
        Err(refusal) => {
            auth.audit(&account.agent.login_name, from, "sit_down", refusal.word()).await;
            Err(refusal)
        }
    }
}

pub(crate) async fn sit_down<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    seat: &Seat,
    from: IpAddr,
) -> Result<(Secret, Value), Refusal> {
    auth.refresh().await?;
    let place = match calls_in_browser(account.agent.typology) {
        true => {
            may_sit(auth, account, session, seat.take_over_epoch).await?;
            Place::Browser
        }
        false => {
            let name = seat.phone.as_deref().map(str::trim).filter(|name| !name.is_empty());
            let name = name.ok_or(Reason::PhoneRequired)?;
            let device = auth.board().device_named(name).cloned().ok_or(Reason::PhoneUnknown)?;
            may_try(auth, account, session, &device, seat.take_over_epoch).await?;
            Place::Phone(device.id)
        }
    };

    let (token, csrf) = random_token().zip(random_token()).ok_or(Reason::Busy)?;
    let now = auth.now();
    let upgrade = Upgrade {
        pending: session.token_sha256,
        token_sha256: sha256(&token),
        csrf: csrf.expose().to_owned(),
        expires: now + auth.policies().sessions.longest,
    };
    let claim = Claim {
        agent: account.agent.id,
        place,
        take_over: seat.take_over_epoch.map(Epoch),
        from: from.to_string(),
        at: now,
    };
    let (login, ended) = match auth.store.claim_login(claim, Some(upgrade)).await? {
        Claimed::Granted { login, ended } => (login, ended),
        Claimed::Refused(decision) => return Err(refused(auth, decision).await),
        Claimed::UnknownDevice => return Err(Reason::PhoneUnknown.into()),
        Claimed::UnknownAgent | Claimed::NoSession => return Err(Reason::LoginExpired.into()),
    };
    // The row is written: from here on nothing may say no any more.
    auth.core.poke();
    if let Err(error) = auth.refresh().await {
        tracing::warn!(%error, "a login is granted, the phone list shows it later");
    }
    let outcome = if ended.is_some() { "granted_by_takeover" } else { "granted" };
    auth.audit(&account.agent.login_name, from, "sit_down", outcome).await;
    Ok((token, ready_answer(auth, account, &login, csrf.expose()).await))
}

/// Everything that can be said without touching a row. The claim decides again; this spares a probe and gives the better
/// sentence.
async fn may_try<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    device: &Device,
    take_over: Option<u64>,
) -> Result<(), Refusal> {
    let (there, state) = {
        let board = auth.board();
        (board.login_at(device.id).cloned(), board.phone_state(device.id))
    };
    if there.is_some_and(|login| login.agent != account.agent.id) {
        return Err(Reason::PhoneInUse.into());
    }
    may_sit(auth, account, session, take_over).await?;
    let there = match state {
        PhoneState::Registered => true,
        PhoneState::NeverRegistered | PhoneState::Expired => false,
        PhoneState::Suspect | PhoneState::Unreachable => auth.core.probe(device.id).await,
    };
    if there { Ok(()) } else { Err(Reason::PhoneUnreachable.into()) }
}

/// Whether the agent's own login elsewhere, if one stands, may give way.
async fn may_sit<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    take_over: Option<u64>,
) -> Result<(), Refusal> {
    let agent = account.agent.id;
    let held = auth.board().login_of(agent).cloned();
    if let Some(held) = held {
        // A page that sits already does not sit down a second time with the same cookie.
        if take_over.map(Epoch) != Some(held.epoch) || session.login.is_some() {
            return Err(held_refusal(auth, &held).await);
        }
        let (activity, _) = auth.core.activity(agent).await;
        if !policy_allows(auth.core.takeover_policy(), activity) {
            return Err(Refusal::from(Reason::CallInProgress).with("held", held_json(auth, &held).await));
        }
    }
    Ok(())
}

async fn refused<S: Store, C: Core>(auth: &Auth<S, C>, decision: Decision) -> Refusal {
    match decision {
        Decision::Held { by } => {
            // Somebody was quicker: what this page knows is old.
            let _ = auth.refresh().await;
            held_refusal(auth, &by).await
        }
        Decision::PhoneInUse { .. } => Reason::PhoneInUse.into(),
        Decision::TooManyTakeovers => Refusal::from(Reason::TooManyTakeovers).retry_after(TAKEOVER_RETRY_S),
        Decision::Grant { .. } => Reason::Busy.into(),
    }
}

/// Takeovers are counted over an hour; a fifth of it is a fair first guess when the next may succeed.
const TAKEOVER_RETRY_S: u64 = 12 * 60;

async fn held_refusal<S: Store, C: Core>(auth: &Auth<S, C>, login: &Login) -> Refusal {
    Refusal::from(Reason::AlreadyLoggedIn).with("held", held_json(auth, login).await)
}

/// `DELETE /api/login`: gets up, or gives up choosing. Without a session there is nothing to do, and that is done.
pub(crate) async fn out<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
) -> Result<Response, Refusal> {
    let from = auth.client(&parts);
    let gone = || (StatusCode::NO_CONTENT, [(header::SET_COOKIE, request::clear_cookie())]).into_response();
    let session = match auth.session_to_change_any(&parts.headers, Reason::NoSession).await {
        Ok(session) => session,
        Err(refusal) if matches!(refusal.word(), "no_session" | "login_ended") => return Ok(gone()),
        Err(refusal) => return Err(refusal),
    };
    let account = auth.store.account_by_id(session.agent).await?;
    let who = account.map_or_else(String::new, |account| account.agent.login_name);
    match session.login {
        Some(login) => {
            let why = LoginEndReason::LoggedOut;
            if auth.store.end_login(login, why, auth.now(), &from.to_string()).await?.is_some() {
                auth.core.poke();
                auth.poke();
            }
            auth.audit(&who, from, "logout", "logged_out").await;
        }
        None => {
            auth.store.drop_session(session.token_sha256).await?;
            auth.audit(&who, from, "logout", "gave_up").await;
        }
    }
    Ok(gone())
}
