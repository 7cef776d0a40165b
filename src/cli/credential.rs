//! `credential`: credentials of users, by an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use time::format_description::well_known::Rfc3339;

use super::{output, output::Failure, secret_input::read_secret, session};
use crate::{
    clock,
    domain::{
        InvalidField, Reason,
        credential::{CredentialSummary, CredentialValue},
        principal::Actor,
        save_credential::UncheckedSaveCredential,
        user::User,
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
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    let service = session::open().await?;
    match command {
        Command::Save { target, display_value } => save(&service, target, display_value).await,
        Command::List { user } => list(&service, &user).await,
        Command::Verify { target } => verify(&service, target).await,
    }
}

async fn save(
    service: &Service,
    target: Target,
    display_value: Option<String>,
) -> Result<ExitCode, Failure> {
    let user: User = session::find_user(service, &target.user).await?;
    let unchecked = UncheckedSaveCredential {
        user_id: Some(user.user_id.as_i32()),
        type_name: target.credential_type,
        value: Some(read_secret("Value")?),
        display_value,
    };
    let command = unchecked.check(&service.types)?;
    service.save_credential(Actor::Command, &session::origin(), command, clock::now()).await?;
    output::complain("saved");
    Ok(ExitCode::SUCCESS)
}

async fn list(service: &Service, user: &str) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, user).await?;
    let row = |summary: &CredentialSummary| {
        [
            summary.user_id.to_string(),
            summary.credential_type.clone(),
            summary.display_value.clone(),
            summary.version.to_string(),
            summary.updated_at.format(&Rfc3339).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = service.list_credentials(user.user_id).await?.iter().map(row).collect();
    output::table(["USER", "TYPE", "DISPLAY VALUE", "VERSION", "UPDATED"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(service: &Service, target: Target) -> Result<ExitCode, Failure> {
    let user = session::find_user(service, &target.user).await?;
    let unknown = || InvalidField::new("--type", Reason::UnknownType);
    let credential_type = match &target.credential_type {
        None => service.types.default_type(),
        Some(name) => service.types.find(name).ok_or_else(unknown)?,
    };
    let value = CredentialValue::parse("Value", &read_secret("Value")?)?;
    let is_same = service.verify_credential(user.user_id, credential_type, &value).await?;
    session::answer(is_same, "this is the stored value", "this is not the stored value")
}
