//! Headers with a meaning of their own: addresses, Via, CSeq and the smaller ones, each read from one value.

use crate::message::{digits, is_token, unfold};
use crate::uri::{Uri, host_ip, host_port};
use crate::values::{Params, Values, at_blank, find_outside, halves, has_blank, quote_end, trim, unquote};
use crate::{Method, ParseError};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::net::IpAddr;

/// Contacts in one message; a device has one or two, a registrar lists at most a handful.
pub const CONTACTS_MAX: usize = 64;

/// `"Ann" <sip:2001@hotseat.test>;tag=1`: From, To, Contact, Route and their kin (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    /// Display name without its quotes, escapes left as they are; empty where there is none. See `name`.
    pub display: &'a str,
    /// The URI without brackets, as it stood there.
    pub uri: &'a str,
    /// Parameters of the header, not of the URI.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    pub fn parse(text: &'a str) -> Result<NameAddr<'a>, ParseError> {
        NameAddr::split(text)?.checked()
    }

    /// Finds the parts without looking whether URI and parameters are well formed.
    pub(crate) fn split(text: &'a str) -> Result<NameAddr<'a>, ParseError> {
        let bad = ParseError::bad;
        let text = trim(text);
        if let Some(quoted) = text.strip_prefix('"') {
            let end = quote_end(quoted).ok_or(bad("Quote Does Not End"))?;
            let display = quoted.get(..end).unwrap_or("");
            let rest = trim(quoted.get(end + 1..).unwrap_or(""));
            return NameAddr::bracketed(display, rest).ok_or(bad("Address Without Angle Brackets"))?;
        }
        match memchr::memchr(b'<', text.as_bytes()) {
            // RFC 3261 §20: without brackets every parameter is the header's, and no comma or question mark is allowed.
            None => {
                let (uri, params) = halves(text, b';').unwrap_or((text, ""));
                let uri = trim(uri);
                if uri.bytes().any(|b| matches!(b, b'?' | b',' | b'>' | b'"')) {
                    return Err(bad("URI Needs Angle Brackets"));
                }
                Ok(NameAddr { display: "", uri, params: Params::of(params) })
            }
            Some(at) => {
                let (display, rest) = text.split_at_checked(at).ok_or(bad("Bad Address"))?;
                // RFC 4475 §3.1.2.15: a name that is not made of tokens belongs in quotes. Phones send `Müller (1)` bare, so only
                // what would be read as something else is refused.
                if display.bytes().any(|b| matches!(b, b'"' | b'>' | b',' | b';' | b'\\')) {
                    return Err(bad("Display Name Needs Quotes"));
                }
                NameAddr::bracketed(trim(display), rest).ok_or(bad("Angle Bracket Does Not End"))?
            }
        }
    }

    /// Like `parse`; a display name in another charset than UTF-8 is left out, the address still counts.
    pub fn parse_bytes(bytes: &'a [u8]) -> Result<NameAddr<'a>, ParseError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => NameAddr::parse(text),
            Err(_) => {
                let from = match bytes.strip_prefix(b"\"") {
                    Some(quoted) => {
                        let mut escaped = false;
                        let end = quoted.iter().position(|b| match b {
                            _ if escaped => {
                                escaped = false;
                                false
                            }
                            b'\\' => {
                                escaped = true;
                                false
                            }
                            b => *b == b'"',
                        });
                        end.map(|end| end + 2)
                    }
                    None => memchr::memchr(b'<', bytes),
                };
                let rest = from.and_then(|from| bytes.get(from..)).unwrap_or_default();
                let rest = std::str::from_utf8(rest).map_err(|_| ParseError::bad("Address Is Not UTF-8"))?;
                NameAddr::parse(rest)
            }
        }
    }

    fn bracketed(display: &'a str, rest: &'a str) -> Option<Result<NameAddr<'a>, ParseError>> {
        let (uri, params) = halves(rest.strip_prefix('<')?, b'>')?;
        let params = trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return Some(Err(ParseError::bad("Rubbish Behind An Address")));
        }
        Some(Ok(NameAddr { display, uri, params: Params::of(params) }))
    }

    fn checked(self) -> Result<NameAddr<'a>, ParseError> {
        // RFC 4475 §3.1.2.14: blanks inside the brackets are refused by `Uri::parse` with everything else.
        Uri::parse(self.uri)?;
        if !self.params.are_well_formed() {
            return Err(ParseError::bad("Malformed Parameters"));
        }
        Ok(self)
    }

    /// The display name for people and logs: escapes undone, folds and controls removed.
    pub fn name(&self) -> Cow<'a, str> {
        if !self.display.contains(|c: char| c == '\\' || c.is_control()) {
            return Cow::Borrowed(self.display);
        }
        let unfolded = unfold(self.display);
        let mut out = String::with_capacity(unfolded.len());
        let mut chars = unfolded.chars();
        while let Some(c) = chars.next() {
            let c = if c == '\\' { chars.next() } else { Some(c) };
            out.extend(c.filter(|c| !c.is_control()));
        }
        Cow::Owned(out)
    }
    /// The URI in its parts. It was read once when the address was.
    pub fn uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri).ok()
    }
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
    /// `+sip.instance` of a Contact, with its angle brackets inside (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<&'a str> {
        self.params.get("+sip.instance")
    }
    pub fn reg_id(&self) -> Option<u32> {
        digits(self.params.get("reg-id")?.as_bytes()).and_then(|n| u32::try_from(n).ok())
    }
    /// Seconds of a Contact; a value that cannot be read counts as 3600 (RFC 3261 §10.2.1.1).
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").map(expires_or_hour)
    }
    /// Preference of a Contact in thousandths, 1000 where it is absent or cannot be read (RFC 3261 §20.10).
    pub fn q_milli(&self) -> u16 {
        self.params.get("q").and_then(q_milli).unwrap_or(1000)
    }
}

