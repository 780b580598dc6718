//! The globe button: a ticket in the fragment of an address opens the desktop logged in, once, within a minute, from the same
//! address. A fragment is never sent to a server, so no log and no `Referer` has the ticket (RFC 3986 §3.5).

use crate::Core;
use crate::desk::{account_of, ready_answer};
use crate::entry::with_cookie;
use crate::refusal::{Reason, Refusal};
use crate::request::{self, random_token, sha256};
use crate::state::Auth;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hotdesk::pass::login_named;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::{Store, Ticket, TicketUse, TicketUsed};
use subtle::ConstantTimeEq;
use terms::{Login, LoginId, Place, Secret};

const LIFE: Duration = Duration::from_secs(60);
/// A ticket of ours has 43 characters.
const TICKET_BYTES_MAX: usize = 128;

/// `POST /api/ticket`: for the page of a login, or for a softphone that shows what `GET /api/sip` gave its login.
pub(crate) async fn hand_out<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
) -> Result<Json<Value>, Refusal> {
    let from = auth.client(&parts);
    let login = match parts.headers.contains_key(header::AUTHORIZATION) {
        true => {
            if let Err(limited) = auth.limits.attempt(Instant::now(), "/api/ticket", from) {
                return Err(Refusal::from(Reason::TooManyAttempts).retry_after(limited.retry_after_s));
            }
            auth.refresh().await?;
            let Some(login) = shown(&auth, &parts.headers) else {
                auth.limits.wrong(Instant::now(), from);
                return Err(Reason::WrongCredentials.into());
            };
            auth.limits.right("/api/ticket", from);
            login.id
        }
        false => {
            let session = auth.session_to_change(&parts.headers, Reason::NoSession).await?;
            session.login.ok_or(Reason::NoSession)?
        }
    };
    let token = random_token().ok_or(Reason::Busy)?;
    let now = auth.now();
    let ticket = Ticket {
        ticket_sha256: sha256(&token),
        login,
        from: from.to_string(),
        created: now,
        expires: now + LIFE,
    };
    if !auth.store.put_ticket(ticket).await? {
        return Err(Reason::LoginEnded.into());
    }
    let page = page(&auth, &parts);
    Ok(Json(json!({ "url": format!("{page}/t#{}", token.expose()), "expires_in_s": LIFE.as_secs() })))
}

/// The login whose softphone speaks: its ticket as `Bearer`, or its name and password as `Basic` (RFC 7617).
fn shown<S: Store, C: Core>(auth: &Auth<S, C>, headers: &HeaderMap) -> Option<Login> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let key = &auth.settings.sip.key;
    let standing = |id: LoginId| {
        let login = auth.board().login(id).cloned();
        login.filter(|login| login.place == Place::Browser)
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        let (id, epoch) = key.read(rest.trim())?;
        return standing(id).filter(|login| login.epoch == epoch);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = STANDARD.decode(rest.trim()).ok()?;
    let plain = std::str::from_utf8(&plain).ok()?;
    let (user, password) = plain.split_once(':')?;
    let login = standing(login_named(user)?)?;
    let right = key.password(login.id, login.epoch);
    bool::from(password.as_bytes().ct_eq(right.expose().as_bytes())).then_some(login)
}

/// The address of our pages: as configured, else the one that was asked.
fn page<S: Store, C: Core>(auth: &Auth<S, C>, parts: &Parts) -> String {
    if let Some(own) = auth.origins().first() {
        return own.clone();
    }
    let asked = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = parts.uri.authority().map(|authority| authority.as_str()).or(asked).unwrap_or_default();
    format!("https://{asked}")
}

#[derive(Deserialize)]
pub(crate) struct Shown {
    ticket: Secretly,
}

/// Read straight into a `Secret`, so that no debug print of the request shows it.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secretly(Secret);

impl From<String> for Secretly {
    fn from(text: String) -> Secretly {
        Secretly(Secret::new(text))
    }
}

/// `POST /api/ticket/use`: the page at `/t` has read its own fragment. Only ours may: the origin has to be there and be ours.
pub(crate) async fn take<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Shown>, JsonRejection>,
) -> Result<Response, Refusal> {
    request::require_origin(&parts.uri, &parts.headers, auth.origins())?;
    let Json(Shown { ticket: Secretly(ticket) }) = body?;
    if ticket.expose().is_empty() || ticket.expose().len() > TICKET_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    let from = auth.client(&parts);
    let (token, csrf) = random_token().zip(random_token()).ok_or(Reason::Busy)?;
    let now = auth.now();
    let shown = TicketUse {
        ticket_sha256: sha256(&ticket),
        from: from.to_string(),
        at: now,
        token_sha256: sha256(&token),
        csrf: csrf.expose().to_owned(),
        expires: now + auth.policies().sessions.longest,
    };
    let token_sha256 = shown.token_sha256;
    let (login, expires) = match auth.store.use_ticket(shown).await? {
        TicketUsed::Granted { login, expires } => (login, expires),
        TicketUsed::Refused(why) => {
            if auth.limits.tells(Instant::now(), from) {
                auth.audit("", from, "ticket", why.word()).await;
            }
            return Err(Reason::TicketInvalid.into());
        }
    };
    let session = auth.store.session(token_sha256, now).await?.ok_or(Reason::TicketInvalid)?;
    let account = account_of(&auth, &session).await?;
    auth.audit(&account.agent.login_name, from, "ticket", "used").await;
    auth.refresh().await?;
    let answer = ready_answer(&auth, &account, &login, csrf.expose()).await;
    with_cookie(answer, &token, expires.since(now))
}
