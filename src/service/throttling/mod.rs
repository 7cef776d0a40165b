//! Throttling and lockout: limits on failed authentication attempts
//! (docs/reference/wire-contract.md#d26-throttling-and-lockout).

pub(crate) mod lockouts;
pub(crate) mod throttle;
