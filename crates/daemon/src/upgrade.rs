//! `GET /sip`: from an HTTP request to a SIP connection (RFC 6455 §4.2, RFC 7118 §4).

use crate::carry::Edge;
use crate::https::Admit;
use crate::ws::{self, Pace};
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terms::{BrowserAdmission, BrowserFlow, Flow, Transport};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The subprotocol of RFC 7118 §4.1.
const SUBPROTOCOL: &str = "sip";
/// Between our 101 and the connection being ours.
const UPGRADE_MAX: Duration = Duration::from_secs(10);
/// When a browser that found us full may come again.
const RETRY_AFTER_S: u32 = 5;

/// The door SIP over WebSocket comes in by.
#[derive(Clone)]
pub struct Door {
    pub edge: Edge,
    pub admit: Admit,
    /// Our address as the listener has it, and whether TLS is around it.
    pub local: SocketAddr,
    pub transport: Transport,
    pub pace: Pace,
}

pub fn router(door: Door) -> Router {
    Router::new().route("/sip", any(upgrade)).with_state(Arc::new(door))
}

async fn upgrade(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let answer = match handshake(request.method(), request.headers()) {
        Ok(answer) => answer,
        Err(refusal) => return refusal.into_response(),
    };
    let taken = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let browser = match (door.admit)(parts).await {
        BrowserAdmission::Anonymous => None,
        BrowserAdmission::Browser(browser) => Some(browser),
        BrowserAdmission::Refused(status) => {
            tracing::info!(%peer, status, "WebSocket refused");
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
            return Refused(status, "this session cannot be used for SIP").into_response();
        }
    };
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Some(connection) = door.edge.streams.admit(peer.ip()) else {
        tracing::debug!(%peer, "WebSocket refused, too many connections");
        return Refused(StatusCode::SERVICE_UNAVAILABLE, "too many connections").into_response();
    };
    let flow = Flow { transport: door.transport, local: door.local, peer, connection };
    tokio::spawn(async move {
        match timeout(UPGRADE_MAX, taken).await {
            Ok(Ok(stream)) => speak(TokioIo::new(stream), flow, browser, &door).await,
            // The browser went away between its request and our answer.
            _ => tracing::debug!(%peer, "WebSocket did not open"),
        }
        door.edge.streams.dismiss(peer.ip());
    });
    answer
}

async fn speak(
    stream: TokioIo<hyper::upgrade::Upgraded>,
    flow: Flow,
    browser: Option<BrowserFlow>,
    door: &Door,
) {
    let line = door.edge.streams.open(flow);
    ws::carry(stream, line, browser, door.pace, &door.edge).await;
}

/// Our 101, or why there is none.
fn handshake(method: &Method, headers: &HeaderMap) -> Result<Response, Refused> {
    let upgrade =
        has_token(headers, header::UPGRADE, "websocket") && has_token(headers, header::CONNECTION, "upgrade");
    if method != Method::GET || !upgrade {
        return Err(Refused(StatusCode::UPGRADE_REQUIRED, "SIP over WebSocket is spoken here (RFC 7118)"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
        // RFC 6455 §4.4: the answer names the version we speak.
        return Err(Refused(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is spoken here"));
    }
    // RFC 6455 §4.2.1: sixteen bytes in base 64.
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.len() != 24 || !key.ends_with(b"==") {
        return Err(Refused(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key has to be sixteen bytes in base 64"));
    }
    // RFC 7118 §4.1: the client names `sip`, and so do we in our answer, or it closes.
    if !has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Refused(StatusCode::BAD_REQUEST, "Sec-WebSocket-Protocol has to name `sip` (RFC 7118)"));
    }
    let accept = HeaderValue::try_from(derive_accept_key(key))
        .map_err(|_| Refused(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key cannot be answered"))?;
    let answer = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, answer).into_response())
}

/// Whether a comma-separated header names this token.
fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tokens.any(|one| one.trim().eq_ignore_ascii_case(token))
}

/// No WebSocket, with the status and a sentence.
struct Refused(StatusCode, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.0, format!("{}\n", self.1)).into_response();
        let headers = response.headers_mut();
        if self.0 == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pairs: &[(&str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        match handshake(&Method::GET, &headers) {
            Ok(answer) => answer.status().as_u16(),
            Err(Refused(status, _)) => status.as_u16(),
        }
    }

    #[test]
    fn only_a_whole_handshake_that_names_sip_is_answered() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "chat, sip"),
        ];
        assert_eq!(status(&good), 101);
        for (without, expect) in [(0, 426), (1, 426), (2, 426), (3, 400), (4, 400)] {
            let rest: Vec<_> =
                good.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, p)| *p).collect();
            assert_eq!(status(&rest), expect, "without {}", good[without].0);
        }
        for (at, value, expect) in [(2, "8", 426), (3, "short", 400), (4, "sips", 400), (4, "", 400)] {
            let mut other = good;
            other[at].1 = value;
            assert_eq!(status(&other), expect, "{:?}", other[at]);
        }
        // RFC 6455 §1.3, its own example.
        let mut headers = HeaderMap::new();
        for (name, value) in good {
            headers.append(header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let answer = handshake(&Method::GET, &headers).ok().unwrap();
        assert_eq!(answer.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
