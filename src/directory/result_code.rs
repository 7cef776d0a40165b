//! The result codes of RFC 4511, appendix A.1, that this client distinguishes.

pub(super) const SUCCESS: u32 = 0;
pub(super) const TIME_LIMIT_EXCEEDED: u32 = 3;
pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
pub(super) const REFERRAL: u32 = 10;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
pub(super) const INVALID_DN_SYNTAX: u32 = 34;
pub(super) const INVALID_CREDENTIALS: u32 = 49;
