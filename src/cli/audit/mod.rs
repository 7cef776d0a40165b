//! `audit`: what happened to users and their credentials.

mod anchors;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    output::{self, Failure, Format},
    session::{self, moment},
};
use crate::{
    domain::{audit::AuditEntry, user::UserId},
    service::Service,
};

/// The subcommands of `audit`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists a user's events, the first one first.
    List {
        /// The user's id, also of one who was deleted, or login name.
        #[arg(long)]
        user: String,
    },
    /// Verifies every chain of events, and that users and credentials are what it says; exits 1 when
    /// something is not.
    Verify(verify::Arguments),
    /// Prints an anchor of every chain, to be kept where nobody who writes to the database writes.
    Anchor,
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let service = session::open().await?;
    match command {
        Command::List { user } => list(&service, &user, format).await,
        Command::Verify(arguments) => verify::run(&service, &arguments, format).await,
        Command::Anchor => anchors::print(&service).await,
    }
}

async fn list(service: &Service, user: &str, format: Format) -> Result<ExitCode, Failure> {
    let user_id = match user.parse::<i32>() {
        Ok(id) => UserId::try_from(id)?,
        Err(_) => session::find_user(service, user).await?.user_id,
    };
    let mut events: Vec<AuditEntry> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.sequence);
        let page = service.list_audit_events_after(user_id, after).await?;
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    if events.is_empty() {
        return Err(Failure::because("there is and was no such user"));
    }
    let heading = ["SEQUENCE", "TIME", "EVENT", "TYPE", "ACTOR", "SCHEME", "ADDRESS", "REQUEST ID"];
    output::rows(format, heading, &events.iter().map(row).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

fn row(event: &AuditEntry) -> [Value; 8] {
    [
        json!(event.sequence),
        moment(event.occurred_at),
        json!(event.kind),
        json!(event.credential_type),
        json!(event.actor.map(UserId::as_i32)),
        json!(event.scheme),
        json!(event.address),
        json!(event.request_id),
    ]
}
