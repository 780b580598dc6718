//! One simulated peer on two real sockets: SIP and RTP go in and out, its deadline wakes it.

use anyhow::Context;
use daemon::core::Clock;
use sim::peer::{Peer, PeerEvent, PeerOutput};
use sim::phone::Phone;
use sim::trunk::Trunk;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use terms::{Instant, Now};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

pub enum Actor {
    Phone(Box<Phone>),
    Trunk(Box<Trunk>),
}

const DATAGRAM_MAX: usize = 65_535;
/// Nothing waits longer than this to be looked at again.
const NAP_MAX: Duration = Duration::from_secs(5);

/// SIP at this port (0: any) and RTP beside it.
pub async fn sockets(port: u16) -> anyhow::Result<(UdpSocket, UdpSocket)> {
    let bind = async |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        UdpSocket::bind(address).await.with_context(|| {
            format!(
                "UDP port {port} for a simulated peer is taken; stop the program that uses it, or move all ports with \
                 --base-port N"
            )
        })
    };
    Ok((bind(port).await?, bind(0).await?))
}

/// Lets the peer live until the process ends. Orders: a number to dial, or `hangup`.
pub fn play(mut actor: Actor, sip: UdpSocket, rtp: UdpSocket, clock: Clock) -> mpsc::Sender<String> {
    let (orders, mut wanted) = mpsc::channel::<String>(16);
    tokio::spawn(async move {
        let (mut sip_bytes, mut rtp_bytes) = (vec![0; DATAGRAM_MAX], vec![0; DATAGRAM_MAX]);
        if let Actor::Phone(phone) = &mut actor {
            phone.register(clock.now());
        }
        loop {
            actor.flush(&sip, &rtp).await;
            let now = clock.now();
            let nap = actor.deadline().map_or(NAP_MAX, |at| (at - now.instant).min(NAP_MAX));
            tokio::select! {
                biased;
                Ok((len, from)) = sip.recv_from(&mut sip_bytes) => {
                    actor.handle(clock.now(), from, sip_bytes.get(..len).unwrap_or_default());
                }
                Ok((len, from)) = rtp.recv_from(&mut rtp_bytes) => {
                    actor.handle_rtp(clock.now(), from, rtp_bytes.get(..len).unwrap_or_default());
                }
                Some(order) = wanted.recv() => actor.obey(clock.now(), &order),
                _ = tokio::time::sleep(nap) => {}
            }
            let now = clock.now();
            if actor.deadline().is_some_and(|at| at <= now.instant) {
                actor.timeout(now);
            }
        }
    });
    orders
}

impl Actor {
    fn peer(&mut self) -> &mut Peer {
        match self {
            Actor::Phone(phone) => &mut phone.peer,
            Actor::Trunk(trunk) => &mut trunk.peer,
        }
    }

    fn handle(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        match self {
            Actor::Phone(phone) => phone.handle(now, from, bytes),
            Actor::Trunk(trunk) => trunk.handle(now, from, bytes),
        }
    }

    fn handle_rtp(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.peer().handle_rtp(now, from, bytes);
    }

    fn timeout(&mut self, now: Now) {
        match self {
            Actor::Phone(phone) => phone.timeout(now),
            Actor::Trunk(trunk) => trunk.timeout(now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Actor::Phone(phone) => phone.deadline(),
            Actor::Trunk(trunk) => trunk.deadline(),
        }
    }

    fn obey(&mut self, now: Now, order: &str) {
        if order != "hangup" {
            match self {
                Actor::Trunk(trunk) => _ = trunk.calls(now, order, "+4930123456"),
                Actor::Phone(phone) => _ = phone.peer.dial(now, order),
            }
            return;
        }
        let calls: Vec<_> = self.peer().live().map(|c| c.id).collect();
        for call in calls {
            self.peer().hang_up(now, call);
        }
    }

    /// Sends what is due and says in a line what happened.
    async fn flush(&mut self, sip: &UdpSocket, rtp: &UdpSocket) {
        while let Some(output) = self.peer().poll_output() {
            // A datagram that cannot be sent is a datagram lost; SIP repeats it, RTP does without.
            let _ = match output {
                PeerOutput::Sip(flow, bytes) => sip.send_to(&bytes, flow.peer).await,
                PeerOutput::Rtp { to, bytes } => rtp.send_to(&bytes, to).await,
            };
        }
        let name = self.peer().config.user.clone();
        while let Some(event) = self.peer().poll_event() {
            match event {
                PeerEvent::Registered => tracing::debug!(peer = name, "registered"),
                PeerEvent::NotRegistered(status) => tracing::warn!(peer = name, status, "not registered"),
                PeerEvent::Rings(_) => tracing::info!(peer = name, "rings"),
                PeerEvent::Progress(_, status) => tracing::debug!(peer = name, status, "far end"),
                PeerEvent::Answered(_) => tracing::info!(peer = name, "answered"),
                PeerEvent::Ended(_) => tracing::info!(peer = name, "call over"),
            }
        }
    }
}
