//! Asks the directory again and again about those who are in: whoever it no longer vouches for is out, and their phone is
//! free. A directory that does not answer ends nobody's day.

use super::account::Why;
use crate::Core;
use crate::state::Auth;
use std::time::Duration;
use store::{Present, Store};
use terms::LoginEndReason;

/// How long until it is looked whether a directory is there at all.
const NONE_YET: Duration = Duration::from_secs(5);
/// So many may vanish at once before it is the search that looks broken. Disabled is said of each; vanished is silence.
const VANISHED_MAX: usize = 3;

pub(crate) async fn run<S: Store, C: Core>(auth: Auth<S, C>) {
    loop {
        let directory = auth.settings.ways.directory();
        let every = directory.as_ref().map_or(NONE_YET, |directory| directory.settings.watch_every);
        tokio::time::sleep(every).await;
        let Some(directory) = directory.filter(|directory| directory.settings.service.is_some()) else {
            continue;
        };
        let now = auth.now();
        let present = match auth.store.directory_people(now).await {
            Ok(present) if !present.is_empty() => present,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "who sits by way of the directory is not known");
                continue;
            }
        };
        let names: Vec<String> = present.iter().map(|person| person.login_name.clone()).collect();
        // An answer that did not come was told to the log already.
        let Ok(standings) = directory.standings(&names, now).await else { continue };
        for (person, why) in out(&present, &standings, directory.settings.locked_ends_login) {
            if let Err(error) = end(&auth, person, why).await {
                tracing::warn!(%error, "a login that the directory no longer wants was not ended; next time");
            }
        }
    }
}

/// Whose login ends, and why.
fn out<'p>(
    present: &'p [Present],
    standings: &[Result<(), Why>],
    locked_ends: bool,
) -> Vec<(&'p Present, Why)> {
    let vanished = standings.iter().filter(|standing| **standing == Err(Why::Unknown)).count();
    // A service account that may no longer read finds nobody; an administrator removes one, or two.
    let believed = vanished <= VANISHED_MAX || vanished * 2 <= present.len();
    if !believed {
        tracing::error!(
            vanished,
            asked = present.len(),
            "the directory finds too few of those who sit; nobody is ended"
        );
    }
    let ends = |why: Why| match why {
        Why::Disabled | Why::Expired => true,
        Why::Unknown => believed,
        Why::Locked => locked_ends,
        _ => false,
    };
    let all = present.iter().zip(standings);
    all.filter_map(|(person, standing)| Some((person, standing.err().filter(|why| ends(*why))?))).collect()
}

async fn end<S: Store, C: Core>(
    auth: &Auth<S, C>,
    person: &Present,
    why: Why,
) -> Result<(), terms::StoreError> {
    auth.store.drop_pending_sessions(person.agent).await?;
    let now = auth.now();
    if let Some(login) = person.login
        && auth.store.end_login(login, LoginEndReason::DirectoryRefused, now, "").await?.is_some()
    {
        auth.core.poke();
        auth.poke();
    }
    auth.audit(&person.login_name, "directory", "logout", why.word()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::{AgentId, LoginId};

    fn people(n: u64) -> Vec<Present> {
        let one = |n| Present { agent: AgentId(n), login_name: format!("a{n}"), login: Some(LoginId(n)) };
        (1..=n).map(one).collect()
    }

    #[test]
    fn whom_the_directory_names_is_out_and_silence_about_many_is_not_believed() {
        let present = people(4);
        let standings = [Ok(()), Err(Why::Disabled), Err(Why::Expired), Err(Why::Locked)];
        let names = |out: Vec<(&Present, Why)>| out.iter().map(|(p, _)| p.agent.0).collect::<Vec<_>>();
        assert_eq!(names(out(&present, &standings, false)), [2, 3], "a stranger's guesses end nobody's day");
        assert_eq!(names(out(&present, &standings, true)), [2, 3, 4]);
        let gone = |n: usize| std::iter::repeat_n(Err(Why::Unknown), n).chain(std::iter::repeat(Ok(())));
        let ended = |n: u64, vanished: usize| {
            let present = people(n);
            let standings: Vec<_> = gone(vanished).take(present.len()).collect();
            out(&present, &standings, false).len()
        };
        assert_eq!(ended(1, 1), 1);
        assert_eq!(ended(3, 3), 3);
        assert_eq!(ended(100, 50), 50);
        assert_eq!(ended(100, 51), 0);
        assert_eq!(ended(4, 4), 0);
    }
}
