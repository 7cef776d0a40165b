//! Evidence: what happened to a user or to one of their credentials.

use time::OffsetDateTime;

use super::user::UserId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditKind {
    /// The user came to be; the first event of every chain.
    UserAdded,
    /// A credential was added or replaced.
    CredentialSaved,
    /// A credential was deleted.
    CredentialDeleted,
    /// What was counted against guessing was forgotten.
    CredentialUnlocked,
    /// Every ticket and token of the user was ended.
    SessionsEnded,
    /// A login ticket was issued.
    TicketIssued,
    /// One was ended before its time.
    TicketEnded,
    /// A browser's session was started.
    SessionStarted,
    /// One was ended before its time.
    SessionEnded,
    /// Their login name, their display name or their type is another one.
    UserChanged,
    /// They may not log in any more.
    UserRetired,
    /// They may log in again.
    UserReactivated,
    /// They may act on anybody.
    AdministratorGranted,
    /// They may no more.
    AdministratorRevoked,
    /// The user is gone but for their chain; the last event of it.
    UserDeleted,
}

impl AuditKind {
    const ALL: [Self; 15] = [
        Self::UserAdded,
        Self::CredentialSaved,
        Self::CredentialDeleted,
        Self::CredentialUnlocked,
        Self::SessionsEnded,
        Self::TicketIssued,
        Self::TicketEnded,
        Self::SessionStarted,
        Self::SessionEnded,
        Self::UserChanged,
        Self::UserRetired,
        Self::UserReactivated,
        Self::AdministratorGranted,
        Self::AdministratorRevoked,
        Self::UserDeleted,
    ];

    /// The kind of a stored spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UserAdded => "user_added",
            Self::CredentialSaved => "credential_saved",
            Self::CredentialDeleted => "credential_deleted",
            Self::CredentialUnlocked => "credential_unlocked",
            Self::SessionsEnded => "sessions_ended",
            Self::TicketIssued => "ticket_issued",
            Self::TicketEnded => "ticket_ended",
            Self::SessionStarted => "session_started",
            Self::SessionEnded => "session_ended",
            Self::UserChanged => "user_changed",
            Self::UserRetired => "user_retired",
            Self::UserReactivated => "user_reactivated",
            Self::AdministratorGranted => "administrator_granted",
            Self::AdministratorRevoked => "administrator_revoked",
            Self::UserDeleted => "user_deleted",
        }
    }
}

/// One event of a user's chain, without its MAC.
#[derive(Debug, Clone)]
pub(crate) struct AuditEvent {
    /// Whom it happened to.
    pub(crate) user_id: UserId,
    /// Position in that user's chain, from 1.
    pub(crate) sequence: i64,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) kind: AuditKind,
    /// `None`: an operator's command.
    pub(crate) actor: Option<UserId>,
    /// How the actor proved who they are.
    pub(crate) scheme: &'static str,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) credential_type: Option<String>,
    /// The user's epoch after the event.
    pub(crate) session_epoch: i64,
}

/// An event as it is kept, for whoever reads the chain.
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

/// One link of a chain as it is stored.
#[derive(Debug)]
pub(crate) struct ChainLink {
    pub(crate) event: AuditEvent,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// What a user's row says of their chain, and what the chain has to explain.
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
