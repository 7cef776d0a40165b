//! API tests: the real application or the real binary, against a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails at the first unexpected value"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests corrupt rows on purpose, with statements that need no compile-time check"
)]

mod activity;
mod agents;
mod audit;
mod audit_list;
mod audit_stream;
mod audited_routes;
mod authentication;
mod canary;
mod change_required;
mod commands;
mod compose;
mod compose_rotate;
mod compression;
mod concurrency;
mod connections;
mod constraints;
mod database_credentials;
mod database_roles;
mod database_state;
mod deployment;
mod descriptions;
mod directory;
mod distribution;
mod documentation;
mod documents;
mod fair_connections;
mod file_sizes;
mod formats;
mod fuzzing;
mod guessing;
#[path = "../load/hash_families.rs"]
mod hash_families;
mod hashing;
mod headers;
mod health;
mod installation;
mod issuer_keys;
mod jwt_confusion;
mod key_reload;
mod key_rotation;
mod kubernetes;
mod last_administrator;
mod limits;
mod lockout;
mod log_level;
mod logs;
mod mail;
mod maintenance;
mod master_keys;
mod metrics;
mod migration;
mod monitoring;
mod network;
mod pages;
mod password_policy;
mod pgbouncer;
mod proofs;
mod random_numbers;
mod raw_http;
mod reasons;
mod recent_errors;
mod release;
mod response_headers;
mod rest;
mod restore;
mod roles;
mod rolling_upgrades;
mod routes;
mod sealing;
mod secret_files;
mod sessions;
mod settings_reload;
mod several_hosts;
mod soap;
mod staleness;
mod standbys;
mod statement_limits;
mod support;
mod telemetry;
mod tickets;
mod timing;
mod tls;
mod tokens;
mod upgrades;
mod user_tickets;
mod validity;
mod vendor_client;
mod verification;
