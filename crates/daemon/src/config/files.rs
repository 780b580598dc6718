//! The four files: `gateway.toml`, `trunks.toml`, `dialplan.toml`, `security.toml`. Each function reads one of them.

use super::read::{ConfigError, ConfigErrors, Section, Source};
use super::{Calls, Config, Listen, Registration, Security, TlsFiles};
use gateway::DialPlan;
use gateway::plan::Rule;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use terms::{CodecName, TakeoverPolicy, Transport, Trunk, TrunkAddress, TrunkId, TrunkMatch};

const ADDRESS: &str = "an address with a port, for example \"192.0.2.1:5060\" or \"[2001:db8::1]:5060\"";
/// A day: nobody means a longer registration or ring time, and sums stay far from overflow.
const DAY_S: u64 = 86_400;

pub(super) fn load(dir: &Path) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    if !dir.is_dir() {
        return Err(whole_file(
            &dir.display().to_string(),
            "this folder does not exist; name one with --config, or copy `sip-config/` and edit the copy.",
        ));
    }
    let gateway_file = read(dir, "gateway.toml", true, &mut errors);
    let trunks_file = read(dir, "trunks.toml", false, &mut errors);
    let plan_file = read(dir, "dialplan.toml", false, &mut errors);
    let security_file = read(dir, "security.toml", false, &mut errors);
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }

    let trunks = trunks(&trunks_file);
    let dial_plan = dial_plan(&plan_file, &trunks);
    let security = security(&security_file);
    let config = gateway(&gateway_file, dir, trunks, dial_plan, security);
    for file in [gateway_file, trunks_file, plan_file, security_file] {
        errors.extend(file.into_errors());
    }
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}

fn whole_file(file: &str, sentence: &str) -> ConfigErrors {
    ConfigErrors(vec![ConfigError { file: file.to_owned(), line: 0, sentence: sentence.to_owned() }])
}

fn read(dir: &Path, name: &str, required: bool, errors: &mut Vec<ConfigError>) -> Source {
    let text = match std::fs::read_to_string(dir.join(name)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => String::new(),
        Err(error) => {
            let sentence = format!(
                "cannot be read ({error}); `{}` must hold it, see the commented one in `sip-config/`.",
                dir.display()
            );
            errors.push(ConfigError { file: name.to_owned(), line: 0, sentence });
            String::new()
        }
    };
    Source::new(name, text)
}

/// One media worker per core beyond the one the SIP core keeps busy, eight at most.
pub(super) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 8))
}

