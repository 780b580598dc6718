//! `hotseat mail test`: sends a letter by the configured server, now, and says what the server said.

use crate::cli::{Mail, Place};
use crate::{out, place};
use anyhow::bail;
use auth::mail::{Mailer, test_letter};
use terms::EmailAddress;

pub async fn run(place: &Place, json: bool, what: Mail) -> anyhow::Result<()> {
    let Mail::Test { address } = what;
    let to: EmailAddress = address.parse()?;
    let config = place::config(place)?;
    let Some(settings) = config.mail else {
        bail!("no mail server is set; write one into mail.toml of the configuration folder");
    };
    let server = format!("{}:{}", settings.host, settings.port);
    let said = Mailer::new(Some(settings)).try_now(&test_letter(to)).await?;
    let value = serde_json::json!({ "sent": true, "server": server, "said": said });
    out::one(json, &value, || {
        format!("A letter to {address} was taken by {server}, which said: {}", out::clean(&said))
    });
    Ok(())
}
