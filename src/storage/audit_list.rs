//! Lists audit events page by page, newest first. Each page reads ranges of an index, and at most
//! [`EXAMINED`] events ([ADR 63](../../docs/adr/0063-read-the-audit-trail.md)).

use sqlx::PgConnection;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::error::StorageError;
use crate::domain::{
    audit::{AuditEntry, AuditKind},
    audit_query::{AuditFilter, AuditPage, AuditPosition, AuditQuery},
    user::UserId,
};

/// The maximum number of events that a page examines for the events of its filter.
pub(crate) const EXAMINED: i64 = 2_000;

struct ListedRow {
    user_id: i32,
    sequence: i64,
    occurred_at: OffsetDateTime,
    kind: String,
    actor_user_id: Option<i32>,
    scheme: String,
    address: Option<String>,
    request_id: String,
    credential_type: Option<String>,
    reason: Option<String>,
    is_match: bool,
    is_last_examined: bool,
}

impl TryFrom<ListedRow> for AuditEntry {
    type Error = StorageError;

    fn try_from(row: ListedRow) -> Result<Self, StorageError> {
        let user_id = |id| {
            UserId::try_from(id).map_err(|_| StorageError::Inconsistent { table: "audit_events" })
        };
        Ok(Self {
            user_id: user_id(row.user_id)?,
            sequence: row.sequence,
            occurred_at: row.occurred_at,
            kind: row.kind,
            actor: row.actor_user_id.map(user_id).transpose()?,
            scheme: row.scheme,
            address: row.address,
            request_id: Some(row.request_id),
            credential_type: row.credential_type,
            reason: row.reason,
        })
    }
}

/// Lists a page of events.
#[tracing::instrument(name = "db.audit_events.list", skip_all)]
pub(crate) async fn list(
    connection: &mut PgConnection,
    query: &AuditQuery,
) -> Result<AuditPage, StorageError> {
    let filter = &query.filter;
    let rows = match (filter.user, filter.actor) {
        (Some(user), _) => rows_of_user(connection, query, user).await?,
        (None, Some(actor)) => rows_by_actor(connection, query, actor).await?,
        (None, None) => rows_by_kind(connection, query).await?,
    };
    page(rows, usize::from(query.top))
}

/// The page, from its rows and one more.
fn page(rows: Vec<ListedRow>, top: usize) -> Result<AuditPage, StorageError> {
    let mut events: Vec<AuditEntry> = Vec::with_capacity(rows.len().min(top));
    for row in rows {
        if events.len() == top {
            let next = events.last().map(position);
            return Ok(AuditPage { events, next });
        }
        let (is_match, is_last_examined) = (row.is_match, row.is_last_examined);
        let entry = AuditEntry::try_from(row)?;
        let reached = position(&entry);
        if is_match {
            events.push(entry);
        }
        if is_last_examined {
            return Ok(AuditPage { events, next: Some(reached) });
        }
    }
    Ok(AuditPage { events, next: None })
}

fn position(entry: &AuditEntry) -> AuditPosition {
    AuditPosition {
        occurred_at: entry.occurred_at,
        user_id: entry.user_id.as_i32(),
        sequence: entry.sequence,
    }
}

async fn rows_of_user(
    connection: &mut PgConnection,
    query: &AuditQuery,
    user: UserId,
) -> Result<Vec<ListedRow>, StorageError> {
    let filter = &query.filter;
    let is_filtered = filter.actor.is_some()
        || !filter.kinds.is_empty()
        || filter.since.is_some()
        || filter.until.is_some();
    let (kinds, limit) = (kinds(filter), i64::from(query.top) + 1);
    let rows = sqlx::query_file_as!(
        ListedRow,
        "src/storage/list_audit_events_of_user.sql",
        user.as_i32(),
        query.after.map_or(i64::MAX, |after| after.sequence),
        examined(is_filtered, limit),
        kinds.as_deref() as Option<&[String]>,
        filter.actor.map(UserId::as_i32) as Option<i32>,
        start(filter),
        filter.until.unwrap_or(END_OF_TIME),
        limit,
    );
    Ok(rows.fetch_all(connection).await?)
}

