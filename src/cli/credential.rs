//! `credential`: credentials of users, by an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    command_context::{self, moment},
    output::{self, Failure, Format},
    secret_input::read_secret,
};
use crate::{
    domain::{
        InvalidField, Reason,
        credential::{CredentialSummary, CredentialValue},
        credential_type::CredentialType,
        principal::Actor,
        save_credential::{UncheckedCredential, UncheckedSaveCredential},
        user::UserId,
        validity::Validity,
    },
    service::{Services, credentials::saving::Credentials, throttling::lockouts::FailedAttempts},
};

/// The subcommands of `credential`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Adds or replaces a credential; the value comes from stdin or a prompt.
    Save {
        #[command(flatten)]
        target: Target,
        /// What is shown instead of the value; without it, the login name.
        #[arg(long)]
        display_value: Option<String>,
        /// From when on it counts, such as 2027-01-01T00:00:00Z; without it, at once.
        #[arg(long)]
        valid_from: Option<String>,
        /// Until when it counts; without it, as long as the type says.
        #[arg(long)]
        valid_to: Option<String>,
    },
    /// Lists a user's credentials, without their values.
    List {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
    },
    /// Deletes a credential; exits 1 when there is none.
    Delete {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
        /// The credential type; what is deleted has to be named.
        #[arg(long = "type")]
        credential_type: String,
    },
    /// Lists what was tried in vain for a user, and until when nothing is tried.
    Attempts {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
    },
    /// Lets a user's secrets be tried again; exits 1 when nothing was counted.
    Unlock {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
        /// The credential type; without it, all of them.
        #[arg(long = "type")]
        credential_type: Option<String>,
    },
    /// Tells whether a value from stdin or a prompt is the stored one; exits 1 when it is not.
    Verify {
        #[command(flatten)]
        target: Target,
    },
}

/// Which credential.
#[derive(Args)]
pub(super) struct Target {
    /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
    #[arg(long)]
    user: String,
    /// The credential type; without it, the configured default.
    #[arg(long = "type")]
    credential_type: Option<String>,
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let services = command_context::open().await?.services;
    match command {
        Command::Save { target, display_value, valid_from, valid_to } => {
            let validity = validity(valid_from.as_deref(), valid_to.as_deref())?;
            save(&services, target, display_value, validity).await
        }
        Command::List { user } => list(&services, &user, format).await,
        Command::Delete { user, credential_type } => {
            delete(&services, Target { user, credential_type: Some(credential_type) }).await
        }
        Command::Attempts { user } => attempts(&services, &user, format).await,
        Command::Unlock { user, credential_type } => {
            unlock(&services, Target { user, credential_type }).await
        }
        Command::Verify { target } => verify(&services, &target).await,
    }
}

async fn save(
    services: &Services,
    target: Target,
    display_value: Option<String>,
    validity: Option<Validity>,
) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, &target.user).await?;
    let credential = UncheckedCredential {
        type_name: target.credential_type,
        value: Some(read_secret("Value")?),
        hash: None,
        display_value,
        validity,
    };
    let unchecked = UncheckedSaveCredential { user_id: Some(user.user_id.as_i32()), credential };
    let command = unchecked.check(services.credentials.types())?;
    let client_info = command_context::client_info();
    services.credentials.save(command_context::change_context(&client_info), command).await?;
    output::print_status("saved");
    Ok(ExitCode::SUCCESS)
}

/// The span of the arguments; `None` when there are none.
fn validity(from: Option<&str>, to: Option<&str>) -> Result<Option<Validity>, InvalidField> {
    let moment = |field, text: Option<&str>| {
        let read = text.map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
        read.map_err(|_| InvalidField::new(field, Reason::NotMoment))
    };
    let (from, to) = (moment("--valid-from", from)?, moment("--valid-to", to)?);
    let validity = Validity::parse("--valid-to", from, to)?;
    Ok((!validity.is_always()).then_some(validity))
}

