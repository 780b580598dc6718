//! Setting up a second factor: at the login where the role demands one, or later by somebody who sits and shows the password
//! again. Nothing counts before it was shown to work: the first code of an app, the first answer of a passkey.

use super::mine::{Proof, prove};
use super::{
    CEREMONY_LIVES, ISSUER, Typed, base64, challenge, factor_json, party, recovery, shown_name, totp,
    unbase64, webauthn,
};
use crate::Core;
use crate::desk::account_of;
use crate::entry;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, stage_refusal};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use store::{Account, Ceremony, FactorAdded, FactorBody, FactorKind, NewFactor, Stage, Store, WebSession};
use terms::Secret;

/// A session that may set up a second factor: one that has to, or one that is in.
async fn session_of<S: Store, C: Core>(auth: &Auth<S, C>, parts: &Parts) -> Result<WebSession, Refusal> {
    let session = auth.session_to_change_any(&parts.headers, Reason::LoginExpired).await?;
    match session.stage {
        Stage::EnrolFactor | Stage::In => Ok(session),
        other => Err(stage_refusal(other)),
    }
}

/// The session and its account; who is in has shown the password again.
async fn begin<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    body: Result<Json<Proof>, JsonRejection>,
) -> Result<(WebSession, Account), Refusal> {
    let session = session_of(auth, parts).await?;
    let Json(proof) = body?;
    let account = account_of(auth, &session).await?;
    if session.stage == Stage::In {
        prove(auth, parts, &session, &account, &proof).await?;
    }
    Ok((session, account))
}

/// `POST /api/factor/totp/begin`: a secret for the app, as text, as link and as picture.
pub(crate) async fn totp_begin<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Proof>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let (session, account) = begin(&auth, &parts, body).await?;
    let secret = totp::new_secret().ok_or(Reason::Busy)?;
    let uri = totp::uri(ISSUER, &account.agent.login_name, &secret);
    let svg = totp::qr_svg(&uri).ok_or(Reason::Busy)?;
    let now = auth.now();
    let held = FactorBody(secret.to_vec());
    auth.store
        .begin_ceremony(session.token_sha256, Ceremony::NewTotp, held, now, now + CEREMONY_LIVES)
        .await?;
    Ok(Json(json!({ "secret": totp::base32(&secret).expose(), "uri": uri.expose(), "qr_svg": svg })))
}

#[derive(Deserialize)]
pub(crate) struct FirstCode {
    code: Typed,
}

/// `POST /api/factor/totp/confirm`: the first code. A wrong one may be tried again: whoever tries knows the secret.
pub(crate) async fn totp_confirm<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<FirstCode>, JsonRejection>,
) -> Result<Response, Refusal> {
    let session = session_of(&auth, &parts).await?;
    let Json(FirstCode { code }) = body?;
    let code = code.code()?;
    let account = account_of(&auth, &session).await?;
    let (token, now) = (session.token_sha256, auth.now());
    let held = auth.store.ceremony(token, Ceremony::NewTotp, now).await?.ok_or(Reason::NotNow)?;
    let step = totp::step_of(&held.0, now, code, 0).ok_or(Reason::WrongCode)?;
    // Of two who confirm at once, one does.
    let held = auth.store.end_ceremony(token, Ceremony::NewTotp, now).await?.ok_or(Reason::NotNow)?;
    let factor = NewFactor {
        agent: account.agent.id,
        kind: FactorKind::Totp,
        name: "Authenticator app".into(),
        since: now,
        credential: None,
        // The code that was shown just now is used.
        counter: step,
        body: held,
    };
    add(&auth, &parts, &session, &account, factor).await
}

/// `POST /api/factor/passkey/begin`: what the browser asks its authenticator to make (WebAuthn §5.4).
pub(crate) async fn new_passkey_begin<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Proof>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let (session, account) = begin(&auth, &parts, body).await?;
    let party = party(&auth, &parts)?;
    let held = auth.store.factors(account.agent.id).await?;
    let known: Vec<Value> = held
        .iter()
        .filter_map(|factor| factor.credential.as_deref())
        .map(|id| json!({ "type": "public-key", "id": base64(id) }))
        .collect();
    let challenge = challenge().ok_or(Reason::Busy)?;
    let now = auth.now();
    let body = FactorBody(challenge.to_vec());
    let token = session.token_sha256;
    auth.store.begin_ceremony(token, Ceremony::NewPasskey, body, now, now + CEREMONY_LIVES).await?;
    let kinds = webauthn::ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg }));
    Ok(Json(json!({ "publicKey": {
        "rp": { "id": party.id, "name": ISSUER },
        "user": {
            "id": base64(&user_handle(&account)),
            "name": account.agent.login_name,
            "displayName": account.agent.display_name,
        },
        "challenge": base64(&challenge),
        "pubKeyCredParams": kinds,
        "timeout": CEREMONY_LIVES.as_millis(),
        "excludeCredentials": known,
        // It comes after a name and a password, so it need not know the name by itself.
        "authenticatorSelection": { "residentKey": "discouraged", "userVerification": "preferred" },
        "attestation": "none",
    }})))
}

