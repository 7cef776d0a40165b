//! Builds what asks the old system that users move from, and checks its settings.

use std::sync::Arc;

use super::error::StartError;
use crate::{
    clock,
    configuration::{MigrationSettings, Problem, Settings},
    migration_hook::{HookError, HookMetrics, HookOptions, MigrationHook, http_client, read_keys},
    security::hashing::HashingEngine,
    service::authentication::old_system_questions::OldSystemQuestions,
    telemetry::error_chain,
};

/// What asks the old system of the settings. It connects on demand.
pub(super) struct OpenOldSystem {
    pub(super) hook: Arc<MigrationHook>,
    /// A reload of the settings keeps it, so that equal logins before and after that share a question.
    pub(super) questions: Arc<OldSystemQuestions>,
}

/// Builds what asks the old system of the settings; `None` if there is none.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn open_old_system(
    settings: &Settings,
    metrics: &Arc<HookMetrics>,
    hashing: Arc<HashingEngine>,
) -> Result<Option<OpenOldSystem>, StartError> {
    let Some(migration) = &settings.migration else { return Ok(None) };
    let hook = MigrationHook::new(options(migration), Arc::clone(metrics));
    let hook = Arc::new(hook.map_err(|error| StartError::Setting(error_chain(&error)))?);
    let questions = Arc::new(OldSystemQuestions::new(Arc::clone(&hook), hashing));
    Ok(Some(OpenOldSystem { hook, questions }))
}

/// Sends a signed request without a password to the old system of the settings.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_migration_hook(settings: &MigrationSettings) -> Result<(), String> {
    let checked = async {
        let hook = MigrationHook::new(options(settings), Arc::default())?;
        hook.check(clock::now()).await
    };
    checked.await.map_err(|error: HookError| error_chain(&error))
}

/// Problems of the files. Does not connect.
pub(super) fn problems_of_migration(settings: &MigrationSettings) -> Vec<Problem> {
    let keys = read_keys(&settings.key_file).map(drop);
    let certificates = http_client(&options(settings), settings.ca_file.as_deref()).map(drop);
    let problem = |setting: &str, error: HookError| {
        // The text begins with the setting.
        let text = error_chain(&error);
        let reason = text.strip_prefix(setting).and_then(|reason| reason.strip_prefix(": "));
        Problem::new(setting, reason.unwrap_or(&text))
    };
    let keys = keys.err().map(|error| problem("migration.hook_key_file", error));
    let certificates = certificates.err().map(|error| problem("migration.hook_ca_file", error));
    keys.into_iter().chain(certificates).collect()
}

fn options(settings: &MigrationSettings) -> HookOptions {
    HookOptions {
        url: settings.url.clone(),
        key_file: settings.key_file.clone(),
        ca_file: settings.ca_file.clone(),
        timeout: settings.timeout,
        maximum_requests: settings.maximum_requests,
    }
}
