//! Whether the database still is what this service made of it: every chain of evidence link by link,
//! and beside it what the user and their credentials say now.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use subtle::ConstantTimeEq;

use crate::service::Service;
use crate::{
    domain::{
        audit::{AuditKind, ChainHead, ChainLink},
        stored_credential::StoredCredential,
        user::UserId,
    },
    security::{
        anchor::Anchor,
        audit_chain::{START_OF_CHAIN, audit_mac},
        sealing::open,
    },
    storage::{self, StorageError, chain_heads, credentials},
};

/// Users of one transaction, and links of one statement.
const PAGE: i64 = 200;

/// Something that this service did not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Discrepancy {
    #[error("event {0} is missing")]
    EventMissing(i64),
    #[error("event {0} was changed, or follows another one than it did")]
    EventChanged(i64),
    #[error("event {0} was made with key {1}, which the keyring does not have")]
    UnknownKey(i64, String),
    #[error("an event behind event {0} is none that this service makes")]
    EventUnreadable(i64),
    #[error("the user's row does not say that event {0} is the last one")]
    HeadChanged(i64),
    #[error("whether the user may act on anybody was changed")]
    RightsChanged,
    #[error("whether the user is retired was changed")]
    RetirementChanged,
    #[error("the user's session epoch was changed")]
    EpochChanged,
    #[error("the credential {credential_type} is of event {version}, and that is not the last one")]
    CredentialPutBack { credential_type: String, version: i64 },
    #[error("the credential {0} was added without an event")]
    CredentialUnexplained(String),
    #[error("the credential {0} does not open: it was changed or moved")]
    CredentialChanged(String),
    #[error("the credential {0} is gone without an event")]
    CredentialGone(String),
    #[error("event {0}, of which there is an anchor, is not there: the user was put back")]
    RolledBack(i64),
}

/// A discrepancy, and whose.
pub(crate) type Finding = (UserId, Discrepancy);

/// What a chain says about its user.
#[derive(Default)]
struct Told {
    sequence: i64,
    mac: Vec<u8>,
    session_epoch: i64,
    acts_on_anybody: bool,
    is_retired: bool,
    /// The version of each credential that there should be.
    credentials: BTreeMap<String, i64>,
}

impl Told {
    fn follow(&mut self, link: &ChainLink) {
        let event = &link.event;
        self.sequence = event.sequence;
        self.mac.clone_from(&link.mac);
        self.session_epoch = event.session_epoch;
        let credential_type = event.credential_type.clone().unwrap_or_default();
        match event.kind {
            AuditKind::CredentialSaved => {
                self.credentials.insert(credential_type, event.sequence);
            }
            AuditKind::CredentialDeleted => {
                self.credentials.remove(&credential_type);
            }
            AuditKind::AdministratorGranted => self.acts_on_anybody = true,
            AuditKind::AdministratorRevoked => self.acts_on_anybody = false,
            AuditKind::UserRetired => self.is_retired = true,
            AuditKind::UserReactivated => self.is_retired = false,
            AuditKind::UserDeleted => {
                self.acts_on_anybody = false;
                self.is_retired = true;
                self.credentials.clear();
            }
            AuditKind::UserAdded
            | AuditKind::UserChanged
            | AuditKind::CredentialUnlocked
            | AuditKind::SessionsEnded
            | AuditKind::TicketIssued
            | AuditKind::TicketEnded
            | AuditKind::SessionStarted
            | AuditKind::SessionEnded => {}
        }
    }
}

