//! `security.toml`: what happens when somebody logs in twice, how long a login lives, what strangers run into.

use super::Security;
use super::passwords;
use super::read::{Section, Source};
use super::session;
use terms::{Role, TakeoverPolicy};

/// Two lines on the login page.
const CONTACT_MAX: usize = 300;

pub(super) fn read(source: &Source) -> Security {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let d = Security::default();
    let takeover = top
        .word("takeover", &[("end", TakeoverPolicy::End), ("refuse", TakeoverPolicy::Refuse)])
        .unwrap_or(d.takeover);
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
        session::read(&mut security, section);
    }
    if let Some(mut s) = top.section("factors") {
        security.factors_required = factors_required(&mut s);
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
    security.policies = passwords::read(&mut top);
    if let Some(roles) = top.section("roles") {
        security.rights = super::roles::read(roles);
    }
    top.finish();
    security
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
    fn roles_that_need_a_second_factor_are_named_and_a_mistake_says_where() {
        let source = Source::new(
            "security.toml",
            "[factors]\nrequired = [\"administrator\", \"supervisor\"]\n".into(),
        );
        assert_eq!(read(&source).factors_required, [Role::Administrator, Role::Supervisor]);
        assert!(source.into_errors().is_empty());
        let source = Source::new("security.toml", "[factors]\nrequired = [\"boss\"]\nalways = true\n".into());
        assert!(read(&source).factors_required.is_empty());
        let errors = source.into_errors();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors.iter().any(|error| error.line == 2 && error.sentence.contains("\"boss\"")),
            "{errors:?}"
        );
    }
}
