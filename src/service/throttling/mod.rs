//! Throttling and lockout: limits on failed authentication attempts (protocol.md 10.26).

pub(crate) mod lockouts;
pub(crate) mod throttle;
