//! `audit`: lists and verifies the audit log.

pub(super) mod anchors;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz_support;
mod lines;
mod list;
mod stream;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    command_context,
    output::{Failure, Format},
};
use crate::startup::{Administration, Components};

/// The subcommands of `audit`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List audit events, oldest first: of one user, or the newest ones of all users.
    List(list::Arguments),
    /// Verify every audit chain, and users and credentials against their chains; exit 1 if there is
    /// a finding.
    Verify(verify::Arguments),
    /// Show how far each sink of the audit stream is (audit.sinks), or let one go on from another
    /// point.
    Stream(stream::Arguments),
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
            let Administration { chain_verifier, copy_verifier, .. } = administration;
            verify::run(&chain_verifier, copy_verifier, &arguments, format).await
        }
        Command::Stream(arguments) => {
            let Components { administration, .. } = command_context::open().await?;
            stream::run(&administration.stream_positions, &arguments, format).await
        }
        Command::Anchor => {
            let Components { background, .. } = command_context::open_for_audit().await?;
            anchors::print(&background.anchors).await
        }
    }
}
