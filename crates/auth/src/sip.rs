//! The phone of a page: what it needs to speak SIP for its login, which of several tabs has the sound, and whose WebSocket
//! an upgrade asks for.

use crate::Core;
use crate::refusal::{Reason, Refusal};
use crate::request::{self, cookie};
use crate::state::{Auth, ended};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hotdesk::pass::{PassKey, browser_user};
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;
use std::time::Duration;
use store::{Store, WebSession};
use terms::{BrowserAdmission, BrowserFlow, CodecName, Codecs, Login, Place, Secret, WallTime};

/// Longest name of a tab; a UUID has 36 characters.
const TAB_MAX: usize = 64;

/// What pages are told about SIP over WebSocket.
#[derive(Clone)]
pub struct SipSettings {
    pub domain: String,
    pub realm: String,
    /// Signs tickets and makes passwords. The gateway has the same.
    pub key: PassKey,
    pub ice: IceServers,
    /// What pages offer, preferred first; empty: the page's own order.
    pub codecs: Codecs,
}

/// Helpers of hard networks. Ours is an ICE-lite agent at a known address, so most need none.
#[derive(Clone, Debug)]
pub struct IceServers {
    /// `stun:host:port`.
    pub stun: Vec<String>,
    /// `turn:host:port?transport=udp`.
    pub turn: Vec<String>,
    /// Shared with the TURN server (coturn: `use-auth-secret`, `static-auth-secret`).
    pub turn_secret: Secret,
    /// How long issued credentials open an allocation. Short: whoever copies them relays at our cost.
    pub turn_life: Duration,
}

impl Default for IceServers {
    fn default() -> IceServers {
        IceServers {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: Secret::default(),
            turn_life: Duration::from_secs(600),
        }
    }
}

impl IceServers {
    /// As `RTCPeerConnection` takes them, with time-limited credentials bound to the user (the convention of
    /// draft-uberti-behave-turn-rest-00, which coturn follows).
    fn for_user(&self, user: &str, now: WallTime) -> Value {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(json!({ "urls": self.stun }));
        }
        if !self.turn.is_empty() {
            let expiry = now.unix_s().saturating_add(i64::try_from(self.turn_life.as_secs()).unwrap_or(0));
            let username = format!("{expiry}:{user}");
            let mut mac = Hmac::<Sha1>::new_from_slice(self.turn_secret.expose().as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(username.as_bytes());
            let credential = STANDARD.encode(mac.finalize().into_bytes());
            servers.push(json!({ "urls": self.turn, "username": username, "credential": credential }));
        }
        Value::Array(servers)
    }
}

#[derive(Deserialize)]
pub(crate) struct Tab {
    #[serde(default)]
    tab: Option<String>,
}

impl Tab {
    fn read(self) -> Result<Option<String>, Refusal> {
        match self.tab {
            Some(tab) if !is_tab(&tab) => Err(Reason::BadRequest.into()),
            tab => Ok(tab),
        }
    }
}

fn is_tab(tab: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !tab.is_empty() && tab.len() <= TAB_MAX && tab.bytes().all(plain)
}

/// `GET /api/sip?tab=…`. A tab that names itself gets nothing while another one has the sound (SPEC C7).
pub(crate) async fn account<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    uri: Uri,
    headers: HeaderMap,
    tab: Result<Query<Tab>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(tab) = tab.map_err(|_| Reason::BadRequest)?;
    let tab = tab.read()?;
    let session = auth.session(&headers, Reason::NoSession).await?;
    let login = seated_in_browser(&auth, &session).await?;
    // Told only once the core knows the login: what follows is a REGISTER, and a stranger's would be refused.
    let seat = auth.core.seat(login.id).await.ok_or(Reason::Busy)?;
    if let Some(tab) = &tab
        && seat.live
        && seat.owner.as_ref().is_some_and(|owner| owner != tab)
    {
        return Ok(Json(json!({ "owner": false })));
    }
    Ok(Json(credentials(&auth, &uri, &headers, &session, &login)))
}

/// `POST /api/sip/take` with `{"tab": …}`: the sound is this tab's from now on, and the other one is told.
pub(crate) async fn take<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Tab>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let session = auth.session_to_change(&parts.headers, Reason::NoSession).await?;
    let Json(tab) = body?;
    let tab = tab.read()?.ok_or(Reason::BadRequest)?;
    let login = seated_in_browser(&auth, &session).await?;
    auth.core.seat(login.id).await.ok_or(Reason::Busy)?;
    auth.core.take_seat(login.id, tab).await;
    Ok(Json(credentials(&auth, &parts.uri, &parts.headers, &session, &login)))
}