/// WebAuthn §14.6.1: nothing personal. The same for each passkey of an agent, so that an authenticator replaces rather than
/// collects.
fn user_handle(account: &Account) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"hotseat user handle");
    hash.update(account.agent.id.0.to_be_bytes());
    hash.finalize().into()
}

#[derive(Deserialize)]
pub(crate) struct NewKey {
    #[serde(default)]
    name: Option<String>,
    credential: Registration,
}

/// `PublicKeyCredential.toJSON()` of a new passkey; what else is in it nobody needs.
#[derive(Deserialize)]
struct Registration {
    response: RegistrationResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    attestation_object: String,
}

/// `POST /api/factor/passkey/finish`.
pub(crate) async fn new_passkey_finish<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<NewKey>, JsonRejection>,
) -> Result<Response, Refusal> {
    let session = session_of(&auth, &parts).await?;
    let Json(NewKey { name, credential: Registration { response } }) = body?;
    let account = account_of(&auth, &session).await?;
    let party = party(&auth, &parts)?;
    let now = auth.now();
    let asked = auth.store.end_ceremony(session.token_sha256, Ceremony::NewPasskey, now).await?;
    let FactorBody(challenge) = asked.ok_or(Reason::NotNow)?;
    let client_data = unbase64(&response.client_data_json).ok_or(Reason::BadRequest)?;
    let object = unbase64(&response.attestation_object).ok_or(Reason::BadRequest)?;
    let passkey = match webauthn::registered(&party, &challenge, &client_data, &object) {
        Ok(passkey) => passkey,
        Err(wrong) => {
            tracing::warn!(agent = %account.agent.id, %wrong, "a new passkey was not believed");
            return Err(Reason::PasskeyRefused.into());
        }
    };
    let factor = NewFactor {
        agent: account.agent.id,
        kind: FactorKind::Passkey,
        name: shown_name(name.as_deref(), "Passkey"),
        since: now,
        credential: Some(passkey.credential),
        counter: passkey.counter.into(),
        body: FactorBody(passkey.key),
    };
    add(&auth, &parts, &session, &account, factor).await
}

/// It works: from now on it is asked for. Whoever has no recovery codes gets them with it.
async fn add<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    session: &WebSession,
    account: &Account,
    factor: NewFactor,
) -> Result<Response, Refusal> {
    let (agent, kind) = (account.agent.id, factor.kind);
    let id = match auth.store.add_factor(factor).await? {
        FactorAdded::Added(id) => id,
        FactorAdded::Known => return Err(Reason::PasskeyKnown.into()),
        FactorAdded::TooMany => return Err(Reason::TooManyFactors.into()),
        FactorAdded::NoAgent => return Err(Reason::LoginExpired.into()),
    };
    let who = &account.agent.login_name;
    auth.audit(who, auth.client(parts), "factor_added", kind.word()).await;
    let mut more = Map::new();
    if auth.store.recovery_codes_left(agent).await? == 0 {
        more.insert("recovery_codes".into(), new_sheet(auth, account).await?);
    }
    if session.stage == Stage::EnrolFactor {
        return entry::advance_with(auth, parts, session, account, more).await;
    }
    let factors = auth.store.factors(agent).await?;
    let added = factors.iter().find(|factor| factor.id == id).map(factor_json);
    more.insert("factor".into(), json!(added));
    Ok(Json(Value::Object(more)).into_response())
}

async fn new_sheet<S: Store, C: Core>(auth: &Auth<S, C>, account: &Account) -> Result<Value, Refusal> {
    let codes = recovery::new_codes().ok_or(Reason::Busy)?;
    let agent = account.agent.id;
    let hashes = codes.iter().filter_map(|code| recovery::hash(agent, code.expose())).collect();
    auth.store.put_recovery_codes(agent, hashes).await?;
    Ok(json!(codes.iter().map(Secret::expose).collect::<Vec<_>>()))
}

/// `POST /api/factor/recovery`: a new sheet; the old one is worth nothing from now on.
pub(crate) async fn new_recovery<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Proof>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let session = auth.session_to_change(&parts.headers, Reason::NoSession).await?;
    let Json(proof) = body?;
    let account = account_of(&auth, &session).await?;
    prove(&auth, &parts, &session, &account, &proof).await?;
    if !super::is_enrolled(&auth, &account).await? {
        return Err(Reason::NotNow.into());
    }
    let codes = new_sheet(&auth, &account).await?;
    auth.audit(&account.agent.login_name, auth.client(&parts), "recovery_codes", "made").await;
    Ok(Json(json!({ "recovery_codes": codes })))
}
