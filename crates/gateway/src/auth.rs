//! Who is it? One gate for every request of a device on every transport: digest by RFC 7616, the same answer for names that
//! exist and names that do not.

use crate::browser::{Shown, carries_browsers};
use crate::limits::Guesses;
use crate::{Gateway, GatewayConfig};
use hotdesk::pass::{browser_user, login_named};
use sha2::{Digest, Sha256};
use sip::digest::{Guard, Role, Verdict};
use sip::ua::ServerKey;
use sip::{Draft, Message, Method, Name, NonceWindow, WINDOW_MAX};
use terms::{BrowserFlow, DeviceId, Flow, Now};

/// One of our own who asks for something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    /// A phone, whoever sits there.
    Device(DeviceId),
    /// The page of a login that stands.
    Browser(BrowserFlow),
}

/// What it takes to tell who somebody is.
pub(crate) struct Auth {
    guesses: Guesses,
    guard: Guard,
    window: NonceWindow,
}

impl Auth {
    pub(crate) fn new(config: &GatewayConfig) -> Auth {
        let mut guard = Guard::new(config.realm.clone(), apart(&config.seed, b'n'));
        guard.allow_md5 = !config.digest_no_md5;
        let words = apart(&config.seed, b'w');
        let mut seed = [0u64; 4];
        for (word, bytes) in seed.iter_mut().zip(words.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Auth { guesses: Guesses::default(), guard, window: NonceWindow::new(WINDOW_MAX, seed) }
    }

    pub(crate) fn allow_md5(&mut self, allowed: bool) {
        self.guard.allow_md5 = allowed;
    }
}

/// Phones that give up when any of several challenges names an algorithm they do not know, instead of taking the one they
/// do (RFC 8760 §2.5). They are offered MD5 alone, which they would be let in with anyway; where policy forbids MD5, nobody
/// is. Seen with baresip 1.0.0: "Register: Function not implemented".
fn trips_over_sha_256(user_agent: &str) -> bool {
    ["baresip v0.", "baresip v1."].iter().any(|product| user_agent.starts_with(product))
}

/// A key of its own for each purpose, so that what one shows says nothing about another.
fn apart(seed: &[u8; 32], purpose: u8) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update([purpose]).finalize().into()
}

impl Gateway {
    /// A request outside any dialog.
    pub(crate) fn request(&mut self, now: Now, flow: Flow, key: ServerKey, request: &Message<'_>) {
        match request.method() {
            Some(Method::Register) => self.register(now, flow, key, request),
            Some(Method::Invite) => self.invite(now, flow, key, request),
            // RFC 3261 §11.2. What else a stranger may send was refused before it came here.
            Some(method @ (Method::Options | Method::Refer)) => {
                if self.directory.trunk_at(flow.peer).is_none() && !self.strangers.may(now, flow.peer.ip()) {
                    return self.silence(key);
                }
                self.respond(
                    now,
                    key,
                    match method {
                        // RFC 5589 §6: a transfer is asked for inside its call.
                        Method::Refer => Draft::response(403),
                        _ => Draft::response(200).header("Accept", "application/sdp"),
                    },
                );
            }
            _ => self.respond(now, key, Draft::response(405).header("Allow", sip::ua::ALLOW)),
        }
    }

    /// Drops a request without a word.
    fn silence(&mut self, key: ServerKey) {
        self.counters.silenced += 1;
        self.ua.ignore(key);
    }

