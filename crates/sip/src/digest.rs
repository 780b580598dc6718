//! Digest, RFC 7616 and RFC 8760: challenge, check, answer. The server keeps no table of nonces: a nonce says when it was made
//! and proves by a keyed hash that we made it, for this realm and this flow.

use crate::headers::AuthHeader;
use crate::message::Name;
use crate::nonce::{Nonce, NonceMaker, NonceWindow};
use crate::uri::Uri;
use crate::{Message, ParseError};
use md5::Md5;
use sha2::Sha256;
use std::borrow::Cow;
use std::time::Duration;
use subtle::ConstantTimeEq;
use terms::{Flow, Ha1, Secret, Transport, WallTime};

/// The hash a challenge names and an answer uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// The token on the wire (RFC 8760 §2.1).
    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }
    /// `-sess` variants and unknown hashes are `None`: we never offer them.
    pub fn of(token: &str) -> Option<Algorithm> {
        [Algorithm::Sha256, Algorithm::Md5].into_iter().find(|a| a.token().eq_ignore_ascii_case(token))
    }
    /// H(parts joined with colons), as lower-case hex.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Algorithm::Sha256 => Hex::of(&joined::<Sha256>(parts)),
            Algorithm::Md5 => Hex::of(&joined::<Md5>(parts)),
        }
    }
    fn ha1(self, ha1: &Ha1) -> Hex {
        match self {
            Algorithm::Sha256 => Hex::of(&ha1.sha256),
            Algorithm::Md5 => Hex::of(&ha1.md5),
        }
    }
}

fn joined<D: sha2::Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

/// Up to 32 bytes as hex, without the heap.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    text: [u8; 64],
    length: usize,
}

impl Hex {
    pub(crate) fn of(bytes: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { text: [0; 64], length: (bytes.len() * 2).min(64) };
        for (pair, byte) in hex.text.chunks_exact_mut(2).zip(bytes) {
            if let [high, low] = pair {
                (*high, *low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            }
        }
        hex
    }
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// What is stored instead of a password (RFC 7616 §3.4.2): H(username:realm:password) for each algorithm.
pub fn ha1(username: &str, realm: &str, password: &Secret) -> Ha1 {
    let parts: [&[u8]; 3] = [username.as_bytes(), realm.as_bytes(), password.expose().as_bytes()];
    Ha1 { md5: joined::<Md5>(&parts).into(), sha256: joined::<Sha256>(&parts).into() }
}

/// RFC 7616 §3.4.1: the response for `qop=auth`, or the old form of RFC 2069 where `qop` is `None` (never accepted by
/// `Guard`, still asked of us by old trunks).
fn response(algorithm: Algorithm, ha1: &Ha1, ask: &Ask<'_>) -> Hex {
    let ha2 = match ask.body {
        // RFC 7616 §3.4.3: auth-int covers the body.
        Some(body) if ask.qop == Some("auth-int") => {
            let body = algorithm.hash(&[body]);
            algorithm.hash(&[ask.method.as_bytes(), ask.uri.as_bytes(), body.as_bytes()])
        }
        _ => algorithm.hash(&[ask.method.as_bytes(), ask.uri.as_bytes()]),
    };
    let ha1 = algorithm.ha1(ha1);
    match ask.qop {
        Some(qop) => algorithm.hash(&[
            ha1.as_bytes(),
            ask.nonce.as_bytes(),
            ask.nc.as_bytes(),
            ask.cnonce.as_bytes(),
            qop.as_bytes(),
            ha2.as_bytes(),
        ]),
        None => algorithm.hash(&[ha1.as_bytes(), ask.nonce.as_bytes(), ha2.as_bytes()]),
    }
}

/// What goes into a response besides the secret, each as it stands on the wire.
struct Ask<'a> {
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    nc: &'a str,
    cnonce: &'a str,
    qop: Option<&'a str>,
    body: Option<&'a [u8]>,
}

/// Whose question it is: the answerer of the request (401) or a proxy on its way (407).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Server,
    Proxy,
}

