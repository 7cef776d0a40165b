//! Proves that a database, its keyring, its audit chains and its anchors belong together.
//!
//! Reads page by page, so a check needs the same memory for any number of users. Writes nothing.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::problem::{RestoreProblem, UserProblem};
use crate::{
    domain::{stored_credential::StoredCredential, user::UserId},
    security::{
        anchor::Anchor, identifier::identifier_digest, keyring_handle::KeyringHandle,
        sealing::unseal, untrusted_sealing::unseal_untrusted,
    },
    service::keys::keyring_check,
    storage::{
        self, Database, StorageError, audit_stream, keys,
        restore_checks::{self, StoredDigest},
        stored_credentials,
        untrusted_credentials::{self, StoredUntrustedRow, UntrustedKey},
    },
};

/// The maximum number of rows per statement.
const PAGE: i64 = 500;

/// The position of a pass over the identifiers.
pub(crate) type DigestKey = (i32, String);

/// What the anchors have and the database has not.
#[derive(Debug, Default)]
pub(crate) struct AnchorGaps {
    /// The newest event of each user that an anchor has, and the last one of the database.
    missing: BTreeMap<UserId, (i64, i64)>,
    /// The first event of each user that differs from its anchor.
    replaced: BTreeMap<UserId, i64>,
}

impl AnchorGaps {
    /// One problem for each user and kind.
    pub(crate) fn into_problems(self) -> impl Iterator<Item = UserProblem> {
        let missing = self.missing.into_iter().map(|(user_id, (anchored, last))| {
            (Some(user_id), RestoreProblem::Missing { anchored, last })
        });
        let replaced = self.replaced.into_iter();
        missing.chain(replaced.map(|(user_id, n)| (Some(user_id), RestoreProblem::Replaced(n))))
    }
}

/// Checks a restored database.
pub(crate) struct RestoreCheck {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
}

