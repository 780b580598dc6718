//! SIP over TCP and TLS: accept, and open what the core asks for (RFC 3261 §18).

use crate::carry::{Edge, carry, tune};
use crate::streams::Line;
use crate::tls::{Incoming, Outgoing};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terms::{Flow, Transport, WhyClosed};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A peer that does not accept a connection within this is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A TLS handshake, either way, must end within this.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Accepts on one address until the process ends; with TLS where there is a certificate to show.
pub async fn accept(listener: TcpListener, tls: Option<Incoming>, edge: Edge) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => accepted(stream, peer, tls.as_ref(), &edge),
            Err(error) => {
                // Out of descriptors, most likely: waiting lets others end.
                tracing::warn!(%error, "SIP connections cannot be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn accepted(stream: TcpStream, peer: SocketAddr, tls: Option<&Incoming>, edge: &Edge) {
    let Ok(local) = stream.local_addr() else { return };
    let Some(connection) = edge.streams.admit(peer.ip()) else {
        tracing::debug!(%peer, "connection refused, too many");
        return;
    };
    tune(&stream);
    let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
    let flow = Flow { transport, local, peer, connection };
    let acceptor = tls.map(Incoming::acceptor);
    let edge = edge.clone();
    tokio::spawn(async move {
        match acceptor {
            None => carry(stream, edge.streams.open(flow), None, &edge).await,
            // The core hears of a connection when it can be spoken on, not before.
            Some(acceptor) => match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => carry(stream, edge.streams.open(flow), None, &edge).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake did not end"),
            },
        }
        edge.streams.dismiss(peer.ip());
    });
}

/// Opens the connections the core asks for.
pub async fn connect_wanted(mut wanted: mpsc::Receiver<Line>, tls: Arc<Outgoing>, edge: Edge) {
    while let Some(line) = wanted.recv().await {
        let (edge, tls) = (edge.clone(), tls.clone());
        tokio::spawn(async move { connect(line, &tls, &edge).await });
    }
}

/// The core knows the connection by the flow it asked for, whatever port the system chose for our side.
async fn connect(line: Line, tls: &Outgoing, edge: &Edge) {
    let flow = line.flow;
    let stream = match timeout(CONNECT_MAX, TcpStream::connect(flow.peer)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(%flow, %error, "connection cannot be opened");
            return edge.closed(flow, WhyClosed::ConnectFailed).await;
        }
        Err(_) => {
            tracing::warn!(%flow, "connection cannot be opened: no answer");
            return edge.closed(flow, WhyClosed::ConnectFailed).await;
        }
    };
    tune(&stream);
    match flow.transport {
        Transport::Tcp => carry(stream, line, None, edge).await,
        Transport::Tls => match timeout(HANDSHAKE_MAX, tls.connect(flow.peer, stream)).await {
            Ok(Ok(stream)) => carry(stream, line, None, edge).await,
            failed => {
                let error = match failed {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => "the handshake did not end".to_owned(),
                };
                // A trunk that cannot be verified gets no calls; whoever looks for the reason finds it here.
                tracing::error!(%flow, error, "TLS to the trunk failed, no call goes there");
                edge.closed(flow, WhyClosed::ConnectFailed).await;
            }
        },
        // Browsers come to us; UDP has no connections.
        Transport::Udp | Transport::Ws | Transport::Wss => {
            edge.closed(flow, WhyClosed::ConnectFailed).await;
        }
    }
}
