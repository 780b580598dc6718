//! The little of CBOR (RFC 8949) that authenticators speak: CTAP2's canonical form has definite lengths and little depth.

/// Deeper nesting is refused; an attestation object has three levels.
const DEPTH_MAX: usize = 8;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    /// Major types 0 and 1.
    Int(i64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Booleans, null and floats, which nothing here looks at.
    Other,
}

impl Value {
    /// The entry of a map.
    pub(super) fn get(&self, key: &Value) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(held, _)| held == key).map(|(_, value)| value),
            _ => None,
        }
    }
    pub(super) fn named(&self, key: &str) -> Option<&Value> {
        self.get(&Value::Text(key.to_owned()))
    }
    pub(super) fn numbered(&self, key: i64) -> Option<&Value> {
        self.get(&Value::Int(key))
    }
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }
}

/// One item and what follows it; `None` for anything that is not well-formed or not in the canonical form.
pub(super) fn read(input: &[u8]) -> Option<(Value, &[u8])> {
    item(input, 0)
}

fn item(input: &[u8], depth: usize) -> Option<(Value, &[u8])> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, rest) = input.split_first()?;
    let (major, short) = (first >> 5, first & 0x1f);
    let (argument, rest) = argument(short, rest)?;
    match major {
        0 => Some((Value::Int(i64::try_from(argument).ok()?), rest)),
        1 => Some((Value::Int((-1i64).checked_sub(i64::try_from(argument).ok()?)?), rest)),
        2 => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Value::Bytes(bytes.to_vec()), rest))
        }
        3 => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Value::Text(std::str::from_utf8(bytes).ok()?.to_owned()), rest))
        }
        // The lists grow by what is there, never by what a length claims.
        4 => {
            let (mut list, mut rest) = (Vec::new(), rest);
            for _ in 0..argument {
                let (value, after) = item(rest, depth + 1)?;
                list.push(value);
                rest = after;
            }
            Some((Value::Array(list), rest))
        }
        5 => {
            let (mut entries, mut rest) = (Vec::<(Value, Value)>::new(), rest);
            for _ in 0..argument {
                let (key, after) = item(rest, depth + 1)?;
                let (value, after) = item(after, depth + 1)?;
                // RFC 8949 §5.6: two entries with one key have no meaning we could agree on.
                if entries.iter().any(|(held, _)| *held == key) {
                    return None;
                }
                entries.push((key, value));
                rest = after;
            }
            Some((Value::Map(entries), rest))
        }
        // Tags do not occur in the canonical form.
        6 => None,
        _ => Some((Value::Other, rest)),
    }
}

/// RFC 8949 §3: the argument, and that it was written no longer than needed. Indefinite lengths are refused.
fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let more = match short {
        0..=23 => return Some((u64::from(short), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(more)?;
    Some((bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_examples_of_rfc_8949_appendix_a() {
        let read_all = |text: &str| {
            let bytes = hex(text);
            let (value, rest) = read(&bytes).unwrap_or_else(|| panic!("{text}"));
            assert!(rest.is_empty());
            value
        };
        assert_eq!(read_all("00"), Value::Int(0));
        assert_eq!(read_all("1864"), Value::Int(100));
        assert_eq!(read_all("1b000000e8d4a51000"), Value::Int(1_000_000_000_000));
        assert_eq!(read_all("3903e7"), Value::Int(-1000));
        assert_eq!(read_all("4401020304"), Value::Bytes(vec![1, 2, 3, 4]));
        assert_eq!(read_all("6449455446"), Value::Text("IETF".into()));
        assert_eq!(read_all("f5"), Value::Other);
        assert_eq!(read_all("fb3ff199999999999a"), Value::Other);
        let map = read_all("a26161016162820203");
        assert_eq!(map.named("a"), Some(&Value::Int(1)));
        assert_eq!(map.named("b"), Some(&Value::Array(vec![Value::Int(2), Value::Int(3)])));
    }

    #[test]
    fn nonsense_is_nothing_and_never_a_panic() {
        for text in [
            "",
            "18",
            "1bffffffffffffffff",
            "3bffffffffffffffff",
            "5f4101ff",
            "44010203",
            "62c328",
            "c000",
            "a201010102",
            "9bffffffffffffffff",
            "bbffffffffffffffff",
            "5bffffffffffffffff",
        ] {
            assert_eq!(read(&hex(text)), None, "{text}");
        }
        assert_eq!(read(&[0x81; 100_000]), None, "nested too deep");
        // Every change of one byte of a good object either reads or does not.
        let good = hex("a363666d74646e6f6e656761747453746d74a06861757468446174614401020304");
        assert!(read(&good).is_some());
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut changed = good.clone();
                changed[at] = byte;
                let _ = read(&changed);
            }
            let _ = read(&good[..at]);
        }
    }
}
