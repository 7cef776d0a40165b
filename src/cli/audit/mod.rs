//! `audit`: lists and verifies the audit log.

mod anchors;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    command_context::{self, timestamp},
    output::{self, Failure, Format},
    user_argument::{UserArgument, ambiguous},
};
use crate::{
    domain::{audit::AuditEntry, user::UserId},
    service::{audit::audit_log::AuditLog, users::directory::UserDirectory},
    startup::Components,
};

/// The subcommands of `audit`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the audit events of a user, oldest first.
    List {
        /// User id, also of a deleted user, or login name; use `id:7` or `name:7` if a number is
        /// ambiguous.
        #[arg(long)]
        user: String,
    },
    /// Verify every audit chain, and users and credentials against their chains; exit 1 if there is
    /// a finding.
    Verify(verify::Arguments),
    /// Print the anchor of every chain. Store anchors where nobody with write access to the
    /// database can change them.
    Anchor,
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::List { user } => {
            let Components { services, administration, .. } = command_context::open().await?;
            list(&administration.audit_log, &services.users.directory, &user, format).await
        }
        Command::Verify(arguments) => {
            let Components { administration, .. } = command_context::open_for_audit().await?;
            verify::run(&administration.chain_verifier, &arguments, format).await
        }
        Command::Anchor => {
            let Components { background, .. } = command_context::open_for_audit().await?;
            anchors::print(&background.anchors).await
        }
    }
}

async fn list(
    audit_log: &AuditLog,
    directory: &UserDirectory,
    user: &str,
    format: Format,
) -> Result<ExitCode, Failure> {
    let user_id = user_id(audit_log, directory, user).await?;
    let mut events: Vec<AuditEntry> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.sequence);
        let page = audit_log.list_after(user_id, after).await?;
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    if events.is_empty() {
        return Err(Failure::new("user not found, and no audit events exist for this user id"));
    }
    let heading =
        ["SEQUENCE", "TIME", "EVENT", "TYPE", "ACTOR", "SCHEME", "ADDRESS", "REQUEST ID", "REASON"];
    output::print_rows(format, heading, &events.iter().map(row).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves the user argument. Unlike in other commands, the id can be that of a deleted user.
async fn user_id(
    audit_log: &AuditLog,
    directory: &UserDirectory,
    user: &str,
) -> Result<UserId, Failure> {
    let argument = UserArgument::parse(user)?;
    let (id, name) = match argument {
        UserArgument::Id(user_id) => return Ok(user_id),
        UserArgument::Name(_) => {
            return Ok(command_context::find_user(directory, user).await?.user_id);
        }
        UserArgument::Number(id, name) => (id, name),
    };
    match directory.find_by_name(&name).await? {
        None => Ok(id),
        Some(found) if found.user_id == id => Ok(id),
        Some(_) if !audit_log.list_after(id, 0).await?.is_empty() => Err(ambiguous(id)),
        Some(found) => Ok(found.user_id),
    }
}

fn row(event: &AuditEntry) -> [Value; 9] {
    [
        json!(event.sequence),
        timestamp(event.occurred_at),
        json!(event.kind),
        json!(event.credential_type),
        json!(event.actor.map(UserId::as_i32)),
        json!(event.scheme),
        json!(event.address),
        json!(event.request_id),
        json!(event.reason),
    ]
}
