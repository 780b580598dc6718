//! The handshake with a browser that keys its SRTP (RFC 5763, RFC 5764). We are always the server (`a=setup:passive`),
//! with one certificate for the whole process; the browser's is believed when it is the one its signalling named, and
//! no earlier are there keys.

use crate::sdp::Fingerprint;
use crate::srtp::{Keys, Suite};
use aws_lc_rs::digest;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use std::sync::Arc;
use std::time::Duration;
use terms::Instant;

/// Browsers begin with 50 ms; what is lost on a good network is repeated before anybody hears that it was.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// Doubling each time: about half a minute, as long as consent to send lasts.
const RETRIES_MAX: usize = 6;
/// How long our last flight may be asked for again once we are done. Then the machinery is let go, the keys stay.
const LINGER: Duration = Duration::from_secs(20);
/// No record of a handshake is larger.
const RECORD_MAX: usize = 2048;
/// Datagrams of one step: a flight is three or four.
const STEP_MAX: usize = 64;

/// RFC 7983 §7: DTLS beside STUN and RTP on one port.
pub fn is_dtls(first: u8) -> bool {
    (20..=63).contains(&first)
}

/// The certificate this process shows to every browser. Made new at each start: it is worth what the signalling that
/// carries its fingerprint is worth, and needs no name and no authority.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    fingerprint: [u8; 32],
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("no certificate for browsers could be made: {0}")]
pub struct IdentityError(String);

impl Identity {
    /// Draws a key from the operating system, as the handshakes themselves do.
    pub fn generate() -> Result<Identity, IdentityError> {
        let certificate = dimpl::certificate::generate_self_signed_certificate()
            .map_err(|e| IdentityError(e.to_string()))?;
        // No cookie: only addresses that answered an authenticated check come this far, which proves more than a
        // cookie would, and a round trip less is heard.
        let config = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(RETRY_AFTER)
            .flight_retries(RETRIES_MAX)
            .build()
            .map_err(|e| IdentityError(e.to_string()))?;
        let fingerprint = sha256(&certificate.certificate);
        Ok(Identity(Arc::new(Inner { config: Arc::new(config), certificate, fingerprint })))
    }

    /// SHA-256, for `a=fingerprint` (RFC 8122 §5).
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.0.fingerprint
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SRTP keys as the handshake gives them (RFC 5764 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// What the browser seals with, and what we do.
    pub theirs: Keys,
    pub ours: Keys,
}

impl Material {
    fn read(profile: SrtpProfile, exported: &[u8], we_are_client: bool) -> Option<Material> {
        let suite = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
            _ => return None,
        };
        let (client, server) = Keys::of_dtls(suite, exported)?;
        let (ours, theirs) = if we_are_client { (client, server) } else { (server, client) };
        Some(Material { theirs, ours })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No key yet: the handshake has not begun, is under way, or waits for the signalling to name a fingerprint.
    Open,
    /// The right certificate, and keys.
    Secure,
    /// The wrong certificate, or a handshake that cannot succeed any more.
    Broken,
}

/// One association.
pub struct Session {
    dtls: Option<Box<Dtls>>,
    /// Their clock has no origin of its own; this is what stands for our zero.
    origin: std::time::Instant,
    state: State,
    is_client: bool,
    expected: Option<Vec<Fingerprint>>,
    certificate: Option<Vec<u8>>,
    material: Option<Material>,
    connected: bool,
    linger_until: Option<Instant>,
    due: Option<Instant>,
}

impl Session {
    /// `origin` stands for `Instant(0)` and is the same for all sessions of a machine. As the client we begin, as soon
    /// as there is time for it; as the server we wait.
    pub fn new(identity: &Identity, origin: std::time::Instant, now: Instant, is_client: bool) -> Session {
        let Inner { config, certificate, .. } = &*identity.0;
        let mut dtls = Dtls::new_auto(config.clone(), certificate.clone(), at(origin, now));
        dtls.set_active(is_client);
        Session {
            is_client,
            dtls: Some(Box::new(dtls)),
            origin,
            state: State::Open,
            expected: None,
            certificate: None,
            material: None,
            connected: false,
            linger_until: None,
            due: is_client.then_some(now),
        }
    }

