//! `/admin/import/{import}`: the progress and the results of an import. The page refreshes itself
//! until the import has ended.

use actix_web::{HttpResponse, http::header::HeaderName, web::Path};
use askama::Template;

use crate::{
    http::{
        error::ApiError,
        pages::{
            admin::rights::require_administrator, forms::Form, frame::PageFrame, html,
            moment::Moment, page_form::PageForm,
        },
        request_context::RequestContext,
    },
    service::import::jobs::{
        ImportJob, ImportJobs, JobEnd, JobFailure, JobResult, JobState, Progress, ResultKind,
    },
};

/// The path of the pages of imports, below the base path.
pub(super) const JOBS: &str = "/admin/import";

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Seconds between two refreshes of the page.
const PERIOD: &str = "2";

/// The most failed lines on the page.
const SHOWN: usize = 100;

/// A form without fields of its own.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(in crate::http) struct NoFields {}

#[derive(Template)]
#[template(path = "admin/import_job.html")]
struct JobTemplate {
    frame: PageFrame,
    /// `None`: this instance does not know the import.
    job: Option<JobView>,
}

/// An import, as the page shows it.
struct JobView {
    at: Moment,
    started_by: String,
    is_dry_run: bool,
    /// The state in one sentence, with the style of its notice.
    status: String,
    style: &'static str,
    /// Why the file was refused, in the words of the command.
    detail: Option<String>,
    progress: Progress,
    failures: Vec<JobResult>,
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
    let Some(job) = context.capability::<ImportJobs>().find(&id) else {
        return html::page(HttpResponse::NotFound(), &JobTemplate { frame, job: None });
    };
    let job = view(&frame, &job);
    let mut response = HttpResponse::Ok();
    if job.cancel.is_some() {
        response.insert_header((REFRESH, PERIOD));
    }
    html::page(response, &JobTemplate { frame, job: Some(job) })
}

/// `POST /admin/import/{import}/cancel`.
pub(in crate::http) async fn cancel(
    context: RequestContext,
    frame: PageFrame,
    id: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    if let PageForm::Submitted(NoFields {}) = body
        && let Some(job) = context.capability::<ImportJobs>().find(&id)
    {
        job.cancel();
        return Ok(html::redirect_to(&frame.url(&format!("{JOBS}/{}", job.id))));
    }
    Ok(html::redirect_to(&frame.url(JOBS)))
}

fn view(frame: &PageFrame, job: &ImportJob) -> JobView {
    let progress = job.progress();
    let mut failures = job.results(0, SHOWN + 1, |kind| kind == ResultKind::Failed);
    let has_more = failures.len() > SHOWN;
    failures.truncate(SHOWN);
    let path = format!("{JOBS}/{}", job.id);
    let (key, style) = status_of(job.is_dry_run, &progress.state);
    let cancel = (!matches!(progress.state, JobState::Ended(_))).then(|| {
        Form::new(frame, &format!("{path}/cancel")).with_action(
            frame.text("page-import-cancel"),
            "danger",
            ("Action", "cancel"),
        )
    });
    JobView {
        at: Moment::new(job.started_at),
        started_by: job.started_by.clone(),
        is_dry_run: job.is_dry_run,
        status: frame.text(key),
        style,
        detail: match &progress.state {
            JobState::Ended(JobEnd::Refused(reason)) => Some(reason.clone()),
            JobState::Checking | JobState::Running | JobState::Ended(_) => None,
        },
        failures,
        has_more,
        cancel,
        csv: frame.url(&format!("{path}/results?format=csv")),
        json_lines: frame.url(&format!("{path}/results?format=jsonl")),
        progress,
    }
}

/// The key of the state, and the style of its notice.
fn status_of(is_dry_run: bool, state: &JobState) -> (&'static str, &'static str) {
    match (state, is_dry_run) {
        (JobState::Checking, _) => ("page-import-checking", ""),
        (JobState::Running, true) => ("page-import-running-check", ""),
        (JobState::Running, false) => ("page-import-running", ""),
        (JobState::Ended(JobEnd::Completed), true) => ("page-import-checked", "good"),
        (JobState::Ended(JobEnd::Completed), false) => ("page-import-completed", "good"),
        (JobState::Ended(JobEnd::Canceled), _) => ("page-import-canceled", "warn"),
        (JobState::Ended(JobEnd::Refused(_)), _) => ("page-import-refused", "error"),
        (JobState::Ended(JobEnd::Failed(JobFailure::RightLost)), _) => {
            ("page-import-right-lost", "error")
        }
        (JobState::Ended(JobEnd::Failed(JobFailure::Unavailable)), _) => {
            ("page-import-unavailable", "error")
        }
    }
}
