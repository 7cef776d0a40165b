//! Writes credentials, sealed for their row, together with the audit events of the save.

use std::sync::Arc;

use sqlx::PgConnection;

use super::hasher::HashedCredential;
use crate::{
    domain::{
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        credential_type::CredentialType,
        principal::Actor,
        user::{LoginName, UserId},
    },
    security::{
        audit_chain::audit_mac,
        identifier::{identifier_digest, identifier_digests},
        keyring::Key,
        keyring_handle::KeyringHandle,
        sealing::{Binding, Envelope, seal},
    },
    service::{
        errors::SaveCredentialError,
        user_transaction::{ChangeLocks, UserTransactions, actor_snapshot, next_event},
    },
    storage::{
        Statements, StorageError,
        credential_writes::{CredentialWrite, IdentifierWrite, Removal, WriteOutcome},
        credentials,
        users::{self, UserHead},
    },
};

/// The stored secret that authenticated a request.
#[derive(Clone)]
pub(in crate::service) struct PasswordProof {
    pub(super) credential_type: String,
    /// The version that was verified.
    pub(super) version: i64,
}

/// The precondition that is checked when a save is written.
#[derive(Clone, Copy)]
pub(in crate::service) enum WritePrecondition<'save> {
    /// The actor is unchanged, and so is the secret that authenticated the actor, if any.
    Actor(Option<&'save PasswordProof>),
    /// No precondition, because the transaction has already checked the actor.
    Nothing,
}

/// A save that is ready to be written.
#[derive(Clone, Copy)]
pub(in crate::service) struct Save<'save> {
    pub(in crate::service) context: ChangeContext<'save>,
    pub(in crate::service) user_id: UserId,
    /// The login name that the user must still have, if the caller named the user by it.
    pub(in crate::service) login_name: Option<&'save LoginName>,
    pub(in crate::service) hashed: &'save HashedCredential,
    pub(in crate::service) precondition: WritePrecondition<'save>,
    pub(in crate::service) effect: SaveEffect,
}

/// What a save does to the credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum SaveEffect {
    /// It has a new value.
    NewValue,
    /// Its validity ends. Its value and its mark stay.
    Expiry,
}

/// Writes credentials.
pub(crate) struct CredentialWriter {
    pub(crate) keyring: KeyringHandle,
    pub(crate) transactions: Arc<UserTransactions>,
    /// The types of identifiers that a configured issuer or the directory proves.
    pub(crate) proven_types: Vec<String>,
    /// True when each user has one credential, whatever its type
    /// (docs/reference/wire-contract.md#d13-replacement-by-type).
    pub(crate) single_per_user: bool,
    pub(crate) statements: Statements,
}

