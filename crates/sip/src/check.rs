//! Is this message fit to be worked with? The verdicts RFC 4475 asks for that need more than the one pass.

use crate::headers::{AuthHeader, Via};
use crate::message::{Name, digits};
use crate::uri::{Scheme, Uri};
use crate::values::{Values, find_outside, trim};
use crate::{Message, Method, ParseError};

/// A Request-URI longer than this gets 414 (RFC 3261 §21.4.12); 1,024 of a phone number is already absurd.
pub const URI_MAX: usize = 2048;

impl Message<'_> {
    /// RFC 3261 §8.1.1 and §8.2: every request needs these, once and well formed. Whether an extension is supported, a
    /// method allowed or an address known is for the `Ua` and its owners (420, 405, 404).
    pub fn check_request(&self) -> Result<(), ParseError> {
        let bad = ParseError::bad;
        self.check_singles()?;
        self.check_common()?;
        if self.uri().len() > URI_MAX {
            return Err(ParseError::with(414, "Request-URI Too Long"));
        }
        let uri = Uri::parse(self.uri())?;
        if uri.scheme() == Scheme::Other {
            // RFC 3261 §8.2.2.1.
            return Err(ParseError::with(416, "Unsupported URI Scheme"));
        }
        // RFC 3261 §19.1.1, table 1: no headers in a Request-URI.
        if !uri.headers.is_empty() {
            return Err(bad("Headers In The Request-URI"));
        }
        let cseq = self.cseq().ok_or(bad("Malformed CSeq"))?;
        if cseq.method != self.method_text() {
            return Err(bad("CSeq Method Does Not Match"));
        }
        // RFC 3261 §16.3 step 3. An absent Max-Forwards is what RFC 2543 sends.
        match self.header_bytes(Name::MaxForwards) {
            None => {}
            Some(_) => match self.max_forwards() {
                None => return Err(bad("Malformed Max-Forwards")),
                Some(0)
                    if !matches!(self.method(), Some(Method::Options | Method::Register | Method::Ack)) =>
                {
                    return Err(ParseError::with(483, "Too Many Hops"));
                }
                Some(_) => {}
            },
        }
        self.check_addresses()?;
        if self.header(Name::Date).is_some_and(|date| !is_sip_date(date)) {
            return Err(bad("Malformed Date"));
        }
        self.check_credentials()?;
        self.set_checked();
        Ok(())
    }

    /// A response that fails is dropped (RFC 3261 §18.1.2); the error says why, for the counter.
    pub fn check_response(&self) -> Result<(), ParseError> {
        let quiet = |error: ParseError| ParseError::silent(error.reason);
        self.check_singles().map_err(quiet)?;
        self.check_common().map_err(quiet)?;
        self.cseq().ok_or(ParseError::silent("Malformed CSeq"))?;
        // RFC 3261 §8.1.3.3: more than one Via means that it went astray on its way to somebody else.
        match self.values(Name::Via).count() {
            1 => Ok(()),
            _ => Err(ParseError::silent("Response For Somebody Else")),
        }
    }

    /// RFC 4475 §3.3.8: two values where one is allowed make the request ambiguous.
    fn check_singles(&self) -> Result<(), ParseError> {
        match self.repeated() & crate::name::SINGLES {
            0 => Ok(()),
            _ => Err(ParseError::bad("Two Values Where One Is Allowed")),
        }
    }

    /// What requests and responses share: Via, From, To, Call-ID, CSeq.
    fn check_common(&self) -> Result<(), ParseError> {
        let bad = ParseError::bad;
        let mut vias = 0;
        for line in self.headers(Name::Via) {
            // RFC 3261 §25.1 has no empty list members; one here is a sign of a broken sender (RFC 4475 §3.1.2.1).
            if trim(line).ends_with(',') {
                return Err(bad("Malformed Via"));
            }
            for value in Values::of(line) {
                Via::parse(value)?;
                vias += 1;
            }
        }
        // Fewer lines as text than as bytes: one is not UTF-8.
        if vias == 0 || self.headers(Name::Via).count() != self.count(Name::Via) {
            return Err(bad("Missing Or Malformed Via"));
        }
        let address = |name, missing| match self.header(name) {
            Some(text) => crate::headers::NameAddr::parse(text),
            None => crate::headers::NameAddr::parse_bytes(self.header_bytes(name).ok_or(bad(missing))?),
        };
        address(Name::From, "Missing From")?;
        address(Name::To, "Missing To")?;
        let call_id = self.call_id().ok_or(bad("Missing Call-ID"))?;
        if call_id.is_empty() || call_id.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(bad("Malformed Call-ID"));
        }
        self.header_bytes(Name::CSeq).ok_or(bad("Missing CSeq"))?;
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), ParseError> {
        self.contacts()?;
        for name in [Name::Route, Name::RecordRoute, Name::Path] {
            for value in self.values(name) {
                crate::headers::NameAddr::parse(value)?;
            }
        }
        Ok(())
    }

    /// Only the form; whether they are right is for `digest`.
    fn check_credentials(&self) -> Result<(), ParseError> {
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            for line in self.headers(name) {
                AuthHeader::parse(line)?;
            }
        }
        match self.header(Name::ContentType) {
            Some(kind) if find_outside(kind, 0).is_err() => Err(ParseError::bad("Malformed Content-Type")),
            _ => Ok(()),
        }
    }
}

/// RFC 3261 §20.17: `Sat, 13 Nov 2010 23:29:00 GMT` and no other zone.
fn is_sip_date(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_ascii_whitespace();
    let mut next = || words.next().unwrap_or("");
    let one_of = |list: &[&str], word: &str| list.iter().any(|w| w.eq_ignore_ascii_case(word));
    let number = |word: &str, length: usize, max: u64| {
        word.len() == length && digits(word.as_bytes()).is_some_and(|n| n <= max)
    };
    let day = next().strip_suffix(',').is_some_and(|d| one_of(&DAYS, d));
    let date = number(next(), 2, 31) && one_of(&MONTHS, next()) && number(next(), 4, 9999);
    let mut clock = next().split(':');
    let mut part = |max| clock.next().is_some_and(|p| number(p, 2, max));
    let time = part(23) && part(59) && part(60) && clock.next().is_none();
    day && date && time && next().eq_ignore_ascii_case("GMT") && next().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_in_gmt() {
        assert!(is_sip_date("Sat, 13 Nov 2010 23:29:00 GMT"));
        for bad in
            ["Fri, 01 Jan 2010 16:00:00 EST", "13 Nov 2010 23:29:00 GMT", "", "Sat, 13 Nov 2010 24:29:00 GMT"]
        {
            assert!(!is_sip_date(bad), "{bad}");
        }
    }
}
