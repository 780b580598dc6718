//! `dialplan.toml`: which numbers may be called, and who takes them.

use super::read::{Section, Source};
use gateway::DialPlan;
use gateway::plan::Rule;
use terms::Trunk;

/// `trunks` are those of `trunks.toml`, which rules point at by name.
pub(super) fn read(source: &Source, trunks: &[Trunk]) -> DialPlan {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let d = DialPlan::default();
    let trunk_exists = |s: &Section<'_>, key: &str, name: &str, at: usize| {
        if !trunks.iter().any(|t| t.name == name) {
            let names: Vec<_> = trunks.iter().map(|t| format!("\"{}\"", t.name)).collect();
            let have = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            s.error(
                at,
                format!("`{key}` names the trunk \"{name}\", which trunks.toml does not have; {have}."),
            );
        }
    };
    let numbers = |top: &mut Section<'_>, key: &'static str, default: Vec<String>| match top.texts(key) {
        None => default,
        Some(list) => list
            .into_iter()
            .map(|(number, at)| {
                digits(top, key, &number, at);
                number
            })
            .collect(),
    };
    let emergency = numbers(&mut top, "emergency", d.emergency);
    let barred = numbers(&mut top, "barred", d.barred);
    let emergency_trunk = top.text("emergency_trunk").map(|(name, at)| {
        trunk_exists(&top, "emergency_trunk", &name, at);
        name
    });
    // The order in the file counts, whatever trunks come and go while the service runs.
    let emergency_trunk = emergency_trunk.or_else(|| trunks.first().map(|trunk| trunk.name.clone()));
    let mut rules = Vec::new();
    for mut s in top.sections("rules") {
        let prefix = match s.text("prefix") {
            Some((prefix, at)) => {
                digits(&s, "prefix", &prefix, at);
                prefix
            }
            None => {
                s.missing("prefix", "write the digits the number begins with; \"\" matches every number.");
                String::new()
            }
        };
        let trunk = match s.text("trunk") {
            Some((name, at)) => {
                trunk_exists(&s, "trunk", &name, at);
                name
            }
            None => {
                s.missing("trunk", "name the trunk that takes these calls.");
                String::new()
            }
        };
        let min_digits = s.number("min_digits", 1, 32).map(|n| n as u8);
        let max_digits = s.number("max_digits", 1, 32).map(|n| n as u8);
        if let (Some(min), Some(max)) = (min_digits, max_digits)
            && min > max
        {
            s.error(
                s.offset,
                format!("min_digits is {min} and max_digits is {max}: no number fits; swap them."),
            );
        }
        let strip = s.number("strip", 0, 32).unwrap_or(0) as u8;
        let add = match s.text("add") {
            Some((add, at)) => {
                digits(&s, "add", &add, at);
                add
            }
            None => String::new(),
        };
        s.finish();
        rules.push(Rule { prefix, min_digits, max_digits, trunk, strip, add });
    }
    let plan = DialPlan {
        emergency,
        rules,
        vacant_phone_internal: top.flag("vacant_phone_internal").unwrap_or(d.vacant_phone_internal),
        emergency_trunk,
        external_calls_per_agent: top
            .number("external_calls_per_agent", 0, 1000)
            .map_or(d.external_calls_per_agent, |n| n as u32),
        external_calls_per_minute: top
            .number("external_calls_per_minute", 0, 10_000)
            .map_or(d.external_calls_per_minute, |n| n as u32),
        barred,
        not_logged_in: top.text("not_logged_in").map(|(extension, _)| extension),
    };
    top.finish();
    plan
}

/// Numbers are digits with an optional plus sign in front.
fn digits(s: &Section<'_>, key: &str, number: &str, at: usize) {
    let rest = number.strip_prefix('+').unwrap_or(number);
    if !rest.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#') {
        s.error(
            at,
            format!("\"{number}\" in `{key}` is no number; use digits, with a + in front if needed."),
        );
    }
}
