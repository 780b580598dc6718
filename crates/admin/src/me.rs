//! What the one who asks may do, so that a page shows only that.

use crate::Desk;
use crate::asker::{May, Nothing};
use auth::{Core, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::Store;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// As in `/api/me`.
    #[schema(value_type = Object)]
    agent: Value,
    /// Words of `Right`; an agent has none.
    #[schema(value_type = Vec<String>)]
    rights: Vec<&'static str>,
}

/// `GET /api/admin/me`.
pub(crate) async fn me<S: Store, C: Core>(
    State(_): State<Desk<S, C>>,
    asker: May<Nothing>,
) -> Result<Json<Me>, Refusal> {
    let agent = auth::agent_json(&asker.account);
    Ok(Json(Me { agent, rights: asker.rights.iter().map(|right| right.word()).collect() }))
}
