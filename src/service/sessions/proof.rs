//! Proves the password again in a session: sensitive changes need a recent proof.

use secrecy::SecretString;

use super::{errors::ProofError, sign_in::Sessions};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        client_info::ClientInfo,
        principal::{Actor, AuthenticationScheme, Principal, Proof},
    },
    service::{
        authentication::{
            PasswordLogin,
            error::{AuthenticationError, Refusal},
            record_authentication,
        },
        errors::ChangeUserError,
        user_transaction::AuditedChange,
    },
    storage::{
        self,
        tickets::{self, TicketKind},
    },
};

impl Sessions {
    /// Verifies the password of the caller as a login does, with its limits and its counting, and
    /// makes this the time of the session's authentication.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub(crate) async fn prove(
        &self,
        context: ChangeContext<'_>,
        password: &SecretString,
    ) -> Result<(), ProofError> {
        let Actor::Principal(caller) = context.actor else { return Err(ProofError::NoSession) };
        let Proof::Session { digest } = &caller.proof else { return Err(ProofError::NoSession) };
        let login = self.verify(context, caller, password).await?;
        let PasswordLogin { principal: proven, lookup: _until_recorded } = login;
        // The name may have another owner since the session was found.
        if proven.user_id() != caller.user_id() {
            return Err(AuthenticationError::refused(None, Refusal::UnknownUser).into());
        }
        Ok(self.record(context, caller, digest).await?)
    }

    async fn verify(
        &self,
        context: ChangeContext<'_>,
        caller: &Principal,
        password: &SecretString,
    ) -> Result<PasswordLogin, AuthenticationError> {
        let (name, info): (_, &ClientInfo) = (&caller.user.login_name, context.client_info);
        let mut found = self.passwords.authenticate(name, password, info, context.now).await;
        if found.as_ref().err().is_some_and(AuthenticationError::is_retryable_read) {
            // A retry with the same secret is not counted as a failed attempt again.
            found = self.passwords.authenticate(name, password, info, context.now).await;
        }
        let principal = found.as_ref().map(|login| &login.principal);
        let metrics = &self.passwords.throttling.metrics;
        record_authentication(metrics, AuthenticationScheme::Basic, principal);
        found
    }

    async fn record(
        &self,
        context: ChangeContext<'_>,
        caller: &Principal,
        digest: &[u8],
    ) -> Result<(), ChangeUserError> {
        let user_id = caller.user_id();
        let transactions = &self.tickets.transactions;
        let mut connection = self.tickets.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = transactions.lock_user(&mut transaction, context, user_id).await?;
        let epoch = user.head.session_epoch;
        let now = context.now;
        let digests = self.issued.reference(TicketKind::Session, user_id, digest).digests.readable;
        if !tickets::set_auth_time(&mut transaction, user_id, &digests, epoch, now).await? {
            return Err(ChangeUserError::ProofOutdated);
        }
        let change = AuditedChange::to_user(AuditKind::SessionProven, false);
        transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        Ok(storage::commit(transaction).await?)
    }
}
