//! Reads credentials. Their hashes are still sealed, so nothing in the rows is trusted yet.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::StorageError, users::UserRow};
use crate::domain::{
    change_cause::ChangeCause,
    credential::{CredentialSummary, LastUse},
    stored_credential::{HashParameters, HashScheme, StoredCredential},
    user::{User, UserId},
    validity::Validity,
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "credentials" };

/// A user who may log in, with the credentials to verify.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) user: User,
    pub(crate) credentials: Vec<StoredCredential>,
}

pub(super) struct CredentialRow {
    pub(super) user_id: i32,
    pub(super) credential_type: String,
    pub(super) sealed_hash: Vec<u8>,
    pub(super) key_id: String,
    pub(super) hash_scheme: String,
    pub(super) hash_memory_kib: i32,
    pub(super) hash_iterations: i32,
    pub(super) hash_parallelism: i32,
    pub(super) version: i64,
    pub(super) valid_from: Option<OffsetDateTime>,
    pub(super) valid_to: Option<OffsetDateTime>,
    pub(super) change_required: Option<String>,
}

impl TryFrom<CredentialRow> for StoredCredential {
    type Error = StorageError;

    fn try_from(row: CredentialRow) -> Result<Self, StorageError> {
        let positive = |number: i32| u32::try_from(number).map_err(|_| INCONSISTENT);
        Ok(Self {
            user_id: UserId::try_from(row.user_id).map_err(|_| INCONSISTENT)?,
            credential_type: row.credential_type,
            sealed_hash: row.sealed_hash,
            key_id: row.key_id,
            hash_scheme: HashScheme::parse(&row.hash_scheme).ok_or(INCONSISTENT)?,
            hash_parameters: HashParameters {
                memory_kib: positive(row.hash_memory_kib)?,
                iterations: positive(row.hash_iterations)?,
                parallelism: positive(row.hash_parallelism)?,
            },
            version: row.version,
            validity: Validity::parse("", row.valid_from, row.valid_to)
                .map_err(|_| INCONSISTENT)?,
            change_required: parse_cause(row.change_required.as_deref())?,
        })
    }
}

fn parse_cause(text: Option<&str>) -> Result<Option<ChangeCause>, StorageError> {
    text.map(|text| ChangeCause::parse(text).ok_or(INCONSISTENT)).transpose()
}

/// A user, left-joined with a credential.
pub(super) struct CandidateRow {
    pub(super) user_id: i32,
    pub(super) login_name: String,
    pub(super) display_name: String,
    pub(super) user_type: String,
    pub(super) is_administrator: bool,
    pub(super) role: Option<String>,
    pub(super) is_retired: bool,
    pub(super) session_epoch: i64,
    pub(super) person_id: i32,
    pub(super) role_id: i32,
    pub(super) ej_user_id: i32,
    pub(super) nick_name: String,
    pub(super) credential_type: Option<String>,
    pub(super) sealed_hash: Option<Vec<u8>>,
    pub(super) key_id: Option<String>,
    pub(super) hash_scheme: Option<String>,
    pub(super) hash_memory_kib: Option<i32>,
    pub(super) hash_iterations: Option<i32>,
    pub(super) hash_parallelism: Option<i32>,
    pub(super) version: Option<i64>,
    pub(super) valid_from: Option<OffsetDateTime>,
    pub(super) valid_to: Option<OffsetDateTime>,
    pub(super) change_required: Option<String>,
}

impl CandidateRow {
    fn credential(&mut self) -> Option<CredentialRow> {
        Some(CredentialRow {
            user_id: self.user_id,
            credential_type: self.credential_type.take()?,
            sealed_hash: self.sealed_hash.take()?,
            key_id: self.key_id.take()?,
            hash_scheme: self.hash_scheme.take()?,
            hash_memory_kib: self.hash_memory_kib?,
            hash_iterations: self.hash_iterations?,
            hash_parallelism: self.hash_parallelism?,
            version: self.version?,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            change_required: self.change_required.take(),
        })
    }

