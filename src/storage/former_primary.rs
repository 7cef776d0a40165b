//! Ends the connections to servers that are no longer the primary one.
//!
//! A server that is frozen or cut off keeps its connections open. A statement on one of them would
//! wait for the time limit of its request, and occupy the pool meanwhile ([ADR
//! 78](../../docs/adr/0078-end-connections-after-a-promotion.md)).

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::socket_options::shut_down_connections_to;

/// The time limit for looking up the name of a host.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// The host and the port of a server that is reached over TCP.
pub(super) type ServerName = (String, u16);

/// Ends all connections to the former servers, in the background. A connection to an address that
/// is also one of `primary` stays.
pub(super) fn end_connections_to(former: Vec<ServerName>, primary: Option<ServerName>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let mut addresses = addresses(former).await;
        for address in self::addresses(primary).await {
            addresses.remove(&address);
        }
        let ending = tokio::task::spawn_blocking(move || shut_down_connections_to(&addresses));
        if let Ok(ended @ 1..) = ending.await {
            tracing::warn!(ended, "ended the connections to the former database server");
        }
    });
}

async fn addresses(servers: impl IntoIterator<Item = ServerName>) -> BTreeSet<SocketAddr> {
    let mut addresses = BTreeSet::new();
    for (host, port) in servers {
        let looking_up = tokio::net::lookup_host((host.as_str(), port));
        if let Ok(Ok(found)) = tokio::time::timeout(LOOKUP_TIMEOUT, looking_up).await {
            addresses.extend(found);
        }
    }
    addresses
}
