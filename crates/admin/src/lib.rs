//! HTTP for administrators, engineers and supervisors: who may do what, and what it does. Whatever changes something is
//! written to the audit log with who, whom, from where and what came of it, and the answer names the effect.

mod agents;
mod asker;
mod audit;
pub mod lines;
mod logins;
pub mod made;
mod me;
pub mod openapi;
mod operations;
mod phones;
mod security;
mod service;
mod sites;

pub use asker::{Asked, May, Named, Needs, Said};
pub use sites::CONFIRM_LIVES;

use auth::{Auth, Core};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use store::{AuditEntry, Store};
use terms::{Pii, Rights};
use tokio::sync::{Semaphore, watch};
use utoipa::ToSchema;

/// Exports of the audit log at once; each reads the store page by page.
const EXPORTS_MAX: usize = 2;

/// What handlers share. Cheap to clone.
pub struct Desk<S, C> {
    pub(crate) auth: Auth<S, C>,
    rights: watch::Receiver<Rights>,
    pub(crate) confirms: Arc<sites::Confirms>,
    pub(crate) exports: Arc<Semaphore>,
}

impl<S, C> Clone for Desk<S, C> {
    fn clone(&self) -> Self {
        Desk {
            auth: self.auth.clone(),
            rights: self.rights.clone(),
            confirms: Arc::clone(&self.confirms),
            exports: Arc::clone(&self.exports),
        }
    }
}

/// Something was done: a sentence for the person, and what changed for the page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    pub(crate) sentence: String,
    #[schema(value_type = Object)]
    pub(crate) effect: Value,
}

impl<S: Store, C: Core> Desk<S, C> {
    /// Which role has which rights now; a reload may change it.
    pub(crate) fn rights(&self) -> Rights {
        self.rights.borrow().clone()
    }

    /// A line of the audit log about something this person did.
    pub(crate) async fn note<N>(
        &self,
        boss: &May<N>,
        what: &str,
        outcome: &str,
        whom: &str,
        detail: Option<Value>,
    ) {
        let entry = AuditEntry {
            at: self.auth.now(),
            who: Pii::new(boss.name()),
            from: boss.from.to_string(),
            what: what.to_owned(),
            outcome: outcome.to_owned(),
            whom: Pii::new(whom),
            detail,
        };
        self.auth.audit_entry(entry).await;
    }
}

/// Everything under `/api/admin`, and the description of the whole API. Belongs beside `auth::router`, with whose sessions it
/// works. `rights` always holds what the configuration says.
pub fn router<S: Store, C: Core>(auth: Auth<S, C>, rights: watch::Receiver<Rights>) -> axum::Router {
    let desk = Desk {
        auth: auth.clone(),
        rights,
        confirms: Arc::default(),
        exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
    };
    let routes = axum::Router::new()
        .route("/api/openapi.json", get(openapi::serve))
        .route("/api/admin/me", get(me::me::<S, C>))
        .route("/api/admin/agents", get(agents::list::<S, C>))
        .route("/api/admin/agents/{name}/unlock", post(agents::unlock::<S, C>))
        .route("/api/admin/agents/{name}/disable", post(agents::disable::<S, C>))
        .route("/api/admin/agents/{name}/enable", post(agents::enable::<S, C>))
        .route("/api/admin/agents/{name}/role", post(agents::role::<S, C>))
        .route("/api/admin/agents/{name}/email", post(agents::email::<S, C>))
        .route("/api/admin/agents/{name}/password", post(agents::password::<S, C>))
        .route("/api/admin/agents/{name}/factors/reset", post(agents::reset_factors::<S, C>))
        .route("/api/admin/logins", get(logins::list::<S, C>))
        .route("/api/admin/logins/{id}/end", post(logins::end::<S, C>))
        .route("/api/admin/phones", get(phones::list::<S, C>))
        .route("/api/admin/phones/{name}/free", post(phones::free::<S, C>))
        .route("/api/admin/sites", get(sites::list::<S, C>))
        .route("/api/admin/sites/{site}/logout", post(sites::logout::<S, C>))
        .route("/api/admin/audit", get(audit::list::<S, C>))
        .route("/api/admin/audit.csv", get(audit::export::<S, C>))
        .route("/api/admin/security", get(security::overview::<S, C>))
        .route("/api/admin/licence", get(service::licence::<S, C>))
        .route("/api/admin/mail/test", post(service::test_mail::<S, C>))
        .with_state(desk);
    auth::guarded(routes, auth)
}