    fn user(self) -> Result<User, StorageError> {
        User::try_from(UserRow {
            user_id: self.user_id,
            login_name: self.login_name,
            display_name: self.display_name,
            user_type: self.user_type,
            is_administrator: self.is_administrator,
            role: self.role,
            is_retired: self.is_retired,
            session_epoch: self.session_epoch,
            person_id: self.person_id,
            role_id: self.role_id,
            ej_user_id: self.ej_user_id,
            nick_name: self.nick_name,
        })
    }
}

pub(super) fn candidate(rows: Vec<CandidateRow>) -> Result<Option<Candidate>, StorageError> {
    let mut user = None;
    let mut credentials = Vec::new();
    for mut row in rows {
        credentials.extend(row.credential().map(StoredCredential::try_from).transpose()?);
        user = Some(row.user()?);
    }
    Ok(user.map(|user| Candidate { user, credentials }))
}

/// Finds the owner of an identifier by any of its digests, with the credential of that identifier.
#[tracing::instrument(name = "db.credentials.find_by_identifier", skip_all)]
pub(crate) async fn find_by_identifier(
    connection: &mut PgConnection,
    credential_type: &str,
    digests: &[Vec<u8>],
) -> Result<Option<Candidate>, StorageError> {
    let rows = sqlx::query_as!(
        CandidateRow,
        r#"SELECT u.user_id, u.login_name, u.display_name, u.user_type, u.is_administrator,
                  u.role, u.is_retired, u.session_epoch, u.person_id, u.role_id, u.ej_user_id,
                  u.nick_name, c.credential_type AS "credential_type?",
                  c.sealed_hash AS "sealed_hash?", c.key_id AS "key_id?",
                  c.hash_scheme AS "hash_scheme?",
                  c.hash_memory_kib AS "hash_memory_kib?", c.hash_iterations AS "hash_iterations?",
                  c.hash_parallelism AS "hash_parallelism?", c.version AS "version?",
                  c.valid_from AS "valid_from?", c.valid_to AS "valid_to?",
                  c.change_required AS "change_required?"
           FROM credential_identifiers i
           JOIN users u ON u.user_id = i.user_id
           JOIN credentials c ON c.user_id = i.user_id AND c.credential_type = i.credential_type
           WHERE i.credential_type = $1 AND i.digest = ANY($2)
           LIMIT 1"#,
        credential_type,
        digests,
    )
    .fetch_all(connection)
    .await?;
    candidate(rows)
}

