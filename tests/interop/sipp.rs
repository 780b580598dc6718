//! SIPp as the trunk: a scenario, its log, its verdict. The sound is `rtp::Endpoint`'s.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Sipp {
    child: Child,
    folder: PathBuf,
}

/// What SIPp is to do, and where.
pub struct Run<'a> {
    pub scenario: &'a str,
    /// Its own SIP port on 127.0.0.1.
    pub port: u16,
    /// The gateway, for scenarios that call: `127.0.0.1:5060`.
    pub remote: &'a str,
    /// The number it calls (`[service]`).
    pub service: &'a str,
    /// Further `-key name value` pairs for the scenario's text.
    pub keys: &'a [(&'a str, String)],
    pub calls: u32,
}

impl Sipp {
    pub fn start(folder: &Path, run: &Run<'_>) -> Sipp {
        let folder = folder.join(format!("sipp-{}-{}", run.port, run.service));
        std::fs::create_dir_all(&folder).expect("a folder for SIPp");
        let file = folder.join("scenario.xml");
        std::fs::write(&file, run.scenario).expect("the scenario");
        let log = std::fs::File::create(folder.join("out")).expect("a log");
        let mut command = Command::new("sipp");
        command
            .current_dir(&folder)
            .args([run.remote, "-sf"])
            .arg(&file)
            .args(["-i", "127.0.0.1", "-p", &run.port.to_string(), "-s", run.service])
            .args(["-m", &run.calls.to_string(), "-nostdin", "-trace_msg", "-trace_err", "-timeout", "60"])
            // A gateway that hears nothing of it asks by OPTIONS whether it is there; every trunk answers that.
            .args(["-default_behaviors", "all,-bye", "-aa"]);
        for (name, value) in run.keys {
            command.args(["-key", name, value]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("sipp is installed (scripts/test installs it)");
        Sipp { child, folder }
    }

    /// Waits for its end; true when every call went as the scenario says.
    pub fn succeeded(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                _ => return false,
            }
        }
    }

    /// Every message it sent and got, and its errors, for the report of a failure.
    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(dir) = std::fs::read_dir(&self.folder) {
            for file in dir.flatten().filter(|f| f.file_name().to_string_lossy().ends_with(".log")) {
                text.push_str(&std::fs::read_to_string(file.path()).unwrap_or_default());
            }
        }
        text
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SDP: &str = "v=0\no=trunk 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
m=audio [media] RTP/AVP 0 8 101\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n";

const HEAD: &str = "Via: SIP/2.0/UDP 127.0.0.1:[local_port];branch=[branch]\nMax-Forwards: 70\n";

/// Calls `[service]`, talks, and after `talk_ms` hangs up if `hang_up`, else waits for the BYE of the other side.
pub fn caller(caller: &str, talk_ms: u32, hang_up: bool) -> String {
    let from = format!("From: <sip:{caller}@127.0.0.1:[local_port]>;tag=[call_number]a");
    let end = if hang_up {
        format!(
            "<pause milliseconds=\"{talk_ms}\"/>\n<send retrans=\"500\"><![CDATA[\nBYE [next_url] SIP/2.0\n{HEAD}{from}\n\
             To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]\n[routes]\nCall-ID: [call_id]\nCSeq: 2 BYE\n\
             Content-Length: 0\n\n]]></send>\n<recv response=\"200\"/>"
        )
    } else {
        "<recv request=\"BYE\" timeout=\"30000\"/>\n<send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n\
         [last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>"
            .to_owned()
    };
    scenario(&format!(
        "<send retrans=\"500\"><![CDATA[\nINVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n{HEAD}{from}\n\
         To: <sip:[service]@[remote_ip]:[remote_port]>\nCall-ID: [call_id]\nCSeq: 1 INVITE\n\
         Contact: <sip:trunk@127.0.0.1:[local_port]>\nContent-Type: application/sdp\nContent-Length: [len]\n\n{SDP}]]></send>\n\
         <recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n\
         <recv response=\"183\" optional=\"true\"/>\n<recv response=\"200\" rrs=\"true\"/>\n\
         <send><![CDATA[\nACK [next_url] SIP/2.0\n{HEAD}{from}\nTo: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]\n\
         [routes]\nCall-ID: [call_id]\nCSeq: 1 ACK\nContent-Length: 0\n\n]]></send>\n{end}"
    ))
}

/// Calls `[service]` and expects this final refusal.
pub fn refused(caller: &str, status: u16) -> String {
    let from = format!("From: <sip:{caller}@127.0.0.1:[local_port]>;tag=[call_number]r");
    scenario(&format!(
        "<send retrans=\"500\"><![CDATA[\nINVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n{HEAD}{from}\n\
         To: <sip:[service]@[remote_ip]:[remote_port]>\nCall-ID: [call_id]\nCSeq: 1 INVITE\n\
         Contact: <sip:trunk@127.0.0.1:[local_port]>\nContent-Type: application/sdp\nContent-Length: [len]\n\n{SDP}]]></send>\n\
         <recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n<recv response=\"{status}\"/>\n\
         <send><![CDATA[\nACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:[local_port];branch=[branch-3]\n\
         Max-Forwards: 70\n{from}\nTo: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]\nCall-ID: [call_id]\nCSeq: 1 ACK\n\
         Content-Length: 0\n\n]]></send>"
    ))
}

const AGAIN: &str = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n";
const CONTACT: &str = "Contact: <sip:trunk@127.0.0.1:[local_port]>\n";

fn content() -> String {
    format!("Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}")
}

/// Agrees to every further offer until the BYE of the other side.
fn agrees() -> String {
    let content = content();
    format!(
        "<label id=\"1\"/>\n<recv request=\"INVITE\" optional=\"true\" next=\"2\"/>\n\
         <recv request=\"BYE\" timeout=\"40000\" next=\"3\"/>\n<label id=\"2\"/>\n\
         <send retrans=\"500\"><![CDATA[\nSIP/2.0 200 OK\n{AGAIN}{CONTACT}{content}]]></send>\n\
         <recv request=\"ACK\" next=\"1\"/>\n<label id=\"3\"/>\n\
         <send><![CDATA[\nSIP/2.0 200 OK\n{AGAIN}Content-Length: 0\n\n]]></send>"
    )
}

/// Calls `[service]`, agrees to every further offer, and ends with the BYE of the other side.
pub fn caller_who_agrees(caller: &str) -> String {
    let waits = self::caller(caller, 0, false);
    let end = waits.find("<recv request=\"BYE\"").expect("it waits for a BYE");
    format!("{}{}\n</scenario>\n", &waits[..end], agrees())
}

/// Waits for one call, rings, answers, agrees to every further offer, and ends with the BYE of the other side.
pub fn callee() -> String {
    let (echo, content) = (AGAIN.replace("[last_To:]", "[last_To:];tag=[call_number]b"), content());
    scenario(&format!(
        "<recv request=\"INVITE\"/>\n<send><![CDATA[\nSIP/2.0 180 Ringing\n{echo}{CONTACT}Content-Length: 0\n\n]]></send>\n\
         <pause milliseconds=\"300\"/>\n<send retrans=\"500\"><![CDATA[\nSIP/2.0 200 OK\n{echo}{CONTACT}{content}]]></send>\n\
         <recv request=\"ACK\"/>\n{}",
        agrees()
    ))
}

fn scenario(steps: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"trunk\">\n{steps}\n</scenario>\n")
}
