//! A URI as phones write it: sip, sips and tel in their parts, any other scheme as opaque text (RFC 3261 §19.1, RFC 3966).

use crate::ParseError;
use crate::message::digits;
use crate::values::{Params, halves};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parts of a URI, lying in somebody else's text. Escapes are left as they are; `unescape` where it matters.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// The whole URI as it stood there.
    pub text: &'a str,
    /// As written; compare without case.
    pub scheme: &'a str,
    /// User part of a sip URI, number of a tel URI.
    pub user: Option<&'a str>,
    pub password: Option<&'a str>,
    /// Host name or address, an IPv6 address without its brackets; the opaque part of other schemes.
    pub host: &'a str,
    pub port: Option<u16>,
    pub params: Params<'a>,
    /// What stands behind the question mark.
    pub headers: &'a str,
}

static FORBIDDEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = b <= 0x20 || b == 0x7f || matches!(b as u8, b'"' | b'<' | b'>' | b'\\');
        b += 1;
    }
    table
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

impl<'a> Uri<'a> {
    pub fn parse(text: &'a str) -> Result<Uri<'a>, ParseError> {
        let bad = ParseError::bad;
        let colon = memchr::memchr(b':', text.as_bytes()).ok_or(bad("URI Without A Scheme"))?;
        let (scheme, rest) = text.split_at_checked(colon).ok_or(bad("URI Without A Scheme"))?;
        let rest = rest.get(1..).unwrap_or("");
        let mut letters = scheme.bytes();
        let starts = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts || !letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
            return Err(bad("URI Without A Scheme"));
        }
        if rest.is_empty() {
            return Err(bad("Empty URI"));
        }
        // Blanks, controls, quotes and angle brackets belong to no URI (RFC 3986 §2); letters beyond ASCII must be
        // escaped, but phones send them and nothing breaks.
        if rest.bytes().any(|b| FORBIDDEN.get(usize::from(b)).copied().unwrap_or(true)) {
            return Err(bad("Forbidden Character In URI"));
        }
        let uri = Uri {
            text,
            scheme,
            user: None,
            password: None,
            host: rest,
            port: None,
            params: Params::default(),
            headers: "",
        };
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips => uri.sip(rest),
            Scheme::Tel => uri.tel(rest),
            Scheme::Other => Ok(uri),
        }
    }

    fn sip(mut self, rest: &'a str) -> Result<Uri<'a>, ParseError> {
        let bad = ParseError::bad;
        if !escapes_are_whole(rest) {
            return Err(bad("Broken Escape In URI"));
        }
        // RFC 3261 §25.1: the user part may hold `;`, `?` and `/`, so the `@` is looked for first.
        let hostport = match halves(rest, b'@') {
            Some((userinfo, hostport)) => {
                let (user, password) = match halves(userinfo, b':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (userinfo, None),
                };
                if user.is_empty() {
                    return Err(bad("Empty User In URI"));
                }
                self.user = Some(user);
                self.password = password;
                hostport
            }
            None => rest,
        };
        if memchr::memchr(b'@', hostport.as_bytes()).is_some() {
            return Err(bad("Two At Signs In URI"));
        }
        let (before, headers) = match halves(hostport, b'?') {
            Some((before, headers)) => (before, headers),
            None => (hostport, ""),
        };
        let (hostport, params) = match halves(before, b';') {
            Some((hostport, params)) => (hostport, params),
            None => (before, ""),
        };
        (self.host, self.port) = host_port(hostport).ok_or(bad("Bad Host In URI"))?;
        self.params = Params::of(params);
        self.headers = headers;
        Ok(self)
    }

    fn tel(mut self, rest: &'a str) -> Result<Uri<'a>, ParseError> {
        let (number, params) = halves(rest, b';').unwrap_or((rest, ""));
        if number.is_empty() {
            return Err(ParseError::bad("Empty Number In tel URI"));
        }
        self.user = Some(number);
        self.host = "";
        self.params = Params::of(params);
        Ok(self)
    }

    pub fn scheme(&self) -> Scheme {
        match self.scheme {
            s if s.eq_ignore_ascii_case("sip") => Scheme::Sip,
            s if s.eq_ignore_ascii_case("sips") => Scheme::Sips,
            s if s.eq_ignore_ascii_case("tel") => Scheme::Tel,
            _ => Scheme::Other,
        }
    }
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme(), Scheme::Sip | Scheme::Sips)
    }
    /// The user part with its escapes undone: what is dialled, who registers.
    pub fn user_unescaped(&self) -> Cow<'a, str> {
        self.user.map_or(Cow::Borrowed(""), unescape)
    }
    /// The host where it is an address.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }
    /// The port, or the one the scheme and transport imply (RFC 3261 §19.1.2).
    pub fn port_or_default(&self) -> u16 {
        let secure = self.scheme() == Scheme::Sips
            || self.params.get("transport").is_some_and(|t| t.eq_ignore_ascii_case("tls"));
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }
    /// `;lr` (RFC 3261 §19.1.1): the next hop routes loosely.
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }
    /// Headers as name and value, escapes undone.
    pub fn headers_unescaped(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        self.headers.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = halves(pair, b'=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
    }
    /// Digits of a phone number, with its leading `+`, without visual separators (RFC 3966 §5.1.1): from a tel URI, or the user
    /// part of a sip URI that looks like one.
    pub fn number(&self) -> Option<String> {
        let user = self.user_unescaped();
        let user = user.split(';').next().unwrap_or("");
        let plus = user.starts_with('+');
        let mut number = String::with_capacity(user.len());
        for c in user.chars() {
            match c {
                '+' if number.is_empty() && plus => number.push(c),
                '0'..='9' | '*' | '#' => number.push(c),
                '-' | '.' | '(' | ')' => {}
                _ => return None,
            }
        }
        (number.bytes().any(|b| b != b'+')).then_some(number)
    }
}

