//! Builds the capabilities of the service from the settings.

use std::sync::Arc;

use super::{
    activity::{ActivityParts, open_activity},
    administration::{Administration, administration, import_jobs},
    deciders::{Deciders, open_moving},
    directory::{OpenDirectory, open_directory},
    error::StartError,
    mail::open_mail,
    memory,
    options::{access_tokens, attempt_limits, enabled_schemes, lifetimes, load_issuers},
    parts::Parts,
    saving::Saving,
};
use crate::{
    configuration::Settings,
    domain::proof_age::MaximumProofAge,
    key_sets::KeySets,
    migration_hook::HookMetrics,
    security::{
        hashing::HashingEngine, issuer_token::Issuer, keyring::Keyring,
        keyring_handle::KeyringHandle,
    },
    service::{
        Services,
        activity::{hash_survey::HashSurvey, recorder::ActivityRecorder},
        audit::anchors::Anchors,
        authentication::{
            Admissions, Authenticator, bearer::BearerAuthenticator, issued::IssuedTickets,
            issuer_token::IssuerTokenAuthenticator, password::PasswordAuthenticator,
            session::SessionAuthenticator, ticket::TicketAuthenticator, tokens::Tokens,
        },
        credentials::{
            last_uses::LastUses, list_check::ListChecks, passwords::Passwords,
            rehashing::Rehashing, saving::Credentials,
        },
        import::{
            bulk::BulkImport, export::Export, jobs::metrics::ImportMetrics, run::Importers,
            users::UserImport,
        },
        mail::{delivery::MailDelivery, links::PasswordLinks, requests::PasswordMails},
        operations::{
            housekeeping::Housekeeping, instance::Instance, refusal_timing::RefusalTiming,
            reload_metrics::ReloadMetrics,
        },
        restore::watch::RestoreWatch,
        sessions::{sign_in::Sessions, ticket_logins::TicketLogins, tickets::Tickets},
        throttling::lockouts::Lockouts,
        users::{
            directory::UserDirectory,
            overview::{Transfers, UserOverviews},
        },
    },
    storage::Database,
};

/// The components of a process of the service, without listeners.
pub(crate) struct Components {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    /// The maximum memory of the process, in KiB.
    pub(crate) memory_ceiling_kib: u64,
    /// The capabilities of request handlers.
    pub(crate) services: Services,
    /// The capabilities of commands only.
    pub(crate) administration: Administration,
    /// The background tasks.
    pub(crate) background: Background,
    pub(crate) reloads: Arc<ReloadMetrics>,
    pub(crate) restores: Arc<RestoreWatch>,
    pub(crate) issuers: Arc<[Issuer]>,
}

/// The tasks that run in the background.
pub(crate) struct Background {
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) recorder: Arc<ActivityRecorder>,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) rehashing: Rehashing,
    /// `None`: passwords are not looked up when their owners log in.
    pub(crate) list_checks: Option<ListChecks>,
    /// `None`: the installation sends no mails.
    pub(crate) mail_delivery: Option<MailDelivery>,
}

/// Starts the hashing threads, and builds the capabilities.
///
/// # Errors
/// When a required setting is missing, or an issuer or the hashing engine fails to load.
pub(crate) fn build(
    settings: &Settings,
    database: Database,
    keyring: Keyring,
) -> Result<Components, StartError> {
    let parts = Parts::new(settings, database, keyring)?;
    let issuers: Arc<[Issuer]> = load_issuers(settings, &parts.types)?.into();
    let saving = Saving::new(&parts, settings, &issuers);
    let migration = Arc::<HookMetrics>::default();
    let OpenDirectory { search, logins } = open_directory(settings)?;
    let moving = open_moving(&parts, settings, &saving, &migration)?;
    let deciders = Deciders { moving, directory: logins };
    let authentication = Authentication::new(&parts, settings, Arc::clone(&issuers), deciders)?;
    let mail = open_mail(&parts, settings)?;
    let chains = Arc::clone(&parts.changed_chains);
    let anchors = Arc::new(Anchors::new(parts.database(), parts.keyring(), chains));
    let ActivityParts { recorder, survey, activity, instance_id } =
        open_activity(&parts, settings, &anchors);
    let memory_ceiling_kib = memory::ceiling_kib(parts.hashing.capacity(), settings);
    let instance = Instance {
        database: parts.database().for_logins(),
        hashing: parts.hashing(),
        keyring: parts.keyring(),
        activity,
        reloads: Arc::clone(&parts.reloads),
        directory: search,
        imports: Arc::<ImportMetrics>::default(),
        mail: mail.metrics,
        migration,
        memory_ceiling_kib,
    };
    let administration = administration(&parts, settings, &saving);
    let outside = Outside {
        instance,
        instance_id,
        mails: mail.requests,
        users: Arc::clone(&administration.user_import),
        bulk: Arc::clone(&administration.bulk_import),
        export: Arc::clone(&administration.export),
    };
    let recording = Recording { anchors, recorder, survey };
    let valid_from = parts.valid_from.clone();
    let restores = Arc::new(RestoreWatch { database: parts.database(), valid_from });
    Ok(Components {
        administration,
        background: background(&parts, &saving, mail.delivery, recording, &restores),
        services: services(&parts, settings, saving, authentication, outside),
        memory_ceiling_kib,
        reloads: parts.reloads,
        restores,
        issuers,
        keyring: parts.keyring,
        hashing: parts.hashing,
        database: parts.database,
    })
}

