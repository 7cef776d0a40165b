//! Looks up passwords in the list of common passwords when their owners log in
//! (docs/adr/0062-passwords-that-must-be-changed.md).
//!
//! A password may be older than the policy, or be imported as a hash, so that nobody could check it
//! before. The lookup follows the request whose password was verified by a hash, and neither delays nor
//! refuses that request. A login from the verification cache is not looked up again. A mark that is
//! lost, because the queue is full or the process ends, is made up for at the next login that is hashed.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::change_requirements::ChangeRequirements;
use crate::{
    clock,
    domain::{
        change_context::ChangeContext,
        client_info::ClientInfo,
        credential::CredentialValue,
        credential_type::CredentialTypes,
        principal::Actor,
        stored_credential::StoredCredential,
        user::{User, UserId, UserType},
    },
    security::common_passwords::ListKey,
    service::{errors::ChangeUserError, operations::maintenance::Maintenance},
};

/// The maximum number of passwords that wait to be looked up.
const MAXIMUM_WAITING: usize = 256;

/// A password to look up, without its text.
struct Lookup {
    key: ListKey,
    user_id: UserId,
    version: i64,
    request_id: String,
}

/// The passwords that wait to be looked up.
pub(crate) struct ListCheckQueue {
    sender: mpsc::Sender<Lookup>,
    receiver: Mutex<mpsc::Receiver<Lookup>>,
}

impl Default for ListCheckQueue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MAXIMUM_WAITING);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

/// Chooses the passwords to look up.
pub(crate) struct ListCheckRule {
    pub(crate) queue: Arc<ListCheckQueue>,
    /// Users of these types keep a common password.
    pub(crate) except: Vec<UserType>,
}

impl ListCheckRule {
    /// The lookup of a password that was just verified against this row; `None` if the credential is
    /// never marked for it. Users who may not change their own password keep it: a mark would lock
    /// them out.
    pub(in crate::service) fn prepare(
        &self,
        user: &User,
        row: &StoredCredential,
        password: &CredentialValue,
        client_info: &ClientInfo,
    ) -> Option<PendingLookup> {
        let is_excepted = !user.may_act() || self.except.contains(&user.user_type);
        if is_excepted || row.change_required.is_some() {
            return None;
        }
        let lookup = Lookup {
            key: ListKey::of(password),
            user_id: user.user_id,
            version: row.version,
            request_id: client_info.request_id.clone(),
        };
        Some(PendingLookup { lookup: Some(lookup), sender: self.queue.sender.clone() })
    }
}

/// A lookup that is queued when this is dropped. Hold it until the request is answered: the mark ends
/// what the request issues, and must not make it fail.
#[must_use]
pub(crate) struct PendingLookup {
    lookup: Option<Lookup>,
    sender: mpsc::Sender<Lookup>,
}

impl PendingLookup {
    /// Drops the lookup: the request is refused for another reason than the password.
    pub(in crate::service) fn cancel(mut self) {
        self.lookup = None;
    }
}

impl Drop for PendingLookup {
    fn drop(&mut self) {
        if let Some(lookup) = self.lookup.take() {
            // A full queue drops it.
            let _ = self.sender.try_send(lookup);
        }
    }
}

/// Marks the passwords that are on the list.
pub(crate) struct ListChecks {
    pub(crate) queue: Arc<ListCheckQueue>,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) requirements: Arc<ChangeRequirements>,
}

impl ListChecks {
    /// Looks up the queued passwords, and marks none while changes are refused; never returns.
    pub(crate) async fn run(&self, maintenance: &Arc<Maintenance>) {
        let mut waiting = self.queue.receiver.lock().await;
        while let Some(lookup) = waiting.recv().await {
            if !lookup.key.is_listed() {
                continue;
            }
            let user_id = lookup.user_id;
            let change = maintenance.writable().await;
            match change.include(self.mark(lookup)).await {
                Ok(true) => tracing::info!(
                    user.id = %user_id,
                    "a password is on the list of common passwords; its owner must change it"
                ),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    user.id = %user_id,
                    error = &error as &dyn std::error::Error,
                    "failed to mark a common password; a later login tries again"
                ),
            }
        }
    }

    async fn mark(&self, lookup: Lookup) -> Result<bool, ChangeUserError> {
        let Lookup { user_id, version, request_id, .. } = lookup;
        let client_info = ClientInfo { address: None, request_id, device: None };
        let (actor, client_info) = (Actor::Service, &client_info);
        let context = ChangeContext { actor, client_info, reason: None, now: clock::now() };
        let password_type = self.types.password();
        self.requirements.mark_common(context, user_id, password_type, version).await
    }
}
