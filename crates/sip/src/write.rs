//! The writer. It puts explicit parts on the wire and lets nothing through that would begin a header of its own.

use crate::message::Name;
use crate::{Draft, Message};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A message being written, start line first, then headers in order; `finish` adds the body and its length.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// `INVITE sip:2001@hotseat.test SIP/2.0`. `room` is the expected size in bytes; the buffer grows past it.
    pub fn request(method: &str, uri: &str, room: usize) -> Writer {
        let mut out = Vec::with_capacity(room.max(64));
        out.extend(method.bytes().filter(|b| crate::message::is_token(*b)));
        out.push(b' ');
        for byte in uri.bytes() {
            // A blank or line end in a URI would end the request line; escaped it stays part of the URI.
            match byte {
                0..=b' ' | 0x7f => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => out.push(byte),
            }
        }
        out.extend_from_slice(b" SIP/2.0\r\n");
        Writer { out }
    }

    /// `SIP/2.0 180 Ringing`; the RFC's phrase where `phrase` is `None`.
    pub fn response(status: u16, phrase: Option<&str>, room: usize) -> Writer {
        let mut out = Vec::with_capacity(room.max(64));
        let status = status.clamp(100, 699);
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(status.to_string().as_bytes());
        out.push(b' ');
        push(&mut out, phrase.unwrap_or(crate::phrase(status)).as_bytes(), false);
        out.extend_from_slice(b"\r\n");
        Writer { out }
    }

    /// Goes on behind what was written before.
    pub(crate) fn resume(begun: &[u8], room: usize) -> Writer {
        let mut out = Vec::with_capacity(begun.len() + room);
        out.extend_from_slice(begun);
        Writer { out }
    }
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// One header line. Line ends and controls in the value become blanks, a name that is not a token is dropped with its value.
    pub fn header(&mut self, name: &str, value: impl AsRef<str>) -> &mut Writer {
        self.header_bytes(name, value.as_ref().as_bytes())
    }

    pub fn named(&mut self, name: Name, value: impl AsRef<str>) -> &mut Writer {
        self.header_bytes(name.text(), value.as_ref().as_bytes())
    }

    pub fn header_bytes(&mut self, name: &str, value: &[u8]) -> &mut Writer {
        self.line(name, value, false)
    }

    fn line(&mut self, name: &str, value: &[u8], escaped: bool) -> &mut Writer {
        if name.is_empty() || !name.bytes().all(crate::message::is_token) {
            return self;
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        push(&mut self.out, value, escaped);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Pieces of lines that went through `header` before, CRLF included where they end.
    pub(crate) fn lines(&mut self, lines: &[u8]) -> &mut Writer {
        self.out.extend_from_slice(lines);
        self
    }

    /// All lines of this header in another message, in order and byte for byte, folds undone. Escaped controls
    /// stay: From and To must come back as they went.
    pub fn copy(&mut self, from: &Message<'_>, name: Name) -> &mut Writer {
        for value in from.headers_bytes(name) {
            self.line(name.text(), value, true);
        }
        self
    }

    /// A header whose value is a number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Writer {
        self.header(name, value.to_string())
    }

    /// The headers of a draft, in order, except those `skip` names and the ones about the body, which `finish` writes.
    pub fn draft(&mut self, draft: &Draft, skip: &[Name]) -> &mut Writer {
        for (name, value) in &draft.headers {
            let number = Name::of(name.as_bytes());
            if !matches!(number, Name::ContentLength | Name::ContentType) && !skip.contains(&number) {
                self.header(name, value);
            }
        }
        self
    }

    /// Content-Type, Content-Length, the empty line and the body.
    pub fn finish(mut self, content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
        if let Some(kind) = content_type.filter(|_| !body.is_empty()) {
            self.header("Content-Type", kind);
        }
        self.out.extend_from_slice(b"Content-Length: ");
        self.out.extend_from_slice(body.len().to_string().as_bytes());
        self.out.extend_from_slice(b"\r\n\r\n");
        self.out.extend_from_slice(body);
        self.out
    }

    /// `finish` with the body of a draft.
    pub fn finish_draft(self, draft: &Draft) -> Vec<u8> {
        self.finish(draft.content_type.as_deref(), &draft.body)
    }
}

/// The answer to a request that cannot be worked with, from what it says of itself and without any state (RFC 3261 §8.2.6, §8.2.7).
/// A To without a tag gets one that is the same for each retransmission.
pub fn refusal(request: &Message<'_>, error: &crate::ParseError) -> Vec<u8> {
    let mut w = Writer::response(error.status.unwrap_or(400), Some(error.reason), 512);
    w.copy(request, Name::Via).copy(request, Name::From);
    if let Some(to) = request.header_bytes(Name::To) {
        let mut to = to.to_vec();
        let tagged = crate::NameAddr::parse_bytes(&to).is_ok_and(|to| to.tag().is_none());
        if tagged {
            to.extend_from_slice(format!(";tag={:016x}", stable_hash(request)).as_bytes());
        }
        w.line(Name::To.text(), &to, true);
    }
    w.copy(request, Name::CallId).copy(request, Name::CSeq);
    w.finish(None, b"")
}

