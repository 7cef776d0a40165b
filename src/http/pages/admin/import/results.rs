//! `/admin/import/{import}/results`: the result of each line, as CSV or JSON lines.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CONTENT_DISPOSITION,
    web::{Bytes, Path},
};
use futures_util::stream;
use url::form_urlencoded;

use crate::{
    http::{
        error::{ApiError, ErrorKind},
        pages::admin::rights::require_administrator,
        request_context::RequestContext,
        transport::{InProgress, produce_body},
    },
    service::{
        audit::export_format::ExportFormat,
        import::jobs::{ImportJob, ImportJobs, results_text},
    },
};

/// The number of results in one part of the response.
const PART: usize = 1000;

/// Results that are sent.
struct Sent {
    job: Arc<ImportJob>,
    format: ExportFormat,
    /// Empty after it was sent.
    heading: &'static str,
    next: usize,
    /// The connection is not idle until everything was sent.
    _in_progress: Option<InProgress>,
}

/// `GET /admin/import/{import}/results`.
pub(in crate::http) async fn download(
    context: RequestContext,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let jobs = context.capability::<ImportJobs>();
    let job = jobs.find(&id).ok_or(ErrorKind::UnknownRoute)?;
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let named = pairs.find(|(name, _)| name == "format").map(|(_, value)| value);
    let format = named.and_then(|name| ExportFormat::parse(&name)).unwrap_or(ExportFormat::Csv);
    let file = format!("attachment; filename=\"import-results.{}\"", format.extension());
    let heading = results_text::heading(format);
    let sent = Sent { job, format, heading, next: 0, _in_progress: produce_body(&request) };
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((CONTENT_DISPOSITION, file))
        .streaming(stream::try_unfold(sent, next_part)))
}

/// The next part of the response, which is never empty.
async fn next_part(mut sent: Sent) -> Result<Option<(Bytes, Sent)>, ApiError> {
    let mut text = std::mem::take(&mut sent.heading).to_owned();
    let results = sent.job.results(sent.next, PART, |_| true);
    sent.next += results.len();
    for result in &results {
        results_text::write(sent.format, result, &mut text);
    }
    Ok((!text.is_empty()).then(|| (text.into(), sent)))
}
