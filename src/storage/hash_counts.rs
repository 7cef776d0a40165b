//! Counts credentials by the scheme and the cost of their hash.

use sqlx::PgConnection;

use super::error::StorageError;
use crate::domain::stored_credential::{HashParameters, HashScheme};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "credentials" };

/// A larger table is sampled: this number of its pages is read, whatever its size.
const MAXIMUM_PAGES: i64 = 2000;

/// The number of credentials with one kind of hash.
#[derive(Debug)]
pub(crate) struct HashCount {
    pub(crate) scheme: HashScheme,
    pub(crate) parameters: HashParameters,
    pub(crate) credentials: u64,
    /// True when only a sample of the table was counted.
    pub(crate) is_sample: bool,
}

struct CountRow {
    hash_scheme: String,
    hash_memory_kib: i32,
    hash_iterations: i32,
    hash_parallelism: i32,
    credentials: i64,
    is_sample: bool,
}

impl TryFrom<CountRow> for HashCount {
    type Error = StorageError;

    fn try_from(row: CountRow) -> Result<Self, StorageError> {
        let positive = |number: i32| u32::try_from(number).map_err(|_| INCONSISTENT);
        Ok(Self {
            scheme: HashScheme::parse(&row.hash_scheme).ok_or(INCONSISTENT)?,
            parameters: HashParameters {
                memory_kib: positive(row.hash_memory_kib)?,
                iterations: positive(row.hash_iterations)?,
                parallelism: positive(row.hash_parallelism)?,
            },
            credentials: u64::try_from(row.credentials).map_err(|_| INCONSISTENT)?,
            is_sample: row.is_sample,
        })
    }
}

/// Counts the credentials of each kind of hash; in a large table, those of a random sample of its
/// pages.
#[tracing::instrument(name = "db.credentials.count_hashes", skip_all)]
pub(crate) async fn count(connection: &mut PgConnection) -> Result<Vec<HashCount>, StorageError> {
    let rows = sqlx::query_as!(
        CountRow,
        r#"SELECT hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism,
                  count(*) AS "credentials!",
                  pg_relation_size('credentials') > $1::bigint * current_setting('block_size')::bigint
                      AS "is_sample!"
           FROM credentials TABLESAMPLE SYSTEM (least(
               100.0,
               100.0 * $1::bigint * current_setting('block_size')::bigint
                   / greatest(pg_relation_size('credentials'), 1)
           ))
           GROUP BY hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism"#,
        MAXIMUM_PAGES,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(HashCount::try_from).collect()
}
