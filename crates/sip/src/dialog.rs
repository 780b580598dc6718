//! A dialog as one of its two ends sees it, RFC 3261 §12: who, where to, along which route, and how far the two
//! sequences of requests have come.

use crate::{Message, Method, Name};
use terms::{Flow, Instant};

/// Route values kept for a dialog; a path through more proxies than this does not exist.
pub const ROUTES_MAX: usize = 32;

/// How far a dialog has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Provisional responses only (RFC 3261 §12.1).
    Early,
    Confirmed,
    /// We sent BYE. Kept until its answer, so that a crossing BYE and a late 2xx meet somebody.
    Ending {
        until: Instant,
    },
}

/// The ACK to the last 2xx we got in this dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ack {
    None,
    /// A 2xx waits for the owner. `credentials` are the header lines of the INVITE's authorization, which its ACK
    /// repeats (RFC 3261 §22.1, §13.2.2.4).
    Owed {
        cseq: u32,
        credentials: Vec<u8>,
    },
    /// Sent, and sent again for each retransmission of that 2xx.
    Sent {
        cseq: u32,
        bytes: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
pub struct Dialog {
    /// The number it is found under by Call-ID and tags.
    pub(crate) id: u128,
    pub call_id: Box<str>,
    /// Our From or To value, tag included.
    pub local: Box<str>,
    /// Theirs, tag included where they gave one.
    pub remote: Box<str>,
    pub local_tag: Box<str>,
    /// Empty for a peer of RFC 2543 that gave none (§12.1.1).
    pub remote_tag: Box<str>,
    /// The URI of their Contact.
    pub remote_target: Box<str>,
    /// Complete Route values, first hop first.
    pub routes: Vec<Box<str>>,
    /// The CSeq of our last request here.
    pub local_cseq: u32,
    /// The CSeq of their last request here; none before their first.
    pub remote_cseq: Option<u32>,
    /// The way their requests came last; ours go back on it.
    pub flow: Flow,
    /// Whether that flow is still there.
    pub flow_open: bool,
    /// The user part of our Contact.
    pub contact_user: Box<str>,
    pub phase: Phase,
    /// Our INVITE that waits for its final response, by its client transaction.
    pub(crate) our_invite: Option<u64>,
    /// Their last INVITE, by its server transaction, with its CSeq.
    pub(crate) their_invite: Option<(u64, u32)>,
    pub ack: Ack,
    /// The moment the timer queue knows of.
    pub(crate) queued_at: Option<Instant>,
}

impl Dialog {
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// Where a request goes (RFC 3261 §12.2.1.1): its Request-URI and its Route values. A strict router (no `lr`) takes
    /// the place of the target, which goes to the end of the route.
    pub fn path(&self) -> (&str, Vec<&str>) {
        let routes = self.routes.iter().map(|r| &**r);
        path(&self.remote_target, routes)
    }

    /// RFC 3261 §12.2.2, §12.2.1.2: INVITE and UPDATE, and their 2xx, move the remote target.
    pub fn refresh_target(&mut self, message: &Message<'_>) {
        if let Some(contact) = message.contact() {
            self.remote_target = target_of(contact.uri);
        }
    }
}

/// The Request-URI and Route values for a target behind a list of routes (RFC 3261 §12.2.1.1).
pub fn path<'a>(target: &'a str, mut routes: impl Iterator<Item = &'a str>) -> (&'a str, Vec<&'a str>) {
    let Some(first) = routes.next() else { return (target, Vec::new()) };
    let uri = uri_of(first);
    let loose = crate::values::Params::of(uri.split_once(';').map_or("", |(_, params)| params)).has("lr");
    if loose {
        return (target, std::iter::once(first).chain(routes).collect());
    }
    (uri, routes.chain(std::iter::once(target)).collect())
}

/// The URI inside a Route value.
fn uri_of(value: &str) -> &str {
    let inner = value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(uri, _)| uri);
    inner.unwrap_or(value)
}

/// A Contact's URI as a Request-URI, which has no header part (RFC 3261 §19.1.1, table 1).
pub fn target_of(uri: &str) -> Box<str> {
    let host_at = uri.find('@').map_or(0, |at| at + 1);
    let end = uri.get(host_at..).and_then(|rest| rest.find('?')).map_or(uri.len(), |at| host_at + at);
    uri.get(..end).unwrap_or(uri).into()
}

/// The Record-Route values of a message, in order; `None` where they are more than anybody's path.
pub fn record_routes(message: &Message<'_>) -> Option<Vec<Box<str>>> {
    let routes: Vec<Box<str>> =
        message.values(Name::RecordRoute).take(ROUTES_MAX + 1).map(one_line).collect();
    (routes.len() <= ROUTES_MAX).then_some(routes)
}

/// A value without the line ends of its folds.
pub fn one_line(value: &str) -> Box<str> {
    crate::message::unfold(value).into()
}

/// Requests whose 2xx, and which themselves, carry a Contact that moves the target (RFC 3261 §12.2, RFC 3311).
pub fn refreshes_target(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Update)
}

/// The header lines by which an INVITE proved who sent it.
pub fn credentials(request: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for name in [Name::Authorization, Name::ProxyAuthorization] {
        for value in request.headers_bytes(name) {
            out.extend_from_slice(name.text().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_router_takes_the_place_of_the_target() {
        let target = "sip:bob@192.0.2.4";
        assert_eq!(path(target, [].into_iter()), (target, vec![]));
        let loose = ["<sip:p1.test;lr>", "<sip:p2.test>"];
        assert_eq!(path(target, loose.into_iter()), (target, loose.to_vec()));
        let strict = ["<sip:p1.test>", "<sip:p2.test;lr>"];
        assert_eq!(path(target, strict.into_iter()), ("sip:p1.test", vec!["<sip:p2.test;lr>", target]));
    }

    #[test]
    fn a_target_has_no_header_part() {
        assert_eq!(&*target_of("sip:a?b@host;transport=tcp?Subject=x"), "sip:a?b@host;transport=tcp");
        assert_eq!(&*target_of("sip:host?X=y"), "sip:host");
        assert_eq!(&*target_of("sip:host"), "sip:host");
    }
}