fn gateway(
    source: &Source,
    dir: &Path,
    trunks: Vec<Trunk>,
    dial_plan: DialPlan,
    security: Security,
) -> Config {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let mut config = Config::development(dir.join("data"), None);
    config.trunks = trunks;
    config.dial_plan = dial_plan;
    config.security = security;
    config.drain_max = Duration::from_secs(30);

    match top.text("domain") {
        Some((domain, at)) if !is_host(&domain) => {
            top.error(
                at,
                format!("`domain` is \"{domain}\"; write a host name such as \"sip.example.com\"."),
            );
        }
        Some((domain, _)) => config.domain = domain.to_ascii_lowercase(),
        None => top.missing(
            "domain",
            "write the SIP domain of your phones, for example domain = \"sip.example.com\".",
        ),
    }
    config.realm = match top.text("realm") {
        Some((realm, at)) if realm.is_empty() || realm.contains(['"', '\\']) || !realm.is_ascii() => {
            top.error(at, format!("`realm` is \"{realm}\"; use plain letters, digits, dots and dashes."));
            realm
        }
        Some((realm, _)) => realm,
        None => config.domain.clone(),
    };
    if let Some((data, _)) = top.text("data_dir") {
        config.data_dir = beside(dir, &data);
    }
    if let Some((url, at)) = top.text("public_url") {
        if !url.starts_with("https://") || url.ends_with('/') {
            top.error(
                at,
                format!(
                    "`public_url` is \"{url}\"; write it as https://name[:port] without a slash at the end."
                ),
            );
        }
        config.public_url = url;
    }
    if let Some((ip, _)) =
        top.parsed::<IpAddr>("advertise", "an address without a port, for example \"203.0.113.10\"")
    {
        config.advertise = Some(ip);
    }
    if let Some(n) = top.number("workers", 1, 64) {
        config.workers = n as usize;
    }
    if let Some(n) = top.number("drain_s", 0, 3600) {
        config.drain_max = Duration::from_secs(n);
    }
    let mut rtp_at = 0;
    match top.section("rtp") {
        Some(mut rtp) => {
            rtp_at = rtp.offset;
            let first = rtp.number("port_first", 1024, 65_534).unwrap_or(20_000) as u16;
            let last = rtp.number("port_last", 1025, 65_535).unwrap_or(29_999) as u16;
            if last < first.saturating_add(3) {
                rtp.error(
                    rtp_at,
                    format!(
                        "the port range {first} to {last} has no room for one call; a call takes four ports."
                    ),
                );
            }
            config.rtp_ports = first..=last;
            rtp.finish();
        }
        None => config.rtp_ports = 20_000..=29_999,
    }
    match top.section("listen") {
        Some(listen) => config.listen = listeners(listen, &config, rtp_at),
        None => top.missing("[listen]", "add the section with sip_udp, sip_tcp, https and http."),
    }
    if let Some(mut tls) = top.section("tls") {
        if let Some((trust, at)) = tls.text("trust") {
            let file = beside(dir, &trust);
            if let Err(error) = std::fs::File::open(&file) {
                tls.error(at, format!("{} cannot be read: {error}.", file.display()));
            }
            config.trust = Some(file);
        }
        match (tls.text("certificate"), tls.text("key")) {
            (Some((certificate, c_at)), Some((key, k_at))) => {
                let files = TlsFiles { certificate: beside(dir, &certificate), key: beside(dir, &key) };
                for (path, at) in [(&files.certificate, c_at), (&files.key, k_at)] {
                    if let Err(error) = std::fs::File::open(path) {
                        tls.error(at, format!("{} cannot be read: {error}.", path.display()));
                    }
                }
                config.tls = Some(files);
            }
            (None, None) => {}
            _ => tls.missing(
                "certificate or key",
                "both belong together; leave both out for a development certificate.",
            ),
        }
        tls.finish();
    }
    if let Some(section) = top.section("registration") {
        config.registration = registration(section);
    }
    if let Some(mut calls) = top.section("calls") {
        let d = Calls::default();
        config.calls = Calls {
            ring_max: seconds(&mut calls, "ring_s", 5, 600, d.ring_max),
            calls_max: calls.number("max", 1, 1_000_000).map_or(d.calls_max, |n| n as usize),
        };
        calls.finish();
    }
    top.finish();
    config
}

