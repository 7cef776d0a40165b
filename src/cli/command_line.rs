//! Parses the command line and runs the command.

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, Subcommand};

use super::{
    application, audit, calibrate, completions, config, credential, development, doctor, drain,
    export, health, import, init, keys, manual, migrate, openapi,
    output::{self, Failure, Format},
    passwords, reference, restore, rotate_key, serve,
    start_text::START_TEXT,
    ticket, user,
};
use crate::{startup, telemetry};

/// A service that stores and verifies the login credentials of users.
#[derive(Parser)]
#[command(name = "credential-keeper", version = VERSION)]
struct Arguments {
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The version, the build profile, the target platform and the compiler.
pub(super) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("CREDENTIAL_KEEPER_PROFILE"),
    ", ",
    env!("CREDENTIAL_KEEPER_TARGET"),
    ", ",
    env!("CREDENTIAL_KEEPER_COMPILER"),
    ")"
);

/// The exit code without a command. As for any other incomplete command line, so that a script that
/// loses its arguments does not seem to succeed.
const NO_COMMAND: u8 = 2;

#[derive(Subcommand)]
enum Command {
    /// Run a local demo: private PostgreSQL, demo users, loopback only.
    Dev(development::Arguments),
    /// Run the service with the settings of the configuration file and the environment.
    Serve,
    /// Ask five questions, and create an installation: settings file, keyring, first administrator.
    Init(init::Arguments),
    /// Measure the cost of password hashes on this machine, and recommend settings.
    ///
    /// Run it while the machine does nothing else. It takes about 20 seconds at most, and needs neither
    /// settings nor a database.
    Calibrate(calibrate::Arguments),
    /// Apply pending database migrations and exit.
    Migrate(migrate::Arguments),
    /// Generate, list and wrap the keys of the keyring.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Rotate the sealing key: `add`, `use`, `reseal`, then `retire`.
    #[command(subcommand)]
    RotateKey(rotate_key::Command),
    /// Manage users.
    #[command(subcommand)]
    User(user::Command),
    /// Manage the credentials of users.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Issue, list and revoke login tickets.
    #[command(subcommand)]
    Ticket(ticket::Command),
    /// List and verify the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check a restored database, and end the sessions that a restore revives.
    #[command(subcommand)]
    Restore(restore::Command),
    /// Import users and their credentials from JSON lines, CSV, or an export of another system.
    Import(import::Arguments),
    /// Print the JSON lines that `import` would read from a file, with their hashes.
    Convert(import::ConvertArguments),
    /// Export users and their credentials: as JSON lines without secrets, or in full to an
    /// encrypted file.
    Export(export::Arguments),
    /// Build the filter of common passwords.
    #[command(subcommand)]
    Passwords(passwords::Command),
    /// Manage applications that send an SO-AppToken.
    #[command(subcommand)]
    Application(application::Command),
    /// Check and show the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Check this installation against NIST SP 800-63B-4 and OWASP ASVS 5.0; exit 1 if it does not
    /// meet a requirement.
    Doctor(doctor::Arguments),
    /// Print the OpenAPI document.
    Openapi,
    /// Write the generated reference documents; see `script/reference`.
    #[command(hide = true)]
    Reference(reference::Arguments),
    /// Write the manual pages; see `packaging/build-deb`.
    #[command(hide = true)]
    Manual(manual::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Take an instance of this machine out of the rotation of its load balancer, or put it back.
    ///
    /// The readiness check answers 503, each response ends its connection, and requests are served as
    /// before.
    Drain(drain::Arguments),
    /// Check whether a running instance is ready, for container health checks.
    Health(health::Arguments),
}

/// Parses the arguments and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.len() <= 1 {
        output::print_text(START_TEXT);
        return ExitCode::from(NO_COMMAND);
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // If standard error cannot be written, there is no other place to report it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let format = if arguments.json { Format::Json } else { Format::Table };
    match execute(arguments.command, format) {
        Ok(code) => code,
        Err(failure) => {
            output::print_failure(&failure);
            failure.exit_code()
        }
    }
}

fn execute(command: Command, format: Format) -> Result<ExitCode, Failure> {
    // Every command handles secrets. `serve` logs whether the operating system granted this.
    startup::forbid_core_dumps();
    telemetry::hide_panic_messages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(startup::waiting_threads())
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Dev(arguments) => Box::pin(development::run(arguments)).await,
            Command::Serve => Box::pin(serve::run()).await,
            Command::Init(arguments) => Box::pin(init::run(arguments)).await,
            Command::Calibrate(arguments) => calibrate::run(&arguments, format).await,
            Command::Migrate(arguments) => migrate::run(&arguments).await,
            Command::Keys(command) => Box::pin(keys::run(command, format)).await,
            Command::RotateKey(command) => Box::pin(rotate_key::run(command)).await,
            Command::User(command) => user::run(command, format).await,
            Command::Credential(command) => credential::run(command, format).await,
            Command::Ticket(command) => ticket::run(command, format).await,
            Command::Audit(command) => audit::run(command, format).await,
            Command::Restore(command) => Box::pin(restore::run(command, format)).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Convert(arguments) => import::run_convert(&arguments),
            Command::Export(arguments) => export::run(arguments).await,
            Command::Passwords(command) => passwords::run(&command),
            Command::Application(command) => application::run(&command),
            Command::Config(command) => config::run(&command, format),
            Command::Doctor(arguments) => Box::pin(doctor::run(&arguments, format)).await,
            Command::Openapi => openapi::run(),
            Command::Reference(arguments) => reference::run(&arguments, Arguments::command()),
            Command::Manual(arguments) => manual::run(&arguments, Arguments::command()),
            Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
            Command::Drain(arguments) => drain::run(&arguments),
            Command::Health(arguments) => health::run(&arguments).await,
        }
    });
    // A busy thread must not keep the process alive after the command is complete.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// How long other threads may run after the command is complete.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
