//! Keeps the board true: notices from the core, rows from the store (whoever wrote them), and logins that ran out.

use crate::Core;
use crate::state::Auth;
use std::time::Duration;
use store::Store;
use terms::{Activity, LoginEndReason, StoreError};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

/// Other processes write to the same store; this is how long it takes until their change shows.
const POLL: Duration = Duration::from_millis(250);
/// How phones stand is asked again now and then, should a notice ever be missing.
const PHONES_AGAIN: Duration = Duration::from_secs(15);
const EXPIRY: Duration = Duration::from_secs(30);
/// A warning or an end by the rules of the session is late by this much at most.
const RULES: Duration = Duration::from_secs(5);

/// Ends when the core is gone.
pub(crate) async fn run<S: Store, C: Core>(auth: Auth<S, C>) {
    // Subscribed before the first look, so that nothing falls in between.
    let mut notices = auth.core.notices();
    let mut poll = interval(POLL);
    let mut phones_again = interval(PHONES_AGAIN);
    let mut expiry = interval(EXPIRY);
    let mut rules = interval(RULES);
    for ticks in [&mut poll, &mut phones_again, &mut expiry, &mut rules] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut store_well = true;
    loop {
        let look = tokio::select! {
            notice = notices.recv() => match notice {
                Ok((_, notice)) => auth.board().notice(notice),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "notices missed, asking how all phones stand");
                    phones_again.reset_immediately();
                    true
                }
                Err(RecvError::Closed) => return,
            },
            () = auth.look_now.notified() => true,
            _ = poll.tick() => true,
            _ = phones_again.tick() => {
                let phones = auth.core.phones().await;
                auth.board().phones(phones);
                false
            }
            _ = rules.tick() => {
                if let Err(error) = auth.end_logins_that_ran_out().await {
                    tracing::warn!(%error, "logins whose time is over were not ended");
                }
                false
            }
            _ = expiry.tick() => {
                if let Err(error) = auth.end_expired_logins().await {
                    tracing::warn!(%error, "logins that ran out were not ended");
                }
                true
            }
        };
        if look {
            let looked = auth.refresh().await;
            if let Err(error) = &looked
                && store_well
            {
                tracing::error!(%error, "phone list is not being kept up to date");
            }
            store_well = looked.is_ok();
        }
    }
}

impl<S: Store, C: Core> Auth<S, C> {
    /// Ends logins whose sessions have all run out, but never during a call (SPEC C10). The router does so by itself.
    pub async fn end_expired_logins(&self) -> Result<(), StoreError> {
        let now = self.now();
        for login in self.store.expired_logins(now).await? {
            let (activity, _) = self.core.activity(login.agent).await;
            if activity != Activity::Idle {
                continue;
            }
            if self.store.end_login(login.id, LoginEndReason::Expired, now, "").await?.is_some() {
                let account = self.store.account_by_id(login.agent).await?;
                let who = account.map_or_else(String::new, |account| account.agent.login_name);
                self.audit(&who, &login.from, "logout", "expired").await;
                self.core.poke();
            }
        }
        Ok(())
    }
}
