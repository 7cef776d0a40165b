//! Converts settings to the option types of the capabilities.

use std::{path::PathBuf, time::Duration};

use super::{
    current_issuers::CurrentIssuers,
    error::StartError,
    reload::{ReloadError, Reloadable, WatchedFiles},
};
use crate::{
    configuration::{self, IssuerSettings, Settings, VerificationSettings},
    domain::{
        application::{Application, InstallationType},
        credential_type::{CredentialType, CredentialTypes},
        throttling::AttemptLimits,
    },
    key_wrapping::{MasterKeys, Pkcs11Options, TransitOptions},
    security::{
        access_token::AccessTokens,
        application_token::Applications,
        hashing::{Capacity, HashingEngine, HashingOptions},
        issuer_keys::{IssuerError, KeySource},
        issuer_token::{Issuer, IssuerOptions},
    },
    service::authentication::{EnabledSchemes, issued::Lifetimes},
};

/// The error for a missing required setting.
pub(super) fn missing(setting: &str) -> StartError {
    StartError::Setting(format!("{setting}: is required"))
}

/// Starts the hashing threads.
///
/// # Errors
/// When the parameters are invalid, or the system provides no threads or randomness.
pub(super) fn start_hashing(settings: &Settings) -> Result<HashingEngine, StartError> {
    let threads = settings.hashing.threads;
    Ok(HashingEngine::start(&HashingOptions {
        parameters: settings.hash_parameters(),
        maximum_memory_kib: settings.hashing.maximum_memory_kib,
        threads: (threads > 0).then_some(threads),
        deadline: settings.hashing.deadline,
        longest_delay: longest_delay(settings),
        maximum_verified: settings.hashing.maximum_verified,
        verified_lifetime: settings.hashing.verified_lifetime,
    })?)
}

/// Starts the hashing of the settings on one thread, which tests the kernel, and ends it.
///
/// # Errors
/// The errors of [`start_hashing`].
pub(crate) fn test_hashing(settings: &Settings) -> Result<Capacity, StartError> {
    let mut settings = settings.clone();
    settings.hashing.threads = 1;
    Ok(start_hashing(&settings)?.capacity())
}

/// How long a refusal may be delayed: a part of what the queue leaves of the time for an answer. The
/// rest is for the database. Each credential type that Basic may verify has its own delay, and another
/// one follows if the directory verifies passwords.
fn longest_delay(settings: &Settings) -> Duration {
    let additional = settings.credentials.additional_types.iter();
    let types = 1 + additional.filter(|entry| entry.usable_for_basic).count();
    let verification = settings.directory.as_ref().and_then(|directory| directory.verification);
    let in_directory = verification.map(VerificationSettings::refusal_time).unwrap_or_default();
    let left = settings.http.answer_timeout.saturating_sub(in_directory);
    share_of_delay(left, settings.hashing.deadline, types)
}

fn share_of_delay(answer_timeout: Duration, deadline: Duration, types: usize) -> Duration {
    answer_timeout.saturating_sub(deadline) * 3 / 4 / u32::try_from(types).unwrap_or(u32::MAX)
}

/// The issuers with a key set in a file, as something that can be reloaded. `files` are those of the
/// settings; a reload of the settings changes which files these are.
pub(super) fn reloadable_issuers(files: WatchedFiles, issuers: CurrentIssuers) -> Reloadable {
    let files = {
        let issuers = issuers.clone();
        files.following(move || issuers.files())
    };
    Reloadable::new("authentication.issuers", files, move || {
        // All of them: one unusable file must not keep the others from being read.
        let results: Vec<_> = issuers.get().iter().map(Issuer::reload).collect();
        results.into_iter().collect::<Result<(), _>>().map_err(ReloadError::unusable)
    })
}

/// The files with key sets of the configured token issuers.
pub(super) fn issuer_files(settings: &Settings) -> Vec<PathBuf> {
    let file = |entry: &IssuerSettings| match entry.key_source()? {
        configuration::KeySource::File(file) => Some(file.to_owned()),
        configuration::KeySource::Url(_) => None,
    };
    settings.authentication.issuers.iter().filter_map(file).collect()
}

