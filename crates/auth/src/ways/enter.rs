//! Coming in by another way: the directory's word on a password, and the two steps of a login at a provider. What follows is
//! `entry`, as for everybody.

use super::Directory;
use super::account::Why;
use super::oidc::{Arrived, Astray, Back, Oidc};
use crate::Core;
use crate::entry;
use crate::refusal::{Reason, Refusal};
use crate::request::cookie_named;
use crate::state::Auth;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use openidconnect::url::form_urlencoded;
use serde::Deserialize;
use std::sync::Arc;
use store::{Account, Identified, Identity, Store, Way};
use terms::Secret;

/// Binds a login on its way to the browser that began it. `Lax`, because the way back comes from another site.
const COOKIE: &str = "__Host-hotseat-oidc";
/// What a browser sends as that cookie: our own 43 characters, or nothing of ours.
const COOKIE_BYTES: usize = 43;

fn directory<S: Store, C: Core>(auth: &Auth<S, C>) -> Result<Arc<Directory>, Refusal> {
    auth.settings.ways.directory().ok_or_else(|| Reason::NotFound.into())
}

/// The login name in what was typed for the directory; 404 where there is none.
pub(crate) fn name_in_directory<S: Store, C: Core>(
    auth: &Auth<S, C>,
    typed: &str,
) -> Result<String, Refusal> {
    Ok(directory(auth)?.login_name(typed).to_owned())
}

/// Asks the directory, for its own agents only; what it says about role and kind of work is written down.
pub(crate) async fn check_directory<S: Store, C: Core>(
    auth: &Auth<S, C>,
    name: &str,
    password: &Secret,
) -> Result<Result<Account, Why>, Refusal> {
    let directory = directory(auth)?;
    let usable = |account: &Account| account.agent.enabled && account.way == Way::Directory;
    let account = auth.store.account(name).await?.filter(usable);
    let answer = directory.check(name, password, account.is_some(), auth.now()).await;
    let person = match answer.map_err(|_| Reason::DirectoryUnavailable)? {
        Ok(person) => person,
        Err(why) => return Ok(Err(why)),
    };
    let Some(account) = account else { return Ok(Err(Why::Unknown)) };
    let id = account.agent.id;
    if person.role.is_some() || person.typology.is_some() {
        auth.store.put_from_directory(id, person.role, person.typology).await?;
    }
    // As the rows are now, with the role the directory gave.
    Ok(auth.store.account_by_id(id).await?.filter(usable).ok_or(Why::Unknown))
}