    /// The device or page whose secret this request was made with. Anybody else is answered here: 401, the same for every name,
    /// from this realm (never 407: phones and JsSIP answer 401 to the one they registered with).
    pub(crate) fn authenticated(
        &mut self,
        now: Now,
        flow: Flow,
        key: ServerKey,
        request: &Message<'_>,
    ) -> Option<Sender> {
        let ip = flow.peer.ip();
        let account = request.from().and_then(|from| Some(from.uri()?.user_unescaped())).unwrap_or_default();
        let browser = login_named(&account).filter(|_| carries_browsers(flow.transport));
        if !self.auth.guesses.may(now, &account, ip) && !self.is_known_flow(now, &account, flow) {
            self.silence(key);
            return None;
        }
        match browser.map(|login| self.ticket_shown(flow, login, request)) {
            Some(Shown::Good(seat)) => {
                self.strangers.welcome(ip);
                return Some(Sender::Browser(seat));
            }
            Some(Shown::Over) => {
                self.too_late(now, key);
                return None;
            }
            Some(Shown::Forged) => {
                self.counters.auth_failures += 1;
                self.auth.guesses.wrong(now, &account, ip);
                self.challenge(now, flow, key, request, &Verdict::Missing);
                return None;
            }
            Some(Shown::Nothing) | None => {}
        }
        let page = browser.and_then(|login| Some((browser_user(login), login, self.browser_epoch(login)?)));
        let page = page.map(|(name, login, epoch)| {
            let password = self.config.pass_key.password(login, epoch);
            (sip::digest::ha1(&name, &self.config.realm, &password), name)
        });
        let directory = &self.directory;
        let auth = &mut self.auth;
        let verdict = auth.guard.check(now.wall, &flow, request, Role::Server, &mut auth.window, |name| {
            if let Some((ha1, _)) = page.as_ref().filter(|(_, page)| page == name) {
                return Some(ha1.clone());
            }
            let phone = directory.phone_named(name).filter(|phone| phone.device.enabled)?;
            Some(phone.device.ha1.clone())
        });
        match verdict {
            Verdict::Ok { username } => {
                self.strangers.welcome(ip);
                self.auth.guesses.right(&username, ip);
                // Nobody speaks under another's name: From has to be the device's own.
                if account != username {
                    self.respond(now, key, Draft::response(403).phrase("Not Your Name"));
                    return None;
                }
                let Some(login) = browser else {
                    return Some(Sender::Device(self.directory.phone_named(&username)?.device.id));
                };
                let Some(row) = self.browser_login(login) else {
                    self.too_late(now, key);
                    return None;
                };
                let seat = BrowserFlow { login, agent: row.agent, epoch: row.epoch };
                self.flow_belongs(flow, login);
                Some(Sender::Browser(seat))
            }
            Verdict::Malformed(error) => {
                self.counters.auth_failures += 1;
                self.respond(now, key, Draft::response(400).phrase(error.reason));
                None
            }
            verdict => {
                if let Verdict::Wrong { username } | Verdict::Replayed { username } = &verdict {
                    self.counters.auth_failures += 1;
                    self.auth.guesses.wrong(now, username, ip);
                    if *username != account {
                        self.auth.guesses.wrong(now, &account, ip);
                    }
                }
                self.challenge(now, flow, key, request, &verdict);
                None
            }
        }
    }

    /// 401, for a stranger without leaving anything behind; silence where the source has had its share.
    fn challenge(&mut self, now: Now, flow: Flow, key: ServerKey, request: &Message<'_>, verdict: &Verdict) {
        if !self.strangers.may(now, flow.peer.ip()) {
            return self.silence(key);
        }
        self.counters.challenged += 1;
        let mut draft = Draft::response(401);
        let user_agent = request.header(Name::UserAgent).unwrap_or("");
        let only_md5 = trips_over_sha_256(user_agent);
        for value in self.auth.guard.challenges(now.wall, &flow, verdict.is_stale(), only_md5) {
            draft.headers.push(("WWW-Authenticate".to_owned(), value));
        }
        if *verdict == Verdict::Missing {
            self.ua.respond_stateless(flow, request, draft);
        } else {
            // A retransmission must not count as another guess.
            self.respond(now, key, draft);
        }
    }

    /// The account's own phone goes on from its own place, whatever others at the same address try.
    fn is_known_flow(&self, now: Now, account: &str, flow: Flow) -> bool {
        if let Some(login) = login_named(account) {
            return self.browsers.login_of(flow) == Some(login);
        }
        let Some(phone) = self.directory.phone_named(account) else { return false };
        self.registrar.contacts(now, &phone.aor).iter().any(|(one, _)| one.flow == flow)
    }
}