/// RFC 3261 §19.1.4: whether two URIs name the same thing.
impl PartialEq for Uri<'_> {
    fn eq(&self, other: &Uri<'_>) -> bool {
        // The same text is the same thing, even where it breaks the rules by naming a parameter twice.
        if self.text == other.text {
            return true;
        }
        let scheme = self.scheme();
        if scheme != other.scheme() || !self.scheme.eq_ignore_ascii_case(other.scheme) {
            return false;
        }
        match scheme {
            Scheme::Other => self.host == other.host,
            Scheme::Tel => self.number() == other.number() && same_params(&self.params, &other.params, &[]),
            Scheme::Sip | Scheme::Sips => {
                let same_text = |a: Option<&str>, b: Option<&str>| match (a, b) {
                    (Some(a), Some(b)) => a == b || normal(a) == normal(b),
                    (None, None) => true,
                    _ => false,
                };
                let same_host = match (self.host_ip(), other.host_ip()) {
                    (Some(a), Some(b)) => a == b,
                    (None, None) => self.host.eq_ignore_ascii_case(other.host),
                    _ => false,
                };
                same_text(self.user, other.user)
                    && same_text(self.password, other.password)
                    && same_host
                    && self.port == other.port
                    // These never match a URI that lacks them; all others do.
                    && same_params(&self.params, &other.params, &["user", "ttl", "method", "maddr", "transport"])
                    && same_headers(self, other)
            }
        }
    }
}

/// A parameter in both must be equal; one of `strict` must be in both or in neither.
fn same_params(a: &Params<'_>, b: &Params<'_>, strict: &[&str]) -> bool {
    let same = |x: &str, y: &str| normal(x).eq_ignore_ascii_case(&normal(y));
    let covers = |a: &Params<'_>, b: &Params<'_>| {
        a.iter().all(|(name, value)| match b.get(name) {
            Some(other) => same(value.unwrap_or(""), other),
            None => !strict.iter().any(|s| s.eq_ignore_ascii_case(name)),
        })
    };
    covers(a, b) && covers(b, a)
}

/// Headers are never ignored, their order is.
fn same_headers(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if a.headers.is_empty() && b.headers.is_empty() {
        return true;
    }
    sorted_headers(a) == sorted_headers(b)
}

fn sorted_headers<'a>(uri: &Uri<'a>) -> Vec<(String, Cow<'a, str>)> {
    let mut all: Vec<_> =
        uri.headers_unescaped().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    all.sort();
    all
}

