//! On the way in: the password was right, and now the second factor is shown. Tries are counted before they are looked at; a
//! session that has had its five is over. Whoever shows right passwords and wrong codes again and again is as far as somebody
//! with wrong passwords, and counted with them: towards the block of the account, at the stranger's or the known browser's own
//! count (SPEC D6, D7).

use super::webauthn::{self, Passkey, Wrong};
use super::{
    CEREMONY_LIVES, TRIES_PER_AGENT, TRIES_PER_SESSION, TRIES_WINDOW, Typed, base64, challenge, party,
    recovery, totp, unbase64,
};
use crate::Core;
use crate::desk::account_of;
use crate::entry;
use crate::forgot;
use crate::letters;
use crate::lockout::Try;
use crate::refusal::{Reason, Refusal};
use crate::state::Auth;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use http::header;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Instant;
use store::{
    Account, Ceremony, Factor, FactorBody, FactorKind, FactorTry, Stage, Store, TryLimits, WebSession,
};
use terms::WallTime;

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Totp,
    Recovery,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Totp => "totp",
            Kind::Recovery => "recovery",
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Shown {
    kind: Kind,
    code: Typed,
}

/// `POST /api/login/factor`: a code of the app, or one from the sheet.
pub(crate) async fn code<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Shown>, JsonRejection>,
) -> Result<Response, Refusal> {
    let session = auth.session_to_change_at(Stage::SecondFactor, &parts.headers).await?;
    let Json(Shown { kind, code }) = body?;
    let code = code.code()?;
    let account = account_of(&auth, &session).await?;
    let from = auth.client(&parts);
    let left = counted(&auth, &account, &session, kind == Kind::Totp, from).await?;
    let attempt = charged(&auth, &account, &session, &parts).await?;
    let right = match kind {
        Kind::Totp => is_right_now(&auth, &account, code).await,
        Kind::Recovery => is_on_the_sheet(&auth, &account, code).await,
    };
    match right {
        Ok(true) => passed(&auth, &parts, &session, &account, attempt, kind.word()).await,
        Ok(false) => Err(missed(&auth, &account, &session, attempt, kind.word(), left, from).await?),
        Err(refusal) => {
            attempt.give_back(&auth).await;
            Err(refusal)
        }
    }
}

/// Whether this is a code of the agent's app that nobody has used.
pub(super) async fn is_right_now<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    code: &str,
) -> Result<bool, Refusal> {
    let now = auth.now();
    let factors = auth.store.factors(account.agent.id).await?;
    let Some(app) = factors.iter().find(|factor| factor.kind == FactorKind::Totp) else { return Ok(false) };
    match totp::step_of(&app.body.0, now, code, app.counter) {
        // The row decides: of two who show the same code at once, one gets in.
        Some(step) => Ok(auth.store.use_factor(app.id, step, now).await?),
        None => Ok(false),
    }
}

/// Whether this is a code of the agent's sheet; it is crossed out.
pub(super) async fn is_on_the_sheet<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    code: &str,
) -> Result<bool, Refusal> {
    let agent = account.agent.id;
    match recovery::hash(agent, code) {
        Some(hash) => Ok(auth.store.use_recovery_code(agent, hash).await?),
        None => Ok(false),
    }
}

/// Counts this try; how many are left after it.
async fn counted<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    guessable: bool,
    from: IpAddr,
) -> Result<u32, Refusal> {
    let now = auth.now();
    let window = i64::try_from(TRIES_WINDOW.as_millis()).unwrap_or(i64::MAX);
    let limits = TryLimits {
        per_session: TRIES_PER_SESSION,
        per_agent: guessable.then_some(TRIES_PER_AGENT),
        since: WallTime(now.0.saturating_sub(window)),
    };
    match auth.store.try_factor(account.agent.id, session.token_sha256, now, limits).await? {
        FactorTry::Counted { left } => Ok(left),
        FactorTry::SessionSpent => Err(over(auth, account, session, from).await?),
        FactorTry::AgentSpent => {
            auth.audit(&account.agent.login_name, from, "second_factor", Reason::TooManyAttempts.word())
                .await;
            Err(Refusal::from(Reason::TooManyAttempts).retry_after(AGENT_RETRY_S))
        }
    }
}

