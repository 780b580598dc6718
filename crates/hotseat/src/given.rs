//! Passwords that the command line gives to somebody: typed ones are held against the rules of the configuration, and where
//! there is none against the floor that holds everywhere. Ours are eighty bits of chance and need no rules.

use crate::chance;
use auth::suite::{Owner, Policy, sentence_for_another};
use terms::Secret;

/// Says which rules a typed password breaks.
pub fn check(policy: Policy, password: &Secret, owner: Owner<'_>) -> anyhow::Result<()> {
    let broken = policy.broken(password.expose(), owner);
    anyhow::ensure!(broken.is_empty(), "{}", sentence_for_another(&broken));
    Ok(())
}

/// The password, and again as text where it was made here and must be shown.
pub fn typed_or_made(
    from_stdin: bool,
    policy: Policy,
    owner: Owner<'_>,
) -> anyhow::Result<(Secret, Option<String>)> {
    if from_stdin {
        let password = chance::from_stdin("password")?;
        check(policy, &password, owner)?;
        return Ok((password, None));
    }
    let password = chance::password()?;
    let shown = password.expose().to_owned();
    Ok((password, Some(shown)))
}

/// argon2id takes its time and its memory; neither belongs on a runtime's thread.
pub async fn hash(password: Secret) -> anyhow::Result<String> {
    let hashed = tokio::task::spawn_blocking(move || auth::password::hash(&password)).await?;
    hashed.map_err(|e| anyhow::anyhow!("the password cannot be hashed: {e}"))
}

/// One row of a file: whose password it is, and what it is; empty: none yet.
pub struct Given {
    pub login_name: String,
    pub display_name: String,
    pub password: Secret,
}

/// Checks and hashes them all, on all cores: an import of thousands is a minute of hashing. The first that breaks a rule is
/// told by its line, and nothing comes back.
pub fn hash_all(policy: Policy, all: &[Given]) -> anyhow::Result<Vec<Option<String>>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = all.len().div_ceil(threads).max(1);
    let one = |(at, given): (usize, &Given)| {
        if given.password.expose().is_empty() {
            return Ok(None);
        }
        let owner =
            Owner { login_name: &given.login_name, display_name: &given.display_name, second_factor: false };
        // The file has a header line above its rows.
        check(policy, &given.password, owner).map_err(|why| anyhow::anyhow!("line {}: {why}", at + 2))?;
        let hashed = auth::password::hash(&given.password);
        hashed.map(Some).map_err(|e| anyhow::anyhow!("a password cannot be hashed: {e}"))
    };
    let numbered: Vec<(usize, &Given)> = all.iter().enumerate().collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = numbered
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || chunk.iter().copied().map(one).collect::<anyhow::Result<Vec<_>>>())
            })
            .collect();
        let mut hashes = Vec::with_capacity(all.len());
        for worker in workers {
            hashes.extend(worker.join().map_err(|_| anyhow::anyhow!("hashing failed"))??);
        }
        Ok(hashes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::suite::Profile;

    fn row(login_name: &str, password: &str) -> Given {
        let login_name = login_name.to_owned();
        Given { display_name: login_name.clone(), login_name, password: Secret::new(password) }
    }

    #[test]
    fn a_file_with_one_weak_password_is_refused_by_its_line_and_empty_ones_are_for_later() {
        let rows = [row("ann", "xk7wmq2p"), row("ben", ""), row("cora", "Password1!")];
        let refused = hash_all(Policy::default(), &rows).unwrap_err().to_string();
        assert!(refused.starts_with("line 4: ") && refused.contains("common"), "{refused}");
        let hashes = hash_all(Policy::default(), &rows[..2]).unwrap();
        assert_eq!(hashes.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        let suite = Policy { profile: Profile::Suite, ..Policy::default() };
        let refused = hash_all(suite, &rows[..1]).unwrap_err().to_string();
        assert!(refused.contains("line 2: ") && refused.contains("upper-case"), "{refused}");
    }
}
