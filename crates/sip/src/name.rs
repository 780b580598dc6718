//! Header names, long and compact (RFC 3261 §7.3.3, §20 and the IANA registry), as small numbers.

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $long:literal $(/ $compact:literal)?;)*) => {
        /// A header the reader knows by number, long or compact form (RFC 3261 §7.3.3).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Name {
            $($(#[$doc])* $name,)*
            /// A name without a number; ask by text.
            Other,
        }

        impl Name {
            /// Every numbered name, in the order of their numbers.
            pub const ALL: &'static [Name] = &[$(Name::$name,)*];

            /// The long form as the RFCs print it; empty for `Other`.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Name::$name => $long,)*
                    Name::Other => "",
                }
            }

            const fn compact(self) -> Option<u8> {
                match self {
                    $($(Name::$name => Some($compact),)?)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    Via = "Via" / b'v';
    From = "From" / b'f';
    To = "To" / b't';
    CallId = "Call-ID" / b'i';
    CSeq = "CSeq";
    MaxForwards = "Max-Forwards";
    Contact = "Contact" / b'm';
    Route = "Route";
    RecordRoute = "Record-Route";
    Path = "Path";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    ContentLength = "Content-Length" / b'l';
    ContentType = "Content-Type" / b'c';
    ContentEncoding = "Content-Encoding" / b'e';
    Authorization = "Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthorization = "Proxy-Authorization";
    ProxyAuthenticate = "Proxy-Authenticate";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Supported = "Supported" / b'k';
    Unsupported = "Unsupported";
    Allow = "Allow";
    Accept = "Accept";
    UserAgent = "User-Agent";
    Server = "Server";
    Reason = "Reason";
    RetryAfter = "Retry-After";
    PAssertedIdentity = "P-Asserted-Identity";
    Privacy = "Privacy";
    Diversion = "Diversion";
    RAck = "RAck";
    RSeq = "RSeq";
    SessionExpires = "Session-Expires" / b'x';
    MinSe = "Min-SE";
    ReferTo = "Refer-To" / b'r';
    ReferredBy = "Referred-By" / b'b';
    Replaces = "Replaces";
    Event = "Event" / b'o';
    AllowEvents = "Allow-Events" / b'u';
    SubscriptionState = "Subscription-State";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    Subject = "Subject" / b's';
    Date = "Date";
    Timestamp = "Timestamp";
    Warning = "Warning";
    HistoryInfo = "History-Info";
}

/// How many names have a number.
pub(crate) const NAMES: usize = Name::ALL.len();
/// Slots for numbered names; length, first and last letter choose one. Whether no two names share a slot is checked
/// when this compiles.
const SLOTS: usize = 512;
const FACTORS: (usize, usize, usize) = (1, 3, 20);
static BY_SHAPE: [Name; SLOTS] = by_shape();

const fn shape(text: &[u8]) -> usize {
    let [first, .., last] = text else { return 0 };
    let letters =
        (first.to_ascii_lowercase() as usize) * FACTORS.0 + (last.to_ascii_lowercase() as usize) * FACTORS.1;
    (letters + text.len() * FACTORS.2) % SLOTS
}

const fn by_shape() -> [Name; SLOTS] {
    let mut out = [Name::Other; SLOTS];
    let mut i = 0;
    while i < NAMES {
        let slot = shape(Name::ALL[i].text().as_bytes());
        assert!(matches!(out[slot], Name::Other), "two names share a slot; choose other FACTORS");
        out[slot] = Name::ALL[i];
        i += 1;
    }
    out
}

static COMPACT: [Option<Name>; 26] = compact();

const fn compact() -> [Option<Name>; 26] {
    let mut out = [None; 26];
    let mut i = 0;
    while i < NAMES {
        if let Some(letter) = Name::ALL[i].compact() {
            out[(letter - b'a') as usize] = Some(Name::ALL[i]);
        }
        i += 1;
    }
    out
}

impl Name {
    /// The number of a name as it stands on the wire, in any case, long or compact.
    pub fn of(text: &[u8]) -> Name {
        if let [letter] = text {
            let at = usize::from(letter.to_ascii_lowercase().wrapping_sub(b'a'));
            return COMPACT.get(at).copied().flatten().unwrap_or(Name::Other);
        }
        let name = BY_SHAPE.get(shape(text)).copied().unwrap_or(Name::Other);
        // Nearly everybody writes names as the RFCs print them, and comparing bytes is quicker than letters.
        let known = name.text().as_bytes();
        if known == text || known.eq_ignore_ascii_case(text) { name } else { Name::Other }
    }

    /// One bit for each name, for small sets.
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// A message has at most one of these (RFC 3261 §20, table 2, and the RFCs of the extensions).
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Name::From
                | Name::To
                | Name::CallId
                | Name::CSeq
                | Name::MaxForwards
                | Name::Expires
                | Name::MinExpires
                | Name::ContentLength
                | Name::ContentType
                | Name::UserAgent
                | Name::Server
                | Name::RetryAfter
                | Name::RAck
                | Name::RSeq
                | Name::SessionExpires
                | Name::MinSe
                | Name::ReferTo
                | Name::ReferredBy
                | Name::Replaces
                | Name::Event
                | Name::SubscriptionState
                | Name::Subject
                | Name::Date
                | Name::Timestamp
        )
    }
}

/// All names of which a message has at most one.
pub(crate) const SINGLES: u64 = {
    let (mut set, mut i) = (0, 0);
    while i < NAMES {
        if Name::ALL[i].is_single() {
            set |= Name::ALL[i].bit();
        }
        i += 1;
    }
    set
};
const _: () = assert!(NAMES < 64, "a set of names is a u64");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_long_compact_and_in_any_case() {
        for name in Name::ALL {
            assert_eq!(Name::of(name.text().as_bytes()), *name);
            assert_eq!(Name::of(name.text().to_uppercase().as_bytes()), *name);
            if let Some(letter) = name.compact() {
                assert_eq!(Name::of(&[letter]), *name);
                assert_eq!(Name::of(&[letter.to_ascii_uppercase()]), *name);
            }
        }
        for text in ["", "z", "1", "Vía", "Contac", "Content-Lengthy", "X-Something-Very-Long-Indeed"] {
            assert_eq!(Name::of(text.as_bytes()), Name::Other, "{text}");
        }
    }
}
