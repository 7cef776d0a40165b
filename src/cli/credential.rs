//! `credential`: manages the credentials of users.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    command_context::{self, Operator, ReasonArgument, timestamp},
    credential_target::{Target, credential_type},
    output::{self, Failure, Format},
    require_change::{self, RequireArguments},
    secret_input::read_secret,
};
use crate::{
    domain::{
        InvalidField, Reason,
        change_cause::ChangeCause,
        credential::{CredentialSummary, CredentialValue},
        principal::Actor,
        save_credential::{UncheckedCredential, UncheckedSaveCredential},
        user::UserId,
        validity::Validity,
    },
    service::{Services, throttling::lockouts::FailedAttempts},
};

/// The subcommands of `credential`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add or replace a credential; read the value from standard input or a prompt.
    Save {
        #[command(flatten)]
        target: Target,
        /// Text to show instead of the value [default: the login name].
        #[arg(long)]
        display_value: Option<String>,
        /// Time from which the credential is valid, such as 2027-01-01T00:00:00Z [default: now].
        #[arg(long)]
        valid_from: Option<String>,
        /// Time at which the credential expires [default: by the credential type].
        #[arg(long)]
        valid_to: Option<String>,
        /// Require the owner to change it: until then it allows nothing else.
        #[arg(long)]
        must_change: bool,
        #[command(flatten)]
        reason: ReasonArgument,
    },
    /// List the credentials of a user, without the values.
    List {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
    },
    /// Delete a credential; exit 1 if it is not found.
    Delete {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
        /// Credential type.
        #[arg(long = "type")]
        credential_type: String,
        #[command(flatten)]
        reason: ReasonArgument,
    },
    /// Require owners to change a credential, and end everything issued to them.
    RequireChange(RequireArguments),
    /// Withdraw the requirement to change a credential; exit 1 if there is none.
    ClearChange {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        reason: ReasonArgument,
    },
    /// List the failed attempts counted for a user and the time of the next allowed attempt.
    Attempts {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
    },
    /// Unlock a user's credentials and reset the failed attempts; exit 1 if none are counted.
    Unlock {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
        /// Credential type [default: all types].
        #[arg(long = "type")]
        credential_type: Option<String>,
        #[command(flatten)]
        reason: ReasonArgument,
    },
    /// Verify a value from standard input or a prompt; exit 1 if it does not match.
    Verify {
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let services = command_context::open().await?.services;
    match command {
        Command::Save { target, display_value, valid_from, valid_to, must_change, reason } => {
            let validity = validity(valid_from.as_deref(), valid_to.as_deref())?;
            let change_required = must_change.then_some(ChangeCause::Administrator);
            let operator = reason.operator()?;
            save(&services, &operator, target, display_value, validity, change_required).await
        }
        Command::RequireChange(arguments) => require_change::require(&services, arguments).await,
        Command::ClearChange { target, reason } => {
            require_change::clear(&services, &reason.operator()?, &target).await
        }
        Command::List { user } => list(&services, &user, format).await,
        Command::Delete { user, credential_type, reason } => {
            let target = Target { user, credential_type: Some(credential_type) };
            delete(&services, &reason.operator()?, target).await
        }
        Command::Attempts { user } => attempts(&services, &user, format).await,
        Command::Unlock { user, credential_type, reason } => {
            unlock(&services, &reason.operator()?, Target { user, credential_type }).await
        }
        Command::Verify { target } => verify(&services, &target).await,
    }
}

async fn save(
    services: &Services,
    operator: &Operator,
    target: Target,
    display_value: Option<String>,
    validity: Option<Validity>,
    change_required: Option<ChangeCause>,
) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let credential = UncheckedCredential {
        type_name: target.credential_type,
        value: Some(read_secret("Value")?),
        hash: None,
        display_value,
        validity,
        change_required,
    };
    let unchecked = UncheckedSaveCredential { user_id: Some(user.user_id.as_i32()), credential };
    let command = unchecked.check(services.credentials.types())?;
    services.credentials.save(operator.change_context(), command).await?;
    output::print_status("credential saved");
    Ok(ExitCode::SUCCESS)
}

