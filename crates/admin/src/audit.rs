//! The audit log over HTTP: a page at a time backwards, or the whole of it as CSV while it is being read.

use crate::Desk;
use crate::asker::{Asked, May, SeeAudit};
use crate::lines::{self, Wanted};
use auth::{Core, Reason, Refusal};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{AUDIT_LINES_MAX, AuditFilter, AuditLine, Store};
use utoipa::ToSchema;

/// Lines of a page where nobody said how many, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 500;
/// Lines read at once for an export; more than one such page is never held.
const EXPORT_PAGE: u32 = 1000;

#[derive(Deserialize, Default)]
pub(crate) struct Query {
    who: Option<String>,
    what: Option<String>,
    outcome: Option<String>,
    from: Option<String>,
    to: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

impl Query {
    fn filter(&self) -> Result<AuditFilter, Refusal> {
        let wanted = Wanted {
            who: self.who.as_deref(),
            what: self.what.as_deref(),
            outcome: self.outcome.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
        };
        lines::filter(&wanted).map_err(|field| Refusal::from(Reason::BadRequest).with("field", field))
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    lines: Vec<AuditRow>,
    /// The next page is asked with this as `before`; none: this was the last.
    next: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditRow {
    id: u64,
    /// Milliseconds since 1970.
    at: i64,
    who: String,
    from: String,
    what: String,
    outcome: String,
    whom: Option<String>,
    #[schema(value_type = Option<Object>)]
    detail: Option<Value>,
}

impl From<AuditLine> for AuditRow {
    fn from(line: AuditLine) -> AuditRow {
        let whom = line.whom.reveal();
        AuditRow {
            id: line.id,
            at: line.at.0,
            who: line.who.reveal().to_owned(),
            whom: (!whom.is_empty()).then(|| whom.to_owned()),
            from: line.from,
            what: line.what,
            outcome: line.outcome,
            detail: line.detail,
        }
    }
}

/// `GET /api/admin/audit?who=&what=&outcome=&from=&to=&before=&limit=`.
pub(crate) async fn list<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeAudit>,
    Asked(query): Asked<Query>,
) -> Result<Json<AuditPage>, Refusal> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    // One line more than is shown tells whether there is another page.
    let mut found = desk.auth.store().audit_page(&query.filter()?, query.before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = if more { found.last().map(|line| line.id) } else { None };
    Ok(Json(AuditPage { lines: found.into_iter().map(AuditRow::from).collect(), next }))
}

/// Where an export stands.
struct Export<S> {
    store: Arc<S>,
    filter: AuditFilter,
    before: Option<u64>,
    left: u64,
    begun: bool,
    /// Given back when the last line is sent or nobody reads any more.
    _place: tokio::sync::OwnedSemaphorePermit,
}

/// `GET /api/admin/audit.csv?…`: all lines that fit, newest first, read while they are sent. An export is an event itself.
pub(crate) async fn export<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<SeeAudit>,
    Asked(query): Asked<Query>,
) -> Result<Response, Refusal> {
    let filter = query.filter()?;
    let place = Arc::clone(&desk.exports).try_acquire_owned().map_err(|_| Reason::Busy)?;
    let detail = json!({
        "who": query.who, "what": query.what, "outcome": query.outcome, "from": query.from, "to": query.to,
    });
    desk.note(&boss, "audit_export", "done", "", Some(detail)).await;
    let export = Export {
        store: desk.auth.store_shared(),
        filter,
        before: query.before,
        left: AUDIT_LINES_MAX,
        begun: false,
        _place: place,
    };
    let body = Body::from_stream(stream::try_unfold(export, |export| next(export)));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.csv\"")),
    ];
    Ok((headers, body).into_response())
}

/// The next piece. An error breaks the connection off, so that half a file is never taken for a whole one.
async fn next<S: Store>(mut export: Export<S>) -> Result<Option<(Vec<u8>, Export<S>)>, terms::StoreError> {
    if !export.begun {
        export.begun = true;
        return Ok(Some((lines::heading(), export)));
    }
    let limit = EXPORT_PAGE.min(u32::try_from(export.left).unwrap_or(EXPORT_PAGE));
    if limit == 0 {
        return Ok(None);
    }
    let page = export.store.audit_page(&export.filter, export.before, limit).await?;
    let Some(last) = page.last() else { return Ok(None) };
    export.before = Some(last.id);
    export.left -= page.len() as u64;
    Ok(Some((lines::csv(&page), export)))
}
