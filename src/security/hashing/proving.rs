//! Whether a claim is right: what was found out lately, or a hash.

use std::time::Instant;

use super::{
    Claim, HashingEngine, HashingError,
    flights::{Landed, Verified},
};
use crate::domain::caller::Caller;

/// How a claim was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proven {
    /// It is wrong.
    No,
    /// It was hashed for an equal claim, at the same time or a moment before.
    Together,
    /// It was hashed now.
    Now,
}

impl HashingEngine {
    /// What was found out about a claim lately, if anything was. It saves the hash; who may try at all
    /// is decided before.
    pub(crate) fn recall(&self, claim: &Claim<'_>) -> Option<bool> {
        let (digest, now) = (self.claim_key.digest(claim), Instant::now());
        if self.verified.contains(digest, now) {
            self.measures.remembered.inc();
            return Some(true);
        }
        let was_refused = self.refused.contains(self.claim_key.refusal_digest(claim), now);
        if was_refused {
            self.measures.repeated.inc();
        }
        was_refused.then_some(false)
    }

    /// Whether a claim is right: found out together with an equal one, or hashed; and remembers it.
    /// What does not let in takes as long as any refusal.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn prove(
        &self,
        caller: Caller,
        claim: &Claim<'_>,
    ) -> Result<Proven, HashingError> {
        // Whoever had to wait for a statement may find that an equal claim was faster.
        match self.recall(claim) {
            Some(true) => return Ok(Proven::Together),
            Some(false) => {
                self.wait_as_refused(claim.value, Instant::now()).await;
                return Ok(Proven::No);
            }
            None => {}
        }
        let digest = self.claim_key.digest(claim);
        // A locked or retired user is verified against the decoy: no timing shows a right secret.
        let start = || self.verification(caller, claim.value, claim.hash.filter(|_| claim.lets_in));
        let Landed { outcome, is_first } = self.flights.join((caller, digest), start).await;
        let count = if is_first { &self.measures.not_remembered } else { &self.measures.shared };
        count.inc();
        let Verified { is_right, began } = outcome?;
        if is_right && claim.lets_in {
            self.verified.insert(digest, Instant::now());
            let visitor = self.claim_key.visitor(caller, claim.canonical_name);
            self.returning.insert(visitor, Instant::now());
        } else {
            self.refused.insert(self.claim_key.refusal_digest(claim), Instant::now());
            self.wait_as_refused(claim.value, began).await;
        }
        Ok(match (is_right, is_first) {
            (false, _) => Proven::No,
            (true, true) => Proven::Now,
            (true, false) => Proven::Together,
        })
    }
}
