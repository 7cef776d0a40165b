//! Facts about the database: server, clock, migrations, keys and kinds of hashes.

use serde_json::{Value, json};

use crate::{
    cli::{command_context, output::Failure},
    configuration::Settings,
    service::operations::diagnostics::DiagnosticReport,
    startup::{self, Components},
    storage::{self, MigrationState},
};

/// Describes the database of the settings. Each part that cannot be read says why.
pub(super) async fn describe(settings: &Settings) -> Value {
    json!({
        "migrations": migrations(settings).await.unwrap_or_else(|failure| unavailable(&failure)),
        "content": content(settings).await.unwrap_or_else(|failure| unavailable(&failure)),
    })
}

/// A part that cannot be described, with the reason.
pub(super) fn unavailable(failure: &Failure) -> Value {
    json!({ "unavailable": failure.to_string() })
}

/// The migrations of this binary, and those of the database that it does not know.
async fn migrations(settings: &Settings) -> Result<Value, Failure> {
    command_context::require(settings.problems_of_migrating())?;
    let database = startup::connect(settings).await?;
    let described = storage::describe_migrations(&database).await?;
    let describe = |migration: MigrationState| {
        json!({
            "version": migration.version,
            "description": migration.description,
            "sha384": migration.checksum,
            "state": migration.state,
        })
    };
    Ok(described.into_iter().map(describe).collect())
}

/// The server, its clock, the keys and the kinds of hashes.
async fn content(settings: &Settings) -> Result<Value, Failure> {
    let mut settings = settings.clone();
    settings.hashing.threads = 1;
    let needed = storage::privileges::GrantedRole::Auditor;
    let components = Box::pin(command_context::open_with_timeouts(settings, needed)).await?;
    let Components { administration, .. } = components;
    let DiagnosticReport { server, to_reseal, .. } = administration.diagnostics.diagnose().await?;
    let keys = server
        .keys
        .iter()
        .map(|key| json!({ "id": key.key_id, "first_used_at": key.first_used_at.to_string() }));
    let below = server.below_target.iter().map(|(scheme, cost)| {
        json!({
            "scheme": format!("{scheme:?}"),
            "memory_kib": cost.memory_kib,
            "iterations": cost.iterations,
            "parallelism": cost.parallelism,
        })
    });
    Ok(json!({
        "server_version": server.facts.server_version,
        "schema_version": server.facts.schema_version,
        "clock_offset_seconds": (server.facts.now - server.read_at).as_seconds_f64(),
        "is_encrypted": server.facts.is_encrypted,
        "is_durable": server.facts.is_durable,
        "is_synchronous": server.facts.is_synchronous,
        "lock_timeout_milliseconds": server.facts.lock_timeout,
        "statement_timeout_milliseconds": server.facts.statement_timeout,
        "keys": keys.collect::<Value>(),
        "hashes_below_target": below.collect::<Value>(),
        "credentials_to_reseal": to_reseal,
    }))
}
