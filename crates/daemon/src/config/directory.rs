//! `directory.toml`: the directory that knows some agents' passwords. Without the file, or with nothing in it, there is none.

use super::mail;
use super::read::{Section, Source};
use auth::ways::{DirectorySettings, Protection, Service, is_filter};
use std::path::Path;
use std::time::Duration;
use terms::{Role, Typology};

/// Servers that are tried one after the other.
const SERVERS_MAX: usize = 8;
/// Groups that are asked for one by one at each login.
const GROUPS_MAX: usize = 64;
const ROLES: [(&str, Role); 4] = [
    ("agent", Role::Agent),
    ("supervisor", Role::Supervisor),
    ("engineer", Role::Engineer),
    ("administrator", Role::Administrator),
];
const TYPOLOGIES: [(&str, Typology); 3] =
    [("webrtc", Typology::Webrtc), ("external", Typology::External), ("phonebar", Typology::Phonebar)];

pub(super) fn read(source: &Source, dir: &Path) -> Option<DirectorySettings> {
    let table = source.parse();
    if table.is_empty() {
        return None;
    }
    let mut top = Section::top(source, &table);
    let words = [("ldaps", Protection::Ldaps), ("starttls", Protection::StartTls)];
    let protection = top.word("tls", &words).unwrap_or(Protection::Ldaps);
    let servers = servers(&mut top, protection);
    let base = top.text("base").filter(|(base, at)| dn(&top, "base", base, *at));
    if base.is_none() {
        top.missing("base", "write where accounts are, for example base = \"DC=example,DC=com\".");
    }
    let login_attribute = attribute(&mut top, "login_attribute").unwrap_or_else(|| "sAMAccountName".into());
    let user_filter = match top.text("user_filter") {
        Some((filter, at)) if !is_filter(&filter) => {
            top.error(at, format!("`user_filter` is \"{filter}\"; write a filter in brackets such as \"(objectClass=user)\"."));
            filter
        }
        Some((filter, _)) => filter,
        None => "(&(objectCategory=person)(objectClass=user))".into(),
    };
    let upn_suffix = host(&mut top, "upn_suffix");
    let netbios = host(&mut top, "netbios");
    let typology_attribute = attribute(&mut top, "typology_attribute");
    let locked_ends_login = top.flag("locked_ends_login").unwrap_or(false);
    let timeout = top.number("timeout_s", 1, 10).map_or(Duration::from_secs(3), Duration::from_secs);
    let watch_every = top.number("watch_s", 5, 30).map_or(Duration::from_secs(20), Duration::from_secs);
    let ca = top.text("ca");
    let roots = roots(&mut top, dir, ca);
    let service = top.section("service").and_then(|section| service(section, dir));
    if service.is_none() && upn_suffix.is_none() {
        top.missing(
            "upn_suffix",
            "write it, for example upn_suffix = \"example.com\", or a [service] account that may search; one of both is needed.",
        );
    }
    let roles = groups(&mut top, "role", &ROLES);
    let typologies = groups(&mut top, "typology", &TYPOLOGIES);
    top.finish();
    Some(DirectorySettings {
        servers,
        protection,
        base: base.map(|(base, _)| base)?,
        login_attribute,
        user_filter,
        upn_suffix,
        netbios,
        service,
        roles,
        typologies,
        typology_attribute,
        locked_ends_login,
        roots,
        timeout,
        watch_every,
    })
}

/// Addresses whose words fit how they are protected.
fn servers(s: &mut Section<'_>, protection: Protection) -> Vec<String> {
    let texts = s.texts("servers").unwrap_or_default();
    if texts.is_empty() {
        s.missing("servers", "write at least one, for example servers = [\"ldaps://dc1.example.com\"].");
    }
    if let Some((_, at)) = texts.get(SERVERS_MAX) {
        s.error(*at, format!("`servers` has more than {SERVERS_MAX}; each takes its share of timeout_s."));
    }
    let mut servers = Vec::new();
    for (text, at) in texts {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
        let wanted = if protection == Protection::Ldaps { "ldaps" } else { "ldap" };
        if scheme == "ldap" && protection == Protection::Ldaps {
            s.error(at, format!("\"{text}\" is plain LDAP, and passwords would travel open; write \"ldaps://{rest}\", or tls = \"starttls\"."));
        } else if scheme != wanted || !is_address(rest) {
            s.error(at, format!("\"{text}\" in `servers` cannot be read; write \"{wanted}://host\" or \"{wanted}://host:port\"."));
        } else {
            servers.push(text);
        }
    }
    servers
}

/// `host` or `host:port`; an IPv6 address in brackets.
fn is_address(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_reads = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        }
    };
    host_reads && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn dn(s: &Section<'_>, key: &str, text: &str, at: usize) -> bool {
    let reads = text.split(',').all(|part| part.contains('=') || part.ends_with('\\')) && text.contains('=');
    if !reads {
        s.error(
            at,
            format!(
                "`{key}` is \"{text}\"; write a distinguished name such as \"CN=Users,DC=example,DC=com\"."
            ),
        );
    }
    reads
}

/// A name of an attribute (RFC 4512 §1.4): it becomes a part of filters as it is.
fn attribute(s: &mut Section<'_>, key: &'static str) -> Option<String> {
    let (text, at) = s.text(key)?;
    let reads = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !reads {
        s.error(
            at,
            format!("`{key}` is \"{text}\"; write the name of an attribute such as \"sAMAccountName\"."),
        );
    }
    reads.then_some(text)
}

