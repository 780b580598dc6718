//! A desk phone: it registers as itself, whoever sits there, refreshes, and takes and makes calls.
//!
//! ```text
//!   Idle ── register ──▶ Asking ── 401 ──▶ Asking with credentials ── 200 ──▶ Registered ── half of the time ──▶ Asking
//!                          └── anything else ──▶ Waiting ── a while ──▶ Asking
//! ```

use crate::peer::{Answer, Peer, PeerConfig, PeerEvent, PeerOutput};
use sip::ua::{ClientKey, Parties, Target};
use sip::{Draft, Method};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{Instant, Now, Transport};

/// After a refusal or silence the phone tries again, as RFC 5626 §4.5 advises phones to wait.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct PhoneConfig {
    pub peer: PeerConfig,
    /// Asked for, in seconds.
    pub expires: u32,
    /// `urn:uuid:…` of RFC 5626, sent with reg-id 1; `None` for old phones.
    pub instance: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Nobody told it to register, or it left.
    Idle,
    Asking {
        with_credentials: bool,
    },
    /// The 200 came; it expires then.
    Registered {
        until: Instant,
    },
    /// Refused with this status; it asks again later.
    Waiting {
        status: u16,
    },
}

pub struct Phone {
    pub peer: Peer,
    config: PhoneConfig,
    state: Registration,
    asking: Option<ClientKey>,
    call_id: String,
    /// When to ask again.
    next: Option<Instant>,
    leaving: bool,
    /// The contacts of the last 200.
    pub contacts: Vec<String>,
}

impl Phone {
    pub fn new(config: PhoneConfig) -> Phone {
        let mut peer = Peer::new(config.peer.clone());
        let call_id = new_call_id(&mut peer);
        Phone {
            peer,
            config,
            state: Registration::Idle,
            asking: None,
            call_id,
            next: None,
            leaving: false,
            contacts: Vec::new(),
        }
    }

    pub fn registration(&self) -> Registration {
        self.state
    }
    pub fn is_registered(&self, now: Now) -> bool {
        matches!(self.state, Registration::Registered { until } if until > now.instant)
            || (matches!(self.state, Registration::Asking { .. }) && !self.contacts.is_empty())
    }

    /// Registers, or refreshes.
    pub fn register(&mut self, now: Now) {
        self.leaving = false;
        self.ask(now, None);
    }

    /// Removes its contact.
    pub fn unregister(&mut self, now: Now) {
        self.leaving = true;
        self.ask(now, None);
    }

    /// Loses power and comes back: calls, tags and Call-ID are new. `port` is another SIP port, as some phones draw one.
    pub fn reboots(&mut self, now: Now, port: Option<u16>) {
        if let Some(port) = port {
            self.config.peer.sip.set_port(port);
            self.peer.config.sip.set_port(port);
            self.peer.flow.local.set_port(port);
        }
        self.peer.boots();
        self.call_id = new_call_id(&mut self.peer);
        (self.state, self.asking, self.next) = (Registration::Idle, None, None);
        self.contacts.clear();
        self.register(now);
    }

    pub fn dies(&mut self) {
        self.peer.dies();
        self.next = None;
    }

