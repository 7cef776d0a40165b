//! Verifies a copy of the stream: the MACs of its events, their order, that none is missing between
//! them, and that the database still has them.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::copied_sequences::CopiedSequences;
use crate::{
    audit_sinks::parse_event,
    domain::{audit::ChainLink, user::UserId},
    security::{
        audit_chain::{START_OF_CHAIN, audit_mac},
        keyring_handle::KeyringHandle,
    },
    service::audit::verification::{Discrepancy, Finding},
    storage::{Database, StorageError, chain_heads},
};

/// The last event of a user in the copy.
struct CopiedHead {
    sequence: i64,
    mac: Vec<u8>,
    /// True once it was found in the database.
    is_stored: bool,
}

/// Verifies a copy, line by line.
pub(crate) struct CopyVerifier {
    database: Database,
    keyring: KeyringHandle,
    heads: BTreeMap<UserId, CopiedHead>,
    /// The events of each user that were seen.
    sequences: BTreeMap<UserId, CopiedSequences>,
}

impl CopyVerifier {
    /// A verifier that has seen no line.
    pub(crate) fn new(database: Database, keyring: KeyringHandle) -> Self {
        Self { database, keyring, heads: BTreeMap::new(), sequences: BTreeMap::new() }
    }

    /// Verifies the next line; returns false if it is no event.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn verify_line(
        &mut self,
        line: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, StorageError> {
        let Some(event) = parse_event(line) else { return Ok(false) };
        let (user_id, sequence) = (event.event.user_id, event.event.sequence);
        let found = self.verify_link(&event).await?;
        let sequences = self.sequences.entry(user_id).or_default();
        sequences.insert(sequence);
        if let Some(discrepancy) = found {
            if let Discrepancy::EventMissing(missing) = &discrepancy {
                sequences.note_reported(*missing);
            }
            findings.push((user_id, discrepancy));
        }
        Ok(true)
    }

    async fn verify_link(&mut self, link: &ChainLink) -> Result<Option<Discrepancy>, StorageError> {
        let (user_id, sequence) = (link.event.user_id, link.event.sequence);
        let head = self.heads.get(&user_id);
        let known = head.map_or(0, |head| head.sequence);
        if sequence <= known {
            return self.verify_repetition(link).await;
        }
        let missing = head.is_some() && sequence != known + 1;
        let previous = match head {
            _ if sequence == 1 => Some(START_OF_CHAIN.to_vec()),
            Some(head) if !missing => Some(head.mac.clone()),
            // The copy begins here, or again after a gap.
            _ => self.stored_mac(user_id, sequence - 1).await?,
        };
        let found = self.compare(link, previous.as_deref());
        let head = CopiedHead { sequence, mac: link.mac.clone(), is_stored: false };
        self.heads.insert(user_id, head);
        Ok(if missing { Some(Discrepancy::EventMissing(known + 1)) } else { found })
    }

    /// Verifies an event that the sink got again, one that took the place of a lost event after a
    /// restore or a failover, or one that comes after a later event, as in a copy that begins with the
    /// newest event. Its place in the copy says nothing; [`Self::report_gaps`] finds gaps.
    async fn verify_repetition(
        &mut self,
        link: &ChainLink,
    ) -> Result<Option<Discrepancy>, StorageError> {
        let (user_id, sequence) = (link.event.user_id, link.event.sequence);
        let previous = match sequence {
            1 => Some(START_OF_CHAIN.to_vec()),
            _ => self.stored_mac(user_id, sequence - 1).await?,
        };
        match self.compare(link, previous.as_deref()) {
            None if self.has_event(user_id, sequence, &link.mac).await? => {
                self.replace_lost_head(link).await
            }
            // It continues the chain of the database, which has lost it.
            None => Ok(Some(Discrepancy::CopiedEventGone(sequence))),
            found => Ok(found),
        }
    }

    /// Makes an event of the database the last one of its user in the copy if the database does not
    /// have the one that was the last: it was rolled back, and later events follow this one.
    async fn replace_lost_head(
        &mut self,
        link: &ChainLink,
    ) -> Result<Option<Discrepancy>, StorageError> {
        let user_id = link.event.user_id;
        let Some(head) = self.heads.get(&user_id).filter(|head| !head.is_stored) else {
            return Ok(None);
        };
        let sequence = head.sequence;
        if self.has_event(user_id, sequence, &head.mac).await? {
            if let Some(head) = self.heads.get_mut(&user_id) {
                head.is_stored = true;
            }
            return Ok(None);
        }
        let (next, mac) = (link.event.sequence, link.mac.clone());
        self.heads.insert(user_id, CopiedHead { sequence: next, mac, is_stored: true });
        Ok(Some(Discrepancy::CopiedEventGone(sequence)))
    }

    /// Compares the MAC of an event with that which its members and the previous MAC have.
    fn compare(&self, link: &ChainLink, previous: Option<&[u8]>) -> Option<Discrepancy> {
        let sequence = link.event.sequence;
        let Some(previous) = previous else { return Some(Discrepancy::EventMissing(sequence - 1)) };
        let keyring = self.keyring.current();
        let Some(key) = keyring.find_any(&link.key_id) else {
            return Some(Discrepancy::UnknownKey(sequence, link.key_id.clone()));
        };
        let is_equal: bool = audit_mac(key, previous, &link.event).ct_eq(&link.mac).into();
        (!is_equal).then_some(Discrepancy::EventChanged(sequence))
    }

    /// Reports each gap between the events of a user that no line has shown, at the end of the copy.
    pub(crate) fn report_gaps(&self, findings: &mut Vec<Finding>) {
        for (user_id, sequences) in &self.sequences {
            let missing = sequences.unreported().map(Discrepancy::EventMissing);
            findings.extend(missing.map(|discrepancy| (*user_id, discrepancy)));
        }
    }

    /// Compares the last event of each user in the copy with the database, at the end of the copy;
    /// returns the number of chains.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn finish(self, findings: &mut Vec<Finding>) -> Result<usize, StorageError> {
        for (user_id, CopiedHead { sequence, mac, is_stored }) in &self.heads {
            if !*is_stored && !self.has_event(*user_id, *sequence, mac).await? {
                findings.push((*user_id, Discrepancy::CopiedEventGone(*sequence)));
            }
        }
        Ok(self.heads.len())
    }

    /// True when the database has an event with this MAC in this place.
    async fn has_event(
        &self,
        user_id: UserId,
        sequence: i64,
        mac: &[u8],
    ) -> Result<bool, StorageError> {
        let stored = self.stored_mac(user_id, sequence).await?;
        Ok(stored.is_some_and(|stored| stored.ct_eq(mac).into()))
    }

    async fn stored_mac(
        &self,
        user_id: UserId,
        sequence: i64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mac = chain_heads::find_mac(&mut connection, user_id, sequence).await?;
        connection.release();
        Ok(mac)
    }
}
