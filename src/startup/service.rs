//! The service that settings describe.

use std::{path::PathBuf, time::Duration};

use super::{StartError, memory};
use crate::{
    configuration::{self, IssuerSettings, Settings},
    domain::{
        application::{Application, InstallationType},
        attempts::AttemptLimits,
        credential_type::{CredentialType, CredentialTypes},
    },
    key_sets::KeySets,
    security::{
        access_token::AccessTokens,
        application_token::Applications,
        hashing::{HashingEngine, HashingOptions},
        issuer_keys::{IssuerError, KeySource},
        issuer_token::{Issuer, IssuerOptions},
        keyring::Keyring,
    },
    service::{
        ChangedChains, EnabledSchemes, LastUses, RefusalTiming, RehashQueue, Rules, Service,
    },
    storage::Database,
};

/// The service that the settings describe, with its keys read and its hashing threads running.
pub(crate) fn build_service(
    settings: &Settings,
    database: Database,
) -> Result<Service, StartError> {
    let missing = |setting: &str| StartError::Setting(format!("{setting}: is required"));
    let keyring_file = settings.keyring_file.as_ref().ok_or_else(|| missing("keyring.file"))?;
    let types = settings.credential_types().ok_or_else(|| missing("credentials.default_type"))?;
    let maximum_threads = settings.hashing.threads;
    let hashing = HashingEngine::start(&HashingOptions {
        parameters: settings.hash_parameters(),
        maximum_memory_kib: settings.hashing.maximum_memory_kib,
        threads: (maximum_threads > 0).then_some(maximum_threads),
        deadline: settings.hashing.deadline,
        maximum_verified: settings.hashing.maximum_verified,
        verified_lifetime: settings.hashing.verified_lifetime,
    })?;
    let memory_ceiling_kib =
        memory::ceiling_kib(hashing.capacity(), settings.http.connections.maximum);
    Ok(Service {
        database,
        keyring: Keyring::load(keyring_file)?,
        hashing,
        access_tokens: AccessTokens {
            context: settings.access_tokens.context.clone(),
            issuer: settings.access_tokens.issuer.clone(),
            audience: settings.access_tokens.audience.clone(),
            lifetime: settings.access_tokens.lifetime,
        },
        issuers: load_issuers(settings, &types)?,
        key_sets: KeySets::new().map_err(StartError::client)?,
        applications: applications(settings),
        types,
        rules: rules(settings),
        rehash_queue: RehashQueue::default(),
        last_uses: LastUses::default(),
        moved: ChangedChains::default(),
        refusal_timing: RefusalTiming::default(),
        memory_ceiling_kib,
    })
}

pub(super) fn load_issuers(
    settings: &Settings,
    types: &CredentialTypes,
) -> Result<Vec<Issuer>, IssuerError> {
    let load = |entry: &IssuerSettings| {
        // The canonical spelling, as saved rows have it.
        let bound = types.find(&entry.credential_type);
        let keys = match entry.key_source() {
            Some(configuration::KeySource::Url(url)) => KeySource::Url(url),
            Some(configuration::KeySource::File(file)) => KeySource::File(file.to_owned()),
            // Refused with the settings.
            None => KeySource::File(PathBuf::new()),
        };
        Issuer::load(IssuerOptions {
            issuer: &entry.issuer,
            audience: &entry.audience,
            keys,
            credential_type: bound.map_or(entry.credential_type.as_str(), CredentialType::as_str),
            claim: &entry.claim,
            maximum_age: Duration::from_secs(entry.maximum_age_seconds.into()),
        })
    };
    settings.authentication.issuers.iter().map(load).collect()
}

fn applications(settings: &Settings) -> Applications {
    let known = settings.installation.applications.iter().filter_map(|entry| {
        let application = Application { name: entry.name.clone(), is_trusted: entry.trusted };
        Some((entry.digest()?, application))
    });
    Applications::new(known.collect())
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        installation: settings.installation.installation_type,
        schemes: EnabledSchemes {
            // Online, a password is for the login page only.
            basic: settings.authentication.basic
                && settings.installation.installation_type == InstallationType::Onsite,
            so_ticket: settings.authentication.so_ticket,
            bearer: settings.authentication.bearer,
            session: settings.authentication.session,
        },
        ticket_lifetime: settings.tickets.lifetime,
        maximum_tickets: settings.tickets.maximum_per_user,
        session_lifetime: settings.sessions.lifetime,
        maximum_session: settings.sessions.maximum,
        absolute_lifetime: settings.sessions.absolute,
        password_policy: settings.password_policy(),
        attempts: AttemptLimits {
            before_delay: settings.attempts.before_delay,
            maximum_delay: settings.attempts.maximum_delay,
            maximum_failures: settings.attempts.maximum_failures,
            maximum_per_address: settings.attempts.maximum_per_address,
        },
        single_per_user: settings.credentials.single_per_user,
    }
}
