//! Cutting a header value at its commas and semicolons, minding quotes and angle brackets (RFC 3261 §7.3.1, §25.1).

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Blanks and the line ends of a fold, cut from both ends.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        // Nearly always there is nothing to cut.
        [one] if !is_blank(*one) => text,
        [first, .., last] if !is_blank(*first) && !is_blank(*last) => text,
        _ => text.trim_matches([' ', '\t', '\r', '\n']),
    }
}

/// Where `wanted` first stands outside quotes and angle brackets. `Err` where a quote or bracket does not end.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Result<Option<usize>, ()> {
    let (mut quoted, mut escaped, mut bracket) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracket => quoted = !quoted,
            _ if quoted => {}
            _ if byte == wanted && (!bracket || wanted == b'>') => return Ok(Some(at)),
            b'<' => bracket = true,
            b'>' => bracket = false,
            _ => {}
        }
    }
    if quoted || bracket { Err(()) } else { Ok(None) }
}

/// The comma-separated values of one line, trimmed; empty ones are passed over. Where a quote or bracket does not
/// end, the rest is one value, for the typed reader to refuse.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a str,
}

impl<'a> Values<'a> {
    pub fn of(line: &'a str) -> Values<'a> {
        Values { rest: line }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (value, rest) = match memchr::memchr(b',', self.rest.as_bytes()).is_some() {
                true => match find_outside(self.rest, b',') {
                    Ok(Some(at)) => (self.rest.get(..at)?, self.rest.get(at + 1..)?),
                    _ => (self.rest, ""),
                },
                false => (self.rest, ""),
            };
            self.rest = rest;
            let value = trim(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

/// `;name=value` parameters. Names compare without case.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a> {
    /// Everything behind the first semicolon.
    text: &'a str,
}

impl<'a> Params<'a> {
    /// Takes the text with or without its leading semicolon.
    pub fn of(text: &'a str) -> Params<'a> {
        let text = trim(text);
        Params { text: text.strip_prefix(';').unwrap_or(text) }
    }
    pub fn text(&self) -> &'a str {
        self.text
    }
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
    /// The value of a parameter without its quotes; empty for one without a value (`;lr`).
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    /// Name and value in order; values without their quotes, escapes left as they are.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter { rest: self.text, quotes: memchr::memchr(b'"', self.text.as_bytes()).is_some() }
    }
    /// RFC 3261 §25.1 `generic-param`, as loosely as phones write it: each has a name that is a token, quotes end, and a
    /// value without quotes has no blanks inside.
    pub fn are_well_formed(&self) -> bool {
        if trim(self.text).is_empty() {
            return true;
        }
        let mut iter = self.iter();
        if iter.quotes && find_outside(self.text, 0).is_err() {
            return false;
        }
        std::iter::from_fn(|| iter.raw()).all(|(name, value)| {
            let value = value.unwrap_or("").as_bytes();
            let quoted = matches!(value, [b'"', .., b'"']);
            !name.is_empty()
                && name.bytes().all(crate::message::is_token)
                && (quoted || !value.iter().any(|b| is_blank(*b) || *b == b'"'))
        })
    }
}

impl std::fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a str,
    /// Whether there are quotes to mind at all.
    quotes: bool,
}

impl<'a> ParamIter<'a> {
    /// The next parameter with its value as it stands there.
    #[inline]
    fn raw(&mut self) -> Option<(&'a str, Option<&'a str>)> {
        if self.rest.is_empty() {
            return None;
        }
        let (param, rest) = cut(self.rest, b';', self.quotes).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(match cut(param, b'=', self.quotes) {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (trim(param), None),
        })
    }
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a str, Option<&'a str>);
    #[inline]
    fn next(&mut self) -> Option<(&'a str, Option<&'a str>)> {
        self.raw().map(|(name, value)| (name, value.map(unquote)))
    }
}

/// Cuts at the first `byte` outside quotes. Brackets do not protect here: a parameter is not a name-addr.
#[inline]
fn cut(text: &str, byte: u8, quotes: bool) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let at = if quotes {
        let (mut quoted, mut escaped) = (false, false);
        bytes.iter().position(|b| {
            match *b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b if !quoted && b == byte => return true,
                _ => {}
            }
            false
        })?
    } else {
        // Parameters are short; a plain loop beats a call.
        bytes.iter().position(|b| *b == byte)?
    };
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The inside of a quoted string, escapes left as they are; other text unchanged.
pub(crate) fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_quotes_and_brackets_are_no_cuts() {
        let line = r#""Doe, \"J\"" <sip:a,b@x>;q=1 , <sip:c@y>,, sip:d@z;x="1,2""#;
        let values: Vec<_> = Values::of(line).collect();
        assert_eq!(values, [r#""Doe, \"J\"" <sip:a,b@x>;q=1"#, "<sip:c@y>", r#"sip:d@z;x="1,2""#]);
    }

    #[test]
    fn parameters_keep_their_order_and_lose_their_quotes() {
        let params = Params::of(r#";lr ; +sip.instance = "<urn:uuid:1;2=3>";Expires=30;q="#);
        let all: Vec<_> = params.iter().collect();
        assert_eq!(
            all,
            [
                ("lr", None),
                ("+sip.instance", Some("<urn:uuid:1;2=3>")),
                ("Expires", Some("30")),
                ("q", Some(""))
            ]
        );
        assert_eq!(params.get("expires"), Some("30"));
        assert!(params.has("LR") && !params.has("ob"));
        assert!(params.are_well_formed());
        assert!(!Params::of(";a=\"x").are_well_formed());
        assert!(!Params::of(";;").are_well_formed());
        assert!(!Params::of(";=1").are_well_formed());
    }
}
