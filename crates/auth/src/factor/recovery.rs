//! Recovery codes: ten words on paper for the day the phone is lost. Shown once, kept as hashes, each good once.

use sha2::{Digest, Sha256};
use terms::{AgentId, Secret};

/// Codes in a set.
pub(crate) const CODES: usize = 10;
/// Characters of a code, five bits each: 80 bits, so that a plain hash of one cannot be searched.
const CHARS: usize = 16;
const GROUP: usize = 4;
/// Crockford's digits: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new set, as people see it (`7K3M-…`); `None` when the system has no randomness to give.
pub(crate) fn new_codes() -> Option<Vec<Secret>> {
    (0..CODES).map(|_| new_code()).collect()
}

fn new_code() -> Option<Secret> {
    let mut bytes = [0u8; CHARS];
    getrandom::fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(CHARS + CHARS / GROUP);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every digit is as likely as any other.
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Some(Secret::new(text))
}

/// What is stored of a code: bound to its agent, so that a row is worth nothing to another one. `None` for what can be no
/// code. However it is typed, it is the same code: small letters, spaces, O for 0.
pub(crate) fn hash(agent: AgentId, code: &str) -> Option<[u8; 32]> {
    let mut plain = [0u8; CHARS];
    let mut at = 0;
    for c in code.chars() {
        let c = match c.to_ascii_uppercase() {
            '-' | '\u{2010}'..='\u{2014}' => continue,
            c if c.is_whitespace() => continue,
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        let digit = u8::try_from(c).ok().filter(|digit| ALPHABET.contains(digit))?;
        *plain.get_mut(at)? = digit;
        at += 1;
    }
    if at != CHARS {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(b"hotseat recovery code");
    hash.update(agent.0.to_be_bytes());
    hash.update(plain);
    Some(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ten_codes_that_differ_and_read_well() {
        let codes = new_codes().unwrap();
        let different: HashSet<String> = codes.iter().map(|code| code.expose().to_owned()).collect();
        assert_eq!(different.len(), CODES);
        for code in &different {
            assert_eq!(code.len(), 19);
            assert!(code.split('-').all(|group| group.len() == 4), "{code}");
            assert!(hash(AgentId(1), code).is_some());
        }
    }

    #[test]
    fn however_it_is_typed_it_is_the_same_code_and_of_one_agent() {
        let ann = AgentId(1);
        let stored = hash(ann, "0123-4567-89AB-CDEF");
        assert!(stored.is_some());
        for typed in
            ["0123456789abcdef", " o12 3-4567\u{2013}89ab cdef", "OI23-4567-89AB-CDEF", "OL23456789abcdef"]
        {
            assert_eq!(hash(ann, typed), stored, "{typed}");
        }
        assert_ne!(hash(AgentId(2), "0123-4567-89AB-CDEF"), stored);
        for none in [
            "",
            "0123",
            "0123-4567-89AB-CDEFG",
            "0123-4567-89AB-CDEU",
            "0123-4567-89AB-CDÉF",
            &"0".repeat(9999),
        ] {
            assert_eq!(hash(ann, none), None);
        }
    }
}
