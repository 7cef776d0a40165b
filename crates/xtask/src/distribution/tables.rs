//! How each table is distributed over the shards of a distributed PostgreSQL.

/// Where the rows of a table are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// On the shard of the value of this column.
    Distributed { column: &'static str, group: Group },
    /// A copy on every server.
    Reference,
    /// Only on the server to which the service connects: the rows are about this server.
    Local,
}

/// Tables whose rows are on the same shard when their distribution columns are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Everything of a user.
    User,
    /// A directory, or a count by address, which is found by its own column.
    Own,
}

const fn by_user() -> Placement {
    Placement::Distributed { column: "user_id", group: Group::User }
}

const fn by(column: &'static str) -> Placement {
    Placement::Distributed { column, group: Group::Own }
}

/// Every table. A table comes after those that its foreign keys refer to.
pub(super) const TABLES: &[(&str, Placement)] = &[
    ("database_history", Placement::Local),
    ("installation", Placement::Reference),
    ("keys", Placement::Reference),
    ("activity_minutes", Placement::Reference),
    ("import_runs", Placement::Reference),
    ("audit_sinks", Placement::Reference),
    ("users", by_user()),
    ("credentials", by_user()),
    ("tickets", by_user()),
    ("audit_events", by_user()),
    ("authentication_attempts", by_user()),
    ("known_addresses", by_user()),
    ("password_mails", by_user()),
    ("password_links", by_user()),
    ("untrusted_credentials", by_user()),
    ("login_names", by("canonical_name")),
    ("nick_names", by("canonical_name")),
    ("credential_identifiers", by("digest")),
    ("address_failures", by("address_digest")),
];

/// The placement of a table; `None`: it is not a table of the service.
pub(super) fn placement(table: &str) -> Option<Placement> {
    TABLES.iter().find(|(name, _)| *name == table).map(|(_, placement)| *placement)
}

/// The statements of Citus that distribute the tables of the service.
pub(crate) fn definition() -> String {
    let statement = |(table, placement): &(&str, Placement)| match placement {
        Placement::Local => format!("-- '{table}' stays a table of the coordinator.\n"),
        Placement::Reference => format!("SELECT create_reference_table('{table}');\n"),
        Placement::Distributed { column, group: Group::User } if *table == "users" => {
            format!("SELECT create_distributed_table('{table}', '{column}');\n")
        }
        Placement::Distributed { column, group } => {
            let with = if *group == Group::User { "users" } else { "none" };
            format!(
                "SELECT create_distributed_table('{table}', '{column}', colocate_with => '{with}');\n"
            )
        }
    };
    TABLES.iter().map(statement).collect()
}
