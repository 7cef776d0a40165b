//! Reads everything that a login with a name and a secret needs, in one statement: the user or
//! pseudo user of the name, their credentials, and the failed attempts.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    attempts::count,
    credentials::{Candidate, CandidateRow, candidate},
    error::StorageError,
};
use crate::domain::{
    audit::AuditKind,
    throttling::{ADDRESS_WINDOW, AddressFailureCount, FailureCount, Subject},
    user::UserId,
};

/// The user of a login name, with the failed attempts of the user and of the client address.
#[derive(Debug)]
pub(crate) struct Login {
    /// The user, or the pseudo user of an unknown name.
    pub(crate) subject: Subject,
    pub(crate) candidate: Option<Candidate>,
    /// The failed attempts by type, without types that have none.
    pub(crate) failure_counts: Vec<(String, FailureCount)>,
    pub(crate) address_failures: AddressFailureCount,
}

/// The input of [`find`].
#[derive(Debug)]
pub(crate) struct LoginQuery<'query> {
    pub(crate) canonical_name: &'query str,
    pub(crate) types: &'query [String],
    /// The pseudo user of the name, if no user has it.
    pub(crate) pseudo: Subject,
    /// The digest of the client address; `None`: no network was involved.
    pub(crate) address: Option<&'query [u8]>,
    /// The limit of failures of one address; rows beyond it make no difference and are not read.
    pub(crate) maximum_per_address: u32,
    pub(crate) now: OffsetDateTime,
}

/// One row for each requested credential type.
pub(super) struct LoginRow {
    pub(super) asked_type: String,
    pub(super) user_id: Option<i32>,
    pub(super) login_name: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) user_type: Option<String>,
    pub(super) is_administrator: Option<bool>,
    pub(super) role: Option<String>,
    pub(super) is_retired: Option<bool>,
    pub(super) session_epoch: Option<i64>,
    pub(super) person_id: Option<i32>,
    pub(super) role_id: Option<i32>,
    pub(super) ej_user_id: Option<i32>,
    pub(super) nick_name: Option<String>,
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
    pub(super) failures: Option<i32>,
    pub(super) throttle_failures: Option<i32>,
    pub(super) next_allowed_at: Option<OffsetDateTime>,
    pub(super) last_succeeded_at: Option<OffsetDateTime>,
    pub(super) subject_failures: Option<i32>,
    pub(super) address_failures: i64,
}

impl LoginRow {
    fn failure_count(&self) -> Result<Option<(String, FailureCount)>, StorageError> {
        let counters = self.failures.zip(self.throttle_failures);
        let Some((failures, throttle_failures)) = counters else { return Ok(None) };
        let failure_count = FailureCount {
            failures: count(failures)?,
            throttle_failures: count(throttle_failures)?,
            next_allowed_at: self.next_allowed_at,
        };
        Ok(Some((self.asked_type.clone(), failure_count)))
    }

    fn address_failures(&self) -> AddressFailureCount {
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        AddressFailureCount {
            last_succeeded_at: self.last_succeeded_at,
            subject_failures: number(self.subject_failures.unwrap_or_default().into()),
            total_failures: number(self.address_failures),
        }
    }

    /// `None`: no user has the name.
    fn candidate_row(self) -> Option<CandidateRow> {
        Some(CandidateRow {
            user_id: self.user_id?,
            login_name: self.login_name?,
            display_name: self.display_name?,
            user_type: self.user_type?,
            is_administrator: self.is_administrator?,
            role: self.role,
            is_retired: self.is_retired?,
            session_epoch: self.session_epoch?,
            person_id: self.person_id?,
            role_id: self.role_id?,
            ej_user_id: self.ej_user_id?,
            nick_name: self.nick_name?,
            credential_type: self.credential_type,
            sealed_hash: self.sealed_hash,
            key_id: self.key_id,
            hash_scheme: self.hash_scheme,
            hash_memory_kib: self.hash_memory_kib,
            hash_iterations: self.hash_iterations,
            hash_parallelism: self.hash_parallelism,
            version: self.version,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            change_required: self.change_required,
        })
    }
}