impl Role {
    pub fn status(self) -> u16 {
        match self {
            Role::Server => 401,
            Role::Proxy => 407,
        }
    }
    pub fn challenge_header(self) -> Name {
        match self {
            Role::Server => Name::WwwAuthenticate,
            Role::Proxy => Name::ProxyAuthenticate,
        }
    }
    pub fn credentials_header(self) -> Name {
        match self {
            Role::Server => Name::Authorization,
            Role::Proxy => Name::ProxyAuthorization,
        }
    }
}

/// What a request's credentials turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Ok {
        username: String,
    },
    /// The secret is known, the nonce is too old, from another flow or another life of ours: challenge with `stale=true`.
    Stale {
        username: String,
    },
    /// Unknown user or wrong secret, which nobody can tell apart. Challenge, and count it.
    Wrong {
        username: String,
    },
    /// This nonce count was used before: somebody sent the same credentials twice. Challenge with `stale=true`.
    Replayed {
        username: String,
    },
    /// No digest credentials for our realm: challenge.
    Missing,
    /// RFC 7616 §3.4: directives are missing or improper; answer 400.
    Malformed(ParseError),
}

impl Verdict {
    /// Whether the next challenge says `stale=true` (RFC 7616 §3.3): the phone tries again without asking a person.
    pub fn is_stale(&self) -> bool {
        matches!(self, Verdict::Stale { .. } | Verdict::Replayed { .. })
    }
}

/// Whoever asks for credentials: one realm, one key.
#[derive(Debug)]
pub struct Guard {
    realm: String,
    maker: NonceMaker,
    /// How long a nonce may be used. Phones register again every few minutes; a longer life saves them a round.
    pub nonce_life: Duration,
    /// Off where policy forbids MD5; phones that know nothing else stay outside then.
    pub allow_md5: bool,
}

