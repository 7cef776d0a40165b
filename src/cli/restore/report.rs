//! The findings of `restore check`: keeps a bounded number of them, and counts all.

use serde_json::{Value, json};

use crate::{
    cli::output::{self, Failure, Format},
    service::restore::problem::{RestoreProblem, UserProblem},
};

/// The maximum number of findings that are listed. More of them have the same cause.
pub(super) const LISTED: usize = 10_000;

/// The findings so far.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<[Value; 4]>,
    count: usize,
}

impl Report {
    /// Adds findings.
    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = UserProblem>) {
        for (user_id, problem) in problems {
            self.count += 1;
            if self.rows.len() < LISTED {
                let user = user_id.map_or(Value::Null, |user_id| json!(user_id.as_i32()));
                let (finding, next_step) = (problem.to_string(), problem.next_step());
                self.rows.push([json!(problem.subject()), user, json!(finding), json!(next_step)]);
            }
        }
    }

    /// Adds findings that are not about a user.
    pub(super) fn extend_general(&mut self, problems: impl IntoIterator<Item = RestoreProblem>) {
        self.extend(problems.into_iter().map(|problem| (None, problem)));
    }

    /// The number of findings.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Prints the findings as a table or as JSON.
    pub(super) fn print(&self, format: Format) -> Result<(), Failure> {
        if !self.rows.is_empty() || format == Format::Json {
            output::print_rows(format, ["CHECK", "USER", "FINDING", "NEXT STEP"], &self.rows)?;
        }
        if self.count > self.rows.len() {
            let others = self.count - self.rows.len();
            output::print_status(format_args!("{others} more findings are not listed"));
        }
        Ok(())
    }
}
