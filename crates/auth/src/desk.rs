//! What a page asks without changing anything: what site this is, which phones there are, who I am.

use crate::Core;
use crate::entry::stage_answer;
use crate::notices;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, ended};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use store::{Account, Store, WebSession};
use terms::{DeviceId, Login, PhoneState, Place};

pub(crate) async fn site<S: Store, C: Core>(State(auth): State<Auth<S, C>>) -> Json<Value> {
    Json(json!({
        "name": "Hotseat",
        "version": auth.settings.version,
        "environment": auth.settings.environment,
        "contact": auth.settings.contact,
        "forgot_password": crate::forgot::way(&auth),
        "login_methods": auth.settings.ways.words(),
        "oidc_label": auth.settings.ways.oidc().map(|oidc| oidc.settings.label.clone()),
    }))
}

/// All phones, free ones first. Thousands of them are one string that is made when something changes.
pub(crate) async fn phones<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let session = auth.session(&headers, Reason::LoginExpired).await?;
    auth.refresh().await?;
    let account = auth.store.account_by_id(session.agent).await?;
    let last = account.and_then(|account| account.last_device);
    let body = {
        let mut board = auth.board();
        let last = json!(last.and_then(|id| board.device(id)).map(|device| device.name.clone()));
        format!(r#"{{"phones":{},"last_phone":{last}}}"#, board.list().as_str())
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

pub(crate) async fn me<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let session = auth.session_any(&headers, Reason::NoSession).await?;
    let account = account_of(&auth, &session).await?;
    auth.refresh().await?;
    let Some(login) = session.login else {
        return Ok(Json(stage_answer(&auth, &account, &session).await));
    };
    let Some(login) = auth.board().login(login).cloned() else {
        // It ended between the look at the session and the look at the board.
        let login = auth.store.ended_session(session.token_sha256).await?;
        return Err(login.map_or_else(|| Reason::NoSession.into(), |login| ended(&login)));
    };
    auth.used(login.id);
    Ok(Json(ready_answer(&auth, &account, &login, &session.csrf).await))
}

/// The agent behind a session; one that was removed or disabled since has none.
pub(crate) async fn account_of<S: Store, C: Core>(
    auth: &Auth<S, C>,
    session: &WebSession,
) -> Result<Account, Refusal> {
    let account = auth.store.account_by_id(session.agent).await?;
    account.filter(|account| account.agent.enabled).ok_or_else(|| Reason::LoginExpired.into())
}

/// Who somebody is, as every answer about oneself says it.
pub fn agent_json(account: &Account) -> Value {
    let agent = &account.agent;
    json!({
        "name": agent.login_name,
        "display_name": agent.display_name,
        "extension": agent.extension,
        "typology": agent.typology,
        "role": account.role,
    })
}

fn device_json<S: Store, C: Core>(auth: &Auth<S, C>, id: DeviceId) -> Value {
    match auth.board().device(id) {
        Some(device) => json!({ "name": device.name, "label": device.label }),
        None => Value::Null,
    }
}

/// Where the agent sits already, for the question of SPEC C1.
pub(crate) async fn held_json<S: Store, C: Core>(auth: &Auth<S, C>, login: &Login) -> Value {
    let (activity, activity_since) = auth.core.activity(login.agent).await;
    json!({
        "epoch": login.epoch,
        "device": login.place.device().map_or(Value::Null, |id| device_json(auth, id)),
        "activity": activity,
        "activity_since": activity_since,
        "since": login.since,
        "from": login.from,
        // What a yes would do to a call, for the person to know before.
        "takeover": auth.core.takeover_policy(),
    })
}

/// The answer to somebody who has shown the password and sits nowhere with this session yet.
pub(crate) async fn pending_answer<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    csrf: &str,
) -> Value {
    let held = auth.board().login_of(account.agent.id).cloned();
    let held = match held {
        Some(login) => Some(held_json(auth, &login).await),
        None => None,
    };
    let last = account.last_device.and_then(|id| auth.board().device(id).map(|device| device.name.clone()));
    json!({
        "state": if held.is_some() { "held" } else { "choose_phone" },
        "csrf": csrf,
        "agent": agent_json(account),
        "notices": notices::of(auth, account).await,
        "sentence": held.as_ref().map(|_| Reason::AlreadyLoggedIn.sentence()),
        "held": held,
        "last_phone": last,
        "login": null,
        "phone": null,
        "activity": null,
    })
}

fn place_word(place: Place) -> &'static str {
    match place {
        Place::Phone(_) => "phone",
        Place::Browser => "browser",
    }
}

/// The answer to somebody who sits.
pub(crate) async fn ready_answer<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    login: &Login,
    csrf: &str,
) -> Value {
    let (activity, since) = auth.core.activity(login.agent).await;
    let notices = notices::of(auth, account).await;
    let board = auth.board();
    let peer = board
        .activity(login.id)
        .filter(|(known, ..)| *known == activity)
        .and_then(|(_, peer, _)| peer.clone());
    let phone = login.place.device().and_then(|id| {
        let device = board.device(id)?;
        let lost = matches!(
            board.phone_state(id),
            PhoneState::Unreachable | PhoneState::Expired | PhoneState::NeverRegistered
        );
        let state = if lost { "unreachable" } else { "in_use" };
        Some(json!({ "name": device.name, "label": device.label, "state": state }))
    });
    let ready = || json!({ "state": "ready", "reason": null, "since": login.since });
    json!({
        "state": "ready",
        "csrf": csrf,
        "agent": agent_json(account),
        "notices": notices,
        "login": { "id": login.id, "epoch": login.epoch, "since": login.since, "place": place_word(login.place) },
        "phone": phone,
        "activity": { "activity": activity, "peer": peer, "since": since },
        "presence": login.place.device().and_then(|id| board.presence(id)).unwrap_or_else(ready),
        "ends_soon": auth.ends_soon(login.id),
        "held": null,
        "sentence": null,
        "last_phone": phone.as_ref().map(|phone| phone["name"].clone()),
    })
}
