//! Builds the capabilities of the service from the settings.

use std::sync::Arc;

use super::{
    administration::Administration,
    capabilities::{Capabilities, capabilities},
    error::StartError,
    options::load_issuers,
    parts::Parts,
    systems::{Deliveries, Systems},
};
use crate::{
    configuration::Settings,
    security::{
        hashing::HashingEngine, issuer_token::Issuer, keyring::Keyring,
        keyring_handle::KeyringHandle,
    },
    service::{
        Services,
        activity::recorder::ActivityRecorder,
        audit::{anchors::Anchors, stream::delivery::AuditStream},
        credentials::{
            change_requirements::ChangeRequirements, last_uses::LastUses, list_check::ListChecks,
            rehashing::Rehashing,
        },
        mail::delivery::MailDelivery,
        operations::{
            housekeeping::Housekeeping, maintenance::Maintenance, refusal_timing::RefusalTiming,
            reload_metrics::ReloadMetrics,
        },
        restore::watch::RestoreWatch,
    },
    storage::Database,
};

/// The components of a process of the service, without listeners.
pub(crate) struct Components {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    /// The capabilities of request handlers.
    pub(crate) services: Services,
    /// The capabilities of commands only.
    pub(crate) administration: Administration,
    /// The background tasks.
    pub(crate) background: Background,
    pub(crate) restores: Arc<RestoreWatch>,
    pub(crate) issuers: Arc<[Issuer]>,
    pub(crate) lasting: Lasting,
}

/// The tasks that run in the background.
pub(crate) struct Background {
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) recorder: Arc<ActivityRecorder>,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) rehashing: Rehashing,
    pub(crate) list_checks: ListChecks,
    /// `None`: the installation sends no mails.
    pub(crate) mail_delivery: Option<MailDelivery>,
    pub(crate) audit_stream: Arc<AuditStream>,
    /// Holds the tasks that change something while changes are refused.
    pub(crate) maintenance: Arc<Maintenance>,
}

/// What a reload of the settings keeps: connections, queues, caches and counters.
pub(crate) struct Lasting {
    parts: Parts,
    systems: Systems,
}

/// Builds the components of a command: starts the hashing threads, and builds the capabilities. A
/// command delivers nothing and asks no other system, so it opens none of their files: the account
/// that runs `audit verify` may not be allowed to read them.
///
/// # Errors
/// When a required setting is missing, or an issuer or the hashing engine fails to load.
pub(crate) fn build(
    settings: &Settings,
    database: Database,
    keyring: Keyring,
) -> Result<Components, StartError> {
    build_with(settings, &without_other_systems(settings), database, keyring)
}

/// Builds the components of a process that serves, with the clients of other systems.
///
/// # Errors
/// As [`build`], and when a file of another system cannot be used.
pub(super) fn build_for_serving(
    settings: &Settings,
    database: Database,
    keyring: Keyring,
) -> Result<Components, StartError> {
    build_with(settings, settings, database, keyring)
}

/// Builds the components, with the clients of the other systems in `of_systems`.
fn build_with(
    settings: &Settings,
    of_systems: &Settings,
    database: Database,
    keyring: Keyring,
) -> Result<Components, StartError> {
    let parts = Parts::new(settings, database, keyring)?;
    let issuers: Arc<[Issuer]> = load_issuers(settings, &parts.types, &[])?.into();
    let (systems, deliveries) = Systems::open(&parts, of_systems)?;
    let built = capabilities(&parts, settings, Arc::clone(&issuers), &systems);
    let Capabilities { services, administration } = built;
    let valid_from = parts.valid_from.clone();
    let restores = Arc::new(RestoreWatch { database: parts.database(), valid_from });
    let requirements = Arc::clone(&services.credentials.requirements);
    Ok(Components {
        administration,
        background: background(&parts, &systems, deliveries, requirements, &restores),
        services,
        restores,
        issuers,
        keyring: parts.keyring(),
        hashing: parts.hashing(),
        database: parts.database(),
        lasting: Lasting { parts, systems },
    })
}

/// The settings without audit sinks, mail server, directory and old system.
fn without_other_systems(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.audit_stream.sinks.clear();
    settings.mail = None;
    settings.directory = None;
    settings.migration = None;
    settings
}

impl Lasting {
    /// Counts the reloads.
    pub(super) fn reloads(&self) -> &Arc<ReloadMetrics> {
        &self.parts.reloads
    }

    /// Refuses changes, and holds the background tasks.
    pub(super) fn maintenance(&self) -> &Arc<Maintenance> {
        &self.parts.queues.maintenance
    }

    /// The maximum memory of the process, in KiB.
    pub(super) fn memory_ceiling_kib(&self) -> u64 {
        self.systems.memory_ceiling_kib
    }

    /// Loads the issuers of other settings. Those of `former` keep the keys that they have fetched.
    ///
    /// # Errors
    /// When a key set cannot be used.
    pub(super) fn load_issuers(
        &self,
        settings: &Settings,
        former: &[Issuer],
    ) -> Result<Arc<[Issuer]>, StartError> {
        Ok(load_issuers(settings, &self.parts.types, former)?.into())
    }

    /// The capabilities of request handlers under settings that were reloaded.
    pub(super) fn services(&self, settings: &Settings, issuers: Arc<[Issuer]>) -> Services {
        capabilities(&self.parts.reloaded(settings), settings, issuers, &self.systems).services
    }
}

fn background(
    parts: &Parts,
    systems: &Systems,
    deliveries: Deliveries,
    requirements: Arc<ChangeRequirements>,
    restores: &Arc<RestoreWatch>,
) -> Background {
    let (queues, recording) = (&parts.queues, &systems.recording);
    let delivers_mails = deliveries.mail.is_some();
    Background {
        mail_delivery: deliveries.mail,
        audit_stream: Arc::new(deliveries.stream),
        list_checks: ListChecks {
            queue: Arc::clone(&queues.list_checks),
            types: Arc::clone(&parts.types),
            requirements,
        },
        anchors: Arc::clone(&recording.anchors),
        recorder: Arc::clone(&recording.recorder),
        housekeeping: Housekeeping {
            database: parts.database(),
            refusal_timing: RefusalTiming::new(parts.database(), parts.hashing()),
            surveys: recording.surveys.clone(),
            restores: Arc::clone(restores),
            delivers_mails,
            maintenance: Arc::clone(&queues.maintenance),
        },
        last_uses: Arc::clone(&queues.last_uses),
        maintenance: Arc::clone(&queues.maintenance),
        rehashing: Rehashing {
            database: parts.database(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            queue: Arc::clone(&queues.rehashes),
        },
    }
}
