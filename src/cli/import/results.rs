//! Records and prints the result of each entry, and the summary.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};

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
    /// Results that are not printed yet: each printing is a system call.
    unprinted: Vec<u8>,
    /// True when results could not be printed.
    is_incomplete: bool,
}

/// A result as it is printed.
#[derive(Default, Serialize)]
struct ResultLine<'result> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'result str>,
    result: &'static str,
    /// `Some(null)`: a user to be added, who has no id yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'result str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'result str>,
}

impl Results {
    pub(super) fn new(unit: &'static str, is_dry_run: bool, progress: ProgressBar) -> Self {
        let dropped = DroppedNames::default();
        Self {
            unit,
            is_dry_run,
            progress,
            added: 0,
            changed: 0,
            failed: 0,
            skipped: 0,
            dropped,
            unprinted: Vec::new(),
            is_incomplete: false,
        }
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

    /// Records the effect on a user.
    pub(super) fn record_imported(
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
        let user_id = Some(json!(user_id.map(UserId::as_i32)));
        self.keep(entry, ResultLine { result, user_id, ..ResultLine::default() })
    }

    /// Records why an entry was not imported.
    pub(super) fn record_failed(
        &mut self,
        entry: &EntryId,
        problem: &Problem,
    ) -> Result<(), Failure> {
        self.failed += 1;
        let Problem { field, reason } = problem;
        let (field, reason) = (Some(field.as_str()), Some(&**reason));
        self.keep(entry, ResultLine { result: "failed", field, reason, ..ResultLine::default() })
    }

    /// Records why an entry is no user to import.
    pub(super) fn record_skipped(&mut self, entry: &EntryId, reason: &str) -> Result<(), Failure> {
        self.skipped += 1;
        let reason = Some(reason);
        self.keep(entry, ResultLine { result: "skipped", reason, ..ResultLine::default() })
    }

    /// Keeps a result for [`Self::flush`].
    fn keep(&mut self, entry: &EntryId, line: ResultLine<'_>) -> Result<(), Failure> {
        let number = Some(entry.number);
        let (line_number, entry_number) =
            if self.unit == "line" { (number, None) } else { (None, number) };
        let name = entry.name.as_deref();
        let line = ResultLine { line: line_number, entry: entry_number, name, ..line };
        serde_json::to_writer(&mut self.unprinted, &line)?;
        self.unprinted.push(b'\n');
        Ok(())
    }

    /// Prints the results that are not printed yet. Call it before the checkpoint covers them.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if self.unprinted.is_empty() {
            return Ok(());
        }
        let printed = self.progress.suspend(|| output::print_all_or_fail(&self.unprinted));
        self.unprinted.clear();
        self.is_incomplete |= printed.is_err();
        printed
    }

    /// True when results could not be printed.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_incomplete
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
