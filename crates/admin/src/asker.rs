//! Who asks, and whether they may: every handler names the right it needs in its signature, and gets the person only if
//! their role has it. Requests that change something must know the session's CSRF word as well.

use crate::Desk;
use auth::{Core, Reason, Refusal};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::net::IpAddr;
use store::{Account, Store};
use terms::{Right, Role};

/// Names the rights of which a handler needs one.
pub trait Needs: Send + 'static {
    const ANY_OF: &'static [Right];
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $($right:ident)|*;)*) => {
        $($(#[$doc])* pub struct $name;
        impl Needs for $name { const ANY_OF: &'static [Right] = &[$(Right::$right,)*]; })*
    };
}

needs! {
    /// To be told which rights one has, one needs none.
    Nothing: ;
    SeeLogins: SeeLogins;
    EndLogins: EndLogins;
    /// The list of phones serves those who free them and those who look at logins.
    SeePhones: SeeLogins | FreePhones;
    FreePhones: FreePhones;
    /// The list of agents has addresses and locks in it: for those who do something about them.
    SeeAgents: ManageAgents | UnlockAgents;
    UnlockAgents: UnlockAgents;
    ManageAgents: ManageAgents;
    SiteLogout: SiteLogout;
    SeeAudit: SeeAudit;
    SeeSecurity: SeeSecurity;
    SendTestMail: SendTestMail;
}

/// The person who asks and may.
pub struct May<N> {
    pub account: Account,
    pub from: IpAddr,
    pub rights: Vec<Right>,
    needs: PhantomData<N>,
}

impl<N> May<N> {
    pub fn name(&self) -> &str {
        &self.account.agent.login_name
    }

    pub fn role(&self) -> Role {
        self.account.role
    }
}

impl<S: Store, C: Core, N: Needs> FromRequestParts<Desk<S, C>> for May<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk<S, C>) -> Result<May<N>, Refusal> {
        let session = match parts.method.is_safe() {
            true => desk.auth.session(&parts.headers, Reason::NoSession).await?,
            false => desk.auth.session_to_change(&parts.headers, Reason::NoSession).await?,
        };
        let account = desk.auth.account_of(&session).await?;
        let from = desk.auth.client(parts);
        let rights = desk.rights().of(account.role);
        if !N::ANY_OF.is_empty() && !N::ANY_OF.iter().any(|right| rights.contains(right)) {
            let who = &account.agent.login_name;
            tracing::warn!(who, %from, path = parts.uri.path(), "asked for more than the role allows");
            if desk.auth.tells(from) {
                desk.auth.audit(who, from, "administration", Reason::RightMissing.word()).await;
            }
            return Err(Reason::RightMissing.into());
        }
        Ok(May { account, from, rights, needs: PhantomData })
    }
}

/// The one variable part of a path.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Refusal> {
        let Path(name) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Reason::BadRequest)?;
        Ok(Named(name))
    }
}

/// What stands behind the question mark.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Refusal> {
        let Query(asked) =
            Query::<T>::from_request_parts(parts, state).await.map_err(|_| Reason::BadRequest)?;
        Ok(Asked(asked))
    }
}

/// The body.
pub struct Said<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Said<T>, Refusal> {
        let said: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        Ok(Said(said?.0))
    }
}
