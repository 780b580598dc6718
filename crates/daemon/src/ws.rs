//! SIP over WebSocket: one SIP message a frame, both ways, until either side has enough (RFC 7118, RFC 6455).

use crate::carry::{Edge, LAST_WORDS_MAX, WRITE_MAX};
use crate::streams::Line;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use terms::{BrowserFlow, Flow, WhyClosed};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes of one SIP message, whatever number of frames it comes in. An INVITE with everything a browser offers has ten
/// thousand.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Read at once; a connection that says nothing holds no more.
const READ_BUFFER: usize = 4 * 1024;
/// Written but not taken by the peer.
const WRITE_BUFFER_MAX: usize = 4 * MESSAGE_MAX;
/// Keep-alives a client may send us as a frame (RFC 7118 §6, RFC 5626 §3.5.1), and what it gets for one.
const ASKS: &[u8] = b"\r\n\r\n";
const ANSWERS: &str = "\r\n";

/// How a silent peer is told from one that is gone.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nothing heard for so long: it is asked with a ping.
    pub ping_after: Duration,
    /// And nothing for so long after that: it is gone.
    pub pong_max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        // Within the idle times of usual proxies (a minute) and NATs; a laptop whose lid was closed is noticed in half one.
        Pace { ping_after: Duration::from_secs(20), pong_max: Duration::from_secs(10) }
    }
}

/// How the conversation ended, and what the peer is told of it (RFC 6455 §7.4.1).
struct End {
    why: WhyClosed,
    say: Option<(CloseCode, &'static str)>,
}

impl End {
    fn quiet(why: WhyClosed) -> End {
        End { why, say: None }
    }
    fn saying(why: WhyClosed, code: CloseCode, reason: &'static str) -> End {
        End { why, say: Some((code, reason)) }
    }
}

/// Carries one upgraded connection to its end.
pub(crate) async fn carry<S>(stream: S, line: Line, browser: Option<BrowserFlow>, pace: Pace, edge: &Edge)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let Line { flow, mut outgoing, mut closing } = line;
    edge.opened(flow, browser).await;
    let mut ws = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let end = tokio::select! {
        end = talk(&mut ws, flow, &mut outgoing, pace, edge) => end,
        closed = &mut closing => match closed.unwrap_or(WhyClosed::ByUs) {
            WhyClosed::ByUs => End::saying(WhyClosed::ByUs, CloseCode::Away, "the login ended, or we are leaving"),
            why => End::quiet(why),
        },
    };
    edge.closed(flow, end.why).await;
    let last_words = async {
        while let Ok(bytes) = outgoing.try_recv() {
            // Frames that wait for the socket go in front of these, whole.
            ws.feed(message(bytes)).await?;
        }
        let close = end.say.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        ws.close(close).await
    };
    if end.why != WhyClosed::QueueFull {
        let _ = timeout(LAST_WORDS_MAX, last_words).await;
    }
}

async fn talk<S>(
    ws: &mut WebSocketStream<S>,
    flow: Flow,
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    pace: Pace,
    edge: &Edge,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Instant::now();
    let mut asked: Option<Instant> = None;
    loop {
        let next_look = match asked {
            Some(at) => at + pace.pong_max,
            None => heard + pace.ping_after,
        };
        let say = tokio::select! {
            frame = ws.next() => {
                (heard, asked) = (Instant::now(), None);
                match frame {
                    Some(Ok(frame)) => match taken(frame, flow, edge) {
                        Ok(None) => continue,
                        Ok(Some(answer)) => answer,
                        Err(end) => return end,
                    },
                    Some(Err(error)) => return broken(flow, &error),
                    None => return End::quiet(WhyClosed::ByPeer),
                }
            }
            Some(bytes) = outgoing.recv() => message(bytes),
            _ = sleep_until(next_look) => match asked {
                Some(_) => return End::saying(WhyClosed::TimedOut, CloseCode::Away, "no answer to our ping"),
                None => {
                    asked = Some(Instant::now());
                    Message::Ping(Bytes::new())
                }
            },
        };
        // A peer that does not read is closed, not waited for.
        if !matches!(timeout(WRITE_MAX, ws.send(say)).await, Ok(Ok(()))) {
            return End::quiet(WhyClosed::QueueFull);
        }
    }
}

