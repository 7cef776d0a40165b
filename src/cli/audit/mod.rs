//! `audit`: lists and verifies the audit log.

pub(super) mod anchors;
mod list;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    command_context,
    output::{Failure, Format},
};
use crate::startup::Components;

/// The subcommands of `audit`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List audit events, oldest first: of one user, or the newest ones of all users.
    List(list::Arguments),
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
        Command::List(arguments) => list::run(arguments, format).await,
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
