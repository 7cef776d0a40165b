//! Authentication: the schemes, and the middleware that uses them.

mod basic;
mod bearer;
mod middleware;
pub(super) mod session_cookie;
mod so_ticket;
mod unreadable;

pub(crate) use self::middleware::challenges;
#[cfg(feature = "fuzz")]
pub(super) use self::middleware::credential;
pub(super) use self::middleware::{authenticate, client_info, not_signed_in, refused, verify};
