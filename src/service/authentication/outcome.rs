//! The input and the result of an authentication.

use crate::{
    domain::{client_info::ClientInfo, principal::Principal},
    security::hashing::Admission,
};

/// The work that a request causes after its authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Statements only.
    Light,
    /// A hash; the number of admitted requests is limited.
    Hashing,
}

/// The request that is authenticated.
#[derive(Clone, Copy)]
pub(super) struct Requested<'request> {
    pub(super) work: Work,
    pub(super) client_info: &'request ClientInfo,
}

/// An authenticated request.
pub(crate) struct Authenticated {
    pub(crate) principal: Principal,
    /// The admission to the hashing queue, held until the response; `None` for light work.
    pub(crate) admission: Option<Admission>,
}