/// The text with escapes of unreserved characters undone and the others in upper case, so that equal means equal.
fn normal(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = halves(rest, b'%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(b) if b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b) => out.push(char::from(b)),
            Some(b) => out.push_str(&format!("%{b:02X}")),
            None => out.push('%'),
        }
        rest = if code.is_some() { after.get(2..).unwrap_or("") } else { after };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Undoes `%HH`. What does not become UTF-8 stays escaped; so does NUL, which would end a string elsewhere.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let ahead = bytes.next_hex_pair();
        match ahead {
            Some(code) if byte == b'%' && code != 0 => {
                out.push(code);
                bytes.next();
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Escapes everything but unreserved characters (RFC 3261 §25.1), fit for a user part or a header in a URI.
pub fn escape(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()+".contains(&b);
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for b in text.bytes() {
        if plain(b) { out.push(char::from(b)) } else { out.push_str(&format!("%{b:02X}")) }
    }
    Cow::Owned(out)
}

trait Ahead {
    /// The two hex digits that come next, as a byte.
    fn next_hex_pair(&self) -> Option<u8>;
}
impl Ahead for std::str::Bytes<'_> {
    fn next_hex_pair(&self) -> Option<u8> {
        let mut ahead = self.clone();
        hex_pair(ahead.next()?, ahead.next()?)
    }
}

fn hex_pair(a: u8, b: u8) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    u8::try_from(digit(a)? * 16 + digit(b)?).ok()
}

fn escapes_are_whole(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some([a, b]) if hex_pair(*a, *b).is_some() => rest = rest.get(at + 3..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

/// `host [":" port]` with IPv6 in brackets, which are cut off (RFC 3261 §25.1; RFC 5118 §4.1 for bare forms).
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let (host, after) = halves(inside, b']')?;
        ipv6(host)?;
        match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':')?)),
        }
    } else {
        match halves(text, b':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || !(text.starts_with('[') || host.bytes().all(name)) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(port) => {
            let port = digits(port.as_bytes()).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)?;
            Some((host, Some(port)))
        }
    }
}

/// An address without brackets.
pub(crate) fn host_ip(host: &str) -> Option<IpAddr> {
    host.parse::<Ipv4Addr>().map(IpAddr::V4).ok().or_else(|| ipv6(host).map(IpAddr::V6))
}

/// RFC 5118 §4.10: the grammar of RFC 3261 allows `2001:db8:::192.0.2.1` by mistake; it means two colons.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (before, after) = text.split_once(":::")?;
    format!("{before}::{after}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn the_parts_of_a_uri() {
        let u = uri(
            "sips:ann%40home;x=1?:pass@[2001:db8::10]:5071;transport=TCP;lr?Subject=a%20b&Priority=urgent",
        );
        assert_eq!(
            (u.user, u.password, u.host, u.port),
            (Some("ann%40home;x=1?"), Some("pass"), "2001:db8::10", Some(5071))
        );
        assert_eq!(u.user_unescaped(), "ann@home;x=1?");
        assert_eq!(u.params.get("Transport"), Some("TCP"));
        assert!(u.is_loose_router());
        let headers: Vec<_> = u.headers_unescaped().collect();
        assert_eq!(headers, [("Subject".into(), "a b".into()), ("Priority".into(), "urgent".into())]);
        assert_eq!(uri("tel:+49-69-12(34);phone-context=x").number().as_deref(), Some("+49691234"));
        assert_eq!(uri("sip:2001@x").number().as_deref(), Some("2001"));
        assert_eq!(uri("sip:ann@x").number(), None);
        assert_eq!(uri("sip:x").user, None);
        assert_eq!(uri("urn:service:sos").scheme(), Scheme::Other);
        assert_eq!(uri("sips:x").port_or_default(), 5061);
        for bad in [
            "",
            "sip",
            "sip:",
            ":x",
            "1sip:x",
            "sip:@x",
            "sip:a@b@c",
            "sip:a b@c",
            "sip:x:99999",
            "sip:x:0",
            "sip:[::g]",
            "sip:[::1",
            "sip:a%4@x",
            "sip:a%zz@x",
            "<sip:x>",
            "sip:x:",
            "tel:",
            "sip:ho st",
        ] {
            assert!(Uri::parse(bad).is_err(), "{bad}");
        }
    }

    /// The examples of RFC 3261 §19.1.4.
    #[test]
    fn equality_follows_the_rfc() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
            ("sip:a@b;x=1;x=2", "sip:a@b;x=1;x=2"),
        ] {
            assert_eq!(uri(a), uri(b));
        }
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@x", "sips:a@x"),
            ("sip:a%2Bb@x", "sip:a%2Cb@x"),
        ] {
            assert_ne!(uri(a), uri(b), "{a} {b}");
        }
    }

    #[test]
    fn escapes_go_both_ways_and_nul_stays_out() {
        assert_eq!(unescape("a%20b%C3%BC"), "a b\u{fc}");
        assert_eq!(unescape("null-%00-null"), "null-%00-null");
        assert_eq!(unescape("%FF%"), "%FF%");
        assert_eq!(escape("+49 69#"), "+49%2069%23");
        assert_eq!(unescape(&escape("a;b@c\"\u{fc}")), "a;b@c\"\u{fc}");
    }
}