/// What becomes of one message of the peer; the answer, where it wants one at once. The library answers its pings.
fn taken(frame: Message, flow: Flow, edge: &Edge) -> Result<Option<Message>, End> {
    let bytes: Bytes = match frame {
        // RFC 7118 §4.2: text or binary, as the client likes; what is in it says itself what it is.
        Message::Text(text) => text.into(),
        Message::Binary(bytes) => bytes,
        Message::Close(_) => return Err(End::quiet(WhyClosed::ByPeer)),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(None),
    };
    if bytes.as_ref() == ASKS {
        return Ok(Some(Message::text(ANSWERS)));
    }
    if sip::is_keep_alive(&bytes) {
        return Ok(None);
    }
    if !is_sip(&bytes) {
        tracing::info!(%flow, "a WebSocket frame is no SIP message");
        return Err(End::saying(WhyClosed::BadFraming, CloseCode::Unsupported, "one SIP message a frame"));
    }
    edge.core.received(flow, bytes);
    Ok(None)
}

/// Whether the first line is a SIP message's (RFC 3261 §7.1, §7.2). What else may be wrong with it the core says as SIP.
fn is_sip(bytes: &[u8]) -> bool {
    // RFC 3261 §7.5: line ends before the start line do not count.
    let mut lines = bytes.split(|b| matches!(b, b'\r' | b'\n')).skip_while(|line| line.is_empty());
    let line = lines.next().unwrap_or_default();
    let version = |part: Option<&[u8]>| part.is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/2.0"));
    let first = line.get(..7);
    let last = line.len().checked_sub(7).and_then(|at| line.get(at..));
    version(first) || version(last)
}

fn message(bytes: Vec<u8>) -> Message {
    // RFC 7118 §4.2: text has to be UTF-8; a body that is none goes as binary.
    match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(bytes) => Message::binary(bytes.into_bytes()),
    }
}

