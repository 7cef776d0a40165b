//! What the pages of administrators show of a user.

use data_encoding::HEXLOWER;
use time::OffsetDateTime;

use super::credential_of_page::query_of_type;
use crate::{
    domain::{
        change_cause::ChangeCause,
        credential::{CredentialSummary, LastUse},
        credential_type::{CredentialType, CredentialTypes},
        role::Role,
        user::{User, UserType},
    },
    http::pages::{
        frame::PageFrame,
        moment::Moment,
        words::{device_text, scheme_text, type_text_of},
    },
    service::{
        sessions::tickets::{TicketKind, TicketSummary},
        throttling::lockouts::FailedAttempts,
        users::overview::UserOverview,
    },
};

/// The longest name in a list, in characters.
const LISTED: usize = 48;

/// A user in a list, and the data of a user.
pub(super) struct UserView {
    pub(super) id: String,
    pub(super) login_name: String,
    pub(super) display_name: String,
    pub(super) user_type: String,
    pub(super) is_administrator: bool,
    /// The name of the role.
    pub(super) role: Option<String>,
    pub(super) is_retired: bool,
}

/// A credential, without its value.
pub(super) struct CredentialView {
    /// The query string of the pages about it.
    pub(super) query: String,
    pub(super) type_text: String,
    /// True for the name of the user in another system; `None` for a type that the installation no
    /// longer has.
    pub(super) is_identifier: Option<bool>,
    pub(super) display_value: String,
    pub(super) valid_from: Option<Moment>,
    pub(super) valid_to: Option<Moment>,
    pub(super) is_expired: bool,
    pub(super) is_future: bool,
    /// Why its owner must change it.
    pub(super) change_required: Option<String>,
    pub(super) last_use: Option<LastUseView>,
    pub(super) registered: Moment,
    pub(super) registered_by: String,
}

/// The last use of a credential.
pub(super) struct LastUseView {
    pub(super) at: Moment,
    pub(super) scheme: String,
    pub(super) address: String,
}

/// The failed attempts of one credential type.
pub(super) struct AttemptView {
    pub(super) type_text: String,
    pub(super) failures: u32,
    pub(super) next: Option<Moment>,
    pub(super) is_locked: bool,
}

/// A ticket or session.
pub(super) struct TicketView {
    pub(super) id: String,
    pub(super) device: String,
    pub(super) is_session: bool,
    pub(super) authenticated: Moment,
    pub(super) address: Option<String>,
    /// `None`: no use is recorded.
    pub(super) last_used: Option<Moment>,
    pub(super) last_used_address: Option<String>,
    pub(super) expires: Moment,
}

impl UserView {
    pub(super) fn new(frame: &PageFrame, user: &User) -> Self {
        Self {
            id: user.user_id.to_string(),
            login_name: user.login_name.clone(),
            display_name: user.display_name.clone(),
            user_type: frame.text(type_key(user.user_type)),
            is_administrator: user.is_administrator,
            role: user.role.map(|role| frame.text(role_key(role))),
            is_retired: user.is_retired,
        }
    }

    /// The view in a list, where long names are shortened: a full page stays small.
    pub(super) fn listed(frame: &PageFrame, user: &User) -> Self {
        let view = Self::new(frame, user);
        Self {
            login_name: shortened(&view.login_name),
            display_name: shortened(&view.display_name),
            ..view
        }
    }
}

/// A text of at most [`LISTED`] characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LISTED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

impl CredentialView {
    /// True for a credential that is always valid.
    pub(super) fn is_unlimited(&self) -> bool {
        self.valid_from.is_none() && self.valid_to.is_none()
    }

    /// True when an administrator may require its change.
    pub(super) fn may_require_change(&self) -> bool {
        self.is_identifier == Some(false) && self.change_required.is_none()
    }
}

/// The views of a user's parts, in the language of a page.
pub(super) struct Views<'page> {
    pub(super) frame: &'page PageFrame,
    pub(super) types: &'page CredentialTypes,
    pub(super) now: OffsetDateTime,
}

