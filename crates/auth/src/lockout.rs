//! Wrong passwords over HTTP, and wrong codes behind right ones. Every attempt is charged before anybody looks at the password, whoever the name belongs to or
//! whether to anybody; a browser that logged in before shows a cookie and has a count of its own (SPEC D6, D7).

use crate::Core;
use crate::limits::network;
use crate::refusal::{Reason, Refusal};
use crate::request::{random_token, sha256};
use crate::state::Auth;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotdesk::lockout::Charge;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use std::time::Duration;
use store::{Account, Attempt, BlockReason, Charged, Store, Verdict};
use terms::{AgentId, Secret};

const KNOWN_COOKIE: &str = "__Host-hotseat-known";
/// A browser that nobody logs in from for so long is a stranger again.
const KNOWN_FOR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Where no limit is set, a known browser is written down at most this often.
const SEEN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// One attempt under way. What is neither right nor given back stays counted as wrong, also if the browser does not wait for
/// the answer.
pub(crate) struct Try {
    attempt: Attempt,
    /// `None` where no limit is set.
    charged: Option<Charged>,
    /// The browser's cookie, where it brought one that could be ours.
    cookie: Option<Secret>,
}

impl Try {
    /// Takes an attempt at this name.
    pub(crate) async fn begin<S: Store, C: Core>(
        auth: &Auth<S, C>,
        username: &str,
        parts: &Parts,
    ) -> Result<Try, Refusal> {
        let cookie = known_cookie(&parts.headers);
        let attempt = Attempt {
            login_name: username.to_owned(),
            source: network(auth.client(parts)).to_string(),
            browser: cookie.as_ref().map(sha256),
            at: auth.now(),
            limit: auth.policies().lockout,
        };
        let charged = match attempt.limit.wrong {
            0 => None,
            _ => Some(auth.store.charge_attempt(&attempt).await?),
        };
        Ok(Try { attempt, charged, cookie })
    }

    /// Whether the right password opens this account now.
    pub(crate) fn opens(&self, account: &Account) -> bool {
        !self.is_refused() && !is_closed(account, self)
    }

    fn is_refused(&self) -> bool {
        self.charged.is_some_and(|charged| charged.charge == Charge::Refused)
    }

    /// The password was wrong, or right and of no use: what is said, the same in both cases.
    pub(crate) async fn wrong<S: Store, C: Core>(
        &self,
        auth: &Auth<S, C>,
        account: Option<&Account>,
    ) -> Result<Reason, Refusal> {
        let blocks = match self.charged {
            Some(charged) => match charged.charge {
                Charge::Refused => true,
                Charge::Taken { blocks: None } => false,
                Charge::Taken { blocks: Some(_) } => {
                    auth.store.settle_attempt(&self.attempt, charged, Verdict::Wrong).await?;
                    true
                }
            },
            None => false,
        };
        let closed = account.is_some_and(|account| is_closed(account, self));
        Ok(if blocks || closed { Reason::Blocked } else { Reason::WrongCredentials })
    }

    /// The password was right, and opens the account: the browser is known from now on, by the cookie that comes back.
    pub(crate) async fn right<S: Store, C: Core>(
        &self,
        auth: &Auth<S, C>,
        agent: AgentId,
    ) -> Result<HeaderValue, Refusal> {
        let token = match &self.cookie {
            Some(token) => token.clone(),
            None => random_token().ok_or(Reason::Busy)?,
        };
        let browser = sha256(&token);
        match self.charged {
            Some(charged) => {
                let verdict = Verdict::Right { agent, browser };
                auth.store.settle_attempt(&self.attempt, charged, verdict).await?;
            }
            None => {
                let seen = auth.store.browser_seen(agent, browser).await?;
                if seen.is_none_or(|seen| self.attempt.at.since(seen) >= SEEN_EVERY) {
                    auth.store.know_browser(agent, browser, self.attempt.at).await?;
                }
            }
        }
        set_known_cookie(&token).ok_or_else(|| Reason::Busy.into())
    }

    /// Nobody looked at the password, or it was right and a second factor is still to come: it was no wrong attempt, and it
    /// proves nothing yet. What was counted stays, and the browser is as unknown as before.
    pub(crate) async fn give_back<S: Store, C: Core>(&self, auth: &Auth<S, C>) {
        if let Some(charged) = self.charged
            && let Err(error) = auth.store.settle_attempt(&self.attempt, charged, Verdict::NotLooked).await
        {
            tracing::warn!(%error, "an attempt that was not looked at stays counted");
        }
    }
}

/// Blocked on purpose, for every browser. Blocks by wrong passwords are the attempts' own.
fn is_closed(account: &Account, this: &Try) -> bool {
    account
        .blocked
        .is_some_and(|block| block.why != BlockReason::WrongPasswords && block.holds(this.attempt.at))
}

/// The value of our cookie, if it could be one: 256 bits in base64.
fn known_cookie(headers: &HeaderMap) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == KNOWN_COOKIE);
    let (_, value) = ours.next()?;
    let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
    (bytes.len() == 32).then(|| Secret::new(value))
}

fn set_known_cookie(token: &Secret) -> Option<HeaderValue> {
    let text = format!(
        "{KNOWN_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
        token.expose(),
        KNOWN_FOR.as_secs()
    );
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
