//! Connections whose last statement is not answered.
//!
//! A commit that waits for a synchronous standby goes on waiting on the server, even when its
//! connection is closed here. If such sessions were forgotten, further changes would use up the
//! connections that the server accepts, and logins would fail as well.

use std::time::Duration;

use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use super::{connection_generation, connector::Pooled};

/// The longest wait. By then, the system has found out that a server is gone.
const MAXIMUM_WAIT: Duration = Duration::from_mins(15);

/// Keeps a share of the connections until the server has answered, or connections are invalidated: then
/// this server is not the primary server any longer.
pub(super) async fn wait(mut connection: Pooled, share: Option<OwnedSemaphorePermit>) {
    let invalidated = connection_generation::invalidated(connection.generation);
    tokio::select! {
        _ = connection.check() => {}
        () = invalidated => {}
        () = sleep(MAXIMUM_WAIT) => {}
    }
    drop(share);
}
