//! The torture messages and their verdicts, read from `data/`.

use std::path::PathBuf;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Accept,
    Refuse(u16),
    Drop,
}

#[allow(dead_code)] // each test file uses some of it
pub struct Case {
    pub name: String,
    pub section: String,
    pub verdict: Verdict,
    /// Key and value; `then` is left out, it is for the owners.
    pub facts: Vec<(String, String)>,
    pub bytes: Vec<u8>,
}

pub fn all() -> Vec<Case> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let table = std::fs::read_to_string(data.join("verdicts.txt")).expect("the table of verdicts");
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(fact) = line.strip_prefix("    ") {
            let (key, value) = fact.split_once(" =").unwrap_or_else(|| panic!("no fact: {line}"));
            let value = value.strip_prefix(' ').unwrap_or(value);
            if key != "then" {
                cases.last_mut().expect("a case before its facts").facts.push((key.into(), value.into()));
            }
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, section, verdict] = words[..] else { panic!("no case: {line}") };
        let verdict = match verdict {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            status => Verdict::Refuse(status.parse().unwrap_or_else(|_| panic!("no verdict: {line}"))),
        };
        let bytes = std::fs::read(data.join(format!("{name}.dat"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        cases.push(Case { name: name.into(), section: section.into(), verdict, facts: Vec::new(), bytes });
    }
    cases
}