    pub fn is_client(&self) -> bool {
        self.is_client
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The signalling named the browser's certificate. May come after the handshake: a browser that answers a call
    /// begins its handshake while its answer is still on the way.
    pub fn expect(&mut self, fingerprints: Vec<Fingerprint>) {
        self.expected = Some(fingerprints);
        self.judge();
    }

    pub fn expected(&self) -> Option<&Vec<Fingerprint>> {
        self.expected.as_ref()
    }

    /// A datagram from a checked address. `send` is called with what is to be sent back.
    pub fn received(&mut self, now: Instant, datagram: &[u8], send: impl FnMut(&[u8])) {
        let clock = at(self.origin, now);
        let Some(dtls) = &mut self.dtls else { return };
        let fine = dtls.handle_timeout(clock).is_ok() && dtls.handle_packet(datagram).is_ok();
        self.step(now, fine, send);
    }

    /// Time for a flight to be repeated, or to give up.
    pub fn timeout(&mut self, now: Instant, send: impl FnMut(&[u8])) {
        if self.linger_until.is_some_and(|until| until <= now) {
            return self.let_go();
        }
        let clock = at(self.origin, now);
        let Some(dtls) = &mut self.dtls else { return };
        let fine = dtls.handle_timeout(clock).is_ok();
        self.step(now, fine, send);
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.linger_until).min()
    }

    /// The keys, once, when the handshake is done and the certificate the right one.
    pub fn take_material(&mut self) -> Option<Material> {
        (self.state == State::Secure).then(|| self.material.take()).flatten()
    }

    fn step(&mut self, now: Instant, fine: bool, mut send: impl FnMut(&[u8])) {
        let mut buf = [0; RECORD_MAX];
        for _ in 0..STEP_MAX {
            let Some(dtls) = self.dtls.as_mut().filter(|_| fine) else { break };
            match dtls.poll_output(&mut buf) {
                Output::Packet(bytes) => send(bytes),
                Output::Timeout(until) => {
                    let passed = until.saturating_duration_since(self.origin);
                    self.due = Some(Instant(0) + passed);
                    break;
                }
                Output::Connected => {
                    self.connected = true;
                    self.linger_until = Some(now + LINGER);
                }
                Output::PeerCert(der) => self.certificate = Some(der.to_vec()),
                Output::KeyingMaterial(bytes, profile) => {
                    self.material = Material::read(profile, &bytes, self.is_client);
                }
                // Our records are a datagram long; one that is not cannot be sent.
                Output::BufferTooSmall { .. } => return self.give_up(),
                // Nothing was agreed that would travel here (no data channel), and the end of a call is told by SIP.
                _ => {}
            }
        }
        if !fine {
            self.give_up();
        }
        self.judge();
    }

