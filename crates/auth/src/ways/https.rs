//! Small questions to a provider over HTTPS: one request, one answer of limited size, no redirects, nothing without TLS.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Discovery documents and key sets have a few kilobytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What went wrong, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) String);

pub(super) struct Https {
    tls: TlsConnector,
    timeout: Duration,
}

impl Https {
    pub(super) fn new(tls: Arc<rustls::ClientConfig>, timeout: Duration) -> Https {
        Https { tls: TlsConnector::from(tls), timeout }
    }

    pub(super) async fn get(&self, url: &str) -> Result<Response<Bytes>, Unreachable> {
        let request = Request::get(url).header(header::ACCEPT, "application/json").body(Body::empty());
        self.send(request.map_err(|error| Unreachable(format!("{url}: {error}")))?).await
    }

    /// The answer, whatever its status.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Bytes>, Unreachable> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Unreachable(format!("{host}: {error}"))),
            Err(_) => Err(Unreachable(format!("{host}: no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Bytes>, String> {
        if request.uri().scheme_str() != Some("https") {
            return Err("only https:// is asked".into());
        }
        let authority = request.uri().authority().ok_or("no host is named")?.clone();
        // Brackets belong to the address in a URL, not to its name in a certificate.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(443);
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, tcp).await.map_err(|error| error.to_string())?;
        let host = HeaderValue::try_from(match authority.port_u16() {
            None => authority.host().to_owned(),
            Some(port) => format!("{}:{port}", authority.host()),
        });
        request.headers_mut().insert(header::HOST, host.map_err(|error| error.to_string())?);
        // RFC 9112 §3.2.1: to an origin server goes the path alone.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse().map_err(|_| "the address has no path")?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let driver = tokio::spawn(connection);
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (parts, body) = answer.into_parts();
            let body =
                to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
            Ok(Response::from_parts(parts, body))
        };
        let answer = answer.await;
        driver.abort();
        answer
    }
}
