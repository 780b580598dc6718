//! `oidc.toml`: the provider of OpenID Connect that some agents log in with. Without the file, or with nothing in it, none.

use super::directory;
use super::mail;
use super::read::{Section, Source};
use auth::ways::OidcSettings;
use std::path::Path;
use std::time::Duration;
use terms::Secret;

pub(super) fn read(source: &Source, dir: &Path, public_url: &str) -> Option<OidcSettings> {
    let table = source.parse();
    if table.is_empty() {
        return None;
    }
    let mut top = Section::top(source, &table);
    let issuer = top.text("issuer");
    match &issuer {
        Some((url, at)) if !is_issuer(url) => {
            top.error(*at, format!("`issuer` is \"{url}\"; write it exactly as the provider does, for example \"https://accounts.google.com\"."));
        }
        Some(_) => {}
        None => top.missing("issuer", "write it, for example issuer = \"https://accounts.google.com\"."),
    }
    let client_id = top.text("client_id").filter(|(id, _)| !id.is_empty());
    if client_id.is_none() {
        top.missing("client_id", "the provider gave you one when you registered Hotseat there.");
    }
    let client_secret = mail::secret(&mut top, dir, "client_secret", "client_secret_file");
    if client_secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
        top.missing("client_secret", "write it, or `client_secret_file`.");
    }
    let label = top.text("label").map_or_else(|| "Log in with Google".to_owned(), |(label, _)| label);
    let hosted_domain =
        top.text("hosted_domain").map(|(domain, _)| domain).filter(|domain| !domain.is_empty());
    let scopes = match top.texts("scopes") {
        None => ["openid", "email", "profile"].map(str::to_owned).to_vec(),
        Some(list) => {
            let words: Vec<String> = list.iter().map(|(word, _)| word.clone()).collect();
            if !["openid", "email"].iter().all(|needed| words.iter().any(|word| word == needed)) {
                let at = list.first().map_or(top.offset, |(_, at)| *at);
                top.error(
                    at,
                    "`scopes` must have \"openid\" and \"email\"; without them nobody could be found.".into(),
                );
            }
            words
        }
    };
    let prompt = top.text("prompt").map(|(prompt, _)| prompt).filter(|prompt| !prompt.is_empty());
    let timeout = top.number("timeout_s", 1, 30).map_or(Duration::from_secs(5), Duration::from_secs);
    let ca = top.text("ca");
    let roots = directory::roots(&mut top, dir, ca);
    top.finish();
    Some(OidcSettings {
        issuer: issuer?.0,
        client_id: client_id?.0,
        client_secret: client_secret.unwrap_or_else(|| Secret::new("")),
        label,
        hosted_domain,
        scopes,
        prompt,
        // Of the configured address alone: what a request calls us is no place to be sent to.
        redirect_uri: format!("{public_url}/api/login/oidc/back"),
        roots,
        timeout,
    })
}

/// OpenID Connect Discovery §2: https, without query and fragment.
fn is_issuer(url: &str) -> bool {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    !rest.is_empty()
        && !rest.starts_with('/')
        && rest.bytes().all(|b| b.is_ascii_graphic())
        && !rest.contains(['?', '#', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> (Option<OidcSettings>, Vec<String>) {
        let source = Source::new("oidc.toml", text.to_owned());
        let read = read(&source, Path::new("/nowhere"), "https://desk.example");
        let errors: Vec<String> = source.into_errors().iter().map(ToString::to_string).collect();
        (read, errors.into_iter().filter(|error| !error.contains("`ca`")).collect())
    }

    #[test]
    fn three_lines_are_a_provider_and_the_way_back_is_ours() {
        assert_eq!(ask("# issuer = \"x\"\n"), (None, vec![]));
        let (settings, errors) = ask(
            "issuer = \"https://accounts.google.com\"\nclient_id = \"c\"\nclient_secret = \"very secret\"\n",
        );
        let settings = settings.unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(settings.redirect_uri, "https://desk.example/api/login/oidc/back");
        assert_eq!(settings.label, "Log in with Google");
        assert!(!format!("{settings:?}").contains("very secret"));
    }

    #[test]
    fn each_mistake_names_its_line_and_what_to_write() {
        for (text, wanted) in [
            ("issuer = \"http://id.example\"\n", "oidc.toml:1: `issuer` is"),
            ("issuer = \"https://id.example?x=1\"\n", "oidc.toml:1: `issuer` is"),
            ("client_id = \"x\"\n", "lacks `issuer`"),
            ("issuer = \"https://id.example\"\n", "lacks `client_id`"),
            (
                "issuer = \"https://id.example\"\nclient_id = \"c\"\nclient_secret = \"\"\n",
                "lacks `client_secret`",
            ),
            ("scopes = [\"email\"]\n", "oidc.toml:1: `scopes` must have"),
            ("isuer = \"x\"\n", "did you mean `issuer`?"),
        ] {
            let (_, errors) = ask(text);
            assert!(errors.iter().any(|error| error.contains(wanted)), "{text}: {errors:?}");
        }
    }
}