impl Views<'_> {
    pub(super) fn credentials(&self, overview: &UserOverview) -> Vec<CredentialView> {
        let credentials = overview.found.credentials.iter();
        credentials.map(|summary| self.credential(summary, &overview.registrars)).collect()
    }

    fn credential(&self, summary: &CredentialSummary, registrars: &[User]) -> CredentialView {
        let validity = summary.validity;
        let registrar = summary.registered_by.map(|id| {
            let found = registrars.iter().find(|user| user.user_id == id);
            found.map_or_else(|| id.to_string(), |user| user.login_name.clone())
        });
        let found_type = self.types.find(&summary.credential_type);
        CredentialView {
            query: query_of_type(&summary.credential_type),
            type_text: self.type_text(&summary.credential_type),
            is_identifier: found_type.map(CredentialType::is_identifier),
            display_value: summary.display_value.clone(),
            valid_from: validity.from().map(Moment::new),
            valid_to: validity.to().map(Moment::new),
            is_expired: validity.to().is_some_and(|to| to <= self.now),
            is_future: validity.from().is_some_and(|from| self.now < from),
            change_required: summary.change_required.map(|cause| self.frame.text(cause_key(cause))),
            last_use: summary.last_use.as_ref().map(|last_use| self.last_use(last_use)),
            registered: Moment::new(summary.registered_at),
            registered_by: registrar
                .unwrap_or_else(|| self.frame.text("page-credential-operator-or-service")),
        }
    }

    fn last_use(&self, last_use: &LastUse) -> LastUseView {
        LastUseView {
            at: Moment::new(last_use.at),
            scheme: scheme_text(self.frame, &last_use.scheme),
            address: last_use.address.clone().unwrap_or_default(),
        }
    }

    pub(super) fn attempts(&self, attempts: &[FailedAttempts]) -> Vec<AttemptView> {
        let view = |failed: &FailedAttempts| AttemptView {
            type_text: self.type_text(&failed.credential_type),
            failures: failed.failures,
            next: failed.next_allowed_at.filter(|at| *at > self.now).map(Moment::new),
            is_locked: failed.is_stopped,
        };
        attempts.iter().map(view).collect()
    }

    pub(super) fn tickets(&self, tickets: &[TicketSummary]) -> Vec<TicketView> {
        tickets.iter().map(|ticket| self.ticket(ticket)).collect()
    }

    fn ticket(&self, ticket: &TicketSummary) -> TicketView {
        TicketView {
            id: HEXLOWER.encode(&ticket.digest),
            device: device_text(self.frame, ticket.issued_to.device.as_ref()),
            is_session: ticket.kind == TicketKind::Session,
            authenticated: Moment::new(ticket.auth_time),
            address: ticket.issued_to.address.clone(),
            last_used: ticket.last_used_at.map(Moment::new),
            last_used_address: ticket.last_used_address.clone(),
            expires: Moment::new(ticket.expires_at),
        }
    }

    /// The name of a credential type.
    pub(super) fn type_text(&self, name: &str) -> String {
        type_text_of(self.frame, self.types, name)
    }
}

/// The key of the name of a role.
pub(super) fn role_key(role: Role) -> &'static str {
    match role {
        Role::HelpDesk => "page-role-help-desk",
        Role::Auditor => "page-role-auditor",
    }
}

/// The key of the words for a cause.
fn cause_key(cause: ChangeCause) -> &'static str {
    match cause {
        ChangeCause::Administrator => "page-change-cause-administrator",
        ChangeCause::CommonPassword => "page-change-cause-common-password",
        ChangeCause::Compromised => "page-change-cause-compromised",
    }
}

/// The key of the name of a user type.
pub(super) fn type_key(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Internal => "page-user-type-internal",
        UserType::Resource => "page-user-type-resource",
        UserType::External => "page-user-type-external",
        UserType::Anonymous => "page-user-type-anonymous",
        UserType::System => "page-user-type-system",
    }
}

/// The value and the name of each user type, for a choice.
pub(super) fn type_choices(frame: &PageFrame) -> Vec<(&'static str, String)> {
    let choice = |kind: UserType| (kind.as_str(), frame.text(type_key(kind)));
    UserType::ALL.into_iter().map(choice).collect()
}
