//! Pages for browsers: login, a new password, and documentation. They have no scripts and load nothing from other
//! hosts.

pub(super) mod assets;
pub(super) mod docs;
pub(super) mod html;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod new_password;
mod own_page;
