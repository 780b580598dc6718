//! The configuration: a folder like `sip-config/`, read at start and at `hotseat reload`, checked whole. What passes here
//! is consistent; ports being free is the only thing left to find out.

mod dialplan;
mod directory;
mod files;
mod mail;
mod oidc;
mod passwords;
mod read;
mod roles;
mod security;
mod session;
mod trunks;

pub use read::{ConfigError, ConfigErrors};

use gateway::DialPlan;
use hotdesk::pass::PassKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use terms::{CodecName, Codecs, Rights, Secret, Srtp, TakeoverPolicy, Trunk};

/// Everything a running Hotseat was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder it was read from; none in a development world.
    pub folder: Option<PathBuf>,
    /// SIP domain of the devices and, unless set apart, the realm of their digest.
    pub domain: String,
    pub realm: String,
    /// Database, sealing key, development certificate, control socket.
    pub data_dir: PathBuf,
    pub listen: Listen,
    /// The address phones, trunks and browsers reach us at; each listener's own where `None`.
    pub advertise: Option<IpAddr>,
    /// UDP ports for media, even number first.
    pub rtp_ports: RangeInclusive<u16>,
    /// Media worker threads.
    pub workers: usize,
    /// How agents reach the pages, without a slash at the end.
    pub public_url: String,
    /// Certificate chain and key in PEM; a development certificate is made where `None`.
    pub tls: Option<TlsFiles>,
    /// Roots in PEM that trunks called over TLS are verified with; the system's where `None`.
    pub trust: Option<PathBuf>,
    /// How long a stop waits for calls to end by themselves.
    pub drain_max: Duration,
    pub registration: Registration,
    pub calls: Calls,
    pub phones: Phones,
    pub trunks: Vec<Trunk>,
    pub dial_plan: DialPlan,
    pub security: Security,
    pub browser: Browser,
    /// Where letters go out; none where `mail.toml` names no server.
    pub mail: Option<auth::mail::MailSettings>,
    /// Active Directory, where `directory.toml` names a server.
    pub directory: Option<auth::ways::DirectorySettings>,
    /// Google or another provider, where `oidc.toml` names one.
    pub oidc: Option<auth::ways::OidcSettings>,
    /// Proves seats in browsers. Not of the folder: whoever starts the service takes it from where keys are kept.
    pub pass_key: PassKey,
}

/// What browsers need beyond our own address, for hard networks.
#[derive(Clone, Debug)]
pub struct Browser {
    pub stun: Vec<String>,
    pub turn: Vec<String>,
    /// Shared with the TURN server, which makes credentials of it that run out.
    pub turn_secret: Secret,
    pub turn_life: Duration,
    /// What pages offer, preferred first.
    pub codecs: Codecs,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listen {
    pub sip_udp: Vec<SocketAddr>,
    pub sip_tcp: Vec<SocketAddr>,
    pub sip_tls: Vec<SocketAddr>,
    /// SIP over WebSocket without TLS, for what stands behind a proxy. With TLS it is on the HTTPS port, at `/sip`.
    pub sip_ws: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
    /// Redirects to HTTPS and answers nothing else.
    pub http: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    pub bindings_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// How long a phone rings before `no_answer`.
    pub ring_max: Duration,
    /// How long a trunk's address that said 100 may take to ring before the next one is tried.
    pub progress_max: Duration,
    pub calls_max: usize,
}

/// How desk phones speak, as far as we decide it. Browsers are always encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Phones {
    pub srtp: Srtp,
    /// What may be offered to them, preferred first; empty: everything.
    pub codecs: Codecs,
    /// How often a phone where somebody sits is asked whether it is there; zero: never.
    pub watch_every: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    pub takeover: TakeoverPolicy,
    pub digest_no_md5: bool,
    /// SIP stream connections, together and from one address.
    pub connections_max: usize,
    pub connections_per_source: usize,
    /// Attempts to log in per minute from one address.
    pub logins_per_minute: u32,
    /// Whose `X-Forwarded-For` is believed; nobody's where empty.
    pub proxies: Vec<auth::Network>,
    /// Whom people are to ask who cannot get in, in the administrator's own words. The login page shows it.
    pub contact: Option<String>,
    /// What passwords must be, how many wrong ones, how long a login lives, who needs a second factor.
    pub policies: auth::Policies,
    /// Which role may do what.
    pub rights: Rights,
}

/// Where the service that runs on this folder keeps its data, whatever else is wrong with the folder.
pub fn data_dir(dir: &Path) -> Result<PathBuf, ConfigErrors> {
    files::data_dir(dir)
}

impl Config {
    /// Reads a folder. All mistakes of all files come back at once.
    pub fn load(dir: &Path) -> Result<Config, ConfigErrors> {
        files::load(dir)
    }

