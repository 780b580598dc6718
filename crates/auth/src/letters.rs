//! The letters we write: what stands in them, for people. Headers are made in `mail`; nothing a stranger typed comes into one.

use crate::mail::Letter;
use store::Account;
use terms::{EmailAddress, Secret, WallTime};

/// The time as people read it, to the minute: `2026-11-24 10:15 UTC`.
fn minute(at: WallTime) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or_default())
}

/// Somebody asked for a new password, and this account has one of ours. `link` is as good as the password until `expires`.
pub(crate) fn reset(
    to: EmailAddress,
    account: &Account,
    link: &Secret,
    at: WallTime,
    expires: WallTime,
    from: &str,
) -> Letter {
    let agent = &account.agent;
    let text = format!(
        "Hello {},\n\n\
         somebody asked for a new password for your login \"{}\" at {}, from the address {from}.\n\n\
         To choose one, open this link before {}. It works once:\n\n\
         {}\n\n\
         If it was not you, there is nothing to do: your password stays as it is.\n",
        agent.display_name,
        agent.login_name,
        minute(at),
        minute(expires),
        link.expose()
    );
    Letter { to, subject: "Choose a new password", text: Secret::new(text) }
}

/// Somebody asked for a new password, and this account's is not ours to change.
pub(crate) fn elsewhere(to: EmailAddress, account: &Account, at: WallTime, from: &str) -> Letter {
    let agent = &account.agent;
    let text = format!(
        "Hello {},\n\n\
         somebody asked for a new password for your login \"{}\" at {}, from the address {from}.\n\n\
         You log in here with the account of your company, so its password is not kept here. Please change it where your \
         company manages its accounts, or ask your administrator.\n\n\
         If it was not you, there is nothing to do.\n",
        agent.display_name,
        agent.login_name,
        minute(at)
    );
    Letter { to, subject: "About your password", text: Secret::new(text) }
}

/// The password is another one now: the owner hears of it, whoever did it.
pub(crate) fn changed(to: EmailAddress, account: &Account, at: WallTime, from: &str) -> Letter {
    let agent = &account.agent;
    let text = format!(
        "Hello {},\n\n\
         the password of your login \"{}\" was changed at {}, by a link from a letter to this address, from the address \
         {from}. Wherever you were logged in, that login has ended.\n\n\
         If it was not you, tell your administrator at once: somebody else reads your mail.\n",
        agent.display_name,
        agent.login_name,
        minute(at)
    );
    Letter { to, subject: "Your password was changed", text: Secret::new(text) }
}

/// Somebody showed the right password and codes that were none, until the account was blocked.
pub(crate) fn codes_guessed(to: EmailAddress, account: &Account, at: WallTime, from: &str) -> Letter {
    let agent = &account.agent;
    let text = format!(
        "Hello {},\n\n\
         somebody logged in as \"{}\" with the right password and then showed wrong codes of the second factor, until the login \
         was blocked at {}. The last one came from the address {from}.\n\n\
         If it was you, wait or ask your administrator. If it was not, somebody knows your password: choose another one, and \
         tell your administrator.\n",
        agent.display_name,
        agent.login_name,
        minute(at)
    );
    Letter { to, subject: "Somebody may know your password", text: Secret::new(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_people() {
        assert_eq!(minute(WallTime(1_795_444_325_120)), "2026-11-23 14:32 UTC");
    }
}
