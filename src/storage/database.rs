//! Opens the database, applies migrations and commits transactions.

use std::{sync::RwLock, time::Duration};

use data_encoding::HEXLOWER;
use secrecy::SecretString;
use sqlx::{
    PgConnection, Postgres, Transaction,
    error::DatabaseError,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::{
    connections::Database,
    connector::{ConnectionFilesSource, Connector, Timeouts},
    database_url::DatabaseUrl,
    error::StorageError,
    error_class::is_connection_failure,
    hosts::Hosts,
    statements::Statements,
};

/// How often the sessions of two connections are compared.
const SESSION_ROUNDS: usize = 4;

/// The migrations of this binary. A database with newer migrations is accepted, because migrations
/// are compatible with the previous release.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.set_ignore_missing(true);
    migrator
}

/// How to connect to the database.
pub(crate) struct ConnectOptions<'settings> {
    pub(crate) url: &'settings SecretString,
    /// The files with the password and the certificates.
    pub(crate) files: Option<ConnectionFilesSource>,
    pub(crate) maximum_connections: u32,
    /// The time limit for getting a connection.
    pub(crate) acquire_timeout: Duration,
    pub(crate) timeouts: Timeouts,
    /// True behind a connection pooler in transaction mode.
    pub(crate) transaction_pooling: bool,
    /// Whether the tables are distributed. `None`: the database decides.
    pub(crate) is_distributed: Option<bool>,
}

/// The time limit for checking an idle connection before use, so that a request can still open a new
/// one. Half of the time for a connection, if that is shorter.
const REUSE_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a migration may wait for a lock. Requests that need the same table queue behind it, so
/// this is shorter than `database.lock_timeout_seconds`.
const MIGRATION_LOCK_TIMEOUT: &str = "1s";

/// The pause before a migration tries again to get its lock, in which requests go on.
const MIGRATION_PAUSE: Duration = Duration::from_secs(3);

/// The error of PostgreSQL after `lock_timeout`: `lock_not_available`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Opens the database and its first connection.
///
/// # Errors
/// [`StorageError::BadUrl`], or the reason why the connection failed.
pub(crate) async fn connect(options: ConnectOptions<'_>) -> Result<Database, StorageError> {
    let DatabaseUrl { hosts, security, .. } =
        DatabaseUrl::parse(options.url).map_err(StorageError::BadUrl)?;
    // Connection poolers refuse other startup parameters.
    let with_name = |host: PgConnectOptions| {
        host.application_name("credential-keeper").extra_float_digits(None)
    };
    let connector = Connector {
        hosts: Hosts::new(hosts.into_iter().map(with_name).collect(), options.acquire_timeout),
        security,
        files: options.files,
        last_good: RwLock::default(),
        check_timeout: REUSE_CHECK_TIMEOUT.min(options.acquire_timeout / 2),
        timeouts: options.timeouts,
        transaction_pooling: options.transaction_pooling,
    };
    let mut database =
        Database::new(connector, options.maximum_connections, options.acquire_timeout)?;
    let mut connection = database.connection().await?;
    let statements = Statements::find(&mut connection, options.is_distributed).await?;
    connection.release();
    database.statements = statements;
    database.examine_stalled_statements();
    Ok(database)
}

/// Fails when a connection pooler in transaction mode is between this service and the server, and
/// the settings do not say so, or it does not support prepared statements.
///
/// # Errors
/// [`StorageError::SharedSession`], or when a query fails.
pub(crate) async fn require_usable_sessions(
    database: &Database,
    transaction_pooling: bool,
) -> Result<(), StorageError> {
    // Two connections are needed to tell.
    if database.counts().maximum < 2 {
        return Ok(());
    }
    match shares_sessions(database).await {
        Ok(shares) if shares && !transaction_pooling => Err(StorageError::SharedSession),
        Ok(_) => Ok(()),
        // A prepared statement of one connection was that of the other.
        Err(error) if error.is_retryable() => Err(StorageError::SharedSession),
        Err(error) => Err(error),
    }
}

/// True when two connections use one session of the server, or one connection uses several.
async fn shares_sessions(database: &Database) -> Result<bool, StorageError> {
    let database = database.for_logins();
    let (mut one, mut other) = (database.connection().await?, database.connection().await?);
    let mut first = None;
    for _ in 0..SESSION_ROUNDS {
        let pair = (session(&mut one).await?, session(&mut other).await?);
        if pair.0 == pair.1 || pair != *first.get_or_insert(pair) {
            return Ok(true);
        }
    }
    one.release();
    other.release();
    Ok(false)
}

/// The process of the server that executes this statement.
async fn session(connection: &mut PgConnection) -> Result<i32, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "pid!""#).fetch_one(connection).await?)
}