fn q_milli(text: &str) -> Option<u16> {
    let (whole, fraction) = halves(text, b'.').unwrap_or((text, ""));
    let whole = digits(whole.as_bytes()).or(whole.is_empty().then_some(0))?;
    let mut milli = 0u16;
    let mut weight = 100u16;
    for b in fraction.bytes() {
        let digit = b.is_ascii_digit().then(|| u16::from(b - b'0'))?;
        milli += digit * weight;
        weight /= 10;
    }
    match whole {
        0 => Some(milli),
        1 if milli == 0 => Some(1000),
        _ => None,
    }
}

/// Seconds, or the hour RFC 3261 §10.2.1.1 puts in place of a malformed value.
pub(crate) fn expires_or_hour(text: &str) -> u32 {
    digits(text.as_bytes()).and_then(|n| u32::try_from(n).ok()).unwrap_or(3600)
}

/// The Contact headers of a message, taken together (RFC 3261 §10.3 step 6).
#[derive(Clone, Debug)]
pub enum Contacts<'a> {
    /// `*`: all of them, in a REGISTER that removes.
    Star,
    List(SmallVec<[NameAddr<'a>; 2]>),
}

impl<'a> Contacts<'a> {
    /// Reads all Contact lines; none is an empty list. What is `known` to be well formed is not looked at again.
    pub(crate) fn read(
        lines: impl Iterator<Item = &'a [u8]>,
        known: bool,
    ) -> Result<Contacts<'a>, ParseError> {
        let mut list = SmallVec::new();
        let mut star = false;
        for line in lines {
            let Ok(text) = std::str::from_utf8(line) else {
                list.push(NameAddr::parse_bytes(line)?);
                continue;
            };
            for value in Values::of(text) {
                if value == "*" {
                    star = true;
                    continue;
                }
                if list.len() >= CONTACTS_MAX {
                    return Err(ParseError::bad("Too Many Contacts"));
                }
                list.push(if known { NameAddr::split(value)? } else { NameAddr::parse(value)? });
            }
        }
        match (star, list.is_empty()) {
            (false, _) => Ok(Contacts::List(list)),
            (true, true) => Ok(Contacts::Star),
            (true, false) => Err(ParseError::bad("Star Beside Other Contacts")),
        }
    }
}

/// One Via value (RFC 3261 §20.42): the way a response takes back.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS`, `SCTP`, … as written.
    pub transport: &'a str,
    /// Name or address, an IPv6 address without its brackets. JsSIP writes `xyz.invalid` (RFC 7118 §5.2).
    pub host: &'a str,
    pub port: Option<u16>,
    pub params: Params<'a>,
    /// The whole value as it stood there.
    pub text: &'a str,
}

