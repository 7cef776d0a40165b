//! What an administrator may do with a user: the buttons that a page shows. The use cases decide
//! again.

use crate::{
    domain::{principal::Principal, user::User},
    http::{
        error::{ErrorKind, MissingRight},
        request_context::RequestContext,
    },
};

/// The actions that a page offers.
#[expect(clippy::struct_excessive_bools, reason = "independent rights")]
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminRights {
    /// Change, retire, reactivate and delete the user.
    pub(super) change: bool,
    /// Save, expire and delete credentials.
    pub(super) credentials: bool,
    /// Generate a password.
    pub(super) generate: bool,
    /// Reset failed attempts.
    pub(super) unlock: bool,
    /// End tickets and sessions.
    pub(super) end_sessions: bool,
}

impl AdminRights {
    /// The actions that this caller may take on this user.
    pub(super) fn of(principal: &Principal, _user: &User) -> Self {
        let may_administer = principal.may_administer_users();
        Self {
            change: may_administer,
            credentials: may_administer,
            generate: may_administer,
            unlock: may_administer,
            end_sessions: may_administer,
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