    /// The development world: everything on loopback, data in `data_dir`, ports derived from `base_port` where given.
    pub fn development(data_dir: PathBuf, base_port: Option<u16>) -> Config {
        let here = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        // 8443 and 5060 are what people expect; a base port moves all of them together.
        let (https, http, sip, sip_tls) = match base_port {
            // The one between is the toy trunk's.
            Some(base) => (base, base.saturating_add(1), base.saturating_add(2), base.saturating_add(4)),
            None => (8443, 8080, 5060, 5061),
        };
        // Away from the kernel's ephemeral ports as far as a shifted world allows.
        let rtp_first = match base_port {
            Some(base) if base < 50_000 => (base + 100).next_multiple_of(2),
            _ => 20_000,
        };
        Config {
            folder: None,
            domain: "hotseat.test".into(),
            realm: "hotseat.test".into(),
            data_dir,
            listen: Listen {
                sip_udp: vec![here(sip)],
                sip_tcp: vec![here(sip)],
                sip_tls: vec![here(sip_tls)],
                sip_ws: None,
                https: Some(here(https)),
                http: Some(here(http)),
            },
            advertise: None,
            rtp_ports: rtp_first..=rtp_first.saturating_add(if base_port.is_some() { 399 } else { 9_999 }),
            workers: files::default_workers(),
            public_url: format!("https://127.0.0.1:{https}"),
            tls: None,
            trust: None,
            drain_max: Duration::from_secs(5),
            registration: Registration::default(),
            calls: Calls::default(),
            phones: Phones::default(),
            trunks: Vec::new(),
            dial_plan: DialPlan::default(),
            security: Security::default(),
            browser: Browser::default(),
            mail: None,
            directory: None,
            oidc: None,
            pass_key: PassKey::new([0; 32]),
        }
    }

    /// Whose licences count: only a development world, which has no folder, takes those that anybody can sign.
    pub fn trust_of_licences(&self) -> auth::licence::Trust {
        match self.folder {
            Some(_) => auth::licence::Trust::Compiled,
            None => auth::licence::Trust::Development,
        }
    }

    /// What peers are told to send to for a socket bound at `bound`.
    pub fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        // Only the web listener may mean every address without `advertise`; then the first SIP address speaks for it.
        let own = if bound.ip().is_unspecified() { self.media_addresses().0 } else { bound.ip() };
        SocketAddr::new(self.advertise.unwrap_or(own), bound.port())
    }

    /// The address media ports are bound at and named in SDP.
    pub fn media_addresses(&self) -> (IpAddr, IpAddr) {
        let bound = self.listen.sip_udp.first().or(self.listen.sip_tcp.first());
        let bound = bound.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |a| a.ip());
        (bound, self.advertise.unwrap_or(bound))
    }
}

impl PartialEq for Browser {
    fn eq(&self, other: &Browser) -> bool {
        let own = (&self.stun, &self.turn, self.turn_secret.expose(), self.turn_life, self.codecs);
        own == (&other.stun, &other.turn, other.turn_secret.expose(), other.turn_life, other.codecs)
    }
}

impl Default for Browser {
    fn default() -> Browser {
        Browser {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: Secret::default(),
            turn_life: Duration::from_secs(600),
            // What phones and trunks speak too comes first: then the voice is carried as it is, and nobody codes it anew.
            codecs: Codecs::new(&[CodecName::Pcmu, CodecName::Pcma, CodecName::G722, CodecName::Opus]),
        }
    }
}

impl Default for Registration {
    fn default() -> Registration {
        Registration {
            expires_min: Duration::from_secs(60),
            expires_default: Duration::from_secs(3600),
            expires_max: Duration::from_secs(7200),
            bindings_max: 200_000,
        }
    }
}

impl Default for Phones {
    fn default() -> Phones {
        Phones { srtp: Srtp::Offer, codecs: Codecs::default(), watch_every: Duration::from_secs(5) }
    }
}

/// `srtp = "off"`, `"offer"` or `"require"`.
fn srtp(s: &mut read::Section<'_>) -> Option<Srtp> {
    s.word("srtp", &[("off", Srtp::Off), ("offer", Srtp::Offer), ("require", Srtp::Require)])
}

/// Names of codecs, in the order of preference.
fn codecs(s: &read::Section<'_>, words: Vec<(String, usize)>) -> Vec<CodecName> {
    let named = |(word, at): (String, usize)| match word.to_ascii_uppercase().as_str() {
        "PCMA" => Some(CodecName::Pcma),
        "PCMU" => Some(CodecName::Pcmu),
        "G722" => Some(CodecName::G722),
        "OPUS" => Some(CodecName::Opus),
        _ => {
            s.error(at, format!("\"{word}\" is no codec we speak; use PCMA, PCMU, G722 or OPUS."));
            None
        }
    };
    words.into_iter().filter_map(named).collect()
}

impl Default for Calls {
    fn default() -> Calls {
        Calls { ring_max: Duration::from_secs(60), progress_max: Duration::from_secs(20), calls_max: 10_000 }
    }
}

impl Default for Security {
    fn default() -> Security {
        Security {
            takeover: TakeoverPolicy::End,
            digest_no_md5: false,
            connections_max: 20_000,
            connections_per_source: 1_000,
            logins_per_minute: 30,
            proxies: Vec::new(),
            contact: None,
            policies: auth::Policies::default(),
            rights: Rights::default(),
        }
    }
}
