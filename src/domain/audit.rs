//! Audit events: changes of users and their credentials.

use time::OffsetDateTime;

use super::user::UserId;

stored_enum! {
    /// The kind of an audited change.
    AuditKind {
        /// The user was added; the first event of every chain.
        UserAdded => "user_added",
        /// A credential was added or replaced.
        CredentialSaved => "credential_saved",
        /// A credential was deleted.
        CredentialDeleted => "credential_deleted",
        /// The failed attempts on credentials were reset.
        CredentialUnlocked => "credential_unlocked",
        /// Every ticket, session and token of the user was revoked.
        SessionsEnded => "sessions_ended",
        /// A ticket was issued.
        TicketIssued => "ticket_issued",
        /// A ticket was ended before its expiry.
        TicketEnded => "ticket_ended",
        /// A session of a browser was started.
        SessionStarted => "session_started",
        /// A session was ended before its expiry.
        SessionEnded => "session_ended",
        /// The login name, the display name or the type was changed.
        UserChanged => "user_changed",
        /// The user was disabled.
        UserRetired => "user_retired",
        /// The user was enabled again.
        UserReactivated => "user_reactivated",
        /// The user got the right to act on every user.
        AdministratorGranted => "administrator_granted",
        /// The user lost the right to act on every user.
        AdministratorRevoked => "administrator_revoked",
        /// The user was deleted; the last event of the chain.
        UserDeleted => "user_deleted",
    }
}

/// One event of a user's chain, without its MAC.
#[derive(Debug, Clone)]
pub(crate) struct AuditEvent {
    /// The user that was changed.
    pub(crate) user_id: UserId,
    /// Position in that user's chain, from 1.
    pub(crate) sequence: i64,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) kind: AuditKind,
    /// `None`: an operator's command.
    pub(crate) actor: Option<UserId>,
    /// How the actor was authenticated.
    pub(crate) scheme: &'static str,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) credential_type: Option<String>,
    /// The user's epoch after the event.
    pub(crate) session_epoch: i64,
}

/// A stored event, for display.
#[derive(Debug)]
pub(crate) struct AuditEntry {
    pub(crate) sequence: i64,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) kind: String,
    /// `None`: an operator's command.
    pub(crate) actor: Option<UserId>,
    pub(crate) scheme: String,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) credential_type: Option<String>,
}

/// A stored event with its MAC.
#[derive(Debug)]
pub(crate) struct ChainLink {
    pub(crate) event: AuditEvent,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// The head of a chain in the user's row, and the state that the chain must explain.
#[derive(Debug)]
pub(crate) struct ChainHead {
    pub(crate) user_id: UserId,
    /// Of the last event.
    pub(crate) sequence: i64,
    pub(crate) mac: Vec<u8>,
    pub(crate) session_epoch: i64,
    pub(crate) acts_on_anybody: bool,
    pub(crate) is_retired: bool,
}