/// Charges the account with this try, as with a password; a block ends the session, and the code is not looked at.
async fn charged<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    parts: &Parts,
) -> Result<Try, Refusal> {
    let attempt = Try::begin(auth, &account.agent.login_name, parts).await?;
    match attempt.opens(account) {
        true => Ok(attempt),
        false => Err(shut(auth, account, session, auth.client(parts)).await?),
    }
}

/// The account is blocked, and this session with it.
async fn shut<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    from: IpAddr,
) -> Result<Refusal, Refusal> {
    auth.store.drop_session(session.token_sha256).await?;
    auth.audit(&account.agent.login_name, from, "second_factor", Reason::Blocked.word()).await;
    Ok(Reason::Blocked.into())
}

/// Somebody knows the password and not the code: its owner is the one to hear of it.
fn warn_owner<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account, from: IpAddr) {
    let Some(to) = account.email.as_deref().and_then(|text| text.parse().ok()) else { return };
    let letter = letters::codes_guessed(to, account, auth.now(), &from.to_string());
    // Without a mail server the audit log and the block itself have to do.
    let _ = forgot::send(auth, account.agent.login_name.clone(), from, "tell_codes_guessed", letter);
}

/// Tries of an agent are counted over an hour; a fraction of it is a fair first guess when the next may be looked at.
const AGENT_RETRY_S: u64 = 10 * 60;

async fn missed<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    attempt: Try,
    kind: &str,
    left: u32,
    from: IpAddr,
) -> Result<Refusal, Refusal> {
    auth.limits.wrong(Instant::now(), from);
    auth.audit(&account.agent.login_name, from, "second_factor", &format!("wrong_{kind}")).await;
    if attempt.wrong(auth, Some(account)).await? == Reason::Blocked {
        warn_owner(auth, account, from);
        return shut(auth, account, session, from).await;
    }
    if left == 0 {
        return over(auth, account, session, from).await;
    }
    let reason = if kind == "passkey" { Reason::PasskeyRefused } else { Reason::WrongCode };
    Ok(Refusal::from(reason).with("tries_left", left))
}

/// The session has had its tries: it ends, and the password has to be shown again.
async fn over<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    session: &WebSession,
    from: IpAddr,
) -> Result<Refusal, Refusal> {
    auth.store.drop_session(session.token_sha256).await?;
    auth.audit(&account.agent.login_name, from, "second_factor", Reason::FactorTriesSpent.word()).await;
    Ok(Reason::FactorTriesSpent.into())
}

async fn passed<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    session: &WebSession,
    account: &Account,
    attempt: Try,
    kind: &str,
) -> Result<Response, Refusal> {
    auth.store.forget_tries(session.token_sha256).await?;
    let known = attempt.right(auth, account.agent.id).await?;
    auth.audit(&account.agent.login_name, auth.client(parts), "second_factor", &format!("right_{kind}"))
        .await;
    let mut answer = entry::advance(auth, parts, session, account).await?;
    answer.headers_mut().append(header::SET_COOKIE, known);
    Ok(answer)
}