fn listeners(mut s: Section<'_>, config: &Config, rtp_at: usize) -> Listen {
    let sip_udp = s.parsed_list::<SocketAddr>("sip_udp", ADDRESS).unwrap_or_default();
    let sip_tcp = s.parsed_list::<SocketAddr>("sip_tcp", ADDRESS).unwrap_or_default();
    let sip_tls = s.parsed_list::<SocketAddr>("sip_tls", ADDRESS).unwrap_or_default();
    let sip_ws = s.parsed::<SocketAddr>("sip_ws", ADDRESS);
    let anywhere = s.flag("sip_ws_anywhere").unwrap_or(false);
    let https = s.parsed::<SocketAddr>("https", ADDRESS);
    let http = s.parsed::<SocketAddr>("http", ADDRESS);
    if sip_udp.is_empty() {
        s.missing("sip_udp", "write sip_udp = [\"0.0.0.0:5060\"], or the address of one network card.");
    }
    // Two listeners cannot share a TCP port; port 0 asks the system for any and never collides.
    let streams: Vec<(&str, SocketAddr, usize)> = sip_tcp
        .iter()
        .map(|(a, at)| ("sip_tcp", *a, *at))
        .chain(sip_tls.iter().map(|(a, at)| ("sip_tls", *a, *at)))
        .chain(sip_ws.iter().map(|(a, at)| ("sip_ws", *a, *at)))
        .chain(https.iter().map(|(a, at)| ("https", *a, *at)))
        .chain(http.iter().map(|(a, at)| ("http", *a, *at)))
        .collect();
    for (i, (name, address, at)) in streams.iter().enumerate() {
        let clash = streams.iter().take(i).find(|(_, other, _)| collide(*other, *address));
        if let Some((other, _, _)) = clash {
            s.error(
                *at,
                format!(
                    "`{name}` and `{other}` both ask for TCP port {}; change one of them.",
                    address.port()
                ),
            );
        }
    }
    for (i, (address, at)) in sip_udp.iter().enumerate() {
        if sip_udp.iter().take(i).any(|(other, _)| collide(*other, *address)) {
            s.error(*at, format!("`sip_udp` names {address} twice, or an address that covers it; keep one."));
        }
        if config.rtp_ports.contains(&address.port()) {
            s.error(
                if rtp_at > 0 { rtp_at } else { *at },
                format!(
                    "the media ports {} to {} contain the SIP port {}; move one of them.",
                    config.rtp_ports.start(),
                    config.rtp_ports.end(),
                    address.port()
                ),
            );
        }
    }
    if let Some((address, at)) = &sip_ws
        && !anywhere
        && !is_near(address.ip())
    {
        s.error(
            *at,
            format!(
                "`sip_ws` is WebSocket without TLS, and {} can be reached from far away; bind 127.0.0.1 or a private address \
                 behind a proxy that brings the TLS, or say sip_ws_anywhere = true if you mean it.",
                address.ip()
            ),
        );
    }
    for trunk in &config.trunks {
        // What we send names an address of ours with the same transport; without a listener there is none.
        let lacks = |transport, listeners: &[(SocketAddr, usize)]| {
            trunk.addresses.iter().any(|one| {
                one.transport == transport
                    && !listeners.iter().any(|(own, _)| own.is_ipv4() == one.address.is_ipv4())
            })
        };
        for (transport, name, listeners) in
            [(Transport::Tcp, "sip_tcp", &sip_tcp), (Transport::Tls, "sip_tls", &sip_tls)]
        {
            if lacks(transport, listeners) {
                s.missing(
                    name,
                    &format!(
                        "the trunk \"{}\" is called over that transport, which needs an address of ours.",
                        trunk.name
                    ),
                );
            }
        }
    }
    for (address, at) in sip_udp.iter().chain(sip_tcp.iter()).chain(sip_tls.iter()) {
        if address.ip().is_unspecified() && config.advertise.is_none() {
            s.error(
                *at,
                format!("{address} means every address, and phones must be told one: add advertise = \"…\" above [listen]."),
            );
            break;
        }
    }
    s.finish();
    Listen {
        sip_udp: sip_udp.into_iter().map(|(a, _)| a).collect(),
        sip_tcp: sip_tcp.into_iter().map(|(a, _)| a).collect(),
        sip_tls: sip_tls.into_iter().map(|(a, _)| a).collect(),
        sip_ws: sip_ws.map(|(a, _)| a),
        https: https.map(|(a, _)| a),
        http: http.map(|(a, _)| a),
    }
}

/// Loopback, private, link-local: addresses that nobody on the internet can send to.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn registration(mut s: Section<'_>) -> Registration {
    let d = Registration::default();
    let r = Registration {
        expires_min: seconds(&mut s, "expires_min_s", 1, DAY_S, d.expires_min),
        expires_default: seconds(&mut s, "expires_default_s", 1, DAY_S, d.expires_default),
        expires_max: seconds(&mut s, "expires_max_s", 1, DAY_S, d.expires_max),
        bindings_max: s.number("bindings_max", 1, 10_000_000).map_or(d.bindings_max, |n| n as usize),
    };
    if r.expires_min > r.expires_default || r.expires_default > r.expires_max {
        s.error(
            s.offset,
            format!(
                "expiry must rise from min over default to max, but it is {}, {}, {} seconds.",
                r.expires_min.as_secs(),
                r.expires_default.as_secs(),
                r.expires_max.as_secs()
            ),
        );
    }
    s.finish();
    r
}

fn seconds(s: &mut Section<'_>, key: &'static str, min: u64, max: u64, default: Duration) -> Duration {
    s.number(key, min, max).map_or(default, Duration::from_secs)
}

