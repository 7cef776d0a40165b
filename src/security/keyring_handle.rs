//! The keyring in use, which is replaced as a whole while the service runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::keyring::Keyring;

tokio::task_local! {
    /// The keyring of the use case that this task runs.
    static OF_USE_CASE: Arc<Keyring>;
}

/// Shares the keyring in use. Code that needs a key asks for it each time and keeps nothing that is
/// derived from it.
#[derive(Debug, Clone)]
pub(crate) struct KeyringHandle(Arc<RwLock<Arc<Keyring>>>);

impl KeyringHandle {
    /// Shares a keyring.
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keyring))))
    }

    /// The keyring: within [`Self::run_use_case`] the one that was in use when the use case
    /// started, elsewhere the one in use now.
    pub(crate) fn current(&self) -> Arc<Keyring> {
        OF_USE_CASE.try_with(Arc::clone).unwrap_or_else(|_| self.latest())
    }

    /// Replaces the keyring.
    pub(crate) fn replace(&self, keyring: Keyring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }

    /// Runs a use case, in which the keyring does not change.
    pub(crate) fn run_use_case<F: Future>(
        &self,
        use_case: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        OF_USE_CASE.scope(self.latest(), use_case)
    }

    fn latest(&self) -> Arc<Keyring> {
        // The data is consistent after a panic of another holder.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[tokio::test]
    async fn a_use_case_keeps_its_keyring() {
        let handle = KeyringHandle::new(ring_before());
        let writing = || handle.current().writing().id().to_owned();
        let use_case = async {
            assert_eq!(writing(), "old");
            handle.replace(ring());
            tokio::task::yield_now().await;
            writing()
        };
        assert_eq!(handle.run_use_case(use_case).await, "old");
        assert_eq!(writing(), "new");
    }
}