async fn seated_in_browser<S: Store, C: Core>(
    auth: &Auth<S, C>,
    session: &WebSession,
) -> Result<Login, Refusal> {
    auth.refresh().await?;
    let login = session.login.ok_or(Reason::NoSession)?;
    let Some(login) = auth.board().login(login).cloned() else {
        let login = auth.store.ended_session(session.token_sha256).await?;
        return Err(login.map_or_else(|| Reason::NoSession.into(), |login| ended(&login)));
    };
    match login.place {
        Place::Browser => Ok(login),
        Place::Phone(_) => Err(Reason::NotInBrowser.into()),
    }
}

fn credentials<S: Store, C: Core>(
    auth: &Auth<S, C>,
    uri: &Uri,
    headers: &HeaderMap,
    session: &WebSession,
    login: &Login,
) -> Value {
    let sip = &auth.settings.sip;
    let now = auth.now();
    let user = browser_user(login.id);
    let aor = format!("sip:{user}@{}", sip.domain);
    json!({
        "owner": true,
        "aor": aor,
        "uri": aor,
        "ws": websocket_url(auth, uri, headers),
        "ticket": sip.key.ticket(login.id, login.epoch).expose(),
        "username": user,
        "password": sip.key.password(login.id, login.epoch).expose(),
        "realm": sip.realm,
        "expires_in_s": session.expires.since(now).as_secs(),
        "ice_servers": sip.ice.for_user(&user, now),
        "codecs": (!sip.codecs.is_empty()).then(|| sip.codecs.iter().map(spelled).collect::<Vec<_>>()),
    })
}

/// A codec's name as the browser spells it (RFC 4855 §3 does not care).
fn spelled(codec: CodecName) -> &'static str {
    match codec {
        CodecName::Pcmu => "PCMU",
        CodecName::Pcma => "PCMA",
        CodecName::G722 => "G722",
        CodecName::Opus => "opus",
    }
}

/// Where the page's SIP goes: beside the page itself.
fn websocket_url<S: Store, C: Core>(auth: &Auth<S, C>, uri: &Uri, headers: &HeaderMap) -> String {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = uri.authority().map(|authority| authority.as_str()).or(asked).unwrap_or_default();
    let origins = auth.origins();
    let known = origins.is_empty()
        || origins
            .iter()
            .any(|own| own.strip_prefix("https://").is_some_and(|own| own.eq_ignore_ascii_case(asked)));
    let host = match (known, origins.first().and_then(|own| own.strip_prefix("https://"))) {
        (false, Some(configured)) => configured,
        _ => asked,
    };
    format!("wss://{host}/sip")
}

impl<S: Store, C: Core> Auth<S, C> {
    /// What the headers of a WebSocket's upgrade for SIP are worth. Without our cookie it is anybody, who has to
    /// authenticate; with one it has to be our own page and a login that takes its calls in the browser.
    pub async fn admit(&self, parts: &Parts) -> BrowserAdmission {
        if cookie(&parts.headers).is_none() {
            return BrowserAdmission::Anonymous;
        }
        if request::require_origin(&parts.uri, &parts.headers, self.origins()).is_err() {
            let from = self.client(parts);
            tracing::warn!(%from, "SIP over WebSocket from a foreign origin refused");
            return BrowserAdmission::Refused(403);
        }
        let seated = async {
            let session = self.session(&parts.headers, Reason::NoSession).await?;
            seated_in_browser(self, &session).await
        };
        match seated.await {
            Ok(login) => {
                let Login { id, agent, epoch, .. } = login;
                BrowserAdmission::Browser(BrowserFlow { login: id, agent, epoch })
            }
            Err(refusal) => BrowserAdmission::Refused(refusal.status().as_u16()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_credentials_are_made_as_coturn_checks_them() {
        let ice = IceServers {
            stun: vec!["stun:stun.example:3478".into()],
            turn: vec!["turn:turn.example:3478?transport=udp".into()],
            turn_secret: Secret::new("north"),
            turn_life: Duration::from_secs(600),
        };
        let servers = ice.for_user("web-12", WallTime(1_700_000_000_000));
        assert_eq!(servers[0], json!({ "urls": ["stun:stun.example:3478"] }));
        assert_eq!(servers[1]["username"], "1700000600:web-12");
        // printf '1700000600:web-12' | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(servers[1]["credential"], "a7kv6qrFxywBLghO5mU5cqeVmc0=");
        assert_eq!(IceServers::default().for_user("web-12", WallTime(0)), json!([]));
    }

    #[test]
    fn a_tab_is_a_plain_word() {
        assert!(is_tab("0b9d2c9e-44a8-4f5c-9a35-1f2d3c4b5a69"));
        for bad in ["", "a b", "a\"b", "<a>", &"a".repeat(65)] {
            assert!(!is_tab(bad), "{bad}");
        }
    }
}