impl CredentialWriter {
    /// Writes a save within a transaction.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(in crate::service) async fn write(
        &self,
        connection: &mut PgConnection,
        save: Save<'_>,
    ) -> Result<(), SaveCredentialError> {
        let ChangeLocks { head, is_actor_current } = match save.precondition {
            WritePrecondition::Actor(_) => {
                self.transactions.lock_for_change(connection, save.context, save.user_id).await?
            }
            WritePrecondition::Nothing => {
                let head = users::lock(connection, save.user_id).await?;
                ChangeLocks { head, is_actor_current: true }
            }
        };
        let head = head.ok_or(SaveCredentialError::UnknownUser)?;
        if !is_actor_current {
            return Err(SaveCredentialError::ProofOutdated);
        }
        // The name, the type and the rights of the user may have changed since the hash was computed.
        require_name(save.login_name, &head)?;
        if matches!(save.precondition, WritePrecondition::Actor(_)) {
            require_writable(save.context.actor, save.user_id, &head)?;
        }
        if !save.hashed.credential_type.is_allowed_for(head.user_type) {
            let field = save.hashed.field.clone();
            return Err(SaveCredentialError::TypeNotForUser { field });
        }
        let removed_types = self.removed_types(connection, save).await?;
        let write = self.prepare(save, &head, &removed_types)?;
        let outcome = self.statements.save_credential(connection, &write).await?;
        self.require_saved(outcome, &write)
    }

    /// Fails unless the credential was written, and counts it. A caller with a transaction may still
    /// roll it back.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(super) fn require_saved(
        &self,
        outcome: WriteOutcome,
        write: &CredentialWrite,
    ) -> Result<(), SaveCredentialError> {
        match outcome {
            WriteOutcome::Saved => {
                let metrics = &self.transactions.metrics;
                metrics.record_saves(1);
                metrics.record_event(write.event.kind);
                for _ in &write.removals {
                    metrics.record_event(AuditKind::CredentialDeleted);
                }
                Ok(())
            }
            WriteOutcome::IdentifierTaken => Err(SaveCredentialError::IdentifierTaken),
            WriteOutcome::ProofOutdated => Err(SaveCredentialError::ProofOutdated),
            // While the row is locked, the head cannot change.
            WriteOutcome::HeadMoved => Err(StorageError::Inconsistent { table: "users" }.into()),
        }
    }

    /// The types of the user's credentials that the save removes. Read them after `head`: a change
    /// in between also changes the head, and then the write is refused.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn removed_types(
        &self,
        connection: &mut PgConnection,
        save: Save<'_>,
    ) -> Result<Vec<String>, StorageError> {
        if !self.single_per_user {
            return Ok(Vec::new());
        }
        let mut types = credentials::list_types(connection, save.user_id).await?;
        types.retain(|name| name != save.hashed.credential_type.as_str());
        Ok(types)
    }

    /// True for types that Basic verifies, and for identifiers that an issuer or the directory proves.
    pub(super) fn authenticates(&self, credential_type: &CredentialType) -> bool {
        credential_type.is_usable_for_basic()
            || self.proven_types.iter().any(|name| name == credential_type.as_str())
    }

    /// Seals the credential and computes the audit events that follow a head.
    ///
    /// # Errors
    /// When the hash cannot be written or sealed.
    pub(in crate::service) fn prepare(
        &self,
        save: Save<'_>,
        head: &UserHead,
        removed_types: &[String],
    ) -> Result<CredentialWrite, SaveCredentialError> {
        self.transactions.changed_chains.push(save.user_id);
        let event = self.saved_event(save, head);
        let Save { context: ChangeContext { actor, .. }, hashed, precondition, .. } = save;
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let credential_type = hashed.credential_type.as_str();
        let identifier = hashed.identifier.as_ref().map(|value| IdentifierWrite {
            digest: identifier_digest(key, credential_type, value),
            all_digests: identifier_digests(&keyring, credential_type, value),
        });
        let binding = Binding {
            user_id: event.user_id,
            credential_type,
            version: event.sequence,
            hash_scheme: hashed.hash.scheme(),
            hash_parameters: hashed.hash.parameters(),
            validity: hashed.validity,
            change_required: hashed.change_required,
        };
        let phc = hashed.hash.to_text().map_err(|_| SaveCredentialError::Unwritable)?;
        let envelope = Envelope { phc, identifier: hashed.identifier.clone() };
        let audit_mac = audit_mac(key, &head.audit_mac, &event);
        let (actor_snapshot, proof) = match precondition {
            WritePrecondition::Actor(proof) => (actor_snapshot(actor), proof),
            WritePrecondition::Nothing => (None, None),
        };
        Ok(CredentialWrite {
            audit_key_id: key.id().to_owned(),
            removals: removals(key, &audit_mac, &event, removed_types),
            audit_mac,
            credential_type: credential_type.to_owned(),
            sealed_hash: seal(key, binding, &envelope)?,
            key_id: key.id().to_owned(),
            hash_scheme: hashed.hash.scheme(),
            hash_parameters: hashed.hash.parameters(),
            validity: hashed.validity,
            change_required: hashed.change_required,
            display_value: hashed.display_value.as_ref().unwrap_or(&head.login_name).clone(),
            identifier,
            actor: actor_snapshot,
            proven: proof.map(|proof| (proof.credential_type.clone(), proof.version)),
            caller_ticket: self.transactions.caller_ticket(actor).map(|ticket| ticket.digests),
            event,
        })
    }

    fn saved_event(&self, save: Save<'_>, head: &UserHead) -> AuditEvent {
        let credential_type = &save.hashed.credential_type;
        // Tickets, sessions and tokens were issued for credentials that authenticate, so replacing
        // or removing such a credential revokes them.
        let revokes_issued = self.authenticates(credential_type) || self.single_per_user;
        let session_epoch = head.session_epoch + i64::from(revokes_issued);
        let kind = saved_kind(save.effect, save.hashed);
        AuditEvent {
            credential_type: Some(credential_type.as_str().to_owned()),
            ..next_event(save.context, save.user_id, kind, head, session_epoch)
        }
    }
}

/// The kind of the event of a save.
pub(in crate::service) fn saved_kind(effect: SaveEffect, hashed: &HashedCredential) -> AuditKind {
    match (effect, hashed.change_required) {
        (SaveEffect::Expiry, _) => AuditKind::CredentialExpired,
        (SaveEffect::NewValue, None) => AuditKind::CredentialSaved,
        (SaveEffect::NewValue, Some(_)) => AuditKind::ChangeRequired,
    }
}

/// The removals of credentials by a save; their events follow that of the save.
fn removals(key: &Key, mac: &[u8], saved: &AuditEvent, types: &[String]) -> Vec<Removal> {
    let (mut mac, mut event) = (mac.to_vec(), saved.clone());
    event.kind = AuditKind::CredentialDeleted;
    let removal = |credential_type: &String| {
        event.sequence += 1;
        event.credential_type = Some(credential_type.clone());
        mac = audit_mac(key, &mac, &event);
        Removal { credential_type: credential_type.clone(), audit_mac: mac.clone() }
    };
    types.iter().map(removal).collect()
}

/// Fails unless the user has that login name, if there is one.
///
/// # Errors
/// When the user is another one than the caller named.
pub(super) fn require_name(
    login_name: Option<&LoginName>,
    head: &UserHead,
) -> Result<(), SaveCredentialError> {
    let is_lost = login_name.is_some_and(|name| !name.is_spelled_as(&head.login_name));
    if is_lost { Err(SaveCredentialError::UnknownUser) } else { Ok(()) }
}

/// Fails if the write would give the actor the rights of another user.
///
/// # Errors
/// When the right of the actor does not cover the user.
pub(super) fn require_writable(
    actor: Actor<'_>,
    user_id: UserId,
    head: &UserHead,
) -> Result<(), SaveCredentialError> {
    if actor.may_write_credential_of(user_id, head.is_protected) {
        Ok(())
    } else {
        Err(SaveCredentialError::ProtectedUser)
    }
}