/// `POST /api/login/passkey/begin`: what the browser asks its authenticator (WebAuthn §5.5).
pub(crate) async fn passkey_begin<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
) -> Result<Json<Value>, Refusal> {
    let session = auth.session_to_change_at(Stage::SecondFactor, &parts.headers).await?;
    let account = account_of(&auth, &session).await?;
    let party = party(&auth, &parts)?;
    let passkeys: Vec<Value> = auth
        .store
        .factors(account.agent.id)
        .await?
        .iter()
        .filter_map(|factor| factor.credential.as_deref())
        .map(|id| json!({ "type": "public-key", "id": base64(id) }))
        .collect();
    if passkeys.is_empty() {
        return Err(Reason::NotNow.into());
    }
    let challenge = challenge().ok_or(Reason::Busy)?;
    let now = auth.now();
    let body = FactorBody(challenge.to_vec());
    let token = session.token_sha256;
    auth.store.begin_ceremony(token, Ceremony::ShowPasskey, body, now, now + CEREMONY_LIVES).await?;
    Ok(Json(json!({ "publicKey": {
        "challenge": base64(&challenge),
        "timeout": CEREMONY_LIVES.as_millis(),
        "rpId": party.id,
        "allowCredentials": passkeys,
        "userVerification": "preferred",
    }})))
}

#[derive(Deserialize)]
pub(crate) struct Finish {
    credential: Assertion,
}

/// `PublicKeyCredential.toJSON()` of an assertion; what else is in it nobody needs.
#[derive(Deserialize)]
struct Assertion {
    id: String,
    response: AssertionResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
}

/// `POST /api/login/passkey/finish`.
pub(crate) async fn passkey_finish<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Finish>, JsonRejection>,
) -> Result<Response, Refusal> {
    let session = auth.session_to_change_at(Stage::SecondFactor, &parts.headers).await?;
    let Json(Finish { credential }) = body?;
    let account = account_of(&auth, &session).await?;
    let party = party(&auth, &parts)?;
    let from = auth.client(&parts);
    let left = counted(&auth, &account, &session, false, from).await?;
    let now = auth.now();
    let asked = auth.store.end_ceremony(session.token_sha256, Ceremony::ShowPasskey, now).await?;
    let FactorBody(challenge) = asked.ok_or(Reason::NotNow)?;
    let factors = auth.store.factors(account.agent.id).await?;
    let attempt = charged(&auth, &account, &session, &parts).await?;
    let believed = match believe(&party, &challenge, &factors, &credential) {
        Some((factor, Ok(counter))) => match auth.store.use_factor(factor.id, counter.into(), now).await {
            Ok(used) => used.then_some(()).ok_or(Wrong::Counter),
            Err(error) => {
                attempt.give_back(&auth).await;
                return Err(error.into());
            }
        },
        Some((_, Err(wrong))) => Err(wrong),
        None => Err(Wrong::Key),
    };
    let Err(wrong) = believed else {
        return passed(&auth, &parts, &session, &account, attempt, "passkey").await;
    };
    tracing::warn!(agent = %account.agent.id, %from, %wrong, "a passkey was not believed");
    if wrong == Wrong::Counter {
        auth.audit(&account.agent.login_name, from, "second_factor", "passkey_copied").await;
    }
    Err(missed(&auth, &account, &session, attempt, "passkey", left, from).await?)
}

/// The factor that the browser says it used, and what its proof is worth; `None` where it is none of theirs.
fn believe<'a>(
    party: &webauthn::Party,
    challenge: &[u8],
    factors: &'a [Factor],
    shown: &Assertion,
) -> Option<(&'a Factor, Result<u32, Wrong>)> {
    let id = unbase64(&shown.id)?;
    let factor = factors.iter().find(|factor| factor.credential.as_deref() == Some(id.as_slice()))?;
    let passkey = Passkey {
        credential: id,
        key: factor.body.0.clone(),
        counter: u32::try_from(factor.counter).unwrap_or(u32::MAX),
    };
    let response = &shown.response;
    let bytes =
        [&response.client_data_json, &response.authenticator_data, &response.signature].map(|t| unbase64(t));
    let [Some(client_data), Some(data), Some(signature)] = bytes else {
        return Some((factor, Err(Wrong::ClientData)));
    };
    Some((factor, webauthn::asserted(party, challenge, &passkey, &client_data, &data, &signature)))
}
