//! `credential`: credentials of users, by an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    output::{self, Failure, Format},
    secret_input::read_secret,
    session::{self, moment},
};
use crate::{
    domain::{
        InvalidField, Reason,
        credential::{CredentialSummary, CredentialValue},
        credential_type::CredentialType,
        save_credential::{UncheckedCredential, UncheckedSaveCredential},
    },
    service::Service,
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
    },
    /// Lists a user's credentials, without their values.
    List {
        /// The user's id or login name.
        #[arg(long)]
        user: String,
    },
    /// Deletes a credential; exits 1 when there is none.
    Delete {
        #[command(flatten)]
        target: Target,
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
    /// The user's id or login name.
    #[arg(long)]
    user: String,
    /// The credential type; without it, the configured default.
    #[arg(long = "type")]
    credential_type: Option<String>,
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let service = session::open().await?;
    match command {
        Command::Save { target, display_value } => save(&service, target, display_value).await,
        Command::List { user } => list(&service, &user, format).await,
        Command::Delete { target } => delete(&service, &target).await,
        Command::Verify { target } => verify(&service, &target).await,
    }
}

async fn save(
    service: &Service,
    target: Target,
    display_value: Option<String>,
) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, &target.user).await?;
    let credential = UncheckedCredential {
        type_name: target.credential_type,
        value: Some(read_secret("Value")?),
        display_value,
    };
    let unchecked = UncheckedSaveCredential { user_id: Some(user.user_id.as_i32()), credential };
    let command = unchecked.check(&service.types)?;
    let origin = session::origin();
    service.save_credential(session::author(&origin), command).await?;
    output::complain("saved");
    Ok(ExitCode::SUCCESS)
}

async fn list(service: &Service, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, user).await?;
    let credentials = service.list_credentials(user.user_id).await?;
    print(format, &credentials)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what may be told about credentials.
pub(super) fn print(format: Format, credentials: &[CredentialSummary]) -> Result<(), Failure> {
    let row = |summary: &CredentialSummary| -> [Value; 5] {
        [
            json!(summary.user_id.as_i32()),
            json!(summary.credential_type),
            json!(summary.display_value),
            json!(summary.version),
            moment(summary.updated_at),
        ]
    };
    let rows: Vec<_> = credentials.iter().map(row).collect();
    output::rows(format, ["USER", "TYPE", "DISPLAY VALUE", "VERSION", "UPDATED"], &rows)
}

async fn delete(service: &Service, target: &Target) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, &target.user).await?;
    let credential_type = credential_type(service, target)?;
    let origin = session::origin();
    let author = session::author(&origin);
    let deleted = service.delete_credential(author, user.user_id, credential_type).await?;
    session::answer(deleted, "deleted", "there is no such credential")
}

async fn verify(service: &Service, target: &Target) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, &target.user).await?;
    let credential_type = credential_type(service, target)?;
    let value = CredentialValue::parse("Value", &read_secret("Value")?)?;
    let is_same = service.verify_credential(user.user_id, credential_type, &value).await?;
    session::answer(is_same, "this is the stored value", "this is not the stored value")
}

fn credential_type<'service>(
    service: &'service Service,
    target: &Target,
) -> Result<&'service CredentialType, InvalidField> {
    let unknown = || InvalidField::new("--type", Reason::UnknownType);
    match &target.credential_type {
        None => Ok(service.types.default_type()),
        Some(name) => service.types.find(name).ok_or_else(unknown),
    }
}
