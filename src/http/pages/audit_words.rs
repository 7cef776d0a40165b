//! Audit events in words that people understand.

use super::{
    frame::PageFrame,
    moment::Moment,
    words::{scheme_text, type_text_of},
};
use crate::domain::{
    audit::{AuditEntry, AuditKind},
    credential_type::CredentialTypes,
};

/// An audit event, as pages show it.
pub(super) struct EventView {
    pub(super) at: Moment,
    pub(super) what: String,
    pub(super) credential_type: Option<String>,
    pub(super) how: String,
    pub(super) address: Option<String>,
    pub(super) reason: Option<String>,
}

impl EventView {
    /// The words of an event. A kind of a newer release is shown as it is.
    pub(super) fn new(frame: &PageFrame, types: &CredentialTypes, event: &AuditEntry) -> Self {
        let kind = AuditKind::parse(&event.kind);
        let what = kind.map_or_else(|| event.kind.clone(), |kind| frame.text(key_of(kind)));
        let type_text = |name: &String| type_text_of(frame, types, name);
        Self {
            at: Moment::new(event.occurred_at),
            what,
            credential_type: event.credential_type.as_ref().map(type_text),
            how: scheme_text(frame, &event.scheme),
            address: event.address.clone(),
            reason: event.reason.clone(),
        }
    }
}

/// The key of the words for a kind of event.
pub(super) fn key_of(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::UserAdded => "page-event-user-added",
        AuditKind::CredentialSaved => "page-event-credential-saved",
        AuditKind::CredentialExpired => "page-event-credential-expired",
        AuditKind::ChangeRequired => "page-event-change-required",
        AuditKind::ChangeNoLongerRequired => "page-event-change-no-longer-required",
        AuditKind::CredentialDeleted => "page-event-credential-deleted",
        AuditKind::UntrustedSaved => "page-event-untrusted-saved",
        AuditKind::UntrustedRead => "page-event-untrusted-read",
        AuditKind::UntrustedRemoved => "page-event-untrusted-removed",
        AuditKind::CredentialUnlocked => "page-event-unlocked",
        AuditKind::SessionsEnded => "page-event-sessions-ended",
        AuditKind::TicketIssued => "page-event-ticket-issued",
        AuditKind::TicketEnded => "page-event-ticket-ended",
        AuditKind::SessionStarted => "page-event-session-started",
        AuditKind::SessionProven => "page-event-session-proven",
        AuditKind::SessionEnded => "page-event-session-ended",
        AuditKind::UserChanged => "page-event-user-changed",
        AuditKind::UserMoved => "page-event-user-moved",
        AuditKind::UserRetired => "page-event-user-retired",
        AuditKind::UserReactivated => "page-event-user-reactivated",
        AuditKind::AdministratorGranted => "page-event-administrator-granted",
        AuditKind::AdministratorRevoked => "page-event-administrator-revoked",
        AuditKind::HelpDeskGranted => "page-event-help-desk-granted",
        AuditKind::HelpDeskRevoked => "page-event-help-desk-revoked",
        AuditKind::AuditorGranted => "page-event-auditor-granted",
        AuditKind::AuditorRevoked => "page-event-auditor-revoked",
        AuditKind::UserDeleted => "page-event-user-deleted",
        AuditKind::PasswordMailRequested => "page-event-mail-requested",
        AuditKind::PasswordMailSent => "page-event-mail-sent",
        AuditKind::PasswordMailFailed => "page-event-mail-failed",
        AuditKind::UsersExported => "page-event-users-exported",
        AuditKind::UsersExportEnded => "page-event-users-export-ended",
    }
}
