//! The headers with a meaning, as questions to a message. Nothing is kept: each answer is read from its line.

use crate::headers::*;
use crate::message::{Message, Name, ParseError, digits};
use crate::values::Values;

/// The typed headers. Each reads its line when asked; `None` means absent or malformed, which `check_request` and
/// `check_response` tell apart beforehand.
impl<'a> Message<'a> {
    /// The topmost Via value: whose request this is and where its response goes.
    pub fn via(&self) -> Option<Via<'a>> {
        Via::read(Values::of(self.header(Name::Via)?).next()?, self.is_checked()).ok()
    }
    /// All Via values, topmost first; ends early at one that cannot be read.
    pub fn vias(&self) -> impl Iterator<Item = Via<'a>> + use<'a, '_> {
        self.values(Name::Via).map_while(|value| Via::parse(value).ok())
    }
    pub fn from(&self) -> Option<NameAddr<'a>> {
        self.address(Name::From)
    }
    pub fn to(&self) -> Option<NameAddr<'a>> {
        self.address(Name::To)
    }
    pub fn from_tag(&self) -> Option<&'a str> {
        self.from()?.params.get("tag")
    }
    pub fn to_tag(&self) -> Option<&'a str> {
        self.to()?.params.get("tag")
    }
    pub fn call_id(&self) -> Option<&'a str> {
        self.header(Name::CallId)
    }
    pub fn cseq(&self) -> Option<CSeq<'a>> {
        CSeq::parse(self.header(Name::CSeq)?).ok()
    }
    /// 0 to 255 (RFC 3261 §20.22).
    pub fn max_forwards(&self) -> Option<u8> {
        digits(self.header_bytes(Name::MaxForwards)?).and_then(|n| u8::try_from(n).ok())
    }
    /// Seconds; a value that cannot be read counts as 3600 (RFC 3261 §20.10, §10.2.1.1).
    pub fn expires(&self) -> Option<u32> {
        self.header(Name::Expires).map(expires_or_hour)
    }
    /// All contacts of all lines, `*` or a list.
    pub fn contacts(&self) -> Result<Contacts<'a>, ParseError> {
        Contacts::read(self.headers_bytes(Name::Contact), self.is_checked())
    }
    /// The first contact: the remote target of a dialog (RFC 3261 §12.1).
    pub fn contact(&self) -> Option<NameAddr<'a>> {
        match self.contacts().ok()? {
            Contacts::List(list) => list.into_iter().next(),
            Contacts::Star => None,
        }
    }
    /// Route values, topmost first, as name-addrs; ends early at one that cannot be read.
    pub fn routes(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.addresses(Name::Route)
    }
    pub fn record_routes(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.addresses(Name::RecordRoute)
    }
    /// RFC 3327, nearest hop first.
    pub fn paths(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.addresses(Name::Path)
    }
    /// RFC 3325 §9.1: one sip and one tel identity at most.
    pub fn p_asserted_identities(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.addresses(Name::PAssertedIdentity)
    }
    pub fn p_asserted_identity(&self) -> Option<NameAddr<'a>> {
        self.p_asserted_identities().next()
    }
    pub fn diversions(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.addresses(Name::Diversion)
    }
    pub fn refer_to(&self) -> Option<NameAddr<'a>> {
        NameAddr::parse(self.header(Name::ReferTo)?).ok()
    }
    pub fn content_type(&self) -> Option<MediaType<'a>> {
        MediaType::parse(self.header(Name::ContentType)?).ok()
    }
    /// Whether the body is an SDP session description.
    pub fn has_sdp(&self) -> bool {
        !self.body().is_empty() && self.content_type().is_some_and(|t| t.is("application", "sdp"))
    }
    pub fn rack(&self) -> Option<RAck<'a>> {
        RAck::parse(self.header(Name::RAck)?).ok()
    }
    pub fn rseq(&self) -> Option<u32> {
        digits(self.header_bytes(Name::RSeq)?).and_then(|n| u32::try_from(n).ok())
    }
    pub fn session_expires(&self) -> Option<SessionExpires<'a>> {
        SessionExpires::parse(self.header(Name::SessionExpires)?).ok()
    }
    pub fn min_se(&self) -> Option<u32> {
        digits(self.header(Name::MinSe)?.split(';').next()?.trim().as_bytes())
            .and_then(|n| u32::try_from(n).ok())
    }
    /// RFC 3326, every reason given.
    pub fn reasons(&self) -> impl Iterator<Item = Reason<'a>> + use<'a, '_> {
        self.values(Name::Reason).filter_map(Reason::parse)
    }
    pub fn reason(&self) -> Option<Reason<'a>> {
        self.reasons().next()
    }
    pub fn replaces(&self) -> Option<Replaces<'a>> {
        Replaces::parse(self.header(Name::Replaces)?)
    }
    pub fn event(&self) -> Option<Event<'a>> {
        Event::parse(self.header(Name::Event)?)
    }
    /// Seconds after which a refused request may come again (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<u32> {
        let text = self.header(Name::RetryAfter)?;
        let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
        digits(text.get(..end)?.as_bytes()).and_then(|n| u32::try_from(n).ok())
    }

    fn address(&self, name: Name) -> Option<NameAddr<'a>> {
        match self.header(name) {
            Some(text) if self.is_checked() => NameAddr::split(text).ok(),
            Some(text) => NameAddr::parse(text).ok(),
            None => NameAddr::parse_bytes(self.header_bytes(name)?).ok(),
        }
    }
    fn addresses(&self, name: Name) -> impl Iterator<Item = NameAddr<'a>> + use<'a, '_> {
        self.values(name).map_while(|value| match self.is_checked() {
            true => NameAddr::split(value).ok(),
            false => NameAddr::parse(value).ok(),
        })
    }
}