impl Guard {
    /// The key is 32 bytes of chance, drawn at start; nonces of an earlier key are stale.
    pub fn new(realm: impl Into<String>, key: [u8; 32]) -> Guard {
        let maker = NonceMaker::new(key);
        Guard { realm: realm.into(), maker, nonce_life: Duration::from_secs(300), allow_md5: true }
    }
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Values for the challenge header, one line each, most wanted first: SHA-256 before MD5 (RFC 8760 §2.4). Over WebSocket
    /// MD5 alone: JsSIP and SIP.js keep one challenge header of several, the last, and give up if it is not MD5.
    /// `only_md5` says the same of another peer. Neither has an effect where MD5 is not allowed.
    pub fn challenges(&mut self, now: WallTime, flow: &Flow, stale: bool, only_md5: bool) -> Vec<String> {
        let nonce = self.maker.make(now, &self.realm, flow);
        let mut order = vec![Algorithm::Sha256];
        if self.allow_md5 {
            let web = matches!(flow.transport, Transport::Ws | Transport::Wss);
            order.push(Algorithm::Md5);
            order.retain(|algorithm| !(only_md5 || web) || *algorithm == Algorithm::Md5);
        }
        let realm = crate::quoted(&self.realm);
        let line = |algorithm: &Algorithm| {
            let stale = if stale { ", stale=true" } else { "" };
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\", qop=\"auth\", algorithm={}{stale}",
                algorithm.token()
            )
        };
        order.iter().map(line).collect()
    }

    /// Checks the credentials of a request. `lookup` gives what is stored for a username; for an unknown one the same work
    /// is done with a made-up secret, so that time tells nothing.
    pub fn check(
        &self,
        now: WallTime,
        flow: &Flow,
        request: &Message<'_>,
        role: Role,
        window: &mut NonceWindow,
        lookup: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        let credentials = match self.credentials(request, role) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return Verdict::Missing,
            Err(error) => return Verdict::Malformed(error),
        };
        let username = credentials.username.into_owned();
        let found = lookup(&username);
        let known = subtle::Choice::from(u8::from(found.is_some()));
        let secret = found.unwrap_or_else(|| self.nobody(&username));
        let expected = response(credentials.algorithm, &secret, &credentials.ask);
        let given = credentials.response.to_ascii_lowercase();
        if !bool::from(expected.as_bytes().ct_eq(given.as_bytes()) & known) {
            return Verdict::Wrong { username };
        }
        let Some(nonce) = self.maker.read(credentials.ask.nonce, &self.realm, flow) else {
            return Verdict::Stale { username };
        };
        match self.usable(now, &nonce) && !window.has_forgotten(&nonce) {
            false => Verdict::Stale { username },
            true if window.accept(now, self.nonce_life, &nonce, &username, credentials.nc) => {
                Verdict::Ok { username }
            }
            true => Verdict::Replayed { username },
        }
    }

    fn usable(&self, now: WallTime, nonce: &Nonce) -> bool {
        let age_s = now.unix_s().saturating_sub(nonce.made_s);
        // A nonce from the future means that the clock was set back; a minute of that is no reason to ask again.
        (-60..=i64::try_from(self.nonce_life.as_secs()).unwrap_or(i64::MAX)).contains(&age_s)
    }

    /// A secret nobody has, the same for the same name.
    fn nobody(&self, username: &str) -> Ha1 {
        let sha256 = self.maker.derive(b"nobody", username.as_bytes());
        let mut md5 = [0; 16];
        md5.iter_mut().zip(sha256).for_each(|(a, b)| *a = b);
        Ha1 { md5, sha256 }
    }

    /// The first Digest credentials for our realm; other schemes and realms are for somebody else (RFC 4475 §3.3.7).
    fn credentials<'m>(
        &self,
        request: &Message<'m>,
        role: Role,
    ) -> Result<Option<Credentials<'m>>, ParseError> {
        for line in request.headers(role.credentials_header()) {
            let header = AuthHeader::parse(line)?;
            if header.is("Digest") && header.get("realm").is_some_and(|r| unescaped(r) == self.realm) {
                return self.read(&header, request).map(Some);
            }
        }
        Ok(None)
    }

    fn read<'m>(
        &self,
        header: &AuthHeader<'m>,
        request: &Message<'m>,
    ) -> Result<Credentials<'m>, ParseError> {
        let bad = ParseError::bad;
        let mut seen: [Option<&str>; 8] = [None; 8];
        const NAMES: [&str; 8] = ["username", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"];
        for (name, value) in header.iter() {
            if let Some(at) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)) {
                // Two of one kind would let us check one and somebody else use the other.
                match seen.get_mut(at) {
                    Some(slot @ None) => *slot = Some(value),
                    _ => return Err(bad("Digest Directive Twice")),
                }
            }
        }
        let [username, nonce, uri, response, algorithm, qop, nc, cnonce] = seen;
        let algorithm = Algorithm::of(algorithm.unwrap_or("MD5"))
            .filter(|a| *a != Algorithm::Md5 || self.allow_md5)
            .ok_or(bad("Digest Algorithm Was Not Offered"))?;
        if qop != Some("auth") {
            // Without qop there is no nonce count, so a listener could say the same again (RFC 7616 §5.4).
            return Err(bad("Digest Needs qop=auth"));
        }
        let uri = uri.ok_or(bad("Digest Without uri"))?;
        // RFC 7616 §3.4.6: an answer for one request is no answer for another.
        let same = uri == request.uri()
            || matches!((Uri::parse(uri), Uri::parse(request.uri())), (Ok(a), Ok(b)) if a == b);
        if !same {
            return Err(bad("Digest uri Is Not The Request-URI"));
        }
        let nc_text = nc.ok_or(bad("Digest Without nc"))?;
        let hex = nc_text.len() == 8 && nc_text.bytes().all(|b| b.is_ascii_hexdigit());
        let nc = u32::from_str_radix(nc_text, 16).ok().filter(|n| hex && *n > 0);
        Ok(Credentials {
            username: unescaped(username.filter(|u| !u.is_empty()).ok_or(bad("Digest Without username"))?),
            algorithm,
            response: response.ok_or(bad("Digest Without response"))?,
            nc: nc.ok_or(bad("Digest nc Is Not Eight Hex Digits"))?,
            ask: Ask {
                method: request.method_text(),
                uri,
                nonce: nonce.ok_or(bad("Digest Without nonce"))?,
                nc: nc_text,
                cnonce: cnonce.filter(|c| !c.is_empty()).ok_or(bad("Digest Without cnonce"))?,
                qop: Some("auth"),
                body: None,
            },
        })
    }
}

struct Credentials<'m> {
    username: Cow<'m, str>,
    algorithm: Algorithm,
    response: &'m str,
    nc: u32,
    ask: Ask<'m>,
}