impl<'a> Via<'a> {
    pub fn parse(text: &'a str) -> Result<Via<'a>, ParseError> {
        Via::read(text, false)
    }

    pub(crate) fn read(text: &'a str, known: bool) -> Result<Via<'a>, ParseError> {
        let bad = ParseError::bad("Malformed Via");
        let text = trim(text);
        let (head, params) = match halves(text, b';') {
            Some((head, params)) => (head, Params::of(params)),
            None => (text, Params::default()),
        };
        // RFC 3261 §25.1: SIP / 2.0 / UDP LWS host [: port], with blanks around the slashes and the colon.
        let (name, rest) = halves(head, b'/').ok_or(bad.clone())?;
        let (version, rest) = halves(rest, b'/').ok_or(bad.clone())?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return Err(bad);
        }
        let rest = trim(rest);
        let (transport, sent_by) = at_blank(rest).ok_or(bad.clone())?;
        if transport.is_empty() || !transport.bytes().all(is_token) {
            return Err(bad);
        }
        let (host, port) = sent_by_parts(trim(sent_by)).ok_or(bad.clone())?;
        if !known && !params.are_well_formed() {
            return Err(bad);
        }
        Ok(Via { transport, host, port, params, text })
    }

    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|b| !b.is_empty())
    }
    /// A branch that is unique in time and space (RFC 3261 §8.1.1.7): begins with the cookie and has something behind it.
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch()
            .and_then(|b| b.get(..7).zip(b.get(7..)))
            .is_some_and(|(cookie, rest)| cookie.eq_ignore_ascii_case("z9hG4bK") && !rest.is_empty())
    }
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(host_ip)
    }
    /// RFC 3581: `Some(None)` asks for it, `Some(Some(port))` carries it.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|port| digits(port.as_bytes()).and_then(|n| u16::try_from(n).ok()))
    }
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }
    /// The port a response goes to without rport (RFC 3261 §18.2.2).
    pub fn port_or_default(&self) -> u16 {
        let secure = self.transport.eq_ignore_ascii_case("TLS") || self.transport.eq_ignore_ascii_case("WSS");
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }
}

/// Host and port with blanks allowed around the colon (RFC 3261 §25.1 `sent-by`).
fn sent_by_parts(text: &str) -> Option<(&str, Option<u16>)> {
    if !has_blank(text) {
        return host_port(text);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (trim(host), Some(trim(port))),
        _ => (text, None),
    };
    let (host, _) = host_port(host).filter(|(_, port)| port.is_none())?;
    match port {
        None => Some((host, None)),
        Some(port) => Some((host, Some(digits(port.as_bytes()).and_then(|n| u16::try_from(n).ok())?))),
    }
}

/// `4711 INVITE` (RFC 3261 §20.16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    pub fn parse(text: &'a str) -> Result<CSeq<'a>, ParseError> {
        let bad = ParseError::bad("Malformed CSeq");
        let (number, method) = at_blank(text).ok_or(bad.clone())?;
        let method = trim(method);
        let number = digits(number.as_bytes()).filter(|n| *n < 1 << 31).ok_or(bad.clone())?;
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(bad);
        }
        Ok(CSeq { number: number as u32, method })
    }
    pub fn method(&self) -> Option<Method> {
        crate::message::method_of(self.method)
    }
}

/// `776656 1 INVITE`: the provisional response a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RAck<'a> {
    pub rseq: u32,
    pub cseq: u32,
    pub method: &'a str,
}

impl<'a> RAck<'a> {
    pub fn parse(text: &'a str) -> Result<RAck<'a>, ParseError> {
        let bad = ParseError::bad("Malformed RAck");
        let mut parts = text.split_ascii_whitespace();
        let mut number = || digits(parts.next()?.as_bytes()).and_then(|n| u32::try_from(n).ok());
        let (rseq, cseq) = (number().ok_or(bad.clone())?, number().ok_or(bad.clone())?);
        match (parts.next(), parts.next()) {
            (Some(method), None) if method.bytes().all(is_token) => Ok(RAck { rseq, cseq, method }),
            _ => Err(bad),
        }
    }
}

/// `1800;refresher=uac` (RFC 4028 §4).
#[derive(Clone, Copy, Debug)]
pub struct SessionExpires<'a> {
    pub seconds: u32,
    pub params: Params<'a>,
}

