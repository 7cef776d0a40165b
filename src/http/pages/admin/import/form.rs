//! The form with a file, and the last imports.

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode,
    web::Payload,
};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    job::JOBS,
    upload::{FILE, ReceivedFile, Upload, UploadFields, is_multipart},
};
use crate::{
    domain::import_run::StoredImport,
    http::{
        authentication::session_cookie::{SESSION_COOKIE, single_cookie},
        error::{ApiError, ErrorKind},
        pages::{
            admin::{
                proof::{self, Unproven},
                rights::require_administrator,
            },
            field::Field,
            forms::Form,
            frame::PageFrame,
            html,
            moment::Moment,
            page_form::PageForm,
            return_to::ReturnTo,
        },
        request_context::RequestContext,
        secret_headers::secret_headers,
    },
    service::{
        import::jobs::{ImportJobs, PlaceError, UploadPlace, metrics::UploadOutcome},
        sessions::sign_in::Sessions,
    },
};

/// The value of an import that changes users. Anything else is a dry run.
const IMPORT: &str = "import";

const MEGABYTE: usize = 1024 * 1024;

#[derive(Template)]
#[template(path = "admin/import.html")]
struct ImportTemplate {
    frame: PageFrame,
    form: Form,
    jobs: Vec<JobLink>,
}

/// A link to an import.
struct JobLink {
    url: String,
    at: Moment,
    started_by: String,
    what: String,
}

/// The fields of a form that came without a file.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TypedFields {
    mode: String,
    reason: String,
}

/// Why a file is not kept.
enum Refusal {
    Place(PlaceError),
    Unproven(Unproven),
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// `GET /admin/import`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let form = form(&context, &frame, &UploadFields::default());
    page(&context, frame, form, HttpResponse::Ok()).await
}

/// `POST /admin/import`: receives the file, and starts its import.
pub(in crate::http) async fn send(
    context: RequestContext,
    mut frame: PageFrame,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    if !is_multipart(request.headers()) {
        return without_file(&context, frame, &request, payload).await;
    }
    let jobs = context.capability::<ImportJobs>();
    let maximum = jobs.maximum_bytes;
    let mut upload = Upload::open(&request, payload, Some(jobs.upload_timeout));
    let cut_off = |_: &ApiError| jobs.metrics.record(UploadOutcome::CutOff);
    let fields = upload.fields().await.inspect_err(cut_off)?;
    keep_fields(&request, &fields);
    if let Err(error) = require_xsrf(&context, &request, &fields) {
        upload.discard(maximum).await;
        return Err(error);
    }
    let admitted = admit(&context, &mut frame, &fields).await;
    let file = upload.file(admitted.is_ok(), maximum).await;
    let file = file.inspect_err(cut_off)?;
    let (proven, place) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(&context, frame, &fields, refusal).await,
    };
    let file = match file {
        ReceivedFile::Whole(file) => file,
        unusable @ (ReceivedFile::Missing | ReceivedFile::TooLarge | ReceivedFile::Late) => {
            return not_received(&context, frame, &fields, &unusable).await;
        }
    };
    let is_dry_run = fields.mode != IMPORT;
    let started = proven.run(move |jobs: Arc<ImportJobs>, caller| async move {
        jobs.start(place, caller.into_requester(), is_dry_run, file).await
    });
    if let Err(error) = started.await? {
        return refused(&context, frame, &fields, Refusal::Place(error)).await;
    }
    jobs.metrics.record(UploadOutcome::Started);
    Ok(html::redirect_to(&frame.url(&format!("{JOBS}/{}", fields.id))))
}

/// Shows a form that came without a file: it is shown again after a sign-in, or its body is of
/// another type.
async fn without_file(
    context: &RequestContext,
    frame: PageFrame,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let body = PageForm::<TypedFields>::from_request(request, &mut payload.into_inner()).await?;
    let (typed, is_resumed) = match body {
        PageForm::Submitted(typed) => (typed, false),
        PageForm::Resumed(typed) => (typed, true),
    };
    let TypedFields { mode, reason } = typed;
    let fields = UploadFields { mode, reason, ..UploadFields::default() };
    let form = form(context, &frame, &fields);
    if is_resumed {
        return page(context, frame, form, HttpResponse::Ok()).await;
    }
    let text = frame.text("page-import-not-sent");
    let form = form.with_field_error(&frame, FILE, &text);
    page(context, frame, form, HttpResponse::UnsupportedMediaType()).await
}

/// Stores the fields for the login page, which is the answer if the token is refused.
fn keep_fields(request: &HttpRequest, fields: &UploadFields) {
    let return_to = ReturnTo::of_body(request, &fields.body);
    request.extensions_mut().insert(return_to);
}

