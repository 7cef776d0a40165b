//! Pages for browsers: signing in, and the documentation. No script, nothing from other hosts.

pub(super) mod assets;
pub(super) mod docs;
pub(super) mod html;
pub(super) mod login;
pub(super) mod logout;
mod own_page;