/// The inside of a quoted string with its escapes undone.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whoever has credentials and answers challenges: a trunk registration, a simulated phone.
#[derive(Clone, Debug)]
pub struct Answerer {
    username: String,
    password: Secret,
    /// Only this realm is answered; any where `None`. A trunk's secret must not go to whoever asks (RFC 7616 §5.8).
    pub realm: Option<String>,
    current: Option<Current>,
}

/// The challenge in use, kept for requests that follow.
#[derive(Clone, Debug)]
struct Current {
    role: Role,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    qop: Option<&'static str>,
    ha1: Ha1,
    nc: u32,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("the peer named no challenge we can answer")]
    NothingUsable,
    #[error("the peer refused our credentials")]
    Refused,
}

impl Answerer {
    pub fn new(username: impl Into<String>, password: Secret) -> Answerer {
        Answerer { username: username.into(), password, realm: None, current: None }
    }

    /// Takes the challenge of a 401 or 407. The strongest algorithm wins (RFC 8760 §2.4). The same nonce again without
    /// `stale` means that the secret is wrong. A new nonce may be an old one replaced, so whoever calls answers one
    /// challenge a request and takes the second as refusal; asking on would lock the account.
    pub fn challenged(&mut self, response: &Message<'_>) -> Result<(), NoAnswer> {
        let role = match response.status() {
            401 => Role::Server,
            407 => Role::Proxy,
            _ => return Err(NoAnswer::NothingUsable),
        };
        let mut best: Option<(Algorithm, AuthHeader<'_>)> = None;
        for line in response.headers(role.challenge_header()) {
            let Ok(header) = AuthHeader::parse(line) else { continue };
            let algorithm = Algorithm::of(header.get("algorithm").unwrap_or("MD5"));
            let ours =
                self.realm.as_deref().is_none_or(|r| header.get("realm").is_some_and(|h| unescaped(h) == r));
            let Some(algorithm) = algorithm.filter(|_| ours && header.is("Digest")) else { continue };
            if best.is_none_or(|(other, _)| other == Algorithm::Md5 && algorithm == Algorithm::Sha256) {
                best = Some((algorithm, header));
            }
        }
        let (algorithm, header) = best.ok_or(NoAnswer::NothingUsable)?;
        let nonce = header.get("nonce").ok_or(NoAnswer::NothingUsable)?;
        let qop = match header.get("qop") {
            None => None,
            Some(list) if list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")) => Some("auth"),
            Some(list) if list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth-int")) => {
                Some("auth-int")
            }
            Some(_) => return Err(NoAnswer::NothingUsable),
        };
        let stale = header.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        let realm = unescaped(header.get("realm").unwrap_or("")).into_owned();
        if self.current.as_ref().is_some_and(|c| c.nc > 0 && c.realm == realm && c.nonce == nonce && !stale) {
            return Err(NoAnswer::Refused);
        }
        let ha1 = ha1(&self.username, &realm, &self.password);
        let opaque = header.get("opaque").map(str::to_owned);
        self.current =
            Some(Current { role, realm, nonce: nonce.to_owned(), opaque, algorithm, qop, ha1, nc: 0 });
        Ok(())
    }

    /// Forgets the challenge; the next request goes out bare.
    pub fn forget(&mut self) {
        self.current = None;
    }

    /// Header name and value for the next request, `None` before the first challenge. `cnonce` is chance of the caller's,
    /// at least 64 bits of it. Each call counts one up.
    pub fn authorization(
        &mut self,
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: &str,
    ) -> Option<(&'static str, String)> {
        let current = self.current.as_mut()?;
        current.nc = current.nc.wrapping_add(1).max(1);
        let nc = format!("{:08x}", current.nc);
        let body = Some(body);
        let ask = Ask { method, uri, nonce: &current.nonce, nc: &nc, cnonce, qop: current.qop, body };
        let response = response(current.algorithm, &current.ha1, &ask);
        let mut value = format!(
            "Digest username={}, realm={}, nonce=\"{}\", uri=\"{uri}\", response=\"{}\", algorithm={}",
            crate::quoted(&self.username),
            crate::quoted(&current.realm),
            current.nonce,
            response.as_str(),
            current.algorithm.token(),
        );
        if let Some(qop) = current.qop {
            value.push_str(&format!(", qop={qop}, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &current.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        Some((current.role.credentials_header().text(), value))
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