fn broken(flow: Flow, error: &Error) -> End {
    let (why, code, reason) = match error {
        Error::Capacity(_) => (WhyClosed::BadFraming, CloseCode::Size, "a SIP message has 64 KiB at most"),
        Error::Utf8(_) => (WhyClosed::BadFraming, CloseCode::Invalid, "text has to be UTF-8"),
        Error::Protocol(_) | Error::AttackAttempt => {
            (WhyClosed::BadFraming, CloseCode::Protocol, "RFC 6455 says otherwise")
        }
        Error::WriteBufferFull(_) => return End::quiet(WhyClosed::QueueFull),
        _ => return End::quiet(WhyClosed::ByPeer),
    };
    tracing::info!(%flow, %error, "WebSocket framing broken");
    End::saying(why, code, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_from_garbage_by_its_first_line() {
        for yes in ["OPTIONS sip:a SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n", "\r\nregister sip:a sip/2.0\nx"] {
            assert!(is_sip(yes.as_bytes()), "{yes}");
        }
        for no in ["", "GET / HTTP/1.1\r\n\r\nSIP/2.0", "SIP/2", "{\"a\":1}", "x\r\nOPTIONS sip:a SIP/2.0"] {
            assert!(!is_sip(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn text_stays_text_and_what_is_none_goes_as_binary() {
        assert!(message(b"SIP/2.0 200 OK\r\n\r\n".to_vec()).is_text());
        assert!(message(vec![0x80, 0xff]).is_binary());
    }

    use crate::core::{Clock, CoreHandle, Post, Posts};
    use crate::streams::Streams;
    use std::sync::Arc;
    use terms::{ConnectionId, Transport};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\n\r\n";

    /// One connection being carried, and the browser's end of it.
    struct Scene {
        streams: Arc<Streams>,
        posts: Posts,
        browser: DuplexStream,
    }

    fn flow() -> Flow {
        let local = "127.0.0.1:8443".parse().unwrap();
        let peer = "127.0.0.1:40000".parse().unwrap();
        Flow { transport: Transport::Wss, local, peer, connection: ConnectionId(2) }
    }

    fn scene(pace: Pace) -> Scene {
        let (core, posts) = CoreHandle::alone();
        let (streams, _wanted) = Streams::new(10, 10);
        let streams = Arc::new(streams);
        let edge = Edge { core, streams: streams.clone(), clock: Clock::default() };
        let (ours, browser) = tokio::io::duplex(4096);
        let line = streams.open(flow());
        tokio::spawn(async move { carry(ours, line, None, pace, &edge).await });
        Scene { streams, posts, browser }
    }

    impl Scene {
        async fn hears(&mut self) -> Post {
            timeout(Duration::from_secs(5), self.posts.next()).await.expect("a post within five seconds")
        }
        async fn begun() -> Scene {
            let mut scene = scene(Pace::default());
            assert!(matches!(scene.hears().await, Post::FlowOpened { browser: None, .. }));
            scene
        }
        async fn writes(&mut self, opcode: u8, last: bool, payload: &[u8]) {
            let mut frame = vec![opcode | if last { 0x80 } else { 0 }];
            match u16::try_from(payload.len()).expect("short") {
                n @ 0..126 => frame.push(0x80 | n as u8),
                n => {
                    frame.push(0x80 | 126);
                    frame.extend(n.to_be_bytes());
                }
            }
            let mask = [1u8, 2, 3, 4];
            frame.extend(mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
            self.browser.write_all(&frame).await.expect("the gateway reads");
        }
        /// The opcode and payload of the next frame; short ones only.
        async fn reads(&mut self) -> (u8, Vec<u8>) {
            let mut head = [0u8; 2];
            let read = timeout(Duration::from_secs(5), self.browser.read_exact(&mut head)).await;
            read.expect("a frame within five seconds").expect("an open connection");
            let mut payload = vec![0; usize::from(head[1] & 0x7f)];
            self.browser.read_exact(&mut payload).await.expect("a whole frame");
            (head[0] & 0x0f, payload)
        }
        async fn is_closed_with(&mut self, code: u16, why: WhyClosed) {
            match self.hears().await {
                Post::FlowClosed { why: was, .. } => assert_eq!(was, why),
                _ => panic!("not closed"),
            }
            let (opcode, payload) = self.reads().await;
            assert_eq!((opcode, payload.get(..2)), (8, Some(&code.to_be_bytes()[..])), "{payload:?}");
            assert_eq!(self.streams.count(), 0);
        }
    }

    #[tokio::test]
    async fn a_message_comes_as_text_as_binary_or_in_pieces() {
        let mut scene = Scene::begun().await;
        scene.writes(1, true, OPTIONS.as_bytes()).await;
        scene.writes(2, true, OPTIONS.as_bytes()).await;
        // A ping in the middle of the pieces is allowed (RFC 6455 §5.4).
        scene.writes(1, false, &OPTIONS.as_bytes()[..9]).await;
        scene.writes(9, true, b"hello").await;
        scene.writes(0, true, &OPTIONS.as_bytes()[9..]).await;
        for _ in 0..3 {
            match scene.hears().await {
                Post::Received { bytes, .. } => assert_eq!(bytes, OPTIONS),
                _ => panic!("no message"),
            }
        }
        assert_eq!(scene.reads().await, (10, b"hello".to_vec()));
        scene.streams.send(flow(), b"SIP/2.0 200 OK\r\n\r\n".to_vec());
        assert_eq!(scene.reads().await, (1, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
    }

    #[tokio::test]
    async fn a_keep_alive_is_answered_and_none_of_the_cores_business() {
        let mut scene = Scene::begun().await;
        scene.writes(1, true, b"\r\n\r\n").await;
        assert_eq!(scene.reads().await, (1, b"\r\n".to_vec()));
        scene.writes(1, true, b"\r\n").await;
        scene.writes(1, true, b"").await;
        scene.writes(8, true, b"").await;
        match scene.hears().await {
            Post::FlowClosed { why, .. } => assert_eq!(why, WhyClosed::ByPeer),
            _ => panic!("something reached the core"),
        }
    }

    #[tokio::test]
    async fn what_is_no_sip_and_what_breaks_the_frames_ends_the_connection_with_its_code() {
        let mut garbage = Scene::begun().await;
        garbage.writes(1, true, b"{\"hello\": \"world\"}").await;
        garbage.is_closed_with(1003, WhyClosed::BadFraming).await;

        let mut pieces = Scene::begun().await;
        pieces.writes(0, true, OPTIONS.as_bytes()).await;
        pieces.is_closed_with(1002, WhyClosed::BadFraming).await;

        let mut not_text = Scene::begun().await;
        not_text.writes(1, true, &[0xff, 0xfe]).await;
        not_text.is_closed_with(1007, WhyClosed::BadFraming).await;

        // Refused by its announced length, before a byte of it came.
        let mut huge = Scene::begun().await;
        let mut head = vec![0x82, 0xff];
        head.extend((1u64 << 40).to_be_bytes());
        head.extend([0; 4]);
        huge.browser.write_all(&head).await.unwrap();
        huge.is_closed_with(1009, WhyClosed::BadFraming).await;

        // And by its sum, where each piece is small.
        let mut many = Scene::begun().await;
        many.writes(1, false, &[b'a'; 60_000]).await;
        many.writes(0, false, &[b'a'; 60_000]).await;
        many.is_closed_with(1009, WhyClosed::BadFraming).await;

        // RFC 6455 §5.1: a client that does not mask is none.
        let mut bare = Scene::begun().await;
        bare.browser.write_all(&[0x81, 2, b'h', b'i']).await.unwrap();
        bare.is_closed_with(1002, WhyClosed::BadFraming).await;
    }

    #[tokio::test]
    async fn a_silent_peer_is_asked_and_one_that_does_not_answer_is_gone() {
        let pace = Pace { ping_after: Duration::from_millis(60), pong_max: Duration::from_millis(120) };
        let mut scene = scene(pace);
        assert!(matches!(scene.hears().await, Post::FlowOpened { .. }));
        for _ in 0..3 {
            assert_eq!(scene.reads().await.0, 9, "a ping");
            scene.writes(10, true, b"").await;
        }
        assert_eq!(scene.reads().await.0, 9);
        scene.is_closed_with(1001, WhyClosed::TimedOut).await;
    }

    #[tokio::test]
    async fn when_the_core_closes_it_is_over_at_once_even_for_a_peer_that_does_not_read() {
        let mut polite = Scene::begun().await;
        polite.streams.send(flow(), OPTIONS.into());
        polite.streams.close(flow(), WhyClosed::ByUs);
        match polite.hears().await {
            Post::FlowClosed { why, .. } => assert_eq!(why, WhyClosed::ByUs),
            _ => panic!("not closed"),
        }
        assert_eq!(
            polite.reads().await,
            (1, OPTIONS.as_bytes().to_vec()),
            "what was said before is still said"
        );
        assert_eq!(polite.reads().await.0, 8);

        let mut deaf = Scene::begun().await;
        for _ in 0..40 {
            deaf.streams.send(flow(), vec![b'x'; 1000]);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = Instant::now();
        deaf.streams.close(flow(), WhyClosed::ByUs);
        assert!(matches!(deaf.hears().await, Post::FlowClosed { why: WhyClosed::ByUs, .. }));
        assert!(before.elapsed() < Duration::from_millis(50), "{:?}", before.elapsed());
    }
}
