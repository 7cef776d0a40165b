//! The privileges of the service and of the auditor on every table. This table is the only place
//! that names them: `migrate` grants them, commands and `doctor` compare them with the catalog of
//! PostgreSQL, and docs/reference/database-roles.md lists them.
//!
//! Instances of the previous release run while `migrate` grants. Remove a privilege only in the
//! release after the one that stops using it.

/// A role that `migrate` grants privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantedRole {
    /// Runs `serve` and the commands of operators.
    Service,
    /// Runs `audit verify`, `audit anchor`, `audit list` and `doctor`.
    Auditor,
}

/// The columns of a privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// The whole table, including columns that later migrations add.
    All,
    Only(&'static [&'static str]),
}

/// What a role may do with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    Select(Columns),
    Insert,
    Update(&'static [&'static str]),
    Delete,
}

impl Privilege {
    /// The SQL keyword, and the columns.
    pub(crate) fn parts(self) -> (&'static str, Columns) {
        match self {
            Self::Select(columns) => ("SELECT", columns),
            Self::Insert => ("INSERT", Columns::All),
            Self::Update(columns) => ("UPDATE", Columns::Only(columns)),
            Self::Delete => ("DELETE", Columns::All),
        }
    }

    /// The privilege as SQL.
    pub(crate) fn to_sql(self) -> String {
        match self.parts() {
            (keyword, Columns::All) => keyword.to_owned(),
            (keyword, Columns::Only(columns)) => format!("{keyword} ({})", columns.join(", ")),
        }
    }

    /// True when it includes this keyword on this column; `None` means the whole table.
    pub(super) fn includes(self, keyword: &str, column: Option<&str>) -> bool {
        let (own, columns) = self.parts();
        own == keyword
            && match (columns, column) {
                (Columns::All, _) => true,
                (Columns::Only(columns), Some(column)) => columns.contains(&column),
                (Columns::Only(_), None) => false,
            }
    }
}

/// The privileges on one table.
pub(crate) struct TablePrivileges {
    pub(crate) table: &'static str,
    pub(crate) service: &'static [Privilege],
    pub(crate) auditor: &'static [Privilege],
}

impl TablePrivileges {
    /// The privileges of a role.
    pub(crate) fn of(&self, role: GrantedRole) -> &'static [Privilege] {
        match role {
            GrantedRole::Service => self.service,
            GrantedRole::Auditor => self.auditor,
        }
    }
}

/// The sequences, which only the service uses.
pub(crate) const SEQUENCES: [&str; 2] = ["audit_events_position_seq", "users_user_id_seq"];

use Columns::{All, Only};
use Privilege::{Delete, Insert, Select, Update};

