//! The database of an installation: opening it, the schema, and what it is for.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    error::StartError,
    files::{problems_of_database, read_password},
};
use crate::{
    clock,
    configuration::{Problems, Settings},
    security::keyring::Keyring,
    service::keys::keyring_check,
    storage::{
        self, ConnectOptions, Database, PasswordSource,
        installation::{self, InstallationKind},
    },
    telemetry::error_chain,
};

/// How long a database that is not there yet is left alone before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Opens the database as [`connect`] does, and waits for it as long as the settings say: where
/// everything is started at once, it may be there later.
///
/// # Errors
/// As [`connect`], when the wait is over.
pub(crate) async fn connect_when_ready(
    settings: &Settings,
    tell: impl FnOnce(&str),
) -> Result<Database, StartError> {
    let wait = settings.database.startup_wait;
    let until = Instant::now() + wait;
    let mut tell = Some(tell);
    loop {
        let error = match connect(settings).await {
            Err(StartError::Database(error)) if error.may_pass() => error,
            done => return done,
        };
        if Instant::now() >= until {
            return Err(StartError::DatabaseNotReady { wait, source: error });
        }
        if let Some(tell) = tell.take() {
            let (seconds, reason) = (wait.as_secs(), error_chain(&error));
            tell(&format!("waiting up to {seconds} s for the database: {reason}"));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Opens the database that the settings describe, with its first connection.
///
/// # Errors
/// When a setting is missing, or nobody answers.
pub async fn connect(settings: &Settings) -> Result<Database, StartError> {
    let problems = problems_of_database(settings);
    if !problems.is_empty() {
        return Err(StartError::Setting(Problems(problems).to_string()));
    }
    let settings = &settings.database;
    let missing = || StartError::Setting("database.url: is required".to_owned());
    let url = settings.url.as_ref().ok_or_else(missing)?;
    let options = ConnectOptions {
        url,
        password: settings.password_file.clone().map(password_source),
        maximum_connections: settings.maximum_connections,
        acquire_timeout: settings.acquire_timeout,
        lock_timeout: settings.lock_timeout,
        statement_timeout: settings.statement_timeout,
    };
    Ok(storage::connect(options).await?)
}

/// Reads the file for each connection: a password that was rotated counts at once.
fn password_source(file: PathBuf) -> PasswordSource {
    Box::new(move || Ok(read_password(&file)?))
}

/// Fails unless every migration of this binary is applied.
pub(crate) async fn require_migrations(database: &Database) -> Result<(), StartError> {
    match storage::pending_migrations(database).await? {
        0 => Ok(()),
        pending => Err(StartError::PendingMigrations(pending)),
    }
}

/// Applies the missing migrations, marks a database that is not marked yet, and grants
/// `database.role` what `serve` needs.
///
/// A trial's passwords are published, and a real installation must not be tried things out on: so
/// `dev` and `serve` never share a database.
pub(crate) async fn migrate(
    settings: &Settings,
    database: &Database,
    kind: InstallationKind,
) -> Result<(), StartError> {
    require_kind(database, kind).await?;
    storage::migrate(database).await?;
    installation::insert_kind(database, kind, clock::now()).await?;
    if let Some(role) = &settings.database.role {
        let refused =
            |error| StartError::Setting(format!("database.role: {}", error_chain(&error)));
        storage::grant(database, role).await.map_err(refused)?;
    }
    Ok(())
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

/// Fails when the keyring of the settings is not the one that the database was written with.
pub(crate) async fn require_keyring(
    settings: &Settings,
    database: &Database,
) -> Result<(), StartError> {
    let Some(file) = settings.keyring_file.as_ref() else { return Ok(()) };
    Ok(keyring_check::require_keyring(database, &Keyring::load(file)?, clock::now()).await?)
}
