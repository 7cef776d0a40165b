//! Finds out why a statement gets no answer, and ends connections that are lost.
//!
//! A firewall that forgot a connection swallows its packets. A server that is frozen or cut off keeps
//! its connections open. In both cases, a statement would wait for the time limit of its request
//! ([ADR 78](../../docs/adr/0078-end-connections-after-a-promotion.md),
//! [ADR 79](../../docs/adr/0079-ask-the-server-about-stalled-statements.md)).

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use deadpool::managed::{Pool, WeakPool};
use sqlx::Connection as _;

use super::{
    connection_generation,
    connections_in_use::{ConnectionsInUse, LongInUse},
    error::StorageError,
    opener::Opener,
    session::{self, Examined},
    socket_options::{SocketPair, shut_down},
};

/// How often the connections in use are looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// A connection that is in use for longer may be lost. Ordinary statements take milliseconds.
const SUSPECT: Duration = Duration::from_secs(1);

/// The same with several hosts: another server may be the primary one.
const SUSPECT_WITH_SEVERAL_HOSTS: Duration = Duration::from_millis(500);

/// The time between two examinations of the same statements.
const REPETITION: Duration = Duration::from_secs(1);

/// The time until a session is examined again that did not wait for long.
const UNDECIDED_REPETITION: Duration = Duration::from_millis(300);

/// What was examined last.
struct Last {
    /// The number of the last connection in use.
    number: u64,
    /// When the same connections are due again.
    due: Instant,
}

/// Examines connections that are in use for long, until the pool ends. An examination opens one
/// connection, which is not one of the pool, within `limit`. Opening it also finds another primary
/// server, and ends the connections to the former one.
pub(super) async fn run(pool: WeakPool<Opener>, in_use: Weak<ConnectionsInUse>, limit: Duration) {
    let mut last: Option<Last> = None;
    loop {
        tokio::time::sleep(PERIOD).await;
        let (Some(pool), Some(in_use)) = (pool.upgrade(), in_use.upgrade()) else { return };
        if pool.is_closed() {
            return;
        }
        let Some(long) = long_in_use(&pool, &in_use) else { continue };
        drop(in_use);
        let is_new = last.as_ref().is_none_or(|last| long.last > last.number);
        if !is_new && last.as_ref().is_some_and(|last| last.due > Instant::now()) {
            continue;
        }
        let number = long.last;
        let late = |_| Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut));
        let examined = tokio::time::timeout(limit, examine(&pool, &long)).await;
        let repetition = match examined.unwrap_or_else(late) {
            Ok(Examined { lost, is_undecided }) => {
                end(lost);
                if is_undecided { UNDECIDED_REPETITION } else { REPETITION }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "a statement gets no answer, and no database server is usable"
                );
                REPETITION
            }
        };
        last = Some(Last { number, due: Instant::now() + repetition });
    }
}

fn long_in_use(pool: &Pool<Opener>, in_use: &Arc<ConnectionsInUse>) -> Option<LongInUse> {
    let several = pool.manager().connector.hosts.are_several();
    let long = in_use.longer_than(if several { SUSPECT_WITH_SEVERAL_HOSTS } else { SUSPECT })?;
    // With one host, there is no other server to find.
    (several || !long.sessions.is_empty()).then_some(long)
}

async fn examine(pool: &Pool<Opener>, long: &LongInUse) -> Result<Examined, StorageError> {
    let mut opened = pool.manager().connector.open().await?;
    let examined = session::examine(&mut opened.inner, &long.sessions).await;
    // It may already be closed.
    let _ = opened.inner.close().await;
    examined
}

/// Ends lost connections: their statements fail now. The other open ones are as old and probably lost,
/// too, so they are replaced before their next use.
fn end(lost: BTreeSet<SocketPair>) {
    if lost.is_empty() {
        return;
    }
    connection_generation::invalidate_all();
    tokio::task::spawn_blocking(move || {
        let ended = shut_down(|socket| lost.contains(&socket));
        tracing::warn!(
            ended,
            "ended lost database connections: the server executed nothing on them"
        );
    });
}
