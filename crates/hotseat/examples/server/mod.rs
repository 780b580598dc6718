//! The program under load: started on a folder of its own, and what the kernel says it used.

// Each measurement uses a part of it.
#![allow(dead_code)]

pub mod web;

use anyhow::Context;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use store::{Claim, Store};
use terms::{AgentId, Place, Secret, Typology, WallTime};

pub const SECRET: &str = "bench-secret-0123456789abcdef";

pub struct Server {
    child: Child,
    folder: PathBuf,
    threads: RefCell<HashMap<OsString, u64>>,
    pub domain: String,
    pub sip: SocketAddr,
    /// Where people log in, if the world has that door.
    pub web: Option<SocketAddr>,
    pub trunk: UdpSocket,
}

/// Who there is before the program starts.
#[derive(Default)]
pub struct World<'a> {
    pub phones: usize,
    pub agents: usize,
    /// So many agents, the first ones, sit at the phones of their number.
    pub seated: usize,
    /// Everybody's, and then there is a web door.
    pub password: Option<&'a str>,
    /// For `security.toml`.
    pub security: &'a str,
}

impl Server {
    /// Phones p0, p1, … with one secret, and agents 20000, 20001, … who sit at them.
    pub fn start(phones: usize, agents: usize) -> anyhow::Result<Server> {
        Server::start_in(&World { phones, agents, seated: agents, ..World::default() })
    }

    pub fn start_in(world: &World<'_>) -> anyhow::Result<Server> {
        let folder = std::env::temp_dir().join(format!("hotseat-bench-{}", std::process::id()));
        let config = folder.join("sip-config");
        std::fs::create_dir_all(&config)?;
        let trunk = UdpSocket::bind("127.0.0.1:0")?;
        let domain = "bench.test".to_owned();
        let web = if world.password.is_some() { "https = \"127.0.0.1:0\"\n" } else { "" };
        std::fs::write(config.join("security.toml"), world.security)?;
        std::fs::write(
            config.join("gateway.toml"),
            format!(
                "domain = \"{domain}\"\ndata_dir = \"../data\"\ndrain_s = 1\n[listen]\nsip_udp = [\"127.0.0.1:0\"]\n\
                 {web}[registration]\nbindings_max = 1000000\n"
            ),
        )?;
        std::fs::write(
            config.join("trunks.toml"),
            format!(
                "[[trunk]]\nname = \"t\"\naddresses = [\"{a}\"]\naccept_from = [\"{a}\"]\nmax_calls = 100000\n",
                a = trunk.local_addr()?
            ),
        )?;
        populate(&folder.join("data"), &domain, world)?;
        let binary = std::env::current_exe()?;
        let binary =
            binary.parent().and_then(|p| p.parent()).context("target/PROFILE/examples")?.join("hotseat");
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .env("HOTSEAT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting hotseat; build it in the same profile first")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("a pipe was asked for")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line).context("the ready line")?;
        let sip = ready["sip_udp"].as_str().context("sip_udp")?.parse()?;
        let web = ready["https"].as_str().and_then(|url| url.strip_prefix("https://")?.parse().ok());
        Ok(Server { child, folder, threads: RefCell::default(), domain, sip, web, trunk })
    }

    /// Microseconds of processor time of all threads, from /proc/PID/task/*/schedstat. A thread that ended meanwhile counts
    /// with what it had when it was seen last.
    pub fn cpu_us(&self) -> anyhow::Result<f64> {
        let mut seen = self.threads.borrow_mut();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?;
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            if let Some(ns) = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()) {
                seen.insert(task.file_name(), ns);
            }
        }
        Ok(seen.values().sum::<u64>() as f64 / 1_000.0)
    }

    pub fn resident_mb(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
        let kb: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
        Ok(kb / 1024.0)
    }

    pub fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        std::fs::remove_dir_all(&self.folder)?;
        Ok(std::io::stdout().flush()?)
    }
}

/// Fills the store before the server starts, through the same doors the commands use.
fn populate(data: &std::path::Path, domain: &str, world: &World<'_>) -> anyhow::Result<()> {
    std::fs::create_dir_all(data)?;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("{e}"))?;
    let key = store::SealingKey::generate(bytes);
    std::fs::write(data.join("secret.key"), key.0.expose())?;
    let hash = world.password.map(|password| auth::password::hash(&Secret::new(password))).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = store::Sqlite::open(data.join("hotseat.db"), key).await?;
        let secret = Secret::new(SECRET);
        let device = |i: usize| store::NewDevice {
            name: format!("p{i}"),
            label: format!("p{i}"),
            site: String::new(),
            floor: String::new(),
            ha1: sip::digest::ha1(&format!("p{i}"), domain, &secret),
        };
        let devices = store.add_devices((0..world.phones).map(device).collect()).await?;
        let agent = |i: usize| store::NewAgent {
            login_name: format!("a{i}"),
            display_name: format!("a{i}"),
            extension: (20_000 + i).to_string(),
            typology: Typology::External,
            dids: Vec::new(),
            outbound_number: None,
            password_hash: hash.clone(),
            role: terms::Role::Agent,
            email: None,
            way: store::Way::Local,
        };
        let ids: Vec<AgentId> = store.add_agents((0..world.agents).map(agent).collect()).await?;
        for (agent, device) in ids.into_iter().zip(devices).take(world.seated) {
            let claim = Claim {
                agent,
                place: Place::Phone(device),
                take_over: None,
                from: "bench".into(),
                at: WallTime(1_700_000_000_000),
            };
            store.claim_login(claim, None).await?;
        }
        store.close().await;
        anyhow::Ok(())
    })
}

/// The middle one; the lower of two.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
