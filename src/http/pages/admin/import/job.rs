//! `/admin/import/{import}`: the progress and the results of an import. Until the import has ended, a
//! script updates the page in place; without scripts, the page refreshes itself.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Path};
use askama::Template;

use crate::{
    clock,
    domain::import_run::{ImportRecord, ImportState, MAXIMUM_FAILURES, StoredImport},
    http::{
        error::ApiError,
        pages::{
            admin::rights::require_administrator, forms::Form, frame::PageFrame, html,
            moment::Moment, page_form::PageForm,
        },
        request_context::RequestContext,
    },
    service::import::jobs::{ImportJobs, registry::STALE},
};

/// The path of the pages of imports, below the base path.
pub(super) const JOBS: &str = "/admin/import";

/// A form without fields of its own.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(in crate::http) struct NoFields {}

#[derive(Template)]
#[template(path = "admin/import_job.html")]
struct JobTemplate {
    frame: PageFrame,
    /// `None`: no instance knows the import.
    job: Option<JobView>,
}

/// An import, as the page shows it.
struct JobView {
    at: Moment,
    record: ImportRecord,
    /// The state in one sentence, with the style of its notice.
    status: String,
    style: &'static str,
    /// Names the other instance that runs or ran it: only that one has the results of its lines.
    elsewhere: Option<String>,
    has_results: bool,
    has_more: bool,
    /// The form that cancels it, until it has ended.
    cancel: Option<Form>,
    csv: String,
    json_lines: String,
}

/// `GET /admin/import/{import}`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let own = context.capability::<ImportJobs>().find(&id).map(|job| job.snapshot());
    let job = match own {
        Some(record) => Some(view(&frame, record)),
        None => stored(&context, id.into_inner()).await?.map(|found| other_view(&frame, found)),
    };
    let Some(job) = job else {
        return html::page(HttpResponse::NotFound(), &JobTemplate { frame, job: None });
    };
    html::page(HttpResponse::Ok(), &JobTemplate { frame, job: Some(job) })
}

/// The import as the instance that runs it has stored it.
async fn stored(context: &RequestContext, id: String) -> Result<Option<StoredImport>, ApiError> {
    let found = context
        .clone()
        .read(|jobs: Arc<ImportJobs>, _| async move { jobs.registry.find(&id).await });
    found.await
}

/// `POST /admin/import/{import}/cancel`.
pub(in crate::http) async fn cancel(
    context: RequestContext,
    frame: PageFrame,
    id: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let url = frame.url(&format!("{JOBS}/{id}"));
    if let PageForm::Submitted(NoFields {}) = body {
        match context.capability::<ImportJobs>().find(&id) {
            Some(job) => job.cancel(),
            None if stored(&context, id.to_string()).await?.is_none() => {
                return Ok(html::redirect_to(&frame.url(JOBS)));
            }
            None => {
                let canceled = context
                    .run(|jobs: Arc<ImportJobs>, _| async move { jobs.registry.cancel(&id).await });
                canceled.await?;
            }
        }
    }
    Ok(html::redirect_to(&url))
}

/// The text of a check that did not reach the end of the file.
const CHECK_ENDED: &str = "page-import-check-ended";

/// An import that this process does not remember. It may have run on another instance, or on this one
/// some time ago. One in progress that was not seen lately has stopped with its instance.
fn other_view(frame: &PageFrame, found: StoredImport) -> JobView {
    let StoredImport { record, instance_id, seen_at } = found;
    let is_lost = record.state.is_in_progress() && clock::now() - seen_at > STALE;
    let mut view = view(frame, record);
    view.has_results = false;
    let instance = [("instance", instance_id.as_str())];
    let key = if view.record.state.is_in_progress() {
        "page-import-elsewhere"
    } else {
        "page-import-ended-elsewhere"
    };
    view.elsewhere = Some(frame.text_with(key, &instance));
    if is_lost {
        view.elsewhere = None;
        let key = if view.record.is_dry_run { CHECK_ENDED } else { "page-import-lost" };
        view.status = frame.text(key);
        view.style = "error";
        view.cancel = None;
    }
    view
}

fn view(frame: &PageFrame, record: ImportRecord) -> JobView {
    let path = format!("{JOBS}/{}", record.id);
    let (key, style) = status_of(record.is_dry_run, record.state);
    let cancel = record.state.is_in_progress().then(|| {
        Form::new(frame, &format!("{path}/cancel")).with_action(
            frame.text("page-import-cancel"),
            "danger",
            ("Action", "cancel"),
        )
    });
    JobView {
        at: Moment::new(record.started_at),
        status: frame.text(key),
        style,
        elsewhere: None,
        has_results: true,
        has_more: record.failed > u64::try_from(MAXIMUM_FAILURES).unwrap_or_default(),
        cancel,
        csv: frame.url(&format!("{path}/results?format=csv")),
        json_lines: frame.url(&format!("{path}/results?format=jsonl")),
        record,
    }
}

/// The key of the state, and the style of its notice.
fn status_of(is_dry_run: bool, state: ImportState) -> (&'static str, &'static str) {
    match (state, is_dry_run) {
        (ImportState::Checking, _) => ("page-import-checking", ""),
        (ImportState::Running, true) => ("page-import-running-check", ""),
        (ImportState::Running, false) => ("page-import-running", ""),
        (ImportState::Completed, true) => ("page-import-checked", "good"),
        (ImportState::Completed, false) => ("page-import-completed", "good"),
        (ImportState::Canceled, true) => (CHECK_ENDED, "warn"),
        (ImportState::Canceled, false) => ("page-import-canceled", "warn"),
        (ImportState::Refused, _) => ("page-import-refused", "error"),
        (ImportState::RightLost | ImportState::Unavailable, true) => (CHECK_ENDED, "error"),
        (ImportState::RightLost, false) => ("page-import-right-lost", "error"),
        (ImportState::Unavailable, false) => ("page-import-unavailable", "error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_ended_early_says_that_nothing_was_changed() {
        for state in [ImportState::Canceled, ImportState::RightLost, ImportState::Unavailable] {
            assert_eq!(status_of(true, state).0, CHECK_ENDED, "{state:?}");
            assert_ne!(status_of(false, state).0, CHECK_ENDED, "{state:?}");
        }
    }
}