/// Finds the user of a canonical login name.
#[tracing::instrument(name = "db.logins.find", skip_all)]
pub(crate) async fn find(
    connection: &mut PgConnection,
    query: &LoginQuery<'_>,
) -> Result<Login, StorageError> {
    let rows = sqlx::query_as!(
        LoginRow,
        r#"SELECT t.name AS "asked_type!", u.user_id AS "user_id?", u.login_name AS "login_name?",
                  u.display_name AS "display_name?", u.user_type AS "user_type?",
                  u.is_administrator AS "is_administrator?", u.role AS "role?",
                  u.is_retired AS "is_retired?", u.session_epoch AS "session_epoch?", u.person_id AS "person_id?",
                  u.role_id AS "role_id?", u.ej_user_id AS "ej_user_id?",
                  u.nick_name AS "nick_name?", c.credential_type AS "credential_type?",
                  c.sealed_hash AS "sealed_hash?", c.key_id AS "key_id?",
                  c.hash_scheme AS "hash_scheme?", c.hash_memory_kib AS "hash_memory_kib?",
                  c.hash_iterations AS "hash_iterations?", c.hash_parallelism AS "hash_parallelism?",
                  c.version AS "version?", c.valid_from AS "valid_from?", c.valid_to AS "valid_to?",
                  c.change_required AS "change_required?",
                  a.failures AS "failures?", a.throttle_failures AS "throttle_failures?",
                  a.next_allowed_at AS "next_allowed_at?",
                  k.last_succeeded_at AS "last_succeeded_at?",
                  CASE WHEN k.last_failed_at > $5 THEN k.failures ELSE 0 END AS "subject_failures?",
                  (SELECT coalesce(sum(f.failures), 0) FROM (
                       SELECT failures FROM address_failures
                       WHERE address_digest = $4 AND failures > 0 AND last_failed_at > $5
                       LIMIT $6
                   ) AS f) AS "address_failures!"
           FROM (SELECT coalesce(
                     (SELECT user_id FROM login_names WHERE canonical_name = $1), $3
                 ) AS subject_id) AS s
           CROSS JOIN unnest($2::text[]) AS t(name)
           LEFT JOIN users u ON u.user_id = s.subject_id
           LEFT JOIN credentials c ON c.user_id = s.subject_id AND c.credential_type = t.name
           LEFT JOIN authentication_attempts a
                  ON a.user_id = s.subject_id AND a.credential_type = t.name
           LEFT JOIN known_addresses k ON k.user_id = s.subject_id AND k.address_digest = $4"#,
        query.canonical_name,
        query.types,
        query.pseudo.as_i32(),
        query.address,
        query.now - ADDRESS_WINDOW,
        i64::from(query.maximum_per_address),
    )
    .fetch_all(connection)
    .await?;
    login(rows, query.pseudo)
}

/// The login of the rows of a subject: one for each requested type.
pub(super) fn login(rows: Vec<LoginRow>, pseudo: Subject) -> Result<Login, StorageError> {
    let address_failures = rows.first().map(LoginRow::address_failures).unwrap_or_default();
    let failure_counts: Result<Vec<_>, _> =
        rows.iter().filter_map(|row| row.failure_count().transpose()).collect();
    let candidate = candidate(rows.into_iter().filter_map(LoginRow::candidate_row).collect())?;
    let user = candidate.as_ref().map(|candidate| candidate.user.user_id);
    Ok(Login {
        subject: user.map_or(pseudo, |user_id: UserId| user_id.into()),
        candidate,
        failure_counts: failure_counts?,
        address_failures,
    })
}

/// True when a subject has a credential of any type, or ever had one. False for pseudo users.
#[tracing::instrument(name = "db.logins.has_had_credentials", skip_all)]
pub(crate) async fn has_had_credentials(
    connection: &mut PgConnection,
    subject: Subject,
) -> Result<bool, StorageError> {
    let had_credentials = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM credentials WHERE user_id = $1)
                  OR EXISTS (
                      SELECT 1 FROM audit_events WHERE user_id = $1 AND kind IN ($2, $3)
                  ) AS "had_credentials!""#,
        subject.as_i32(),
        AuditKind::CredentialSaved.as_str(),
        // The event of a credential that was saved with the mark.
        AuditKind::ChangeRequired.as_str(),
    )
    .fetch_one(connection)
    .await?;
    Ok(had_credentials)
}
