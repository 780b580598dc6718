//! The reader. One pass finds the start line and where each header begins; nothing is copied, allocated or
//! interpreted until somebody asks.

use crate::Method;
use crate::name::NAMES;
pub use crate::name::Name;
use crate::values::{Values, trim};
use memchr::{memchr, memchr2};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::Cell;

/// Header lines in one message. Phones send 12 to 25, a request through many proxies 60; more is an attack.
pub const HEADERS_MAX: usize = 240;
/// Bytes in one message; a UDP datagram cannot be longer than 65,535, streams are cut by the framer.
pub const MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// Header lines that fit without touching the heap.
const INLINE: usize = 32;
const NONE: u8 = u8::MAX;

/// One header line: where its name and its trimmed value lie.
#[derive(Clone, Copy, Debug)]
struct Line {
    name: Name,
    name_at: u32,
    name_end: u32,
    value_at: u32,
    value_end: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    at: u32,
    end: u32,
}

/// A SIP message lying in somebody else's bytes.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Everything before the body as text, where all of it is UTF-8; else each value is tried alone.
    head: Option<&'a str>,
    /// Method, or nothing for a response.
    method: Span,
    /// Request-URI, or reason phrase.
    rest: Span,
    status: u16,
    lines: SmallVec<[Line; INLINE]>,
    /// The first line of each numbered name.
    first: [u8; NAMES],
    body: Span,
    /// Numbered names that stand on more than one line.
    repeated: u64,
    /// `check_request` or `check_response` has found the addresses well formed; readers need not look again.
    checked: Cell<bool>,
}

/// Why the bytes are no SIP message, with what RFC 3261 and RFC 4475 want as the answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    /// The status to answer a request with (400, 414, 505 …); `None` where silence is right.
    pub status: Option<u16>,
    /// The phrase after the status; says what is wrong.
    pub reason: &'static str,
}

impl ParseError {
    /// 400 with this phrase (RFC 3261 §21.4.1: the phrase should say what is wrong in detail).
    pub const fn bad(reason: &'static str) -> ParseError {
        ParseError { status: Some(400), reason }
    }
    pub const fn silent(reason: &'static str) -> ParseError {
        ParseError { status: None, reason }
    }
    pub const fn with(status: u16, reason: &'static str) -> ParseError {
        ParseError { status: Some(status), reason }
    }
}

/// A datagram that only keeps a binding in a NAT open (RFC 5626 §3.5.1; also the lone NUL some phones send).
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0))
}

