//! Limits the questions to another system: how many are asked at once, how many wait, and how many of both
//! are of one caller.

use std::time::Duration;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::{domain::client_info::FairnessKey, fair_places::FairPlaces};

/// The questions that may wait for each one that is asked.
const WAITING: usize = 4;

/// The questions to another system.
pub(crate) struct Turns {
    /// A place for each question that is asked.
    places: Semaphore,
    places_of_callers: FairPlaces,
    /// A place for each question that waits or is asked.
    entries: Semaphore,
    entries_of_callers: FairPlaces,
}

/// The permission to ask one question.
#[expect(dead_code, reason = "kept until it is dropped")]
pub(crate) struct Turn<'turns> {
    shared: [SemaphorePermit<'turns>; 2],
    of_caller: [OwnedSemaphorePermit; 2],
}

/// Why a caller got no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// Other questions of the caller use as many places as one caller may.
    CallerBusy,
    /// The questions of all callers use every place.
    Busy,
}

impl Turns {
    /// At most `maximum` questions are asked at once.
    pub(crate) fn new(maximum: usize) -> Self {
        let entries = maximum.saturating_mul(1 + WAITING);
        Self {
            places: Semaphore::new(maximum),
            places_of_callers: FairPlaces::new(maximum),
            entries: Semaphore::new(entries),
            entries_of_callers: FairPlaces::new(entries),
        }
    }

    /// Waits for a turn of a caller.
    ///
    /// # Errors
    /// When too many questions wait, or this one for too long: what it waited for at last.
    pub(crate) async fn take(
        &self,
        caller: FairnessKey,
        longest: Duration,
    ) -> Result<Turn<'_>, NoTurn> {
        let own_entry = self.entries_of_callers.try_take(caller).ok_or(NoTurn::CallerBusy)?;
        let entry = self.entries.try_acquire().map_err(|_| NoTurn::Busy)?;
        let mut reason = NoTurn::CallerBusy;
        let places = async {
            // First among the caller's own, so that the caller takes no place from others meanwhile.
            let own_place = self.places_of_callers.take(caller).await?;
            reason = NoTurn::Busy;
            // The semaphore is never closed.
            Some((self.places.acquire().await.ok()?, own_place))
        };
        let taken = timeout(longest, places).await.ok().flatten();
        let (place, own_place) = taken.ok_or(reason)?;
        Ok(Turn { shared: [entry, place], of_caller: [own_entry, own_place] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::UserId;

    fn user(id: i32) -> FairnessKey {
        FairnessKey::User(UserId::try_from(id).unwrap())
    }

    #[tokio::test]
    async fn a_caller_whose_questions_hang_leaves_half_of_the_turns_to_others() {
        let turns = Turns::new(4);
        let limit = Duration::from_millis(100);
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(turns.take(user(1), limit).await.unwrap());
        }
        let more = futures_util::future::join_all((0..30).map(|_| turns.take(user(1), limit)));
        let others = async {
            tokio::task::yield_now().await;
            for _ in 0..2 {
                held.push(turns.take(user(2), limit).await.unwrap());
            }
        };
        let (more, ()) = tokio::join!(more, others);
        assert!(more.iter().all(|turn| matches!(turn, Err(NoTurn::CallerBusy))));
        let other = turns.take(user(3), limit).await;
        assert!(matches!(other, Err(NoTurn::Busy)), "all places are in use");
        drop(held);
        assert!(turns.take(user(1), limit).await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_with_few_questions_is_told_that_others_wait() {
        let turns = &Turns::new(2);
        let limit = Duration::from_millis(100);
        // Of either caller, one is asked and four wait.
        let five =
            |id| futures_util::future::join_all((0..5).map(move |_| turns.take(user(id), limit)));
        let third = async {
            tokio::task::yield_now().await;
            turns.take(user(3), limit).await.err()
        };
        let (_, _, third) = tokio::join!(five(1), five(2), third);
        assert_eq!(third, Some(NoTurn::Busy));
    }
}