impl<'a> SessionExpires<'a> {
    pub fn parse(text: &'a str) -> Result<SessionExpires<'a>, ParseError> {
        let (number, params) = halves(text, b';').unwrap_or((text, ""));
        let seconds = digits(trim(number).as_bytes()).and_then(|n| u32::try_from(n).ok());
        let seconds = seconds.ok_or(ParseError::bad("Malformed Session-Expires"))?;
        Ok(SessionExpires { seconds, params: Params::of(params) })
    }
    /// `uac` or `uas`.
    pub fn refresher(&self) -> Option<&'a str> {
        self.params.get("refresher")
    }
}

/// `Q.850;cause=17;text="Busy"` (RFC 3326 §2).
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    pub protocol: &'a str,
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    pub fn parse(text: &'a str) -> Option<Reason<'a>> {
        let (protocol, params) = halves(text, b';').unwrap_or((text, ""));
        let protocol = trim(protocol);
        (!protocol.is_empty()).then_some(Reason { protocol, params: Params::of(params) })
    }
    pub fn cause(&self) -> Option<u16> {
        digits(self.params.get("cause")?.as_bytes()).and_then(|n| u16::try_from(n).ok())
    }
    pub fn text(&self) -> Option<&'a str> {
        self.params.get("text")
    }
}

/// `application/sdp;charset=utf-8` (RFC 3261 §20.15).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    pub kind: &'a str,
    pub sub: &'a str,
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    pub fn parse(text: &'a str) -> Result<MediaType<'a>, ParseError> {
        let bad = ParseError::bad("Malformed Content-Type");
        let (head, params) = halves(text, b';').unwrap_or((text, ""));
        let (kind, sub) = halves(head, b'/').ok_or(bad.clone())?;
        let (kind, sub, params) = (trim(kind), trim(sub), Params::of(params));
        let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        if token(kind) && token(sub) { Ok(MediaType { kind, sub, params }) } else { Err(bad) }
    }
    pub fn is(&self, kind: &str, sub: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.sub.eq_ignore_ascii_case(sub)
    }
}

/// `call-id;to-tag=…;from-tag=…;early-only` (RFC 3891 §6.1).
#[derive(Clone, Copy, Debug)]
pub struct Replaces<'a> {
    pub call_id: &'a str,
    pub to_tag: &'a str,
    pub from_tag: &'a str,
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    pub fn parse(text: &'a str) -> Option<Replaces<'a>> {
        let (call_id, params) = halves(text, b';')?;
        let params = Params::of(params);
        Some(Replaces {
            call_id: trim(call_id),
            to_tag: params.get("to-tag")?,
            from_tag: params.get("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

/// `refer;id=93809824` (RFC 6665 §8.4).
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub package: &'a str,
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    pub fn parse(text: &'a str) -> Option<Event<'a>> {
        let (package, params) = halves(text, b';').unwrap_or((text, ""));
        let package = trim(package);
        (!package.is_empty()).then_some(Event { package, params: Params::of(params) })
    }
}

/// `Digest username="ann", realm="x", …`: a scheme and its parameters (RFC 3261 §25.1 `challenge`, `credentials`).
#[derive(Clone, Copy, Debug)]
pub struct AuthHeader<'a> {
    pub scheme: &'a str,
    text: &'a str,
}

impl<'a> AuthHeader<'a> {
    pub fn parse(text: &'a str) -> Result<AuthHeader<'a>, ParseError> {
        let bad = ParseError::bad("Malformed Authorization");
        let text = trim(text);
        let (scheme, text) = at_blank(text).unwrap_or((text, ""));
        if scheme.is_empty() || !scheme.bytes().all(is_token) || find_outside(text, 0).is_err() {
            return Err(bad);
        }
        Ok(AuthHeader { scheme, text: trim(text) })
    }
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
    /// What follows the scheme, for schemes that carry one token (`Bearer`).
    pub fn token(&self) -> &'a str {
        self.text
    }
    /// A parameter without its quotes, escapes left as they are.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        Values::of(self.text).filter_map(|value| {
            let (name, value) = halves(value, b'=')?;
            Some((trim(name), unquote(trim(value))))
        })
    }
}
