//! `mail.toml`: the one mail server that letters of ours go to. Without the file, or with nothing in it, there is no mail.

use super::read::{Section, Source};
use crate::tls::SYSTEM_ROOTS;
use auth::mail::{MailSettings, MailTls};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use terms::{EmailAddress, Secret};

/// RFC 6409 §3.1 and RFC 8314 §7.3; a server on this machine usually has the oldest one.
const PORTS: [(MailTls, u16); 3] = [(MailTls::StartTls, 587), (MailTls::Tls, 465), (MailTls::None, 25)];

pub(super) fn read(source: &Source, dir: &Path) -> Option<MailSettings> {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let host = top.text("host");
    let port = top.number("port", 1, 65_535);
    let tls_words = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let tls = top.word("tls", &tls_words).unwrap_or(MailTls::StartTls);
    let anywhere = top.flag("tls_none_anywhere").unwrap_or(false);
    let username = top.text("username");
    let password = secret(&mut top, dir, "password", "password_file");
    let from = top.parsed::<EmailAddress>("from", "an address such as \"hotseat@example.com\"");
    let ca = top.text("ca");
    let timeout = top.number("timeout_s", 1, 300).map_or(Duration::from_secs(20), Duration::from_secs);
    if table.is_empty() {
        return None;
    }

    let Some((host, host_at)) = host else {
        top.missing("host", "write the name of your mail server, for example host = \"mail.example.com\".");
        top.finish();
        return None;
    };
    if !is_name(&host) {
        top.error(host_at, format!("`host` is \"{host}\"; write a name or an address without a port."));
    }
    if tls == MailTls::None && !anywhere && !is_here(&host) {
        let sentence = format!(
            "`tls` is \"none\", and {host} is not this machine: links that are as good as passwords would travel open. Use \
             \"starttls\" or \"tls\", or say tls_none_anywhere = true if you mean it."
        );
        top.error(host_at, sentence);
    }
    let credentials = match (username, password) {
        (Some((name, _)), Some(password)) => Some((name, password)),
        (None, None) => None,
        (Some(_), None) => {
            top.missing("password", "write it, or `password_file`, or leave `username` out.");
            None
        }
        (None, Some(_)) => {
            top.missing("username", "a password alone logs nobody in.");
            None
        }
    };
    if from.is_none() {
        top.missing("from", "write the sender's address, for example from = \"hotseat@example.com\".");
    }
    let roots = match tls {
        MailTls::None => Vec::new(),
        MailTls::StartTls | MailTls::Tls => roots(&mut top, dir, ca),
    };
    top.finish();
    let default = PORTS.iter().find(|(of, _)| *of == tls).map_or(587, |(_, port)| *port);
    Some(MailSettings {
        host,
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default),
        tls,
        credentials,
        from: from?.0,
        hello: "localhost".into(),
        roots,
        timeout,
    })
}

/// From the file itself, or the first line of a file of its own (for secrets that are mounted).
pub(super) fn secret(
    s: &mut Section<'_>,
    dir: &Path,
    key: &'static str,
    file_key: &'static str,
) -> Option<Secret> {
    let written = s.text(key).map(|(text, _)| Secret::new(text));
    let Some((file, at)) = s.text(file_key) else { return written };
    if written.is_some() {
        s.error(at, format!("`{key}` and `{file_key}` are both there; keep one."));
    }
    match std::fs::read_to_string(dir.join(&file)) {
        Ok(text) => Some(Secret::new(text.lines().next().unwrap_or_default())),
        Err(error) => {
            s.error(at, format!("{} cannot be read: {error}.", dir.join(&file).display()));
            None
        }
    }
}

