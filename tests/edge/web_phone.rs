//! An agent's browser without a window: logs in, registers over its WebSocket, calls with the `webrtc` crate as its media, and
//! logs out. And a trunk that answers every call and says back what it hears.

use crate::client::{DOMAIN, Reply, unique};
use crate::lab::Hotseat;
use crate::secure::tls;
use crate::websocket::{SIP, Socket, open_at};
use futures_util::{SinkExt, StreamExt};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_PCMU, MediaEngine};
use rtc::rtp::packet::Packet;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};

/// Whatever is waited for has come by then.
const WITHIN: Duration = Duration::from_secs(20);

/// One connection to the web port and the session on it.
pub struct Page {
    stream: TlsStream<TcpStream>,
    cookie: String,
    csrf: String,
}

impl Page {
    pub async fn open(hotseat: &Hotseat) -> Page {
        let web: SocketAddr = hotseat.https.trim_start_matches("https://").parse().expect("an address");
        Page { stream: tls(web, &["http/1.1"]).await, cookie: String::new(), csrf: String::new() }
    }

    /// Status and JSON of the answer.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nX-Hotseat-Csrf: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.cookie,
            self.csrf,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let field = |name: &str| {
            head.lines().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)))
        };
        let length = field("content-length").and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.expect("the whole answer");
        if let Some((_, cookie)) = field("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(csrf) = json["csrf"].as_str() {
            self.csrf = csrf.to_owned();
        }
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, json)
    }
}

/// Tells a waiting test what the connection did.
struct Told {
    events: mpsc::UnboundedSender<Event>,
}

#[derive(Debug)]
enum Event {
    Gathered,
    State(RTCPeerConnectionState),
    Heard(Packet),
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl PeerConnectionEventHandler for Told {
    fn on_ice_gathering_state_change<'s, 'a>(&'s self, state: RTCIceGatheringState) -> Done<'a>
    where
        's: 'a,
    {
        if state == RTCIceGatheringState::Complete {
            let _ = self.events.send(Event::Gathered);
        }
        Box::pin(async {})
    }

    fn on_connection_state_change<'s, 'a>(&'s self, state: RTCPeerConnectionState) -> Done<'a>
    where
        's: 'a,
    {
        let _ = self.events.send(Event::State(state));
        Box::pin(async {})
    }

    fn on_track<'s, 'a>(&'s self, track: Arc<dyn TrackRemote>) -> Done<'a>
    where
        's: 'a,
    {
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && events.send(Event::Heard(packet)).is_err()
                {
                    return;
                }
            }
        });
        Box::pin(async {})
    }
}

/// The media of one call.
struct Sound {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Sound {
    async fn open() -> Sound {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_PCMU.to_owned(),
            clock_rate: 8000,
            channels: 1,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![],
        };
        let mut engine = MediaEngine::default();
        let parameters = RTCRtpCodecParameters { rtp_codec: codec.clone(), payload_type: 0 };
        engine.register_codec(parameters, RtpCodecKind::Audio).expect("a codec");
        let (told, events) = mpsc::unbounded_channel();
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_media_engine(engine)
                .with_handler(Arc::new(Told { events: told }))
                .with_udp_addrs(vec!["127.0.0.1:0"])
                .build()
                .await
                .expect("a peer connection"),
        );
        let ssrc = 0x4000_0000 | unique();
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let encoding =
            RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..Default::default() };
        let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "voice".into(),
            "microphone".into(),
            "microphone".into(),
            RtpCodecKind::Audio,
            vec![encoding],
        )));
        connection.add_track(track.clone()).await.expect("a sender");
        Sound { connection, track, ssrc, events }
    }

    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("a connection that lives");
                if let Event::State(RTCPeerConnectionState::Failed) = event {
                    panic!("the connection failed while waiting for {what}");
                }
                if let Some(it) = wanted(event) {
                    return it;
                }
            }
        };
        timeout(WITHIN, waiting).await.unwrap_or_else(|_| panic!("{what} never came"))
    }

    /// The offer, with all its candidates.
    async fn offer(&mut self) -> String {
        let offer = self.connection.create_offer(None).await.expect("an offer");
        self.connection.set_local_description(offer).await.expect("a local description");
        self.until("candidates", |e| matches!(e, Event::Gathered).then_some(())).await;
        self.connection.local_description().await.expect("a local description").sdp
    }

    async fn answered(&mut self, sdp: &str) {
        let answer = RTCSessionDescription::answer(sdp.to_owned()).expect("an answer");
        self.connection.set_remote_description(answer).await.expect("an acceptable answer");
        let connected = |e| matches!(e, Event::State(RTCPeerConnectionState::Connected)).then_some(());
        self.until("the connection", connected).await;
    }

    /// Speaks so many packets, 20 ms apart, and hears every one of them come back from the trunk.
    async fn speaks_and_hears(&mut self, packets: u16) {
        let first = (unique() % 200) as u8;
        let (mut sent, mut heard) = (0u16, 0u16);
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let deadline = tokio::time::Instant::now() + WITHIN;
        while heard < packets {
            tokio::select! {
                _ = tick.tick(), if sent < packets => {
                    let mut packet = Packet::default();
                    packet.header.version = 2;
                    packet.header.payload_type = 0;
                    packet.header.ssrc = self.ssrc;
                    packet.header.sequence_number = 100 + sent;
                    packet.header.timestamp = 160 * u32::from(sent);
                    packet.payload = bytes::Bytes::from(vec![first.wrapping_add(sent as u8); 160]);
                    self.track.write_rtp(packet).await.expect("a packet on its way");
                    sent += 1;
                }
                event = self.events.recv() => if let Event::Heard(packet) = event.expect("a connection that lives") {
                    let expected = first.wrapping_add(heard as u8);
                    assert_eq!(packet.payload[..], [expected; 160], "the {heard}th word of its own");
                    heard += 1;
                },
                _ = tokio::time::sleep_until(deadline) => panic!("heard {heard} of {packets}"),
            }
        }
    }
}