fn trunks(source: &Source) -> Vec<Trunk> {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let mut trunks: Vec<Trunk> = Vec::new();
    for (i, mut s) in top.sections("trunk").into_iter().enumerate() {
        let (name, at) = s.text("name").unwrap_or_default();
        if name.is_empty() {
            s.missing("name", "give the trunk a short name; the dial plan points at it.");
        } else if trunks.iter().any(|t| t.name == name) {
            s.error(at, format!("there are two trunks with the name \"{name}\"; rename one."));
        }
        let addresses = s
            .parsed_list::<Address>(
                "addresses",
                "\"192.0.2.10:5060\", \"tcp:192.0.2.10:5060\" for TCP, or \"tls:192.0.2.10:5061\" for TLS",
            )
            .unwrap_or_default();
        if addresses.is_empty() {
            s.missing("addresses", "write at least one, for example addresses = [\"192.0.2.10:5060\"].");
        }
        let accept_from = s
            .parsed_list::<Network>("accept_from", "\"192.0.2.0/24\", \"192.0.2.10\" or \"192.0.2.10:5060\"");
        let accept_from = match accept_from {
            Some(list) => list.into_iter().map(|(n, _)| n.0).collect(),
            // The addresses we call are the natural ones to be called from.
            None => addresses
                .iter()
                .map(|(a, _)| TrunkMatch {
                    network: a.0.address.ip(),
                    prefix: if a.0.address.is_ipv4() { 32 } else { 128 },
                    port: None,
                })
                .collect(),
        };
        let codecs = match s.texts("codecs") {
            None => vec![CodecName::Pcma, CodecName::Pcmu, CodecName::G722],
            Some(words) => words.into_iter().filter_map(|(word, at)| codec(&s, &word, at)).collect(),
        };
        trunks.push(Trunk {
            id: TrunkId(i as u64),
            name,
            addresses: addresses.into_iter().map(|(a, _)| a.0).collect(),
            accept_from,
            domain: s.text("domain").map(|(d, _)| d),
            default_number: s.text("default_number").map(|(n, _)| n),
            max_calls: s.number("max_calls", 0, 1_000_000).unwrap_or(100) as u32,
            codecs,
        });
        s.finish();
    }
    top.finish();
    trunks
}

fn codec(s: &Section<'_>, word: &str, at: usize) -> Option<CodecName> {
    match word.to_ascii_uppercase().as_str() {
        "PCMA" => Some(CodecName::Pcma),
        "PCMU" => Some(CodecName::Pcmu),
        "G722" => Some(CodecName::G722),
        _ => {
            s.error(at, format!("\"{word}\" is no codec for a trunk; use PCMA, PCMU or G722."));
            None
        }
    }
}

