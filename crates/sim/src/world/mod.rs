//! A world: one real gateway, the real media machine, a store, phones and trunks on a wire, and one clock for all.
//!
//! Everything in it follows from the seed. What happens at the same moment happens in the order it was caused.

mod checks;
mod drive;
mod ladder;
mod people;
mod twin;
mod wire;

pub use people::{Agent, Call, Desk, Line, Page, Sat};
pub use twin::{Claimed, Twin};
pub use wire::Options;

use crate::audio::{Sound, Voice};
use crate::chance::Chance;
use crate::peer::{Peer, PeerConfig};
use crate::phone::{Phone, PhoneConfig};
use crate::trunk::Trunk;
use checks::Watch;
use gateway::plan::Rule;
use gateway::{DialPlan, Gateway, GatewayConfig, Input};
use ladder::Ladder;
use media::{Machine, MediaConfig};
use sip::ua::Local;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use terms::{
    AgentId, ConnectionId, DeviceId, DirectoryChange, Instant, Login, LoginId, Notice, Now, Secret,
    Transport, TrunkAddress, TrunkId, TrunkMatch, WallTime,
};
use wire::{Under, Wire};

pub const DOMAIN: &str = "hotseat.test";
const GATEWAY_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const GATEWAY_SIP: SocketAddr = SocketAddr::new(GATEWAY_IP, 5060);
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// Steps without time passing, after which something is going round in circles.
const STEPS_AT_ONCE_MAX: u32 = 20_000;

pub(crate) struct DeskState {
    pub name: String,
    pub device: DeviceId,
    pub phone: Phone,
    connection: Option<ConnectionId>,
}

pub(crate) struct LineState {
    pub name: String,
    pub trunk: Trunk,
}

pub(crate) struct AgentState {
    pub id: AgentId,
    pub name: String,
}

/// A browser page of one login: what it was told.
#[derive(Default)]
pub(crate) struct PageState {
    pub login: LoginId,
    pub agent: String,
    pub told: Vec<Notice>,
}

pub(crate) struct Inner {
    pub now: Now,
    pub options: Options,
    pub chance: Chance,
    pub gateway: Option<Gateway>,
    config: GatewayConfig,
    pub media: Machine,
    pub open_ports: BTreeSet<u16>,
    pub twin: Twin,
    pub phones: Vec<DeskState>,
    pub lines: Vec<LineState>,
    trunk_row: Option<terms::Trunk>,
    pub agents: Vec<AgentState>,
    pub pages: Vec<PageState>,
    /// Notices for everyone: the list of phones.
    pub board: Vec<Notice>,
    wire: Wire,
    pub ladder: Ladder,
    pub watch: Watch,
    store_busy_till: Instant,
    /// The gateway was told something since the last check, which was then.
    touched: bool,
    checked: Instant,
    /// Lives of the gateway.
    life: u32,
    next_connection: u64,
}

/// The world, and the handle to it. Phones, agents and lines are handles to the same one.
pub struct World {
    pub(crate) inner: Rc<RefCell<Inner>>,
}

impl World {
    /// A quiet office: nothing lost, five milliseconds to everywhere, one trunk of one address.
    pub fn new(seed: u64) -> World {
        World::with(seed, 1, Options::default())
    }

