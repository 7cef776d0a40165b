//! Finds what a restored database lacks: keys of tables, and rows of directories.

use sqlx::PgConnection;

use super::{error::StorageError, privileges::TABLES};
use crate::domain::user::UserId;

/// Lists the tables that have no primary key, as after a restore without `post-data`.
pub(crate) async fn list_tables_without_key(
    connection: &mut PgConnection,
) -> Result<Vec<String>, StorageError> {
    let tables: Vec<String> = TABLES.iter().map(|table| table.table.to_owned()).collect();
    let lacking = sqlx::query_scalar!(
        r#"SELECT t.name AS "name!" FROM unnest($1::text[]) AS t(name)
           WHERE NOT EXISTS (
               SELECT 1 FROM pg_index i
               WHERE i.indrelid = to_regclass(t.name) AND i.indisprimary AND i.indisvalid
           )
           ORDER BY t.name"#,
        &tables,
    )
    .fetch_all(connection)
    .await?;
    Ok(lacking)
}

/// Facts about the whole database.
#[derive(Debug)]
pub(crate) struct WholeFacts {
    /// False when `migrate` has not recorded the purpose of the database, or the row is lost.
    pub(crate) has_kind: bool,
    /// True when rows are sealed, and the keys that they are sealed under are not recorded.
    pub(crate) lacks_keys: bool,
}

/// Reads facts about the whole database.
pub(crate) async fn find_whole_facts(
    connection: &mut PgConnection,
) -> Result<WholeFacts, StorageError> {
    let facts = sqlx::query_as!(
        WholeFacts,
        r#"SELECT EXISTS (SELECT 1 FROM installation WHERE kind <> '') AS "has_kind!",
                  NOT EXISTS (SELECT 1 FROM keys) AND EXISTS (SELECT 1 FROM credentials)
                      AS "lacks_keys!""#,
    )
    .fetch_one(connection)
    .await?;
    Ok(facts)
}

/// What a directory and the rows that it leads to disagree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryGap {
    LoginName,
    NickName,
    Identifier,
}

struct GapRow {
    kind: String,
    user_id: i32,
}

/// Lists up to `limit` users whose row in a directory is missing, or leads nowhere; `None` for a row
/// with an invalid id.
pub(crate) async fn list_directory_gaps(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(Option<UserId>, DirectoryGap)>, StorageError> {
    let rows = sqlx::query_as!(
        GapRow,
        r#"SELECT kind AS "kind!", user_id AS "user_id!" FROM (
               SELECT 'login name' AS kind, coalesce(u.user_id, n.user_id) AS user_id
               FROM (SELECT user_id, canonical_name FROM users WHERE deleted_at IS NULL) u
               FULL JOIN login_names n USING (user_id, canonical_name)
               WHERE u.user_id IS NULL OR n.user_id IS NULL
               UNION ALL
               SELECT 'nickname', coalesce(u.user_id, n.user_id)
               FROM (SELECT user_id, canonical_nick_name AS canonical_name FROM users
                     WHERE canonical_nick_name <> '') u
               FULL JOIN nick_names n USING (user_id, canonical_name)
               WHERE u.user_id IS NULL OR n.user_id IS NULL
               UNION ALL
               SELECT 'identifier', coalesce(c.user_id, i.user_id)
               FROM (SELECT user_id, credential_type, identifier_digest AS digest FROM credentials
                     WHERE identifier_digest IS NOT NULL) c
               FULL JOIN credential_identifiers i USING (user_id, credential_type, digest)
               WHERE c.user_id IS NULL OR i.user_id IS NULL
           ) AS gaps LIMIT $1"#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let gaps = rows.into_iter().map(|row| {
        let gap = match row.kind.as_str() {
            "login name" => DirectoryGap::LoginName,
            "nickname" => DirectoryGap::NickName,
            _ => DirectoryGap::Identifier,
        };
        (UserId::try_from(row.user_id).ok(), gap)
    });
    Ok(gaps.collect())
}

/// The stored digest of an identifier.
#[derive(Debug)]
pub(crate) struct StoredDigest {
    pub(crate) user_id: i32,
    pub(crate) credential_type: String,
    pub(crate) digest: Vec<u8>,
}

/// Lists up to `limit` digests of identifiers after that user and type, by user and type.
pub(crate) async fn list_digests_after(
    connection: &mut PgConnection,
    user_id: i32,
    credential_type: &str,
    limit: i64,
) -> Result<Vec<StoredDigest>, StorageError> {
    let digests = sqlx::query_as!(
        StoredDigest,
        r#"SELECT user_id, credential_type, identifier_digest AS "digest!"
           FROM credentials
           WHERE (user_id, credential_type) > ($1, $2) AND identifier_digest IS NOT NULL
           ORDER BY user_id, credential_type LIMIT $3"#,
        user_id,
        credential_type,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(digests)
}

/// What the database has where an anchor says that an event is.
#[derive(Debug)]
pub(crate) struct AnchoredEvent {
    /// The MAC of the event; `None` if there is no such event.
    pub(crate) mac: Option<Vec<u8>>,
    /// The sequence of the user's last event; 0 if there is no such user.
    pub(crate) last_sequence: i64,
}

/// Finds the events of these users and sequences, in their order.
pub(crate) async fn find_anchored_events(
    connection: &mut PgConnection,
    user_ids: &[i32],
    sequences: &[i64],
) -> Result<Vec<AnchoredEvent>, StorageError> {
    let events = sqlx::query_as!(
        AnchoredEvent,
        r#"SELECT e.mac AS "mac?", coalesce(u.audit_sequence, 0) AS "last_sequence!"
           FROM unnest($1::int[], $2::int8[]) WITH ORDINALITY AS a(user_id, sequence, position)
           LEFT JOIN users u ON u.user_id = a.user_id
           LEFT JOIN audit_events e ON e.user_id = a.user_id AND e.sequence = a.sequence
           ORDER BY a.position"#,
        user_ids,
        sequences,
    )
    .fetch_all(connection)
    .await?;
    Ok(events)
}
