//! The folder as a whole, and `gateway.toml`: where we listen, what we are called, how much we take. The other files have
//! readers of their own.

use super::read::{ConfigError, ConfigErrors, Section, Source};
use super::{Browser, Calls, Config, Listen, Phones, Registration, Security, TlsFiles};
use super::{dialplan, directory, mail, oidc, security, trunks};
use auth::mail::MailSettings;
use gateway::DialPlan;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use terms::{Codecs, Secret, Transport, Trunk};

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
    let gateway_file = open(dir, "gateway.toml", true, &mut errors);
    let trunks_file = open(dir, "trunks.toml", false, &mut errors);
    let plan_file = open(dir, "dialplan.toml", false, &mut errors);
    let security_file = open(dir, "security.toml", false, &mut errors);
    let mail_file = open(dir, "mail.toml", false, &mut errors);
    let directory_file = open(dir, "directory.toml", false, &mut errors);
    let oidc_file = open(dir, "oidc.toml", false, &mut errors);
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }

    let trunks = trunks::read(&trunks_file);
    let dial_plan = dialplan::read(&plan_file, &trunks);
    let security = security::read(&security_file);
    let mut config = gateway(&gateway_file, dir, trunks, dial_plan, security);
    let hello = mail::hello(&config.public_url);
    config.mail = mail::read(&mail_file, dir).map(|settings| MailSettings { hello, ..settings });
    config.directory = directory::read(&directory_file, dir);
    config.oidc = oidc::read(&oidc_file, dir, &config.public_url);
    for file in [gateway_file, trunks_file, plan_file, security_file, mail_file, directory_file, oidc_file] {
        errors.extend(file.into_errors());
    }
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}

/// `data_dir` of `gateway.toml` alone.
pub(super) fn data_dir(dir: &Path) -> Result<PathBuf, ConfigErrors> {
    let mut errors = Vec::new();
    let source = open(dir, "gateway.toml", true, &mut errors);
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }
    let table = source.parse();
    let named = Section::top(&source, &table).text("data_dir");
    Ok(beside(dir, named.as_ref().map_or("data", |(text, _)| text)))
}

fn whole_file(file: &str, sentence: &str) -> ConfigErrors {
    ConfigErrors(vec![ConfigError { file: file.to_owned(), line: 0, sentence: sentence.to_owned() }])
}

fn open(dir: &Path, name: &str, required: bool, errors: &mut Vec<ConfigError>) -> Source {
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
    config.folder = Some(dir.to_owned());
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
    if let Some(section) = top.section("browser") {
        config.browser = browser(section);
    }
    if let Some(mut calls) = top.section("calls") {
        let d = Calls::default();
        config.calls = Calls {
            ring_max: seconds(&mut calls, "ring_s", 5, 600, d.ring_max),
            progress_max: seconds(&mut calls, "progress_s", 5, 180, d.progress_max),
            calls_max: calls.number("max", 1, 1_000_000).map_or(d.calls_max, |n| n as usize),
        };
        calls.finish();
    }
    if let Some(mut phones) = top.section("phones") {
        let d = Phones::default();
        config.phones = Phones {
            srtp: super::srtp(&mut phones).unwrap_or(d.srtp),
            codecs: phones
                .texts("codecs")
                .map_or(d.codecs, |words| Codecs::new(&super::codecs(&phones, words))),
            watch_every: phones.number("watch_s", 0, 300).map_or(d.watch_every, Duration::from_secs),
        };
        phones.finish();
    }
    top.finish();
    config
}

/// Servers that help browsers out of hard networks, and the secret their credentials are made of.
fn browser(mut s: Section<'_>) -> Browser {
    let mut browser = Browser::default();
    for (key, schemes, list) in
        [("stun", ["stun:", "stuns:"], &mut browser.stun), ("turn", ["turn:", "turns:"], &mut browser.turn)]
    {
        let example = format!("an address such as \"{}turn.example.com:3478\"", schemes[0]);
        for (url, at) in s.texts(key).unwrap_or_default() {
            if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
                s.error(at, format!("`{key}` has \"{url}\"; write {example}."));
            }
            list.push(url);
        }
    }
    if let Some((secret, _)) = s.text("turn_secret") {
        browser.turn_secret = Secret::new(secret);
    }
    browser.turn_life = seconds(&mut s, "turn_life_s", 60, 3600, browser.turn_life);
    if let Some(words) = s.texts("codecs") {
        browser.codecs = Codecs::new(&super::codecs(&s, words));
    }
    if !browser.turn.is_empty() && browser.turn_secret.expose().is_empty() {
        s.missing(
            "turn_secret",
            "write the TURN server's static-auth-secret, so that browsers get credentials.",
        );
    }
    s.finish();
    browser
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

/// A path in a file is meant from that file's folder.
fn beside(dir: &Path, path: &str) -> PathBuf {
    dir.join(path)
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
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
    fn encryption_and_codecs_are_read_for_phones_and_trunks() {
        let phones = "[phones]\nsrtp = \"require\"\ncodecs = [\"g722\", \"PCMA\"]\n";
        let trunk = "[[trunk]]\nname = \"main\"\naddresses = [\"192.0.2.1:5060\"]\nsrtp = \"offer\"\n";
        let text = format!("{GOOD}{phones}");
        let dir = folder("srtp", &[("gateway.toml", text.as_str()), ("trunks.toml", trunk)]);
        let config = Config::load(&dir).unwrap_or_else(|e| panic!("{e}"));
        use terms::{CodecName, Srtp};
        assert_eq!(config.phones.srtp, Srtp::Require);
        assert_eq!(config.phones.codecs, Codecs::new(&[CodecName::G722, CodecName::Pcma]));
        let last = config.browser.codecs.iter().last();
        assert_eq!(last, Some(CodecName::Opus), "what is carried as it is comes first");
        let text = format!("{GOOD}[browser]\ncodecs = [\"opus\", \"pcma\"]\n");
        let own = Config::load(&folder("browser-codecs", &[("gateway.toml", text.as_str())]));
        let own = own.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(own.browser.codecs, Codecs::new(&[CodecName::Opus, CodecName::Pcma]));
        assert_eq!(config.trunks.first().map(|t| t.srtp), Some(Srtp::Offer));
        let text = format!("{GOOD}[phones]\nsrtp = \"maybe\"\ncodecs = [\"G729\"]\n");
        let bad =
            Config::load(&folder("srtp-bad", &[("gateway.toml", text.as_str())])).unwrap_err().to_string();
        assert!(bad.contains("gateway.toml:5:") && bad.contains("\"require\""), "{bad}");
        assert!(bad.contains("gateway.toml:6:") && bad.contains("\"G729\" is no codec"), "{bad}");
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
}
