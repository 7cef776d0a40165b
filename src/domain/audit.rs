//! Audit events: changes to users, their credentials and everything issued to them.

use time::OffsetDateTime;

use super::{role::Role, user::UserId};

stored_enum! {
    /// The kind of an audit event.
    AuditKind {
        /// A user was added; the first event of every chain.
        UserAdded => "user_added",
        /// A credential was added or replaced.
        CredentialSaved => "credential_saved",
        /// The validity of a credential was ended.
        CredentialExpired => "credential_expired",
        /// The owner of a credential must change it.
        ChangeRequired => "change_required",
        /// The owner of a credential need not change it any longer, although it is the same.
        ChangeNoLongerRequired => "change_no_longer_required",
        /// A credential was deleted.
        CredentialDeleted => "credential_deleted",
        /// An untrusted credential was added or replaced.
        UntrustedSaved => "untrusted_credential_saved",
        /// The secrets of untrusted credentials were returned.
        UntrustedRead => "untrusted_credentials_read",
        /// An untrusted credential was removed.
        UntrustedRemoved => "untrusted_credential_removed",
        /// The failed attempts of the user were reset.
        CredentialUnlocked => "credential_unlocked",
        /// All tickets, sessions and tokens of the user were revoked.
        SessionsEnded => "sessions_ended",
        /// A login ticket was issued.
        TicketIssued => "ticket_issued",
        /// A login ticket was revoked before it expired.
        TicketEnded => "ticket_ended",
        /// A browser session was started.
        SessionStarted => "session_started",
        /// The password was proven again in a browser session.
        SessionProven => "session_proven",
        /// A browser session was ended before it expired.
        SessionEnded => "session_ended",
        /// The login name, the display name, the type, the nickname or an id of the vendor changed.
        UserChanged => "user_changed",
        /// The old system accepted the user's password, which is kept here since.
        UserMoved => "user_moved",
        /// The user was disabled.
        UserRetired => "user_retired",
        /// The user was enabled again.
        UserReactivated => "user_reactivated",
        /// The user was granted the administrator right.
        AdministratorGranted => "administrator_granted",
        /// The administrator right was revoked.
        AdministratorRevoked => "administrator_revoked",
        /// The user was granted the role of the help desk.
        HelpDeskGranted => "help_desk_granted",
        /// The role of the help desk was revoked.
        HelpDeskRevoked => "help_desk_revoked",
        /// The user was granted the role of an auditor.
        AuditorGranted => "auditor_granted",
        /// The role of an auditor was revoked.
        AuditorRevoked => "auditor_revoked",
        /// The user was deleted; the last event of a chain.
        UserDeleted => "user_deleted",
        /// A mail with a link for a new password was requested.
        PasswordMailRequested => "password_mail_requested",
        /// The mail server accepted that mail.
        PasswordMailSent => "password_mail_sent",
        /// That mail was not sent, and will not be.
        PasswordMailFailed => "password_mail_failed",
        /// The user began to export all users.
        UsersExported => "users_exported",
        /// That export ended.
        UsersExportEnded => "users_export_ended",
    }
}

impl AuditKind {
    /// The kind of the event of a user who is granted a role.
    pub(crate) fn role_granted(role: Role) -> Self {
        match role {
            Role::HelpDesk => Self::HelpDeskGranted,
            Role::Auditor => Self::AuditorGranted,
        }
    }

    /// The kind of the event of a user who loses a role.
    pub(crate) fn role_revoked(role: Role) -> Self {
        match role {
            Role::HelpDesk => Self::HelpDeskRevoked,
            Role::Auditor => Self::AuditorRevoked,
        }
    }

    /// True for changes of a user that an actor makes only with a recent proof: a user who was retired,
    /// deleted, or granted or denied a right over others. Credentials depend on whose they are.
    pub(crate) fn is_sensitive(self) -> bool {
        matches!(
            self,
            Self::UserRetired
                | Self::UserDeleted
                | Self::AdministratorGranted
                | Self::AdministratorRevoked
                | Self::HelpDeskGranted
                | Self::HelpDeskRevoked
                | Self::AuditorGranted
                | Self::AuditorRevoked
        )
    }

