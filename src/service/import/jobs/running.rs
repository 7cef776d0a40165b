//! Runs an import: checks the whole file, and then imports it.

use std::{ops::ControlFlow, pin::pin, sync::Arc};

use super::{
    job::{ImportJob, JobEnd, JobFailure},
    metrics::ImportMetrics,
    report::{JobError, JobReport},
    requester::JobRequester,
};
use crate::service::import::{
    file::{
        csv::CsvOptions,
        entry::Entry,
        error::InputError,
        format::{Format, detect},
        input::{Input, Source},
        reading::{Entries, check},
        repeated::Repeated,
    },
    run::{ImportRun, Importers, RunOptions},
};

/// The most entries of a file, which bounds the memory of the results.
const MAXIMUM_ENTRIES: u64 = 100_000;

/// Checks the whole file, then imports it.
pub(super) async fn run(
    importers: Importers,
    requester: JobRequester,
    job: &Arc<ImportJob>,
    metrics: Arc<ImportMetrics>,
    source: Source,
) -> JobEnd {
    let checking = tokio::task::spawn_blocking(move || prepare(&source));
    let checked = tokio::select! {
        () = job.canceled() => return JobEnd::Canceled,
        checked = checking => checked,
    };
    let (format, input, repeated) = match checked {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(error)) => return JobEnd::Refused(error.to_string()),
        Err(_) => return JobEnd::Failed(JobFailure::Unavailable),
    };
    job.begin(input.length.unwrap_or_default());
    let unit = format.unit();
    let entries = match Entries::read_ahead(Arc::new(format), input, 0, repeated) {
        Ok(entries) => entries,
        Err(error) => return JobEnd::Refused(error.to_string()),
    };
    let options = RunOptions { is_dry_run: job.is_dry_run, unit, done: 0 };
    let mut import = ImportRun::new(importers, requester, options);
    let mut report = JobReport { job: Arc::clone(job), metrics };
    let ended = import.run(entries, pin!(job.canceled()), &mut report).await;
    match ended {
        Ok(true) => JobEnd::Completed,
        Ok(false) => JobEnd::Canceled,
        Err(JobError::Change(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an import ended early");
            JobEnd::Failed(JobFailure::of(&error))
        }
        Err(JobError::Input(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an import ended early");
            JobEnd::Failed(JobFailure::Unavailable)
        }
    }
}

/// Reads the whole file before anything is imported from it, so that a file that is truncated,
/// damaged, too long, or of another format or encoding changes nothing.
fn prepare(source: &Source) -> Result<(Format, Input, Repeated), InputError> {
    let format = format_of(source)?;
    let mut number = 0;
    let mut first_is_json = None;
    let counted = format.read(Input::open_text(source)?, &mut |entry: Entry| {
        number += 1;
        first_is_json.get_or_insert(entry.may_be_json());
        if number > MAXIMUM_ENTRIES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    counted?;
    if number > MAXIMUM_ENTRIES {
        return Err(InputError::new(format!(
            "the file has more than {MAXIMUM_ENTRIES} lines; split it, or use the command `import`"
        )));
    }
    if first_is_json == Some(false) {
        return Err(InputError::new(
            "the file is neither JSON lines nor CSV with a header; see the format of imports",
        ));
    }
    let repeated = check(&format, source)?;
    let input = Input::open_text(source)?;
    Ok((format, input, repeated))
}

/// JSON lines or CSV, by the content.
fn format_of(source: &Source) -> Result<Format, InputError> {
    let mut input = Input::open_text(source)?;
    match detect(input.head()?) {
        None | Some(("JSON lines", _)) => Ok(Format::JsonLines),
        Some(("CSV", _)) => Ok(Format::Csv(CsvOptions::default())),
        Some((name, option)) => Err(InputError::new(format!(
            "the file looks like {name}; import it with the command `import --from {option}`"
        ))),
    }
}
