//! What the caller may do with a user: the buttons that a page shows. The use cases decide again.

use crate::{
    domain::{principal::Principal, user::User},
    http::{
        error::{ErrorKind, MissingRight},
        request_context::RequestContext,
    },
};

/// The actions that a page offers.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminRights {
    /// Change, retire, reactivate and delete the user; save, expire and delete credentials.
    pub(super) administer: bool,
    /// Unlock the user, generate a password, end tickets and sessions.
    pub(super) help: bool,
}

impl AdminRights {
    /// The actions that this caller may take on this user.
    pub(super) fn of(principal: &Principal, user: &User) -> Self {
        let coverage = principal.help_coverage();
        Self {
            administer: principal.may_administer_users(),
            help: coverage.is_some_and(|coverage| coverage.includes(user.is_protected())),
        }
    }
}

/// Refuses a caller who may not administer users, before the page says more about a user.
///
/// # Errors
/// [`MissingRight::AdministerUsers`].
pub(super) fn require_administrator(context: &RequestContext) -> Result<(), ErrorKind> {
    let may_administer = context.principal().may_administer_users();
    if may_administer { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::AdministerUsers)) }
}

/// Refuses a caller who may help nobody, before the page says more about a user.
///
/// # Errors
/// [`MissingRight::HelpUsers`].
pub(super) fn require_helper(context: &RequestContext) -> Result<(), ErrorKind> {
    let may_help = context.principal().help_coverage().is_some();
    if may_help { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::HelpUsers)) }
}
