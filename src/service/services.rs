//! The capabilities that request handlers use.

use std::sync::Arc;

use super::{
    activity::report::Activity,
    audit::audit_reader::AuditReader,
    authentication::{authenticator::Authenticator, tokens::Tokens},
    credentials::{
        change_requirements::ChangeRequirements, passwords::Passwords, saving::Credentials,
    },
    directory::search::DirectorySearch,
    import::{export::Export, jobs::ImportJobs},
    mail::{links::PasswordLinks, requests::PasswordMails},
    operations::instance::Instance,
    sessions::{sign_in::Sessions, ticket_logins::TicketLogins, tickets::Tickets},
    throttling::lockouts::Lockouts,
    untrusted_credentials::untrusted::UntrustedCredentials,
    users::{directory::UserDirectory, overview::UserOverviews, saving::Users},
};

/// Every capability of request handlers, assembled in `startup`.
pub(crate) struct Services {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) directory_search: Arc<DirectorySearch>,
    pub(crate) users: Arc<Users>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) ticket_logins: Arc<TicketLogins>,
    pub(crate) overviews: Arc<UserOverviews>,
    pub(crate) instance: Arc<Instance>,
}

/// A capability that a request handler can ask for by its type.
pub(crate) trait Capability {
    /// The capability of this installation.
    fn of(services: &Services) -> &Arc<Self>;
}

macro_rules! capabilities {
    ($($capability:ident: $field:ident $(. $inner:ident)*,)+) => {
        $(impl Capability for $capability {
            fn of(services: &Services) -> &Arc<Self> {
                &services.$field $(.$inner)*
            }
        })+
    };
}

capabilities! {
    Authenticator: authenticator,
    Tokens: tokens,
    Credentials: credentials,
    ChangeRequirements: credentials.requirements,
    Passwords: passwords,
    PasswordMails: passwords.mails,
    PasswordLinks: passwords.links,
    UserDirectory: users.directory,
    DirectorySearch: directory_search,
    Users: users,
    AuditReader: users.audit,
    UntrustedCredentials: users.untrusted,
    Sessions: sessions,
    Tickets: ticket_logins.tickets,
    TicketLogins: ticket_logins,
    UserOverviews: overviews,
    Lockouts: overviews.lockouts,
    ImportJobs: overviews.transfers.imports,
    Export: overviews.transfers.export,
    Instance: instance,
    Activity: instance.activity,
}
