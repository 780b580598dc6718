//! The life of one SIP connection over a stream of bytes, TCP or TLS: cut into messages, hand over, write what the core sends,
//! close what misbehaves (RFC 3261 §18).

use crate::core::{Clock, CoreHandle, Post};
use crate::streams::{Line, Streams};
use bytes::BytesMut;
use sip::framing::{Frame, Framer, PONG};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use terms::{BrowserFlow, Flow, WhyClosed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// A message that began must end within this; a peer that sends a byte a minute holds nothing for long.
const PARTIAL_MAX: Duration = Duration::from_secs(10);
/// Nothing at all for so long: the peer is gone. Longer than twice the registration refresh of a usual phone.
const IDLE_MAX: Duration = Duration::from_secs(2 * 3600 + 60);
/// One write must end within this; a peer that does not read is closed.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(10);
/// What still waits to be written when the core closes a connection has this long. A peer that reads needs no more than a
/// moment, and a login that ended must not linger for one that does not.
pub(crate) const LAST_WORDS_MAX: Duration = Duration::from_millis(200);
/// A quiet connection is asked by the kernel whether its peer is still there, so that a pulled cable is noticed within two
/// minutes; and what we send must be acknowledged within this.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
const READ_BUFFER: usize = 4 * 1024;

/// What every connection needs.
#[derive(Clone)]
pub struct Edge {
    pub core: CoreHandle,
    pub streams: Arc<Streams>,
    pub clock: Clock,
}

impl Edge {
    pub(crate) async fn opened(&self, flow: Flow, browser: Option<BrowserFlow>) {
        self.core.post_stream(Post::FlowOpened { flow, browser }).await;
    }

    /// The one place where the core hears that a connection is over.
    pub(crate) async fn closed(&self, flow: Flow, why: WhyClosed) {
        self.streams.gone(flow.connection);
        tracing::debug!(%flow, ?why, "connection closed");
        self.core.post_stream(Post::FlowClosed { flow, why }).await;
    }
}

/// Small messages leave at once, and a peer that vanished is noticed. What the system does not grant is no reason to refuse.
pub(crate) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = socket2::SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

/// Carries one open connection to its end.
pub(crate) async fn carry<S>(stream: S, line: Line, browser: Option<BrowserFlow>, edge: &Edge)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Line { flow, mut outgoing, mut closing } = line;
    edge.opened(flow, browser).await;
    let mut wire = Wire { stream, midway: false };
    let why = tokio::select! {
        why = talk(&mut wire, flow, &mut outgoing, edge) => why,
        // The registry is gone with an error: the process ends.
        why = &mut closing => why.unwrap_or(WhyClosed::ByUs),
    };
    edge.closed(flow, why).await;
    // After half a message nothing else may follow.
    if why == WhyClosed::ByUs && !wire.midway {
        let last_words = async {
            while let Ok(bytes) = outgoing.try_recv() {
                wire.stream.write_all(&bytes).await?;
            }
            io::Result::Ok(())
        };
        let _ = timeout(LAST_WORDS_MAX, last_words).await;
    }
    if matches!(why, WhyClosed::ByUs | WhyClosed::BadFraming | WhyClosed::TimedOut) {
        // The peer closes in its own time; we do not wait to hear of it.
        let _ = timeout(LAST_WORDS_MAX, wire.stream.shutdown()).await;
    }
}

/// The stream, and whether a write was cut off in the middle of a message.
struct Wire<S> {
    stream: S,
    midway: bool,
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.midway = true;
        timeout(WRITE_MAX, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await??;
        self.midway = false;
        Ok(())
    }
}

async fn talk<S>(
    wire: &mut Wire<S>,
    flow: Flow,
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    edge: &Edge,
) -> WhyClosed
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut framer = Framer::default();
    let mut buffer = BytesMut::with_capacity(READ_BUFFER);
    let mut heard = Instant::now();
    loop {
        let give_up = match framer.partial_since() {
            Some(since) => {
                let held = edge.clock.now().instant.since(since);
                Instant::now() + PARTIAL_MAX.saturating_sub(held)
            }
            None => heard + IDLE_MAX,
        };
        tokio::select! {
            read = wire.stream.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => return WhyClosed::ByPeer,
                Ok(_) => {
                    heard = Instant::now();
                    framer.feed(edge.clock.now().instant, &buffer);
                    buffer.clear();
                    if let Err(why) = hand_over(&mut framer, flow, wire, &edge.core).await {
                        return why;
                    }
                }
            },
            Some(bytes) = outgoing.recv() => {
                if wire.write(&bytes).await.is_err() {
                    return WhyClosed::QueueFull;
                }
            }
            _ = sleep_until(give_up) => return WhyClosed::TimedOut,
        }
    }
}

/// Gives every whole message to the core and answers keep-alives (RFC 5626 §3.5.1).
async fn hand_over<S>(
    framer: &mut Framer,
    flow: Flow,
    wire: &mut Wire<S>,
    core: &CoreHandle,
) -> Result<(), WhyClosed>
where
    S: AsyncWrite + Unpin,
{
    loop {
        match framer.poll() {
            Ok(None) => return Ok(()),
            Ok(Some(Frame::Message(bytes))) => core.received(flow, bytes),
            Ok(Some(Frame::Ping)) => {
                if wire.write(PONG).await.is_err() {
                    return Err(WhyClosed::QueueFull);
                }
            }
            Ok(Some(Frame::Pong)) => {}
            Err(fault) => {
                // Where a message ends is unknown from here on; what follows must not be taken for one.
                tracing::info!(%flow, fault = fault.reason, "stream framing broken");
                if let Some(answer) = &fault.response {
                    // The connection ends either way.
                    let _ = wire.write(answer).await;
                }
                return Err(WhyClosed::BadFraming);
            }
        }
    }
}
