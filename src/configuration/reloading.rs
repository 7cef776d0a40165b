//! What a reload of the settings changes, and what another file would change.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::RandomState},
    hash::BuildHasher,
    path::Path,
    sync::LazyLock,
};

use super::{
    descriptions::describe_settings,
    effective::{shown, value_of},
    environment::{Sources, read},
    problem::{Problem, Problems},
    reader::Reader,
    reloaded::is_reloaded,
    sections::Settings,
};

/// Keys of the digests of values. They exist in this process only.
static DIGEST_KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The settings of a process, with a digest of each value. A digest reveals no secret.
#[derive(Debug, Clone)]
pub(crate) struct LoadedSettings {
    settings: Settings,
    digests: BTreeMap<String, u64>,
}

/// A setting whose value in another file differs.
#[derive(Debug)]
pub(crate) struct SettingDifference {
    pub(crate) setting: String,
    /// The value without secrets; `None` if it has none.
    pub(crate) now: Option<toml::Value>,
    pub(crate) new: Option<toml::Value>,
    /// True when the new value takes effect while the service runs.
    pub(crate) is_reloaded: bool,
}

/// Compares the settings of this process with those that it would have with another file.
///
/// # Errors
/// The problems of either.
pub(crate) fn compare_with_file(other: &Path) -> Result<Vec<SettingDifference>, Problems> {
    let Sources { file, variables } = Sources::of_process()?;
    let (_, now) = read(file.as_deref(), variables.clone())?;
    let (_, new) = read(Some(other), variables)?;
    let (former, other) = (digests(&now), digests(&new));
    let names = describe_settings().into_iter().map(|setting| setting.full_name());
    let changed = names.filter(|name| former.get(name) != other.get(name));
    let describe = |setting: String| SettingDifference {
        now: shown(&now, &setting),
        new: shown(&new, &setting),
        is_reloaded: is_reloaded(&setting),
        setting,
    };
    Ok(changed.map(describe).collect())
}

/// The settings whose values differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SettingChanges {
    /// Those that take effect while the service runs.
    pub(crate) reloaded: Vec<String>,
    /// Those that need a restart.
    pub(crate) restart: Vec<String>,
}

impl LoadedSettings {
    /// Reads the settings of this process. The environment variables of a process do not change, but
    /// its file can.
    ///
    /// # Errors
    /// All problems.
    pub(crate) fn from_environment() -> Result<Self, Problems> {
        let Sources { file, variables } = Sources::of_process()?;
        let (settings, reader) = read(file.as_deref(), variables)?;
        Ok(Self { settings, digests: digests(&reader) })
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings whose values in `new` differ from these.
    pub(crate) fn changes_to(&self, new: &Self) -> SettingChanges {
        let names: BTreeSet<_> = self.digests.keys().chain(new.digests.keys()).collect();
        let changed =
            names.into_iter().filter(|name| self.digests.get(*name) != new.digests.get(*name));
        let (reloaded, restart) = changed.cloned().partition(|name| is_reloaded(name));
        SettingChanges { reloaded, restart }
    }

    /// These settings with the values of `new` that take effect while the service runs.
    ///
    /// # Errors
    /// The problems of the combination, which a restart may solve.
    pub(crate) fn reloaded(&self, new: &Self) -> Result<Self, Problems> {
        let settings = self.settings.reloaded(&new.settings);
        let mut problems = settings.problems();
        problems.extend(settings.problems_of_serving());
        if !problems.is_empty() {
            let needs_restart = |Problem { setting, reason }: Problem| Problem {
                setting,
                reason: format!(
                    "{reason}. The value contradicts a setting that takes effect after a restart; \
                     restart the service"
                ),
            };
            return Err(Problems(problems.into_iter().map(needs_restart).collect()));
        }
        let kept = self.digests.iter().filter(|(name, _)| !is_reloaded(name));
        let taken = new.digests.iter().filter(|(name, _)| is_reloaded(name));
        let digests = kept.chain(taken).map(|(name, digest)| (name.clone(), *digest)).collect();
        Ok(Self { settings, digests })
    }
}

fn digests(reader: &Reader) -> BTreeMap<String, u64> {
    let digest = |name: String| {
        let value = value_of(reader, &name)?.to_string();
        Some((name, DIGEST_KEYS.hash_one(value)))
    };
    let names = describe_settings().into_iter().map(|setting| setting.full_name());
    names.filter_map(digest).collect()
}

impl Settings {
    /// These settings with the values of `new` that take effect while the service runs.
    pub(super) fn reloaded(&self, new: &Self) -> Self {
        let mut settings = self.clone();
        let new = new.clone();
        settings.http.allowed_hosts = new.http.allowed_hosts;
        settings.http.trusted_proxies = new.http.trusted_proxies;
        settings.http.cors_origins = new.http.cors_origins;
        settings.installation.applications = new.installation.applications;
        settings.authentication = new.authentication;
        settings.attempts = new.attempts;
        settings.requires_reason = new.requires_reason;
        settings.credentials.single_per_user = new.credentials.single_per_user;
        settings.passwords = new.passwords;
        settings.tickets = new.tickets;
        settings.import = new.import;
        settings.sessions = new.sessions;
        settings.access_tokens = new.access_tokens;
        settings.is_read_only = new.is_read_only;
        settings.log.level = new.log.level;
        settings
    }
}
