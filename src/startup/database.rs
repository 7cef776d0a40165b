//! Opens the database of an installation and checks its schema and its kind.

use std::time::{Duration, Instant};

use super::{
    database_files::{DatabaseFiles, files_source},
    database_roles::{grant_roles, require_roles_of_migrate},
    error::StartError,
    files::problems_of_database,
};
use crate::{
    clock,
    configuration::{DistributionSetting, Problems, Settings},
    storage::{
        self, ConnectOptions, Database, Timeouts,
        installation::{self, InstallationKind},
    },
    telemetry::error_chain,
};

/// The delay between two attempts to connect.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Opens the database like [`connect`], and retries for `database.startup_wait_seconds`: in a
/// deployment that starts all containers at once, the database can become ready later. Calls
/// `print_status` once, when the first attempt fails.
///
/// # Errors
/// The errors of [`connect`], after the wait.
pub(crate) async fn connect_when_ready(
    settings: &Settings,
    print_status: impl FnOnce(&str),
) -> Result<Database, StartError> {
    let wait = settings.database.startup_wait;
    let until = Instant::now() + wait;
    let mut print_status = Some(print_status);
    loop {
        let error = match connect(settings).await {
            Err(StartError::Database(error)) if error.is_transient() => error,
            result => return require_usable_sessions(settings, result?).await,
        };
        if Instant::now() >= until {
            return Err(StartError::DatabaseNotReady { wait, source: error });
        }
        if let Some(print_status) = print_status.take() {
            let (seconds, reason) = (wait.as_secs(), error_chain(&error));
            print_status(&format!("waiting up to {seconds} s for the database: {reason}"));
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

async fn require_usable_sessions(
    settings: &Settings,
    database: Database,
) -> Result<Database, StartError> {
    let transaction_pooling = settings.database.transaction_pooling;
    storage::require_usable_sessions(&database, transaction_pooling).await?;
    Ok(database)
}

/// Opens the database of the settings and establishes a first connection.
///
/// # Errors
/// When a setting is missing or invalid, or the connection fails.
pub async fn connect(settings: &Settings) -> Result<Database, StartError> {
    connect_with(settings, settings.database.statement_timeout).await
}

/// As [`connect`], without a time limit for statements: a command may read whole tables. Behind a
/// connection pooler in transaction mode, only `Connection::begin_unlimited` lifts the limit.
///
/// # Errors
/// The errors of [`connect`].
pub(crate) async fn connect_for_command(settings: &Settings) -> Result<Database, StartError> {
    connect_with(settings, Duration::ZERO).await
}

async fn connect_with(
    settings: &Settings,
    statement_timeout: Duration,
) -> Result<Database, StartError> {
    let problems = problems_of_database(settings);
    if !problems.is_empty() {
        return Err(StartError::Setting(Problems(problems).to_string()));
    }
    let settings = &settings.database;
    let missing = || StartError::Setting("database.url: is required; set it".to_owned());
    let url = settings.url.as_ref().ok_or_else(missing)?;
    let options = ConnectOptions {
        url,
        files: DatabaseFiles::of(settings).map(files_source),
        maximum_connections: settings.maximum_connections,
        acquire_timeout: settings.acquire_timeout,
        timeouts: Timeouts {
            lock: settings.lock_timeout,
            statement: statement_timeout,
            idle: settings.statement_timeout,
        },
        transaction_pooling: settings.transaction_pooling,
        is_distributed: match settings.distributed {
            DistributionSetting::Auto => None,
            DistributionSetting::On => Some(true),
            DistributionSetting::Off => Some(false),
        },
    };
    Ok(storage::connect(options).await?)
}

/// Fails unless all migrations of this binary are applied.
pub(crate) async fn require_migrations(database: &Database) -> Result<(), StartError> {
    match storage::pending_migrations(database).await? {
        0 => Ok(()),
        pending => Err(StartError::PendingMigrations(pending)),
    }
}

/// Applies the pending migrations, records the kind of a new database, and grants the roles of the
/// settings their privileges.
///
/// `dev` and `serve` never share a database, because the passwords of a demo are published.
pub(crate) async fn migrate(
    settings: &Settings,
    database: &Database,
    kind: InstallationKind,
) -> Result<(), StartError> {
    if settings.database.transaction_pooling {
        return Err(StartError::Setting(
            "database.transaction_pooling: migrations need their own session; run `migrate` with a \
             database.url that leads directly to PostgreSQL, and without database.transaction_pooling"
                .to_owned(),
        ));
    }
    require_roles_of_migrate(settings, database).await?;
    require_kind(database, kind).await?;
    storage::migrate(database).await?;
    installation::insert_kind(database, kind, clock::now()).await?;
    grant_roles(settings, database).await
}

/// Fails when the database is of another kind.
pub(crate) async fn require_kind(
    database: &Database,
    kind: InstallationKind,
) -> Result<(), StartError> {
    match installation::find_kind(database).await? {
        Some(found) if found != kind => Err(StartError::WrongKind(found.as_str())),
        _ => Ok(()),
    }
}