/// Loads the configured token issuers. Those of `former` keep the keys that they have fetched.
///
/// # Errors
/// When a key set cannot be used.
pub(super) fn load_issuers(
    settings: &Settings,
    types: &CredentialTypes,
    former: &[Issuer],
) -> Result<Vec<Issuer>, IssuerError> {
    let load = |entry: &IssuerSettings| {
        // Use the canonical spelling, as in stored credentials.
        let found = types.find(&entry.credential_type);
        let keys = match entry.key_source() {
            Some(configuration::KeySource::Url(url)) => KeySource::Url(url),
            Some(configuration::KeySource::File(file)) => KeySource::File(file.to_owned()),
            // Unreachable: the validation of the settings rejects this.
            None => KeySource::File(PathBuf::new()),
        };
        let options = IssuerOptions {
            issuer: &entry.issuer,
            audience: &entry.audience,
            keys,
            credential_type: found.map_or(entry.credential_type.as_str(), CredentialType::as_str),
            claim: &entry.claim,
            maximum_age: Duration::from_secs(entry.maximum_age_seconds.into()),
        };
        Issuer::load(options, former)
    };
    settings.authentication.issuers.iter().map(load).collect()
}

/// The master keys of a wrapped keyring.
pub(super) fn master_keys(settings: &Settings) -> MasterKeys {
    let transit = settings.master_keys.transit.clone().map(|transit| TransitOptions {
        address: transit.address,
        mount: transit.mount,
        key: transit.key,
        namespace: transit.namespace,
        token_file: transit.token_file,
        ca_file: transit.ca_file,
        timeout: transit.timeout,
    });
    let pkcs11 = settings.master_keys.pkcs11.clone().map(|pkcs11| Pkcs11Options {
        module: pkcs11.module,
        token: pkcs11.token,
        key: pkcs11.key,
        pin_file: pkcs11.pin_file,
    });
    MasterKeys { transit, pkcs11 }
}

/// The applications that may call the service.
pub(super) fn applications(settings: &Settings) -> Applications {
    let known = settings.installation.applications.iter().filter_map(|entry| {
        let application = Application { name: entry.name.clone(), is_trusted: entry.trusted };
        Some((entry.digest()?, application))
    });
    Applications::new(known.collect())
}

/// The claims of access tokens.
pub(super) fn access_tokens(settings: &Settings) -> AccessTokens {
    AccessTokens {
        context: settings.access_tokens.context.clone(),
        issuer: settings.access_tokens.issuer.clone(),
        audience: settings.access_tokens.audience.clone(),
        lifetime: settings.access_tokens.lifetime,
    }
}

/// The schemes that the installation accepts.
pub(super) fn enabled_schemes(settings: &Settings) -> EnabledSchemes {
    EnabledSchemes {
        // An online installation accepts passwords on the login page only.
        basic: settings.authentication.basic
            && settings.installation.installation_type == InstallationType::Onsite,
        so_ticket: settings.authentication.so_ticket,
        bearer: settings.authentication.bearer,
        session: settings.authentication.session,
    }
}

/// The lifetimes of tickets and sessions.
pub(super) fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes {
        ticket: settings.tickets.lifetime,
        session: settings.sessions.lifetime,
        maximum_session: settings.sessions.maximum,
        absolute: settings.sessions.absolute,
    }
}

/// The limits on failed attempts.
pub(super) fn attempt_limits(settings: &Settings) -> AttemptLimits {
    AttemptLimits {
        before_delay: settings.attempts.before_delay,
        maximum_delay: settings.attempts.maximum_delay,
        maximum_failures: settings.attempts.maximum_failures,
        maximum_per_address: settings.attempts.maximum_per_address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_and_the_delays_of_all_types_end_before_the_answer_times_out() {
        let [answer_timeout, deadline] = [9, 2].map(Duration::from_secs);
        assert_eq!(share_of_delay(answer_timeout, deadline, 1), Duration::from_millis(5_250));
        for types in 1..=5 {
            let delays =
                share_of_delay(answer_timeout, deadline, types) * u32::try_from(types).unwrap();
            assert!(deadline + delays + Duration::from_secs(1) < answer_timeout, "{types}");
        }
    }
}
