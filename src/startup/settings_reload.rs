//! Reads the settings again while the service runs, and takes over what needs no restart, all or
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    components::Lasting,
    current_issuers::CurrentIssuers,
    error::StartError,
    files::{problem_of_log_level, problems_of_files},
    reload::{ReloadError, Reloadable, WatchedFiles},
    request_state::RequestState,
    tls::CertificatesInUse,
};
use crate::{
    clock,
    configuration::{self, LoadedSettings, Problems, SettingChanges, Settings},
    http::StatePublisher,
    log_filter, telemetry,
};

/// The name of the reload in the log and the metrics.
pub(super) const NAME: &str = "settings";

/// Looks at the file of the settings. Call it before they are read: a change while the service waits
/// for its database is not missed.
pub(crate) fn watch_settings() -> WatchedFiles {
    WatchedFiles::new(configuration::settings_file().into_iter().collect())
}

/// What a reload of the settings replaces.
pub(super) struct SettingsReload {
    pub(super) lasting: Arc<Lasting>,
    pub(super) states: Arc<StatePublisher>,
    pub(super) request_state: RequestState,
    pub(super) issuers: CurrentIssuers,
    pub(super) certificates: CertificatesInUse,
    /// The settings in use. Locked during a reload.
    pub(super) running: Mutex<LoadedSettings>,
}

impl SettingsReload {
    /// The settings as something that can be reloaded: when their file changes, and on SIGHUP.
    pub(super) fn into_reloadable(self, file: WatchedFiles) -> Reloadable {
        let reload = move || {
            self.reload().map_err(|error| match error {
                // Repeated until it succeeds: nobody changes the settings when a file is corrected.
                ReloadSettingsError::Files(_) => ReloadError::unavailable(error),
                ReloadSettingsError::Invalid(_)
                | ReloadSettingsError::LogLevel(_)
                | ReloadSettingsError::Start(_) => ReloadError::unusable(error),
            })
        };
        Reloadable::new(NAME, file, reload)
    }

    /// Reads the settings, builds everything that depends on them, and only then takes it over.
    ///
    /// # Errors
    /// The problems. Nothing was changed.
    fn reload(&self) -> Result<(), ReloadSettingsError> {
        let new = LoadedSettings::from_environment()?;
        let mut problems = new.settings().problems_of_serving();
        problems.extend(problem_of_log_level(new.settings()));
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        let mut problems = problems_of_files(new.settings());
        problems.extend(self.certificates.problems_of_new(new.settings(), clock::now()));
        if !problems.is_empty() {
            return Err(ReloadSettingsError::Files(Problems(problems)));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = running.changes_to(&new);
        if !changes.reloaded.is_empty() {
            let reloaded = running.reloaded(&new)?;
            self.take_over(running.settings(), reloaded.settings())?;
            *running = reloaded;
        }
        drop(running);
        self.report(&changes);
        Ok(())
    }

    fn take_over(&self, former: &Settings, new: &Settings) -> Result<(), ReloadSettingsError> {
        let filter = log_filter::parse(&new.log.level)?;
        let issuers = if former.authentication.issuers == new.authentication.issuers {
            self.issuers.get()
        } else {
            self.lasting.load_issuers(new, &self.issuers.get())?
        };
        // Nothing fails from here on. The log first: the report of requirements looks at it.
        telemetry::replace_filter(filter);
        let services = self.lasting.services(new, Arc::clone(&issuers));
        let state = self.request_state.build(new, services);
        self.request_state.set_proxies(&new.http.trusted_proxies);
        self.lasting.maintenance().set_read_only(new.is_read_only);
        self.issuers.replace(issuers);
        self.states.replace(state);
        Ok(())
    }

    fn report(&self, changes: &SettingChanges) {
        let SettingChanges { reloaded, restart } = changes;
        self.lasting.reloads().set_restart_required(restart.len());
        if !reloaded.is_empty() {
            let settings = reloaded.join(", ");
            tracing::info!(settings, "took over the changed settings");
        }
        if !restart.is_empty() {
            let settings = restart.join(", ");
            tracing::warn!(settings, "these settings changed and need a restart");
        }
    }
}

/// Why the settings were not reloaded.
#[derive(Debug, thiserror::Error)]
enum ReloadSettingsError {
    #[error("{}", one_line(.0))]
    Invalid(#[from] Problems),
    /// Problems of the files that the settings name.
    #[error("{}", one_line(.0))]
    Files(Problems),
    #[error("log.level: {0}")]
    LogLevel(#[from] log_filter::BadFilter),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The problems on one line, for the log.
fn one_line(Problems(problems): &Problems) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
