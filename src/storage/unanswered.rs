//! Connections whose last statement may not be answered.
//!
//! A commit that waits for a synchronous standby goes on waiting on the server, even when its
//! connection is closed here. If such sessions were forgotten, further changes would use up the
//! connections that the server accepts, and logins would fail as well.

use std::{pin::pin, sync::Arc, time::Duration};

use deadpool::managed::Object;
use sqlx::Connection as _;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use super::{
    commit_guard::CommitGuard, connection_generation, connector::Pooled, error::StorageError,
    opener::Opener, permits::Permit,
};

/// The time limit for checking a returned connection. A statement of a canceled request may still
/// wait for a lock, but a server that does not respond must not occupy the pool forever.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time for which a session keeps its share of the connections. By then, the system has
/// found out that a server is gone.
const MAXIMUM_WAIT: Duration = Duration::from_mins(15);

/// Checks a connection, which also rolls back an open transaction, and returns it to the pool. The
/// guard lasts until the server has answered, or the connection is lost.
pub(super) async fn finish(
    mut held: Object<Opener>,
    permit: Permit,
    guard: Option<Arc<CommitGuard>>,
) {
    let generation = held.generation;
    let checked = tokio::select! {
        checked = timeout(CHECK_TIMEOUT, held.check()) => checked,
        // Another one was found dead: a request may open a new one in place of this one.
        () = connection_generation::invalidated(generation) => {
            Ok(Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut)))
        }
    };
    match checked {
        Ok(Ok(())) => drop(held),
        Ok(Err(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a database connection was lost"
            );
            let lost = Object::take(held);
            drop(permit);
            outlast(lost, guard).await;
        }
        Err(_) => {
            tracing::warn!("a database connection is closed: its last statement takes long");
            wait(Object::take(held), permit.into_share(), guard).await;
        }
    }
}

/// Keeps the guard of a connection that the pool has given up. Another connection was found dead,
/// but the server of this one may be alive and still commit.
pub(super) async fn outlast(mut given_up: Pooled, guard: Option<Arc<CommitGuard>>) {
    if guard.is_some() {
        let _ = given_up.inner.ping().await;
    }
}

/// Keeps a share of the connections until the server has answered, or connections are invalidated:
/// then this server may no longer be the primary one. The guard does not end with the share.
async fn wait(
    mut connection: Pooled,
    share: Option<OwnedSemaphorePermit>,
    guard: Option<Arc<CommitGuard>>,
) {
    let invalidated = connection_generation::invalidated(connection.generation);
    let mut answered = pin!(connection.inner.ping());
    tokio::select! {
        _ = &mut answered => return,
        () = invalidated => {}
        () = sleep(MAXIMUM_WAIT) => {}
    }
    drop(share);
    if guard.is_some() {
        let _ = answered.await;
    }
}
