//! `ticket`: login tickets, by an operator.

use std::process::ExitCode;

use clap::Subcommand;
use secrecy::ExposeSecret;

use serde_json::{Value, json};

use super::{
    command_context::{self, moment},
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
    /// Issues a ticket for a user and prints it, this once.
    Issue {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
    },
    /// Lists a user's tickets and sessions that still count, newest first.
    List {
        /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
        #[arg(long)]
        user: String,
    },
    /// Ends the ticket that comes from stdin or a prompt, or all of a user.
    Revoke {
        /// End all tickets, sessions and `8A:` tokens of this user: an id or a login name. Of a number,
        /// `id:7` and `name:7` say which it is. Tokens of an issuer end when the user's identifier is
        /// replaced.
        #[arg(long)]
        user: Option<String>,
    },
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let Services { directory, tickets, .. } = command_context::open().await?.services;
    match command {
        Command::Issue { user } => {
            let user = command_context::find_user(&directory, &user).await?;
            let client_info = command_context::client_info();
            let issued =
                tickets.issue_for(command_context::change_context(&client_info), &user).await?;
            output::print_result(issued.text.expose_secret())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::List { user } => {
            let user = command_context::find_user(&directory, &user).await?;
            let listed = tickets.list(Actor::Command, user.user_id, clock::now()).await?;
            let listed = listed.unwrap_or_default();
            let heading = ["KIND", "AUTHENTICATED", "CREATED", "EXPIRES"];
            output::rows(format, heading, &listed.iter().map(row).collect::<Vec<_>>())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: Some(user) } => {
            let user = command_context::find_user(&directory, &user).await?;
            let client_info = command_context::client_info();
            let ended = tickets
                .end_all(command_context::change_context(&client_info), user.user_id)
                .await?;
            output::print_result(format_args!(
                "{ended} tickets and sessions and all tokens ended"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: None } => {
            let (ticket, client_info) = (read_secret("Ticket")?, command_context::client_info());
            let has_ended =
                tickets.end(command_context::change_context(&client_info), &ticket).await?;
            command_context::answer(has_ended, "the ticket has ended", "there is no such ticket")
        }
    }
}

fn row(ticket: &TicketSummary) -> [Value; 4] {
    [
        json!(ticket.kind.as_str()),
        moment(ticket.auth_time),
        moment(ticket.created_at),
        moment(ticket.expires_at),
    ]
}