fn dial_plan(source: &Source, trunks: &[Trunk]) -> DialPlan {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let d = DialPlan::default();
    let trunk_exists = |s: &Section<'_>, key: &str, name: &str, at: usize| {
        if !trunks.iter().any(|t| t.name == name) {
            let names: Vec<_> = trunks.iter().map(|t| format!("\"{}\"", t.name)).collect();
            let have = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            s.error(
                at,
                format!("`{key}` names the trunk \"{name}\", which trunks.toml does not have; {have}."),
            );
        }
    };
    let numbers = |top: &mut Section<'_>, key: &'static str, default: Vec<String>| match top.texts(key) {
        None => default,
        Some(list) => list
            .into_iter()
            .map(|(number, at)| {
                digits(top, key, &number, at);
                number
            })
            .collect(),
    };
    let emergency = numbers(&mut top, "emergency", d.emergency);
    let barred = numbers(&mut top, "barred", d.barred);
    let emergency_trunk = top.text("emergency_trunk").map(|(name, at)| {
        trunk_exists(&top, "emergency_trunk", &name, at);
        name
    });
    let mut rules = Vec::new();
    for mut s in top.sections("rules") {
        let prefix = match s.text("prefix") {
            Some((prefix, at)) => {
                digits(&s, "prefix", &prefix, at);
                prefix
            }
            None => {
                s.missing("prefix", "write the digits the number begins with; \"\" matches every number.");
                String::new()
            }
        };
        let trunk = match s.text("trunk") {
            Some((name, at)) => {
                trunk_exists(&s, "trunk", &name, at);
                name
            }
            None => {
                s.missing("trunk", "name the trunk that takes these calls.");
                String::new()
            }
        };
        let min_digits = s.number("min_digits", 1, 32).map(|n| n as u8);
        let max_digits = s.number("max_digits", 1, 32).map(|n| n as u8);
        if let (Some(min), Some(max)) = (min_digits, max_digits)
            && min > max
        {
            s.error(
                s.offset,
                format!("min_digits is {min} and max_digits is {max}: no number fits; swap them."),
            );
        }
        let strip = s.number("strip", 0, 32).unwrap_or(0) as u8;
        let add = match s.text("add") {
            Some((add, at)) => {
                digits(&s, "add", &add, at);
                add
            }
            None => String::new(),
        };
        s.finish();
        rules.push(Rule { prefix, min_digits, max_digits, trunk, strip, add });
    }
    let plan = DialPlan {
        emergency,
        rules,
        vacant_phone_internal: top.flag("vacant_phone_internal").unwrap_or(d.vacant_phone_internal),
        emergency_trunk,
        external_calls_per_agent: top
            .number("external_calls_per_agent", 0, 1000)
            .map_or(d.external_calls_per_agent, |n| n as u32),
        external_calls_per_minute: top
            .number("external_calls_per_minute", 0, 10_000)
            .map_or(d.external_calls_per_minute, |n| n as u32),
        barred,
        not_logged_in: top.text("not_logged_in").map(|(extension, _)| extension),
    };
    top.finish();
    plan
}

/// Numbers are digits with an optional plus sign in front.
fn digits(s: &Section<'_>, key: &str, number: &str, at: usize) {
    let rest = number.strip_prefix('+').unwrap_or(number);
    if !rest.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#') {
        s.error(
            at,
            format!("\"{number}\" in `{key}` is no number; use digits, with a + in front if needed."),
        );
    }
}

fn security(source: &Source) -> Security {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let d = Security::default();
    let takeover = top
        .word("takeover", &[("end", TakeoverPolicy::End), ("refuse", TakeoverPolicy::Refuse)])
        .unwrap_or(d.takeover);
    let digest_no_md5 = top.flag("digest_no_md5").unwrap_or(d.digest_no_md5);
    let mut security = Security { takeover, digest_no_md5, ..d };
    if let Some(mut s) = top.section("session") {
        security.pending_session = s
            .number("pending_minutes", 1, 60)
            .map_or(security.pending_session, |n| Duration::from_secs(60 * n));
        security.session =
            s.number("hours", 1, 168).map_or(security.session, |n| Duration::from_secs(3600 * n));
        s.finish();
    }
    if let Some(mut s) = top.section("limits") {
        let mut number = |key, max, default: usize| s.number(key, 1, max).map_or(default, |n| n as usize);
        security.connections_max = number("connections", 1_000_000, security.connections_max);
        security.connections_per_source =
            number("connections_per_source", 1_000_000, security.connections_per_source);
        security.logins_per_minute =
            number("logins_per_minute", 100_000, security.logins_per_minute as usize) as u32;
        s.finish();
    }
    top.finish();
    security
}

