//! Pages for browsers: login and documentation. They have no scripts and load nothing from other
//! hosts.

pub(super) mod assets;
pub(super) mod docs;
pub(super) mod html;
pub(super) mod login;
pub(super) mod logout;
mod own_page;
