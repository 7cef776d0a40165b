//! What a save writes: the credential sealed for its place, and the events that tell of it.

use sqlx::PgConnection;

use crate::service::{
    Service,
    credentials::saving::{
        Save, SaveCredentialError, WritePrecondition, actor_snapshot, caller_ticket,
    },
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        credential_type::CredentialType,
    },
    security::{
        audit_chain::audit_mac,
        identifier::{identifier_digest, identifier_digests},
        issuer_token::Issuer,
        keyring::Key,
        sealing::{Binding, Envelope, seal},
    },
    storage::{
        StorageError,
        credential_writes::{CredentialWrite, IdentifierWrite, Removal},
        credentials,
        users::UserHead,
    },
};

impl Service {
    /// The types of the user's credentials that go with a save. To be read after the head that the
    /// write goes on from: when they have changed in between, so has the head.
    pub(in crate::service) async fn types_that_go(
        &self,
        connection: &mut PgConnection,
        save: Save<'_>,
    ) -> Result<Vec<String>, StorageError> {
        if !self.rules.single_per_user {
            return Ok(Vec::new());
        }
        let mut types = credentials::list_types(connection, save.user_id).await?;
        types.retain(|of| of != save.hashed.credential_type.as_str());
        Ok(types)
    }

    fn saved_event(&self, save: Save<'_>, head: &UserHead) -> AuditEvent {
        let credential_type = &save.hashed.credential_type;
        // What logs in is what tickets and tokens come from: they end with it. So they do when
        // other types may go with this save.
        let revokes_issued = self.logs_in(credential_type) || self.rules.single_per_user;
        let place = (head.audit_sequence, head.session_epoch + i64::from(revokes_issued));
        let event = save.context.event(save.user_id, AuditKind::CredentialSaved, place);
        AuditEvent { credential_type: Some(credential_type.as_str().to_owned()), ..event }
    }

    /// True for what Basic verifies, and for identifiers that an issuer proves.
    pub(in crate::service) fn logs_in(&self, credential_type: &CredentialType) -> bool {
        let is_bound = |issuer: &Issuer| issuer.credential_type() == credential_type.as_str();
        credential_type.is_usable_for_basic() || self.issuers.iter().any(is_bound)
    }

    pub(in crate::service) fn credential_write(
        &self,
        save: Save<'_>,
        head: &UserHead,
        types_that_go: &[String],
    ) -> Result<CredentialWrite, SaveCredentialError> {
        self.moved.push(save.user_id);
        let event = self.saved_event(save, head);
        let Save { context: ChangeContext { actor, .. }, hashed, precondition, .. } = save;
        let key = self.keyring.writing();
        let credential_type = hashed.credential_type.as_str();
        let identifier = hashed.identifier.as_ref().map(|value| IdentifierWrite {
            digest: identifier_digest(key, credential_type, value),
            all_digests: identifier_digests(&self.keyring, credential_type, value),
        });
        let hash_parameters = hashed.hash.parameters();
        let binding = Binding {
            user_id: event.user_id,
            credential_type,
            version: event.sequence,
            hash_scheme: hashed.hash.scheme(),
            hash_parameters,
            validity: hashed.validity,
        };
        let phc = hashed.hash.to_text().map_err(|_| SaveCredentialError::Unwritable)?;
        let envelope = Envelope { phc, identifier: hashed.identifier.clone() };
        let audit_mac = audit_mac(key, &head.audit_mac, &event);
        Ok(CredentialWrite {
            audit_key_id: key.id().to_owned(),
            removals: removals(key, (&audit_mac, &event), types_that_go),
            audit_mac,
            credential_type: credential_type.to_owned(),
            sealed_hash: seal(key, binding, &envelope)?,
            key_id: key.id().to_owned(),
            hash_scheme: hashed.hash.scheme(),
            hash_parameters,
            validity: hashed.validity,
            display_value: hashed.display_value.as_ref().unwrap_or(&head.login_name).clone(),
            identifier,
            actor: matches!(precondition, WritePrecondition::Actor(_))
                .then(|| actor_snapshot(actor))
                .flatten(),
            proven: match precondition {
                WritePrecondition::Actor(proven) => proven.cloned(),
                WritePrecondition::Nothing => None,
            },
            caller_ticket: caller_ticket(actor),
            event,
        })
    }
}

/// Credentials that go with a save: their events follow its own.
fn removals(key: &Key, (mac, saved): (&[u8], &AuditEvent), types: &[String]) -> Vec<Removal> {
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
