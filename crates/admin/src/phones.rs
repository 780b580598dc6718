//! Phones as engineers see them, and giving one back to everybody.

use crate::asker::{FreePhones, May, Named, SeePhones};
use crate::{Desk, Done};
use auth::{Core, PhoneSeat, Reason, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::Store;
use terms::LoginEndReason;
use utoipa::ToSchema;

/// A phone, whether it is there, and who sits at it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneRow {
    name: String,
    label: String,
    site: String,
    floor: String,
    enabled: bool,
    /// `never_registered`, `registered`, `suspect`, `unreachable` or `expired`.
    #[schema(value_type = String)]
    state: terms::PhoneState,
    /// Since when it is in this state; milliseconds since 1970.
    since: Option<i64>,
    login: Option<PhoneLogin>,
}

/// Who sits at a phone.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneLogin {
    id: u64,
    agent: String,
    display_name: String,
    since: i64,
    #[schema(value_type = String)]
    activity: terms::Activity,
}

impl From<PhoneSeat> for PhoneRow {
    fn from(seat: PhoneSeat) -> PhoneRow {
        let PhoneSeat { phone, enabled, state, since, seated } = seat;
        let login = seated.map(|seated| {
            let names = seated.agent.map(|agent| (agent.login_name, agent.display_name));
            let (agent, display_name) = names.unwrap_or_default();
            let (id, since) = (seated.login.id.0, seated.login.since.0);
            PhoneLogin { id, agent, display_name, since, activity: seated.activity }
        });
        let since = since.map(|since| since.0);
        let auth::PhoneName { name, label, site, floor } = phone;
        PhoneRow { name, label, site, floor, enabled, state, since, login }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Phones {
    /// In the natural order of their names.
    phones: Vec<PhoneRow>,
}

/// `GET /api/admin/phones`.
pub(crate) async fn list<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeePhones>,
) -> Result<Json<Phones>, Refusal> {
    desk.auth.refresh().await?;
    let phones = desk.auth.phone_seats().into_iter().map(PhoneRow::from).collect();
    Ok(Json(Phones { phones }))
}

/// `POST /api/admin/phones/{name}/free`: whoever sits there is logged out, and told that the phone was freed.
pub(crate) async fn free<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<FreePhones>,
    Named(name): Named,
) -> Result<Json<Done>, Refusal> {
    desk.auth.refresh().await?;
    let seat = desk
        .auth
        .phone_seat(&name)
        .ok_or_else(|| Refusal::from(Reason::NotFound).saying("There is no such phone."))?;
    let seated = seat.seated.ok_or(Reason::PhoneFree)?;
    let done = desk.end(&boss, seated, LoginEndReason::PhoneFreed, "phone_freed").await?;
    Ok(Json(done.ok_or(Reason::PhoneFree)?))
}