/// A path in a file is meant from that file's folder.
fn beside(dir: &Path, path: &str) -> PathBuf {
    dir.join(path)
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// `[transport:]address:port`.
struct Address(TrunkAddress);

impl FromStr for Address {
    type Err = ();
    fn from_str(text: &str) -> Result<Address, ()> {
        let (transport, rest) = match text.split_once(':') {
            Some(("udp", rest)) => (Transport::Udp, rest),
            Some(("tcp", rest)) => (Transport::Tcp, rest),
            Some(("tls", rest)) => (Transport::Tls, rest),
            _ => (Transport::Udp, text),
        };
        let address = rest.parse().map_err(|_| ())?;
        Ok(Address(TrunkAddress { address, transport }))
    }
}

/// `network/prefix`, `address` or `address:port`.
struct Network(TrunkMatch);

impl FromStr for Network {
    type Err = ();
    fn from_str(text: &str) -> Result<Network, ()> {
        let full = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        if let Ok(address) = text.parse::<SocketAddr>() {
            let network = address.ip();
            return Ok(Network(TrunkMatch { network, prefix: full(network), port: Some(address.port()) }));
        }
        let (network, prefix) = match text.split_once('/') {
            Some((network, prefix)) => (network, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| ())?;
        let prefix = prefix.unwrap_or(full(network));
        if prefix > full(network) {
            return Err(());
        }
        Ok(Network(TrunkMatch { network, prefix, port: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("hotseat-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (file, text) in files {
            std::fs::write(dir.join(file), text).unwrap();
        }
        dir
    }

    const GOOD: &str = "domain = \"sip.example.com\"\n[listen]\nsip_udp = [\"127.0.0.1:5060\"]\n";

    #[test]
    fn the_folder_in_the_tree_passes_its_own_check() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sip-config");
        let config = Config::load(&dir).unwrap_or_else(|e| panic!("{e}"));
        assert!(!config.trunks.is_empty() && !config.dial_plan.rules.is_empty());
    }

    #[test]
    fn a_small_file_is_enough() {
        let dir = folder("small", &[("gateway.toml", GOOD)]);
        let config = Config::load(&dir).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(config.realm, "sip.example.com");
        assert_eq!(config.data_dir, dir.join("data"));
        assert_eq!(config.drain_max, Duration::from_secs(30));
    }

    #[test]
    fn all_errors_of_all_files_come_at_once_with_file_and_line() {
        let dir = folder(
            "bad",
            &[
                (
                    "gateway.toml",
                    "domain = \"sip.example.com\"\nworkrs = 2\n[rtp]\nport_first = 5000\nport_last = 6000\n\
                     [listen]\nsip_udp = [\"0.0.0.0:5060\"]\nsip_tcp = [\"127.0.0.1:8443\"]\nhttps = \"127.0.0.1:8443\"\n",
                ),
                ("trunks.toml", "[[trunk]]\nname = \"main\"\naddresses = [\"192.0.2.1\"]\n"),
                ("dialplan.toml", "\n[[rules]]\nprefix = \"0\"\ntrunk = \"mian\"\n"),
                ("security.toml", "takeover = \"ask\"\n"),
            ],
        );
        let text = Config::load(&dir).unwrap_err().to_string();
        let lines: Vec<&str> = text.lines().collect();
        let expect = [
            ("gateway.toml:2:", "did you mean `workers`"),
            ("gateway.toml:3:", "contain the SIP port 5060"),
            ("gateway.toml:7:", "add advertise"),
            ("gateway.toml:9:", "TCP port 8443"),
            ("trunks.toml:1:", "lacks `addresses`"),
            ("trunks.toml:3:", "\"192.0.2.1\" in `addresses` cannot be read"),
            ("dialplan.toml:4:", "there are \"main\""),
            ("security.toml:1:", "one of \"end\", \"refuse\""),
        ];
        assert_eq!(lines.len(), expect.len(), "{text}");
        for (line, (place, words)) in lines.iter().zip(expect) {
            assert!(line.starts_with(place) && line.contains(words), "{place} {words}\n{text}");
        }
    }

    #[test]
    fn a_missing_folder_and_broken_toml_are_told_in_words() {
        let missing = Config::load(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(missing.contains("does not exist"), "{missing}");
        let dir = folder("broken", &[("gateway.toml", "domain = \"x\"\n[listen\n")]);
        let broken = Config::load(&dir).unwrap_err().to_string();
        assert!(broken.contains("gateway.toml:2: this is not valid TOML"), "{broken}");
    }

    #[test]
    fn trunk_networks_read_with_prefix_port_or_neither() {
        let m = |t: &str| t.parse::<Network>().map(|n| (n.0.prefix, n.0.port)).ok();
        assert_eq!(m("192.0.2.0/24"), Some((24, None)));
        assert_eq!(m("192.0.2.9"), Some((32, None)));
        assert_eq!(m("192.0.2.9:5080"), Some((32, Some(5080))));
        assert_eq!(m("2001:db8::/32"), Some((32, None)));
        assert_eq!(m("192.0.2.0/33"), None);
    }
}