    /// The description of the kind, for reference pages.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::UserAdded => "A user was added. The first event of every chain.",
            Self::CredentialSaved => "A credential was added or replaced.",
            Self::CredentialExpired => {
                "The validity of a credential was ended. A mark that its owner must change it stays."
            }
            Self::ChangeRequired => {
                "A credential was marked, or saved with the mark, so that its owner must change it."
            }
            Self::ChangeNoLongerRequired => {
                "The mark of a credential that its owner had to change was removed. A new value \
                 removes it, too, with `credential_saved`."
            }
            Self::CredentialDeleted => "A credential was deleted.",
            Self::UntrustedSaved => {
                "An untrusted credential was added or replaced. The event has its type, and neither \
                 its public value nor its secret."
            }
            Self::UntrustedRead => {
                "The secrets of the untrusted credentials of one type were returned to their owner \
                 or a system user, or written by `export --whole`."
            }
            Self::UntrustedRemoved => "An untrusted credential was removed.",
            Self::CredentialUnlocked => "The failed attempts of a user were reset.",
            Self::SessionsEnded => "All tickets, sessions and tokens of the user were revoked.",
            Self::TicketIssued => "A login ticket was issued.",
            Self::TicketEnded => "A login ticket was revoked before it expired.",
            Self::SessionStarted => "A browser session was started.",
            Self::SessionProven => "The password was proven again in a browser session.",
            Self::SessionEnded => "A browser session was ended before it expired.",
            Self::UserChanged => {
                "The login name, the display name, the type, the nickname or an id of the vendor (person, role, EJ user) of the user changed."
            }
            Self::UserMoved => {
                "The old system (`migration.hook_url`) accepted the password of the user, which is kept here since."
            }
            Self::UserRetired => "The user was disabled.",
            Self::UserReactivated => "The user was enabled again.",
            Self::AdministratorGranted => "The user was granted the administrator right.",
            Self::AdministratorRevoked => "The administrator right of the user was revoked.",
            Self::HelpDeskGranted => "The user was granted the role of the help desk.",
            Self::HelpDeskRevoked => "The role of the help desk of the user was revoked.",
            Self::AuditorGranted => "The user was granted the role of an auditor.",
            Self::AuditorRevoked => "The role of an auditor of the user was revoked.",
            Self::UserDeleted => "The user was deleted. The last event of a chain.",
            Self::PasswordMailRequested => {
                "A mail with a link for a new password of the user was requested."
            }
            Self::PasswordMailSent => "The mail server accepted the mail with that link.",
            Self::PasswordMailFailed => "The mail with that link was not sent, and will not be.",
            Self::UsersExported => {
                "The user exported all users with a page, without secrets. The event is in their own chain."
            }
            Self::UsersExportEnded => {
                "That export ended. The reason has the number of users that were sent, and how it ended."
            }
        }
    }
}

/// The fields of an audit event as columns of `audit_events`, with their descriptions, for
/// reference pages.
pub(crate) const FIELDS: [(&str, &str); 12] = [
    ("user_id", "The user that the event is about."),
    ("sequence", "The position in the chain of the user, from 1."),
    ("occurred_at", "The time of the event, in UTC."),
    ("kind", "The kind of the event."),
    (
        "actor_user_id",
        "The user who made the change; null for a command of an operator, and for the old system that a user moves from.",
    ),
    (
        "scheme",
        "The authentication scheme of the actor; `command` for a command of an operator, \
         `password_link` for the link in a mail, and `service` for the delivery of that mail.",
    ),
    ("address", "The address of the client; null for a command."),
    ("request_id", "The id of the request, which is also in the log."),
    ("credential_type", "The credential type; null for an event about the user."),
    (
        "session_epoch",
        "The epoch of the user after the event. A new epoch revokes everything issued.",
    ),
    ("reason", "The reason that the actor gave, or how an export ended; null for none."),
    ("key_id, mac", "The key and the MAC over all fields and the MAC of the previous event."),
];

/// One event of a user's chain, without its MAC.
#[derive(Debug, Clone)]
pub(crate) struct AuditEvent {
    /// The user that the event is about.
    pub(crate) user_id: UserId,
    /// Position in that user's chain, from 1.
    pub(crate) sequence: i64,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) kind: AuditKind,
    /// `None`: an operator's command, or the old system.
    pub(crate) actor: Option<UserId>,
    /// The authentication scheme of the actor.
    pub(crate) scheme: &'static str,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) credential_type: Option<String>,
    /// The user's epoch after the event.
    pub(crate) session_epoch: i64,
    pub(crate) reason: Option<String>,
}

/// A stored event, for listing.
#[derive(Debug)]
pub(crate) struct AuditEntry {
    /// The user that the event is about.
    pub(crate) user_id: UserId,
    pub(crate) sequence: i64,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) kind: String,
    /// `None`: an operator's command, or the old system.
    pub(crate) actor: Option<UserId>,
    pub(crate) scheme: String,
    pub(crate) address: Option<String>,
    /// `None`: the reader may not see it.
    pub(crate) request_id: Option<String>,
    pub(crate) credential_type: Option<String>,
    pub(crate) reason: Option<String>,
}

/// A stored event with its MAC.
#[derive(Debug)]
pub(crate) struct ChainLink {
    pub(crate) event: AuditEvent,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// The head of a chain in the user's row.
#[derive(Debug)]
pub(crate) struct ChainHead {
    pub(crate) user_id: UserId,
    /// Of the last event.
    pub(crate) sequence: i64,
    pub(crate) mac: Vec<u8>,
}

/// The state in the user's row that the chain must explain.
#[derive(Debug)]
pub(crate) struct AuditedState {
    pub(crate) session_epoch: i64,
    pub(crate) may_administer_users: bool,
    pub(crate) role: Option<Role>,
    pub(crate) is_retired: bool,
}
