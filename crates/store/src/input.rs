//! What an administrator hands in is looked at once, for every backend alike: right characters, and no value twice.

use crate::{AddError, NewAgent, NewDevice};
use std::collections::HashMap;

/// Longest name, extension or label. Room for any that people use; keeps rows and SIP headers small.
const TEXT_MAX: usize = 128;
/// Direct numbers of one agent.
const DIDS_MAX: usize = 64;

/// How login names are compared (SPEC A9).
pub(crate) fn login_key(login_name: &str) -> String {
    login_name.to_lowercase()
}

/// How mail addresses are compared. Before the @ only the receiving server knows (RFC 5321 §2.4); nobody lives off it.
pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Only the plain form of an address, so that it can stand in a letter's headers as it is.
pub(crate) fn check_email(line: usize, email: &str) -> Result<(), AddError> {
    match email.parse::<terms::EmailAddress>() {
        Ok(_) => Ok(()),
        Err(_) => Err(AddError::Invalid {
            line,
            field: "email",
            sentence: format!("{email:?} cannot be a mail address."),
        }),
    }
}

pub(crate) fn check_agents(agents: &[NewAgent]) -> Result<(), AddError> {
    let mut names = HashMap::new();
    let mut extensions = HashMap::new();
    let mut emails = HashMap::new();
    for (at, agent) in agents.iter().enumerate() {
        let line = at + 1;
        let invalid = |field, sentence: String| Err(AddError::Invalid { line, field, sentence });
        if !is_plain(&agent.login_name) || agent.login_name.chars().any(char::is_whitespace) {
            return invalid("login_name", format!("{:?} cannot be a login name.", agent.login_name));
        }
        if !is_number(&agent.extension) {
            return invalid(
                "extension",
                format!("{:?} cannot be an extension: digits, * and # only.", agent.extension),
            );
        }
        if agent.display_name.chars().any(char::is_control) || agent.display_name.len() > TEXT_MAX {
            return invalid("display_name", "The display name is too long or has control characters.".into());
        }
        if agent.dids.len() > DIDS_MAX || !agent.dids.iter().all(|did| is_number(did)) {
            return invalid("dids", "The direct numbers must be digits, + at the front allowed.".into());
        }
        if agent.outbound_number.as_deref().is_some_and(|number| !is_number(number)) {
            return invalid("outbound_number", "The outbound number must be digits.".into());
        }
        if let Some(email) = &agent.email {
            check_email(line, email)?;
            if let Some(first) = emails.insert(email_key(email), line) {
                return Err(twice(line, "email", email, first));
            }
        }
        if let Some(first) = names.insert(login_key(&agent.login_name), line) {
            return Err(twice(line, "login_name", &agent.login_name, first));
        }
        if let Some(first) = extensions.insert(agent.extension.clone(), line) {
            return Err(twice(line, "extension", &agent.extension, first));
        }
    }
    Ok(())
}

pub(crate) fn check_devices(devices: &[NewDevice]) -> Result<(), AddError> {
    let mut names = HashMap::new();
    for (at, device) in devices.iter().enumerate() {
        let line = at + 1;
        // The name is the user part of a SIP URI; these need no escaping anywhere (RFC 3261 §25.1 unreserved).
        let unreserved = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if device.name.is_empty() || device.name.len() > TEXT_MAX || !device.name.chars().all(unreserved) {
            let sentence = format!(
                "{:?} cannot be a phone's name: letters, digits, '-', '_' and '.' only.",
                device.name
            );
            return Err(AddError::Invalid { line, field: "name", sentence });
        }
        if device.name.starts_with(hotdesk::pass::BROWSER_PREFIX) {
            let sentence =
                format!("{:?} cannot be a phone's name: `web-…` are the agents' browsers.", device.name);
            return Err(AddError::Invalid { line, field: "name", sentence });
        }
        if device.name.eq_ignore_ascii_case(hotdesk::pass::SELF_TEST) {
            let sentence =
                format!("{:?} cannot be a phone's name: whoever dials it hears themselves.", device.name);
            return Err(AddError::Invalid { line, field: "name", sentence });
        }
        for (field, text) in [("label", &device.label), ("site", &device.site), ("floor", &device.floor)] {
            if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
                let sentence = format!("The {field} is too long or has control characters.");
                return Err(AddError::Invalid { line, field, sentence });
            }
        }
        if let Some(first) = names.insert(device.name.clone(), line) {
            return Err(twice(line, "name", &device.name, first));
        }
    }
    Ok(())
}

fn twice(line: usize, field: &'static str, value: &str, first: usize) -> AddError {
    let what = field.replace('_', " ");
    AddError::Conflict {
        line,
        field,
        sentence: format!("The {what} {value} is already in line {first} of this list."),
    }
}

/// The sentence of a value that a row in the store already holds.
pub(crate) fn taken(line: usize, field: &'static str, value: &str, by: &str) -> AddError {
    let sentence = match field {
        "extension" => format!("The extension {value} already belongs to {by}."),
        "email" => format!("The mail address {value} already belongs to {by}."),
        "login_name" => format!("The login name {value} is already taken by {by}."),
        _ => format!("There is already a phone named {value}."),
    };
    AddError::Conflict { line, field, sentence }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty()
        && digits.len() <= 32
        && digits.chars().all(|c| c.is_ascii_digit() || c == '*' || c == '#')
}