/// What the person hears: the same for all, but for what only the right password brings to light.
pub(crate) fn refused(why: Why) -> Refusal {
    match why {
        Why::MustChange | Why::PasswordExpired => Reason::DirectoryPassword.into(),
        _ => Reason::WrongCredentials.into(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Going {
    next: Option<String>,
}

fn oidc<S: Store, C: Core>(auth: &Auth<S, C>) -> Result<Arc<Oidc>, Refusal> {
    auth.settings.ways.oidc().ok_or_else(|| Reason::NotFound.into())
}

/// `GET /api/login/oidc`: sends the browser to the provider.
pub(crate) async fn go<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    query: Result<Query<Going>, QueryRejection>,
) -> Result<Response, Refusal> {
    let oidc = oidc(&auth)?;
    let next = query.ok().and_then(|Query(going)| going.next);
    let from = auth.client(&parts);
    match oidc.begin(browser(&parts), next.as_deref(), from).await {
        Ok(away) => {
            let life = Oidc::life().as_secs();
            let text = format!(
                "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life}",
                away.browser.expose()
            );
            let mut cookie = HeaderValue::try_from(text).map_err(|_| Reason::Busy)?;
            cookie.set_sensitive(true);
            moved(&away.location, &[cookie])
        }
        Err(astray) => lost(&auth, &parts, "", &astray).await,
    }
}

/// `GET /api/login/oidc/back`: the browser comes back with a code, or with a refusal.
pub(crate) async fn back<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    query: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Refusal> {
    let oidc = oidc(&auth)?;
    let back = query.map(|Query(back)| back).unwrap_or_default();
    match oidc.arrive(back, browser(&parts), auth.now()).await {
        Ok(arrived) => arrive(&auth, &parts, &oidc, arrived).await,
        Err(astray) => lost(&auth, &parts, "", &astray).await,
    }
}

async fn arrive<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    oidc: &Oidc,
    arrived: Arrived,
) -> Result<Response, Refusal> {
    let Arrived { subject, email, next } = arrived;
    let identity = Identity { issuer: oidc.settings.issuer.clone(), subject, email: email.clone() };
    let identified = match auth.store.identify(identity, auth.now()).await {
        Ok(identified) => identified,
        Err(error) => return to_login(&[("refused", Refusal::from(error).word())], &[]),
    };
    let account = match identified {
        Identified::Agent(id) => auth.store.account_by_id(id).await?.filter(|a| a.agent.enabled),
        Identified::Unknown | Identified::AnotherIdentity => None,
    };
    let Some(account) = account else {
        let outcome = match identified {
            Identified::AnotherIdentity => "another_identity",
            Identified::Agent(_) => "agent_disabled",
            Identified::Unknown => Reason::OidcUnknown.word(),
        };
        auth.audit(&email, auth.client(parts), "login", outcome).await;
        return to_login(&[("refused", Reason::OidcUnknown.word())], &[]);
    };
    match entry::enter(auth, parts, &account, "oidc_right").await {
        Ok(answer) => {
            let cookies: Vec<HeaderValue> =
                answer.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
            let next = next.as_deref().map(|next| ("next", next));
            to_login(next.as_slice(), &cookies)
        }
        Err(refusal) => to_login(&[("refused", refusal.word())], &[]),
    }
}

/// The audit log learns what went wrong; the page gets the word it has a sentence for.
async fn lost<S: Store, C: Core>(
    auth: &Auth<S, C>,
    parts: &Parts,
    who: &str,
    astray: &Astray,
) -> Result<Response, Refusal> {
    let (reason, detail) = match astray {
        Astray::Expired => (Reason::OidcExpired, ""),
        Astray::Denied(word) => (Reason::OidcDenied, word.as_str()),
        Astray::Refused(why) => (Reason::OidcRefused, why.as_str()),
        Astray::Unverified => (Reason::OidcUnverified, ""),
        Astray::OtherDomain => (Reason::OidcOtherDomain, ""),
        Astray::Unavailable(why) => (Reason::OidcUnavailable, why.as_str()),
    };
    let from = auth.client(parts);
    tracing::warn!(%from, reason = reason.word(), detail, "login at the provider failed");
    // Anybody can call these addresses: the audit log is not filled by it.
    if auth.limits.tells(std::time::Instant::now(), from) {
        auth.audit(who, from, "login", reason.word()).await;
    }
    to_login(&[("refused", reason.word())], &[])
}

/// To our own login page, and nowhere else.
fn to_login(query: &[(&str, &str)], cookies: &[HeaderValue]) -> Result<Response, Refusal> {
    let mut words = form_urlencoded::Serializer::new(String::new());
    words.extend_pairs(query);
    let location = match words.finish() {
        empty if empty.is_empty() => "/login".to_owned(),
        words => format!("/login?{words}"),
    };
    let gone =
        HeaderValue::from_static("__Host-hotseat-oidc=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    let cookies: Vec<HeaderValue> = cookies.iter().cloned().chain([gone]).collect();
    moved(&location, &cookies)
}

fn moved(location: &str, cookies: &[HeaderValue]) -> Result<Response, Refusal> {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location = HeaderValue::try_from(location).map_err(|_| Reason::BadRequest)?;
    response.headers_mut().insert(header::LOCATION, location);
    // What is in the query is nobody else's: not of the page that follows, not of a site it links to.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    Ok(response)
}

fn browser(parts: &Parts) -> Option<Secret> {
    cookie_named(&parts.headers, COOKIE).filter(|word| word.expose().len() == COOKIE_BYTES)
}
