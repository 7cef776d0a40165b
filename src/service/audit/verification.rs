//! Verifies the database against the audit log: every chain link by link, and then the current
//! state of users and credentials against the state that the chain describes.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use subtle::ConstantTimeEq;

use crate::{
    domain::{
        audit::{AuditKind, AuditedState, ChainLink},
        role::Role,
        user::UserId,
    },
    security::{
        anchor::Anchor,
        audit_chain::{START_OF_CHAIN, audit_mac},
        keyring_handle::KeyringHandle,
        sealing::unseal,
    },
    storage::{
        self, Database, StorageError,
        chain_heads::{self, StoredHead, StoredLink},
        stored_credentials::{self, StoredRow},
    },
};

/// The maximum number of users per transaction.
const PAGE: i64 = 200;

/// The maximum number of links per statement. Most chains are short, so that one statement reads the
/// chains of many users.
const LINKS: i64 = 500;

/// A difference between the database and the audit log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Discrepancy {
    #[error("event {0} is missing")]
    EventMissing(i64),
    #[error("event {0} or its predecessor was changed")]
    EventChanged(i64),
    #[error("event {0} was written with key {1}, which is not in the keyring")]
    UnknownKey(i64, String),
    #[error("an event after event {0} is invalid")]
    EventUnreadable(i64),
    #[error("the head in the user's row is not event {0}, the last event of the chain")]
    HeadChanged(i64),
    #[error("a value in the user's row is invalid")]
    UserInvalid,
    #[error("the administrator right was changed without an event")]
    RightsChanged,
    #[error("the role was changed without an event")]
    RoleChanged,
    #[error("the retired state was changed without an event")]
    RetirementChanged,
    #[error("the session epoch was changed without an event")]
    EpochChanged,
    #[error(
        "the credential {credential_type} is from event {version}, which is not its last event"
    )]
    CredentialPutBack { credential_type: String, version: i64 },
    #[error("the credential {0} was added without an event")]
    CredentialUnexplained(String),
    #[error("the credential {0} cannot be unsealed: it was changed or moved")]
    CredentialChanged(String),
    #[error("the credential {0} was deleted without an event")]
    CredentialGone(String),
    #[error("event {0} of an anchor is missing: the user was rolled back")]
    RolledBack(i64),
    #[error("event {0} of the copy is not in the database: the user was rolled back")]
    CopiedEventGone(i64),
}

/// A discrepancy of a user.
pub(crate) type Finding = (UserId, Discrepancy);

/// The state of a user that a chain describes.
#[derive(Default)]
struct ChainState {
    sequence: i64,
    mac: Vec<u8>,
    session_epoch: i64,
    may_administer_users: bool,
    role: Option<Role>,
    is_retired: bool,
    /// The version of each credential.
    credentials: BTreeMap<String, i64>,
}

impl ChainState {
    fn start() -> Self {
        Self { mac: START_OF_CHAIN.to_vec(), ..Self::default() }
    }

    fn apply(&mut self, link: &ChainLink) {
        let event = &link.event;
        self.sequence = event.sequence;
        self.mac.clone_from(&link.mac);
        self.session_epoch = event.session_epoch;
        let credential_type = event.credential_type.clone().unwrap_or_default();
        match event.kind {
            AuditKind::CredentialSaved
            | AuditKind::CredentialExpired
            | AuditKind::ChangeRequired
            | AuditKind::ChangeNoLongerRequired => {
                self.credentials.insert(credential_type, event.sequence);
            }
            AuditKind::CredentialDeleted => {
                self.credentials.remove(&credential_type);
            }
            AuditKind::AdministratorGranted => self.may_administer_users = true,
            AuditKind::AdministratorRevoked => self.may_administer_users = false,
            AuditKind::HelpDeskGranted => self.role = Some(Role::HelpDesk),
            AuditKind::AuditorGranted => self.role = Some(Role::Auditor),
            AuditKind::HelpDeskRevoked | AuditKind::AuditorRevoked => self.role = None,
            AuditKind::UserRetired => self.is_retired = true,
            AuditKind::UserReactivated => self.is_retired = false,
            AuditKind::UserDeleted => {
                self.may_administer_users = false;
                self.role = None;
                self.is_retired = true;
                self.credentials.clear();
            }
            AuditKind::UserAdded
            | AuditKind::UserChanged
            | AuditKind::UserMoved
            | AuditKind::CredentialUnlocked
            | AuditKind::UntrustedSaved
            | AuditKind::UntrustedRead
            | AuditKind::UntrustedRemoved
            | AuditKind::SessionsEnded
            | AuditKind::TicketIssued
            | AuditKind::TicketEnded
            | AuditKind::SessionStarted
            | AuditKind::SessionProven
            | AuditKind::SessionEnded
            | AuditKind::PasswordMailRequested
            | AuditKind::PasswordMailSent
            | AuditKind::PasswordMailFailed
            | AuditKind::UsersExported
            | AuditKind::UsersExportEnded => {}
        }
    }
}