/// Parses the validity arguments; `None` if there are none.
fn validity(from: Option<&str>, to: Option<&str>) -> Result<Option<Validity>, InvalidField> {
    let parse_time = |field, text: Option<&str>| {
        let parsed = text.map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
        parsed.map_err(|_| InvalidField::new(field, Reason::NotMoment))
    };
    let (from, to) = (parse_time("--valid-from", from)?, parse_time("--valid-to", to)?);
    let validity = Validity::parse("--valid-to", from, to)?;
    Ok((!validity.is_always()).then_some(validity))
}

async fn list(services: &Services, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, user).await?;
    let credentials = services.credentials.list(user.user_id).await?;
    print(format, &credentials)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints credentials without their values.
pub(super) fn print(format: Format, credentials: &[CredentialSummary]) -> Result<(), Failure> {
    output::print_rows(format, HEADING, &credentials.iter().map(row).collect::<Vec<_>>())
}

/// Credentials without their values, as JSON.
pub(super) fn json_objects(credentials: &[CredentialSummary]) -> Value {
    credentials.iter().map(|summary| output::json_object(HEADING, &row(summary))).collect()
}

const HEADING: [&str; 14] = [
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
    "MUST CHANGE",
    "LAST USED",
    "SCHEME",
    "ADDRESS",
];

fn row(summary: &CredentialSummary) -> [Value; 14] {
    let optional = |time: Option<OffsetDateTime>| time.map_or(Value::Null, timestamp);
    let last_use = summary.last_use.as_ref();
    [
        json!(summary.user_id.as_i32()),
        json!(summary.credential_type),
        json!(summary.display_value),
        json!(summary.version),
        timestamp(summary.registered_at),
        json!(summary.registered_by.map(UserId::as_i32)),
        timestamp(summary.updated_at),
        json!(summary.updated_by.map(UserId::as_i32)),
        optional(summary.validity.from()),
        optional(summary.validity.to()),
        json!(summary.change_required.map(ChangeCause::as_str)),
        optional(last_use.map(|last_use| last_use.at)),
        json!(last_use.map(|last_use| last_use.scheme.as_str())),
        json!(last_use.and_then(|last_use| last_use.address.as_deref())),
    ]
}

async fn delete(
    services: &Services,
    operator: &Operator,
    target: Target,
) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let credential_type = credential_type(&services.credentials, &target)?;
    let context = operator.change_context();
    let deleted = services.credentials.delete(context, user.user_id, credential_type, None).await?;
    command_context::print_outcome(deleted, "credential deleted", "credential not found")
}

async fn attempts(services: &Services, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, user).await?;
    let lockouts = &services.overviews.lockouts;
    let listed = lockouts.list(Actor::Command, user.user_id).await?.unwrap_or_default();
    let row = |failed: &FailedAttempts| {
        let next = failed.next_allowed_at.map_or(Value::Null, timestamp);
        [json!(failed.credential_type), json!(failed.failures), next, json!(failed.is_stopped)]
    };
    let rows: Vec<_> = listed.iter().map(row).collect();
    output::print_rows(format, ["TYPE", "FAILURES", "NEXT ALLOWED", "STOPPED"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn unlock(
    services: &Services,
    operator: &Operator,
    target: Target,
) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let has_type = target.credential_type.is_some();
    let only = has_type.then(|| credential_type(&services.credentials, &target)).transpose()?;
    let context = operator.change_context();
    let unlocked = services.overviews.lockouts.unlock(context, user.user_id, only).await?;
    command_context::print_outcome(unlocked, "unlocked", "no failed attempts found")
}

async fn verify(services: &Services, target: &Target) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let credential_type = credential_type(&services.credentials, target)?;
    let value = CredentialValue::parse("Value", &read_secret("Value")?)?;
    let is_match = services.credentials.verify(user.user_id, credential_type, &value).await?;
    command_context::print_outcome(is_match, "the value matches", "the value does not match")
}