/// The SIP of the page: one WebSocket, the ticket it shows, the address of record of its login.
struct Line {
    socket: Socket,
    user: String,
    bearer: String,
    host: String,
}

impl Line {
    fn request(&self, method: &str, uri: &str, dialog: &Dialog, cseq: u32, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let authorization = if cseq == 1 { self.bearer.as_str() } else { "" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS {host};branch=z9hG4bK{b}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{host};transport=ws>;+sip.instance=\"<urn:uuid:0b9d2c9e-44a8-4f5c-9a35-1f2d3c4b5a69>\";reg-id=1;expires=600\r\n\
             Supported: outbound\r\n{authorization}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len(),
            b = unique(),
            host = self.host,
            user = self.user,
            tag = dialog.tag,
            to = dialog.to,
            id = dialog.id,
        )
    }

    async fn say(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.expect("an open socket");
    }

    /// The final answer to this method; what is asked meanwhile is agreed to.
    async fn answer(&mut self, method: &str) -> Reply {
        let wait = async {
            loop {
                let frame = self.socket.next().await.expect("an open socket").expect("a frame");
                let Message::Text(text) = frame else { continue };
                let reply = Reply(text.to_string());
                let of = reply.header("CSeq").and_then(|c| c.split(' ').nth(1)).unwrap_or_default();
                if reply.status() >= 200 && of == method {
                    return reply;
                }
            }
        };
        timeout(WITHIN, wait).await.unwrap_or_else(|_| panic!("{method} is not answered"))
    }
}

struct Dialog {
    id: String,
    tag: String,
    to: String,
}

impl Dialog {
    fn new(to: String) -> Dialog {
        Dialog { id: format!("c{}", unique()), tag: format!("f{}", unique()), to }
    }
}

