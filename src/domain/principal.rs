//! Principals: authenticated callers, and the actors of changes.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    application::Application,
    client_info::FairnessKey,
    user::{User, UserId, UserReference},
};

/// The prefix of the access tokens of this service.
pub(crate) const ACCESS_TOKEN_PREFIX: &str = "8A:";

stored_enum! {
    /// The method that authenticated a caller, spelled as in the log and the audit log.
    AuthenticationScheme {
        /// A name and a password.
        Basic => "basic",
        /// A ticket of this service.
        SoTicket => "so_ticket",
        /// A token of this service or of a configured issuer.
        Bearer => "bearer",
        /// A browser's session of this service.
        Session => "session",
        /// An operator at the command line.
        Command => "command",
        /// The link in a mail, which sets a new password.
        PasswordLink => "password_link",
        /// The service itself, in the background.
        Service => "service",
        /// Nobody: a request that needs no authentication.
        Anonymous => "anonymous",
    }
}

/// The credential of a request, before it is verified.
#[derive(Debug)]
pub(crate) enum PresentedCredential {
    /// A name and a password (Basic).
    Password { name: String, password: SecretString },
    /// A ticket (SoTicket, or Basic with the ticket as name).
    Ticket(SecretString),
    /// A token (Bearer, or an access token of this service as SoTicket).
    Token(SecretString),
    /// The session cookie, with the value of `X-XSRF-TOKEN`.
    Session { cookie: SecretString, xsrf: SecretString },
    /// The session cookie alone, in a request that reads a page.
    PageSession(SecretString),
}

impl PresentedCredential {
    /// The scheme of the request.
    pub(crate) fn scheme(&self) -> AuthenticationScheme {
        match self {
            Self::Password { .. } => AuthenticationScheme::Basic,
            Self::Ticket(_) => AuthenticationScheme::SoTicket,
            Self::Token(_) => AuthenticationScheme::Bearer,
            Self::Session { .. } | Self::PageSession(_) => AuthenticationScheme::Session,
        }
    }
}

/// The credential that was verified.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// A stored secret of this version. If it must be changed, it proves its owner for that change
    /// only.
    Password { credential_type: String, version: i64, must_change: bool },
    /// The live ticket whose text has this digest. It is stored under a keyed digest of it.
    Ticket { digest: Vec<u8> },
    /// The live session whose cookie has this digest, stored as a ticket is.
    Session { digest: Vec<u8> },
    /// A token, which is not stored.
    Token {
        /// True for a token that was issued to a session, also by way of other tokens.
        is_of_session: bool,
    },
}

impl Proof {
    /// True for a session, and for what was issued to one: the browser of the session has both.
    pub(crate) fn is_of_session(&self) -> bool {
        match self {
            Self::Session { .. } => true,
            Self::Token { is_of_session } => *is_of_session,
            Self::Password { .. } | Self::Ticket { .. } => false,
        }
    }
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user: User,
    pub(crate) scheme: AuthenticationScheme,
    pub(crate) proof: Proof,
    /// When the user authenticated with a password or at an issuer; tickets and tokens keep it.
    pub(crate) auth_time: OffsetDateTime,
    /// True when `auth_time` was recent enough for sensitive changes as the request began.
    pub(crate) is_proof_recent: bool,
    /// The calling application, in online installations.
    pub(crate) application: Option<Application>,
}

impl Principal {
    /// The id of the user.
    pub(crate) fn user_id(&self) -> UserId {
        self.user.user_id
    }

    /// True if the secret that authenticated the caller must be changed, and allows nothing else.
    pub(crate) fn must_change_secret(&self) -> bool {
        matches!(self.proof, Proof::Password { must_change: true, .. })
    }

    /// Replaces a reference by login name with the id when it refers to the caller, so that it
    /// stays valid when the login name changes. References of administrators are unchanged.
    pub(crate) fn normalize_reference(&self, user: UserReference) -> UserReference {
        if self.may_administer_users() || !user.refers_to(&self.user) {
            user
        } else {
            UserReference::Id(self.user_id())
        }
    }
}

/// The actor of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Actor<'request> {
    /// An authenticated caller.
    Principal(&'request Principal),
    /// An operator at the command line, who has access to the keyring and the database.
    Command,
    /// The system that a user moves from, which accepted the user's password.
    OldSystem,
    /// A user with the link of a mail, who may set their own password and nothing else.
    PasswordLink(UserId),
    /// The service itself, which delivers mails in the background.
    Service,
    /// Somebody who did not authenticate, and only asks for a mail.
    Anonymous,
}

impl Actor<'_> {
    /// The user in audit events; `None` for commands, the old system and the service.
    pub(crate) fn user_id(self) -> Option<UserId> {
        match self {
            Self::Principal(principal) => Some(principal.user_id()),
            Self::PasswordLink(user_id) => Some(user_id),
            Self::Command | Self::OldSystem | Self::Service | Self::Anonymous => None,
        }
    }

    /// How the actor was authenticated. For the old system: how the user logs in.
    pub(crate) fn scheme(self) -> AuthenticationScheme {
        match self {
            Self::Principal(principal) => principal.scheme,
            Self::Command => AuthenticationScheme::Command,
            Self::OldSystem => AuthenticationScheme::Basic,
            Self::PasswordLink(_) => AuthenticationScheme::PasswordLink,
            Self::Service => AuthenticationScheme::Service,
            Self::Anonymous => AuthenticationScheme::Anonymous,
        }
    }

    /// True when the actor proved recently who they are. Only callers can have waited too long.
    pub(crate) fn has_recent_proof(self) -> bool {
        match self {
            Self::Principal(principal) => principal.is_proof_recent,
            Self::Command | Self::OldSystem | Self::PasswordLink(_) | Self::Service => true,
            Self::Anonymous => false,
        }
    }

    /// The key of the actor when many wait.
    pub(crate) fn fairness_key(self) -> FairnessKey {
        self.user_id().map_or(FairnessKey::Service, FairnessKey::User)
    }

    /// As [`Principal::normalize_reference`].
    pub(crate) fn normalize_reference(self, user: UserReference) -> UserReference {
        match self {
            Self::Principal(principal) => principal.normalize_reference(user),
            Self::Command
            | Self::OldSystem
            | Self::PasswordLink(_)
            | Self::Service
            | Self::Anonymous => user,
        }
    }
}
