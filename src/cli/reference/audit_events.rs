//! `audit-events.md`: the kinds and the fields of audit events.

use super::markdown::{Document, code};
use crate::domain::audit::{AuditKind, FIELDS};

const INTRODUCTION: &str = "\
    Every change to a user and their credentials appends an event to the user's audit chain, in \
    the same transaction. `credential-keeper audit list` and `GET /keeper/audit` list events \
    (docs/how-to/read-the-audit-trail.md), and `credential-keeper audit verify` verifies all chains.";

/// Writes the document.
pub(super) fn document() -> String {
    let mut document = Document::new("Audit events", INTRODUCTION);
    document.section("Kinds");
    let rows = AuditKind::ALL.map(|kind| [code(kind.as_str()), kind.description().to_owned()]);
    document.table(["Kind", "Description"], &rows);
    document.section("Fields");
    let rows = FIELDS.map(|(name, description)| [code(name), description.to_owned()]);
    document.table(["Field", "Description"], &rows);
    document.finish()
}
