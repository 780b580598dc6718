//! `security.toml`: what happens when somebody logs in twice, how long a login lives, what strangers run into.

use super::Security;
use super::passwords;
use super::read::{Section, Source};
use super::session;
use super::trunks;
use std::str::FromStr;
use terms::{Role, TakeoverPolicy};

/// Two lines on the login page.
const CONTACT_MAX: usize = 300;

pub(super) fn read(source: &Source) -> Security {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let d = Security::default();
    let takeover = takeover(&mut top).unwrap_or(d.takeover);
    let digest_no_md5 = top.flag("digest_no_md5").unwrap_or(d.digest_no_md5);
    let contact = top.text("contact").and_then(|(text, at)| {
        let fits = text.chars().count() <= CONTACT_MAX;
        if !fits {
            top.error(at, format!("`contact` is longer than {CONTACT_MAX} characters."));
        }
        (fits && !text.trim().is_empty()).then_some(text)
    });
    let mut security = Security { takeover, digest_no_md5, contact, ..d };
    if let Some(section) = top.section("session") {
        security.policies.sessions = session::read(section);
    }
    if let Some(mut s) = top.section("factors") {
        security.policies.factors.required = factors_required(&mut s);
        s.finish();
    }
    if let Some(mut s) = top.section("limits") {
        let mut number = |key, max, default: usize| s.number(key, 1, max).map_or(default, |n| n as usize);
        security.connections_max = number("connections", 1_000_000, security.connections_max);
        security.connections_per_source =
            number("connections_per_source", 1_000_000, security.connections_per_source);
        security.logins_per_minute =
            number("logins_per_minute", 100_000, security.logins_per_minute as usize) as u32;
        let proxies = s.parsed_list::<Proxy>("proxies", "\"192.0.2.10\" or \"192.0.2.0/24\"");
        security.proxies = proxies.unwrap_or_default().into_iter().map(|(proxy, _)| proxy.0).collect();
        s.finish();
    }
    passwords::read(&mut top, &mut security.policies);
    if let Some(roles) = top.section("roles") {
        security.rights = super::roles::read(roles);
    }
    top.finish();
    security
}

fn takeover(top: &mut Section<'_>) -> Option<TakeoverPolicy> {
    if let Some((word, at)) = top.text("takeover")
        && word == "move"
    {
        let sentence = "`takeover` is \"move\", and calls cannot be moved to the new place yet; write \"end\" (the call ends at the old \
                        place) or \"refuse\" (no takeover while a call is up).";
        top.error(at, sentence.to_owned());
        return None;
    }
    top.word("takeover", &[("end", TakeoverPolicy::End), ("refuse", TakeoverPolicy::Refuse)])
}

/// `network/prefix` or `address`.
struct Proxy(auth::Network);

impl FromStr for Proxy {
    type Err = ();
    fn from_str(text: &str) -> Result<Proxy, ()> {
        let trunks::Network(found) = text.parse()?;
        match found.port {
            // A proxy connects from a port of its own choice.
            Some(_) => Err(()),
            None => Ok(Proxy(auth::Network { address: found.network, prefix: found.prefix })),
        }
    }
}

/// Roles, each once, in their order.
fn factors_required(section: &mut Section<'_>) -> Vec<Role> {
    let mut roles = Vec::new();
    for (word, at) in section.texts("required").unwrap_or_default() {
        match word.as_str() {
            "agent" => roles.push(Role::Agent),
            "supervisor" => roles.push(Role::Supervisor),
            "engineer" => roles.push(Role::Engineer),
            "administrator" => roles.push(Role::Administrator),
            other => section.error(
                at,
                format!(
                    "\"{other}\" in `required` is no role; write \"agent\", \"supervisor\", \"engineer\" or \"administrator\"."
                ),
            ),
        }
    }
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_not_there_yet_is_told_with_its_line_and_what_there_is() {
        let source = Source::new("security.toml", "digest_no_md5 = false\ntakeover = \"move\"\n".into());
        read(&source);
        let errors = source.into_errors();
        assert_eq!((errors.len(), errors[0].line), (1, 2), "{errors:?}");
        for word in ["cannot be moved", "\"end\"", "\"refuse\""] {
            assert!(errors[0].sentence.contains(word), "{errors:?}");
        }
        for (word, policy) in [("end", TakeoverPolicy::End), ("refuse", TakeoverPolicy::Refuse)] {
            let source = Source::new("security.toml", format!("takeover = \"{word}\"\n"));
            assert_eq!(read(&source).takeover, policy);
            assert!(source.into_errors().is_empty());
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks_and_nobody_is_one_unless_named() {
        let proxies = |text: &str| {
            let source = Source::new("security.toml", format!("[limits]\n{text}\n"));
            let found: Vec<_> =
                read(&source).proxies.iter().map(|p| (p.address.to_string(), p.prefix)).collect();
            (found, source.into_errors().len())
        };
        assert_eq!(proxies(""), (vec![], 0));
        let two = proxies("proxies = [\"192.0.2.10\", \"2001:db8::/32\"]");
        assert_eq!(two, (vec![("192.0.2.10".into(), 32), ("2001:db8::".into(), 32)], 0));
        for wrong in ["192.0.2.10:443", "192.0.2.0/33", "proxy.example", "*"] {
            assert_eq!(proxies(&format!("proxies = [\"{wrong}\"]")), (vec![], 1), "{wrong}");
        }
    }

    #[test]
    fn roles_that_need_a_second_factor_are_named_and_a_mistake_says_where() {
        let source = Source::new(
            "security.toml",
            "[factors]\nrequired = [\"administrator\", \"supervisor\"]\n".into(),
        );
        assert_eq!(read(&source).policies.factors.required, [Role::Administrator, Role::Supervisor]);
        assert!(source.into_errors().is_empty());
        let source = Source::new("security.toml", "[factors]\nrequired = [\"boss\"]\nalways = true\n".into());
        assert!(read(&source).policies.factors.required.is_empty());
        let errors = source.into_errors();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors.iter().any(|error| error.line == 2 && error.sentence.contains("\"boss\"")),
            "{errors:?}"
        );
    }
}
