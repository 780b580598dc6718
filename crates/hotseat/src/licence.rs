//! `hotseat licence`: show and install; and for those who hand licences out, sign and make keys.

use crate::cli::{Licence as Cmd, Place, SignLicence};
use crate::{out, place};
use anyhow::{Context, bail};
use auth::licence::{self, Installed, Licence, SigningKey, Trust};
use daemon::core::wall_now;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use terms::Secret;

pub fn run(place: &Place, json: bool, what: Cmd) -> anyhow::Result<()> {
    match what {
        Cmd::Show => show(place, json),
        Cmd::Install { file } => install(place, json, &file),
        Cmd::Sign(wish) => sign(wish),
        Cmd::Key { name } => key(&name),
    }
}

/// The data folder, and whose licences count there.
fn where_it_is(place: &Place) -> anyhow::Result<(std::path::PathBuf, Trust)> {
    let found = place::find(place)?;
    // A folder without a configuration is a development world's, or is named by hand: what is shown then says which key signed.
    let trust = found.config.as_ref().map_or(Trust::Development, daemon::Config::trust_of_licences);
    Ok((found.data_dir, trust))
}

fn show(place: &Place, json: bool) -> anyhow::Result<()> {
    let (data, trust) = where_it_is(place)?;
    let now = wall_now();
    let standing = auth::Standing::default();
    let installed = daemon::licence::installed(&data, trust);
    standing.licence(installed.clone());
    let mut value = standing.describe(now, 0);
    if let Some(fields) = value.as_object_mut() {
        // Only the running service knows these.
        fields.remove("seats_used");
        fields.remove("certificates");
    }
    out::one(json, &value, || match installed {
        Installed::Licensed(licence) => format!(
            "{}\nSeats: {}. From {} until {}. Contact: {}. People are told {} days before the end.",
            licence.sentence(now),
            licence.seats,
            licence.from,
            licence.until,
            licence.contact,
            licence.notice_days
        ),
        Installed::Community => "This is the community edition; it never expires.".into(),
        Installed::Broken(error) => format!("The installed licence does not count: {error}."),
    });
    Ok(())
}

fn install(place: &Place, json: bool, file: &Path) -> anyhow::Result<()> {
    let (data, trust) = where_it_is(place)?;
    let mut text = String::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|read| text = read),
    }
    .with_context(|| format!("reading {}", file.display()))?;
    let (licence, key) = licence::read(&text, trust)?;
    // Whole or not at all: the service looks at the file whenever it likes.
    let target = daemon::licence::file(&data);
    let fresh = target.with_extension("new");
    let mut written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| format!("writing {}", fresh.display()))?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&fresh, &target)?;
    let sentence = licence.sentence(wall_now());
    let value =
        serde_json::json!({ "installed": true, "key": key, "licence": licence, "sentence": sentence });
    out::one(json, &value, || {
        let note = match key == licence::DEVELOPMENT {
            true => "\nIt is signed with the development key: only `hotseat dev` takes it.",
            false => "",
        };
        format!("Installed. {sentence} A running service has it within seconds.{note}")
    });
    Ok(())
}

fn sign(wish: SignLicence) -> anyhow::Result<()> {
    let day =
        |text: &str| licence::day(text).with_context(|| format!("{text} is no day; write it as 2027-12-31"));
    let from = match &wish.from {
        Some(text) => day(text)?,
        None => day(wall_now().to_string().split('T').next().unwrap_or_default())?,
    };
    let terms = Licence {
        customer: wish.customer,
        seats: wish.seats,
        from,
        until: day(&wish.until)?,
        contact: wish.contact,
        notice_days: wish.notice_days,
    };
    let (signer, name) = match &wish.key {
        None => (SigningKey::development(), licence::DEVELOPMENT.to_owned()),
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            let Some((name, key)) = text.trim().split_once(' ') else {
                bail!("{} holds no key of `hotseat licence key`", file.display());
            };
            (SigningKey::parse(&Secret::new(key)), name.to_owned())
        }
    };
    let signer = signer.context("this is no private key of `hotseat licence key`")?;
    let text = signer.sign(&terms, &name);
    // What the program would not take is not handed out. A new key may not be compiled in here, which is no mistake.
    match licence::read(&text, Trust::Development) {
        Ok(_) | Err(licence::LicenceError::UnknownKey(_)) => print!("{text}"),
        Err(error) => bail!("{error}"),
    }
    Ok(())
}

fn key(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) || name == licence::DEVELOPMENT {
        bail!("\"{name}\" cannot be the name of a key: letters, digits, '-', '_' and '.' only");
    }
    let (private, public) = SigningKey::generate().context("the system has no randomness")?;
    println!("{name} {}", private.expose());
    eprintln!(
        "The private key went to standard output; keep it safe. The line for crates/auth/licence-keys.txt:\n{name} {public}"
    );
    Ok(())
}
