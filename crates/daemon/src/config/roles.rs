//! `[roles]` of `security.toml`: which role has which rights. A role that is not named keeps what it has by itself.

use super::read::Section;
use terms::{Right, Rights, Role};

pub(super) fn read(mut s: Section<'_>) -> Rights {
    let mut rights = Rights::default();
    for (key, role) in [
        ("supervisor", Role::Supervisor),
        ("engineer", Role::Engineer),
        ("administrator", Role::Administrator),
    ] {
        let Some(words) = s.texts(key) else { continue };
        let mut given = Vec::new();
        for (word, at) in words {
            match Right::from_word(&word) {
                Some(right) => given.push(right),
                None => {
                    let known: Vec<&str> = Right::ALL.iter().map(|right| right.word()).collect();
                    s.error(
                        at,
                        format!("\"{word}\" in `{key}` is no right; there are {}.", known.join(", ")),
                    );
                }
            }
        }
        rights.give(role, &given);
    }
    // Whoever may give roles must be able to do so: a house without such a person has nobody to undo a mistake here.
    if !rights.has(Role::Administrator, Right::ManageAgents) {
        s.error(
            s.offset,
            "`administrator` must have \"manage_agents\"; nobody could give roles otherwise.".to_owned(),
        );
    }
    s.finish();
    rights
}