/// The capabilities that authenticate callers.
struct Authentication {
    issued: Arc<IssuedTickets>,
    tokens: Arc<Tokens>,
    passwords: Arc<PasswordAuthenticator>,
    sessions: Arc<SessionAuthenticator>,
    authenticator: Arc<Authenticator>,
}

impl Authentication {
    fn new(
        parts: &Parts,
        settings: &Settings,
        issuers: Arc<[Issuer]>,
        deciders: Deciders,
    ) -> Result<Self, StartError> {
        let installation = settings.installation.installation_type;
        let admissions = Admissions::new(parts.hashing());
        let issued = issued_tickets(parts, settings);
        let tokens = Arc::new(Tokens {
            keyring: parts.keyring(),
            applications: Arc::clone(&parts.applications),
            access_tokens: access_tokens(settings),
        });
        let passwords = Arc::new(PasswordAuthenticator {
            database: parts.database().for_logins(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            types: Arc::clone(&parts.types),
            throttling: Arc::clone(&parts.throttling),
            last_uses: Arc::clone(&parts.last_uses),
            rehash_queue: Arc::clone(&parts.rehash_queue),
            list_checks: parts.list_checks.clone(),
            moving: deciders.moving,
            directory: deciders.directory,
        });
        let sessions = Arc::new(SessionAuthenticator {
            database: parts.database().for_logins(),
            keyring: parts.keyring(),
            installation,
            issued: Arc::clone(&issued),
            admissions: admissions.clone(),
        });
        let issuer_tokens = IssuerTokenAuthenticator {
            database: parts.database().for_logins(),
            keyring: parts.keyring(),
            issuers,
            key_sets: KeySets::new().map_err(StartError::client)?,
            last_uses: Arc::clone(&parts.last_uses),
            admissions: admissions.clone(),
        };
        let authenticator = Arc::new(Authenticator {
            installation,
            schemes: enabled_schemes(settings),
            maximum_proof_age: MaximumProofAge::of_setting(
                settings.authentication.maximum_proof_age,
            ),
            applications: Arc::clone(&parts.applications),
            passwords: Arc::clone(&passwords),
            tickets: TicketAuthenticator {
                database: parts.database().for_logins(),
                issued: Arc::clone(&issued),
                admissions: admissions.clone(),
            },
            bearer: BearerAuthenticator {
                database: parts.database().for_logins(),
                tokens: Arc::clone(&tokens),
                issued: Arc::clone(&issued),
                issuer_tokens,
                admissions: admissions.clone(),
            },
            sessions: Arc::clone(&sessions),
            admissions,
        });
        Ok(Self { issued, tokens, passwords, sessions, authenticator })
    }
}

fn issued_tickets(parts: &Parts, settings: &Settings) -> Arc<IssuedTickets> {
    let (keyring, valid_from) = (parts.keyring(), parts.valid_from.clone());
    let statements = parts.database().statements();
    Arc::new(IssuedTickets { keyring, lifetimes: lifetimes(settings), valid_from, statements })
}

/// What uses other servers, and what commands use, too.
struct Outside {
    instance: Instance,
    instance_id: String,
    mails: Arc<PasswordMails>,
    users: Arc<UserImport>,
    bulk: Arc<BulkImport>,
    export: Arc<Export>,
}

fn services(
    parts: &Parts,
    settings: &Settings,
    saving: Saving,
    authentication: Authentication,
    outside: Outside,
) -> Services {
    let Outside { instance, instance_id, mails, users, bulk, export } = outside;
    let links = Arc::new(password_links(parts, &saving, &mails));
    let Authentication { issued, tokens, passwords, sessions, authenticator } = authentication;
    let directory = Arc::clone(&saving.directory);
    let credentials = Arc::new(Credentials {
        database: parts.database(),
        keyring: parts.keyring(),
        hashing: parts.hashing(),
        types: Arc::clone(&parts.types),
        hasher: saving.hasher,
        writer: saving.credential_writer,
        transactions: parts.transactions(),
        requirements: saving.requirements,
    });
    let tickets = Arc::new(Tickets {
        database: parts.database().for_logins(),
        transactions: parts.transactions(),
        issued: Arc::clone(&issued),
        maximum_per_user: settings.tickets.maximum_per_user,
    });
    // Few lines at a time, so that logins do not wait.
    let importers = Importers { users, bulk, credentials: Arc::clone(&credentials), threads: 1 };
    let imports = import_jobs(parts, settings, importers, instance_id, &instance.imports);
    let transfers = Transfers { imports, export };
    let overviews = overviews(parts, settings, directory, &tickets, transfers);
    let ticket_logins = Arc::new(TicketLogins {
        authenticator: Arc::clone(&authenticator),
        tickets: Arc::clone(&tickets),
        tokens: Arc::clone(&tokens),
    });
    Services {
        authenticator,
        tokens,
        passwords: Arc::new(Passwords {
            database: parts.database(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            credentials: Arc::clone(&credentials),
            checker: saving.checker,
            directory: saving.directory,
            throttling: Arc::clone(&parts.throttling),
            mails,
            links,
        }),
        users: saving.users,
        sessions: Arc::new(Sessions {
            is_enabled: settings.authentication.session,
            keyring: parts.keyring(),
            passwords,
            authenticator: sessions,
            issued,
            tickets,
            credentials: Arc::clone(&credentials),
        }),
        credentials,
        ticket_logins,
        overviews,
        directory_search: Arc::clone(&instance.directory),
        instance: Arc::new(instance),
    }
}

/// What reads everything about a user at once.
fn overviews(
    parts: &Parts,
    settings: &Settings,
    directory: Arc<UserDirectory>,
    tickets: &Arc<Tickets>,
    transfers: Transfers,
) -> Arc<UserOverviews> {
    Arc::new(UserOverviews {
        database: parts.database(),
        directory,
        lockouts: Arc::new(Lockouts {
            database: parts.database(),
            transactions: parts.transactions(),
            limits: attempt_limits(settings),
        }),
        tickets: Arc::clone(tickets),
        transfers,
    })
}

fn password_links(parts: &Parts, saving: &Saving, mails: &PasswordMails) -> PasswordLinks {
    PasswordLinks {
        database: parts.database(),
        keyring: parts.keyring(),
        types: Arc::clone(&parts.types),
        recipients: Arc::clone(&mails.recipients),
        hasher: Arc::clone(&saving.hasher),
        writer: Arc::clone(&saving.credential_writer),
    }
}

/// What records what happens.
struct Recording {
    anchors: Arc<Anchors>,
    recorder: Arc<ActivityRecorder>,
    survey: Arc<HashSurvey>,
}

fn background(
    parts: &Parts,
    saving: &Saving,
    mail_delivery: Option<MailDelivery>,
    recording: Recording,
    restores: &Arc<RestoreWatch>,
) -> Background {
    let Recording { anchors, recorder, survey } = recording;
    let list_checks = parts.list_checks.clone().map(|queue| ListChecks {
        queue,
        types: Arc::clone(&parts.types),
        requirements: Arc::clone(&saving.requirements),
    });
    Background {
        mail_delivery,
        list_checks,
        anchors,
        recorder,
        housekeeping: Housekeeping {
            database: parts.database(),
            refusal_timing: RefusalTiming::new(parts.database(), parts.hashing()),
            hash_survey: survey,
            restores: Arc::clone(restores),
        },
        last_uses: Arc::clone(&parts.last_uses),
        rehashing: Rehashing {
            database: parts.database(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            queue: Arc::clone(&parts.rehash_queue),
        },
    }
}
