//! The HTTP side: HTTPS with everything on it, and plain HTTP that only sends people there.

use crate::core::CoreHandle;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsConfig, from_tcp_rustls};
use futures_util::future::BoxFuture;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use terms::BrowserAdmission;
use tower_http::limit::RequestBodyLimitLayer;

/// No request of ours carries more; a login is under a kilobyte.
const BODY_MAX: usize = 64 * 1024;
/// The head of a request must be there within this.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// A core that does not answer within this is not ready for calls.
const READY_MAX: Duration = Duration::from_secs(1);

/// Tells what the headers of a WebSocket's upgrade are worth: whose session, if any. Only whoever keeps the sessions knows.
pub type Admit = Arc<dyn Fn(Parts) -> BoxFuture<'static, BrowserAdmission> + Send + Sync>;

/// What the caller brings for HTTPS: the agents' API, and the word on who a WebSocket belongs to.
pub struct Web {
    pub api: Router,
    pub admit: Admit,
}

/// What `/readyz` looks at.
#[derive(Clone)]
pub struct Readiness {
    pub core: CoreHandle,
    pub draining: Arc<AtomicBool>,
}

/// Everything that HTTPS serves: `api` first, then SIP over WebSocket, then health, then the pages.
pub fn app(api: Router, sip: Router, pages: Router, readiness: Readiness) -> Router {
    let health = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(readiness);
    api.merge(sip)
        .merge(health)
        .merge(pages)
        .layer(RequestBodyLimitLayer::new(BODY_MAX))
        .layer(middleware::from_fn(secured))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.draining.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match tokio::time::timeout(READY_MAX, readiness.core.query(|_, _| ())).await {
        Ok(Ok(())) => "ready\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the core does not answer\n").into_response(),
    }
}

/// Puts the security headers on every answer that does not carry its own.
async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in desktop::SECURITY_HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Serves until the handle says stop.
pub async fn serve(
    listener: TcpListener,
    tls: RustlsConfig,
    app: Router,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    // Small SIP messages on their way to a browser must not wait for company.
    let mut server =
        from_tcp_rustls(listener, tls)?.map(|tls| tls.acceptor(NoDelayAcceptor::new())).handle(handle);
    // A peer that sends half a head, or nothing, holds a connection no longer than this.
    server = server.first_request_timeout(HEAD_MAX);
    server.http_builder().http1().timer(hyper_timer()).header_read_timeout(HEAD_MAX);
    server.serve(app.into_make_service_with_connect_info::<SocketAddr>()).await
}

fn hyper_timer() -> hyper_util::rt::TokioTimer {
    hyper_util::rt::TokioTimer::new()
}

/// What plain HTTP serves: pages move permanently, API calls are told what to do (SPEC A3).
pub fn insecure(public_url: String) -> Router {
    Router::new().fallback(move |uri: Uri| {
        let answer = send_on(&public_url, &uri);
        async move { answer }
    })
}

fn send_on(public_url: &str, uri: &Uri) -> Response {
    if uri.path().starts_with("/api/") {
        let sentence = format!(
            "Use HTTPS: {public_url}. Over plain HTTP nothing is answered, so that no password travels unprotected."
        );
        let body = serde_json::json!({ "reason": "insecure_transport", "sentence": sentence });
        return (StatusCode::FORBIDDEN, axum::Json(body)).into_response();
    }
    // The name is the configured one, never the Host header: nobody can make us send people elsewhere.
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    match HeaderValue::try_from(format!("{public_url}{path}")) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Serves plain HTTP until the handle says stop.
pub async fn serve_insecure(
    listener: TcpListener,
    public_url: String,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEAD_MAX);
    server.http_builder().http1().timer(hyper_timer()).header_read_timeout(HEAD_MAX);
    server.serve(insecure(public_url).into_make_service()).await
}

/// Serves SIP over WebSocket without TLS, and nothing else, until the handle says stop.
pub async fn serve_ws(listener: TcpListener, sip: Router, handle: Handle<SocketAddr>) -> std::io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(NoDelayAcceptor::new())
        .handle(handle)
        .first_request_timeout(HEAD_MAX);
    server.http_builder().http1().timer(hyper_timer()).header_read_timeout(HEAD_MAX);
    server.serve(sip.into_make_service_with_connect_info::<SocketAddr>()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_sent_on_and_api_calls_are_told_why() {
        let base = "https://desk.example:8443";
        let page = send_on(base, &"/login?next=%2F".parse().unwrap());
        assert_eq!(page.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(page.headers()[header::LOCATION], "https://desk.example:8443/login?next=%2F");
        assert_eq!(send_on(base, &"/api/login".parse().unwrap()).status(), StatusCode::FORBIDDEN);
    }
}
