//! `hotseat dev`: a small world on loopback. The gateway is the real one; phones and trunk are simulated peers on real
//! UDP sockets.

mod actor;
mod people;

use crate::cli::{Dev, Place};
use crate::place::{self, DEV_DATA};
use crate::serve;
use actor::Actor;
use daemon::Config;
use daemon::core::Clock;
use gateway::plan::Rule;
use sim::audio::{Sound, Voice};
use sim::peer::{Manner, PeerConfig};
use sim::phone::{Phone, PhoneConfig};
use sim::trunk::Trunk;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use terms::{CodecName, Secret, Transport, TrunkAddress, TrunkId, TrunkMatch};
use tokio::sync::mpsc;

const TRUNK_PORT: u16 = 5080;
const RING: Duration = Duration::from_secs(2);

/// Configuration of the development world.
pub fn config(data_dir: PathBuf, base_port: Option<u16>) -> Config {
    let mut config = Config::development(data_dir, base_port);
    let address = trunk_address(base_port);
    // As the shipped security.toml has it, so that a locked account can be looked at.
    config.security.policies.lockout.wrong = 10;
    config.trunks = vec![terms::Trunk {
        id: TrunkId(0),
        name: "toy".into(),
        addresses: vec![TrunkAddress { address, transport: Transport::Udp }],
        accept_from: vec![TrunkMatch { network: address.ip(), prefix: 32, port: Some(address.port()) }],
        domain: None,
        default_number: Some("+4969000000".into()),
        max_calls: 100,
        codecs: vec![CodecName::Pcma, CodecName::Pcmu, CodecName::G722],
        srtp: terms::Srtp::Off,
    }];
    let rule = |prefix: &str, strip, add: &str| Rule {
        prefix: prefix.into(),
        min_digits: None,
        max_digits: None,
        trunk: "toy".into(),
        strip,
        add: add.into(),
    };
    config.dial_plan.rules = vec![rule("+", 0, ""), rule("00", 2, "+"), rule("0", 1, "+49")];
    config
}

fn trunk_address(base_port: Option<u16>) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port.map_or(TRUNK_PORT, |n| n + 3)))
}

pub async fn run(place: &Place, args: &Dev) -> anyhow::Result<()> {
    let data_dir = place.data.clone().unwrap_or_else(|| match args.base_port {
        Some(n) => format!("{DEV_DATA}-{n}").into(),
        None => DEV_DATA.into(),
    });
    let mut config = config(data_dir, args.base_port);
    if args.empty {
        config.trunks.clear();
        config.dial_plan.rules.clear();
    }
    let store = Arc::new(place::open_store(&config.data_dir).await?);
    let people = match args.empty {
        true => None,
        false => Some(people::settle(&store, &config).await?),
    };
    let server = config.listen.sip_udp.first().copied();
    let service = serve::start(config.clone(), store.clone(), Some("development".into())).await?;
    let mut actors = Vec::new();
    if let (Some(people), Some(server)) = (&people, server) {
        actors = stage(people, &config, server, args.base_port).await?;
        eprintln!("{}", people.greeting(&service.ready));
        listen_to_keyboard(actors.clone());
    }
    serve::announce(&service)?;
    service.until_stopped().await?;
    drop(actors);
    Ok(())
}

/// A peer by its name, and where its orders go.
type Named = (String, mpsc::Sender<String>);

/// Puts phones and trunk on their sockets.
async fn stage(
    people: &people::People,
    config: &Config,
    server: SocketAddr,
    base_port: Option<u16>,
) -> anyhow::Result<Vec<Named>> {
    let clock = Clock::default();
    let mut actors = Vec::new();
    for (i, phone) in people.phones.iter().enumerate().filter(|(_, p)| p.present) {
        let i = i as u16;
        let port = base_port.map_or(0, |n| n + 10 + 2 * i);
        let (sip, rtp) = actor::sockets(port).await?;
        let mut peer = peer_config(&phone.name, &phone.secret, config, server, u64::from(i));
        (peer.sip, peer.rtp) = (sip.local_addr()?, rtp.local_addr()?);
        let instance = Some(format!("urn:uuid:00000000-0000-4000-8000-{i:012x}"));
        let mut phone_actor = Phone::new(PhoneConfig { peer, expires: 120, instance });
        phone_actor.peer.behaves(None, Manner::answers(RING));
        actors.push((phone.name.clone(), actor::play(Actor::Phone(Box::new(phone_actor)), sip, rtp, clock)));
    }
    let address = trunk_address(base_port);
    let (sip, rtp) = actor::sockets(address.port()).await?;
    let mut peer = peer_config("trunk", &Secret::default(), config, server, 99);
    peer.domain = config.listen.sip_udp.first().map_or_else(String::new, |a| a.ip().to_string());
    (peer.sip, peer.rtp) = (sip.local_addr()?, rtp.local_addr()?);
    actors.push(("trunk".to_owned(), actor::play(Actor::Trunk(Box::new(Trunk::new(peer))), sip, rtp, clock)));
    Ok(actors)
}

fn peer_config(user: &str, password: &Secret, config: &Config, server: SocketAddr, n: u64) -> PeerConfig {
    let mut seed = [0u8; 8];
    // Without randomness the tags of two runs would be alike, which loopback can bear.
    let _ = getrandom::fill(&mut seed);
    PeerConfig {
        user: user.to_owned(),
        password: password.clone(),
        domain: config.domain.clone(),
        server,
        sip: server,
        rtp: server,
        transport: Transport::Udp,
        product: "Hotseat simulated phone".into(),
        sound: Sound::Tone(Voice::nth(n)),
        pace: Duration::from_millis(20),
        timers: sip::ua::Timers::default(),
        seed: u64::from_le_bytes(seed),
        calls_max: 8,
    }
}

/// `call 2001` lets the trunk call an extension, `desk-17 069100` lets a phone dial, `desk-17 hangup` ends its calls.
fn listen_to_keyboard(actors: Vec<Named>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let mut words = line.split_whitespace();
            let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
            let name = if first == "call" { "trunk" } else { first };
            match actors.iter().find(|(n, _)| n == name) {
                Some((_, orders)) => _ = orders.blocking_send(second.to_owned()),
                None => {
                    eprintln!("there is no {name}; write `call 2001`, `desk-17 069100` or `desk-17 hangup`")
                }
            }
        }
    });
}