/// The file's roots alone where one is named, otherwise the system's; where it has none, those compiled in (an empty list).
pub(super) fn roots(s: &mut Section<'_>, dir: &Path, ca: Option<(String, usize)>) -> Vec<Vec<u8>> {
    let read = |file: &Path| -> Result<Vec<Vec<u8>>, String> {
        let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = found.map_err(|error| error.to_string())?;
        // Old roots that cannot be read are skipped, as everywhere.
        let usable = |der: &CertificateDer<'_>| RootCertStore::empty().add(der.clone().into_owned()).is_ok();
        Ok(found.into_iter().filter(usable).map(|der| der.to_vec()).collect())
    };
    match ca {
        Some((name, at)) => {
            let file = dir.join(&name);
            match read(&file) {
                Ok(roots) if !roots.is_empty() => return roots,
                Ok(_) => s.error(at, format!("{} holds no certificate.", file.display())),
                Err(why) => s.error(at, format!("{} cannot be read: {why}.", file.display())),
            }
            Vec::new()
        }
        None => SYSTEM_ROOTS.iter().find_map(|file| read(Path::new(file)).ok()).unwrap_or_default(),
    }
}

fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
        || (!host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')))
}

/// What we call ourselves to mail servers: the name people reach us by.
pub(super) fn hello(public_url: &str) -> String {
    let rest = public_url.strip_prefix("https://").unwrap_or(public_url);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6.to_owned(),
        None => authority.split(':').next().filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> (Option<MailSettings>, Vec<String>) {
        let source = Source::new("mail.toml", text.to_owned());
        let mail = read(&source, Path::new("/nowhere"));
        (mail, source.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_in_it_is_no_mail_and_three_lines_are_enough() {
        assert_eq!(ask("# nothing\n"), (None, vec![]));
        let (mail, errors) = ask("host = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"hotseat@example.com\"\n");
        assert_eq!(errors, Vec::<String>::new());
        let mail = mail.unwrap();
        assert_eq!((mail.port, mail.tls, mail.credentials.is_none()), (25, MailTls::None, true));
        let (mail, _) = ask("host = \"mail.example.com\"\nfrom = \"hotseat@example.com\"\n");
        assert_eq!(mail.map(|mail| (mail.port, mail.tls)), Some((587, MailTls::StartTls)));
    }

    #[test]
    fn mistakes_are_told_with_line_and_fix_and_open_letters_only_on_this_machine() {
        let open = "host = \"mail.example.com\"\ntls = \"none\"\nfrom = \"hotseat@example.com\"\n";
        let (_, errors) = ask(open);
        assert!(errors.len() == 1 && errors[0].contains("tls_none_anywhere"), "{errors:?}");
        let (mail, errors) = ask(&format!("{open}tls_none_anywhere = true\n"));
        assert!(mail.is_some() && errors.is_empty(), "{errors:?}");
        for (text, words) in [
            ("port = 25\n", "lacks `host`"),
            ("host = \"a\"\n", "lacks `from`"),
            ("host = \"a b\"\nfrom = \"h@a.de\"\n", "mail.toml:1: `host` is"),
            ("host = \"a\"\nfrom = \"h@a.de\\r\\nBcc: x@y.z\"\n", "mail.toml:2: `from` is"),
            ("host = \"a\"\nfrom = \"h@a.de\"\nusername = \"u\"\n", "lacks `password`"),
            ("host = \"a\"\nfrom = \"h@a.de\"\npassword = \"p\"\n", "lacks `username`"),
            ("host = \"a\"\nfrom = \"h@a.de\"\ntls = \"ssl\"\n", "one of \"starttls\", \"tls\", \"none\""),
            (
                "host = \"a\"\nfrom = \"h@a.de\"\nca = \"ca.pem\"\n",
                "mail.toml:3: /nowhere/ca.pem cannot be read",
            ),
            ("host = \"a\"\nfrom = \"h@a.de\"\npasword = \"p\"\n", "did you mean `password`"),
        ] {
            let (_, errors) = ask(text);
            assert!(errors.iter().any(|error| error.contains(words)), "{text}{errors:?}");
        }
    }

    #[test]
    fn we_introduce_ourselves_by_the_name_people_use() {
        assert_eq!(hello("https://desk.example.com:8443"), "desk.example.com");
        assert_eq!(hello("https://[2001:db8::1]:8443"), "2001:db8::1");
        assert_eq!(hello("https://desk.example.com"), "desk.example.com");
    }
}