/// Finds the user's credential of one type.
pub(crate) async fn find_by_type(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<Option<StoredCredential>, StorageError> {
    sqlx::query_as!(
        CredentialRow,
        "SELECT user_id, credential_type, sealed_hash, key_id, hash_scheme, hash_memory_kib, hash_iterations,
                hash_parallelism, version, valid_from, valid_to, change_required
         FROM credentials WHERE user_id = $1 AND credential_type = $2",
        user_id.as_i32(),
        credential_type,
    )
    .fetch_optional(connection)
    .await?
    .map(StoredCredential::try_from)
    .transpose()
}

/// As [`find_by_type`], and locks the row: no rehash or reseal changes it until the transaction ends.
pub(crate) async fn lock_by_type(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<Option<StoredCredential>, StorageError> {
    sqlx::query_as!(
        CredentialRow,
        "SELECT user_id, credential_type, sealed_hash, key_id, hash_scheme, hash_memory_kib, hash_iterations,
                hash_parallelism, version, valid_from, valid_to, change_required
         FROM credentials WHERE user_id = $1 AND credential_type = $2 FOR NO KEY UPDATE",
        user_id.as_i32(),
        credential_type,
    )
    .fetch_optional(connection)
    .await?
    .map(StoredCredential::try_from)
    .transpose()
}

pub(super) struct KindRow {
    pub(super) hash_scheme: String,
    pub(super) hash_memory_kib: i32,
    pub(super) hash_iterations: i32,
    pub(super) hash_parallelism: i32,
}

impl TryFrom<KindRow> for (HashScheme, HashParameters) {
    type Error = StorageError;

    fn try_from(row: KindRow) -> Result<Self, StorageError> {
        let positive = |number: i32| u32::try_from(number).map_err(|_| INCONSISTENT);
        let scheme = HashScheme::parse(&row.hash_scheme).ok_or(INCONSISTENT)?;
        let parameters = HashParameters {
            memory_kib: positive(row.hash_memory_kib)?,
            iterations: positive(row.hash_iterations)?,
            parallelism: positive(row.hash_parallelism)?,
        };
        Ok((scheme, parameters))
    }
}

/// Lists the distinct schemes and costs of all hashes, with one index step for each.
pub(super) async fn list_kinds(
    connection: &mut PgConnection,
) -> Result<Vec<KindRow>, StorageError> {
    let rows = sqlx::query_as!(
        KindRow,
        r#"WITH RECURSIVE kinds AS (
               (SELECT hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism
                FROM credentials
                ORDER BY hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism LIMIT 1)
               UNION ALL
               SELECT next.* FROM kinds k CROSS JOIN LATERAL (
                   SELECT c.hash_scheme, c.hash_memory_kib, c.hash_iterations, c.hash_parallelism
                   FROM credentials c
                   WHERE (c.hash_scheme, c.hash_memory_kib, c.hash_iterations, c.hash_parallelism)
                       > (k.hash_scheme, k.hash_memory_kib, k.hash_iterations, k.hash_parallelism)
                   ORDER BY c.hash_scheme, c.hash_memory_kib, c.hash_iterations, c.hash_parallelism
                   LIMIT 1
               ) AS next
           )
           SELECT hash_scheme AS "hash_scheme!", hash_memory_kib AS "hash_memory_kib!",
                  hash_iterations AS "hash_iterations!", hash_parallelism AS "hash_parallelism!"
           FROM kinds"#,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

struct SummaryRow {
    user_id: i32,
    credential_type: String,
    display_value: String,
    version: i64,
    registered_at: OffsetDateTime,
    registered_by: Option<i32>,
    updated_at: OffsetDateTime,
    updated_by: Option<i32>,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    change_required: Option<String>,
    last_used_at: Option<OffsetDateTime>,
    last_used_scheme: Option<String>,
    last_used_address: Option<String>,
}

impl TryFrom<SummaryRow> for CredentialSummary {
    type Error = StorageError;

    fn try_from(row: SummaryRow) -> Result<Self, StorageError> {
        let user_id = |id: i32| UserId::try_from(id).map_err(|_| INCONSISTENT);
        let used = row.last_used_at.zip(row.last_used_scheme);
        Ok(Self {
            user_id: user_id(row.user_id)?,
            credential_type: row.credential_type,
            display_value: row.display_value,
            version: row.version,
            registered_at: row.registered_at,
            registered_by: row.registered_by.map(user_id).transpose()?,
            updated_at: row.updated_at,
            updated_by: row.updated_by.map(user_id).transpose()?,
            validity: Validity::parse("", row.valid_from, row.valid_to)
                .map_err(|_| INCONSISTENT)?,
            change_required: parse_cause(row.change_required.as_deref())?,
            last_use: used.map(|(at, scheme)| LastUse {
                at,
                scheme,
                address: row.last_used_address,
            }),
        })
    }
}

/// Lists the types of a user's credentials, in order.
pub(crate) async fn list_types(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Vec<String>, StorageError> {
    let types = sqlx::query_scalar!(
        "SELECT credential_type FROM credentials WHERE user_id = $1 ORDER BY credential_type",
        user_id.as_i32(),
    )
    .fetch_all(connection)
    .await?;
    Ok(types)
}

/// Lists the public properties of a user's credentials, by type.
pub(crate) async fn list_by_user(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Vec<CredentialSummary>, StorageError> {
    list_by_users(connection, &[user_id]).await
}

/// Lists the public properties of several users' credentials, by user and type.
pub(crate) async fn list_by_users(
    connection: &mut PgConnection,
    user_ids: &[UserId],
) -> Result<Vec<CredentialSummary>, StorageError> {
    let user_ids: Vec<_> = user_ids.iter().map(|id| id.as_i32()).collect();
    sqlx::query_as!(
        SummaryRow,
        "SELECT user_id, credential_type, display_value, version, registered_at, registered_by,
                updated_at, updated_by, valid_from, valid_to, change_required, last_used_at,
                last_used_scheme, last_used_address
         FROM credentials WHERE user_id = ANY($1) ORDER BY user_id, credential_type",
        &user_ids,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(CredentialSummary::try_from)
    .collect()
}
