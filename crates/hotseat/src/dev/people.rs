//! Who lives in the development world. Made at the first start; names and passwords are kept in `logins.txt` of its data
//! folder, so that the next start finds the same people.

use crate::{agents, chance, given, phones, place};
use anyhow::Context;
use daemon::{Config, Ready};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use store::{NewAgent, Sqlite, Store, Way};
use terms::{Role, Secret, Typology};

pub struct People {
    pub agents: Vec<DevAgent>,
    pub phones: Vec<DevPhone>,
}

pub struct DevAgent {
    pub login_name: String,
    pub extension: String,
    pub typology: Typology,
    pub role: Role,
    pub password: String,
}

pub struct DevPhone {
    pub name: String,
    pub secret: Secret,
    /// Whether somebody plugged it in.
    pub present: bool,
}

/// What `logins.txt` holds, as JSON lines behind a heading.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Kept {
    Agent {
        login: String,
        extension: String,
        typology: Typology,
        /// Worlds of earlier versions had only agents.
        #[serde(default)]
        role: Role,
        password: String,
    },
    Phone {
        name: String,
        secret: String,
    },
}

const AGENTS: &[(&str, &str, &str, Typology, Role)] = &[
    ("ann", "Ann Archer", "2001", Typology::External, Role::Agent),
    ("ben", "Ben Baker", "2002", Typology::External, Role::Agent),
    ("cleo", "Cleo Carter", "2003", Typology::Webrtc, Role::Agent),
    ("dan", "Dan Dyer", "2004", Typology::Webrtc, Role::Agent),
    ("eve", "Eve Evans", "2005", Typology::Phonebar, Role::Agent),
    ("fay", "Fay Fisher", "2006", Typology::Phonebar, Role::Agent),
    ("admin", "Ada Minster", "2090", Typology::External, Role::Administrator),
    ("super", "Sue Perkins", "2091", Typology::External, Role::Supervisor),
    ("tech", "Ted Chester", "2092", Typology::External, Role::Engineer),
];
/// Name, label, floor, and whether it registers.
const PHONES: &[(&str, &str, &str, bool)] = &[
    ("desk-17", "Window seat", "1", true),
    ("desk-18", "By the door", "1", true),
    ("desk-19", "Corner", "2", true),
    ("desk-20", "Meeting room", "2", true),
    ("desk-21", "Never plugged in", "3", false),
];

/// The people of this data folder, made where there are none yet.
pub async fn settle(store: &Sqlite, config: &Config) -> anyhow::Result<People> {
    let file = config.data_dir.join("logins.txt");
    if file.exists() {
        return read(&file);
    }
    let mut people = People { agents: Vec::new(), phones: Vec::new() };
    let identity = place::identity(config);
    let mut new_agents = Vec::new();
    for (login, name, extension, typology, role) in AGENTS {
        let password = chance::password()?;
        people.agents.push(DevAgent {
            login_name: (*login).into(),
            extension: (*extension).into(),
            typology: *typology,
            role: *role,
            password: password.expose().to_owned(),
        });
        new_agents.push(NewAgent {
            login_name: (*login).into(),
            display_name: (*name).into(),
            extension: (*extension).into(),
            typology: *typology,
            dids: vec![format!("+4969{extension}")],
            outbound_number: Some(format!("+4969{extension}")),
            password_hash: Some(given::hash(password).await?),
            role: *role,
            email: Some(format!("{login}@hotseat.test")),
            way: Way::Local,
        });
    }
    let mut devices = Vec::new();
    for (name, label, floor, present) in PHONES {
        let secret = chance::secret()?;
        let row = ((*label).to_owned(), "Frankfurt".to_owned(), (*floor).to_owned());
        devices.push(phones::device(&identity, name, &secret, row));
        people.phones.push(DevPhone { name: (*name).into(), secret, present: *present });
    }
    // The file first: people whose passwords nobody knows would be of no use.
    write(&file, &people)?;
    store.add_agents(new_agents).await.context("settling the agents")?;
    store.add_devices(devices).await.context("settling the phones")?;
    Ok(people)
}

fn write(file: &Path, people: &People) -> anyhow::Result<()> {
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "# Logins of this development world. Remove the whole data folder to begin anew.")?;
    for a in &people.agents {
        let kept = Kept::Agent {
            login: a.login_name.clone(),
            extension: a.extension.clone(),
            typology: a.typology,
            role: a.role,
            password: a.password.clone(),
        };
        writeln!(out, "{}", serde_json::to_string(&kept)?)?;
    }
    for p in &people.phones {
        let kept = Kept::Phone { name: p.name.clone(), secret: p.secret.expose().to_owned() };
        writeln!(out, "{}", serde_json::to_string(&kept)?)?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<People> {
    let mut people = People { agents: Vec::new(), phones: Vec::new() };
    for line in std::fs::read_to_string(file)?.lines().filter(|l| l.starts_with('{')) {
        let kept = serde_json::from_str(line).with_context(|| {
            format!("{} cannot be read; remove the data folder to begin anew", file.display())
        })?;
        match kept {
            Kept::Agent { login, extension, typology, role, password } => {
                people.agents.push(DevAgent { login_name: login, extension, typology, role, password });
            }
            Kept::Phone { name, secret } => {
                let present = PHONES.iter().any(|(n, _, _, present)| *n == name && *present);
                people.phones.push(DevPhone { name, secret: Secret::new(secret), present });
            }
        }
    }
    Ok(people)
}

impl People {
    /// What a newcomer reads on the terminal.
    pub fn greeting(&self, ready: &Ready) -> String {
        let mut text = String::from("\nHotseat, development world\n\n");
        if let Some(https) = &ready.https {
            text.push_str(&format!(
                "  Pages    {https}/login   (the certificate is our own: Advanced → proceed)\n"
            ));
        }
        if let Some(sip) = &ready.sip_udp {
            text.push_str(&format!("  SIP      {sip} (UDP and TCP)\n"));
        }
        if let Some(sip) = &ready.sip_tls {
            text.push_str(&format!("           {sip} (TLS)\n"));
        }
        if let Some(sip) = &ready.sip_wss {
            text.push_str(&format!("           {sip} (for softphones in the browser)\n"));
        }
        text.push_str("\n  Login    Password              Extension  Typology  Role\n");
        for a in &self.agents {
            let (typology, role) = (agents::word(a.typology), a.role.word());
            text.push_str(&format!(
                "  {:<8} {:<21} {:<10} {typology:<9} {role}\n",
                a.login_name, a.password, a.extension
            ));
        }
        let names: Vec<_> = self.phones.iter().filter(|p| p.present).map(|p| p.name.as_str()).collect();
        text.push_str(&format!(
            "\n  Phones   {} register and answer after two seconds, each with a tone of its own.\n",
            names.join(", ")
        ));
        text.push_str("\n  Numbers  to dial from a phone; the toy trunk does what their end says:\n");
        for (end, what) in sim::trunk::NUMBERS {
            text.push_str(&format!("           069{end:<6} {what}\n"));
        }
        text.push_str(
            "\n  Try      Log in as ann, choose desk-17, then type here:\n\
             \u{20}          call 2001          the trunk calls ann; desk-17 rings and answers\n\
             \u{20}          desk-17 069100     desk-17 calls out with ann's number\n\
             \u{20}          desk-17 hangup     ends its calls\n\
             \u{20}          and in another terminal: hotseat phones, hotseat calls, hotseat trace\n\n  Ctrl-C stops it.\n",
        );
        text
    }
}