/// FNV-1a over Call-ID, From and CSeq. It needs to be the same again, not to be secret.
fn stable_hash(request: &Message<'_>) -> u64 {
    [Name::CallId, Name::From, Name::CSeq]
        .into_iter()
        .filter_map(|name| request.header_bytes(name))
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Copies a value that came from a peer and goes back to it, escaped controls included.
pub(crate) fn push_line(out: &mut Vec<u8>, value: &[u8]) {
    push(out, value, true);
}

/// Copies a value; line ends with the blanks after them become one blank, other controls one blank each. Controls behind
/// a backslash stay if they are `escaped`, as RFC 3261 §25.1 `quoted-pair` allows.
fn push(out: &mut Vec<u8>, value: &[u8], escaped: bool) {
    let control = |b: u8| (b < b' ' && b != b'\t') || b == 0x7f;
    if !value.iter().fold(false, |found, b| found | control(*b)) {
        out.extend_from_slice(value);
        return;
    }
    let (mut folding, mut before) = (false, 0);
    for byte in value {
        match byte {
            b'\r' | b'\n' if !folding => {
                folding = true;
                out.push(b' ');
            }
            b'\r' | b'\n' | b' ' | b'\t' if folding => {}
            b if control(*b) && !(escaped && before == b'\\') => out.push(b' '),
            b => {
                folding = false;
                out.push(*b);
            }
        }
        before = *byte;
    }
}

/// A display name in quotes with `"` and `\` escaped and controls left out (RFC 3261 §25.1); empty for an empty name.
pub fn quoted(display: &str) -> String {
    if display.is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(display.len() + 2);
    out.push('"');
    for c in display.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `"Ann" <sip:2001@hotseat.test>`; the name is left out where it is empty.
pub fn name_addr(display: &str, uri: &str) -> String {
    let mut out = quoted(display);
    if !out.is_empty() {
        out.push(' ');
    }
    out.push('<');
    for c in uri.chars() {
        // What would end the brackets or the line is escaped (RFC 3986 §2.1).
        match c {
            '<' | '>' | '"' | ' ' => _ = write!(out, "%{:02X}", c as u32),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.push('>');
    out
}

/// `sip:user@host:port` with the user escaped and an IPv6 host in brackets.
pub fn sip_uri(user: &str, host: &str, port: Option<u16>) -> String {
    let user = crate::uri::escape(user);
    let host: Cow<'_, str> = match host.contains(':') && !host.starts_with('[') {
        true => Cow::Owned(format!("[{host}]")),
        false => Cow::Borrowed(host),
    };
    let at = if user.is_empty() { "" } else { "@" };
    match port {
        Some(port) => format!("sip:{user}{at}{host}:{port}"),
        None => format!("sip:{user}{at}{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_slip_a_header_in() {
        let mut w = Writer::request("INV\r\nITE", "sip:a@b\r\nX: y", 0);
        w.header("Subject", "hi\r\nRoute: <sip:evil>\r\n\r\nbody")
            .header("Bad\r\nName", "x")
            .header("X", "a\0b");
        let bytes = w.finish(Some("text/plain\r\nY: z"), b"hello");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "INVITE sip:a@b%0D%0AX:%20y SIP/2.0\r\nSubject: hi Route: <sip:evil> body\r\nX: a b\r\n\
             Content-Type: text/plain Y: z\r\nContent-Length: 5\r\n\r\nhello"
        );
        let response = Writer::response(486, Some("Busy\r\nX: y"), 0).finish(None, b"");
        assert!(response.starts_with(b"SIP/2.0 486 Busy X: y\r\n"));
    }

    #[test]
    fn names_with_quotes_come_back_as_they_were() {
        let text = name_addr("A \"B\" \\ C\r\nEvil: 1", "sip:a>;tag=x@b");
        assert_eq!(text, r#""A \"B\" \\ CEvil: 1" <sip:a%3E;tag=x@b>"#);
        let read = crate::headers::NameAddr::parse(&text).unwrap();
        assert_eq!(read.name(), "A \"B\" \\ CEvil: 1");
        assert!(read.tag().is_none());
        assert_eq!(sip_uri("2001", "2001:db8::1", Some(5061)), "sip:2001@[2001:db8::1]:5061");
        assert_eq!(sip_uri("", "h", None), "sip:h");
    }
}
