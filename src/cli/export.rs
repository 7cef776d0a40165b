//! `export`: users with their credentials as JSON lines, without any secret: what `import` reads.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    output::{self, Failure},
    session::{self, moment},
};
use crate::{
    domain::{credential::CredentialSummary, user::UserId},
    service::users::UserWithCredentials,
};

/// Runs the command.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let service = session::open().await?;
    let mut after: Option<UserId> = None;
    loop {
        let page = service.export_users_after(after).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = Some(last.user.user_id);
        for user in &page {
            output::say(line(user))?;
        }
    }
}

fn line(UserWithCredentials { user, credentials }: &UserWithCredentials) -> Value {
    json!({
        "id": user.user_id.as_i32(),
        "login_name": user.login_name,
        "display_name": user.display_name,
        "type": user.user_type.as_str(),
        "administrator": user.is_administrator,
        "retired": user.is_retired,
        "credentials": credentials.iter().map(credential).collect::<Vec<_>>(),
    })
}

fn credential(summary: &CredentialSummary) -> Value {
    let perhaps = |at: Option<time::OffsetDateTime>| at.map_or(Value::Null, moment);
    json!({
        "type": summary.credential_type,
        "display_value": summary.display_value,
        "valid_from": perhaps(summary.validity.from()),
        "valid_to": perhaps(summary.validity.to()),
    })
}
