//! `restore`: checks a restored database, and ends the sessions that it revives.

mod check;
mod finish;
mod report;

use std::process::ExitCode;

use clap::Subcommand;

use super::output::{Failure, Format};

/// The subcommands of `restore`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Prove that the restored database, the keyring and the audit chains belong together; exit 1 if
    /// there is a finding.
    ///
    /// Run it before `serve`. It unseals every credential, verifies every audit chain, and writes
    /// nothing. With anchors, it names the users whose last changes the backup lacks.
    Check(check::Arguments),
    /// End all sessions, tickets, access tokens and links in mails, after a restore.
    ///
    /// `serve` does this by itself after a dump was restored. Run it after every other restore, such
    /// as that of a base backup or a snapshot.
    Finish(finish::Arguments),
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(arguments) => check::run(&arguments, format).await,
        Command::Finish(arguments) => finish::run(&arguments).await,
    }
}
