//! A real Active Directory: Samba as a domain controller, in the network of the test's own thread, with people in it.

use crate::lab::fresh_folder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const BASE: &str = "DC=cc,DC=test,DC=local";
pub const PASSWORD: &str = "Passw0rd!x";
const SERVICE: &str = "CN=svc.hotseat,CN=Users,DC=cc,DC=test,DC=local";

/// The controller; gone with everything it started when dropped.
pub struct Samba {
    folder: PathBuf,
    child: Option<Child>,
}

/// Runs a story on a thread with a network of its own, where ports 389 and 636 are free; false where that is not allowed.
pub fn alone(story: impl FnOnce() + Send + 'static) -> bool {
    let ran = std::thread::spawn(move || {
        // SAFETY: unshare(2) takes no pointers, and a network namespace concerns the calling thread alone.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        let up =
            alone && Command::new("ip").args(["link", "set", "lo", "up"]).status().is_ok_and(|s| s.success());
        if up {
            story();
        }
        up
    });
    match ran.join() {
        Ok(ran) => ran,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Samba {
    /// A new domain with a service account, in about six seconds.
    pub fn start() -> Samba {
        let folder = fresh_folder();
        let dc = folder.join("dc");
        let out = Command::new("samba-tool")
            .args(["domain", "provision", "--realm=CC.TEST.LOCAL", "--domain=CC", "--server-role=dc"])
            .args([
                "--dns-backend=SAMBA_INTERNAL",
                "--adminpass=Adm1n-Passw0rd!",
                "--host-name=dc1",
                "--host-ip=127.0.0.1",
            ])
            .args(["--option=interfaces=lo", "--option=bind interfaces only=yes"])
            .arg("--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb")
            .arg(format!("--targetdir={}", dc.display()))
            .stdin(Stdio::null())
            .output()
            .expect("samba-tool is installed (scripts/test installs it)");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        certificates(&folder);
        let d = dc.display();
        let here = folder.display();
        let config = format!(
            "[global]\nnetbios name = DC1\nworkgroup = CC\nrealm = CC.TEST.LOCAL\n\
             server role = active directory domain controller\nserver services = ldap\ndcerpc endpoint servers = none\n\
             interfaces = lo\nbind interfaces only = yes\nprivate dir = {d}/private\nstate directory = {d}/state\n\
             cache directory = {d}/cache\nlock directory = {d}\npid directory = {here}/run\n\
             ncalrpc dir = {here}/run/ncalrpc\nwinbindd socket directory = {here}/run/winbindd\nlog file = {here}/log.%m\n\
             tls enabled = yes\ntls certfile = {here}/dc.pem\ntls keyfile = {here}/dc.key\ntls cafile = {here}/ca.pem\n\
             vfs objects = dfs_samba4 acl_xattr xattr_tdb\n"
        );
        std::fs::write(folder.join("smb.conf"), config).expect("a configuration file");
        let mut samba = Samba { folder, child: None };
        samba.tool(&["user", "create", "svc.hotseat", "Passw0rd!svc"]);
        samba.tool(&["domain", "passwordsettings", "set", "--account-lockout-threshold=3"]);
        samba.up();
        samba
    }

    /// Starts the server and waits for its port.
    pub fn up(&mut self) {
        let run = self.folder.join("run");
        let _ = std::fs::remove_dir_all(&run);
        std::fs::create_dir_all(&run).expect("a folder");
        let out = std::fs::File::create(self.folder.join("out")).expect("a log");
        // A process namespace of its own: when its first process goes, all of them go.
        let child = Command::new("unshare")
            .args([
                "--fork",
                "--pid",
                "--mount-proc",
                "--kill-child",
                "samba",
                "-F",
                "--no-process-group",
                "-s",
            ])
            .arg(self.folder.join("smb.conf"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the log twice"))
            .stderr(out)
            .spawn()
            .expect("unshare is there");
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, 636)).is_err() {
            let log = std::fs::read_to_string(self.folder.join("out")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(30), "the directory listens\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, 636)).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(10), "the directory is gone");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `samba-tool` on this domain's own files.
    pub fn tool(&self, args: &[&str]) -> String {
        let out = Command::new("samba-tool")
            .args(args)
            .arg("-H")
            .arg(self.folder.join("dc/private/sam.ldb"))
            .arg("-s")
            .arg(self.folder.join("smb.conf"))
            .stdin(Stdio::null())
            .output()
            .expect("samba-tool is installed");
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "samba-tool {args:?}: {said}");
        said
    }

    pub fn person(&self, name: &str) {
        self.tool(&["user", "create", name, PASSWORD]);
    }

    /// What `directory.toml` needs to say about it.
    pub fn toml(&self, protection: &str) -> String {
        let scheme = if protection == "ldaps" { "ldaps" } else { "ldap" };
        format!(
            "servers = [\"{scheme}://127.0.0.1\"]\ntls = \"{protection}\"\nca = \"{}\"\nbase = \"{BASE}\"\n\
             upn_suffix = \"cc.test.local\"\nnetbios = \"CC\"\nwatch_s = 5\n[service]\ndn = \"{SERVICE}\"\n\
             password = \"Passw0rd!svc\"\n[[role]]\ngroup = \"CN=leads,CN=Users,{BASE}\"\nrole = \"supervisor\"\n\
             [[typology]]\ngroup = \"CN=home,CN=Users,{BASE}\"\ntypology = \"webrtc\"\n",
            self.folder.join("ca.pem").display()
        )
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// An authority, and a certificate of it for 127.0.0.1: `ca.pem`, `dc.pem`, `dc.key`.
pub fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&ca_key).expect("an authority");
    let issuer = Issuer::new(params, ca_key);
    let mut params = CertificateParams::default();
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let key = KeyPair::generate().expect("a key");
    let own = params.signed_by(&key, &issuer).expect("a certificate");
    let write = |name: &str, text: String| {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name));
        std::io::Write::write_all(file.as_mut().expect("a file"), text.as_bytes()).expect("a file");
    };
    write("ca.pem", ca.pem());
    write("dc.pem", own.pem());
    write("dc.key", key.serialize_pem());
}
