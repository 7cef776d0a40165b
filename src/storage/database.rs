//! Opening the database, migrations and commit.

use std::time::Duration;

use secrecy::SecretString;
use sqlx::{PgConnection, Postgres, Transaction, migrate::Migrator};

use super::{
    connections::{Connector, Database, PasswordSource},
    database_url::DatabaseUrl,
    error::{StorageError, is_connection_failure},
};

/// The migrations this binary knows. A database that a newer release has migrated is fine too:
/// migrations are compatible with the release before.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.set_ignore_missing(true);
    migrator
}

/// How to reach the database.
pub(crate) struct ConnectOptions<'settings> {
    pub(crate) url: &'settings SecretString,
    /// Used instead of the URL's, and asked for each new connection.
    pub(crate) password: Option<PasswordSource>,
    pub(crate) maximum_connections: u32,
    /// How long a request waits for a connection.
    pub(crate) acquire_timeout: Duration,
    /// How long a statement waits for a row that another transaction holds.
    pub(crate) lock_timeout: Duration,
    /// How long a statement may take, and a transaction may idle.
    pub(crate) statement_timeout: Duration,
}

/// Opens the database, with its first connection.
///
/// # Errors
/// [`StorageError::BadUrl`], or why there is no connection.
pub(crate) async fn connect(options: ConnectOptions<'_>) -> Result<Database, StorageError> {
    let connection = DatabaseUrl::parse(options.url).map_err(StorageError::BadUrl)?.options;
    let connector = Connector {
        options: connection.application_name("credential-keeper").extra_float_digits(None),
        password: options.password,
        lock_timeout: options.lock_timeout,
        statement_timeout: options.statement_timeout,
    };
    let database = Database::new(connector, options.maximum_connections, options.acquire_timeout)?;
    database.connection().await?.release();
    Ok(database)
}

/// Applies the migrations that are missing.
///
/// # Errors
/// When one fails or an applied one is not the one this binary knows.
pub(crate) async fn migrate(database: &Database) -> Result<(), StorageError> {
    // A migration may take longer than a request may, and wait for another instance's.
    let mut connection = database.connection().await?;
    sqlx::query!(
        "SELECT set_config('lock_timeout', '0', false) AS lock,
                set_config('statement_timeout', '0', false) AS statement"
    )
    .fetch_one(&mut *connection)
    .await?;
    let migrated = migrator().run(&mut *connection).await;
    // With its changed settings nobody else may have it.
    connection.close().await?;
    Ok(migrated?)
}

/// How many of the migrations this binary knows are not applied.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn pending_migrations(database: &Database) -> Result<usize, StorageError> {
    let mut connection = database.connection().await?;
    let is_prepared = sqlx::query_scalar!(
        r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "is_prepared!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_prepared {
        return Ok(migrator().iter().count());
    }
    let applied: Vec<i64> =
        sqlx::query_scalar!("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await?;
    Ok(migrator().iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// Commits; a connection that dies meanwhile leaves the outcome unknown.
///
/// # Errors
/// [`StorageError::OutcomeUnknown`], or what the database said against the commit.
pub(crate) async fn commit(transaction: Transaction<'_, Postgres>) -> Result<(), StorageError> {
    transaction.commit().await.map_err(|error| {
        if is_connection_failure(&error) {
            StorageError::OutcomeUnknown(error)
        } else {
            error.into()
        }
    })
}

/// Lets a transaction see everything as it is now, and only read. The first statement of it.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn begin_snapshot(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(connection)
        .await?;
    Ok(())
}
