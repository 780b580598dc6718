//! Reads TOML with the line of every value at hand, so that each mistake can be told as a sentence: which file, which
//! line, what is wrong, what to write instead. All mistakes are collected; nobody fixes a file one error at a time.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's name inside the configuration folder.
    pub file: String,
    /// 1-based; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub sentence: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.sentence),
            line => write!(f, "{}:{line}: {}", self.file, self.sentence),
        }
    }
}

/// Everything that is wrong with a configuration folder, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq, Default, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// One file and the mistakes found in it so far.
pub struct Source {
    pub name: String,
    text: String,
    errors: RefCell<Vec<ConfigError>>,
}

impl Source {
    pub fn new(name: &str, text: String) -> Source {
        Source { name: name.to_owned(), text, errors: RefCell::default() }
    }

    /// The tables of the file; empty with one error where it is no TOML.
    pub fn parse(&self) -> DeTable<'_> {
        match DeTable::parse(&self.text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = error.span().map_or(0, |s| s.start);
                self.error(at, format!("this is not valid TOML: {}.", error.message().trim()));
                DeTable::default()
            }
        }
    }

    pub fn error(&self, offset: usize, sentence: String) {
        let line = 1 + self.text.bytes().take(offset).filter(|b| *b == b'\n').count();
        self.errors.borrow_mut().push(ConfigError { file: self.name.clone(), line, sentence });
    }

    pub fn into_errors(self) -> Vec<ConfigError> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|e| e.line);
        errors
    }
}

/// One table being read. Ask for its settings by name, then `finish`: what nobody asked for is refused.
pub struct Section<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    /// `[listen]`, or the file's name for its top level; for sentences.
    title: String,
    /// Where the table begins, for what is missing in it.
    pub offset: usize,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub fn top(source: &'a Source, table: &'a DeTable<'a>) -> Section<'a> {
        Section { source, table, title: source.name.clone(), offset: 0, known: Vec::new() }
    }

    pub fn error(&self, offset: usize, sentence: String) {
        self.source.error(offset, sentence);
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.error(value.span().start, format!("`{key}` must be {wanted}, but this is a TOML {found}."));
    }

    /// The text of a setting and where it stands.
    pub fn text(&mut self, key: &'static str) -> Option<(String, usize)> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some((text.to_owned(), value.span().start)),
            None => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        flag
    }

    /// A whole number within `min..=max`.
    pub fn number(&mut self, key: &'static str, min: u64, max: u64) -> Option<u64> {
        let value = self.get(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(n) if (min..=max).contains(&n) => Some(n),
            _ => {
                let sentence =
                    format!("`{key}` is {}, which is out of range; use {min} to {max}.", integer.as_str());
                self.error(value.span().start, sentence);
                None
            }
        }
    }

    /// A text that reads as `T`; `wanted` says in words what belongs there, with an example.
    pub fn parsed<T: FromStr>(&mut self, key: &'static str, wanted: &str) -> Option<(T, usize)> {
        let (text, at) = self.text(key)?;
        match text.parse() {
            Ok(value) => Some((value, at)),
            Err(_) => {
                self.error(at, format!("`{key}` is \"{text}\"; write {wanted}."));
                None
            }
        }
    }

    /// A list of texts with their places; a single text counts as a list of one.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<(String, usize)>> {
        let value = self.get(key)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(vec![(text.to_owned(), value.span().start)]);
        }
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of texts in quotes");
            return None;
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), item.span().start)),
                None => self.wrong_type(key, item, "a list of texts in quotes"),
            }
        }
        Some(texts)
    }

    /// A list of texts that each read as `T`.
    pub fn parsed_list<T: FromStr>(&mut self, key: &'static str, wanted: &str) -> Option<Vec<(T, usize)>> {
        let texts = self.texts(key)?;
        let mut values = Vec::new();
        for (text, at) in texts {
            match text.parse() {
                Ok(value) => values.push((value, at)),
                Err(_) => self.error(at, format!("\"{text}\" in `{key}` cannot be read; write {wanted}.")),
            }
        }
        Some(values)
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let (text, at) = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let list: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.error(at, format!("`{key}` is \"{text}\"; write one of {}.", list.join(", ")));
        }
        found
    }

    /// A table inside this one: `[listen]`.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        match value.get_ref().as_table() {
            Some(table) => Some(Section {
                source: self.source,
                table,
                title: format!("[{key}]"),
                offset: value.span().start,
                known: Vec::new(),
            }),
            None => {
                self.wrong_type(key, value, &format!("a section, written [{key}]"));
                None
            }
        }
    }

    /// Tables that repeat: `[[trunk]]`.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, &format!("a list of sections, each written [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section {
                    source: self.source,
                    table,
                    title: format!("[[{key}]]"),
                    offset: item.span().start,
                    known: Vec::new(),
                }),
                None => self.wrong_type(key, item, &format!("a section, written [[{key}]]")),
            }
        }
        sections
    }

    /// Says that a setting without a default is missing.
    pub fn missing(&self, key: &str, fix: &str) {
        self.error(self.offset, format!("{} lacks `{key}`; {fix}", self.title));
    }

    /// Refuses what nobody asked for, naming the nearest setting that exists.
    pub fn finish(self) {
        for key in self.table.keys() {
            let name = key.get_ref();
            if self.known.contains(&name.as_ref()) {
                continue;
            }
            let hint = match nearest(name, &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}.", self.known.join(", ")),
            };
            self.error(key.span().start, format!("`{name}` is not a setting of {}; {hint}", self.title));
        }
    }
}

/// The known word that is closest to `word`, where one is close enough to be what was meant.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|k| (distance(word, k), *k))
        .min()
        .filter(|(d, k)| *d <= 1 + word.len().max(k.len()) / 3)
        .map(|(_, k)| k)
}

/// Levenshtein's distance: single-letter changes between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_only_if_it_is_near() {
        assert_eq!(nearest("sip_upd", &["sip_udp", "sip_tcp", "https"]), Some("sip_udp"));
        assert_eq!(nearest("colour", &["sip_udp", "sip_tcp", "https"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let source = Source::new("x.toml", "a = 1\n[listen]\nport = \"x\"\nprot = 5\n".to_owned());
        let table = source.parse();
        let mut top = Section::top(&source, &table);
        assert_eq!(top.number("a", 5, 9), None);
        let mut listen = top.section("listen").unwrap();
        assert_eq!(listen.number("port", 1, 9), None);
        listen.finish();
        top.finish();
        drop(table);
        let errors: Vec<String> = source.into_errors().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "x.toml:1: `a` is 1, which is out of range; use 5 to 9.",
                "x.toml:3: `port` must be a whole number, but this is a TOML string.",
                "x.toml:4: `prot` is not a setting of [listen]; did you mean `port`?",
            ]
        );
    }
}
