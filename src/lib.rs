//! Credential Keeper: a service that keeps the login credentials of users.
//!
//! | Module | Holds |
//! |---|---|
//! | `cli` | one file for each command |
//! | `startup` | putting the application together, and taking it down |
//! | `http` | everything that knows the web framework |
//! | `service` | use cases and transactions |
//! | `storage`, `key_sets` | SQL; the HTTP client of OpenID key sets |
//! | `security` | cryptography |
//! | `domain` | values and rules |
//! | `configuration`, `telemetry`, `clock` | settings, logs, the time of day |
//! | `log_filter`, `log_events` | what is logged, and what always is |
//!
//! Dependencies point downwards in this list only; `script/lint` checks it.
#![forbid(unsafe_code)]

mod cli;
mod clock;
mod configuration;
mod domain;
mod http;
mod key_sets;
mod log_events;
mod log_filter;
mod security;
mod service;
mod startup;
mod storage;
mod telemetry;

/// Single components for `script/bench components`.
#[cfg(feature = "bench")]
pub mod bench_support {
    pub use crate::{
        http::bench_support::{BODIES, headers, negotiate, read_save, write_texts},
        security::bench_support::{HashBench, KeyBench},
    };
}

pub use cli::run;
pub use configuration::{Problem, Problems, Settings};
pub use http::{Access, RouteDescription, describe_routes};
pub use startup::{Application, StartError, connect};
pub use storage::Database;
