//! Which file answers which address. Hashed names are kept for a year; the page itself is asked for again each time
//! and answered by 304 when it is the same.

use crate::headers::security_headers;
use axum::{Router, body::Body, response::Response, routing::get};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// Where vite puts files whose names carry the hash of their content.
const HASHED: &str = "assets/";
/// A year, the longest that RFC 9111 caches are asked to keep; the name changes when the content does.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Keep, but ask each time whether it is still the same (RFC 9111 §5.2.2.4).
const ASK_AGAIN: &str = "no-cache";

/// Shown when the program was compiled before the pages were built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Hotseat: pages not built</title>\
<h1>The pages are not built yet</h1><p>Run <code>scripts/build-web</code> (needs Node 20.19 or newer), then build \
Hotseat again. The API and SIP work without them.</p></html>\n";

/// Whether the real pages are embedded, for `check` and the log line at the start.
pub fn are_built() -> bool {
    Dist::get("index.html").is_some()
}

/// Serves the pages under any path. Meant as the fallback of the HTTP server's router; `/api` and other doors of the
/// server come before it, and what nobody claimed under `/api` is not a page.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().fallback(get(page))
}

async fn page(uri: Uri, headers: HeaderMap) -> Response {
    answer(&choose(uri.path()), &headers)
}

/// What a path means, before anything is sent.
#[derive(Debug, PartialEq)]
enum Choice {
    /// A file of `dist`, by its name there.
    File(String),
    /// An address inside the page: the page itself, which then reads the address.
    Index,
    Missing,
}

fn choose(path: &str) -> Choice {
    let name = path.trim_start_matches('/');
    if name == "api" || name.starts_with("api/") {
        return Choice::Missing;
    }
    // The packed twins exist only through Accept-Encoding.
    if !name.is_empty() && !is_packed(name) && Dist::get(name).is_some() {
        return Choice::File(name.to_owned());
    }
    // A last segment with a dot is a file that is not there, not a place in the page: a missing script must not be
    // answered by HTML.
    let last = name.rsplit('/').next().unwrap_or(name);
    if name.starts_with(HASHED) || last.contains('.') { Choice::Missing } else { Choice::Index }
}

fn is_packed(name: &str) -> bool {
    name.ends_with(".br") || name.ends_with(".gz")
}

fn answer(choice: &Choice, asked: &HeaderMap) -> Response {
    let name = match choice {
        Choice::File(name) => name.as_str(),
        Choice::Index => "index.html",
        Choice::Missing => {
            return send(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", Cow::Borrowed(b"Not found.\n"));
        }
    };
    let Some(plain) = Dist::get(name) else {
        return send(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            Cow::Borrowed(NOT_BUILT.as_bytes()),
        );
    };
    let (encoding, file) = packed(name, asked).unwrap_or(("", plain));
    let etag = etag(&file, encoding);
    let mut response = if asked_for_same(asked, &etag) {
        // RFC 9110 §15.4.5: no content, but the headers that steer caches.
        send(StatusCode::NOT_MODIFIED, content_type(name), Cow::Borrowed(&[]))
    } else {
        send(StatusCode::OK, content_type(name), file.data)
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    let keep = if name.starts_with(HASHED) { FOREVER } else { ASK_AGAIN };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !encoding.is_empty() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The packed twin that the build wrote beside a file, if the browser takes it.
fn packed(name: &str, asked: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let accepts = asked.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(coding, _)| takes(accepts, coding))
        .find_map(|(coding, suffix)| Some((coding, Dist::get(&format!("{name}{suffix}"))?)))
}

/// RFC 9110 §12.5.3: a coding is taken when it is listed and its weight is not zero.
fn takes(accepts: &str, coding: &str) -> bool {
    accepts.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|c| c.eq_ignore_ascii_case(coding));
        let refused =
            parts.any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
        named && !refused
    })
}

/// The SHA-256 that was computed at build time; the encodings are different bytes and have different tags
/// (RFC 9110 §8.8.3.3).
fn etag(file: &EmbeddedFile, encoding: &str) -> String {
    let hash = file.metadata.sha256_hash();
    let mut tag = String::with_capacity(40);
    tag.push('"');
    for byte in &hash[..12] {
        tag.push_str(&format!("{byte:02x}"));
    }
    if !encoding.is_empty() {
        tag.push('-');
        tag.push_str(encoding);
    }
    tag.push('"');
    tag
}

/// RFC 9110 §13.1.2, weak comparison.
fn asked_for_same(asked: &HeaderMap, etag: &str) -> bool {
    asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => "application/octet-stream",
    }
}

fn send(status: StatusCode, content_type: &'static str, body: Cow<'static, [u8]>) -> Response {
    let body = match body {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(security_headers());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Overwritten for files; an error or the not-built page must not stay in a cache.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_page_get_the_page_and_missing_files_do_not() {
        for path in ["/", "/login", "/help", "/logged-out", "/some/deep/link"] {
            assert_eq!(choose(path), Choice::Index, "{path}");
        }
        for path in
            ["/assets/gone-123.js", "/assets/x", "/favicon.xyz", "/api", "/api/phones", "/../etc/passwd.txt"]
        {
            assert_eq!(choose(path), Choice::Missing, "{path}");
        }
    }

    #[test]
    fn a_path_cannot_leave_the_folder() {
        for path in ["/../Cargo.toml", "/assets/../../src/lib.rs", "//etc/hosts.txt", "/%2e%2e/Cargo.toml"] {
            assert_eq!(choose(path), Choice::Missing, "{path}");
        }
    }

    #[test]
    fn a_coding_is_taken_when_listed_and_not_refused() {
        assert!(takes("gzip, deflate, br", "br"));
        assert!(takes("GZIP;q=0.5", "gzip"));
        assert!(!takes("gzip, br;q=0", "br"));
        assert!(!takes("brotli", "br"));
        assert!(!takes("", "br"));
    }

    #[test]
    fn if_none_match_compares_weakly_and_reads_lists() {
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"a\", W/\"b\""));
        assert!(asked_for_same(&asked, "\"a\"") && asked_for_same(&asked, "\"b\""));
        assert!(!asked_for_same(&asked, "\"c\"") && !asked_for_same(&HeaderMap::new(), "\"a\""));
    }

    #[tokio::test]
    async fn the_page_comes_with_its_headers_also_when_it_is_not_built() {
        use tower::ServiceExt;
        let request = http::Request::get("/login").body(Body::empty()).expect("a fixed request");
        let response = router::<()>().oneshot(request).await.expect("infallible");
        let built = if are_built() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(response.status(), built);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], crate::CSP);
        if are_built() {
            assert_eq!(response.headers()[header::CACHE_CONTROL], ASK_AGAIN);
            let tag = response.headers()[header::ETAG].clone();
            let again = http::Request::get("/")
                .header(header::IF_NONE_MATCH, tag)
                .body(Body::empty())
                .expect("a fixed request");
            let again = router::<()>().oneshot(again).await.expect("infallible");
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        }
    }
}