fn host(s: &mut Section<'_>, key: &'static str) -> Option<String> {
    let (text, at) = s.text(key)?;
    let reads = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if !reads {
        s.error(at, format!("`{key}` is \"{text}\"; write the name alone, without \"@\" or \"\\\"."));
    }
    reads.then_some(text)
}

fn service(mut s: Section<'_>, dir: &Path) -> Option<Service> {
    let name = s.text("dn");
    let password = mail::secret(&mut s, dir, "password", "password_file");
    if name.is_none() {
        s.missing(
            "dn",
            "write the account that searches, for example dn = \"CN=hotseat,CN=Users,DC=example,DC=com\".",
        );
    }
    match &password {
        None => s.missing("password", "write it, or `password_file`."),
        // RFC 4513 §5.1.2: that would be an anonymous search that looks like one of the account.
        Some(password) if password.expose().is_empty() => s.missing("password", "it is empty."),
        Some(_) => {}
    }
    s.finish();
    Some(Service { dn: name?.0, password: password? })
}

/// `[[role]]` and `[[typology]]`: a group, and what its members are.
fn groups<T: Copy>(top: &mut Section<'_>, key: &'static str, words: &[(&str, T)]) -> Vec<(String, T)> {
    let mut groups = Vec::new();
    for mut s in top.sections(key) {
        let group = s.text("group").filter(|(group, at)| dn(&s, "group", group, *at));
        let what = s.word(key, words);
        match (group, what) {
            (Some((group, _)), Some(what)) => groups.push((group, what)),
            (None, _) => s.missing("group", "write the group's distinguished name."),
            (_, None) => s.missing(key, "say what its members are."),
        }
        s.finish();
    }
    if groups.len() > GROUPS_MAX {
        top.error(
            top.offset,
            format!("there are more than {GROUPS_MAX} [[{key}]]; each is one question at every login."),
        );
    }
    groups
}

/// The roots, of which there must be one: without, no certificate would be good.
pub(super) fn roots(s: &mut Section<'_>, dir: &Path, ca: Option<(String, usize)>) -> Vec<Vec<u8>> {
    let named = ca.is_some();
    let roots = mail::roots(s, dir, ca);
    if roots.is_empty() && !named {
        s.missing("ca", "this system has no list of trusted roots, so name a file in PEM: ca = \"ca.pem\".");
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> (Option<DirectorySettings>, Vec<String>) {
        let source = Source::new("directory.toml", text.to_owned());
        let read = read(&source, Path::new("/nowhere"));
        let errors = source.into_errors().iter().map(ToString::to_string).collect();
        (read, errors)
    }

    #[test]
    fn nothing_is_no_directory_and_three_lines_are_one() {
        assert_eq!(ask("# servers = [\"x\"]\n"), (None, vec![]));
        let (settings, errors) = ask(
            "servers = [\"ldaps://dc1.example.com\", \"ldaps://[2001:db8::1]:3636\"]\nbase = \"DC=example,DC=com\"\n\
             upn_suffix = \"example.com\"\n[[role]]\ngroup = \"CN=Leads,DC=example,DC=com\"\nrole = \"supervisor\"\n",
        );
        let settings = settings.unwrap();
        let others: Vec<_> = errors.iter().filter(|error| !error.contains("`ca`")).collect();
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(settings.servers.len(), 2);
        assert_eq!(settings.timeout, Duration::from_secs(3));
        assert_eq!(settings.roles, [("CN=Leads,DC=example,DC=com".to_owned(), Role::Supervisor)]);
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn each_mistake_names_its_line_and_what_to_write() {
        let good = "servers = [\"ldaps://dc1\"]\nbase = \"DC=a\"\nupn_suffix = \"a.b\"\n";
        for (text, wanted) in [
            ("servers = [\"ldap://dc1\"]\n", "directory.toml:1: \"ldap://dc1\" is plain LDAP"),
            (
                "servers = [\"dc1\"]\n",
                "directory.toml:1: \"dc1\" in `servers` cannot be read; write \"ldaps://host\"",
            ),
            (
                "tls = \"none\"\n",
                "directory.toml:1: `tls` is \"none\"; write one of \"ldaps\", \"starttls\".",
            ),
            ("servers = [\"ldaps://dc1/x\"]\n", "cannot be read"),
            ("base = \"DC=a\"\n", "lacks `servers`"),
            (&format!("{good}user_filter = \"objectClass=user\"\n"), "directory.toml:4: `user_filter` is"),
            (&format!("{good}login_attribute = \"uid)(x=*\"\n"), "directory.toml:4: `login_attribute` is"),
            (&format!("{good}[service]\ndn = \"CN=a\"\npassword = \"\"\n"), "lacks `password`; it is empty"),
            (
                &format!("{good}[service]\ndn = \"CN=a\"\npassword_file = \"x\"\n"),
                "/nowhere/x cannot be read",
            ),
            (
                &format!("{good}[[role]]\ngroup = \"Leads\"\nrole = \"supervisor\"\n"),
                "directory.toml:5: `group` is",
            ),
            (
                &format!("{good}[[role]]\ngroup = \"CN=L\"\nrole = \"boss\"\n"),
                "directory.toml:6: `role` is \"boss\"; write one of",
            ),
            (
                &format!("{good}watch_s = 60\n"),
                "directory.toml:4: `watch_s` is 60, which is out of range; use 5 to 30.",
            ),
            (&format!("{good}ca = \"x.pem\"\n"), "/nowhere/x.pem cannot be read"),
            ("servers = [\"ldaps://dc1\"]\nbase = \"DC=a\"\n", "lacks `upn_suffix`"),
        ] {
            let (_, errors) = ask(text);
            assert!(errors.iter().any(|error| error.contains(wanted)), "{text}: {errors:?}");
        }
    }
}
