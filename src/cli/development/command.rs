//! Runs `dev`: starts PostgreSQL and the service, and stops both.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use secrecy::SecretString;

use super::{certificate::enable_tls, data_folder::DataFolder, demo, postgres::PrivatePostgres};
use crate::{
    cli::{
        command_context,
        output::{self, Failure},
        serve::start,
        stop::stop_signal,
    },
    configuration::{PolicyProfile, Settings},
    startup::{self, Application},
};

/// The host names that `dev` accepts. Other names that resolve to loopback (DNS rebinding) get 421.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The arguments of `dev`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Address to listen on; loopback only. Port 0 selects a free port.
    #[arg(long, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))]
    listen: SocketAddr,
    /// Folder for the data.
    #[arg(long, default_value = "data", overrides_with = "data")]
    data: PathBuf,
    /// Serve HTTPS with a self-signed certificate.
    #[arg(long)]
    tls: bool,
    /// Start only the database and print its URL.
    #[arg(long, conflicts_with = "tls")]
    database_only: bool,
}

/// Runs until SIGINT, SIGTERM or SIGHUP.
pub(in crate::cli) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
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
        Box::pin(serve(settings, &arguments, stop)).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    mut settings: Settings,
    arguments: &Arguments,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        return Err(Failure::new(
            "dev listens on loopback only, because its passwords are published; use serve instead",
        ));
    }
    // Listen first: this step is fast, and the most likely to fail.
    let listener = startup::listen(arguments.listen)?;
    let data = DataFolder::open(&arguments.data)?;
    if arguments.tls {
        enable_tls(&mut settings, &data)?;
    }
    let mut postgres = PrivatePostgres::start(&data).await?;
    settings.database.url = Some(SecretString::from(postgres.url()));
    settings.database.password_file = None;
    settings.database.allow_unverified_server = false;
    settings.keyring_file = Some(data.keyring());
    settings.operations.listen = None;
    settings.passwords.policy = PolicyProfile::None;
    // Over TLS, cookies are secure regardless of this.
    settings.http.has_secure_cookies = false;
    settings.http.sends_hsts = false;
    settings.http.allowed_hosts = LOOPBACK_HOSTS.map(str::to_owned).to_vec();
    settings.shutdown.grace = std::time::Duration::ZERO;
    let database = startup::connect(&settings).await?;
    demo::prepare(&settings, &database, &data).await?;
    let application = Application::build_on(listener, None, &settings, database).await?;
    let running = start(application)?;
    let result = tokio::select! {
        result = running.run_until(stop) => result.map_err(Failure::from),
        failed = postgres.supervise() => Err(failed.err().unwrap_or_else(|| {
            Failure::new("the supervision of PostgreSQL ended unexpectedly")
        })),
    };
    postgres.stop()?;
    result
}
