//! `database-roles.md`: the database roles and their privileges.

use super::markdown::{Document, code};
use crate::storage::privileges::{Privilege, SEQUENCES, TABLES};

const INTRODUCTION: &str = "\
    Three database roles share the work. The owner owns the tables and runs `migrate`, which grants \
    the other two the privileges below (`database.role` and `database.auditor_role`) and revokes \
    all others from them and from PUBLIC, also those of an earlier release. A role with several \
    rights in one hand works, too, but `serve` logs a warning, and `doctor` fails.\n\n\
    `docs/how-to/deploy.md` shows how to create the roles. \
    `docs/adr/0042-three-database-roles.md` says why there are three.";

const PRIVILEGES: &str = "\
    Column names limit a privilege to these columns. The auditor reads sealed hashes, because \
    `audit verify` unseals each one to show that nobody changed or moved it; without the keyring \
    they are useless.";

const OTHERS: &str = "\
    Both roles also get CONNECT on the database and USAGE on the schema. `migrate` revokes CREATE on \
    the schema, and CREATE and TEMPORARY on the database, from both and from PUBLIC, where the owner \
    of the tables also owns the schema and the database. Views, functions and later tables of the \
    owner start without privileges for anybody else.";

/// The commands that open the database, by the role that they need.
const COMMANDS: [(&str, &str); 3] = [
    ("owner", "`migrate`, `init` with `--migrate`, and `serve` with `database.migrate_on_start`"),
    (
        "service",
        "`serve`, `init`, `migrate --check`, `user`, `credential`, `ticket`, `import`, `export`, \
         `rotate-key`, `restore`, `keys confirm-backup`, `audit stream`, `audit list` with a login \
         name",
    ),
    ("auditor or service", "`audit verify`, `audit anchor`, `audit list`, `doctor`"),
];

/// Writes the document.
pub(super) fn document() -> String {
    let mut document = Document::new("Database roles", INTRODUCTION);
    document.section("Commands");
    document.paragraph(
        "A command that is started with a role that lacks a privilege names the role that it needs.",
    );
    let rows = COMMANDS.map(|(role, commands)| [role.to_owned(), commands.to_owned()]);
    document.table(["Role", "Commands"], &rows);
    document.section("Privileges");
    document.paragraph(PRIVILEGES);
    let list = |privileges: &[Privilege]| {
        privileges.iter().map(|one| one.to_sql()).collect::<Vec<_>>().join(", ")
    };
    let mut rows: Vec<_> = TABLES
        .iter()
        .map(|table| [code(table.table), list(table.service), list(table.auditor)])
        .collect();
    let of_sequence =
        |name: &str| [format!("{} (sequence)", code(name)), "USAGE".to_owned(), String::new()];
    rows.extend(SEQUENCES.map(of_sequence));
    document.table(["Table", "Service", "Auditor"], &rows);
    document.paragraph(OTHERS);
    document.finish()
}
