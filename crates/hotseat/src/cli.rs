//! The command line: its words, and where each command finds its data.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use terms::{Role, Typology};

/// Hotseat, a SIP gateway with hot desking: a phone registers as itself, an agent sits down anywhere, calls follow.
#[derive(Parser, Debug)]
#[command(name = "hotseat", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub place: Place,
    /// Print JSON: one value, or one line per item where a command goes on.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Cmd,
}

/// Where configuration and data are. Without either: the development world that runs here, then ./sip-config.
#[derive(Args, Debug, Clone, Default)]
pub struct Place {
    /// A folder like sip-config/.
    #[arg(long, global = true, value_name = "DIR", env = "HOTSEAT_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data folder itself (database, keys, control socket); overrides `data_dir` of gateway.toml.
    #[arg(long, global = true, value_name = "DIR", env = "HOTSEAT_DATA")]
    pub data: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Cmd {
    /// Run the service. Prints one JSON line on stdout when it listens; logs go to stderr.
    #[command(after_help = READY)]
    Serve(Serve),
    /// Run a development world on loopback: agents, desk phones that register and answer, a toy trunk.
    #[command(after_help = DEV)]
    Dev(Dev),
    /// Check a configuration folder and say everything that is wrong with it.
    Check,
    /// Let the running service read its configuration again; calls go on. With a mistake in it nothing changes.
    #[command(after_help = RELOAD)]
    Reload,
    /// People who log in.
    #[command(subcommand)]
    Agents(Agents),
    /// Desk phones. Without a word: list them.
    Phones {
        #[command(subcommand)]
        what: Option<Phones>,
    },
    /// Who sits where. Without a word: list.
    Logins {
        #[command(subcommand)]
        what: Option<Logins>,
    },
    /// Who did what to whom, newest first: logins, passwords, everything administrators do.
    Audit(Audit),
    /// Call records, newest first; a call that is up has no end yet.
    Calls {
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Say who vouches for an agent: a password of ours, the directory, or a provider of OpenID Connect.
    Way {
        #[arg(value_name = "LOGIN")]
        login_name: String,
        way: WayArg,
        /// The mail address too, by which a provider's account is found.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// Active Directory: say in words what it answers.
    #[command(subcommand)]
    Directory(Directory),
    /// Google, or another provider of OpenID Connect.
    #[command(subcommand)]
    Oidc(Oidc),
    /// Letters: try the mail server.
    #[command(subcommand)]
    Mail(Mail),
    /// The licence. Without one this is the community edition, which never expires.
    #[command(subcommand, after_help = LICENCE)]
    Licence(Licence),
    /// Say where a call would go, and why, without making it.
    Route {
        /// The dialled number.
        number: String,
        /// Extension of the agent, name of the phone, or name of the trunk the call comes from.
        #[arg(long)]
        from: String,
    },
    /// Show SIP as a ladder: live from the running service, or out of a capture file.
    Trace {
        /// A capture file (classic pcap: Ethernet, Linux cooked, raw IP).
        #[arg(long, value_name = "FILE")]
        pcap: Option<PathBuf>,
        /// Only messages that contain this text: a Call-ID, a number, a phone's name.
        #[arg(long)]
        only: Option<String>,
        /// Whole messages instead of one arrow each.
        #[arg(long)]
        full: bool,
    },
    /// Live through random worlds of phones, agents, calls and faults in simulated time; quiet when nothing is wrong.
    Sim {
        /// How many worlds.
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// The first seed; a failure names its seed, and `--seeds 1 --from SEED` shows it again.
        #[arg(long, default_value_t = 1)]
        from: u64,
    },
}

const READY: &str = "When it listens it prints one line:\n  \
    {\"ready\":true,\"https\":\"https://127.0.0.1:8443\",\"http\":\"http://127.0.0.1:8080\",\"sip_udp\":\"127.0.0.1:5060\",\
\"sip_tcp\":\"127.0.0.1:5060\",\"sip_tls\":\"127.0.0.1:5061\",\"sip_wss\":\"wss://127.0.0.1:8443/sip\",\"sip_ws\":null,\"data\":\"…\",\"pid\":1234}\n\
    SIGTERM drains: no new calls, running ones may end within drain_s; a second signal ends them at once.";

const RELOAD: &str = "Takes effect at once: trunks.toml, dialplan.toml, mail.toml, directory.toml, oidc.toml, and takeover, digest_no_md5, [passwords], [lockout], [session], [factors] and [roles] of security.toml. New hours count for those who sit already too, who are warned before. The rest waits for a restart, and the answer says what of it changed. SIGHUP does the same and answers in the log.";

const LICENCE: &str = "A licence is a signed text that anybody can read. It is told, never enforced: no call and no login depends on it. \
Installed it is the file `licence` in the data folder; a running service looks there every few seconds.";

const DEV: &str = "Ports: HTTPS 8443, HTTP 8080, SIP 5060 (UDP and TCP) and 5061 (TLS); SIP over WebSocket is on the HTTPS port at /sip. With --base-port N: HTTPS N, HTTP N+1, SIP N+2, toy \
trunk N+3, SIP over TLS N+4, simulated phones from N+10, media from N+100.\n\
    Data: .hotseat-dev, or .hotseat-dev-N with --base-port N, unless --data says otherwise; logins and passwords of the \
world are in its file logins.txt.\n\
    When it listens it prints one line of JSON like `hotseat serve`.";

#[derive(Args, Debug)]
pub struct Audit {
    /// Done by or done to this login name.
    #[arg(long, value_name = "LOGIN")]
    pub who: Option<String>,
    /// What was done: login, sit_down, logout, login_ended, phone_freed, site_logout, role_changed …
    #[arg(long, value_name = "WORD")]
    pub what: Option<String>,
    /// What came of it: done, wrong_credentials, too_many_attempts, right_missing …
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// Not before this day (2026-11-24, UTC) or moment (RFC 3339).
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<String>,
    /// Before this day or moment.
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<String>,
    /// Lines at most: 100, or all with --csv.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// CSV for a spreadsheet; cells that would be taken for formulas begin with an apostrophe.
    #[arg(long)]
    pub csv: bool,
}

#[derive(Args, Debug)]
pub struct Serve {
    /// Logs as JSON lines.
    #[arg(long)]
    pub log_json: bool,
}

#[derive(Args, Debug)]
pub struct Dev {
    /// Moves all ports together; see below.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=64000))]
    pub base_port: Option<u16>,
    /// Nobody in it: no agents, no phones, no trunk.
    #[arg(long)]
    pub empty: bool,
    /// Logs as JSON lines.
    #[arg(long)]
    pub log_json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypologyArg {
    External,
    Webrtc,
    Phonebar,
}

impl From<TypologyArg> for Typology {
    fn from(arg: TypologyArg) -> Typology {
        match arg {
            TypologyArg::External => Typology::External,
            TypologyArg::Webrtc => Typology::Webrtc,
            TypologyArg::Phonebar => Typology::Phonebar,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    Agent,
    Supervisor,
    Engineer,
    Administrator,
}

impl From<RoleArg> for Role {
    fn from(arg: RoleArg) -> Role {
        match arg {
            RoleArg::Agent => Role::Agent,
            RoleArg::Supervisor => Role::Supervisor,
            RoleArg::Engineer => Role::Engineer,
            RoleArg::Administrator => Role::Administrator,
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Agents {
    /// Add one agent. Without --password-stdin a random password is made and printed, once.
    Add(AddAgent),
    /// List the agents.
    List,
    /// Remove an agent; a login of theirs ends.
    Remove {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
    /// Let an agent log in again.
    Enable {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
    /// Keep an agent out without forgetting them; a login of theirs ends.
    Disable {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
    /// Lift the block of an agent who showed too many wrong passwords.
    Unlock {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
    /// Give a role; what it may do, security.toml says.
    Role {
        #[arg(value_name = "LOGIN")]
        login_name: String,
        role: RoleArg,
    },
    /// Set the mail address; without one, take it away.
    Email {
        #[arg(value_name = "LOGIN")]
        login_name: String,
        #[arg(value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// Set a new password. Without --password-stdin a random one is made and printed, once.
    #[command(
        after_help = "The password has to keep the rules of [passwords] in security.toml; where the profile is \"off\", and where \
only --data is given, that is 8 characters and nothing that everybody guesses. Where there are rules, the agent chooses another one \
at the next login."
    )]
    Password {
        #[arg(value_name = "LOGIN")]
        login_name: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Forget an agent's second factors and recovery codes: the phone is lost, and the sheet too. Make sure who is asking.
    ResetFactors {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
    /// Add many from a CSV file with a header line.
    #[command(
        after_help = "Columns: login_name, extension, typology (required); display_name, outbound_number, dids \
(separated by ;), email, password. Agents without a password cannot log in until `hotseat agents password` gives them one. \
Passwords have to keep the rules of [passwords] in security.toml; a line whose password does not is named. All rows are added or none. `-` reads standard input."
    )]
    Import {
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct AddAgent {
    #[arg(value_name = "LOGIN")]
    pub login_name: String,
    /// The number that reaches the agent, wherever they sit.
    #[arg(long, value_name = "N")]
    pub extension: String,
    /// How the agent works.
    #[arg(long)]
    pub typology: TypologyArg,
    /// What they may do beside taking calls.
    #[arg(long, default_value = "agent")]
    pub role: RoleArg,
    /// Where mail reaches them: links for a forgotten password go there.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Read the password from the first line of standard input; it has to keep the rules of [passwords] in security.toml.
    #[arg(long)]
    pub password_stdin: bool,
    /// Shown to colleagues; the login name where empty.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Caller id to the outside; the trunk's number where empty.
    #[arg(long, value_name = "NUMBER")]
    pub outbound_number: Option<String>,
    /// A direct number that rings this agent, as the trunk presents it. May be repeated.
    #[arg(long, value_name = "NUMBER")]
    pub did: Vec<String>,
}

#[derive(Subcommand, Debug)]
pub enum Phones {
    /// Add one phone. Prints its SIP credentials, once: the secret cannot be read afterwards.
    Add(AddPhone),
    /// List the phones: registered or not, where, who sits there.
    List,
    /// Remove a phone; a login at it ends.
    Remove { name: String },
    /// Let a phone register again.
    Enable { name: String },
    /// Keep a phone out without forgetting it: it cannot register, a login and calls at it end.
    Disable { name: String },
    /// Add many from a CSV file with a header line; prints the credentials of those without a secret of their own.
    #[command(
        after_help = "Columns: name (required); label, site, floor, secret. All rows are added or none. `-` reads \
standard input."
    )]
    Import {
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct AddPhone {
    /// User part of its SIP address and its digest username: desk-17.
    pub name: String,
    /// Read the secret from the first line of standard input instead of making one.
    #[arg(long)]
    pub secret_stdin: bool,
    /// What people call it; the name where empty.
    #[arg(long, default_value = "")]
    pub label: String,
    #[arg(long, default_value = "")]
    pub site: String,
    #[arg(long, default_value = "")]
    pub floor: String,
}

#[derive(Subcommand, Debug)]
pub enum Directory {
    /// Reach each server, find the account, read how it stands and which groups it is in; fails when something is wrong.
    Test {
        #[arg(value_name = "LOGIN")]
        login_name: String,
        /// Try the password from the first line of standard input too.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Oidc {
    /// Loosen an agent from the account at the provider; the next login finds the agent by mail address again.
    Forget {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum WayArg {
    Local,
    Directory,
    Oidc,
}

impl From<WayArg> for store::Way {
    fn from(way: WayArg) -> store::Way {
        match way {
            WayArg::Local => store::Way::Local,
            WayArg::Directory => store::Way::Directory,
            WayArg::Oidc => store::Way::Oidc,
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Mail {
    /// Send a letter by the server of mail.toml, and say what the server said.
    Test { address: String },
}

#[derive(Subcommand, Debug)]
pub enum Licence {
    /// Say what is installed and how it stands.
    Show,
    /// Check a licence and put it into the data folder. `-` reads standard input.
    Install { file: PathBuf },
    /// Sign a licence and print it: with the development key, which only `hotseat dev` takes, or with one of your own.
    #[command(hide = true)]
    Sign(SignLicence),
    /// Make a key that signs licences: the private half on standard output, the line to compile in on standard error.
    #[command(hide = true)]
    Key { name: String },
}

#[derive(Args, Debug)]
pub struct SignLicence {
    #[arg(long)]
    pub customer: String,
    #[arg(long, default_value_t = 100)]
    pub seats: u32,
    /// First day; today where left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<String>,
    /// Last day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: String,
    /// Whom to ask for the next one.
    #[arg(long)]
    pub contact: String,
    #[arg(long, default_value_t = 30)]
    pub notice_days: u16,
    /// The file that `licence key` printed.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Logins {
    /// List who sits where.
    List,
    /// End an agent's login, as an administrator.
    End {
        #[arg(value_name = "LOGIN")]
        login_name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_its_doors_open() {
        Cli::command().debug_assert();
        for line in [
            "hotseat serve --config sip-config",
            "hotseat dev --data d --base-port 9000 --empty",
            "hotseat agents add ann --extension 2001 --typology external --password-stdin --json --data d",
            "hotseat phones add desk-17 --secret-stdin --label L --site S --floor 2 --data d",
            "hotseat phones --json",
            "hotseat route 4969123 --from 2001",
            "hotseat reload --config sip-config",
            "hotseat logins end ann",
            "hotseat mail test ann@example.com",
            "hotseat way ann oidc --email ann@example.com",
            "hotseat directory test ann --password-stdin --config sip-config",
            "hotseat oidc forget ann",
            "hotseat licence show --data d",
            "hotseat licence install licence.txt --config sip-config",
            "hotseat licence sign --customer X --until 2027-12-31 --contact sales@example.com",
            "hotseat agents disable ann",
            "hotseat agents role ann supervisor",
            "hotseat agents email ann ann@example.com",
            "hotseat agents add boss --extension 2002 --typology external --role administrator --email b@example.com",
            "hotseat audit --who ann --from 2026-11-24 --csv",
            "hotseat phones enable desk-17",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}
