//! Whether two contact URIs are the same one (RFC 3261 §19.1.4), as §10.3 step 7 asks. The comparison is not
//! transitive (a parameter that only one of them carries is ignored), so there is no key, only a question.

/// The parts of a SIP URI that count; slices of the text.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    params: &'a str,
    headers: &'a str,
}

/// Parameters that make a difference already by being there (§19.1.4); any other one only counts if both have it.
const ALWAYS_COUNT: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

/// The same contact? Text that is no `sip:` or `sips:` URI is only equal to itself.
pub fn same(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (split(a), split(b)) else { return false };
    // A sip and a sips URI are never equal; no port is not the same as port 5060.
    a.scheme.eq_ignore_ascii_case(b.scheme)
        && same_user(a.user, b.user)
        && a.host.eq_ignore_ascii_case(b.host)
        && params_agree(a.params, b.params)
        && params_agree(b.params, a.params)
        && same_headers(a.headers, b.headers)
}

fn split(uri: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return None;
    }
    // The userinfo may hold `;` and `?` (§25.1), so the `@` is looked for first.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, params) = rest.split_once(';').unwrap_or((rest, ""));
    Some(Parts { scheme, user, host, params, headers })
}

/// Case-sensitive, with `%61` the same as `a`.
fn same_user(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || unescape(a).eq(unescape(b)),
        (None, None) => true,
        _ => false,
    }
}

/// The characters as a peer means them. An escaped reserved character stays different from the bare one (§19.1.4),
/// which the second half of the pair keeps apart.
fn unescape(text: &str) -> impl Iterator<Item = (u8, bool)> + '_ {
    let mut bytes = text.bytes();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'%' {
            return Some((byte, false));
        }
        let mut ahead = bytes.clone();
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (Some(high), Some(low)) = (digit(ahead.next()), digit(ahead.next())) else {
            return Some((byte, false));
        };
        bytes = ahead;
        let byte = u8::try_from(high * 16 + low).unwrap_or(b'%');
        Some((byte, b";/?:@&=+$,".contains(&byte)))
    })
}

fn params(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter(|p| !p.is_empty()).map(|p| {
        let (name, value) = p.split_once('=').unwrap_or((p, ""));
        (name.trim(), value.trim())
    })
}

/// Each parameter of `a` that counts is in `b` with the same value.
fn params_agree(a: &str, b: &str) -> bool {
    params(a).all(|(name, value)| match params(b).find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        Some((_, other)) => other.eq_ignore_ascii_case(value),
        None => !ALWAYS_COUNT.iter().any(|n| n.eq_ignore_ascii_case(name)),
    })
}

/// Headers count always; their order does not.
fn same_headers(a: &str, b: &str) -> bool {
    let has_all = |a: &str, b: &str| a.split('&').all(|h| b.split('&').any(|o| o.eq_ignore_ascii_case(h)));
    has_all(a, b) && has_all(b, a)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn contacts_compare_as_rfc_3261_19_1_4_says() {
        // The RFC's own examples first.
        for (a, b, expected) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
                true,
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
                true,
            ),
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
            // And what phones and attackers add.
            ("sip:bob@192.0.2.4", "sips:bob@192.0.2.4", false),
            ("sip:192.0.2.4", "sip:bob@192.0.2.4", false),
            ("sip:a%3Bb@h", "sip:a;b@h", false),
            ("sip:a%3bb@h", "sip:a%3Bb@h", true),
            ("sip:50%@h", "sip:50%@h;x", true),
            ("sip:a%2@h", "sip:a%2@H", true),
            ("sip:[2001:DB8::9]:5071", "sip:[2001:db8::9]:5071", true),
            ("tel:+49", "tel:+49", true),
            ("tel:+49", "TEL:+49", false),
            ("", "sip:", false),
        ] {
            assert_eq!(same(a, b), expected, "{a} {b}");
            assert_eq!(same(b, a), expected, "{b} {a}");
        }
    }
}