    pub fn with(seed: u64, trunk_addresses: u8, options: Options) -> World {
        let mut chance = Chance::new(seed);
        let rule = |prefix: &str| Rule {
            prefix: prefix.into(),
            min_digits: None,
            max_digits: None,
            trunk: "main".into(),
            strip: 0,
            add: String::new(),
        };
        let dial_plan = DialPlan { rules: vec![rule("+"), rule("0")], ..DialPlan::default() };
        let config = GatewayConfig {
            domain: DOMAIN.into(),
            realm: DOMAIN.into(),
            locals: [Transport::Udp, Transport::Tcp]
                .map(|transport| Local { transport, bound: GATEWAY_SIP, advertised: GATEWAY_SIP })
                .to_vec(),
            product: "Hotseat".into(),
            dial_plan,
            takeover: options.takeover,
            expires_min: Duration::from_secs(60),
            expires_default: Duration::from_secs(600),
            expires_max: Duration::from_secs(3_600),
            ring_max: options.ring_max,
            progress_max: Duration::from_secs(20),
            seed: chance.key(),
            incarnation: 1,
            calls_max: 1_000,
            bindings_max: 1_000,
            digest_no_md5: false,
            phone_srtp: terms::Srtp::Off,
            phone_codecs: terms::Codecs::default(),
            watch_every: options.watch_every,
            pass_key: hotdesk::pass::PassKey::new([7; 32]),
        };
        let media = Machine::new(MediaConfig::new(GATEWAY_IP), chance.key());
        let mut inner = Inner {
            now: Now { instant: Instant(1_000_000_000), wall: WallTime(1_795_420_800_000) },
            options,
            chance,
            gateway: Some(Gateway::new(config.clone())),
            config,
            media,
            open_ports: BTreeSet::new(),
            twin: Twin::default(),
            phones: Vec::new(),
            lines: Vec::new(),
            trunk_row: None,
            agents: Vec::new(),
            pages: Vec::new(),
            board: Vec::new(),
            wire: Wire::default(),
            ladder: Ladder::default(),
            watch: Watch::default(),
            store_busy_till: Instant(0),
            touched: true,
            checked: Instant(0),
            life: 1,
            next_connection: 2,
        };
        inner.add_trunk(trunk_addresses);
        inner.ladder.restart(inner.now.instant);
        World { inner: Rc::new(RefCell::new(inner)) }
    }

    /// A provisioned phone that registers over UDP, with an instance, and has registered when this returns.
    pub fn phone(&mut self, name: &str) -> Desk {
        let desk = self.phone_with(name, |_| {});
        desk.registers();
        self.run_until("the phone is registered", 5_000, || desk.is_registered());
        desk
    }

    /// The same, not registering by itself, and changed before it is built.
    pub fn phone_with(&mut self, name: &str, change: impl FnOnce(&mut PhoneConfig)) -> Desk {
        let at = self.inner.borrow_mut().add_phone(name, change);
        Desk { w: Rc::clone(&self.inner), at }
    }

    pub fn agent(&mut self, name: &str, extension: u32) -> Agent {
        let at = self.inner.borrow_mut().add_agent(name, &extension.to_string());
        Agent { w: Rc::clone(&self.inner), at }
    }

    /// The trunk's first address.
    pub fn trunk(&self) -> Line {
        self.trunk_at(0)
    }
    pub fn trunk_at(&self, at: usize) -> Line {
        Line { w: Rc::clone(&self.inner), at }
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.inner.borrow_mut().run(Duration::from_millis(ms));
    }
    pub fn run_s(&mut self, s: u64) {
        self.run_ms(s * 1_000);
    }
    /// Runs in small steps until it is so; panics with the ladder if it never is.
    pub fn run_until(&mut self, what: &str, max_ms: u64, mut is_so: impl FnMut() -> bool) {
        for _ in 0..max_ms.div_ceil(5) {
            if is_so() {
                return;
            }
            self.run_ms(5);
        }
        assert!(is_so(), "never: {what}\n{}", self.ladder());
    }

    /// kill -9. What was not durable is gone; datagrams find nobody.
    pub fn kills_the_gateway(&mut self) {
        self.inner.borrow_mut().crash();
    }
    pub fn starts_the_gateway(&mut self) {
        self.inner.borrow_mut().start();
    }

    pub fn options(&mut self, change: impl FnOnce(&mut Options)) {
        change(&mut self.inner.borrow_mut().options);
    }

