//! Many new users at once, by `COPY`: the columns of the four tables, and their text form.

use sqlx::PgConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{credential_writes::CredentialWrite, error::StorageError};
use crate::domain::{
    audit::AuditEvent,
    user::{NewUser, UserId},
};

const USERS: &str = "COPY users (user_id, login_name, canonical_name, display_name, user_type, \
    is_administrator, is_retired, session_epoch, audit_sequence, audit_mac, created_at) FROM STDIN";
const LOGIN_NAMES: &str = "COPY login_names (canonical_name, user_id) FROM STDIN";
const CREDENTIALS: &str = "COPY credentials (user_id, credential_type, sealed_hash, key_id, \
    hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism, display_value, version, \
    registered_at, registered_by, updated_at, updated_by, valid_from, valid_to) FROM STDIN";
const AUDIT_EVENTS: &str = "COPY audit_events (user_id, sequence, occurred_at, kind, \
    actor_user_id, scheme, address, request_id, credential_type, session_epoch, key_id, mac) \
    FROM STDIN";

/// Where a user's chain ends after all that was added of them.
#[derive(Debug)]
pub(crate) struct ChainEnd<'mac> {
    pub(crate) session_epoch: i64,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_mac: &'mac [u8],
}

/// Rows on their way into the tables.
#[derive(Default)]
pub(crate) struct BulkRows {
    users: Rows,
    login_names: Rows,
    credentials: Rows,
    audit_events: Rows,
}

impl BulkRows {
    /// A user with the end of their chain.
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
            .flag(user.is_retired)
            .number(end.session_epoch)
            .number(end.audit_sequence)
            .bytes(end.audit_mac)
            .moment(now)?
            .end();
        self.login_names.text(user.login_name.canonical()).number(user_id.as_i32()).end();
        Ok(())
    }

    /// A credential with its event.
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
            .moment(event.occurred_at)?
            .perhaps(actor, Rows::number)
            .moment(event.occurred_at)?
            .perhaps(actor, Rows::number)
            .perhaps_moment(write.validity.from())?
            .perhaps_moment(write.validity.to())?
            .end();
        self.add_event(event, &write.audit_key_id, &write.audit_mac)
    }

    /// An event.
    pub(crate) fn add_event(
        &mut self,
        event: &AuditEvent,
        key_id: &str,
        mac: &[u8],
    ) -> Result<(), StorageError> {
        self.audit_events
            .number(event.user_id.as_i32())
            .number(event.sequence)
            .moment(event.occurred_at)?
            .text(event.kind.as_str())
            .perhaps(event.actor.map(UserId::as_i32), Rows::number)
            .text(event.scheme)
            .perhaps(event.address.as_deref(), Rows::text)
            .text(&event.request_id)
            .perhaps(event.credential_type.as_deref(), Rows::text)
            .number(event.session_epoch)
            .text(key_id)
            .bytes(mac)
            .end();
        Ok(())
    }
}

/// Writes all of it within the caller's transaction.
///
/// # Errors
/// [`StorageError::Constraint`] when somebody took a name or an id meanwhile.
#[tracing::instrument(name = "db.bulk.copy", skip_all)]
pub(crate) async fn copy(
    connection: &mut PgConnection,
    rows: BulkRows,
) -> Result<(), StorageError> {
    // The driver logs every statement but these.
    tracing::debug!(users = rows.users.count, "writing by COPY");
    for (statement, rows) in [
        (USERS, rows.users),
        (LOGIN_NAMES, rows.login_names),
        (CREDENTIALS, rows.credentials),
        (AUDIT_EVENTS, rows.audit_events),
    ] {
        let mut sink = connection.copy_in_raw(statement).await?;
        sink.send(rows.text.into_bytes()).await?;
        sink.finish().await?;
    }
    Ok(())
}

/// Rows in the text form of `COPY`: columns between tabs.
#[derive(Default)]
struct Rows {
    text: String,
    count: usize,
    is_inside: bool,
}

impl Rows {
    fn column(&mut self) -> &mut String {
        if self.is_inside {
            self.text.push('\t');
        }
        self.is_inside = true;
        &mut self.text
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.count += 1;
        self.is_inside = false;
    }

    fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        let number = number.into().to_string();
        self.column().push_str(&number);
        self
    }

    fn flag(&mut self, is: bool) -> &mut Self {
        self.column().push(if is { 't' } else { 'f' });
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

    fn moment(&mut self, at: OffsetDateTime) -> Result<&mut Self, StorageError> {
        let inconsistent = |_| StorageError::Inconsistent { table: "imported moments" };
        let text = at.format(&Rfc3339).map_err(inconsistent)?;
        Ok(self.text(&text))
    }

    fn perhaps_moment(&mut self, at: Option<OffsetDateTime>) -> Result<&mut Self, StorageError> {
        match at {
            Some(at) => self.moment(at),
            None => Ok(self.null()),
        }
    }

    fn perhaps<T>(
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
    fn what_means_something_to_copy_is_written_so_that_it_does_not() {
        let mut rows = Rows::default();
        rows.number(7).text("a\tb\\N\nc\r").bytes(&[0, 171]).flag(true).null().text("\\N").end();
        rows.text("").end();
        assert_eq!(rows.text, "7\ta\\tb\\\\N\\nc\\r\t\\\\x00ab\tt\t\\N\t\\\\N\n\n");
    }
}