impl Service {
    /// How many users there are to verify.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_chains(&self) -> Result<u64, StorageError> {
        chain_heads::count(&mut *self.connection().await?).await
    }

    /// Verifies the next few users behind `after`; gives back the last of them and how many there
    /// were, `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn verify_after(
        &self,
        after: i32,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<(i32, u64)>, StorageError> {
        let mut connection = self.connection().await?;
        let mut moment = connection.begin().await?;
        storage::begin_snapshot(&mut moment).await?;
        let heads = chain_heads::list_after(&mut moment, after, PAGE).await?;
        let Some(last) = heads.last() else { return Ok(None) };
        let user_ids: Vec<_> = heads.iter().map(|head| head.user_id).collect();
        let rows = credentials::list_stored(&mut moment, &user_ids).await?;
        for head in &heads {
            let of_user = rows.iter().filter(|row| row.user_id == head.user_id);
            let mut found = Vec::new();
            self.verify_user(&mut moment, head, of_user, &mut found).await?;
            findings.extend(found.into_iter().map(|of| (head.user_id, of)));
        }
        let count = u64::try_from(heads.len()).unwrap_or_default();
        Ok(Some((last.user_id.as_i32(), count)))
    }

    async fn verify_user(
        &self,
        connection: &mut PgConnection,
        head: &ChainHead,
        rows: impl Iterator<Item = &StoredCredential>,
        found: &mut Vec<Discrepancy>,
    ) -> Result<(), StorageError> {
        let mut told = Told { mac: START_OF_CHAIN.to_vec(), ..Told::default() };
        loop {
            let after = told.sequence;
            let links =
                match chain_heads::list_links_after(connection, head.user_id, after, PAGE).await {
                    Err(StorageError::Inconsistent { .. }) => {
                        found.push(Discrepancy::EventUnreadable(after));
                        return Ok(());
                    }
                    links => links?,
                };
            if links.is_empty() {
                break;
            }
            for link in &links {
                found.extend(self.verify_link(&told, link));
                told.follow(link);
            }
        }
        if head.sequence > told.sequence {
            // What the missing end said cannot be held against anything.
            found.push(Discrepancy::EventMissing(told.sequence + 1));
            return Ok(());
        }
        if head.sequence != told.sequence || head.mac != told.mac {
            found.push(Discrepancy::HeadChanged(told.sequence));
        }
        for (is_other, discrepancy) in [
            (head.acts_on_anybody != told.acts_on_anybody, Discrepancy::RightsChanged),
            (head.is_retired != told.is_retired, Discrepancy::RetirementChanged),
            (head.session_epoch != told.session_epoch, Discrepancy::EpochChanged),
        ] {
            found.extend(is_other.then_some(discrepancy));
        }
        self.verify_credentials(rows, told, found);
        Ok(())
    }

    fn verify_link(&self, told: &Told, link: &ChainLink) -> Option<Discrepancy> {
        let sequence = link.event.sequence;
        if sequence != told.sequence + 1 {
            return Some(Discrepancy::EventMissing(told.sequence + 1));
        }
        let Some(key) = self.keyring.find_any(&link.key_id) else {
            return Some(Discrepancy::UnknownKey(sequence, link.key_id.clone()));
        };
        let is_same = audit_mac(key, &told.mac, &link.event).ct_eq(&link.mac);
        (!bool::from(is_same)).then_some(Discrepancy::EventChanged(sequence))
    }

    fn verify_credentials<'rows>(
        &self,
        rows: impl Iterator<Item = &'rows StoredCredential>,
        mut told: Told,
        found: &mut Vec<Discrepancy>,
    ) {
        for row in rows {
            let credential_type = row.credential_type.clone();
            match told.credentials.remove(&credential_type) {
                None => found.push(Discrepancy::CredentialUnexplained(credential_type)),
                Some(version) if version != row.version => {
                    let version = row.version;
                    found.push(Discrepancy::CredentialPutBack { credential_type, version });
                }
                Some(_) if open(&self.keyring, row).is_err() => {
                    found.push(Discrepancy::CredentialChanged(credential_type));
                }
                Some(_) => {}
            }
        }
        found.extend(told.credentials.into_keys().map(Discrepancy::CredentialGone));
    }

    /// Holds an anchor against its chain.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn verify_anchor(
        &self,
        anchor: &Anchor,
    ) -> Result<Option<Finding>, StorageError> {
        let mut connection = self.connection().await?;
        let Anchor { user_id, sequence, mac, .. } = anchor;
        let found = chain_heads::find_mac(&mut connection, *user_id, *sequence).await?;
        connection.release();
        let is_there = found.is_some_and(|found| found == *mac);
        Ok((!is_there).then_some((*user_id, Discrepancy::RolledBack(*sequence))))
    }
}
