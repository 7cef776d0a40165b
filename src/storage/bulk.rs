//! Inserts many new users at once by `COPY`, in its text format.
//!
//! It does not support identifiers: the caller imports users with identifiers one at a time.

use sqlx::PgConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{credential_writes::CredentialWrite, error::StorageError};
use crate::domain::{
    audit::AuditEvent, change_cause::ChangeCause, new_user::NewUser, role::Role, user::UserId,
};

const USERS: &str = "COPY users (user_id, login_name, canonical_name, display_name, user_type, \
    is_administrator, role, is_retired, person_id, role_id, ej_user_id, nick_name, canonical_nick_name, \
    session_epoch, audit_sequence, audit_mac, created_at) FROM STDIN";
const LOGIN_NAMES: &str = "COPY login_names (canonical_name, user_id) FROM STDIN";
const NICK_NAMES: &str = "COPY nick_names (canonical_name, user_id) FROM STDIN";
const CREDENTIALS: &str = "COPY credentials (user_id, credential_type, sealed_hash, key_id, \
    hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism, display_value, version, \
    registered_at, registered_by, updated_at, updated_by, valid_from, valid_to, \
    change_required) FROM STDIN";
const AUDIT_EVENTS: &str = "COPY audit_events (user_id, sequence, occurred_at, kind, \
    actor_user_id, scheme, address, request_id, credential_type, session_epoch, key_id, mac, \
    reason) FROM STDIN";

/// The end of a new user's audit chain.
#[derive(Debug)]
pub(crate) struct ChainEnd<'mac> {
    pub(crate) session_epoch: i64,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_mac: &'mac [u8],
}

/// The rows to insert.
#[derive(Default)]
pub(crate) struct BulkRows {
    users: Rows,
    login_names: Rows,
    nick_names: Rows,
    credentials: Rows,
    audit_events: Rows,
}

impl BulkRows {
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
            .number(user_id.as_i32())
            .text(name)
            .text(user.login_name.canonical())
            .text(user.display_name.as_str())
            .text(user.user_type.as_str())
            .flag(user.is_administrator)
            .optional(user.role.map(Role::as_str), Rows::text)
            .flag(user.is_retired)
            .number(user.vendor_ids.person.as_i32())
            .number(user.vendor_ids.role.as_i32())
            .number(user.vendor_ids.ej_user.as_i32())
            .text(user.nick_name.as_str())
            .text(user.nick_name.canonical())
            .number(end.session_epoch)
            .number(end.audit_sequence)
            .bytes(end.audit_mac)
            .timestamp(now)?
            .end();
        self.login_names.text(user.login_name.canonical()).number(user_id.as_i32()).end();
        if !user.nick_name.canonical().is_empty() {
            self.nick_names.text(user.nick_name.canonical()).number(user_id.as_i32()).end();
        }
        Ok(())
    }

    /// Adds a credential with its audit event.
    pub(crate) fn add_credential(&mut self, write: &CredentialWrite) -> Result<(), StorageError> {
        let (event, cost) = (&write.event, write.hash_parameters);
        let actor = event.actor.map(UserId::as_i32);
        self.credentials
            .number(event.user_id.as_i32())
            .text(&write.credential_type)
            .bytes(&write.sealed_hash)
            .text(&write.key_id)
            .text(write.hash_scheme.as_str())
            .number(cost.memory_kib)
            .number(cost.iterations)
            .number(cost.parallelism)
            .text(&write.display_value)
            .number(event.sequence)
            .timestamp(event.occurred_at)?
            .optional(actor, Rows::number)
            .timestamp(event.occurred_at)?
            .optional(actor, Rows::number)
            .optional_timestamp(write.validity.from())?
            .optional_timestamp(write.validity.to())?
            .optional(write.change_required.map(ChangeCause::as_str), Rows::text)
            .end();
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
            .number(event.user_id.as_i32())
            .number(event.sequence)
            .timestamp(event.occurred_at)?
            .text(event.kind.as_str())
            .optional(event.actor.map(UserId::as_i32), Rows::number)
            .text(event.scheme)
            .optional(event.address.as_deref(), Rows::text)
            .text(&event.request_id)
            .optional(event.credential_type.as_deref(), Rows::text)
            .number(event.session_epoch)
            .text(key_id)
            .bytes(mac)
            .optional(event.reason.as_deref(), Rows::text)
            .end();
        Ok(())
    }
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
    for (statement, rows) in [
        (USERS, rows.users),
        (LOGIN_NAMES, rows.login_names),
        (NICK_NAMES, rows.nick_names),
        (CREDENTIALS, rows.credentials),
        (AUDIT_EVENTS, rows.audit_events),
    ] {
        let mut sink = connection.copy_in_raw(statement).await?;
        sink.send(rows.text.into_bytes()).await?;
        sink.finish().await?;
    }
    Ok(())
}

/// Rows in the text format of `COPY`: columns separated by tabs.
#[derive(Default)]
struct Rows {
    text: String,
    count: usize,
    has_columns: bool,
}

impl Rows {
    fn column(&mut self) -> &mut String {
        if self.has_columns {
            self.text.push('\t');
        }
        self.has_columns = true;
        &mut self.text
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.count += 1;
        self.has_columns = false;
    }

    fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        let number = number.into().to_string();
        self.column().push_str(&number);
        self
    }

    fn flag(&mut self, value: bool) -> &mut Self {
        self.column().push(if value { 't' } else { 'f' });
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let column = self.column();
        for character in text.chars() {
            match character {
                '\\' => column.push_str("\\\\"),
                '\n' => column.push_str("\\n"),
                '\r' => column.push_str("\\r"),
                '\t' => column.push_str("\\t"),
                other => column.push(other),
            }
        }
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let column = self.column();
        column.push_str("\\\\x");
        let digit =
            |half: u8| DIGITS.get(usize::from(half)).map_or('0', |digit| char::from(*digit));
        for byte in bytes {
            column.push(digit(byte >> 4));
            column.push(digit(byte & 15));
        }
        self
    }

    fn timestamp(&mut self, at: OffsetDateTime) -> Result<&mut Self, StorageError> {
        let inconsistent = |_| StorageError::Inconsistent { table: "imported timestamps" };
        let text = at.format(&Rfc3339).map_err(inconsistent)?;
        Ok(self.text(&text))
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
        self.column().push_str("\\N");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_of_copy_are_escaped() {
        let mut rows = Rows::default();
        rows.number(7).text("a\tb\\N\nc\r").bytes(&[0, 171]).flag(true).null().text("\\N").end();
        rows.text("").end();
        assert_eq!(rows.text, "7\ta\\tb\\\\N\\nc\\r\t\\\\x00ab\tt\t\\N\t\\\\N\n\n");
    }
}