    /// Forgets the ladder so far; the story begins here.
    pub fn story_begins(&mut self) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now.instant;
        inner.ladder.restart(now);
    }
    pub fn ladder(&self) -> String {
        self.inner.borrow().ladder.text()
    }
    pub fn now(&self) -> Now {
        self.inner.borrow().now
    }
    pub fn records(&self) -> Vec<terms::CallRecord> {
        self.inner.borrow().twin.records.values().cloned().collect()
    }
    pub fn bindings(&self) -> Vec<terms::Binding> {
        self.inner.borrow().twin.bindings.values().cloned().collect()
    }
    /// Calls the gateway has now.
    pub fn calls(&self) -> Vec<gateway::CallStatus> {
        self.inner.borrow().gateway.as_ref().map(Gateway::calls).unwrap_or_default()
    }
    /// What everyone who looks at the list of phones was told.
    pub fn board(&self) -> Vec<Notice> {
        self.inner.borrow().board.clone()
    }
    /// Something the daemon could say.
    pub fn command(&mut self, command: gateway::Command) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.tell(now, Input::Command(command));
        inner.drain();
    }
    /// How a desk stands in the gateway's list.
    pub fn stands(&self, desk: &Desk) -> Option<terms::PhoneState> {
        let inner = self.inner.borrow();
        let device = inner.phones.get(desk.at)?.device;
        let phones = inner.gateway.as_ref()?.phones(inner.now);
        phones.into_iter().find(|p| p.device == device).map(|p| p.state)
    }

    /// The first thing that should not have been, if any.
    pub fn violations(&self) -> Vec<String> {
        self.inner.borrow().watch.violations.clone()
    }

    /// The end of every story: everybody hangs up, two minutes pass, and nothing may be left.
    pub fn comes_to_rest(&mut self) {
        self.hang_up_everything();
        self.run_s(120);
        self.inner.borrow_mut().check_rest();
        let violations = self.violations();
        assert!(violations.is_empty(), "{}\n{}", violations.join("\n"), self.ladder());
    }

    /// What must hold when everything is over; what does not is among the violations.
    pub fn checks_rest(&mut self) {
        self.inner.borrow_mut().check_rest();
    }
    pub fn ladder_tail(&self, lines: usize) -> String {
        self.inner.borrow().ladder.tail(lines)
    }
    pub fn gateway_is_alive(&self) -> bool {
        self.inner.borrow().gateway.is_some()
    }

    pub(crate) fn hang_up_everything(&mut self) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        for peer in inner.peers_mut() {
            let live: Vec<_> = peer.live().map(|c| c.id).collect();
            for call in live {
                peer.hang_up(now, call);
            }
        }
        inner.drain();
    }
}

impl Inner {
    fn add_trunk(&mut self, addresses: u8) {
        let mut row = terms::Trunk {
            id: TrunkId(1),
            name: "main".into(),
            addresses: Vec::new(),
            accept_from: Vec::new(),
            domain: None,
            default_number: Some("+4969100".into()),
            max_calls: 100,
            codecs: vec![terms::CodecName::Pcmu, terms::CodecName::Pcma],
            srtp: terms::Srtp::Off,
        };
        for n in 1..=addresses.max(1) {
            let ip = IpAddr::V4(Ipv4Addr::new(203, 0, 113, n));
            let address = SocketAddr::new(ip, 5060);
            row.addresses.push(TrunkAddress { address, transport: Transport::Udp });
            row.accept_from.push(TrunkMatch { network: ip, prefix: 32, port: None });
            let config = self.peer_config("carrier", address, Voice::nth(15 - u64::from(n % 4)));
            let config = PeerConfig { domain: GATEWAY_IP.to_string(), calls_max: 100, ..config };
            let name = if addresses > 1 { format!("trunk-{n}") } else { "trunk".to_owned() };
            self.lines.push(LineState { name, trunk: Trunk::new(config) });
        }
        self.trunk_row = Some(row.clone());
        let now = self.now;
        self.tell(now, Input::Directory(DirectoryChange::Trunk(row)));
    }

    fn peer_config(&mut self, user: &str, sip: SocketAddr, voice: Voice) -> PeerConfig {
        PeerConfig {
            user: user.into(),
            password: Secret::new(format!("secret of {user}")),
            domain: DOMAIN.into(),
            server: GATEWAY_SIP,
            sip,
            rtp: SocketAddr::new(sip.ip(), 16_384),
            transport: Transport::Udp,
            product: "Deskphone 1.0".into(),
            sound: Sound::Tone(voice),
            pace: self.options.pace,
            timers: Default::default(),
            seed: self.chance.next_u64(),
            calls_max: 2,
        }
    }

