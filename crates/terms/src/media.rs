//! Media behind three verbs. SDP goes in and comes out as opaque bytes; only the media crate reads it.
//!
//! An offer or answer always travels from one leg to the other. `Offer` from leg A yields `Sdp` to be sent on leg B;
//! `Answer` from leg B yields `Sdp` to be sent on leg A. A late offer (INVITE without a body) is the same with the legs
//! swapped. An `Offer` that is refused by the far side needs no verb: what was agreed before stays in force until an
//! `Answer` replaces it (RFC 3264 §8).

use crate::{CallId, Codecs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The two sides of a call: A called us, B is called by us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    A,
    B,
}

impl Leg {
    pub fn other(self) -> Leg {
        match self {
            Leg::A => Leg::B,
            Leg::B => Leg::A,
        }
    }
}

/// What kind of peer stands at a leg, which decides the port it gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortKind {
    /// RTP/AVP over UDP: desk phones and trunks.
    Rtp,
    /// RTP/AVP with a key beside it, taken by a peer that can (RFC 8643); else it stays plain.
    OptionalSrtp,
    /// RTP/SAVP with the keys in the description (SDES, RFC 4568), or no call.
    Srtp,
    /// ICE and DTLS-SRTP on one multiplexed port (RFC 8827): browsers.
    WebRtc,
}

/// Whether the voice of phones or of a trunk is encrypted, with keys in the description (SDES, RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Srtp {
    /// Never offered. What a peer offers encrypted is taken all the same.
    #[default]
    Off,
    /// Offered without insisting (RFC 8643): a peer that cannot goes on in the clear.
    Offer,
    /// Offered and nothing else: a peer that cannot gets no call from us.
    Require,
}

impl Srtp {
    /// The port a leg gets by it.
    pub fn port(self) -> PortKind {
        match self {
            Srtp::Off => PortKind::Rtp,
            Srtp::Offer => PortKind::OptionalSrtp,
            Srtp::Require => PortKind::Srtp,
        }
    }
}

/// Numbers the offers and answers of one call, so that a late `Sdp` is not taken for another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Turn(pub u32);

#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Leg `from` offers. Ports are made for legs that have none. Answered by `Sdp{to: from.other()}` or `Failed`.
    Offer {
        call: CallId,
        turn: Turn,
        from: Leg,
        sdp: Bytes,
        /// The address leg `from`'s SIP came from: besides the address in the SDP the only one media is learned from.
        source: IpAddr,
        /// The kind of the leg that will receive the offer. A leg that has said what it speaks itself keeps to that.
        to_kind: PortKind,
        /// What may be offered to that leg, preferred first; empty: whatever legs of its kind usually speak.
        to_codecs: Codecs,
        /// An ICE restart that changes nothing for the other leg is answered at once, by `Sdp{to: from}`.
        may_settle: bool,
    },
    /// Leg `from` answers the pending offer, provisionally (18x) or finally. May come again from another fork; the last
    /// one counts. Answered by `Sdp{to: from.other()}` or `Failed`.
    Answer {
        call: CallId,
        turn: Turn,
        from: Leg,
        sdp: Bytes,
        source: IpAddr,
    },
    /// Leg A offers to hear itself, three seconds late: the gateway is the other side. Answered by `Sdp{to: A}` or
    /// `Failed`.
    Echo {
        call: CallId,
        turn: Turn,
        sdp: Bytes,
        source: IpAddr,
    },
    /// `leg` is to be sent a digit. As an event (RFC 4733) where that was agreed; as a tone in its voice where we code
    /// that voice; otherwise answered by `DtmfByInfo`.
    Dtmf {
        call: CallId,
        leg: Leg,
        digit: char,
        duration_ms: u32,
    },
    /// `leg` has gone for a moment (a lost connection, a move to another device): the other one hears a soft tone until
    /// `Back`. Nothing `leg` sends meanwhile is heard.
    Away {
        call: CallId,
        leg: Leg,
    },
    Back {
        call: CallId,
        leg: Leg,
    },
    /// The call is over. Its ports are closed and given back; harmless when the call is unknown.
    Release {
        call: CallId,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// SDP to send on leg `to`.
    Sdp {
        call: CallId,
        turn: Turn,
        to: Leg,
        sdp: Bytes,
    },
    /// The first valid packets came from `leg`, its address is locked now; or they came again after `Silent`.
    Flowing {
        call: CallId,
        leg: Leg,
    },
    /// Nothing came from `leg` for two seconds although its media is agreed to flow (SPEC I5).
    Silent {
        call: CallId,
        leg: Leg,
        /// Nothing ever came from it.
        from_start: bool,
    },
    /// A digit was pressed at `leg` and relayed to the other (RFC 4733).
    Dtmf {
        call: CallId,
        leg: Leg,
        digit: char,
        duration_ms: u32,
    },
    /// A digit for `leg` that cannot be sent in its media; an INFO may carry it.
    DtmfByInfo {
        call: CallId,
        leg: Leg,
        digit: char,
        duration_ms: u32,
    },
    /// How well `leg` is connected, told when it has changed enough to be noticed, every five seconds at most.
    Quality {
        call: CallId,
        leg: Leg,
        quality: Quality,
    },
    Failed {
        call: CallId,
        turn: Turn,
        why: MediaFailure,
    },
    /// The answer to `Release`: ports are closed, these are the figures for the record.
    Released {
        call: CallId,
        a: LegFigures,
        b: LegFigures,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaFailure {
    #[error("the session description cannot be read")]
    BadSdp,
    #[error("no codec or transport that both sides speak")]
    NothingInCommon,
    #[error("all media ports are in use")]
    NoPorts,
    #[error("an answer came for no offer")]
    NoOffer,
}

/// What one leg sent us and how it arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegFigures {
    pub codec: String,
    pub packets: u64,
    pub octets: u64,
    /// Packets missing by sequence number.
    pub lost: u64,
    /// Interarrival jitter in microseconds (RFC 3550 §6.4.1).
    pub jitter_us: u32,
    /// Round trip in microseconds from RTCP, where the peer sends reports.
    pub round_trip_us: Option<u32>,
    /// Packets dropped because they came from an address that is not the leg's.
    pub strangers: u64,
    /// Packets dropped although they came from the leg: no RTP, or a payload type nobody agreed to.
    #[serde(default)]
    pub rubbish: u64,
    /// Estimated mean opinion score of the whole call times one hundred, 100 to 450; nothing if too little was heard.
    #[serde(default)]
    pub mos_x100: Option<u16>,
}

/// How well a leg is connected, over the last seconds. The worse of both directions counts where the peer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Estimated mean opinion score (ITU-T G.107, simplified) times one hundred: 100 bad, 450 as good as it gets.
    pub mos_x100: u16,
    /// Share of packets lost, in hundredths of a percent.
    pub loss_x100: u16,
    pub jitter_us: u32,
    pub round_trip_us: Option<u32>,
}
