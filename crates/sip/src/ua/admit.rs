//! May this request in? RFC 3261 §8.2 in its order: method, extensions. Form, scheme and hops were checked by the
//! reader (`Message::check_request`), merged requests and dialogs are looked up by whoever asks here.

use crate::{Message, Method, Name};

/// The methods this endpoint acts on, as its Allow header says.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, INFO, PRACK, REFER";

/// The option tags a peer may require of us, whatever the request. Timer is not among them until it is
/// built: saying yes and doing nothing would break calls in ways nobody finds.
pub const EXTENSIONS: &[&str] = &["path", "outbound", "replaces", super::reliable::TAG];

/// A refusal by the rules: status and the header that explains it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refused {
    pub status: u16,
    pub header: Option<(&'static str, String)>,
}

pub(super) fn admit(request: &Message<'_>) -> Result<Method, Refused> {
    let allow = || Some(("Allow", ALLOW.to_owned()));
    // RFC 3261 §8.2.1, §21.5.2: 501 for a method we have no word for, 405 for one we know and do not serve.
    let method = request.method().ok_or_else(|| Refused { status: 501, header: allow() })?;
    if !ALLOW.split(", ").any(|m| m == request.method_text()) {
        return Err(Refused { status: 405, header: allow() });
    }
    // RFC 3261 §8.2.2.3; not for CANCEL and ACK, which must not be refused for it. A gateway stands where a proxy would,
    // so Proxy-Require binds it the same.
    if !matches!(method, Method::Cancel | Method::Ack) {
        let required = request.values(Name::Require).chain(request.values(Name::ProxyRequire));
        let unknown: Vec<&str> =
            required.filter(|tag| !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(tag))).collect();
        if !unknown.is_empty() {
            return Err(Refused { status: 420, header: Some(("Unsupported", unknown.join(", "))) });
        }
    }
    Ok(method)
}

/// Methods that mean nothing outside a dialog (RFC 3261 §15.1.2, RFC 3311 §5.2, RFC 6086 §4.2.2, RFC 3262 §6).
pub(super) fn only_in_dialog(method: Method) -> bool {
    matches!(method, Method::Bye | Method::Update | Method::Info | Method::PRack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(head: &str) -> Result<Method, Refused> {
        let text = format!("{head}Via: SIP/2.0/UDP a\r\n\r\n");
        admit(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn every_allowed_method_is_one_we_have_a_word_for() {
        for method in ALLOW.split(", ") {
            assert!(crate::method_of(method).is_some(), "{method}");
            assert!(verdict(&format!("{method} sip:a SIP/2.0\r\n")).is_ok(), "{method}");
        }
        let status = |head: &str| verdict(head).unwrap_err().status;
        assert_eq!(status("JUMP sip:a SIP/2.0\r\n"), 501);
        assert_eq!(status("invite sip:a SIP/2.0\r\n"), 501);
        assert_eq!(status("PUBLISH sip:a SIP/2.0\r\n"), 405);
    }

    #[test]
    fn what_is_not_built_is_not_promised() {
        let refused =
            verdict("INVITE sip:a SIP/2.0\r\nRequire: timer, path, 100rel\r\nProxy-Require: magic\r\n")
                .unwrap_err();
        assert_eq!((refused.status, refused.header), (420, Some(("Unsupported", "timer, magic".to_owned()))));
        assert!(verdict("CANCEL sip:a SIP/2.0\r\nRequire: 100rel\r\n").is_ok());
        assert!(verdict("REGISTER sip:a SIP/2.0\r\nRequire: Path, outbound\r\n").is_ok());
    }
}
