//! Admits requests that hash to the queue of the hashing engine.

use std::sync::Arc;

use super::outcome::{Requested, Work};
use crate::{
    domain::{client_info::FairnessKey, user::UserId},
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
            Work::Light => Ok(None),
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
            Work::Light => Ok(None),
            Work::Hashing | Work::ChangingSecret => {
                self.0.admit(FairnessKey::User(user_id)).map(Some)
            }
        }
    }
}