    fn ask(&mut self, now: Now, authorization: Option<(&str, String)>) {
        if !self.peer.is_alive() {
            return;
        }
        let c = &self.config;
        let domain = &c.peer.domain;
        let expires = if self.leaving { 0 } else { c.expires };
        let transport = match c.peer.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.param()),
        };
        let mut contact = format!("<sip:{}@{}{transport}>", c.peer.user, c.peer.sip);
        if let Some(instance) = &c.instance {
            contact.push_str(&format!(";reg-id=1;+sip.instance=\"<{instance}>\""));
        }
        let identity = format!("<sip:{}@{domain}>", c.peer.user);
        let parties = Parties {
            from: identity.clone(),
            to: identity,
            call_id: Some(self.call_id.clone()),
            contact_user: c.peer.user.clone(),
            max_forwards: 70,
        };
        let target = Target { flow: self.peer.flow, uri: format!("sip:{domain}"), route: Vec::new() };
        let mut draft = Draft::request(Method::Register)
            .header("Contact", contact)
            .header("Expires", expires.to_string())
            .header("Supported", "path, outbound");
        let with_credentials = authorization.is_some();
        if let Some((name, value)) = authorization {
            draft = draft.header(name, value);
        }
        self.state = Registration::Asking { with_credentials };
        self.asking = self.peer.ua.request(now, target, parties, draft).ok();
        if self.asking.is_none() {
            self.refused(now, 503, None);
        }
        self.peer.drain();
    }

    /// One SIP message from `from`.
    pub fn handle(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        let Some(answer) = self.peer.handle(now, from, bytes) else { return };
        if self.asking == Some(answer.key) {
            self.asking = None;
            self.answered(now, &answer);
        }
    }

    pub fn handle_rtp(&mut self, now: Now, from: SocketAddr, packet: &[u8]) {
        self.peer.handle_rtp(now, from, packet);
    }

    fn answered(&mut self, now: Now, answer: &Answer) {
        let first = self.state == Registration::Asking { with_credentials: false };
        match answer.status {
            200..=299 => {
                self.contacts = answer.contacts.clone();
                if self.leaving {
                    (self.state, self.next) = (Registration::Idle, None);
                    return;
                }
                let granted = self.granted(answer).unwrap_or(self.config.expires);
                let granted = Duration::from_secs(u64::from(granted));
                self.state = Registration::Registered { until: now.instant + granted };
                // Half of it: a refresh may get lost and there is still time for another.
                self.next = Some(now.instant + granted / 2);
                self.peer.events.push_back(PeerEvent::Registered);
            }
            401 if first && answer.challenged => {
                let uri = format!("sip:{}", self.config.peer.domain);
                match self.peer.credentials("REGISTER", &uri) {
                    Some(header) => self.ask(now, Some(header)),
                    None => self.refused(now, 401, None),
                }
            }
            423 => {
                // RFC 3261 §10.2.8: what is too brief is made longer.
                self.config.expires = answer.min_expires.unwrap_or(3_600).max(self.config.expires);
                self.ask(now, None);
            }
            status => self.refused(now, status, answer.retry_after),
        }
    }

    /// The lifetime of our own contact in a 200; an Expires header where the contact has none.
    fn granted(&self, answer: &Answer) -> Option<u32> {
        let me = format!("sip:{}@{}", self.config.peer.user, self.config.peer.sip);
        let mine = answer.contacts.iter().flat_map(|line| line.split(',')).find(|c| c.contains(&me));
        let param = mine.and_then(|c| c.split_once(";expires=")).map(|(_, rest)| rest);
        param.and_then(|p| p.split(';').next()?.trim().parse().ok()).or(answer.expires)
    }

    fn refused(&mut self, now: Now, status: u16, retry_after: Option<u32>) {
        self.state = Registration::Waiting { status };
        self.contacts.clear();
        let wait = retry_after.map_or(RETRY, |s| Duration::from_secs(u64::from(s)));
        self.next = Some(now.instant + wait);
        self.peer.events.push_back(PeerEvent::NotRegistered(status));
    }

    pub fn timeout(&mut self, now: Now) {
        for key in self.peer.timeout(now) {
            if self.asking == Some(key) {
                self.asking = None;
                self.refused(now, 408, Some(5));
            }
        }
        if self.next.is_some_and(|at| at <= now.instant) {
            self.next = None;
            if self.asking.is_none() {
                self.ask(now, None);
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<PeerOutput> {
        self.peer.poll_output()
    }
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.peer.poll_event()
    }
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.next.filter(|_| self.peer.is_alive());
        [self.peer.deadline(), next].into_iter().flatten().min()
    }
}

fn new_call_id(peer: &mut Peer) -> String {
    format!("{:016x}@{}", peer.chance.next_u64(), peer.config.sip.ip())
}
