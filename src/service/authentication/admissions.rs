//! Admits requests that hash to the queue of the hashing engine.

use std::{sync::Arc, time::Duration};

use super::outcome::{Requested, Work};
use crate::{
    domain::{client_info::FairnessKey, principal::Principal, user::UserId},
    security::hashing::{Admission, HashingEngine, HashingError},
};

/// The delay of a response that refuses a login for lack of capacity. It slows down clients that
/// ignore `Retry-After`, and costs nothing.
const REFUSED_LOGIN_DELAY: Duration = Duration::from_millis(80);

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

    /// Refuses a request that hashes, and whose user is not known before a statement, while nobody is
    /// admitted.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(super) fn require_room(&self, work: Work) -> Result<(), HashingError> {
        match work {
            Work::Light | Work::Proving => Ok(()),
            Work::Hashing | Work::ChangingSecret => self.0.require_room(),
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

/// Returns a refusal of a login after its delay, and anything else at once.
pub(super) async fn delay_refusal_of_login<T>(
    admitted: Result<T, HashingError>,
) -> Result<T, HashingError> {
    if admitted.is_err() {
        tokio::time::sleep(REFUSED_LOGIN_DELAY).await;
    }
    admitted
}
