//! Recognizes a database that was restored from a backup.
//!
//! A restored database revives tickets, sessions and tokens that were revoked after the backup. A
//! failover to a standby does not, so both must be told apart.

use time::{Duration, OffsetDateTime};

/// The longest time that a failover takes. A server with a new timeline that no instance has used for
/// longer counts as restored to an earlier moment.
const LONGEST_FAILOVER: Duration = Duration::minutes(5);

/// What happened to a database as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryCause {
    /// The server tells more about itself than before.
    Identified,
    /// A failover to a standby.
    Promoted,
    /// A dump was restored, or the server was upgraded to another major version.
    Copied,
    /// The server was restored to an earlier moment.
    Rewound,
    /// An operator ran `restore finish`.
    Declared,
}

impl HistoryCause {
    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Identified => "identified",
            Self::Promoted => "promoted",
            Self::Copied => "copied",
            Self::Rewound => "rewound",
            Self::Declared => "declared",
        }
    }

    /// True when everything that was issued before is invalid.
    pub(crate) fn ends_sessions(self) -> bool {
        match self {
            Self::Identified | Self::Promoted => false,
            Self::Copied | Self::Rewound | Self::Declared => true,
        }
    }
}

/// The server and the tables of a database. What a server does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DatabaseIdentity {
    pub(crate) database_oid: i64,
    pub(crate) table_oid: i64,
    pub(crate) system_identifier: Option<i64>,
    pub(crate) timeline: Option<i32>,
}

/// The newest entry of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HistoryEntry {
    pub(crate) entry: i64,
    /// False when another transaction wrote the row than the one it names: the row is a copy.
    pub(crate) is_original: bool,
    pub(crate) identity: DatabaseIdentity,
    /// When an instance last wrote that it runs.
    pub(crate) last_alive_at: OffsetDateTime,
}

/// What happened to the database since its newest entry; `None` for nothing.
pub(crate) fn change_since(
    newest: Option<&HistoryEntry>,
    current: &DatabaseIdentity,
    now: OffsetDateTime,
) -> Option<HistoryCause> {
    let Some(newest) = newest else { return Some(HistoryCause::Copied) };
    let noted = &newest.identity;
    let is_other_server = matches!((noted.system_identifier, current.system_identifier), (Some(a), Some(b)) if a != b);
    let is_same_table = noted.database_oid == current.database_oid
        && noted.table_oid == current.table_oid
        && newest.is_original;
    if is_other_server || !is_same_table {
        return Some(HistoryCause::Copied);
    }
    let has_new_timeline =
        matches!((noted.timeline, current.timeline), (Some(a), Some(b)) if a != b);
    if has_new_timeline {
        let is_late = now - newest.last_alive_at > LONGEST_FAILOVER;
        return Some(if is_late { HistoryCause::Rewound } else { HistoryCause::Promoted });
    }
    let is_new = |noted: bool, current: bool| !noted && current;
    let tells_more = is_new(noted.system_identifier.is_some(), current.system_identifier.is_some())
        || is_new(noted.timeline.is_some(), current.timeline.is_some());
    tells_more.then_some(HistoryCause::Identified)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    const SERVER: DatabaseIdentity = DatabaseIdentity {
        database_oid: 5,
        table_oid: 16_384,
        system_identifier: Some(7),
        timeline: Some(1),
    };

    fn entry(idle: Duration) -> HistoryEntry {
        HistoryEntry { entry: 1, is_original: true, identity: SERVER, last_alive_at: NOW - idle }
    }

    fn change(newest: &HistoryEntry, current: DatabaseIdentity) -> Option<HistoryCause> {
        change_since(Some(newest), &current, NOW)
    }

    #[test]
    fn a_copy_differs_in_its_transaction_its_objects_or_its_server() {
        let recent = entry(Duration::ZERO);
        assert_eq!(change(&recent, SERVER), None);
        assert_eq!(change_since(None, &SERVER, NOW), Some(HistoryCause::Copied));
        let copy = HistoryEntry { is_original: false, ..recent };
        assert_eq!(change(&copy, SERVER), Some(HistoryCause::Copied));
        for current in [
            DatabaseIdentity { database_oid: 6, ..SERVER },
            DatabaseIdentity { table_oid: 6, ..SERVER },
            DatabaseIdentity { system_identifier: Some(8), ..SERVER },
        ] {
            assert_eq!(change(&recent, current), Some(HistoryCause::Copied), "{current:?}");
        }
    }

    #[test]
    fn a_failover_is_told_from_a_restore_to_an_earlier_moment_by_the_time_without_an_instance() {
        let promoted = DatabaseIdentity { timeline: Some(2), ..SERVER };
        assert_eq!(change(&entry(Duration::minutes(5)), promoted), Some(HistoryCause::Promoted));
        let late = entry(Duration::seconds(301));
        assert_eq!(change(&late, promoted), Some(HistoryCause::Rewound));
        // An installation that was turned off is not a restore.
        assert_eq!(change(&entry(Duration::weeks(52)), SERVER), None);
    }

    #[test]
    fn a_server_that_tells_less_is_the_same_one() {
        let silent = DatabaseIdentity { system_identifier: None, timeline: None, ..SERVER };
        assert_eq!(change(&entry(Duration::weeks(1)), silent), None);
        let noted = HistoryEntry { identity: silent, ..entry(Duration::weeks(1)) };
        assert_eq!(change(&noted, SERVER), Some(HistoryCause::Identified));
        assert_eq!(change(&noted, silent), None);
    }
}
