//! A user to add.

use super::{
    new_login_name::NewLoginName,
    nick_name::NickName,
    role::Role,
    user::{DisplayName, UserId, UserType},
    vendor_ids::VendorIds,
};

/// A user to add.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    /// `None`: the next free id, from 1000 on.
    pub(crate) user_id: Option<UserId>,
    pub(crate) login_name: NewLoginName,
    pub(crate) display_name: DisplayName,
    pub(crate) user_type: UserType,
    pub(crate) is_administrator: bool,
    pub(crate) role: Option<Role>,
    pub(crate) is_retired: bool,
    pub(crate) vendor_ids: VendorIds,
    pub(crate) nick_name: NickName,
}
