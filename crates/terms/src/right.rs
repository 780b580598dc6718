//! What somebody may do beyond their own calls. A role is a bundle of rights; which ones the site's configuration says.

use crate::Role;
use std::collections::{BTreeMap, BTreeSet};

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// One thing somebody may do. A closed list; the words are part of the configuration and the API.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Right { $($(#[$doc])* $name,)* }

        impl Right {
            pub const ALL: &'static [Right] = &[$(Right::$name,)*];
            pub fn word(self) -> &'static str { match self { $(Right::$name => $word,)* } }
        }
    };
}

rights! {
    SeeLogins = "see_logins";
    /// End anybody's login, wherever they sit.
    EndLogins = "end_logins";
    /// Give a phone back to everybody, whoever sits there; a right apart from ending logins (SPEC C8).
    FreePhones = "free_phones";
    UnlockAgents = "unlock_agents";
    ManageAgents = "manage_agents";
    /// End all logins at the phones of a site at once.
    SiteLogout = "site_logout";
    SeeAudit = "see_audit";
    SeeSecurity = "see_security";
    SendTestMail = "send_test_mail";
}

impl Right {
    pub fn from_word(word: &str) -> Option<Right> {
        Right::ALL.iter().copied().find(|right| right.word() == word)
    }
}

/// Which role has which rights. An agent's role never has any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights(BTreeMap<Role, BTreeSet<Right>>);

impl Default for Rights {
    fn default() -> Rights {
        let mut rights = Rights(BTreeMap::new());
        rights.give(Role::Administrator, Right::ALL);
        rights.give(Role::Supervisor, &[Right::SeeLogins, Right::EndLogins]);
        rights.give(Role::Engineer, &[Right::SeeLogins, Right::FreePhones]);
        rights
    }
}

impl Rights {
    /// The role has exactly these from now on. For `Role::Agent` nothing changes.
    pub fn give(&mut self, role: Role, rights: &[Right]) {
        if role != Role::Agent {
            self.0.insert(role, rights.iter().copied().collect());
        }
    }

    pub fn has(&self, role: Role, right: Right) -> bool {
        self.0.get(&role).is_some_and(|rights| rights.contains(&right))
    }

    /// In the order of `Right::ALL`.
    pub fn of(&self, role: Role) -> Vec<Right> {
        self.0.get(&role).map(|rights| rights.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether `one` may do everything that `other` may: only then may one decide about the other's account.
    pub fn covers(&self, one: Role, other: Role) -> bool {
        let none = BTreeSet::new();
        let of = |role| self.0.get(&role).unwrap_or(&none);
        of(one).is_superset(of(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_read_back() {
        let mut words: Vec<_> = Right::ALL.iter().map(|right| right.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Right::ALL.len());
        for right in Right::ALL {
            assert_eq!(Right::from_word(right.word()), Some(*right));
        }
    }

    #[test]
    fn ending_a_login_and_freeing_a_phone_are_two_rights() {
        let rights = Rights::default();
        let may = |role| (rights.has(role, Right::EndLogins), rights.has(role, Right::FreePhones));
        assert_eq!(may(Role::Supervisor), (true, false));
        assert_eq!(may(Role::Engineer), (false, true));
        assert_eq!(may(Role::Administrator), (true, true));
        assert_eq!(rights.of(Role::Agent), []);
        assert!(rights.covers(Role::Administrator, Role::Engineer));
        assert!(!rights.covers(Role::Engineer, Role::Supervisor));
        assert!(rights.covers(Role::Supervisor, Role::Agent));
    }

    #[test]
    fn an_agent_gets_no_rights_by_configuration() {
        let mut rights = Rights::default();
        rights.give(Role::Agent, Right::ALL);
        assert_eq!(rights.of(Role::Agent), []);
        rights.give(Role::Supervisor, &[]);
        assert_eq!(rights.of(Role::Supervisor), []);
    }
}