    fn add_phone(&mut self, name: &str, change: impl FnOnce(&mut PhoneConfig)) -> usize {
        let n = self.phones.len() + 1;
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, (n >> 8) as u8, n as u8));
        let peer = self.peer_config(name, SocketAddr::new(ip, 5060), Voice::nth(n as u64 % 12));
        let instance = Some(format!("urn:uuid:00000000-0000-1000-8000-{n:012x}"));
        let mut config = PhoneConfig { peer, expires: 3_600, instance };
        change(&mut config);
        let device = terms::Device {
            id: DeviceId(n as u64),
            name: name.into(),
            label: name.into(),
            site: "HQ".into(),
            floor: "1".into(),
            ha1: sip::digest::ha1(name, DOMAIN, &config.peer.password),
            enabled: true,
        };
        self.twin.devices.push(device.clone());
        let id = device.id;
        self.phones.push(DeskState {
            name: name.into(),
            device: id,
            phone: Phone::new(config),
            connection: None,
        });
        let now = self.now;
        self.tell(now, Input::Directory(DirectoryChange::Device(device)));
        self.drain();
        n - 1
    }

    fn add_agent(&mut self, name: &str, extension: &str) -> usize {
        let id = AgentId(self.agents.len() as u64 + 1);
        let agent = terms::Agent {
            id,
            login_name: name.into(),
            display_name: name.into(),
            extension: extension.into(),
            typology: terms::Typology::External,
            dids: vec![format!("+4969555{extension}")],
            outbound_number: Some(format!("+4969555{extension}")),
            enabled: true,
        };
        self.twin.agents.push(agent.clone());
        self.agents.push(AgentState { id, name: name.into() });
        let now = self.now;
        self.tell(now, Input::Directory(DirectoryChange::Agent(agent)));
        self.drain();
        self.agents.len() - 1
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = (&str, &Peer)> {
        let phones = self.phones.iter().map(|p| (&*p.name, &p.phone.peer));
        phones.chain(self.lines.iter().map(|l| (&*l.name, &l.trunk.peer)))
    }
    pub(crate) fn peers_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        let phones = self.phones.iter_mut().map(|p| &mut p.phone.peer);
        phones.chain(self.lines.iter_mut().map(|l| &mut l.trunk.peer))
    }
    fn name_of(&self, sip: SocketAddr) -> String {
        let found = self.peers().find(|(_, p)| p.config.sip == sip).map(|(name, _)| name.to_owned());
        found
            .or_else(|| self.peers().find(|(_, p)| p.config.sip.ip() == sip.ip()).map(|(n, _)| n.to_owned()))
            .unwrap_or_else(|| sip.to_string())
    }

    pub(crate) fn note(&mut self, from: &str, to: &str, what: &str) {
        let now = self.now.instant;
        self.ladder.line(now, from, to, what);
    }

    /// A row changed: the gateway hears of it soon, or at the next poll.
    pub(crate) fn news(&mut self, row: Login) {
        let lost = self.chance.in_thousand(self.options.news_lost_per_thousand);
        let twice = self.chance.in_thousand(self.options.double_per_thousand);
        let late = Duration::from_micros(self.chance.below(self.options.jitter.as_micros() as u64 + 1));
        let after = if lost { Duration::from_millis(500) } else { self.options.news_take + late };
        let at = self.now.instant + after;
        if twice {
            self.wire.put(at + Duration::from_millis(500), Under::Row(row.clone()));
        }
        self.wire.put(at, Under::Row(row));
    }

    pub(crate) fn crash(&mut self) {
        self.note("gateway", "world", "dies (kill -9)");
        self.gateway = None;
        self.life += 1;
        self.open_ports.clear();
        let seed = self.chance.key();
        self.media = Machine::new(MediaConfig::new(GATEWAY_IP), seed);
        // A call whose first row was not durable yet is forgotten with its gateway.
        let records = &self.twin.records;
        self.watch.calls.retain(|call| records.contains_key(call));
        self.watch.crashed();
        for desk in &mut self.phones {
            desk.connection = None;
        }
    }

    /// As the daemon starts: records of lost calls are closed, then the directory, logins and bindings are read.
    pub(crate) fn start(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        self.note("world", "gateway", "starts");
        let now = self.now;
        self.twin.close_lost_records(now.wall);
        self.config.incarnation += 1;
        self.config.seed = self.chance.key();
        self.gateway = Some(Gateway::new(self.config.clone()));
        let changes = self.trunk_row.iter().cloned().map(DirectoryChange::Trunk);
        let changes = changes.chain(self.twin.agents.iter().cloned().map(DirectoryChange::Agent));
        let changes: Vec<_> =
            changes.chain(self.twin.devices.iter().cloned().map(DirectoryChange::Device)).collect();
        for change in changes {
            self.tell(now, Input::Directory(change));
        }
        let open: Vec<Login> = self.twin.logins.iter().filter(|l| l.ended.is_none()).cloned().collect();
        for login in open {
            self.watch.news.insert(login.agent, now.instant);
            self.tell(now, Input::Login(login));
        }
        let bindings: Vec<_> = self.twin.bindings.values().cloned().collect();
        for binding in bindings {
            self.tell(now, Input::Restored(binding));
        }
        self.drain();
    }
}
