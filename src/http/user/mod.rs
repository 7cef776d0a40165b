//! The vendor's REST routes about users.

pub(super) mod current_principal;
pub(super) mod current_token;
pub(super) mod current_user;
pub(super) mod filter;
pub(super) mod links;
pub(super) mod list;
pub(super) mod list_query;
mod precondition;
pub(super) mod resource;
