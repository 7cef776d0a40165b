//! What must be true of the database after any fault.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::postgres::Postgres;

/// Each: what must be true, and a query that counts what is not.
const INVARIANTS: [(&str, &str); 12] = [
    (
        "the head of each chain is its last event",
        "SELECT count(*) FROM users u WHERE audit_sequence IS DISTINCT FROM
         (SELECT max(sequence) FROM audit_events e WHERE e.user_id = u.user_id)",
    ),
    (
        "the MAC of each head is that of its last event",
        "SELECT count(*) FROM users u JOIN audit_events e ON e.user_id = u.user_id
         AND e.sequence = u.audit_sequence WHERE e.mac <> u.audit_mac",
    ),
    (
        "no chain has a gap",
        "SELECT count(*) FROM (SELECT user_id FROM audit_events GROUP BY user_id
         HAVING count(*) <> max(sequence) OR min(sequence) <> 1) chains",
    ),
    (
        "the epoch of a user is that of the last event",
        "SELECT count(*) FROM users u JOIN audit_events e ON e.user_id = u.user_id
         AND e.sequence = u.audit_sequence WHERE e.session_epoch <> u.session_epoch",
    ),
    (
        "each credential has a user that is not deleted",
        "SELECT count(*) FROM credentials c LEFT JOIN users u USING (user_id)
         WHERE u.user_id IS NULL OR u.deleted_at IS NOT NULL",
    ),
    (
        "the version of each credential is an event of its user and type",
        "SELECT count(*) FROM credentials c JOIN users u USING (user_id)
         LEFT JOIN audit_events e ON e.user_id = c.user_id AND e.sequence = c.version
         WHERE e.sequence IS NULL OR c.version > u.audit_sequence
         OR lower(e.credential_type) IS DISTINCT FROM lower(c.credential_type)",
    ),
    (
        "each identifier has its credential",
        "SELECT count(*) FROM credential_identifiers i LEFT JOIN credentials c
         ON c.user_id = i.user_id AND c.identifier_digest = i.digest WHERE c.user_id IS NULL",
    ),
    (
        "each credential with an identifier has its entry",
        "SELECT count(*) FROM credentials c LEFT JOIN credential_identifiers i
         ON i.user_id = c.user_id AND i.digest = c.identifier_digest
         WHERE c.identifier_digest IS NOT NULL AND i.user_id IS NULL",
    ),
    (
        "each login name belongs to the user who has it",
        "SELECT count(*) FROM login_names n FULL JOIN
         (SELECT * FROM users WHERE deleted_at IS NULL) u USING (user_id)
         WHERE n.canonical_name IS DISTINCT FROM u.canonical_name",
    ),
    (
        "each ticket has a user that is not deleted, and no later epoch",
        "SELECT count(*) FROM tickets t LEFT JOIN users u USING (user_id)
         WHERE u.user_id IS NULL OR u.deleted_at IS NOT NULL OR t.session_epoch > u.session_epoch",
    ),
    (
        "each key that seals a credential is known",
        "SELECT count(*) FROM credentials c LEFT JOIN keys k USING (key_id) WHERE k.key_id IS NULL",
    ),
    (
        "no session is idle in a transaction",
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
    ),
];

/// Checks every invariant; returns a text for each one that is broken.
pub(crate) async fn broken(postgres: &Postgres) -> Vec<String> {
    let mut owner = postgres.tables().await.expect("a connection");
    let mut broken = Vec::new();
    for (rule, query) in INVARIANTS {
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut owner).await.expect("a count");
        if count > 0 {
            broken.push(format!("not true for {count} rows: {rule}"));
        }
    }
    // The constraints, too: an index or a foreign key that a crash has damaged does not refuse rows.
    let foreign_keys: Vec<(String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut owner)
    .await
    .expect("the foreign keys");
    for (table, _) in &foreign_keys {
        let query = format!(
            "SELECT count(*) FROM {table} t LEFT JOIN users u USING (user_id) WHERE u.user_id IS NULL"
        );
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
        let count: i64 = query.fetch_one(&mut owner).await.expect("a count");
        if count > 0 {
            broken.push(format!("{count} rows of {table} have no user"));
        }
    }
    broken
}

/// Compares the saves of each user in the audit log with the numbers that the answers allow; returns a
/// text for each user with more or fewer: a save was executed twice, or is lost.
pub(crate) async fn miscounted_saves(
    postgres: &Postgres,
    allowed: &BTreeMap<u64, RangeInclusive<u64>>,
) -> Vec<String> {
    let mut owner = postgres.tables().await.expect("a connection");
    let counts: Vec<(i32, i64)> = sqlx::query_as(
        "SELECT user_id, count(*) FROM audit_events WHERE kind = 'credential_saved' GROUP BY user_id",
    )
    .fetch_all(&mut owner)
    .await
    .expect("the counts");
    let counts: BTreeMap<u64, u64> = counts
        .into_iter()
        .map(|(user, count)| (user.try_into().expect("an id"), count.try_into().expect("a count")))
        .collect();
    let mut miscounted = Vec::new();
    for (user, allowed) in allowed {
        let executed = counts.get(user).copied().unwrap_or_default();
        if !allowed.contains(&executed) {
            let (least, most) = (allowed.start(), allowed.end());
            miscounted.push(format!(
                "user {user}: {executed} saves were executed, and the answers allow {least} to {most}"
            ));
        }
    }
    miscounted
}
