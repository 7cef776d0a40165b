//! The vendor's REST routes about the current user.

pub(super) mod current_principal;
pub(super) mod current_token;