/// The privileges on every table. Only the owner writes `installation` and `_sqlx_migrations`;
/// nobody changes or deletes an event; the service never deletes a user.
pub(crate) const TABLES: [TablePrivileges; 20] = [
    TablePrivileges {
        table: "_sqlx_migrations",
        service: &[Select(Only(&["version", "success"]))],
        auditor: &[Select(Only(&["version", "success"]))],
    },
    TablePrivileges {
        table: "activity_minutes",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "saves",
                "logins",
                "failures",
                "throttled",
                "hashes",
                "hash_capacity",
                "shed",
                "cache_hits",
                "cache_misses",
                "waits",
                "wait_microseconds",
                "queue_maximum",
            ]),
            Delete,
        ],
        auditor: &[],
    },
    TablePrivileges {
        table: "address_failures",
        service: &[Select(All), Insert, Update(&["failures", "last_failed_at"]), Delete],
        auditor: &[],
    },
    TablePrivileges {
        table: "audit_events",
        service: &[Select(All), Insert],
        auditor: &[Select(All)],
    },
    TablePrivileges {
        table: "audit_sinks",
        service: &[
            Select(All),
            Insert,
            Update(&["position", "reached", "holder", "leased_until", "delivered_at"]),
        ],
        auditor: &[],
    },
    TablePrivileges {
        table: "authentication_attempts",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "failures",
                "counted_secrets",
                "throttle_failures",
                "throttle_secrets",
                "throttled_at",
                "next_allowed_at",
            ]),
            Delete,
        ],
        auditor: &[Select(Only(&["user_id", "failures", "throttle_failures"]))],
    },
    TablePrivileges {
        table: "credential_identifiers",
        service: &[Select(All), Insert, Update(&["user_id"]), Delete],
        auditor: &[],
    },
    TablePrivileges {
        table: "credentials",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "sealed_hash",
                "key_id",
                "identifier_digest",
                "hash_scheme",
                "hash_memory_kib",
                "hash_iterations",
                "hash_parallelism",
                "display_value",
                "version",
                "updated_at",
                "updated_by",
                "valid_from",
                "valid_to",
                "change_required",
                "last_used_at",
                "last_used_scheme",
                "last_used_address",
            ]),
            Delete,
        ],
        // `audit verify` unseals every hash: only that shows that nobody changed or moved it.
        auditor: &[Select(Only(&[
            "user_id",
            "credential_type",
            "sealed_hash",
            "key_id",
            "hash_scheme",
            "hash_memory_kib",
            "hash_iterations",
            "hash_parallelism",
            "version",
            "valid_from",
            "valid_to",
            "change_required",
        ]))],
    },
    TablePrivileges { table: "database_history", service: &[Select(All), Insert], auditor: &[] },
    TablePrivileges {
        table: "import_runs",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "seen_at",
                "state",
                "is_canceled",
                "detail",
                "read_bytes",
                "file_bytes",
                "added",
                "changed",
                "failed",
                "failures",
            ]),
            Delete,
        ],
        auditor: &[],
    },
    TablePrivileges {
        table: "installation",
        service: &[Select(Only(&["kind"]))],
        auditor: &[Select(Only(&["kind"]))],
    },
    TablePrivileges {
        table: "keys",
        service: &[Select(All), Insert, Update(&["retired_at", "backup_confirmed_at"])],
        auditor: &[Select(All)],
    },
    TablePrivileges {
        table: "known_addresses",
        service: &[
            Select(All),
            Insert,
            Update(&["failures", "counted_secrets", "last_failed_at", "last_succeeded_at"]),
            Delete,
        ],
        auditor: &[],
    },
    TablePrivileges { table: "login_names", service: &[Select(All), Insert, Delete], auditor: &[] },
    TablePrivileges { table: "nick_names", service: &[Select(All), Insert, Delete], auditor: &[] },
    TablePrivileges {
        table: "password_links",
        service: &[Select(All), Insert, Delete],
        auditor: &[],
    },
    TablePrivileges {
        table: "password_mails",
        service: &[
            Select(All),
            Insert,
            Update(&["attempts", "next_attempt_at", "address_digest", "outcome", "finished_at"]),
            Delete,
        ],
        auditor: &[],
    },
    TablePrivileges {
        table: "tickets",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "digest",
                "session_epoch",
                "auth_time",
                "expires_at",
                "last_used_at",
                "last_used_address",
            ]),
            Delete,
        ],
        auditor: &[],
    },
    TablePrivileges {
        table: "untrusted_credentials",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "sealed_secret",
                "key_id",
                "comment",
                "is_active",
                "valid_from",
                "valid_to",
                "version",
            ]),
            Delete,
        ],
        // `doctor` counts the rows of each key. The auditor reads neither owners nor secrets.
        auditor: &[Select(Only(&["key_id"]))],
    },
    TablePrivileges {
        table: "users",
        service: &[
            Select(All),
            Insert,
            Update(&[
                "login_name",
                "canonical_name",
                "display_name",
                "user_type",
                "is_administrator",
                "role",
                "is_retired",
                "session_epoch",
                "person_id",
                "role_id",
                "ej_user_id",
                "nick_name",
                "canonical_nick_name",
                "audit_sequence",
                "audit_mac",
                "deleted_at",
            ]),
        ],
        auditor: &[Select(Only(&[
            "user_id",
            "user_type",
            "is_administrator",
            "role",
            "is_retired",
            "session_epoch",
            "audit_sequence",
            "audit_mac",
            "deleted_at",
        ]))],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auditor_only_reads_and_nobody_changes_an_event() {
        for table in TABLES {
            assert!(table.auditor.iter().all(|p| matches!(p, Select(_))), "{}", table.table);
            let may = |keyword| table.service.iter().any(|p| p.parts().0 == keyword);
            if table.table == "audit_events" {
                assert!(may("INSERT") && !may("UPDATE") && !may("DELETE"));
            }
        }
    }
    #[test]
    fn the_auditor_reads_neither_the_owners_nor_the_secrets_of_untrusted_credentials() {
        let table = TABLES.iter().find(|table| table.table == "untrusted_credentials").unwrap();
        assert_eq!(table.auditor, [Select(Only(&["key_id"]))]);
    }
}
