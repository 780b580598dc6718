//! What a response repeats of its request (RFC 3261 §8.2.6.2), written once into one buffer when the request comes.

use super::chance::Word;
use crate::values::find_outside;
use crate::write::push_line;
use crate::{Message, Name, Writer};
use std::net::IpAddr;
use terms::Flow;

#[derive(Clone, Debug, Default)]
pub(super) struct Echo {
    /// Via, From, To, Call-ID and CSeq, then Timestamp, then Record-Route, as header lines.
    text: Vec<u8>,
    /// Where our tag belongs; `None` where the To value has one.
    tag_at: Option<usize>,
    core: usize,
    stamped: usize,
}

/// Which parts of an echo a response wants.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts {
    /// RFC 3261 §8.2.6.1: a 100 carries the request's Timestamp.
    pub timestamp: bool,
    /// RFC 3261 §12.1.1: a response that makes a dialog repeats the route.
    pub record_route: bool,
}

impl Echo {
    /// Reads from a request whatever of these it has.
    pub fn of(request: &Message<'_>, flow: Flow) -> Echo {
        let mut text = Vec::with_capacity(512);
        for (i, via) in request.headers_bytes(Name::Via).enumerate() {
            match std::str::from_utf8(via) {
                Ok(via) if i == 0 => top_via(&mut text, via, flow),
                _ => line(&mut text, "Via", via),
            }
        }
        if let Some(from) = request.header_bytes(Name::From) {
            line(&mut text, "From", from);
        }
        let mut tag_at = None;
        if let Some(to) = request.header_bytes(Name::To) {
            line(&mut text, "To", to);
            tag_at = request.to_tag().is_none().then(|| text.len() - 2);
        }
        for name in [Name::CallId, Name::CSeq] {
            if let Some(value) = request.header_bytes(name) {
                line(&mut text, name.text(), value);
            }
        }
        let core = text.len();
        if let Some(value) = request.header_bytes(Name::Timestamp) {
            line(&mut text, "Timestamp", value);
        }
        let stamped = text.len();
        for value in request.headers_bytes(Name::RecordRoute) {
            line(&mut text, "Record-Route", value);
        }
        Echo { text, tag_at, core, stamped }
    }

    pub fn write(&self, out: &mut Writer, tag: Option<&[u8]>, parts: Parts) {
        let core = self.text.get(..self.core).unwrap_or_default();
        match (tag, self.tag_at.filter(|at| *at <= core.len())) {
            (Some(tag), Some(at)) => {
                let (before, behind) = core.split_at(at);
                out.lines(before).lines(b";tag=").lines(tag).lines(behind);
            }
            _ => _ = out.lines(core),
        }
        if parts.timestamp {
            out.lines(self.text.get(self.core..self.stamped).unwrap_or_default());
        }
        if parts.record_route {
            out.lines(self.text.get(self.stamped..).unwrap_or_default());
        }
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }
    /// The final response is written; nothing of this is needed again but the room it took.
    pub fn take_room(&mut self) -> Vec<u8> {
        let mut room = std::mem::take(self).text;
        room.clear();
        room
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    push_line(out, value);
    out.extend_from_slice(b"\r\n");
}

/// The tag a stateless response gives to this request, each time the same.
pub(super) fn stateless_tag(chance: &super::chance::Chance, request: &Message<'_>) -> Word {
    let part = |name| request.header_bytes(name).unwrap_or_default();
    chance.tag_of([part(Name::Via), part(Name::From), part(Name::CallId), part(Name::CSeq)])
}

/// The first Via line with `received` and `rport` as we saw them (RFC 3261 §18.2.1, RFC 3581 §4). What the peer wrote
/// there itself is left out: the next hop back must not believe it.
fn top_via(out: &mut Vec<u8>, line: &str, flow: Flow) {
    let end = find_outside(line, b',').ok().flatten().unwrap_or(line.len());
    let (top, behind) = (line.get(..end).unwrap_or(line), line.get(end..).unwrap_or(""));
    let (sent, mut params) = match top.find(';') {
        Some(at) => (top.get(..at).unwrap_or(top), top.get(at + 1..).unwrap_or("")),
        None => (top, ""),
    };
    out.extend_from_slice(b"Via: ");
    push_line(out, sent.trim_end().as_bytes());
    let mut rport = false;
    while !params.is_empty() {
        let cut = find_outside(params, b';').ok().flatten();
        let (param, rest) = match cut {
            Some(at) => (params.get(..at).unwrap_or(""), params.get(at + 1..).unwrap_or("")),
            None => (params, ""),
        };
        params = rest;
        let name = param.split('=').next().unwrap_or("").trim();
        if name.eq_ignore_ascii_case("rport") {
            rport = true;
        } else if !name.eq_ignore_ascii_case("received") && !param.trim().is_empty() {
            out.push(b';');
            push_line(out, param.trim().as_bytes());
        }
    }
    let ip = flow.peer.ip().to_canonical();
    if rport || sent_by_ip(sent) != Some(ip) {
        out.extend_from_slice(b";received=");
        out.extend_from_slice(ip.to_string().as_bytes());
    }
    if rport {
        out.extend_from_slice(b";rport=");
        out.extend_from_slice(flow.peer.port().to_string().as_bytes());
    }
    push_line(out, behind.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The address in `SIP/2.0/UDP 192.0.2.1:5060`, if it is one and not a name.
fn sent_by_ip(sent: &str) -> Option<IpAddr> {
    let host = sent.split_whitespace().last()?;
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next()?.parse().ok();
    }
    host.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(line: &str) -> String {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40312".parse().unwrap());
        let mut out = Vec::new();
        top_via(&mut out, line, flow);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_top_via_tells_where_it_really_came_from() {
        for (line, expected) in [
            (
                "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa",
                "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa",
            ),
            (
                "SIP/2.0/UDP phone.test;rport;branch=z9hG4bKa, SIP/2.0/TCP b;x=\"1,2\"",
                "SIP/2.0/UDP phone.test;branch=z9hG4bKa;received=198.51.100.7;rport=40312, SIP/2.0/TCP b;x=\"1,2\"",
            ),
            (
                "SIP/2.0/UDP 198.51.100.7 ; rport=5 ; received=203.0.113.9 ;branch=z9hG4bKa",
                "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa;received=198.51.100.7;rport=40312",
            ),
            ("SIP/2.0/UDP [2001:db8::1]:5060", "SIP/2.0/UDP [2001:db8::1]:5060;received=198.51.100.7"),
        ] {
            assert_eq!(via(line), format!("Via: {expected}\r\n"));
        }
    }
}
