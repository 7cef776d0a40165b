//! Admits requests that hash to the queue of the hashing engine.

use std::sync::Arc;

use super::outcome::{Requested, Work};
use crate::{
    domain::{client_info::FairnessKey, principal::Principal, user::UserId},
    security::hashing::{Admission, HashingEngine, HashingError},
};

/// Admits requests to the hashing engine; light work needs no admission.
#[derive(Clone)]
pub(crate) struct Admissions(Arc<HashingEngine>);

impl Admissions {
    /// Creates admissions to this engine.
    pub(crate) fn new(hashing: Arc<HashingEngine>) -> Self {
        Self(hashing)
    }

    /// Admits a request before its user is authenticated, in the share of its address.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(super) fn admit_unauthenticated(
        &self,
        request: Requested<'_>,
        named: UserId,
    ) -> Result<Option<Admission>, HashingError> {
        let Requested { work, client_info } = request;
        match work {
            // Whether a proof is needed is known when the session has been read.
            Work::Light | Work::Proving => Ok(None),
            Work::Hashing | Work::ChangingSecret => {
                let user = FairnessKey::User(named);
                self.0.admit_unauthenticated(client_info.fairness_key(), user).map(Some)
            }
        }
    }

    /// Moves an admission to the share of the user who was authenticated.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(super) fn move_to(
        &self,
        admission: Option<Admission>,
        user_id: UserId,
    ) -> Result<Option<Admission>, HashingError> {
        let moved = |admission| self.0.move_admission(admission, FairnessKey::User(user_id));
        admission.map(moved).transpose()
    }

    /// Admits a request of an authenticated user.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(super) fn admit(
        &self,
        work: Work,
        user_id: UserId,
    ) -> Result<Option<Admission>, HashingError> {
        match work {
            Work::Light | Work::Proving => Ok(None),
            Work::Hashing | Work::ChangingSecret => {
                self.0.admit(FairnessKey::User(user_id)).map(Some)
            }
        }
    }

    /// Admits a request that proves the password of its session again, if the last proof is too old.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(super) fn admit_proof(
        &self,
        work: Work,
        principal: &Principal,
    ) -> Result<Option<Admission>, HashingError> {
        if work != Work::Proving || principal.is_proof_recent {
            return Ok(None);
        }
        self.admit(Work::Hashing, principal.user_id())
    }
}
