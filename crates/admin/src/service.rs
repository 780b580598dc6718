//! How the house itself stands: its licence and certificates, and whether its letters go out.

use crate::asker::{May, Said, SeeSecurity, SendTestMail};
use crate::{Desk, Done};
use auth::mail::MailError;
use auth::{Core, Reason, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;
use terms::EmailAddress;
use utoipa::ToSchema;

/// `GET /api/admin/licence`.
pub(crate) async fn licence<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeSecurity>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(desk.auth.describe_licence().await?))
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Try {
    /// Where the letter goes.
    to: String,
}

/// `POST /api/admin/mail/test`: sends one now and says what the mail server said. Each try is written down, so that nobody
/// uses the house to send letters to strangers unseen.
pub(crate) async fn test_mail<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<SendTestMail>,
    Said(Try { to }): Said<Try>,
) -> Result<Json<Done>, Refusal> {
    let to: EmailAddress = to.trim().parse().map_err(|_| Reason::EmailInvalid)?;
    let sent = desk.auth.test_mail(&to).await;
    let outcome = match &sent {
        Ok(_) => "done",
        Err(error) => error.word(),
    };
    desk.note(&boss, "mail_test", outcome, "", Some(json!({ "to": to.reveal() }))).await;
    match sent {
        Ok(said) => Ok(Json(Done {
            sentence: format!("A letter to {} was taken by the mail server.", to.reveal()),
            effect: json!({ "to": to.reveal(), "said": said }),
        })),
        Err(MailError::NotSet) => Err(Reason::MailNotSet.into()),
        Err(error) => Err(Refusal::from(Reason::MailFailed).with("why", error.to_string())),
    }
}