impl<'a> Message<'a> {
    /// Reads one whole message: a datagram, a WebSocket message, or what the framer cut from a stream.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let mut message = Message::empty(bytes);
        match message.scan() {
            Ok(()) => Ok(message),
            Err(error) if message.is_response() => Err(ParseError::silent(error.reason)),
            Err(error) => Err(error),
        }
    }

    /// What can be read of a request that `parse` refused, so that the refusal finds its way back: `Some` if there is a
    /// Via and the method is not ACK. Other headers may be missing (RFC 4475 §3.3.1 wants a 400 even so).
    pub fn salvage(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut message = Message::empty(bytes);
        if let Err(error) = message.scan() {
            error.status?;
        }
        let answerable = message.is_request() && message.header_bytes(Name::Via).is_some();
        (answerable && message.method() != Some(Method::Ack)).then_some(message)
    }

    fn empty(bytes: &'a [u8]) -> Message<'a> {
        Message {
            bytes,
            head: None,
            method: Span::default(),
            rest: Span::default(),
            status: 0,
            lines: SmallVec::new(),
            first: [NONE; NAMES],
            body: Span::default(),
            repeated: 0,
            checked: Cell::new(false),
        }
    }

    /// The one pass. On a fault in the middle it goes on to the end where it can, so that `salvage` finds the headers.
    fn scan(&mut self) -> Result<(), ParseError> {
        if self.bytes.len() > MESSAGE_MAX {
            return Err(ParseError::with(513, "Message Too Large"));
        }
        // RFC 3261 §7.5: CRLFs before the start line are ignored.
        let mut at = self.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if at == self.bytes.len() {
            return Err(ParseError::silent("Nothing But Line Ends"));
        }
        let mut fault = None;
        let end = self.line_end(at).map_err(|_| ParseError::silent("Start Line Does Not End"))?;
        self.start_line(at, end).or_else(|e| keep(&mut fault, e))?;
        at = end + 2;
        loop {
            let Ok(mut end) = self.line_end(at) else {
                let reason = match at < self.bytes.len() {
                    true => "Header Line Does Not End",
                    false => "Header Section Does Not End",
                };
                return Err(fault.unwrap_or(ParseError::bad(reason)));
            };
            if end == at {
                at += 2;
                break;
            }
            // RFC 3261 §7.3.1: a line that begins with a blank continues the one before.
            while matches!(self.bytes.get(end + 2), Some(b' ' | b'\t')) {
                match self.line_end(end + 2) {
                    Ok(next) => end = next,
                    Err(_) => return Err(fault.unwrap_or(ParseError::bad("Header Line Does Not End"))),
                }
            }
            if self.lines.len() >= HEADERS_MAX {
                return Err(fault.unwrap_or(ParseError::bad("Too Many Headers")));
            }
            if let Err(error) = self.header_line(at, end) {
                keep(&mut fault, error)?;
            }
            at = end + 2;
        }
        let head = self.bytes.get(..at).unwrap_or_default();
        self.head = std::str::from_utf8(head).ok();
        self.check_controls(head).or_else(|e| keep(&mut fault, e))?;
        self.find_body(at).or_else(|e| keep(&mut fault, e))?;
        match fault {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Where the CRLF of the line that begins at `from` stands. A CR or LF alone is not a line end (RFC 3261 §7) and
    /// not a character of a header either; taking it for one lets two readers see two different messages.
    #[inline]
    fn line_end(&self, from: usize) -> Result<usize, ()> {
        let rest = self.bytes.get(from..).ok_or(())?;
        let found = memchr2(b'\r', b'\n', rest).ok_or(())?;
        match rest.get(found..found + 2) {
            Some(b"\r\n") => Ok(from + found),
            _ => Err(()),
        }
    }

    fn start_line(&mut self, from: usize, to: usize) -> Result<(), ParseError> {
        let line = self.bytes.get(from..to).unwrap_or_default();
        if line.get(..4).is_some_and(|l| l.eq_ignore_ascii_case(b"SIP/")) {
            return self.status_line(line, from, to);
        }
        // RFC 3261 §7.1: Method SP Request-URI SP SIP-Version, one SP each and no other blanks.
        let first = memchr(b' ', line).ok_or(ParseError::silent("Not A SIP Message"))?;
        let last = memchr::memrchr(b' ', line).unwrap_or(first);
        let version = line.get(last + 1..).unwrap_or_default();
        self.method = span(from, from + first);
        self.rest = span((from + first + 1).min(to), (from + last).max(from + first + 1).min(to));
        if !version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/")) {
            // Without a version at the end it may be anything; with a SIP version inside it was meant as a request.
            let meant = memchr::memmem::find(line, b" SIP/").is_some();
            let reason = "Blanks Or Nothing Where The Version Should Be";
            return Err(if meant {
                ParseError::bad(reason)
            } else {
                ParseError::silent("Not A SIP Message")
            });
        }
        let method = line.get(..first).unwrap_or_default();
        if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
            return Err(ParseError::bad("Method Is Not A Token"));
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(ParseError::with(505, "Version Not Supported"));
        }
        let uri = line.get(first + 1..last).unwrap_or_default();
        if uri.is_empty() {
            return Err(ParseError::bad("Empty Request-URI"));
        }
        if uri.iter().any(|b| *b <= b' ' || *b == 0x7f) {
            return Err(ParseError::bad("Blanks In The Request Line"));
        }
        match std::str::from_utf8(uri) {
            Ok(_) => Ok(()),
            Err(_) => Err(ParseError::bad("Request-URI Is Not UTF-8")),
        }
    }

    /// RFC 3261 §7.2: SIP-Version SP Status-Code SP Reason-Phrase. The phrase may be empty, its SP may not.
    fn status_line(&mut self, line: &[u8], from: usize, to: usize) -> Result<(), ParseError> {
        self.status = u16::MAX; // a response whatever follows; nobody answers it
        let silent = ParseError::silent;
        let rest = line.get(7..).unwrap_or_default();
        if !line.get(..7).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/2.0")) {
            return Err(silent("Version Not Supported"));
        }
        let [b' ', a, b, c, tail @ ..] = rest else { return Err(silent("Status Code Is Not Three Digits")) };
        let digit = |d: &u8| d.is_ascii_digit().then(|| u16::from(d - b'0'));
        let (Some(a), Some(b), Some(c)) = (digit(a), digit(b), digit(c)) else {
            return Err(silent("Status Code Is Not Three Digits"));
        };
        let status = a * 100 + b * 10 + c;
        if !(100..700).contains(&status) || !matches!(tail, [] | [b' ', ..]) {
            return Err(silent("Status Code Out Of Range"));
        }
        self.status = status;
        self.rest = span((from + 12).min(to), to);
        Ok(())
    }

    fn header_line(&mut self, from: usize, to: usize) -> Result<(), ParseError> {
        let line = self.bytes.get(from..to).unwrap_or_default();
        let colon = memchr(b':', line).ok_or(ParseError::bad("Header Line Without A Colon"))?;
        let name = line.get(..colon).unwrap_or_default();
        // RFC 3261 §25.1 HCOLON: blanks between name and colon are allowed; anything else there is smuggling.
        let name_len = name.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        let name = name.get(..name_len).unwrap_or_default();
        let number = Name::of(name);
        if number == Name::Other && (name.is_empty() || !name.iter().all(|b| is_token(*b))) {
            return Err(ParseError::bad("Header Name Is Not A Token"));
        }
        let value = line.get(colon + 1..).unwrap_or_default();
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let lead = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
        let length = value.iter().rposition(|b| !blank(b)).map_or(lead, |last| last + 1);
        if let Some(first) = self.first.get_mut(number as usize) {
            match *first {
                NONE => *first = u8::try_from(self.lines.len()).unwrap_or(NONE),
                _ => self.repeated |= number.bit(),
            }
        }
        let value_at = from + colon + 1;
        self.lines.push(Line {
            name: number,
            name_at: from as u32,
            name_end: (from + name_len) as u32,
            value_at: (value_at + lead) as u32,
            value_end: (value_at + length) as u32,
        });
        Ok(())
    }

    /// Controls stand in a header only behind a backslash inside quotes (RFC 3261 §25.1 `quoted-pair`, RFC 4475 §3.1.1.2).
    fn check_controls(&self, head: &[u8]) -> Result<(), ParseError> {
        let control = |b: u8| (b < b' ') & (b != b'\t') & (b != b'\r') & (b != b'\n') | (b == 0x7f);
        // Without a branch inside, so that it runs many bytes at a time.
        if !head.iter().fold(false, |found, b| found | control(*b)) {
            return Ok(());
        }
        let mut before = 0;
        for byte in head {
            if control(*byte) && before != b'\\' {
                return Err(ParseError::bad("Control Character In A Header"));
            }
            before = *byte;
        }
        Ok(())
    }

    /// RFC 3261 §18.3: on a datagram Content-Length rules; what lies behind it is ignored, what is missing is 400.
    fn find_body(&mut self, from: usize) -> Result<(), ParseError> {
        let there = self.bytes.len().saturating_sub(from);
        let mut length = None;
        for line in self.lines.iter().filter(|line| line.name == Name::ContentLength) {
            let text = self.bytes.get(line.value_at as usize..line.value_end as usize).unwrap_or_default();
            let number = digits(text).ok_or(ParseError::bad("Content-Length Is Not A Number"))?;
            if length.is_some_and(|other| other != number) {
                return Err(ParseError::bad("Two Content-Lengths"));
            }
            length = Some(number);
        }
        let length = match length {
            None => there,
            Some(n) => match usize::try_from(n).ok().filter(|n| *n <= there) {
                Some(n) => n,
                None => {
                    self.body = span(from, self.bytes.len());
                    return Err(ParseError::bad("Body Shorter Than Content-Length"));
                }
            },
        };
        self.body = span(from, from + length);
        Ok(())
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    pub fn is_request(&self) -> bool {
        self.status == 0
    }
    pub fn is_response(&self) -> bool {
        self.status != 0
    }
    /// `None` for a response and for a method we have no word for (answered 405 or 501, see `method_text`).
    pub fn method(&self) -> Option<Method> {
        method_of(self.method_text())
    }
    /// The method as it stands in the request line; case matters (RFC 3261 §7.1). Empty for a response.
    pub fn method_text(&self) -> &'a str {
        self.text(self.method).unwrap_or("")
    }
    /// The Request-URI; empty for a response.
    pub fn uri(&self) -> &'a str {
        if self.is_response() { "" } else { self.text(self.rest).unwrap_or("") }
    }
    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        self.status
    }
    /// The reason phrase; empty for a request, and where it is not UTF-8.
    pub fn phrase(&self) -> &'a str {
        if self.is_response() { self.text(self.rest).unwrap_or("") } else { "" }
    }
    pub fn body(&self) -> &'a [u8] {
        self.slice(self.body)
    }

    /// The first line of this header, trimmed. A folded line keeps its line ends inside, which all typed readers take
    /// as blanks; `unfolded` replaces them. `None` also where the value is not UTF-8 (see `header_bytes`).
    pub fn header(&self, name: Name) -> Option<&'a str> {
        self.value(self.first_line(name)?)
    }
    /// The first line of this header in one line.
    pub fn unfolded(&self, name: Name) -> Option<Cow<'a, str>> {
        self.header(name).map(unfold)
    }
    pub fn header_bytes(&self, name: Name) -> Option<&'a [u8]> {
        self.first_line(name).map(|line| self.slice(Span { at: line.value_at, end: line.value_end }))
    }
    /// All lines of this header, in order, each trimmed; values with commas stay together.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.lines_of(name).filter_map(|line| self.value(line))
    }
    /// All lines of this header as bytes, in order.
    pub fn headers_bytes(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        self.lines_of(name).map(|line| self.slice(Span { at: line.value_at, end: line.value_end }))
    }
    /// The first line of a header by its text, in any case. For names with a number `header` is faster and also
    /// finds the other form.
    pub fn header_named(&self, name: &str) -> Option<&'a str> {
        match Name::of(name.as_bytes()) {
            Name::Other => self.headers_named(name).next(),
            number => self.header(number),
        }
    }
    /// All lines of a header by its text.
    pub fn headers_named<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n, '_> {
        self.all().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    /// Every header in order: its name as it stands there, and its value. Values that are not UTF-8 are left out.
    pub fn all(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, '_> {
        let name = |l: &Line| std::str::from_utf8(self.slice(Span { at: l.name_at, end: l.name_end })).ok();
        self.lines.iter().filter_map(move |line| Some((name(line)?, self.value(line)?)))
    }
    /// Every header in order with its number and its bytes.
    pub fn all_bytes(&self) -> impl Iterator<Item = (Name, &'a [u8], &'a [u8])> + use<'a, '_> {
        self.lines.iter().map(|line| {
            let name = self.slice(Span { at: line.name_at, end: line.name_end });
            (line.name, name, self.slice(Span { at: line.value_at, end: line.value_end }))
        })
    }
    /// The comma-separated values of this header over all its lines, in order (RFC 3261 §7.3.1).
    pub fn values(&self, name: Name) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.headers(name).flat_map(Values::of)
    }
    /// Whether a comma-separated header has this token (`Supported: path, gruu`).
    pub fn has_token(&self, name: Name, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }
    pub fn count(&self, name: Name) -> usize {
        self.lines_of(name).count()
    }
    pub fn header_count(&self) -> usize {
        self.lines.len()
    }

    /// Names on more than one line, as a set of `Name::bit`.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }
    /// From here on the addresses are known to be well formed.
    pub(crate) fn set_checked(&self) {
        self.checked.set(true);
    }
    pub(crate) fn is_checked(&self) -> bool {
        self.checked.get()
    }

    fn lines_of(&self, name: Name) -> impl Iterator<Item = &Line> + use<'_, 'a> {
        let first = self.first.get(name as usize).copied().unwrap_or(NONE);
        let from = if first == NONE { self.lines.len() } else { usize::from(first) };
        self.lines.iter().skip(from).filter(move |line| line.name == name)
    }
    #[inline]
    fn first_line(&self, name: Name) -> Option<&Line> {
        self.lines.get(usize::from(*self.first.get(name as usize)?))
    }
    #[inline]
    fn value(&self, line: &Line) -> Option<&'a str> {
        self.text(Span { at: line.value_at, end: line.value_end })
    }
    #[inline]
    fn text(&self, span: Span) -> Option<&'a str> {
        match self.head {
            Some(head) => head.get(span.at as usize..span.end as usize),
            None => std::str::from_utf8(self.slice(span)).ok(),
        }
    }
    #[inline]
    fn slice(&self, span: Span) -> &'a [u8] {
        self.bytes.get(span.at as usize..span.end as usize).unwrap_or_default()
    }
}

