//! The reader. One pass finds the start line and where each header begins; nothing is copied, allocated or
//! interpreted until somebody asks.

use crate::Method;

/// A header the reader knows by number, long or compact form (RFC 3261 §7.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    MaxForwards,
    Contact,
    Route,
    RecordRoute,
    Path,
    Expires,
    MinExpires,
    ContentLength,
    ContentType,
    Authorization,
    WwwAuthenticate,
    ProxyAuthorization,
    ProxyAuthenticate,
    Require,
    ProxyRequire,
    Supported,
    Unsupported,
    Allow,
    Accept,
    UserAgent,
    Server,
    Reason,
    RetryAfter,
    PAssertedIdentity,
    Privacy,
    Diversion,
    RAck,
    RSeq,
    SessionExpires,
    MinSe,
    ReferTo,
    ReferredBy,
    Replaces,
    Event,
    SubscriptionState,
    AlertInfo,
    CallInfo,
    Subject,
    Date,
    Timestamp,
    Warning,
    HistoryInfo,
    Other,
}

/// A SIP message lying in somebody else's bytes.
#[derive(Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
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

impl<'a> Message<'a> {
    pub fn parse(_bytes: &'a [u8]) -> Result<Message<'a>, ParseError> {
        todo!()
    }
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    pub fn is_request(&self) -> bool {
        todo!()
    }
    /// `None` for a response and for a method we have no word for (answered 405 or 501, see `method_text`).
    pub fn method(&self) -> Option<Method> {
        todo!()
    }
    pub fn method_text(&self) -> &'a str {
        todo!()
    }
    /// The Request-URI; empty for a response.
    pub fn uri(&self) -> &'a str {
        todo!()
    }
    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        todo!()
    }
    pub fn body(&self) -> &'a [u8] {
        todo!()
    }
    /// The first value of this header, unfolded lazily, trimmed.
    pub fn header(&self, _name: Name) -> Option<&'a str> {
        todo!()
    }
}
