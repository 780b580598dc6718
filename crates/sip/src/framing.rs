//! Where one message ends and the next begins on a stream (RFC 3261 §18.3). What is ambiguous ends the connection: two
//! readers that cut a stream differently are how one request hides inside another.

use crate::message::{Message, Name, ParseError, digits, is_token};
use crate::write::refusal;
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2, memmem};
use terms::Instant;

/// How much a stream may ask us to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes from the start line to the empty line.
    pub header_max: usize,
    /// Bytes of a whole message.
    pub message_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { header_max: 64 * 1024, message_max: 256 * 1024 }
    }
}

/// What lay on the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// One whole message, for `Message::parse`.
    Message(Bytes),
    /// CRLF CRLF: the peer asks whether we are there; answer `PONG` (RFC 5626 §3.5.1).
    Ping,
    /// CRLF: the answer to ours, or a line end somebody sent too many.
    Pong,
}

/// What `Ping` is answered with.
pub const PONG: &[u8] = b"\r\n";
/// What we send to ask.
pub const PING: &[u8] = b"\r\n\r\n";

/// The stream cannot be cut any further. Send `response` if there is one, then close.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct FramingError {
    pub reason: &'static str,
    /// 400 or 513 for the request that broke the stream, where enough of it could be read.
    pub response: Option<Vec<u8>>,
}

/// Bytes in, whole messages out.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    limits: Limits,
    /// No end of headers begins before this.
    searched: usize,
    /// Length of the message whose headers are complete.
    whole: Option<usize>,
    /// The last thing was a lone CRLF; another one makes both a ping.
    half_ping: bool,
    fed: Instant,
    since: Option<Instant>,
    broken: bool,
}

impl Framer {
    pub fn new(limits: Limits) -> Framer {
        Framer { limits, ..Framer::default() }
    }

    /// Takes what was read. Call `poll` until it gives nothing before feeding more, so that the buffer stays within its limits.
    pub fn feed(&mut self, now: Instant, bytes: &[u8]) {
        if self.broken || bytes.is_empty() {
            return;
        }
        if self.buffer.is_empty() {
            self.since = Some(now);
        }
        self.fed = now;
        self.buffer.extend_from_slice(bytes);
    }