impl RestoreCheck {
    /// Compares the keyring with the keys that the database was written with.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn check_keyring(&self) -> Result<Vec<RestoreProblem>, StorageError> {
        let mut connection = self.database.connection().await?;
        let known = keys::list(&mut connection).await?;
        connection.release();
        let mismatches = keyring_check::compare(&known, &self.keyring.current());
        Ok(mismatches.into_iter().map(RestoreProblem::Keyring).collect())
    }

    /// Checks that the tables have their keys, and the directories their rows. Finds at most `limit`
    /// missing rows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn check_tables(&self, limit: i64) -> Result<Vec<UserProblem>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let lacking = restore_checks::list_tables_without_key(&mut transaction).await?;
        let facts = restore_checks::find_whole_facts(&mut transaction).await?;
        let passed = audit_stream::find_passed_position(&mut transaction).await?;
        let gaps = restore_checks::list_directory_gaps(&mut transaction, limit).await?;
        storage::commit(transaction).await?;
        connection.release();
        let of_tables = lacking.into_iter().map(RestoreProblem::NoPrimaryKey);
        let of_facts = [
            (!facts.has_kind, RestoreProblem::KindLost),
            (facts.lacks_keys, RestoreProblem::KeysLost),
        ]
        .into_iter()
        .filter_map(|(is_found, problem)| is_found.then_some(problem));
        let of_users =
            gaps.into_iter().map(|(user_id, gap)| (user_id, RestoreProblem::Directory(gap)));
        let of_stream = passed.map(RestoreProblem::PassedPositions);
        let of_database = of_tables.chain(of_facts).chain(of_stream);
        Ok(of_database.map(|problem| (None, problem)).chain(of_users).collect())
    }

    /// Checks the digests of the next page of identifiers; returns the position after it and the
    /// number of identifiers, `None` at the end. The chains have every credential unsealed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn check_digests_after(
        &self,
        (user_id, credential_type): &DigestKey,
        found: &mut Vec<UserProblem>,
    ) -> Result<Option<(DigestKey, u64)>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let digests =
            restore_checks::list_digests_after(&mut transaction, *user_id, credential_type, PAGE)
                .await?;
        let Some(last) = digests.last() else { return Ok(None) };
        let next = (last.user_id, last.credential_type.clone());
        let user_ids: Vec<_> =
            digests.iter().filter_map(|row| UserId::try_from(row.user_id).ok()).collect();
        let rows = stored_credentials::list_of_users(&mut transaction, &user_ids).await?;
        storage::commit(transaction).await?;
        connection.release();
        // The chain of a user reports a row with an invalid value.
        let valid = rows.iter().filter_map(|row| row.credential.as_ref());
        let rows: BTreeMap<_, _> =
            valid.map(|row| ((row.user_id.as_i32(), row.credential_type.as_str()), row)).collect();
        for stored in &digests {
            let row = rows.get(&(stored.user_id, stored.credential_type.as_str()));
            if let Some(row) = row
                && !self.has_digest(row, stored)
            {
                let problem = RestoreProblem::WrongDigest(stored.credential_type.clone());
                found.push((Some(row.user_id), problem));
            }
        }
        Ok(Some((next, u64::try_from(digests.len()).unwrap_or_default())))
    }

    /// True if the identifier has this digest, or cannot be read, which its chain reports.
    fn has_digest(&self, row: &StoredCredential, stored: &StoredDigest) -> bool {
        let keyring = self.keyring.current();
        let (Some(key), Ok(envelope)) = (keyring.find(&row.key_id), unseal(&keyring, row)) else {
            return true;
        };
        envelope.identifier.is_some_and(|value| {
            identifier_digest(key, &row.credential_type, &value).ct_eq(&stored.digest).into()
        })
    }

    /// Unseals the next page of untrusted credentials; returns the position after it and their number,
    /// `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn check_untrusted_after(
        &self,
        after: &UntrustedKey,
        found: &mut Vec<UserProblem>,
    ) -> Result<Option<(UntrustedKey, u64)>, StorageError> {
        let mut connection = self.database.connection().await?;
        let rows = untrusted_credentials::list_after(&mut connection, after, PAGE).await?;
        connection.release();
        let Some(last) = rows.last() else { return Ok(None) };
        let next = last.key.clone();
        let keyring = self.keyring.current();
        let is_sound = |row: &StoredUntrustedRow| {
            row.credential.as_ref().is_some_and(|row| unseal_untrusted(&keyring, row).is_ok())
        };
        let damaged = rows.iter().filter(|row| !is_sound(row));
        let problem = |row: &StoredUntrustedRow| {
            (UserId::try_from(row.key.0).ok(), RestoreProblem::UntrustedChanged)
        };
        found.extend(damaged.map(problem));
        Ok(Some((next, u64::try_from(rows.len()).unwrap_or_default())))
    }

    /// Compares anchors, which come with their line numbers, with the chains.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn compare_anchors(
        &self,
        anchors: &[(usize, Anchor)],
        gaps: &mut AnchorGaps,
    ) -> Result<Vec<RestoreProblem>, StorageError> {
        let keyring = self.keyring.current();
        let (genuine, others): (Vec<_>, Vec<_>) =
            anchors.iter().partition(|(_, anchor)| anchor.is_genuine(&keyring));
        let user_ids: Vec<_> = genuine.iter().map(|(_, anchor)| anchor.user_id.as_i32()).collect();
        let sequences: Vec<_> = genuine.iter().map(|(_, anchor)| anchor.sequence).collect();
        let mut connection = self.database.connection().await?;
        let events =
            restore_checks::find_anchored_events(&mut connection, &user_ids, &sequences).await?;
        connection.release();
        for ((_, anchor), event) in genuine.iter().zip(events) {
            let (user_id, sequence) = (anchor.user_id, anchor.sequence);
            if event.mac.is_some_and(|mac| mac.ct_eq(&anchor.mac).into()) {
                continue;
            }
            if event.last_sequence < sequence {
                let newest = gaps.missing.entry(user_id).or_default();
                *newest = (sequence.max(newest.0), event.last_sequence);
            } else {
                let first = gaps.replaced.entry(user_id).or_insert(sequence);
                *first = sequence.min(*first);
            }
        }
        let invalid = |(line, anchor): &&(usize, Anchor)| {
            if keyring.find_any(&anchor.key_id).is_some() {
                return RestoreProblem::ForgedAnchor(*line);
            }
            RestoreProblem::AnchorOfUnknownKey { line: *line, key_id: anchor.key_id.clone() }
        };
        Ok(others.iter().map(invalid).collect())
    }
}
