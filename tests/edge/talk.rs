//! A call made of strings: from the trunk to an agent at a desk phone, each with a socket for its sound.

use crate::client::{Client, Reply, unique};
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const SECRET: &str = "a-long-random-secret-0001";
pub const PASSWORD: &str = "Correct-Horse-7";

/// What a voice packet brings beside its header.
const VOICE: usize = 160;

/// Somebody with a port for sound.
pub struct Ear {
    pub socket: UdpSocket,
    pub ssrc: u32,
    pub sent: u16,
}

impl Ear {
    pub fn new(ip: &str) -> Ear {
        let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        Ear { socket, ssrc: 0x1000_0000 | unique(), sent: 0 }
    }

    /// The next packet of this one's stream: PCMU, every octet of the voice is `word`.
    pub fn says(&mut self, to: SocketAddr, word: u8) {
        self.sent += 1;
        let mut packet = vec![0x80, 0];
        packet.extend_from_slice(&(100 + self.sent).to_be_bytes());
        packet.extend_from_slice(&(160 * u32::from(self.sent)).to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend([word; VOICE]);
        let _ = self.socket.send_to(&packet, to);
    }

    /// Everything that came, as the words of voice packets; what is none is 256.
    pub fn hears(&self, within: Duration) -> Vec<u16> {
        let mut words = Vec::new();
        let deadline = std::time::Instant::now() + within;
        let mut buffer = [0u8; 2048];
        while std::time::Instant::now() < deadline {
            if let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
                let rtcp = (192..=223).contains(&buffer[1]);
                match len {
                    // Reports are no sound.
                    _ if rtcp => {}
                    len if len > 12 => words.push(u16::from(buffer[12])),
                    _ => words.push(256),
                }
            }
        }
        words
    }
}

/// Ann at her desk, and who calls her.
pub struct Talk {
    pub hotseat: Hotseat,
    pub web: Web,
    pub phone: Client,
    pub trunk: Client,
}

/// A call that is up.
pub struct Up {
    pub desk: Ear,
    pub outside: Ear,
    /// Where the gateway listens to the desk and to the trunk.
    pub at_desk: SocketAddr,
    pub at_trunk: SocketAddr,
    /// The trunk's side of the dialog.
    from: String,
    to: String,
    id: String,
    target: String,
}

