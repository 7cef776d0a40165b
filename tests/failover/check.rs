//! Compares a history with the database and with what logs in.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;
use sqlx::PgConnection;

use crate::{
    load::Connection,
    traffic::{History, Register, login, secret},
};

/// The number of connections that log in at the same time.
const CONNECTIONS: usize = 4;

/// What was acknowledged, and is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Acknowledged saves without an audit event.
    pub(crate) saves: u64,
    /// Credentials whose last acknowledged value, or a later one, does not log in.
    pub(crate) credentials: usize,
}

/// The number of audit events of each user.
pub(crate) async fn audit_events(database: &mut PgConnection) -> BTreeMap<u64, u64> {
    let counts: Vec<(i32, i64)> =
        sqlx::query_as("SELECT user_id, count(*) FROM audit_events GROUP BY user_id")
            .fetch_all(database)
            .await
            .unwrap();
    counts
        .into_iter()
        .map(|(id, count)| (id.try_into().unwrap(), count.try_into().unwrap()))
        .collect()
}

/// Asserts that the database is consistent and has no more than was sent; returns what is lost.
/// `before` is the number of events before the round.
pub(crate) async fn lost(
    history: &History,
    round: usize,
    before: &BTreeMap<u64, u64>,
    database: &mut PgConnection,
    address: SocketAddr,
) -> Lost {
    assert_consistent(database).await;
    let after = audit_events(database).await;
    let count = |counts: &BTreeMap<u64, u64>, user| counts.get(user).copied().unwrap_or_default();
    let mut lost = Lost::default();
    for (user, register) in &history.registers {
        // What was lost with the former primary may have been there before the round.
        let events = count(&after, user).saturating_sub(count(before, user));
        let possible = register.acknowledged_count + register.unknown_count;
        assert!(events <= possible, "user {user}: {events} events of {possible} saves");
        lost.saves += register.acknowledged_count.saturating_sub(events);
    }
    let registers: Vec<_> = history.registers.iter().collect();
    let size = registers.len().div_ceil(CONNECTIONS).max(1);
    let parts = registers.chunks(size).map(|part| async move {
        let mut lost = 0;
        for (user, register) in part {
            lost += usize::from(!logs_in(address, round, **user, register).await);
        }
        lost
    });
    lost.credentials = join_all(parts).await.into_iter().sum();
    lost
}

/// True when the last acknowledged value logs in, or one that was sent later and whose outcome is
/// unknown.
async fn logs_in(address: SocketAddr, round: usize, user: u64, register: &Register) -> bool {
    let Some(acknowledged) = register.acknowledged else { return true };
    let values = register.unknown.iter().rev().chain([&acknowledged]);
    for value in values {
        let request = login(user, &secret(round, user, *value));
        let answer = Connection::open(address).await.send(&request).await;
        match answer.status {
            200 => return true,
            401 => {}
            _ => panic!("{answer:?}"),
        }
    }
    false
}

/// Asserts that each credential has the event that wrote it, and each user's chain has no gap.
async fn assert_consistent(database: &mut PgConnection) {
    let inconsistent: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM credentials c
                 LEFT JOIN audit_events e ON e.user_id = c.user_id AND e.sequence = c.version
                 WHERE e.sequence IS NULL)
              + (SELECT count(*) FROM users u
                 WHERE u.audit_sequence < (SELECT coalesce(max(sequence), 0) FROM audit_events e
                                           WHERE e.user_id = u.user_id))",
    )
    .fetch_one(database)
    .await
    .unwrap();
    assert_eq!(inconsistent, 0, "credentials without an event, or users behind their chain");
}
