//! `serve`: runs the service in production.

use std::process::ExitCode;

use super::{command_context, output, output::Failure, stop::stop_signal_of_serve};
use crate::{
    startup::{
        self, Application, DrainSignals, Protection, ReloadSignal, RunningApplication, StartSummary,
    },
    storage::{installation::InstallationKind, privileges::GrantedRole},
};

/// Serves until SIGINT or SIGTERM, reloads settings and files at SIGHUP, and drains at SIGUSR1. Fails
/// at startup if the settings are unsafe.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let settings_file = startup::watch_settings();
    // It ends last, so that it also sends the last lines of the log.
    let (loaded, _export) = command_context::load_settings()?;
    let settings = loaded.settings().clone();
    command_context::require(settings.problems_of_serving())?;
    let (reload, drain) = (ReloadSignal::listen()?, DrainSignals::listen()?);
    let stop = stop_signal_of_serve()?;
    let mut stop = Box::pin(stop);
    let database = tokio::select! {
        () = &mut stop => return Ok(ExitCode::SUCCESS),
        database = startup::connect_when_ready(&settings, |line| output::print_status(line)) => database?,
    };
    if settings.database.migrate_on_start {
        startup::migrate(&settings, &database, InstallationKind::Production).await?;
    }
    startup::require_privileges(&database, GrantedRole::Service).await?;
    startup::require_migrations(&database).await?;
    startup::require_kind(&database, InstallationKind::Production).await?;
    startup::warn_about_role(&database).await?;
    let application = tokio::select! {
        () = &mut stop => return Ok(ExitCode::SUCCESS),
        application = Application::build(&settings, database) => application?.reload_at(reload, settings_file, loaded).drain_at(drain),
    };
    start(application)?.run_until(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Protects the memory of the process, starts the application, and announces it.
pub(super) fn start(application: Application) -> Result<RunningApplication, Failure> {
    let (summary, protection) = (application.summary()?, startup::protect());
    let running = application.start()?;
    announce(&summary, protection);
    Ok(running)
}

/// Logs the hashing capacity and the memory ceiling, prints the URL of the API, and notifies systemd.
fn announce(summary: &StartSummary, protection: Protection) {
    let capacity = summary.capacity;
    tracing::info!(
        hashing.kernel = capacity.kernel,
        hashing.threads = capacity.threads,
        hashing.per_second = capacity.hashes_per_second,
        hashing.queue = capacity.queue_length,
        hashing.memory_kib = capacity.memory_kib,
        memory.ceiling_kib = summary.memory_ceiling_kib,
        memory.locked = protection.memory_locked,
        core_dumps.off = protection.core_dumps_off,
        operations = summary.operations.map(tracing::field::display),
        "started"
    );
    // On a full disk, for example. The service runs.
    if let Err(error) = output::print_result(format_args!("ready {}", summary.url)) {
        tracing::warn!(%error, "failed to print the URL");
    }
    startup::notify_ready();
}
