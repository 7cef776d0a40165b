//! `/keeper/audit/export`: exports audit events as CSV or JSON lines
//! (docs/reference/wire-contract.md#audit-events). The response is sent page by page, so that
//! neither its length nor its duration is limited, and its memory is.

use std::{error::Error, io, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, CONTENT_DISPOSITION, HeaderMap, VARY},
    web::Bytes,
};
use futures_util::stream;

use super::{
    audit_events::{with_filter, with_user},
    audit_query::{EXPORT, Parameters},
};
use crate::{
    domain::{
        audit_query::{AuditPage, AuditQuery, MAXIMUM_TOP},
        principal::Actor,
    },
    http::{
        compression::{self, PartCompressor},
        error::{ApiError, ErrorKind, MissingRight},
        headers,
        openapi::parameters,
        operation::Operation,
        request_context::RequestContext,
        transport::{InProgress, produce_body},
    },
    service::audit::{audit_reader::AuditReader, export_format::ExportFormat},
};

/// Describes [`export`].
pub(in crate::http) fn operation() -> Operation {
    let format = "`csv` or `jsonl`; overrides Accept.";
    with_filter(with_user(Operation::new(
        "Exports the audit events of all users, newest first, as CSV or JSON lines.",
    )))
    .accepts(parameters::choice("$format", format, &["csv", "jsonl"]))
    .answers_one_of(&["text/csv", "application/jsonl"])
    .refuses(ErrorKind::Forbidden(MissingRight::ReadAuditEvents))
}

/// Exports events.
pub(in crate::http) async fn export(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::read(request.query_string(), &EXPORT)?;
    let format = parameters.format()?.unwrap_or_else(|| accepted(request.headers()));
    let query = AuditQuery { top: MAXIMUM_TOP, ..parameters.to_query()? };
    // The first page is read before the head of the response is sent, so that it has its errors.
    let page = Some(read(&context, &query).await?);
    let in_progress = produce_body(&request);
    let heading = format.heading();
    let compressor = compression::accepts_gzip(&request).then(PartCompressor::new);
    let is_compressed = compressor.is_some();
    let export =
        Export { context, query, format, heading, page, compressor, _in_progress: in_progress };
    let file = format!("attachment; filename=\"audit-events.{}\"", format.extension());
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.media_type())
        .insert_header((CONTENT_DISPOSITION, file))
        .insert_header((VARY, "accept"));
    compression::set_varying(&mut response);
    if is_compressed {
        compression::set_compressed(&mut response);
    }
    Ok(response.streaming(stream::try_unfold(export, next_chunk)))
}

/// The format that the client prefers: JSON lines if it names them, otherwise CSV.
fn accepted(request: &HeaderMap) -> ExportFormat {
    let is_json_lines = headers::elements(request, &ACCEPT).any(|element| {
        let name = element.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"application/jsonl")
            || name.eq_ignore_ascii_case(b"application/x-ndjson")
    });
    if is_json_lines { ExportFormat::JsonLines } else { ExportFormat::Csv }
}

/// An export in progress.
struct Export {
    context: RequestContext,
    query: AuditQuery,
    format: ExportFormat,
    /// Empty after it was sent.
    heading: String,
    /// The page that is sent next; `None` at the end.
    page: Option<AuditPage>,
    /// `None` when the client does not accept gzip, and after the last part.
    compressor: Option<PartCompressor>,
    /// The connection is not idle until everything was read.
    _in_progress: Option<InProgress>,
}

/// The next part of the response, which is never empty: an empty part would end it.
async fn next_chunk(mut export: Export) -> Result<Option<(Bytes, Export)>, ApiError> {
    let mut text = std::mem::take(&mut export.heading);
    while let Some(page) = export.page.take() {
        page.events.iter().for_each(|event| export.format.write(event, &mut text));
        if let Some(next) = page.next {
            export.query.after = Some(next);
            let read = read(&export.context, &export.query).await;
            // The head was sent, so the client sees only that the response is cut off.
            export.page = Some(read.inspect_err(ApiError::log)?);
        }
        if !text.is_empty() {
            break;
        }
    }
    let Some(compressor) = export.compressor.take() else {
        return Ok((!text.is_empty()).then(|| (text.into(), export)));
    };
    let bytes = if text.is_empty() {
        compressor.finish().map_err(|error| cut_off(&error))?
    } else {
        let (compressor, bytes) =
            compressor.compress(text).await.map_err(|error| cut_off(&error))?;
        export.compressor = Some(compressor);
        bytes
    };
    Ok(Some((bytes, export)))
}

/// The client sees only that the response is cut off.
fn cut_off(error: &io::Error) -> ApiError {
    tracing::error!(error = error as &dyn Error, "an export cannot be compressed");
    ErrorKind::Internal.into()
}

/// Reads a page, each with a time limit of its own.
async fn read(context: &RequestContext, query: &AuditQuery) -> Result<AuditPage, ApiError> {
    let query = query.clone();
    let listed = context.clone().read(|reader: Arc<AuditReader>, caller| async move {
        reader.list_for_export(Actor::Principal(&caller.principal), &query).await
    });
    listed.await
}
