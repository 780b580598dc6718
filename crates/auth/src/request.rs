//! Who is asking: the address behind the proxies, the page's origin, the cookie, the CSRF word.

use crate::refusal::{Reason, Refusal};
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use subtle::ConstantTimeEq;
use terms::Secret;

pub(crate) const COOKIE: &str = "__Host-hotseat";
pub(crate) const CSRF_HEADER: &str = "x-hotseat-csrf";
/// Proxies a request may have come through.
const HOPS_MAX: usize = 8;

/// A network of proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        let network = terms::TrunkMatch { network: self.address, prefix: self.prefix, port: None };
        network.matches(SocketAddr::new(ip, 0))
    }
}

/// The address the browser came from. `X-Forwarded-For` is read from the right and only as far as our own proxies wrote it;
/// what stands further left is whatever a stranger chose.
pub(crate) fn client(parts: &Parts, proxies: &[Network]) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let mut at = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
    let forwarded: Vec<&str> = parts
        .headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in forwarded.iter().rev().take(HOPS_MAX) {
        if !proxies.iter().any(|proxy| proxy.contains(at)) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(ip) => at = ip.to_canonical(),
            Err(_) => break,
        }
    }
    at
}

/// Whether the request may change something: browsers say where a page came from, and it must be us. Programs that are no
/// browsers send neither header and are not tricked by foreign pages.
pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap, origins: &[String]) -> Result<(), Refusal> {
    if let Some(site) = headers.get("sec-fetch-site")
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return Err(Reason::ForeignOrigin.into());
    }
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if is_own(origin, uri, headers, origins) => Ok(()),
        Some(_) => Err(Reason::ForeignOrigin.into()),
    }
}

/// A WebSocket is no cross-origin request in the eyes of the browser, so here the origin has to be there and be ours
/// (RFC 6455 §10.2).
pub(crate) fn require_origin(uri: &Uri, headers: &HeaderMap, origins: &[String]) -> Result<(), Refusal> {
    match headers.get(header::ORIGIN) {
        Some(origin) if is_own(origin, uri, headers, origins) => Ok(()),
        _ => Err(Reason::ForeignOrigin.into()),
    }
}

fn is_own(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap, origins: &[String]) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if !origins.is_empty() {
        return origins.iter().any(|own| own.eq_ignore_ascii_case(origin));
    }
    // HTTP/2 has no Host but an authority in the request line.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(|authority| authority.as_str()).or(host);
    origin.strip_prefix("https://").zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

/// A new 256-bit random word for a cookie or against CSRF; `None` when the system has no randomness to give.
pub fn random_token() -> Option<Secret> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

pub(crate) fn sha256(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose().as_bytes()).into()
}

/// The hash of the session cookie, where there is one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<[u8; 32]> {
    cookie_named(headers, COOKIE).map(|token| sha256(&token))
}

/// The first cookie of this name that is not empty.
pub(crate) fn cookie_named(headers: &HeaderMap, named: &str) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, value)| *name == named && !value.is_empty());
    ours.next().map(|(_, token)| Secret::new(token))
}

pub(crate) fn set_cookie(token: &Secret, lives: Duration) -> Option<HeaderValue> {
    let text = format!(
        "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
        token.expose(),
        lives.as_secs()
    );
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(crate) fn clear_cookie() -> HeaderValue {
    HeaderValue::from_static("__Host-hotseat=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// The header must repeat the word only our own page was told.
pub(crate) fn check_csrf(headers: &HeaderMap, csrf: &str) -> Result<(), Refusal> {
    let shown = headers.get(CSRF_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    match !csrf.is_empty() && bool::from(shown.ct_eq(csrf.as_bytes())) {
        true => Ok(()),
        false => Err(Reason::CsrfFailed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, forwarded: &[&str], proxies: &[Network]) -> String {
        let mut request = http::Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo::<SocketAddr>(format!("{peer}:1").parse().unwrap()));
        client(&parts, proxies).to_string()
    }

    #[test]
    fn forwarded_addresses_count_only_from_our_own_proxies() {
        let ours = [Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }];
        assert_eq!(from("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(from("192.0.2.1", &["203.0.113.9"], &ours), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9"], &ours), "203.0.113.9");
        assert_eq!(
            from("10.0.0.1", &["1.2.3.4, 203.0.113.9"], &ours),
            "203.0.113.9",
            "the left one is made up"
        );
        assert_eq!(from("10.0.0.1", &["203.0.113.9, 10.9.9.9"], &ours), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["1.2.3.4", "203.0.113.9"], &ours), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["nonsense"], &ours), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &[], &ours), "10.0.0.1");
    }

    #[test]
    fn a_page_from_elsewhere_is_told_apart() {
        let ask = |origin: &str, site: &str, origins: &[String]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "desk.example:8443".parse().unwrap());
            if !origin.is_empty() {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            if !site.is_empty() {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            check_origin(&Uri::from_static("/api/login"), &headers, origins).is_ok()
        };
        assert!(ask("", "", &[]));
        assert!(ask("https://desk.example:8443", "same-origin", &[]));
        assert!(ask("https://DESK.example:8443", "", &[]));
        assert!(!ask("http://desk.example:8443", "", &[]));
        assert!(!ask("https://desk.example", "", &[]));
        assert!(!ask("https://desk.example:8443.evil.example", "", &[]));
        assert!(!ask("null", "", &[]));
        assert!(!ask("https://desk.example:8443", "same-site", &[]));
        assert!(!ask("", "cross-site", &[]));
        let configured = ["https://hotseat.example".to_owned()];
        assert!(ask("https://hotseat.example", "", &configured));
        assert!(!ask("https://desk.example:8443", "", &configured), "a Host header proves nothing then");
    }
}