/// A chain whose links were verified.
struct VerifiedChain {
    /// The state after the last link that could be read.
    state: ChainState,
    found: Vec<Discrepancy>,
    /// False after a link with an invalid value.
    is_readable: bool,
}

impl Default for VerifiedChain {
    fn default() -> Self {
        Self { state: ChainState::start(), found: Vec::new(), is_readable: true }
    }
}

/// The differences between the state in a user's row and the state that the chain describes.
fn compare(stored: &AuditedState, state: &ChainState) -> impl Iterator<Item = Discrepancy> {
    let compared = [
        (stored.may_administer_users != state.may_administer_users, Discrepancy::RightsChanged),
        (stored.role != state.role, Discrepancy::RoleChanged),
        (stored.is_retired != state.is_retired, Discrepancy::RetirementChanged),
        (stored.session_epoch != state.session_epoch, Discrepancy::EpochChanged),
    ];
    compared.into_iter().filter_map(|(differs, discrepancy)| differs.then_some(discrepancy))
}

/// Verifies chains and anchors.
pub(crate) struct ChainVerifier {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
}

impl ChainVerifier {
    /// The number of chains.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count(&self) -> Result<u64, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let count = chain_heads::count(&mut transaction).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(count)
    }

    /// Verifies the next page of users after an id; returns the last id and the number of users,
    /// `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn verify_after(
        &self,
        after: i32,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<(i32, u64)>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut snapshot = connection.begin().await?;
        storage::begin_snapshot(&mut snapshot).await?;
        let heads = chain_heads::list_after(&mut snapshot, after, PAGE).await?;
        let Some(last) = heads.last() else { return Ok(None) };
        let user_ids: Vec<_> = heads.iter().map(|stored| stored.head.user_id).collect();
        let rows = stored_credentials::list_of_users(&mut snapshot, &user_ids).await?;
        let mut rows = rows.as_slice();
        let mut chains = self.verify_chains(&mut snapshot, &user_ids).await?;
        for stored in &heads {
            let user_id = stored.head.user_id;
            let (of_user, others) =
                rows.split_at(rows.partition_point(|row| row.user_id <= user_id.as_i32()));
            rows = others;
            let chain = chains.remove(&user_id).unwrap_or_default();
            let found = self.verify_user(stored, of_user, chain);
            findings.extend(found.into_iter().map(|discrepancy| (user_id, discrepancy)));
        }
        let count = u64::try_from(heads.len()).unwrap_or_default();
        Ok(Some((last.head.user_id.as_i32(), count)))
    }

    /// Verifies each link of the chains of users, which are in the order of their ids.
    async fn verify_chains(
        &self,
        connection: &mut PgConnection,
        user_ids: &[UserId],
    ) -> Result<BTreeMap<UserId, VerifiedChain>, StorageError> {
        let mut chains = BTreeMap::<_, VerifiedChain>::new();
        let (Some(first), Some(last)) = (user_ids.first(), user_ids.last()) else {
            return Ok(chains);
        };
        // Sequences begin at 1.
        let mut after = (first.as_i32(), 0);
        loop {
            let links = chain_heads::list_links_after(connection, after, *last, LINKS).await?;
            let Some(end) = links.last() else { return Ok(chains) };
            after = (end.user_id.as_i32(), end.sequence);
            for StoredLink { user_id, link, .. } in &links {
                self.follow(chains.entry(*user_id).or_default(), link.as_ref());
            }
        }
    }

    /// Verifies the next link of a chain. Nothing is concluded from what follows an invalid one.
    fn follow(&self, chain: &mut VerifiedChain, link: Option<&ChainLink>) {
        if !chain.is_readable {
            return;
        }
        let Some(link) = link else {
            chain.is_readable = false;
            chain.found.push(Discrepancy::EventUnreadable(chain.state.sequence));
            return;
        };
        chain.found.extend(self.verify_link(&chain.state, link));
        chain.state.apply(link);
    }

    /// Compares a user with the state that the chain describes.
    fn verify_user(
        &self,
        stored: &StoredHead,
        rows: &[StoredRow],
        chain: VerifiedChain,
    ) -> Vec<Discrepancy> {
        let StoredHead { head, state: stored } = stored;
        let VerifiedChain { state, mut found, is_readable } = chain;
        if !is_readable {
            return found;
        }
        if head.sequence > state.sequence {
            // The missing events are unknown, so the state cannot be compared.
            found.push(Discrepancy::EventMissing(state.sequence + 1));
            return found;
        }
        let is_same_mac: bool = head.mac.ct_eq(&state.mac).into();
        if head.sequence != state.sequence || !is_same_mac {
            found.push(Discrepancy::HeadChanged(state.sequence));
        }
        match stored {
            Some(stored) => found.extend(compare(stored, &state)),
            None => found.push(Discrepancy::UserInvalid),
        }
        self.verify_credentials(rows, state, &mut found);
        found
    }

    fn verify_link(&self, state: &ChainState, link: &ChainLink) -> Option<Discrepancy> {
        let sequence = link.event.sequence;
        if sequence != state.sequence + 1 {
            return Some(Discrepancy::EventMissing(state.sequence + 1));
        }
        let keyring = self.keyring.current();
        let Some(key) = keyring.find_any(&link.key_id) else {
            return Some(Discrepancy::UnknownKey(sequence, link.key_id.clone()));
        };
        let is_equal = audit_mac(key, &state.mac, &link.event).ct_eq(&link.mac);
        (!bool::from(is_equal)).then_some(Discrepancy::EventChanged(sequence))
    }

    fn verify_credentials(
        &self,
        rows: &[StoredRow],
        mut state: ChainState,
        found: &mut Vec<Discrepancy>,
    ) {
        for row in rows {
            let credential_type = row.credential_type.clone();
            match state.credentials.remove(&credential_type) {
                None => found.push(Discrepancy::CredentialUnexplained(credential_type)),
                Some(version) if version != row.version => {
                    let version = row.version;
                    found.push(Discrepancy::CredentialPutBack { credential_type, version });
                }
                Some(_) if !self.can_unseal(row) => {
                    found.push(Discrepancy::CredentialChanged(credential_type));
                }
                Some(_) => {}
            }
        }
        found.extend(state.credentials.into_keys().map(Discrepancy::CredentialGone));
    }

    /// False for a row with an invalid value, or with one that differs from the sealed one.
    fn can_unseal(&self, row: &StoredRow) -> bool {
        let keyring = self.keyring.current();
        row.credential.as_ref().is_some_and(|credential| unseal(&keyring, credential).is_ok())
    }

    /// True when an anchor was signed with a key of this installation.
    pub(crate) fn is_genuine(&self, anchor: &Anchor) -> bool {
        anchor.is_genuine(&self.keyring.current())
    }

    /// Compares an anchor with its chain.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn verify_anchor(
        &self,
        anchor: &Anchor,
    ) -> Result<Option<Finding>, StorageError> {
        let mut connection = self.database.connection().await?;
        let Anchor { user_id, sequence, mac, .. } = anchor;
        let found = chain_heads::find_mac(&mut connection, *user_id, *sequence).await?;
        connection.release();
        let exists = found.is_some_and(|found| found.ct_eq(mac).into());
        Ok((!exists).then_some((*user_id, Discrepancy::RolledBack(*sequence))))
    }
}