    /// What goes wrong after the keys are there takes nothing away: anybody who can write the browser's address on a
    /// datagram could otherwise end the call with one.
    fn give_up(&mut self) {
        if !self.connected {
            self.state = State::Broken;
            self.material = None;
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        self.dtls = None;
        self.due = None;
        self.linger_until = None;
    }

    /// RFC 5763 §5: the certificate must be the one of the fingerprint, or there is no media.
    fn judge(&mut self) {
        if self.state != State::Open || !self.connected {
            return;
        }
        let (Some(expected), Some(certificate)) = (&self.expected, &self.certificate) else { return };
        if fits(expected, certificate) && self.material.is_some() {
            self.state = State::Secure;
        } else {
            self.state = State::Broken;
            self.material = None;
            self.let_go();
        }
    }
}

/// RFC 8122 §5: the certificate must fit one fingerprint of the strongest hash there is.
fn fits(expected: &[Fingerprint], certificate: &[u8]) -> bool {
    let strongest = expected.iter().map(|f| f.hash).max();
    expected.iter().any(|f| Some(f.hash) == strongest && f.is_of(certificate))
}

fn at(origin: std::time::Instant, now: Instant) -> std::time::Instant {
    origin.checked_add(Duration::from_nanos(now.0)).unwrap_or(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Hash;
    use std::collections::VecDeque;

    /// A browser's end of the handshake, by the same library but in the other role.
    struct Client {
        dtls: Dtls,
        origin: std::time::Instant,
        certificate: DtlsCertificate,
        out: VecDeque<Vec<u8>>,
        connected: bool,
        material: Option<(Vec<u8>, SrtpProfile)>,
        server: Option<Vec<u8>>,
        due: Instant,
    }

    #[derive(Clone, Copy, Debug)]
    enum Version {
        V12,
        V13,
        Both,
    }

    impl Client {
        /// `mtu` 200 cuts its ClientHello into several datagrams, as Chromium's post-quantum key share does.
        fn new(version: Version, mtu: usize, origin: std::time::Instant) -> Client {
            let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
            let config =
                Config::builder().mtu(mtu).flight_start_rto(Duration::from_millis(50)).build().unwrap();
            let config = Arc::new(config);
            let mut dtls = match version {
                Version::V12 => Dtls::new_12(config, certificate.clone(), origin),
                Version::V13 => Dtls::new_13(config, certificate.clone(), origin),
                Version::Both => Dtls::new_auto(config, certificate.clone(), origin),
            };
            dtls.set_active(true);
            Client {
                dtls,
                origin,
                certificate,
                out: VecDeque::new(),
                connected: false,
                material: None,
                server: None,
                due: Instant(0),
            }
        }

        fn fingerprint(&self) -> Fingerprint {
            Fingerprint { hash: Hash::Sha256, digest: sha256(&self.certificate.certificate).to_vec() }
        }

        fn step(&mut self, now: Instant, datagram: Option<&[u8]>) {
            self.dtls.handle_timeout(at(self.origin, now)).unwrap();
            if let Some(datagram) = datagram {
                self.dtls.handle_packet(datagram).unwrap();
            }
            let mut buf = [0; 4096];
            loop {
                match self.dtls.poll_output(&mut buf) {
                    Output::Packet(p) => self.out.push_back(p.to_vec()),
                    Output::Timeout(t) => {
                        self.due = Instant(0) + t.saturating_duration_since(self.origin);
                        return;
                    }
                    Output::Connected => self.connected = true,
                    Output::PeerCert(der) => self.server = Some(der.to_vec()),
                    Output::KeyingMaterial(m, p) => self.material = Some((m.to_vec(), p)),
                    _ => {}
                }
            }
        }
    }

    struct Pair {
        session: Session,
        client: Client,
        now: Instant,
        sent: Vec<usize>,
    }

    impl Pair {
        fn new(identity: &Identity, version: Version, mtu: usize) -> Pair {
            let origin = std::time::Instant::now();
            let client = Client::new(version, mtu, origin);
            Pair {
                session: Session::new(identity, origin, Instant(0), false),
                client,
                now: Instant(0),
                sent: Vec::new(),
            }
        }

        /// Plays until both rest or `seconds` passed. `twist` is given every datagram to the server, by its number, and
        /// says which of them arrive instead; `loses` says which of the server's are lost.
        fn play(
            &mut self,
            seconds: u64,
            mut twist: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>>,
            mut loses: impl FnMut(usize) -> bool,
        ) {
            let until = self.now + Duration::from_secs(seconds);
            let (mut sent, mut back) = (0, 0);
            self.client.step(self.now, None);
            while self.now < until {
                let mut replies = Vec::new();
                while let Some(datagram) = self.client.out.pop_front() {
                    self.sent.push(datagram.len());
                    for d in twist(sent, datagram) {
                        self.session.received(self.now, &d, |p| replies.push(p.to_vec()));
                    }
                    sent += 1;
                }
                if self.session.deadline().is_some_and(|d| d <= self.now) {
                    self.session.timeout(self.now, |p| replies.push(p.to_vec()));
                }
                let quiet = replies.is_empty();
                for p in replies {
                    if !loses(back) {
                        self.client.step(self.now, Some(&p));
                    }
                    back += 1;
                }
                if self.client.due <= self.now {
                    self.client.step(self.now, None);
                }
                if quiet && self.client.out.is_empty() {
                    if self.client.connected && self.session.state() != State::Open {
                        return;
                    }
                    self.now = self.now + Duration::from_millis(10);
                }
            }
        }

        #[track_caller]
        fn agree(&mut self) {
            assert!(self.client.connected);
            assert_eq!(self.session.state(), State::Secure);
            let ours = self.session.take_material().unwrap();
            let (bytes, profile) = self.client.material.take().unwrap();
            let theirs = Material::read(profile, &bytes, false).unwrap();
            assert_eq!(ours, theirs);
            assert!(self.session.take_material().is_none(), "once");
        }
    }

    fn plain(_: usize, d: Vec<u8>) -> Vec<Vec<u8>> {
        vec![d]
    }

    #[test]
    fn both_versions_shake_hands_and_agree_on_keys() {
        let identity = Identity::generate().unwrap();
        for version in [Version::V12, Version::V13, Version::Both] {
            let mut p = Pair::new(&identity, version, 1150);
            p.session.expect(vec![p.client.fingerprint()]);
            p.play(5, plain, |_| false);
            p.agree();
            assert_eq!(sha256(p.client.server.as_ref().unwrap()), *identity.fingerprint());
        }
    }

    #[test]
    fn a_hello_in_several_datagrams_arrives_in_any_order_and_with_loss() {
        let identity = Identity::generate().unwrap();
        for version in [Version::V12, Version::V13, Version::Both] {
            for twist in 0..5 {
                let mut p = Pair::new(&identity, version, 200);
                p.session.expect(vec![p.client.fingerprint()]);
                let mut held = None;
                let act = move |n: usize, d: Vec<u8>| match (twist, n) {
                    // In order; the second first; the first lost; the second lost; each twice.
                    (1, 0) => {
                        held = Some(d);
                        vec![]
                    }
                    (1, 1) => vec![d, held.take().unwrap_or_default()],
                    (2, 0) | (3, 1) => vec![],
                    (4, _) => vec![d.clone(), d],
                    _ => vec![d],
                };
                p.play(10, act, |_| false);
                assert!(p.sent[0] <= 200 && p.sent[1] <= 200, "{:?}", p.sent);
                p.agree();
            }
        }
    }

    #[test]
    fn a_lost_flight_of_ours_is_repeated() {
        let identity = Identity::generate().unwrap();
        for version in [Version::V12, Version::V13] {
            for lost in 0..4 {
                let mut p = Pair::new(&identity, version, 1150);
                p.session.expect(vec![p.client.fingerprint()]);
                p.play(20, plain, |n| n == lost);
                p.agree();
            }
        }
    }

    #[test]
    fn the_fingerprint_may_come_after_the_handshake_and_no_key_before_it() {
        let identity = Identity::generate().unwrap();
        let mut p = Pair::new(&identity, Version::V12, 1150);
        p.play(1, plain, |_| false);
        assert!(p.client.connected && p.session.state() == State::Open);
        assert!(p.session.take_material().is_none());
        p.session.expect(vec![p.client.fingerprint()]);
        p.agree();
    }

    #[test]
    fn a_wrong_certificate_ends_in_no_keys() {
        let identity = Identity::generate().unwrap();
        for late in [false, true] {
            let mut p = Pair::new(&identity, Version::V13, 1150);
            let wrong = Fingerprint { hash: Hash::Sha256, digest: vec![7; 32] };
            if !late {
                p.session.expect(vec![wrong.clone()]);
            }
            p.play(1, plain, |_| false);
            p.session.expect(vec![wrong]);
            assert_eq!(p.session.state(), State::Broken);
            p.session.expect(vec![p.client.fingerprint()]);
            assert!(
                p.session.take_material().is_none() && p.session.state() == State::Broken,
                "it stays broken"
            );
        }
        let f = |digest| Fingerprint { hash: Hash::Sha256, digest };
        let named = |digest: Vec<u8>| fits(&[f(digest)], b"x");
        assert!(named(sha256(b"x").to_vec()) && !fits(&[], b"x"));
        assert!(!named(Vec::new()) && !named(sha256(b"x")[..31].to_vec()));
    }

    #[test]
    fn nobody_shakes_hands_forever() {
        let identity = Identity::generate().unwrap();
        let mut p = Pair::new(&identity, Version::V12, 1150);
        p.session.expect(vec![p.client.fingerprint()]);
        let mut sent = 0;
        // The browser vanishes after its hello.
        p.client.step(p.now, None);
        let hello = p.client.out.pop_front().unwrap();
        p.session.received(p.now, &hello, |_| sent += 1);
        for _ in 0..1000 {
            let Some(due) = p.session.deadline().filter(|d| d.0 < 3_600_000_000_000) else { break };
            p.now = due;
            p.session.timeout(p.now, |_| sent += 1);
        }
        assert_eq!(p.session.state(), State::Broken);
        assert!(p.now < Instant(60_000_000_000) && (3..40).contains(&sent), "{sent} {:?}", p.now);
        assert_eq!(p.session.deadline(), None);
    }

    #[test]
    fn rubbish_and_a_second_hello_do_not_take_the_keys_away() {
        let identity = Identity::generate().unwrap();
        for version in [Version::V12, Version::V13] {
            let mut p = Pair::new(&identity, version, 1150);
            p.session.expect(vec![p.client.fingerprint()]);
            let mut first = Vec::new();
            p.play(
                5,
                |n, d| {
                    if n == 0 {
                        first = d.clone();
                    }
                    vec![d]
                },
                |_| false,
            );
            p.session.received(p.now, &first, |_| {});
            for rubbish in
                [&[22u8][..], &[22; 13], &[63; 1400], &[20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], &[]]
            {
                p.session.received(p.now, rubbish, |_| {});
            }
            p.agree();
            p.session.timeout(p.now + LINGER, |_| {});
            assert!(p.session.state() == State::Secure && p.session.deadline().is_none());
        }
    }
}
