//! An e-mail address, read once. What passed here can stand in a header or a command of SMTP without being looked at again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// RFC 5321 §4.5.3.1.3: a path has 256 octets at most, two of them the angle brackets.
const ADDRESS_MAX: usize = 254;
/// RFC 5321 §4.5.3.1.1.
const LOCAL_MAX: usize = 64;
/// RFC 1035 §2.3.4.
const LABEL_MAX: usize = 63;

/// A mailbox as `local@domain`, in ASCII. Prints shortened, as every `Pii` does.
///
/// Only the plain form of RFC 5321 §4.1.2 is taken (a dot-string at a domain): no quoted local parts, no address literals,
/// no comments, no lists, no names beside the address. Whoever has an address beyond ASCII writes its domain in punycode.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    text: String,
    /// Where the `@` stands.
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not an e-mail address; write it as name@example.com")]
pub struct NotAnAddress;

impl EmailAddress {
    /// The text itself, for mail and for pages that are entitled to it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// How addresses are compared: whatever the case. Mail still goes to the address as its owner wrote it.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<EmailAddress, NotAnAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress)?;
        let right = text.len() <= ADDRESS_MAX && is_local(local) && is_domain(domain);
        if right { Ok(EmailAddress { text: text.to_owned(), at: local.len() }) } else { Err(NotAnAddress) }
    }
}

/// RFC 5322 §3.2.3: atext in groups with dots between.
fn is_local(local: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    local.len() <= LOCAL_MAX && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atext))
}

/// Letters, digits and hyphens in labels (RFC 5321 §2.3.5); one label is enough, for `root@localhost`.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= LABEL_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

impl TryFrom<String> for EmailAddress {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<EmailAddress, NotAnAddress> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> String {
        address.text
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Pii::new(self.text.as_str()).fmt(f)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read_and_nothing_that_could_mean_more() {
        for good in
            ["ann@example.com", "Ann.O'Hara+desk@sub.example.co", "root@localhost", "x@xn--mnchen-3ya.de"]
        {
            let address: EmailAddress = good.parse().unwrap_or_else(|_| panic!("{good}"));
            assert_eq!(address.reveal(), good);
            assert_eq!(format!("{}@{}", address.local(), address.domain()), good);
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", ["b".repeat(63).as_str(); 4].join("."));
        for bad in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "ann@example..com",
            "ann@-example.com",
            "ann@example.com.",
            "ann@exam ple.com",
            " ann@example.com",
            "ann@example.com ",
            "ann@example.com\n",
            "ann@example.com\r\nBcc: all@example.com",
            "ann@example.com,bob@example.com",
            "ann@example.com>\r\nRCPT TO:<bob@example.com",
            "<ann@example.com>",
            "Ann <ann@example.com>",
            "\"ann b\"@example.com",
            "ann@[192.0.2.1]",
            "ann(x)@example.com",
            "ann@example.com\u{0}",
            "änn@example.com",
            "ann@münchen.de",
            "ann\u{202e}@example.com",
            "a@b@c d",
            long.as_str(),
            longer.as_str(),
        ] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_compared_whatever_the_case_and_logged_shortened() {
        let address: EmailAddress = "Ann@Example.COM".parse().unwrap();
        assert_eq!(address.key(), "ann@example.com");
        assert_eq!(format!("{address} {address:?}"), "Ann…OM Ann…OM");
    }
}
