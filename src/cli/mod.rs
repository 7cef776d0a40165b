//! The command line: one file for each command. Secrets come from stdin or a prompt, never from
//! arguments, which other processes can see.
//!
//! Exit codes: 0 done, 1 failed or the answer is no, 2 the command line was wrong.

mod application;
mod audit;
mod command_context;
mod completions;
mod config;
mod credential;
mod development;
mod doctor;
mod export;
mod health;
mod import;
mod keys;
mod migrate;
mod openapi;
mod output;
mod passwords;
mod progress;
mod rotate_key;
mod secret_input;
mod serve;
mod stop;
mod ticket;
mod user;
mod user_argument;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, Subcommand};

use self::output::{Failure, Format};
use crate::{
    startup,
    telemetry::{self, error_chain},
};

/// Keeps the login credentials of users.
#[derive(Parser)]
#[command(name = "credential-keeper", version = VERSION)]
struct Arguments {
    /// Print results as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The release, and what it was built as.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("CREDENTIAL_KEEPER_PROFILE"),
    ", ",
    env!("CREDENTIAL_KEEPER_TARGET"),
    ")"
);

#[derive(Subcommand)]
enum Command {
    /// Tries it out: a private PostgreSQL, demo users, on loopback only.
    Dev(development::Arguments),
    /// Serves, with the settings of file and environment.
    Serve,
    /// Applies the migrations that are missing, and exits.
    Migrate,
    /// The keyring.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Another key for everything that is sealed, in three steps: add, use, reseal; then retire.
    #[command(subcommand)]
    RotateKey(rotate_key::Command),
    /// Users.
    #[command(subcommand)]
    User(user::Command),
    /// Credentials of users.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Login tickets.
    #[command(subcommand)]
    Ticket(ticket::Command),
    /// What happened to users and their credentials.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Adds or changes users with their credentials, from a file of JSON lines.
    Import(import::Arguments),
    /// Prints users with their credentials as JSON lines, without any secret; or writes everything
    /// into an encrypted file.
    Export(export::Arguments),
    /// Passwords that are tried first.
    #[command(subcommand)]
    Passwords(passwords::Command),
    /// Programs that call the API with an SO-AppToken.
    #[command(subcommand)]
    Application(application::Command),
    /// The settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Holds this installation against the clauses of NIST SP 800-63B-4 and OWASP ASVS 5.0; exits 1
    /// when one is not met.
    Doctor,
    /// Prints the OpenAPI document.
    Openapi,
    /// Prints what a shell needs to complete commands.
    Completions(completions::Arguments),
    /// Asks a running instance whether it is ready; for containers.
    Health(health::Arguments),
}

/// Runs the command of a command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let format = if arguments.json { Format::Json } else { Format::Table };
    match execute(arguments.command, format) {
        Ok(code) => code,
        Err(failure) => {
            output::print_status(&failure.0);
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command, format: Format) -> Result<ExitCode, Failure> {
    // Every command has secrets in it; `serve` says whether the system agreed.
    startup::forbid_core_dumps();
    telemetry::hide_panic_messages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(startup::waiting_threads())
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Dev(arguments) => development::run(arguments).await,
            Command::Serve => serve::run().await,
            Command::Migrate => migrate::run().await,
            Command::Keys(command) => keys::run(command, format),
            Command::RotateKey(command) => rotate_key::run(command).await,
            Command::User(command) => user::run(command, format).await,
            Command::Credential(command) => credential::run(command, format).await,
            Command::Ticket(command) => ticket::run(command, format).await,
            Command::Audit(command) => audit::run(command, format).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Export(arguments) => export::run(arguments).await,
            Command::Passwords(command) => passwords::run(&command),
            Command::Application(command) => application::run(&command),
            Command::Config(command) => config::run(&command),
            Command::Doctor => doctor::run(format).await,
            Command::Openapi => openapi::run(),
            Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
            Command::Health(arguments) => health::run(&arguments).await,
        }
    });
    // What a thread is still at must not keep the process: everything that counts is done.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    done
}

/// How long work on other threads may take after a command is done.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error_chain(&error))
    }
}
