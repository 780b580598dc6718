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

/// The text before and behind the first `byte`, which is ASCII.
#[inline]
pub(crate) fn halves(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text before and behind the first blank or line end of a fold.
#[inline]
pub(crate) fn at_blank(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(is_blank)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

pub(crate) fn has_blank(text: &str) -> bool {
    text.bytes().any(is_blank)
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
        let mut iter = self.iter();
        while let Some(param) = iter.param() {
            let param = trim(param);
            // Only a parameter that begins with the name is looked at further.
            if !param
                .as_bytes()
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
            {
                continue;
            }
            let behind = trim(param.get(name.len()..)?);
            match behind.strip_prefix('=') {
                Some(value) => return Some(unquote(trim(value))),
                None if behind.is_empty() => return Some(""),
                None => {}
            }
        }
        None
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
        if iter.quotes && !quotes_end(self.text) {
            return false;
        }
        std::iter::from_fn(|| iter.raw()).all(|(name, value)| {
            let value = value.unwrap_or("").as_bytes();
            let quoted = matches!(value, [b'"', .., b'"']);
            !name.is_empty()
                && name.bytes().all(crate::message::is_token)
                && (quoted || !value.iter().any(|b| is_blank(*b) | (*b == b'"')))
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
    /// The next parameter, name and value together.
    #[inline]
    fn param(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (param, rest) = cut(self.rest, b';', self.quotes).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(param)
    }

    /// The next parameter with its value as it stands there.
    #[inline]
    fn raw(&mut self) -> Option<(&'a str, Option<&'a str>)> {
        let param = self.param()?;
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
    let at = match quotes {
        false => memchr::memchr(byte, bytes)?,
        true => {
            let mut from = 0;
            loop {
                let found = from + memchr::memchr2(byte, b'"', bytes.get(from..)?)?;
                if bytes.get(found) != Some(&b'"') {
                    break found;
                }
                from = found + 2 + quote_end(text.get(found + 1..)?)?;
            }
        }
    };
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Where a quoted string ends, given what follows its opening quote.
pub(crate) fn quote_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found);
        }
        from = found + 2;
    }
}

/// Whether every quote that begins ends.
fn quotes_end(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, behind)) = halves(rest, b'"') {
        match quote_end(behind).and_then(|end| behind.get(end + 1..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
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
