//! The vendor's REST routes about users.

pub(super) mod current_principal;
pub(super) mod current_token;
pub(super) mod current_user;