/// The method of exactly this text; `None` for one we have no word for.
pub fn method_of(text: &str) -> Option<Method> {
    Some(match text {
        "INVITE" => Method::Invite,
        "ACK" => Method::Ack,
        "BYE" => Method::Bye,
        "CANCEL" => Method::Cancel,
        "REGISTER" => Method::Register,
        "OPTIONS" => Method::Options,
        "INFO" => Method::Info,
        "UPDATE" => Method::Update,
        "PRACK" => Method::PRack,
        "REFER" => Method::Refer,
        "NOTIFY" => Method::Notify,
        "SUBSCRIBE" => Method::Subscribe,
        "MESSAGE" => Method::Message,
        "PUBLISH" => Method::Publish,
        _ => return None,
    })
}

/// The method as it stands on the wire, without a copy.
pub fn method_text(method: Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Update => "UPDATE",
        Method::PRack => "PRACK",
        Method::Refer => "REFER",
        Method::Notify => "NOTIFY",
        Method::Subscribe => "SUBSCRIBE",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
    }
}

/// A folded value in one line (RFC 3261 §7.3.1: each fold is one blank).
pub fn unfold(value: &str) -> Cow<'_, str> {
    if memchr2(b'\r', b'\n', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let lines: Vec<&str> = value.split(['\r', '\n']).map(trim).filter(|line| !line.is_empty()).collect();
    Cow::Owned(lines.join(" "))
}

/// A whole number written in digits and nothing else.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// RFC 3261 §25.1 `token`.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut i = 0;
        while i < 256 {
            let b = i as u8;
            table[i] = b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
            i += 1;
        }
        table
    };
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

fn span(at: usize, end: usize) -> Span {
    // Offsets fit: `scan` refuses what is longer than MESSAGE_MAX.
    Span { at: at as u32, end: end.max(at) as u32 }
}

/// Remembers the first fault and lets the pass go on; silence ends it at once.
fn keep(fault: &mut Option<ParseError>, error: ParseError) -> Result<(), ParseError> {
    if error.status.is_none() {
        return Err(error);
    }
    fault.get_or_insert(error);
    Ok(())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
