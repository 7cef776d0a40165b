//! Replica tests: three instances behind HAProxy. Every instance sees a change at once, limits and
//! locks hold over all of them, and rolling restarts and a rolling upgrade lose no request.
//! `script/acceptance` runs them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test panics on the first failure, prints its results and queries the database"
)]
#![expect(dead_code, reason = "only the benches use the rest of the load generator")]

mod changes;
mod cluster;
mod limits;
#[path = "../load/load.rs"]
mod load;
#[path = "../api/support/ports.rs"]
mod ports;
#[path = "../load/random.rs"]
mod random;
mod rolling;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;
#[path = "../load/tls.rs"]
mod tls;
#[path = "../load/traffic.rs"]
mod traffic;
#[path = "../load/transfers.rs"]
mod transfers;