/// Applies the pending migrations. While another transaction holds a lock that a migration needs,
/// it tries again and again, so that requests do not wait for that transaction, too.
///
/// # Errors
/// When a migration fails, or an applied migration differs from that of this binary.
pub(crate) async fn migrate(database: &Database) -> Result<(), StorageError> {
    while let Err(error) = try_to_migrate(database).await? {
        if !is_lock_timeout(&error) {
            return Err(error.into());
        }
        tracing::warn!(
            "waiting for a lock of the database: another `migrate` runs, or a long transaction, such \
             as a backup, uses a table that a migration changes"
        );
        tokio::time::sleep(MIGRATION_PAUSE).await;
    }
    Ok(())
}

/// Applies the pending migrations that get their locks in time.
async fn try_to_migrate(database: &Database) -> Result<Result<(), MigrateError>, StorageError> {
    let mut connection = database.connection().await?;
    // A migration may take longer than a request.
    sqlx::query!(
        "SELECT set_config('lock_timeout', $1, false) AS lock,
                set_config('statement_timeout', '0', false) AS statement",
        MIGRATION_LOCK_TIMEOUT
    )
    .fetch_one(&mut *connection)
    .await?;
    let migrated = migrator().run(&mut *connection).await;
    // After a failure, it also holds the lock of migrations.
    connection.discard().await;
    Ok(migrated)
}

fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else {
        return false;
    };
    cause.as_database_error().and_then(DatabaseError::code).as_deref() == Some(LOCK_NOT_AVAILABLE)
}

/// The versions of the migrations that this binary and a database do not share.
#[derive(Debug, Default)]
pub(crate) struct MigrationDifference {
    /// Known to the binary, and not applied.
    pub(crate) pending: Vec<i64>,
    /// Applied by a newer release.
    pub(crate) unknown: Vec<i64>,
}

/// Counts the migrations of this binary that are not applied.
///
/// # Errors
/// When the query fails.
pub(crate) async fn pending_migrations(database: &Database) -> Result<usize, StorageError> {
    Ok(compare_migrations(database).await?.pending.len())
}

/// Compares the migrations of this binary with those of the database.
///
/// # Errors
/// When the query fails.
pub(crate) async fn compare_migrations(
    database: &Database,
) -> Result<MigrationDifference, StorageError> {
    let mut connection = database.connection().await?;
    let is_prepared = sqlx::query_scalar!(
        r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "is_prepared!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    let known: Vec<i64> = migrator().iter().map(|migration| migration.version).collect();
    if !is_prepared {
        return Ok(MigrationDifference { pending: known, unknown: Vec::new() });
    }
    let applied: Vec<i64> =
        sqlx::query_scalar!("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await?;
    let lacking = |some: &[i64], others: &[i64]| {
        some.iter().copied().filter(|version| !others.contains(version)).collect()
    };
    Ok(MigrationDifference {
        pending: lacking(&known, &applied),
        unknown: lacking(&applied, &known),
    })
}

/// A migration, as this binary and the database know it.
#[derive(Debug)]
pub(crate) struct MigrationState {
    pub(crate) version: i64,
    /// Empty for a migration that this binary does not have.
    pub(crate) description: String,
    /// SHA-384 of its text, in hexadecimal digits.
    pub(crate) checksum: String,
    /// `applied`, `pending`, or `unknown` to this binary.
    pub(crate) state: &'static str,
}

/// Every migration of this binary, and those of the database that it does not have.
///
/// # Errors
/// When the query fails.
pub(crate) async fn describe_migrations(
    database: &Database,
) -> Result<Vec<MigrationState>, StorageError> {
    let MigrationDifference { pending, unknown } = compare_migrations(database).await?;
    let migrator = migrator();
    let known = migrator.iter().map(|migration| MigrationState {
        version: migration.version,
        description: migration.description.clone().into_owned(),
        checksum: HEXLOWER.encode(&migration.checksum),
        state: if pending.contains(&migration.version) { "pending" } else { "applied" },
    });
    let others = unknown.into_iter().map(|version| MigrationState {
        version,
        description: String::new(),
        checksum: String::new(),
        state: "unknown",
    });
    Ok(known.chain(others).collect())
}

/// Commits a transaction.
///
/// # Errors
/// [`StorageError::OutcomeUnknown`] when the connection is lost meanwhile, or the error of the
/// commit.
pub(crate) async fn commit(transaction: Transaction<'_, Postgres>) -> Result<(), StorageError> {
    transaction.commit().await.map_err(|error| {
        if is_connection_failure(&error) {
            StorageError::OutcomeUnknown(error)
        } else {
            error.into()
        }
    })
}

/// Makes a transaction read-only, with one snapshot for all its statements. Must be its first
/// statement.
///
/// # Errors
/// When the statement fails.
pub(crate) async fn begin_snapshot(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(connection)
        .await?;
    Ok(())
}
