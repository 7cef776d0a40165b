//! The imports of pages, so that all instances know them.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{
    import_run::{ImportRecord, ImportState, StoredImport},
    user::UserId,
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "import_runs" };

/// What the table says about a new import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The instance that has started an import with that id.
    pub(crate) started_by: Option<String>,
    /// Another import is in progress, which was seen lately.
    pub(crate) is_busy: bool,
}

/// Looks for an import with that id, and for one in progress that was seen since `seen_since`.
#[tracing::instrument(name = "db.import_runs.look", skip_all)]
pub(crate) async fn look(
    connection: &mut PgConnection,
    id: &str,
    seen_since: OffsetDateTime,
) -> Result<Registered, StorageError> {
    let found = sqlx::query_as!(
        Registered,
        r#"SELECT (SELECT instance_id FROM import_runs WHERE import_id = $1) AS started_by,
                  EXISTS (SELECT 1 FROM import_runs
                          WHERE state IN ('checking', 'running') AND seen_at >= $2) AS "is_busy!""#,
        id,
        seen_since,
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Locks the table against other imports that begin, until the transaction ends. Readers and the
/// progress of a running import do not wait.
#[tracing::instrument(name = "db.import_runs.lock", skip_all)]
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('import_runs', 0))")
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds an import of an instance, which a user has started.
#[tracing::instrument(name = "db.import_runs.insert", skip_all)]
pub(crate) async fn insert(
    connection: &mut PgConnection,
    record: &ImportRecord,
    instance_id: &str,
    user_id: UserId,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO import_runs (import_id, instance_id, user_id, is_dry_run, started_at, seen_at,
                                  state)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
        record.id,
        instance_id,
        user_id.as_i32(),
        record.is_dry_run,
        record.started_at,
        record.state.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes how far an import is; returns whether an administrator has canceled it.
#[tracing::instrument(name = "db.import_runs.update", skip_all)]
pub(crate) async fn update(
    connection: &mut PgConnection,
    record: &ImportRecord,
    now: OffsetDateTime,
) -> Result<bool, StorageError> {
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let failures = serde_json::to_string(&record.failures).map_err(|_| INCONSISTENT)?;
    let is_canceled = sqlx::query_scalar!(
        "UPDATE import_runs
         SET seen_at = $2, state = $3, detail = $4, read_bytes = $5, file_bytes = $6, added = $7,
             changed = $8, failed = $9, failures = $10
         WHERE import_id = $1
         RETURNING is_canceled",
        record.id,
        now,
        record.state.as_str(),
        record.detail,
        stored(record.position),
        stored(record.length),
        stored(record.added),
        stored(record.changed),
        stored(record.failed),
        failures,
    )
    .fetch_optional(connection)
    .await?;
    Ok(is_canceled.unwrap_or(false))
}

/// Cancels an import in progress, which the instance that runs it notices.
#[tracing::instrument(name = "db.import_runs.cancel", skip_all)]
pub(crate) async fn cancel(connection: &mut PgConnection, id: &str) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE import_runs SET is_canceled = true
         WHERE import_id = $1 AND state IN ('checking', 'running')",
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

struct ImportRow {
    import_id: String,
    instance_id: String,
    login_name: String,
    is_dry_run: bool,
    started_at: OffsetDateTime,
    seen_at: OffsetDateTime,
    state: String,
    detail: Option<String>,
    read_bytes: i64,
    file_bytes: i64,
    added: i64,
    changed: i64,
    failed: i64,
    failures: String,
}

impl TryFrom<ImportRow> for StoredImport {
    type Error = StorageError;

    fn try_from(row: ImportRow) -> Result<Self, StorageError> {
        let number = |number: i64| u64::try_from(number).map_err(|_| INCONSISTENT);
        let record = ImportRecord {
            id: row.import_id,
            started_by: row.login_name,
            started_at: row.started_at,
            is_dry_run: row.is_dry_run,
            state: ImportState::parse(&row.state).ok_or(INCONSISTENT)?,
            detail: row.detail,
            position: number(row.read_bytes)?,
            length: number(row.file_bytes)?,
            added: number(row.added)?,
            changed: number(row.changed)?,
            failed: number(row.failed)?,
            failures: serde_json::from_str(&row.failures).map_err(|_| INCONSISTENT)?,
        };
        Ok(Self { record, instance_id: row.instance_id, seen_at: row.seen_at })
    }
}

/// The import with that id.
#[tracing::instrument(name = "db.import_runs.find", skip_all)]
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Option<StoredImport>, StorageError> {
    let found = sqlx::query_as!(
        ImportRow,
        "SELECT import_id, instance_id, login_name, is_dry_run, started_at, seen_at, state, detail,
                read_bytes, file_bytes, added, changed, failed, failures
         FROM import_runs JOIN users USING (user_id) WHERE import_id = $1",
        id,
    )
    .fetch_optional(connection)
    .await?;
    found.map(StoredImport::try_from).transpose()
}

/// The last imports, newest first.
#[tracing::instrument(name = "db.import_runs.list", skip_all)]
pub(crate) async fn list(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<StoredImport>, StorageError> {
    let found = sqlx::query_as!(
        ImportRow,
        "SELECT import_id, instance_id, login_name, is_dry_run, started_at, seen_at, state, detail,
                read_bytes, file_bytes, added, changed, failed, '[]' AS \"failures!\"
         FROM import_runs JOIN users USING (user_id) ORDER BY started_at DESC LIMIT $1",
        limit,
    )
    .fetch_all(connection)
    .await?;
    found.into_iter().map(StoredImport::try_from).collect()
}

/// Deletes up to `limit` imports that were not seen since a moment; returns their number.
pub(crate) async fn delete_unseen(
    connection: &mut PgConnection,
    since: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM import_runs WHERE import_id IN (
             SELECT import_id FROM import_runs WHERE seen_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        since,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