async fn list(services: &Services, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, user).await?;
    let credentials = services.credentials.list(user.user_id).await?;
    print(format, &credentials)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what may be told about credentials.
pub(super) fn print(format: Format, credentials: &[CredentialSummary]) -> Result<(), Failure> {
    output::rows(format, HEADING, &credentials.iter().map(row).collect::<Vec<_>>())
}

/// The same, for programs.
pub(super) fn objects(credentials: &[CredentialSummary]) -> Value {
    credentials.iter().map(|of| output::object(HEADING, &row(of))).collect()
}

const HEADING: [&str; 13] = [
    "USER",
    "TYPE",
    "DISPLAY VALUE",
    "VERSION",
    "REGISTERED",
    "REGISTERED BY",
    "UPDATED",
    "UPDATED BY",
    "VALID FROM",
    "VALID TO",
    "LAST USED",
    "SCHEME",
    "ADDRESS",
];

fn row(summary: &CredentialSummary) -> [Value; 13] {
    let perhaps = |at: Option<OffsetDateTime>| at.map_or(Value::Null, moment);
    let last_use = summary.last_use.as_ref();
    [
        json!(summary.user_id.as_i32()),
        json!(summary.credential_type),
        json!(summary.display_value),
        json!(summary.version),
        moment(summary.registered_at),
        json!(summary.registered_by.map(UserId::as_i32)),
        moment(summary.updated_at),
        json!(summary.updated_by.map(UserId::as_i32)),
        perhaps(summary.validity.from()),
        perhaps(summary.validity.to()),
        perhaps(last_use.map(|of| of.at)),
        json!(last_use.map(|of| of.scheme.as_str())),
        json!(last_use.and_then(|of| of.address.as_deref())),
    ]
}

async fn delete(services: &Services, target: Target) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, &target.user).await?;
    let credential_type = credential_type(&services.credentials, &target)?;
    let client_info = command_context::client_info();
    let context = command_context::change_context(&client_info);
    let deleted = services.credentials.delete(context, user.user_id, credential_type).await?;
    command_context::answer(deleted, "deleted", "there is no such credential")
}

async fn attempts(services: &Services, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, user).await?;
    let listed = services.lockouts.list(Actor::Command, user.user_id).await?.unwrap_or_default();
    let row = |failed: &FailedAttempts| {
        let next = failed.next_allowed_at.map_or(Value::Null, moment);
        [json!(failed.credential_type), json!(failed.failures), next, json!(failed.is_stopped)]
    };
    let rows: Vec<_> = listed.iter().map(row).collect();
    output::rows(format, ["TYPE", "FAILURES", "NEXT ALLOWED", "STOPPED"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn unlock(services: &Services, target: Target) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, &target.user).await?;
    let named = target.credential_type.is_some();
    let of = named.then(|| credential_type(&services.credentials, &target)).transpose()?;
    let client_info = command_context::client_info();
    let unlocked = services
        .lockouts
        .unlock(command_context::change_context(&client_info), user.user_id, of)
        .await?;
    command_context::answer(unlocked, "unlocked", "nothing was tried in vain")
}

async fn verify(services: &Services, target: &Target) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.directory, &target.user).await?;
    let credential_type = credential_type(&services.credentials, target)?;
    let value = CredentialValue::parse("Value", &read_secret("Value")?)?;
    let is_same = services.credentials.verify(user.user_id, credential_type, &value).await?;
    command_context::answer(is_same, "this is the stored value", "this is not the stored value")
}

fn credential_type<'types>(
    credentials: &'types Credentials,
    target: &Target,
) -> Result<&'types CredentialType, InvalidField> {
    let unknown = || InvalidField::new("--type", Reason::UnknownType);
    match &target.credential_type {
        None => Ok(credentials.types().default_type()),
        Some(name) => credentials.types().find(name).ok_or_else(unknown),
    }
}
