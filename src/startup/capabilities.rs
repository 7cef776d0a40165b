//! Builds the capabilities of request handlers and commands, at the start and when the settings are
//! reloaded.

use std::sync::Arc;

use super::{
    administration::{Administration, administration, import_jobs},
    migration::OpenOldSystem,
    options::{access_tokens, attempt_limits, enabled_schemes, lifetimes},
    parts::Parts,
    saving::Saving,
    systems::Systems,
};
use crate::{
    configuration::Settings,
    domain::proof_age::MaximumProofAge,
    security::issuer_token::Issuer,
    service::{
        Services,
        authentication::{
            Admissions, Authenticator, bearer::BearerAuthenticator, issued::IssuedTickets,
            issuer_token::IssuerTokenAuthenticator, moving::Moving,
            password::PasswordAuthenticator, session::SessionAuthenticator,
            ticket::TicketAuthenticator, tokens::Tokens,
        },
        credentials::{passwords::Passwords, saving::Credentials},
        import::run::Importers,
        mail::{links::PasswordLinks, requests::PasswordMails},
        sessions::{sign_in::Sessions, ticket_logins::TicketLogins, tickets::Tickets},
        throttling::lockouts::Lockouts,
        users::{
            directory::UserDirectory,
            overview::{Transfers, UserOverviews},
        },
    },
};

/// The capabilities.
pub(super) struct Capabilities {
    pub(super) services: Services,
    pub(super) administration: Administration,
}

/// Builds the capabilities.
pub(super) fn capabilities(
    parts: &Parts,
    settings: &Settings,
    issuers: Arc<[Issuer]>,
    systems: &Systems,
) -> Capabilities {
    let saving = Saving::new(parts, settings, &issuers);
    let administration = administration(parts, settings, &saving);
    let authentication = Authentication::new(parts, settings, &saving, issuers, systems);
    let services = services(parts, settings, saving, authentication, (systems, &administration));
    Capabilities { services, administration }
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
        saving: &Saving,
        issuers: Arc<[Issuer]>,
        systems: &Systems,
    ) -> Self {
        let installation = settings.installation.installation_type;
        let admissions = Admissions::new(parts.hashing());
        let issued = issued_tickets(parts, settings);
        let tokens = Arc::new(Tokens {
            keyring: parts.keyring(),
            applications: Arc::clone(&parts.adjustable.applications),
            access_tokens: access_tokens(settings),
        });
        let passwords = Arc::new(PasswordAuthenticator {
            database: parts.database().for_logins(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            types: Arc::clone(&parts.types),
            throttling: Arc::clone(&parts.adjustable.throttling),
            last_uses: Arc::clone(&parts.queues.last_uses),
            rehash_queue: Arc::clone(&parts.queues.rehashes),
            list_checks: parts.adjustable.list_checks.clone(),
            moving: moving(systems, parts, saving),
            directory: systems.directory.logins.clone(),
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
            key_sets: Arc::clone(&systems.key_sets),
            last_uses: Arc::clone(&parts.queues.last_uses),
            admissions: admissions.clone(),
        };
        let authenticator = Arc::new(Authenticator {
            installation,
            schemes: enabled_schemes(settings),
            maximum_proof_age: MaximumProofAge::of_setting(
                settings.authentication.maximum_proof_age,
            ),
            applications: Arc::clone(&parts.adjustable.applications),
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
        Self { issued, tokens, passwords, sessions, authenticator }
    }
}

/// What moves users from the old system, if there is one.
fn moving(systems: &Systems, parts: &Parts, saving: &Saving) -> Option<Moving> {
    let OpenOldSystem { hook, questions } = systems.old_system.as_ref()?;
    Some(Moving {
        database: parts.database(),
        hook: Arc::clone(hook),
        questions: Arc::clone(questions),
        hashing: parts.hashing(),
        password_type: parts.types.password().clone(),
        writer: Arc::clone(&saving.user_writer),
        transactions: parts.transactions(),
        maintenance: Arc::clone(&parts.queues.maintenance),
    })
}

fn issued_tickets(parts: &Parts, settings: &Settings) -> Arc<IssuedTickets> {
    let (keyring, valid_from) = (parts.keyring(), parts.valid_from.clone());
    let statements = parts.database().statements();
    Arc::new(IssuedTickets { keyring, lifetimes: lifetimes(settings), valid_from, statements })
}

fn tickets(parts: &Parts, settings: &Settings, issued: &Arc<IssuedTickets>) -> Tickets {
    Tickets {
        database: parts.database(),
        logins: parts.database().for_logins(),
        transactions: parts.transactions(),
        issued: Arc::clone(issued),
        maximum_per_user: settings.tickets.maximum_per_user,
    }
}

fn services(
    parts: &Parts,
    settings: &Settings,
    saving: Saving,
    authentication: Authentication,
    (systems, administration): (&Systems, &Administration),
) -> Services {
    let mails = systems.mail.requests(parts);
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
        throttling: Arc::clone(&parts.adjustable.throttling),
    });
    let tickets = Arc::new(tickets(parts, settings, &issued));
    let importers = importers(parts, administration, &credentials);
    let imports = import_jobs(parts, settings, importers, systems);
    let transfers = Transfers { imports, export: Arc::clone(&administration.export) };
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
            throttling: Arc::clone(&parts.adjustable.throttling),
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
        directory_search: Arc::clone(&systems.directory.search),
        instance: Arc::new(systems.instance(parts, settings)),
    }
}

/// What imports need, with few lines at a time, so that logins do not wait.
fn importers(
    parts: &Parts,
    administration: &Administration,
    credentials: &Arc<Credentials>,
) -> Importers {
    Importers {
        users: Arc::clone(&administration.user_import),
        bulk: Arc::clone(&administration.bulk_import),
        credentials: Arc::clone(credentials),
        threads: 1,
        maintenance: Arc::clone(&parts.queues.maintenance),
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
