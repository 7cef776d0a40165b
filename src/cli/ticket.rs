//! `ticket`: issues, lists and revokes login tickets.

use std::process::ExitCode;

use clap::Subcommand;
use secrecy::ExposeSecret;

use serde_json::{Value, json};

use super::{
    command_context::{self, ReasonArgument, timestamp},
    output::{self, Failure, Format},
    secret_input::read_secret,
};
use crate::{
    clock,
    domain::principal::Actor,
    service::{Services, sessions::tickets::TicketSummary},
};

/// The subcommands of `ticket`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Issue a ticket for a user and print it once.
    Issue {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        reason: ReasonArgument,
    },
    /// List the valid tickets and sessions of a user, newest first.
    List {
        /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
        #[arg(long)]
        user: String,
    },
    /// Revoke a ticket from standard input or a prompt, or everything issued to a user.
    Revoke {
        /// Revoke all tickets, sessions and `8A:` tokens of this user (id or login name; use `id:7`
        /// or `name:7` if a number is ambiguous). Tokens of an OpenID Connect issuer stay valid
        /// until the user's identifier is replaced.
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        reason: ReasonArgument,
    },
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let Services { users, ticket_logins, .. } = command_context::open().await?.services;
    let tickets = &ticket_logins.tickets;
    match command {
        Command::Issue { user, reason } => {
            let operator = reason.operator()?;
            let user = command_context::find_user(&users.directory, &user).await?;
            let issued = tickets.issue_for(operator.change_context(), &user).await?;
            if let Err(failure) = output::print_or_fail(issued.text.expose_secret()) {
                // Nobody knows it, and nobody could revoke it alone.
                let ended = tickets.end(operator.change_context(), &issued.text).await;
                let next = match ended {
                    Ok(_) => "and was revoked",
                    Err(_) => "and not be revoked; run `ticket revoke --user` for this user",
                };
                return Err(Failure::new(format!(
                    "the ticket could not be printed, {next}: {failure}"
                )));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::List { user } => {
            let user = command_context::find_user(&users.directory, &user).await?;
            let listed = tickets.list(Actor::Command, user.user_id, clock::now()).await?;
            let listed = listed.unwrap_or_default();
            let heading = [
                "KIND",
                "AUTHENTICATED",
                "CREATED",
                "EXPIRES",
                "ADDRESS",
                "DEVICE",
                "LAST USED",
                "LAST ADDRESS",
            ];
            output::print_rows(format, heading, &listed.iter().map(row).collect::<Vec<_>>())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: Some(user), reason } => {
            let operator = reason.operator()?;
            let user = command_context::find_user(&users.directory, &user).await?;
            let ended = tickets.end_all(operator.change_context(), user.user_id).await?;
            output::print_result(format_args!(
                "revoked {ended} tickets and sessions, and all tokens"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: None, reason } => {
            let operator = reason.operator()?;
            let ticket = read_secret("Ticket")?;
            let is_revoked = tickets.end(operator.change_context(), &ticket).await?;
            command_context::print_outcome(is_revoked, "ticket revoked", "ticket not found")
        }
    }
}

fn row(ticket: &TicketSummary) -> [Value; 8] {
    [
        json!(ticket.kind.as_str()),
        timestamp(ticket.auth_time),
        timestamp(ticket.created_at),
        timestamp(ticket.expires_at),
        json!(ticket.issued_to.address),
        json!(ticket.issued_to.device.as_ref().map(|device| device.name().to_string())),
        ticket.last_used_at.map_or(Value::Null, timestamp),
        json!(ticket.last_used_address),
    ]
}