/// Says why there is no file, and what to do.
async fn not_received(
    context: &RequestContext,
    frame: PageFrame,
    fields: &UploadFields,
    unusable: &ReceivedFile,
) -> Result<HttpResponse, ApiError> {
    let jobs = context.capability::<ImportJobs>();
    let (status, text) = match unusable {
        ReceivedFile::Whole(_) | ReceivedFile::Missing => {
            (StatusCode::BAD_REQUEST, frame.text("page-import-no-file"))
        }
        ReceivedFile::TooLarge => {
            let text = with_size(&frame, "page-import-too-large", jobs.maximum_bytes);
            (StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        ReceivedFile::Late => (StatusCode::REQUEST_TIMEOUT, frame.text("page-import-late")),
    };
    let is_late = matches!(unusable, ReceivedFile::Late);
    if is_late {
        let seconds = jobs.upload_timeout.as_secs();
        tracing::warn!(seconds, "an import was refused: its file did not arrive in time");
    }
    let outcome = if is_late { UploadOutcome::TimedOut } else { UploadOutcome::Refused };
    jobs.metrics.record(outcome);
    let form = form(context, &frame, fields).with_field_error(&frame, FILE, &text);
    page(context, frame, form, HttpResponse::build(status)).await
}

/// Checks the token of the session, which is a field of the form.
fn require_xsrf(
    context: &RequestContext,
    request: &HttpRequest,
    fields: &UploadFields,
) -> Result<(), ApiError> {
    let cookie = single_cookie(&secret_headers(request), SESSION_COOKIE)?;
    let (Some(cookie), Some(xsrf)) = (cookie, &fields.xsrf) else {
        return Err(ErrorKind::XsrfMissing.into());
    };
    if context.capability::<Sessions>().is_xsrf_token(&cookie, xsrf) {
        Ok(())
    } else {
        Err(ErrorKind::XsrfWrong.into())
    }
}

/// The proven context, and the place to receive the file.
async fn admit(
    context: &RequestContext,
    frame: &mut PageFrame,
    fields: &UploadFields,
) -> Result<(RequestContext, UploadPlace), Refusal> {
    let id = Uuid::parse_str(&fields.id).map_err(|_| ErrorKind::Outdated)?.to_string();
    let proven = proof::prove(context.clone(), frame, &fields.own_password, &fields.reason).await;
    let proven = proven.map_err(Refusal::Unproven)?;
    let placed = proven.clone().run(|jobs: Arc<ImportJobs>, caller| async move {
        jobs.authorize(caller.change_context())?;
        Ok::<_, crate::service::errors::ChangeUserError>(jobs.begin_upload(id).await?)
    });
    let place = placed.await?.map_err(Refusal::Place)?;
    Ok((proven, place))
}

async fn refused(
    context: &RequestContext,
    frame: PageFrame,
    fields: &UploadFields,
    refusal: Refusal,
) -> Result<HttpResponse, ApiError> {
    let form = form(context, &frame, fields);
    let (response, form) = match refusal {
        // It was counted with its first copy.
        Refusal::Place(PlaceError::Known) => {
            return Ok(html::redirect_to(&frame.url(&format!("{JOBS}/{}", fields.id))));
        }
        Refusal::Place(PlaceError::Busy) => {
            (HttpResponse::Conflict(), form.with_problem(frame.text("page-import-busy")))
        }
        Refusal::Place(PlaceError::Full) => {
            (HttpResponse::Conflict(), form.with_problem(frame.text("page-import-full")))
        }
        Refusal::Unproven(unproven) => unproven.show(form, &frame)?,
        Refusal::Failed(error) => {
            let (response, kind) = html::refused(error)?;
            (response, proof::with_error(form, &frame, &kind))
        }
    };
    context.capability::<ImportJobs>().metrics.record(UploadOutcome::Refused);
    page(context, frame, form, response).await
}

/// The form. The file is its last field, so that everything else is known before it arrives.
fn form(context: &RequestContext, frame: &PageFrame, fields: &UploadFields) -> Form {
    let choices = [("check", "page-import-check"), (IMPORT, "page-import-run")];
    let choices = choices.map(|(value, key)| (value.to_owned(), frame.text(key))).into();
    let mode = Field::choice("Mode", frame.text("page-import-mode"), choices);
    let maximum = context.capability::<ImportJobs>().maximum_bytes;
    let file = Field::file(FILE, frame.text("page-import-file"))
        .with_hint(with_size(frame, "page-import-file-hint", maximum))
        .required();
    // A new id: this form was not sent before.
    let form = Form::new(frame, JOBS).with_hidden("Import", &Uuid::new_v4().to_string());
    let form = form.with_field(mode.with_value(&fields.mode));
    proof::with_proof(form, frame, &fields.reason)
        .with_field(file)
        .with_submit(frame.text("page-import-start"))
}

fn with_size(frame: &PageFrame, key: &str, bytes: usize) -> String {
    let size = if bytes >= MEGABYTE {
        format!("{} MiB", bytes / MEGABYTE)
    } else {
        format!("{} KiB", bytes / 1024)
    };
    frame.text_with(key, &[("size", size.as_str())])
}

async fn page(
    context: &RequestContext,
    frame: PageFrame,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let listed =
        context.clone().read(|jobs: Arc<ImportJobs>, _| async move { jobs.registry.list().await });
    let jobs = listed.await?.into_iter().map(|StoredImport { record, .. }| {
        let key = if record.is_dry_run { "page-import-check" } else { "page-import-run" };
        JobLink {
            url: frame.url(&format!("{JOBS}/{}", record.id)),
            at: Moment::new(record.started_at),
            started_by: record.started_by,
            what: frame.text(key),
        }
    });
    let jobs = jobs.collect();
    html::page(response, &ImportTemplate { frame, form, jobs })
}