    /// When the first byte of an unfinished message came; `None` between messages. The edge closes after ten seconds.
    pub fn partial_since(&self) -> Option<Instant> {
        self.since
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The next thing on the stream, `None` if more bytes are needed. After an error nothing more comes.
    pub fn poll(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.broken {
            return Ok(None);
        }
        let found = match self.whole {
            Some(_) => Ok(None),
            None => self.between(),
        };
        let frame = match found {
            Ok(Some(frame)) => Ok(Some(frame)),
            Ok(None) => self.message(),
            Err(error) => Err(error),
        };
        match &frame {
            Ok(Some(_)) => self.since = (!self.buffer.is_empty()).then_some(self.fed),
            Ok(None) => {}
            Err(_) => {
                self.broken = true;
                self.buffer = BytesMut::new();
                self.since = None;
            }
        }
        frame
    }

    /// Line ends between messages.
    fn between(&mut self) -> Result<Option<Frame>, FramingError> {
        let frame = match self.buffer.as_ref() {
            [b'\r', b'\n', b'\r', b'\n', ..] => (4, Frame::Ping),
            [b'\r', b'\n', ..] if self.half_ping => (2, Frame::Ping),
            [b'\r', b'\n', ..] => (2, Frame::Pong),
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(FramingError { reason: "Lone CR Or LF", response: None }),
            _ => return Ok(None),
        };
        self.half_ping = frame.1 == Frame::Pong;
        self.buffer.advance(frame.0);
        Ok(Some(frame.1))
    }

    fn message(&mut self) -> Result<Option<Frame>, FramingError> {
        let length = match self.whole {
            Some(length) => length,
            None => match self.measure()? {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        self.whole = Some(length);
        if self.buffer.len() < length {
            return Ok(None);
        }
        (self.whole, self.searched, self.half_ping) = (None, 0, false);
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Length of the message at the front, once its headers are complete.
    fn measure(&mut self) -> Result<Option<usize>, FramingError> {
        if matches!(self.buffer.as_ref(), [] | [b'\r']) {
            return Ok(None);
        }
        let tail = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = memmem::find(tail, b"\r\n\r\n") else {
            self.searched = self.buffer.len().saturating_sub(3);
            return match self.buffer.len() > self.limits.header_max {
                true => Err(self.error(self.buffer.len(), ParseError::with(513, "Headers Too Large"))),
                false => Ok(None),
            };
        };
        let head = self.searched + found + 4;
        if head > self.limits.header_max {
            return Err(self.error(head, ParseError::with(513, "Headers Too Large")));
        }
        let body = content_length(self.buffer.get(..head).unwrap_or_default());
        let body = body.map_err(|reason| self.error(head, ParseError::bad(reason)))?;
        let length = usize::try_from(body).ok().and_then(|body| body.checked_add(head));
        match length.filter(|length| *length <= self.limits.message_max) {
            Some(length) => Ok(Some(length)),
            None => Err(self.error(head, ParseError::with(513, "Message Too Large"))),
        }
    }

    fn error(&self, head: usize, error: ParseError) -> FramingError {
        let head = self.buffer.get(..head).unwrap_or_default();
        let response = Message::salvage(head).map(|request| refusal(&request, &error));
        FramingError { reason: error.reason, response }
    }
}

/// The one Content-Length of these headers, start line to empty line. RFC 3261 §20.14: on a stream it must be there.
fn content_length(head: &[u8]) -> Result<u64, &'static str> {
    let mut length = None;
    let mut rest = skip_line(head)?;
    while let Some(first) = rest.first() {
        if *first == b'\r' {
            return length.ok_or("Content-Length Is Missing");
        }
        let line = rest;
        rest = skip_line(rest)?;
        while matches!(rest.first(), Some(b' ' | b'\t')) {
            rest = skip_line(rest)?;
        }
        let line = line.get(..line.len() - rest.len()).unwrap_or_default();
        let Some(colon) = memchr(b':', line) else { continue };
        let (name, value) =
            (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        // Whoever reads this name with other eyes must not find a length we did not see: anything that is one but for
        // characters that do not belong in a name counts as one, and then is refused.
        let plain = name.trim_ascii_end();
        let letters = || plain.iter().copied().filter(|b| is_token(*b)).collect::<Vec<u8>>();
        let exact = plain.iter().all(|b| is_token(*b));
        match if exact { Name::of(plain) } else { Name::of(&letters()) } {
            Name::ContentLength if exact => {}
            Name::ContentLength => return Err("Content-Length In Disguise"),
            _ => continue,
        }
        let number = digits(value.trim_ascii()).ok_or("Content-Length Is Not A Number")?;
        // Readers with 32 bits see another length here; that is how one message is smuggled inside another.
        if number > u64::from(u32::MAX) {
            return Err("Content-Length Is Out Of Range");
        }
        if length.is_some_and(|other| other != number) {
            return Err("Two Content-Lengths");
        }
        length = Some(number);
    }
    Err("Header Section Does Not End")
}

/// What follows the line at the front. CR and LF come only together.
fn skip_line(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let end = memchr2(b'\r', b'\n', bytes).ok_or("Header Line Does Not End")?;
    match bytes.get(end..end + 2) {
        Some(b"\r\n") => Ok(bytes.get(end + 2..).unwrap_or_default()),
        _ => Err("Lone CR Or LF"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: &str, body: &str) -> String {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n{length}\r\n{body}"
        )
    }

    fn all(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.poll().unwrap()).collect()
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let one = message("l : \r\n 3\r\n", "abc");
        let stream = format!("\r\n\r\n{one}\r\n{one}{one}\r\n\r\n");
        for size in [1, 2, 3, 7, 64, stream.len()] {
            let mut framer = Framer::new(Limits::default());
            let mut frames = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                framer.feed(Instant(1), piece);
                frames.extend(all(&mut framer));
            }
            let messages = frames.iter().filter(|f| **f == Frame::Message(Bytes::from(one.clone()))).count();
            let pings = frames.iter().filter(|f| **f == Frame::Ping).count();
            assert_eq!((messages, pings), (3, 2), "pieces of {size}: {frames:?}");
            assert_eq!((framer.partial_since(), framer.held()), (None, 0));
        }
    }

    #[test]
    fn an_unfinished_message_has_an_age() {
        let mut framer = Framer::new(Limits::default());
        let one = message("l: 0\r\n", "");
        let (a, b) = one.split_at(40);
        framer.feed(Instant(5), format!("{one}{a}").as_bytes());
        assert_eq!(all(&mut framer).len(), 1);
        assert_eq!(framer.partial_since(), Some(Instant(5)));
        framer.feed(Instant(9), &b.as_bytes()[..3]);
        assert!(all(&mut framer).is_empty());
        assert_eq!(framer.partial_since(), Some(Instant(5)));
        framer.feed(Instant(11), &b.as_bytes()[3..]);
        assert_eq!(all(&mut framer).len(), 1);
        assert_eq!(framer.partial_since(), None);
    }

    #[test]
    fn what_two_readers_could_cut_differently_ends_the_stream() {
        let hidden = message("l: 0\r\n", "");
        for length in [
            "",
            "Content-Length: -1\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 5;x\r\n",
            "Content-Length:\r\n",
            "Content-Length: \"5\"\r\n",
            "Content-Length: 5\r\nl: 0\r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Content-Length\0: 5\r\nl: 0\r\n",
            "Content-Length\x0b: 5\r\n",
            "Content Length: 5\r\nContent- Length: 5\r\n",
            "X: y\nContent-Length: 5\r\nl: 0\r\n",
            "X: y\rContent-Length: 5\r\nl: 0\r\n",
            "Content-Length: 300000\r\n",
        ] {
            let mut framer = Framer::new(Limits::default());
            framer.feed(Instant(0), format!("{}{hidden}", message(length, "")).as_bytes());
            let error = framer.poll().expect_err(length);
            let response = error.response.map(|r| String::from_utf8(r).unwrap());
            if !length.contains(['\n', '\r']) || !length.starts_with("X: y") {
                let response = response.expect(length);
                assert!(
                    response.starts_with("SIP/2.0 400 ") || response.starts_with("SIP/2.0 513 "),
                    "{response}"
                );
                assert!(
                    response.contains("CSeq: 1 OPTIONS\r\n")
                        && response.ends_with("Content-Length: 0\r\n\r\n")
                );
            }
            framer.feed(Instant(0), hidden.as_bytes());
            assert_eq!(framer.poll(), Ok(None), "{length}: nothing may follow");
            assert_eq!(framer.held(), 0);
        }
    }

    #[test]
    fn headers_without_end_are_cut_at_the_limit() {
        let mut framer = Framer::new(Limits { header_max: 1000, message_max: 2000 });
        let endless = message("", "").trim_end().to_owned() + "\r\nX: ";
        framer.feed(Instant(0), endless.as_bytes());
        assert_eq!(framer.poll(), Ok(None));
        framer.feed(Instant(0), &[b'y'; 1000]);
        let error = framer.poll().unwrap_err();
        assert!(error.response.unwrap().starts_with(b"SIP/2.0 513 Headers Too Large\r\n"));
    }
}
