//! Compares a history with the database and with what logs in.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;
use sqlx::PgConnection;

use crate::{
    load::Connection,
    traffic::{History, Register, Saves, login, secret},
};

/// The number of connections that log in at the same time.
const CONNECTIONS: usize = 4;

/// What was acknowledged, and is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Acknowledged saves without an audit event.
    pub(crate) saves: usize,
    /// Credentials whose last acknowledged value, or a later one, does not log in.
    pub(crate) credentials: usize,
}

/// Asserts that the database is consistent, and that each save was executed at most once and not after
/// a refusal; returns what is lost.
pub(crate) async fn lost(
    history: &History,
    round: usize,
    database: &mut PgConnection,
    address: SocketAddr,
) -> Lost {
    assert_consistent(database).await;
    let events = saves_by_request(database).await;
    let count = |id: &String| events.get(id).copied().unwrap_or_default();
    let Saves { acknowledged, unknown, refused } = &history.requests;
    for id in acknowledged.iter().chain(unknown) {
        assert!(count(id) <= 1, "the save {id} was executed {} times", count(id));
    }
    for id in refused {
        assert_eq!(count(id), 0, "the save {id} was refused and executed");
    }
    let saves = acknowledged.iter().filter(|id| count(id) == 0).count();
    let registers: Vec<_> = history.registers.iter().collect();
    let size = registers.len().div_ceil(CONNECTIONS).max(1);
    let parts = registers.chunks(size).map(|part| async move {
        let mut lost = 0;
        for (user, register) in part {
            lost += usize::from(!logs_in(address, round, **user, register).await);
        }
        lost
    });
    let credentials = join_all(parts).await.into_iter().sum();
    Lost { saves, credentials }
}

/// The number of saves by the id of their request. An id is that of one request in all rounds.
async fn saves_by_request(database: &mut PgConnection) -> BTreeMap<String, i64> {
    let counts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT request_id, count(*) FROM audit_events WHERE kind = 'credential_saved'
         GROUP BY request_id",
    )
    .fetch_all(database)
    .await
    .unwrap();
    counts.into_iter().collect()
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