async fn rows_by_actor(
    connection: &mut PgConnection,
    query: &AuditQuery,
    actor: UserId,
) -> Result<Vec<ListedRow>, StorageError> {
    let filter = &query.filter;
    let (kinds, limit) = (kinds(filter), i64::from(query.top) + 1);
    let before = end(query);
    let rows = sqlx::query_file_as!(
        ListedRow,
        "src/storage/list_audit_events_by_actor.sql",
        actor.as_i32(),
        start(filter),
        before.occurred_at,
        before.user_id,
        before.sequence,
        examined(!filter.kinds.is_empty(), limit),
        kinds.as_deref() as Option<&[String]>,
        limit,
    );
    Ok(rows.fetch_all(connection).await?)
}

async fn rows_by_kind(
    connection: &mut PgConnection,
    query: &AuditQuery,
) -> Result<Vec<ListedRow>, StorageError> {
    let all = || AuditKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    let kinds = kinds(&query.filter).unwrap_or_else(all);
    let before = end(query);
    let rows = sqlx::query_file_as!(
        ListedRow,
        "src/storage/list_audit_events_by_kind.sql",
        &kinds,
        start(&query.filter),
        before.occurred_at,
        before.user_id,
        before.sequence,
        i64::from(query.top) + 1,
    );
    Ok(rows.fetch_all(connection).await?)
}

/// The number of events to examine. Without a filter, every examined event is listed.
fn examined(is_filtered: bool, limit: i64) -> i64 {
    if is_filtered { EXAMINED.max(limit) } else { limit }
}

/// The kinds of a filter; `None` for all.
fn kinds(filter: &AuditFilter) -> Option<Vec<String>> {
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    (!kinds.is_empty()).then_some(kinds)
}

/// After every event, and within the times of PostgreSQL.
const END_OF_TIME: OffsetDateTime = match Date::from_calendar_date(9999, Month::December, 31) {
    Ok(date) => OffsetDateTime::new_in_offset(date, Time::MIDNIGHT, UtcOffset::UTC),
    Err(_) => OffsetDateTime::UNIX_EPOCH,
};

/// The time from which events are listed.
fn start(filter: &AuditFilter) -> OffsetDateTime {
    filter.since.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The position before which events are listed.
fn end(query: &AuditQuery) -> AuditPosition {
    let until = AuditPosition::before(query.filter.until.unwrap_or(END_OF_TIME));
    query.after.filter(|after| after.key() < until.key()).unwrap_or(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sequence: i64, is_match: bool, is_last_examined: bool) -> ListedRow {
        ListedRow {
            user_id: 7,
            sequence,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            kind: "user_added".to_owned(),
            actor_user_id: None,
            scheme: "command".to_owned(),
            address: None,
            request_id: "request".to_owned(),
            credential_type: None,
            reason: None,
            is_match,
            is_last_examined,
        }
    }

    fn page_of(rows: Vec<ListedRow>) -> (Vec<i64>, Option<i64>) {
        let page = page(rows, 2).unwrap();
        let events = page.events.iter().map(|entry| entry.sequence).collect();
        (events, page.next.map(|next| next.sequence))
    }

    #[test]
    fn a_page_ends_when_it_is_full_or_the_last_examined_event_is_reached() {
        let (listed, ended) = (|sequence| row(sequence, true, false), |is| row(1, is, true));
        assert_eq!(page_of(vec![]), (vec![], None));
        assert_eq!(page_of(vec![listed(9), listed(8)]), (vec![9, 8], None));
        assert_eq!(page_of(vec![listed(9), listed(8), listed(7)]), (vec![9, 8], Some(8)));
        assert_eq!(page_of(vec![listed(9), ended(false)]), (vec![9], Some(1)));
        assert_eq!(page_of(vec![listed(9), ended(true)]), (vec![9, 1], Some(1)));
        assert_eq!(page_of(vec![listed(9), listed(8), ended(false)]), (vec![9, 8], Some(8)));
        assert_eq!(page_of(vec![ended(false)]), (vec![], Some(1)));
    }
}
