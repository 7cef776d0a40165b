//! Starts the service: builds the application from its settings, runs it and shuts it down.

mod activity;
mod administration;
mod application;
mod audit_sinks;
mod capabilities;
mod components;
mod current_issuers;
mod database;
mod database_files;
mod database_roles;
mod descriptors;
mod directory;
mod drain;
mod error;
mod files;
mod fingerprints;
mod first_start;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod initial_users;
mod keyring;
mod keyring_file;
mod mail;
mod memory;
mod migration;
mod options;
mod otlp_headers;
mod parts;
mod prerequisites;
mod protection;
mod reload;
mod reload_tasks;
mod request_state;
mod running;
mod saving;
mod server;
mod settings_findings;
mod settings_reload;
mod sockets;
mod systemd;
mod systems;
mod telemetry;
mod threads;
mod tls;

pub(crate) use self::{
    administration::Administration,
    application::{StartSummary, listen},
    audit_sinks::check_sink,
    components::{Components, build},
    database::{
        connect_for_command, connect_when_ready, migrate, require_kind, require_migrations,
    },
    database_roles::{
        RoleInspection, RoleInspections, inspect_roles, require_privileges, summary,
        warn_about_role,
    },
    directory::{check_directory, check_password_verifier},
    drain::DrainSignals,
    files::problems_of_serving,
    first_start::pending_migrations_of_unused,
    initial_users::add_initial_user,
    keyring::{load_keyring, open_keyring},
    keyring_file::{configured_kinds, open_keyring_copy, open_keyring_file, wrap_keyring},
    mail::{check_mail, is_mail_protected},
    migration::check_migration_hook,
    options::test_hashing,
    protection::{Protection, forbid_core_dumps, protect},
    reload_tasks::ReloadSignal,
    settings_findings::check_settings,
    settings_reload::watch_settings,
    systemd::notify_ready,
    telemetry::{check_telemetry, start_log_and_export},
    threads::waiting_threads,
    tls::{load_certificates, validity_problems},
};
pub use self::{
    application::Application,
    database::connect,
    database_roles::grant_roles,
    error::StartError,
    initial_users::InitialUser,
    prerequisites::{generate_keyring, start_log},
    running::RunningApplication,
};
