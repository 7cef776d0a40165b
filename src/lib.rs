//! Credential Keeper: a service that stores and verifies the login credentials of users.
//!
//! | Module | Contents |
//! |---|---|
//! | `cli` | the command line, one file per command |
//! | `startup` | building, running and shutting down the application |
//! | `http` | the HTTP API; the only module that uses the web framework |
//! | `service` | use cases and transactions |
//! | `storage`, `key_sets` | SQL; the HTTP client of OpenID key sets |
//! | `directory`, `mail` | the LDAP client of a directory; the SMTP client of a mail server |
//! | `migration_hook` | the HTTP client of the system that users move from |
//! | `key_wrapping` | the master keys of a wrapped keyring: transit engines and PKCS#11 tokens |
//! | `security` | cryptography |
//! | `domain` | types and rules without I/O |
//! | `configuration`, `telemetry`, `clock` | settings, logs, the current time |
//! | `log_filter`, `log_events` | the log filter, and the events that it always enables |
//! | `turns`, `fair_places`, `circuit_breaker` | limits of what callers may wait for |
//! | `trace_context`, `export_metrics` | the traces that requests belong to; counters of the export |
//! | `bounded_file` | files that settings name, up to a maximum length |
//! | `detached` | work that goes on when its request is dropped |
//!
//! Modules depend only on modules below them in this list; `script/lint` checks it.
#![forbid(unsafe_code)]

mod audit_sinks;
mod bounded_file;
mod circuit_breaker;
mod cli;
mod clock;
mod configuration;
mod detached;
mod directory;
mod domain;
mod export_metrics;
mod fair_places;
mod http;
mod key_sets;
mod key_wrapping;
mod log_events;
mod log_filter;
mod mail;
mod migration_hook;
mod recent_events;
mod security;
mod service;
mod startup;
mod storage;
mod telemetry;
mod trace_context;
mod turns;

/// Components that `script/bench components` measures.
#[cfg(feature = "bench")]
pub mod bench_support {
    pub use crate::{
        http::bench_support::{BODIES, RequestBench, headers, negotiate, read_save, write_texts},
        security::bench_support::{HashBench, KeyBench},
    };
}

/// Parsers for the targets in `fuzz/`.
#[cfg(feature = "fuzz")]
pub mod fuzz_support {
    pub use crate::{
        audit_sinks::fuzz_support::*, cli::fuzz_support::*, configuration::fuzz_support::*,
        directory::fuzz_support::*, domain::fuzz_support::*, http::fuzz_support::*,
        mail::fuzz_support::*, migration_hook::fuzz_support::*, security::fuzz_support::*,
        startup::fuzz_support::*, storage::fuzz_support::*,
    };

    /// True for a valid log filter.
    #[must_use]
    pub fn is_log_filter(text: &str) -> bool {
        crate::log_filter::parse(text).is_ok()
    }
}

pub use cli::run;
pub use configuration::{Problem, Problems, Settings};
pub use http::{Access, Effect, RouteDescription, describe_routes};
pub use startup::{
    Application, InitialUser, RunningApplication, StartError, connect, generate_keyring,
    grant_roles, start_log,
};
pub use storage::Database;
