//! `ticket`: login tickets, by an operator.

use std::process::ExitCode;

use clap::Subcommand;
use secrecy::ExposeSecret;

use serde_json::{Value, json};

use super::{
    output::{self, Failure, Format},
    secret_input::read_secret,
    session::{self, moment},
};
use crate::{clock, domain::principal::Actor, service::tickets::TicketSummary};

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
    let service = session::open().await?;
    match command {
        Command::Issue { user } => {
            let user = session::find_user(&service, &user).await?;
            let origin = session::origin();
            let issued = service.issue_ticket_for(session::author(&origin), &user).await?;
            output::say(issued.text.expose_secret())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::List { user } => {
            let user = session::find_user(&service, &user).await?;
            let listed = service.list_tickets(Actor::Command, user.user_id, clock::now()).await?;
            let listed = listed.unwrap_or_default();
            let heading = ["KIND", "AUTHENTICATED", "CREATED", "EXPIRES"];
            output::rows(format, heading, &listed.iter().map(row).collect::<Vec<_>>())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: Some(user) } => {
            let user = session::find_user(&service, &user).await?;
            let origin = session::origin();
            let ended = service.end_sessions_of(session::author(&origin), user.user_id).await?;
            output::say(format_args!("{ended} tickets and sessions and all tokens ended"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { user: None } => {
            let (ticket, origin) = (read_secret("Ticket")?, session::origin());
            let has_ended = service.end_ticket(session::author(&origin), &ticket).await?;
            session::answer(has_ended, "the ticket has ended", "there is no such ticket")
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
