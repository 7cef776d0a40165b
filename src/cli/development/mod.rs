//! `dev`: everything in one, for trying it out and for client tests.
//!
//! A private PostgreSQL from the binaries on the machine, the demo users, and the service, on
//! loopback only. All of it ends with the command; the data stays.

mod account;
mod binaries;
mod cluster;
mod data_folder;
mod demo;
mod postgres;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use secrecy::SecretString;

use self::{data_folder::DataFolder, postgres::PrivatePostgres};
use super::{
    command_context,
    output::{self, Failure},
    serve::announce,
    stop::stop_signal,
};
use crate::{
    configuration::{PolicyProfile, Settings},
    startup::{self, Application},
};

/// The hosts that `dev` answers for: a page of any other that resolves its name to loopback gets
/// 421.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The arguments of `dev`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where the API listens; loopback only. Port 0 takes a free one.
    #[arg(long, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))]
    listen: SocketAddr,
    /// Where the data is kept.
    #[arg(long, default_value = "data", overrides_with = "data")]
    data: PathBuf,
    /// Start just the database and print its URL.
    #[arg(long)]
    database_only: bool,
}

/// Runs until SIGINT or SIGTERM.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
    let stop = stop_signal()?;
    if arguments.database_only {
        let data = DataFolder::open(&arguments.data)?;
        let mut postgres = PrivatePostgres::start(&data).await?;
        output::print_result(format_args!("ready {}", postgres.url()))?;
        let failed = tokio::select! {
            () = stop => None,
            failed = postgres.supervise() => failed.err(),
        };
        postgres.stop()?;
        failed.map_or(Ok(()), Err)?;
    } else {
        serve(settings, &arguments, stop).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    mut settings: Settings,
    arguments: &Arguments,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        return Err(Failure::because("dev listens on loopback only; its passwords are published"));
    }
    // First, because it is quick and the likeliest to fail.
    let listener = startup::listen(arguments.listen)?;
    let data = DataFolder::open(&arguments.data)?;
    let mut postgres = PrivatePostgres::start(&data).await?;
    settings.database.url = Some(SecretString::from(postgres.url()));
    settings.database.password_file = None;
    settings.keyring_file = Some(data.keyring());
    settings.operations.listen = None;
    settings.passwords.policy = PolicyProfile::None;
    settings.http.allowed_hosts = LOOPBACK_HOSTS.map(str::to_owned).to_vec();
    settings.shutdown.grace = std::time::Duration::ZERO;
    let database = startup::connect(&settings).await?;
    demo::prepare(&settings, &database, &data).await?;
    startup::require_keyring(&settings, &database).await?;
    let application = Application::build_on(listener, &settings, database)?;
    announce(&application, startup::protect())?;
    let ended = tokio::select! {
        ended = application.run_until(stop) => ended.map_err(Failure::from),
        failed = postgres.supervise() => Err(failed.err().unwrap_or_else(|| {
            Failure::because("the watch over PostgreSQL ended")
        })),
    };
    postgres.stop()?;
    ended
}
