//! The commands about passwords: other ways to save a `CRM5/PASSWORD` (protocol.md 8.2).

use super::{credential::CredentialValue, user::UserReference};

/// A new password, at an administrator's word.
#[derive(Debug)]
pub(crate) struct SetPassword {
    pub(crate) user: UserReference,
    pub(crate) password: CredentialValue,
}

/// A new password in place of one that the caller knows.
#[derive(Debug)]
pub(crate) struct ChangePassword {
    pub(crate) user: UserReference,
    /// `None`: at an administrator's word.
    pub(crate) old: Option<CredentialValue>,
    pub(crate) new: CredentialValue,
}
