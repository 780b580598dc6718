//! What every answer tells the browser to forbid: no inline script or style, no foreign origin, no framing.

use http::{HeaderName, HeaderValue};

/// The policy of all pages. Scripts, styles, pictures and connections come from our own origin only; `'self'` in
/// `connect-src` covers the WebSockets of the same host, events and SIP (CSP Level 3 §6.7.2.8).
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The headers of every answer, pages and API alike, as lower-case names and values. Applied by `router()` to the
/// pages; the HTTP server puts them on everything else, without doubling those already there.
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "microphone=(self), camera=(), geolocation=(), payment=(), usb=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000"),
];

/// `SECURITY_HEADERS` as the types a response takes.
pub(crate) fn security_headers() -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    SECURITY_HEADERS
        .iter()
        .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_well_formed_and_named_once() {
        let mut names: Vec<_> = security_headers().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names.len(), SECURITY_HEADERS.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), SECURITY_HEADERS.len());
    }

    #[test]
    fn a_page_may_speak_and_call_its_own_origin_and_nobody_else_may() {
        let permissions =
            SECURITY_HEADERS.iter().find(|(name, _)| *name == "permissions-policy").map(|h| h.1);
        assert!(permissions.is_some_and(|p| p.starts_with("microphone=(self), ")));
        assert!(CSP.split("; ").any(|d| d == "connect-src 'self'"));
    }

    #[test]
    fn nothing_inline_and_nothing_foreign_may_run() {
        for word in ["unsafe-inline", "unsafe-eval", "http:", "https:", "*"] {
            assert!(!CSP.contains(word), "{word}");
        }
        for directive in
            ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(CSP.split("; ").any(|d| d == directive), "{directive}");
        }
    }
}
