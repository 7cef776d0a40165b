//! Notices of what a form did, which the page after it shows. A notice is named in the query, so
//! that a reload of the page does not repeat the action; its text never comes from there.

use actix_web::HttpRequest;
use url::form_urlencoded;

/// The parameter with the name of the notice.
pub(super) const PARAMETER: &str = "notice";

/// Defines the notices: each with its name in the query and the key of its text.
macro_rules! notices {
    ($($notice:ident => $name:literal, $key:literal;)*) => {
        /// The result of a form that succeeded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::http) enum Notice {
            $($notice,)*
        }

        impl Notice {
            const ALL: &[Self] = &[$(Self::$notice),*];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$notice => $name),*
                }
            }

            /// The key of its text.
            pub(super) fn key(self) -> &'static str {
                match self {
                    $(Self::$notice => $key),*
                }
            }
        }
    };
}

notices! {
    UserAdded => "user-added", "page-notice-user-added";
    UserChanged => "user-changed", "page-notice-user-changed";
    UserRetired => "user-retired", "page-notice-user-retired";
    UserReactivated => "user-reactivated", "page-notice-user-reactivated";
    UserDeleted => "user-deleted", "page-notice-user-deleted";
    UserUnlocked => "user-unlocked", "page-notice-user-unlocked";
    CredentialSaved => "credential-saved", "page-notice-credential-saved";
    CredentialExpired => "credential-expired", "page-notice-credential-expired";
    CredentialDeleted => "credential-deleted", "page-notice-credential-deleted";
    ChangeRequired => "change-required", "page-notice-change-required";
    ChangeNoLongerRequired => "change-no-longer-required", "page-notice-change-no-longer-required";
    TicketEnded => "ticket-ended", "page-notice-ticket-ended";
    TicketsEnded => "tickets-ended", "page-notice-tickets-ended";
    NothingChanged => "nothing-changed", "page-notice-nothing-changed";
    MailRequested => "password-mail", "page-notice-mail-requested";
    PasswordChanged => "password-changed", "page-notice-password-changed";
    SessionEnded => "session-ended", "page-notice-session-ended";
    SessionsEnded => "sessions-ended", "page-notice-sessions-ended";
}

impl Notice {
    /// The notice that the query of a request names; `None` for an unknown name.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let (_, name) = pairs.find(|(name, _)| name == PARAMETER)?;
        Self::ALL.iter().copied().find(|notice| notice.name() == name)
    }

    /// The path of a page that shows it.
    pub(super) fn on(self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}{PARAMETER}={}", self.name())
    }
}
