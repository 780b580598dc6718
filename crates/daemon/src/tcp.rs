//! SIP over TCP: accept, frame, hand over; write what the core sends; close what misbehaves (RFC 3261 §18).

use crate::core::{Clock, CoreHandle, Post};
use crate::streams::{Line, Streams};
use bytes::BytesMut;
use sip::framing::{Frame, Framer, PONG};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terms::{Flow, Transport, WhyClosed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// A message that began must end within this; a peer that sends a byte a minute holds nothing for long.
const PARTIAL_MAX: Duration = Duration::from_secs(10);
/// Nothing at all for so long: the peer is gone. Longer than twice the registration refresh of a usual phone.
const IDLE_MAX: Duration = Duration::from_secs(2 * 3600 + 60);
/// One write must end within this; a peer that does not read is closed.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// A peer that does not accept a connection within this is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const READ_BUFFER: usize = 4 * 1024;

/// What every connection needs.
#[derive(Clone)]
pub struct Edge {
    pub core: CoreHandle,
    pub streams: Arc<Streams>,
    pub clock: Clock,
}

/// Accepts on one address until the process ends.
pub async fn accept(listener: TcpListener, edge: Edge) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => accepted(stream, peer, &edge),
            Err(error) => {
                // Out of descriptors, most likely: waiting lets others end.
                tracing::warn!(%error, "sip_tcp does not accept");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn accepted(stream: TcpStream, peer: SocketAddr, edge: &Edge) {
    let Ok(local) = stream.local_addr() else { return };
    let Some(connection) = edge.streams.admit(peer.ip()) else {
        tracing::debug!(%peer, "connection refused, too many");
        return;
    };
    let flow = Flow { transport: Transport::Tcp, local, peer, connection };
    let line = edge.streams.open(flow);
    let edge = edge.clone();
    tokio::spawn(async move {
        edge.core.post_stream(Post::FlowOpened { flow, browser: None }).await;
        carry(stream, line, &edge).await;
        edge.streams.dismiss(peer.ip());
    });
}

/// Opens the connections the core asks for.
pub async fn connect_wanted(mut wanted: mpsc::Receiver<Line>, edge: Edge) {
    while let Some(line) = wanted.recv().await {
        let edge = edge.clone();
        tokio::spawn(async move {
            // The core knows the connection by the flow it asked for, whatever port the system chose for our side.
            let flow = line.flow;
            match timeout(CONNECT_MAX, TcpStream::connect(flow.peer)).await {
                Ok(Ok(stream)) => {
                    edge.core.post_stream(Post::FlowOpened { flow, browser: None }).await;
                    carry(stream, line, &edge).await;
                }
                _ => {
                    edge.streams.gone(flow.connection);
                    let why = WhyClosed::ConnectFailed;
                    edge.core.post_stream(Post::FlowClosed { flow, why }).await;
                }
            }
        });
    }
}

/// One connection's life.
async fn carry(mut stream: TcpStream, mut line: Line, edge: &Edge) {
    let flow = line.flow;
    let _ = stream.set_nodelay(true);
    let why = exchange(&mut stream, &mut line, edge).await;
    edge.streams.gone(flow.connection);
    if matches!(why, WhyClosed::ByUs | WhyClosed::BadFraming) {
        // The peer closes in its own time; we do not wait to hear of it.
        let _ = timeout(WRITE_MAX, stream.shutdown()).await;
    }
    tracing::debug!(%flow, ?why, "connection closed");
    edge.core.post_stream(Post::FlowClosed { flow, why }).await;
}

async fn exchange(stream: &mut TcpStream, line: &mut Line, edge: &Edge) -> WhyClosed {
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
            read = stream.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => return WhyClosed::ByPeer,
                Ok(_) => {
                    heard = Instant::now();
                    framer.feed(edge.clock.now().instant, &buffer);
                    buffer.clear();
                    if let Err(why) = hand_over(&mut framer, line.flow, stream, &edge.core).await {
                        return why;
                    }
                }
            },
            Some(bytes) = line.outgoing.recv() => {
                if write(stream, &bytes).await.is_err() {
                    return WhyClosed::QueueFull;
                }
            }
            closing = &mut line.closing => {
                let why = closing.unwrap_or(WhyClosed::ByUs);
                if why != WhyClosed::QueueFull {
                    while let Ok(bytes) = line.outgoing.try_recv() {
                        if write(stream, &bytes).await.is_err() {
                            return WhyClosed::QueueFull;
                        }
                    }
                }
                return why;
            }
            _ = sleep_until(give_up) => return WhyClosed::TimedOut,
        }
    }
}

/// Gives every whole message to the core and answers keep-alives (RFC 5626 §3.5.1).
async fn hand_over(
    framer: &mut Framer,
    flow: Flow,
    stream: &mut TcpStream,
    core: &CoreHandle,
) -> Result<(), WhyClosed> {
    loop {
        match framer.poll() {
            Ok(None) => return Ok(()),
            Ok(Some(Frame::Message(bytes))) => core.received(flow, bytes),
            Ok(Some(Frame::Ping)) => {
                if write(stream, PONG).await.is_err() {
                    return Err(WhyClosed::QueueFull);
                }
            }
            Ok(Some(Frame::Pong)) => {}
            Err(fault) => {
                // Where a message ends is unknown from here on; what follows must not be taken for one.
                tracing::info!(%flow, fault = fault.reason, "stream framing broken");
                if let Some(answer) = &fault.response {
                    // The connection ends either way.
                    let _ = write(stream, answer).await;
                }
                return Err(WhyClosed::BadFraming);
            }
        }
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    timeout(WRITE_MAX, stream.write_all(bytes)).await?
}
