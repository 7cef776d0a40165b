//! Commands that set or change passwords: other ways to save a `CRM5/PASSWORD`
//! (docs/reference/wire-contract.md#password-calls).

use super::{credential::CredentialValue, user::UserReference};

/// Set the password of a user, for administrators.
#[derive(Debug)]
pub(crate) struct SetPassword {
    pub(crate) user: UserReference,
    pub(crate) password: CredentialValue,
}

/// Replace a password, with the old one as proof.
#[derive(Debug)]
pub(crate) struct ChangePassword {
    pub(crate) user: UserReference,
    /// `None`: for administrators, without proof.
    pub(crate) old: Option<CredentialValue>,
    pub(crate) new: CredentialValue,
}
