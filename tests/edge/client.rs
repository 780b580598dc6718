//! A SIP client made of strings, so that it can also say what no well-bred phone would.

// The interop ring uses a part of it.
#![allow(dead_code)]

use md5::{Digest, Md5};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const DOMAIN: &str = crate::lab::DOMAIN;

/// One UDP socket and what it needs to make requests that differ from each other.
pub struct Client {
    pub socket: UdpSocket,
    pub gateway: SocketAddr,
}

/// Numbers branches, Call-IDs and tags.
pub fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() << 16)
}

impl Client {
    pub fn new(gateway: SocketAddr) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        Client { socket, gateway }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    pub fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.gateway).expect("loopback takes it");
    }

    /// The next message within this time.
    pub fn receive(&self, within: Duration) -> Option<String> {
        let deadline = Instant::now() + within;
        let mut buffer = [0u8; 65_536];
        while Instant::now() < deadline {
            if let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                return Some(String::from_utf8_lossy(&buffer[..n]).into_owned());
            }
        }
        None
    }

    /// The final response to what was just sent, provisional ones skipped.
    pub fn answer(&self) -> Option<Reply> {
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            match self.receive(Duration::from_millis(500)).map(Reply) {
                Some(reply) if reply.status() >= 200 => return Some(reply),
                _ => {}
            }
        }
        None
    }

    pub fn ask(&self, text: &str) -> Option<Reply> {
        self.send(text);
        self.answer()
    }

    /// REGISTER for `user`, with these further header lines.
    pub fn register(&self, user: &str, call_id: &str, cseq: u32, more: &str) -> String {
        let me = self.address();
        format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{b};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag=f{b}\r\nTo: <sip:{user}@{DOMAIN}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{me}>;expires=300\r\n{more}Content-Length: 0\r\n\r\n",
            b = unique()
        )
    }

    /// Registers with this secret: the challenge, then its answer. The final response.
    pub fn registers(&self, user: &str, secret: &str) -> Option<Reply> {
        let call_id = format!("reg-{}", unique());
        let challenge = self.ask(&self.register(user, &call_id, 1, ""))?;
        if challenge.status() != 401 {
            return Some(challenge);
        }
        let credentials = challenge.credentials(user, secret, "REGISTER", &format!("sip:{DOMAIN}"), 1)?;
        self.ask(&self.register(user, &call_id, 2, &credentials))
    }

    /// A request of any method outside a dialog, from `user` to `uri`.
    pub fn request(&self, method: &str, user: &str, uri: &str, to: &str, more: &str) -> String {
        let me = self.address();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{b};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag=f{b}\r\nTo: {to}\r\nCall-ID: c{b}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{user}@{me}>\r\n{more}Content-Length: 0\r\n\r\n",
            b = unique()
        )
    }

    pub fn options(&self) -> Option<Reply> {
        let uri = format!("sip:{DOMAIN}");
        self.ask(&self.request("OPTIONS", "probe", &uri, &format!("<{uri}>"), ""))
    }
}

/// A response as text.
#[derive(Debug, Clone)]
pub struct Reply(pub String);

impl Reply {
    /// 0 where it is no response.
    pub fn status(&self) -> u16 {
        self.0
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|s| s.parse().ok())
            .unwrap_or(0)
    }

    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.lines().take_while(|l| !l.is_empty()).filter_map(move |line| {
            let (n, v) = line.split_once(':')?;
            n.trim().eq_ignore_ascii_case(name).then_some(v.trim())
        })
    }

    /// An Authorization line that answers this reply's MD5 challenge (RFC 7616 §3.4), for this count.
    pub fn credentials(&self, user: &str, secret: &str, method: &str, uri: &str, nc: u32) -> Option<String> {
        let challenge = self
            .headers("WWW-Authenticate")
            .find(|c| param(c, "algorithm").is_none_or(|a| a.eq_ignore_ascii_case("MD5")))?;
        let (realm, nonce) = (param(challenge, "realm")?, param(challenge, "nonce")?);
        let (count, cnonce) = (format!("{nc:08x}"), format!("c{}", unique()));
        let ha1 = md5(&format!("{user}:{realm}:{secret}"));
        let ha2 = md5(&format!("{method}:{uri}"));
        let response = md5(&format!("{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}"));
        Some(format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc={count}, cnonce=\"{cnonce}\"\r\n"
        ))
    }
}

/// The value of a parameter of a challenge, without its quotes.
pub fn param<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let at = challenge.to_ascii_lowercase().find(&format!("{name}="))? + name.len() + 1;
    let rest = &challenge[at..];
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([',', ' ']).next()?,
    })
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}
