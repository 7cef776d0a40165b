//! Prints the result of each entry, and the summary.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use crate::{
    cli::output::{self, Failure},
    domain::{text::is_hidden_in_text, user::UserId},
    service::import::{
        file::{
            entry::{EntryId, Problem},
            names::{MAXIMUM_NAMES, OTHERS},
        },
        users::Imported,
    },
};

/// The results so far.
pub(super) struct Results {
    /// What the numbers count: `line` or `entry`.
    unit: &'static str,
    is_dry_run: bool,
    pub(super) progress: ProgressBar,
    added: u64,
    changed: u64,
    failed: u64,
    skipped: u64,
    dropped: DroppedNames,
}

impl Results {
    pub(super) fn new(unit: &'static str, is_dry_run: bool, progress: ProgressBar) -> Self {
        let dropped = DroppedNames::default();
        Self { unit, is_dry_run, progress, added: 0, changed: 0, failed: 0, skipped: 0, dropped }
    }

    /// What the numbers count.
    pub(super) fn unit(&self) -> &'static str {
        self.unit
    }

    /// The same in the plural.
    pub(super) fn units(&self) -> &'static str {
        if self.unit == "line" { "lines" } else { "entries" }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    pub(super) fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// Prints the effect on a user.
    pub(super) fn print_imported(
        &mut self,
        entry: &EntryId,
        imported: Imported,
        user_id: Option<UserId>,
    ) -> Result<(), Failure> {
        let (result, count) = match (imported, self.is_dry_run) {
            (Imported::Added, false) => ("added", &mut self.added),
            (Imported::Added, true) => ("would_be_added", &mut self.added),
            (Imported::Changed, false) => ("changed", &mut self.changed),
            (Imported::Changed, true) => ("would_be_changed", &mut self.changed),
        };
        *count += 1;
        self.print(entry, result, &[("user_id", json!(user_id.map(UserId::as_i32)))])
    }

    /// Prints why an entry was not imported.
    pub(super) fn print_failed(
        &mut self,
        entry: &EntryId,
        problem: &Problem,
    ) -> Result<(), Failure> {
        self.failed += 1;
        let Problem { field, reason } = problem;
        self.print(entry, "failed", &[("field", json!(field)), ("reason", json!(reason))])
    }

    /// Prints why an entry is no user to import.
    pub(super) fn print_skipped(&mut self, entry: &EntryId, reason: &str) -> Result<(), Failure> {
        self.skipped += 1;
        self.print(entry, "skipped", &[("reason", json!(reason))])
    }

    fn print(
        &self,
        entry: &EntryId,
        result: &str,
        members: &[(&str, Value)],
    ) -> Result<(), Failure> {
        let mut object = Map::new();
        object.insert(self.unit.to_owned(), json!(entry.number));
        if let Some(name) = &entry.name {
            object.insert("name".to_owned(), json!(name));
        }
        object.insert("result".to_owned(), json!(result));
        object.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.progress.suspend(|| output::print_or_fail(Value::Object(object)))
    }

    /// Counts the members of an entry that have no place in this service.
    pub(super) fn count_dropped(&mut self, names: Vec<String>) {
        self.dropped.count(names);
    }

    /// Prints the counts.
    pub(super) fn print_summary(&self) {
        self.dropped.print();
        let suffix = if self.is_dry_run { " (dry run)" } else { "" };
        let Self { added, changed, failed, skipped, .. } = self;
        let skipped = if *skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        output::print_status(format_args!(
            "{added} added, {changed} changed, {failed} failed{skipped}{suffix}"
        ));
    }
}

/// The names of dropped members with the number of their entries.
#[derive(Default)]
pub(super) struct DroppedNames(BTreeMap<String, u64>);

impl DroppedNames {
    pub(super) fn count(&mut self, names: Vec<String>) {
        for name in names {
            let is_countable = self.0.len() < MAXIMUM_NAMES || self.0.contains_key(&name);
            let name = if is_countable { name } else { OTHERS.to_owned() };
            *self.0.entry(name).or_default() += 1;
        }
    }

    /// Prints one line for each name.
    pub(super) fn print(&self) {
        for (name, count) in &self.0 {
            let name = name.replace(is_hidden_in_text, "\u{fffd}");
            output::print_status(format_args!("not imported: {name} ({count})"));
        }
    }
}
