//! Inserts many new users at once by `COPY`, in its binary format: PostgreSQL then parses no numbers,
//! times and hexadecimal digits.
//!
//! It does not support identifiers: the caller imports users with identifiers one at a time.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{credential_writes::CredentialWrite, error::StorageError};
use crate::domain::{
    audit::AuditEvent, change_cause::ChangeCause, new_user::NewUser, role::Role, user::UserId,
};

const USERS: &str = "COPY users (user_id, login_name, canonical_name, display_name, user_type, \
    is_administrator, role, is_retired, person_id, role_id, ej_user_id, nick_name, canonical_nick_name, \
    session_epoch, audit_sequence, audit_mac, created_at) FROM STDIN (FORMAT binary)";
const LOGIN_NAMES: &str = "COPY login_names (canonical_name, user_id) FROM STDIN (FORMAT binary)";
const NICK_NAMES: &str = "COPY nick_names (canonical_name, user_id) FROM STDIN (FORMAT binary)";
const CREDENTIALS: &str = "COPY credentials (user_id, credential_type, sealed_hash, key_id, \
    hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism, display_value, version, \
    registered_at, registered_by, updated_at, updated_by, valid_from, valid_to, \
    change_required) FROM STDIN (FORMAT binary)";
const AUDIT_EVENTS: &str = "COPY audit_events (user_id, sequence, occurred_at, kind, \
    actor_user_id, scheme, address, request_id, credential_type, session_epoch, key_id, mac, \
    reason) FROM STDIN (FORMAT binary)";

/// The first bytes of the binary format: its signature, no flags, and no extension of the header.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of the binary format, in place of the number of columns of a row.
const TRAILER: i16 = -1;
/// The length of NULL.
const NULL: i32 = -1;
/// The start of 2000, from which PostgreSQL counts the microseconds of a `timestamptz`, in microseconds
/// since 1970.
const EPOCH: i128 = 946_684_800_000_000;

/// The bytes that are sent at once. The connection keeps a buffer of this size.
const CHUNK: usize = 64 * 1024;

/// The bytes to reserve for a row.
const ROW: usize = 320;

/// The end of a new user's audit chain.
#[derive(Debug)]
pub(crate) struct ChainEnd<'mac> {
    pub(crate) session_epoch: i64,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_mac: &'mac [u8],
}

/// The rows to insert.
pub(crate) struct BulkRows {
    users: Rows,
    login_names: Rows,
    nick_names: Rows,
    credentials: Rows,
    audit_events: Rows,
}

impl BulkRows {
    /// No rows, with memory for those of that many users with a credential each.
    pub(crate) fn with_capacity(users: usize) -> Self {
        Self {
            users: Rows::new(USERS, users),
            login_names: Rows::new(LOGIN_NAMES, users),
            nick_names: Rows::new(NICK_NAMES, 0),
            credentials: Rows::new(CREDENTIALS, users),
            audit_events: Rows::new(AUDIT_EVENTS, 2 * users),
        }
    }

    /// Adds a user with the end of the audit chain.
    pub(crate) fn add_user(
        &mut self,
        user_id: UserId,
        user: &NewUser,
        end: &ChainEnd<'_>,
        now: OffsetDateTime,
    ) -> Result<(), StorageError> {
        let name = user.login_name.as_str();
        self.users
            .row()
            .integer(user_id.as_i32())
            .text(name)
            .text(user.login_name.canonical())
            .text(user.display_name.as_str())
            .text(user.user_type.as_str())
            .flag(user.is_administrator)
            .optional(user.role.map(Role::as_str), Rows::text)
            .flag(user.is_retired)
            .integer(user.vendor_ids.person.as_i32())
            .integer(user.vendor_ids.role.as_i32())
            .integer(user.vendor_ids.ej_user.as_i32())
            .text(user.nick_name.as_str())
            .text(user.nick_name.canonical())
            .big_integer(end.session_epoch)
            .big_integer(end.audit_sequence)
            .bytes(end.audit_mac)
            .timestamp(now)?;
        self.login_names.row().text(user.login_name.canonical()).integer(user_id.as_i32());
        if !user.nick_name.canonical().is_empty() {
            self.nick_names.row().text(user.nick_name.canonical()).integer(user_id.as_i32());
        }
        Ok(())
    }

    /// Adds a credential with its audit event.
    pub(crate) fn add_credential(&mut self, write: &CredentialWrite) -> Result<(), StorageError> {
        let (event, cost) = (&write.event, write.hash_parameters);
        let actor = event.actor.map(UserId::as_i32);
        let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        self.credentials
            .row()
            .integer(event.user_id.as_i32())
            .text(&write.credential_type)
            .bytes(&write.sealed_hash)
            .text(&write.key_id)
            .text(write.hash_scheme.as_str())
            .integer(parameter(cost.memory_kib))
            .integer(parameter(cost.iterations))
            .integer(parameter(cost.parallelism))
            .text(&write.display_value)
            .big_integer(event.sequence)
            .timestamp(event.occurred_at)?
            .optional(actor, Rows::integer)
            .timestamp(event.occurred_at)?
            .optional(actor, Rows::integer)
            .optional_timestamp(write.validity.from())?
            .optional_timestamp(write.validity.to())?
            .optional(write.change_required.map(ChangeCause::as_str), Rows::text);
        self.add_event(event, &write.audit_key_id, &write.audit_mac)
    }

