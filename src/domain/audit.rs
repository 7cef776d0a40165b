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
    /// Every ticket and token of the user was ended.
    SessionsEnded,
}

impl AuditKind {
    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UserAdded => "user_added",
            Self::CredentialSaved => "credential_saved",
            Self::SessionsEnded => "sessions_ended",
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