impl Talk {
    pub fn start(security: &str) -> Talk {
        let hotseat = Hotseat::start_with(security);
        hotseat.add_phone("desk-1", SECRET);
        hotseat.add_agent("ann", "2001", PASSWORD);
        let phone = Client::new(hotseat.sip);
        assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
        let socket = UdpSocket::bind(hotseat.trunk).expect("the trunk's port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        let trunk = Client { socket, gateway: hotseat.sip };
        let mut web = Web::new(&hotseat, "ann");
        web.login("ann", PASSWORD);
        let free =
            eventually(Duration::from_secs(5), || web.phone("desk-1").is_some_and(|p| p["state"] == "free"));
        assert!(free, "{:?}", web.phone("desk-1"));
        assert_eq!(web.choose("desk-1", None).status, 200);
        Talk { hotseat, web, phone, trunk }
    }

    /// Until the phone rings: its INVITE. The trunk's side is begun in `up`.
    fn rings(&self, outside: &Ear) -> (Reply, String, String) {
        let (us, n) = (self.trunk.address(), unique());
        let (from, id) = (format!("<sip:+4930777@{us}>;tag=f{n}"), format!("talk-{n}"));
        let sdp = sdp(outside.socket.local_addr().expect("a bound socket"));
        self.trunk.send(&format!(
            "INVITE sip:2001@{gw} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKi{n};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: <sip:2001@{gw}>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:trunk@{us}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len(),
            gw = self.hotseat.sip,
        ));
        (asked(&self.phone, "INVITE"), from, id)
    }

    /// A whole call. `meanwhile` sees where the gateway listens to the desk before the phone has answered.
    pub fn up(&self, meanwhile: impl FnOnce(SocketAddr)) -> Up {
        let (desk, outside) = (Ear::new("127.0.0.1"), Ear::new("127.0.0.1"));
        let (invite, from, id) = self.rings(&outside);
        let at_desk = media_of(&invite);
        meanwhile(at_desk);
        let here = desk.socket.local_addr().expect("a bound socket");
        self.phone.send(&agreed(&invite, "desk-1", self.phone.address(), &sdp(here)));
        let ok = self.trunk.answer().expect("the trunk hears of it");
        assert_eq!(ok.status(), 200, "{ok:?}\n{}", self.hotseat.log());
        let contact = ok.header("Contact").expect("a Contact");
        let target = contact.trim_start_matches('<').split('>').next().expect("a target").to_owned();
        let to = ok.header("To").expect("a To").to_owned();
        let up = Up { desk, outside, at_desk, at_trunk: media_of(&ok), from, to, id, target };
        self.trunk.send(&up.request("ACK", 1, self.trunk.address()));
        assert!(asked(&self.phone, "ACK").0.starts_with("ACK"), "the phone hears that it is up");
        up
    }

    /// The trunk hangs up.
    pub fn hangs_up(&self, up: &Up) {
        let bye = self.trunk.ask(&up.request("BYE", 2, self.trunk.address())).expect("an answer to BYE");
        assert_eq!(bye.status(), 200, "{bye:?}");
        let bye = asked(&self.phone, "BYE");
        self.phone.send(&agreed(&bye, "desk-1", self.phone.address(), ""));
    }

    /// Whether everything said arrives in both directions, and nothing else does.
    #[track_caller]
    pub fn hear_each_other(&self, up: &mut Up, words: std::ops::Range<u8>) {
        for word in words.clone() {
            up.desk.says(up.at_desk, word);
            up.outside.says(up.at_trunk, word);
            std::thread::sleep(Duration::from_millis(2));
        }
        let said: Vec<u16> = words.map(u16::from).collect();
        assert_eq!(up.outside.hears(Duration::from_millis(400)), said, "outside");
        assert_eq!(up.desk.hears(Duration::from_millis(200)), said, "at the desk");
    }
}

impl Up {
    fn request(&self, method: &str, cseq: u32, us: SocketAddr) -> String {
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            self.target,
            unique(),
            self.from,
            self.to,
            self.id
        )
    }
}

/// The next request of this method; what else comes meanwhile is passed over.
fn asked(client: &Client, method: &str) -> Reply {
    let mut found = None;
    eventually(Duration::from_secs(5), || {
        found = client.receive(Duration::from_millis(200)).filter(|m| m.starts_with(method)).map(Reply);
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("{method} never comes"))
}

/// Address and port of the audio in a message's description.
fn media_of(message: &Reply) -> SocketAddr {
    let line = |start: &str| message.0.lines().find_map(|l| l.strip_prefix(start)).expect("a description");
    let port = line("m=audio ").split(' ').next().and_then(|p| p.parse().ok()).expect("a port");
    SocketAddr::new(line("c=IN IP4 ").trim().parse().expect("an address"), port)
}

fn sdp(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
        ip = at.ip(),
        port = at.port()
    )
}

/// 200 to this request.
fn agreed(request: &Reply, user: &str, us: SocketAddr, sdp: &str) -> String {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for name in ["Via", "Record-Route"] {
        request.headers(name).for_each(|value| text.push_str(&format!("{name}: {value}\r\n")));
    }
    for name in ["From", "Call-ID", "CSeq"] {
        text.push_str(&format!("{name}: {}\r\n", request.header(name).unwrap_or_default()));
    }
    let to = request.header("To").unwrap_or_default();
    let tag = if to.contains("tag=") { "" } else { ";tag=desk" };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    text.push_str(&format!(
        "To: {to}{tag}\r\nContact: <sip:{user}@{us}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    ));
    text
}