    /// Adds an audit event.
    pub(crate) fn add_event(
        &mut self,
        event: &AuditEvent,
        key_id: &str,
        mac: &[u8],
    ) -> Result<(), StorageError> {
        self.audit_events
            .row()
            .integer(event.user_id.as_i32())
            .big_integer(event.sequence)
            .timestamp(event.occurred_at)?
            .text(event.kind.as_str())
            .optional(event.actor.map(UserId::as_i32), Rows::integer)
            .text(event.scheme)
            .optional(event.address.as_deref(), Rows::text)
            .text(&event.request_id)
            .optional(event.credential_type.as_deref(), Rows::text)
            .big_integer(event.session_epoch)
            .text(key_id)
            .bytes(mac)
            .optional(event.reason.as_deref(), Rows::text);
        Ok(())
    }
}

/// Makes the statements of the caller's transaction find rows by an index.
///
/// While a table grows, PostgreSQL has no statistics of it, and would read it whole: once for each
/// batch to find many names, and once for each row to check a foreign key, when it planned that check
/// while the table was small.
pub(crate) async fn prefer_indexes(connection: &mut PgConnection) -> Result<(), StorageError> {
    let prefer = sqlx::query_scalar!("SELECT set_config('enable_seqscan', 'off', true)");
    prefer.fetch_one(connection).await?;
    Ok(())
}

/// Those of these login names, in their canonical form, that users have.
#[tracing::instrument(name = "db.bulk.taken_names", skip_all)]
pub(crate) async fn taken_names(
    connection: &mut PgConnection,
    canonical_names: &[String],
) -> Result<Vec<String>, StorageError> {
    let taken = sqlx::query_scalar!(
        "SELECT canonical_name FROM login_names WHERE canonical_name = ANY($1)",
        canonical_names,
    );
    Ok(taken.fetch_all(connection).await?)
}

/// Inserts all rows within the caller's transaction.
///
/// # Errors
/// [`StorageError::Constraint`] when a name or an id is already taken.
#[tracing::instrument(name = "db.bulk.copy", skip_all)]
pub(crate) async fn copy(
    connection: &mut PgConnection,
    rows: BulkRows,
) -> Result<(), StorageError> {
    // The driver logs every statement except COPY.
    tracing::debug!(users = rows.users.count, "writing by COPY");
    let BulkRows { users, login_names, nick_names, credentials, audit_events } = rows;
    for rows in [users, login_names, nick_names, credentials, audit_events] {
        if rows.count == 0 {
            continue;
        }
        let mut sink = connection.copy_in_raw(rows.statement).await?;
        for chunk in rows.ended().chunks(CHUNK) {
            sink.send(chunk).await?;
        }
        sink.finish().await?;
    }
    Ok(())
}

/// Rows in the binary format of `COPY`: each has the number of its columns, and each column its
/// length and its value, big-endian.
struct Rows {
    statement: &'static str,
    /// The number of columns that the statement names.
    columns: i16,
    bytes: Vec<u8>,
    count: usize,
}

impl Rows {
    /// No rows for this statement, with memory for that many.
    fn new(statement: &'static str, rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER.len() + rows * ROW);
        bytes.extend_from_slice(HEADER);
        let columns = 1 + statement.matches(", ").count();
        let columns = i16::try_from(columns).unwrap_or(i16::MAX);
        Self { statement, columns, bytes, count: 0 }
    }

    /// Begins a row.
    fn row(&mut self) -> &mut Self {
        self.count += 1;
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// All bytes, with the end of the format.
    fn ended(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&TRAILER.to_be_bytes());
        self.bytes
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // No column is longer than 2 GiB: lines have at most 64 KiB.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn integer(&mut self, number: i32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn big_integer(&mut self, number: i64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn flag(&mut self, value: bool) -> &mut Self {
        self.bytes(&[u8::from(value)])
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn timestamp(&mut self, at: OffsetDateTime) -> Result<&mut Self, StorageError> {
        let micros = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000) - EPOCH);
        let inconsistent = |_| StorageError::Inconsistent { table: "imported timestamps" };
        Ok(self.big_integer(micros.map_err(inconsistent)?))
    }

    fn optional_timestamp(
        &mut self,
        at: Option<OffsetDateTime>,
    ) -> Result<&mut Self, StorageError> {
        match at {
            Some(at) => self.timestamp(at),
            None => Ok(self.null()),
        }
    }

    fn optional<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        self
    }
}
