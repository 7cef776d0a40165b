//! Throttling and lockout of failed authentication attempts.

pub(crate) mod counting;
