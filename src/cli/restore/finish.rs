//! `restore finish`: ends what a restored database revives.

use std::process::ExitCode;

use clap::Args;

use crate::{
    cli::{
        command_context,
        output::{self, Failure},
    },
    clock,
};

/// The arguments of `restore finish`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// End them. Without this argument, the command only counts them.
    #[arg(long)]
    yes: bool,
}

/// Runs the command; exits 1 if nothing was ended.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let components = command_context::open().await?;
    let now = clock::now();
    if !arguments.yes {
        let live = components.restores.count_live(now).await?;
        output::print_status(format_args!(
            "{live} sessions and tickets are valid; run `restore finish --yes` to end them, all access \
             tokens and all links in mails: everybody logs in again"
        ));
        return Ok(ExitCode::FAILURE);
    }
    let ended = components.restores.declare(now).await?;
    output::print_status(format_args!(
        "ended {} sessions and tickets, {} links in mails, and all access tokens",
        ended.tickets, ended.links
    ));
    Ok(ExitCode::SUCCESS)
}
