//! Passwords: argon2id, always one computation per question, never more of them at once than the machine can spare.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::Secret;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// OWASP's parameters for argon2id: 19 MiB, two passes, one lane. About 30 ms.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Logins that may wait for a hash: a shift of some hundreds comes at once and is let in, one after the other. Who waits costs
/// a connection and a few kilobytes, not 19 MiB. More get 503.
const WAITING_MAX: usize = 512;
/// Nobody waits longer for a turn: a page that hears nothing for so long is better told to come again (503).
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longer passwords are not read.
pub const PASSWORD_BYTES_MAX: usize = 1024;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct HashError(String);

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The PHC string to store. Takes tens of milliseconds and 19 MiB: not on a runtime's thread.
pub fn hash(password: &Secret) -> Result<String, HashError> {
    let hashed = argon2().hash_password(password.expose().as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// Whether the password is the one the PHC string was made of, by the string's own parameters; false for a string that
/// does not read. As slow as `hash`.
pub fn verify(password: &Secret, phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    argon2().verify_password(password.expose().as_bytes(), &parsed).is_ok()
}

/// Whether the string was made with other parameters than today's, so that a login is the occasion to make it anew.
pub fn is_outdated(phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    match Params::try_from(&parsed) {
        Ok(p) => {
            (p.m_cost(), p.t_cost(), p.p_cost()) != (MEMORY_KIB, PASSES, LANES)
                || parsed.algorithm.as_str() != "argon2id"
        }
        Err(_) => true,
    }
}

/// Runs hashes beside the runtime, a few at once, the others in turn: a storm of logins cannot starve calls.
pub(crate) struct Hasher {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Verified against when there is no such account, so that the answer takes as long.
    dummy: Arc<str>,
    verified: Arc<AtomicU64>,
}

/// The queue is full, or the turn did not come in time.
#[derive(Debug)]
pub(crate) struct Busy;

impl Hasher {
    pub(crate) fn new(slots: usize) -> Hasher {
        // The hash of nothing anybody can type: verifying against it always fails, after the same work.
        let dummy = hash(&Secret::new("\u{0}no account has this password\u{0}")).unwrap_or_default();
        Hasher {
            slots: Arc::new(Semaphore::new(slots.max(1))),
            queue: Arc::new(Semaphore::new(WAITING_MAX)),
            dummy: dummy.into(),
            verified: Arc::default(),
        }
    }

    /// Exactly one verification, whether there is a hash or not.
    pub(crate) async fn verify(&self, password: Secret, phc: Option<String>) -> Result<bool, Busy> {
        let (phc, known) = match phc {
            Some(phc) if PasswordHash::new(&phc).is_ok() => (Arc::from(phc), true),
            _ => (Arc::clone(&self.dummy), false),
        };
        let verified = Arc::clone(&self.verified);
        let right = self.run(move || {
            verified.fetch_add(1, Ordering::Relaxed);
            verify(&password, &phc)
        });
        Ok(right.await? && known)
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<Option<String>, Busy> {
        self.run(move || hash(&password).ok()).await
    }

    /// Any work that takes a while, in its turn among the hashes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = self.queue.try_acquire().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.slots).acquire_owned();
        let slot = timeout(WAIT_MAX, turn).await.map_err(|_| Busy)?.map_err(|_| Busy)?;
        drop(place);
        // The slot moves with the work: it is given back when the hash is done, not when somebody stops listening.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        done.await.map_err(|_| Busy)
    }

    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_nothing_else() {
        let phc = hash(&Secret::new("s3cret")).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify(&Secret::new("s3cret"), &phc));
        assert!(!verify(&Secret::new("S3cret"), &phc));
        assert!(!verify(&Secret::new(""), &phc));
        assert!(!verify(&Secret::new("s3cret"), "not a hash"));
        assert!(!is_outdated(&phc));
        assert!(is_outdated(&phc.replace("t=2", "t=1")));
    }

    #[tokio::test]
    async fn no_account_takes_one_verification_too_and_the_queue_ends() {
        let hasher = Arc::new(Hasher::new(1));
        assert!(!hasher.verify(Secret::new("x"), None).await.unwrap());
        assert!(!hasher.verify(Secret::new("x"), Some("rubbish".into())).await.unwrap());
        assert_eq!(hasher.verified(), 2);
        let mut waiting = Vec::new();
        let held = Arc::clone(&hasher.slots).acquire_owned().await.unwrap();
        for _ in 0..WAITING_MAX + 3 {
            let hasher = Arc::clone(&hasher);
            waiting.push(tokio::spawn(async move { hasher.run(|| ()).await.is_ok() }));
        }
        while hasher.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        // One of those who wait leaves, and its place is free again.
        waiting[0].abort();
        drop(held);
        let mut served = 0;
        for wait in waiting {
            served += usize::from(wait.await.unwrap_or(false));
        }
        assert_eq!(served, WAITING_MAX - 1);
        assert_eq!(hasher.queue.available_permits(), WAITING_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn whose_turn_does_not_come_is_told_so() {
        let hasher = Hasher::new(1);
        let began = tokio::time::Instant::now();
        let held = Arc::clone(&hasher.slots).acquire_owned().await.unwrap();
        assert!(hasher.run(|| ()).await.is_err());
        assert_eq!(began.elapsed().as_secs(), WAIT_MAX.as_secs());
        assert_eq!(hasher.queue.available_permits(), WAITING_MAX, "the place in the queue is free again");
        drop(held);
        assert!(hasher.run(|| ()).await.is_ok());
    }
}