/// One shift of `name`: log in, register, call, be heard, hang up, log out, close everything.
pub async fn a_shift(hotseat: &Hotseat, name: &str, password: &str, packets: u16) {
    let mut page = Page::open(hotseat).await;
    let login = format!("{{\"username\":\"{name}\",\"password\":\"{password}\"}}");
    let (status, json) = page.send("POST", "/api/login", &login).await;
    assert_eq!((status, json["state"].as_str()), (200, Some("ready")), "{name}: {json}");
    let (status, account) = page.send("GET", "/api/sip", "").await;
    assert_eq!(status, 200, "{account}");
    let word = |field: &str| account[field].as_str().unwrap_or_default().to_owned();
    let origin = ("origin", hotseat.https.as_str());
    let cookie = page.cookie.clone();
    let events = open_at(hotseat, "/api/events", &[origin, ("cookie", &cookie)]).await.expect("notices");
    let socket = open_at(hotseat, "/sip", &[SIP, origin, ("cookie", &cookie)]).await.expect("a WebSocket");
    let mut line = Line {
        socket,
        user: word("username"),
        bearer: format!("Authorization: Bearer {}\r\n", word("ticket")),
        host: format!("p{}.invalid", unique()),
    };
    let registration = Dialog::new(format!("<sip:{}@{DOMAIN}>", line.user));
    line.say(line.request("REGISTER", &format!("sip:{DOMAIN}"), &registration, 1, "")).await;
    let registered = line.answer("REGISTER").await;
    assert_eq!(registered.status(), 200, "{registered:?}");

    let mut sound = Sound::open().await;
    let offer = sound.offer().await;
    let number = format!("sip:069123456@{DOMAIN}");
    let mut dialog = Dialog::new(format!("<{number}>"));
    line.say(line.request("INVITE", &number, &dialog, 1, &offer)).await;
    let ok = line.answer("INVITE").await;
    assert_eq!(ok.status(), 200, "{ok:?}\n{}", hotseat.log());
    dialog.to = ok.header("To").expect("a To").to_owned();
    let contact = ok.header("Contact").expect("a Contact");
    let target = contact.trim_start_matches('<').split('>').next().expect("a target").to_owned();
    // The ACK shows the ticket as JsSIP's does; nobody looks.
    line.say(line.request("ACK", &target, &dialog, 1, "")).await;
    sound.answered(ok.0.split_once("\r\n\r\n").expect("a body").1).await;
    sound.speaks_and_hears(packets).await;
    line.say(line.request("BYE", &target, &dialog, 2, "")).await;
    assert_eq!(line.answer("BYE").await.status(), 200);
    sound.connection.close().await.expect("a connection that closes");

    let (status, _) = page.send("DELETE", "/api/login", "").await;
    assert_eq!(status, 204, "{name} goes home");
    drop((line, events, page));
}

/// A trunk that answers every call at once; the sound of all of them comes to one port and goes back as it came.
pub async fn echoing_trunk(at: SocketAddr) {
    let sip = UdpSocket::bind(at).await.expect("the trunk's port");
    let ear = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let media = ear.local_addr().expect("a bound socket").port();
    tokio::spawn(async move {
        let mut packet = [0u8; 2048];
        while let Ok((len, from)) = ear.recv_from(&mut packet).await {
            if len > 12 && packet[1] & 0x7f == 0 {
                let _ = ear.send_to(&packet[..len], from).await;
            }
        }
    });
    tokio::spawn(async move {
        let mut buffer = vec![0u8; 65_536];
        while let Ok((len, from)) = sip.recv_from(&mut buffer).await {
            let request = Reply(String::from_utf8_lossy(&buffer[..len]).into_owned());
            let method = request.0.split(' ').next().unwrap_or_default().to_owned();
            if request.status() != 0 || method == "ACK" {
                continue;
            }
            let _ = sip.send_to(agreed(&request, &method, at, media).as_bytes(), from).await;
        }
    });
}

/// 200 to this request.
fn agreed(request: &Reply, method: &str, at: SocketAddr, media: u16) -> String {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for via in request.headers("Via") {
        text.push_str(&format!("Via: {via}\r\n"));
    }
    for name in ["From", "Call-ID", "CSeq"] {
        text.push_str(&format!("{name}: {}\r\n", request.header(name).unwrap_or_default()));
    }
    let to = request.header("To").unwrap_or_default();
    let tag = if to.contains("tag=") { "" } else { ";tag=trunk" };
    text.push_str(&format!("To: {to}{tag}\r\nContact: <sip:trunk@{at}>\r\n"));
    let sdp = format!(
        "v=0\r\no=trunk 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {media} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    );
    if method == "INVITE" {
        text.push_str(&format!(
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ));
    } else {
        text.push_str("Content-Length: 0\r\n\r\n");
    }
    text
}
