//! The form with a file, and the imports of this instance.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, web::Payload};
use askama::Template;
use uuid::Uuid;

use super::{
    job::JOBS,
    upload::{FILE, ReceivedFile, Upload, UploadFields, is_multipart},
};
use crate::{
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
        },
        request_context::RequestContext,
        secret_headers::secret_headers,
    },
    service::{
        import::jobs::{ImportJobs, Place, PlaceError},
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

/// Why a file is not kept.
enum Refusal {
    /// The form was sent before.
    Known,
    /// Another import is in progress.
    Busy,
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
    page(&context, frame, form, HttpResponse::Ok())
}

/// `POST /admin/import`: receives the file, and starts its import.
pub(in crate::http) async fn send(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    if !is_multipart(request.headers()) {
        // A form of another session has no file.
        let form = form(&context, &frame, &UploadFields::default());
        return page(&context, frame, form, HttpResponse::Ok());
    }
    let mut upload = Upload::open(&request, payload);
    let fields = upload.fields().await?;
    require_xsrf(&context, &request, &fields)?;
    let admitted = admit(&context, &fields).await;
    let maximum = context.capability::<ImportJobs>().maximum_bytes;
    let file = upload.file(admitted.is_ok(), maximum).await?;
    let (proven, place) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(&context, frame, &fields, refusal),
    };
    let file = match file {
        ReceivedFile::Whole(file) => file,
        ReceivedFile::Missing => {
            let text = frame.text("page-import-no-file");
            let form = form(&context, &frame, &fields).with_field_error(&frame, FILE, &text);
            return page(&context, frame, form, HttpResponse::BadRequest());
        }
        ReceivedFile::TooLarge => {
            let text = with_size(&frame, "page-import-too-large", maximum);
            let form = form(&context, &frame, &fields).with_field_error(&frame, FILE, &text);
            let response = HttpResponse::build(StatusCode::PAYLOAD_TOO_LARGE);
            return page(&context, frame, form, response);
        }
    };
    let is_dry_run = fields.mode != IMPORT;
    let started = proven.run(move |jobs: Arc<ImportJobs>, caller| async move {
        jobs.start(place, caller.into_requester(), is_dry_run, file);
        Ok::<_, ApiError>(())
    });
    started.await?;
    Ok(html::redirect_to(&frame.url(&format!("{JOBS}/{}", fields.id))))
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

/// The proven context, and the place of the import on this instance.
async fn admit(
    context: &RequestContext,
    fields: &UploadFields,
) -> Result<(RequestContext, Place), Refusal> {
    let id = Uuid::parse_str(&fields.id).map_err(|_| ErrorKind::Outdated)?.to_string();
    let proven = proof::prove(context.clone(), &fields.own_password, &fields.reason).await;
    let proven = proven.map_err(Refusal::Unproven)?;
    let placed = proven.clone().run(|jobs: Arc<ImportJobs>, caller| async move {
        jobs.authorize(caller.change_context())?;
        Ok::<_, crate::service::errors::ChangeUserError>(jobs.take_place(id).await)
    });
    match placed.await? {
        Ok(place) => Ok((proven, place)),
        Err(PlaceError::Known) => Err(Refusal::Known),
        Err(PlaceError::Busy) => Err(Refusal::Busy),
    }
}

fn refused(
    context: &RequestContext,
    frame: PageFrame,
    fields: &UploadFields,
    refusal: Refusal,
) -> Result<HttpResponse, ApiError> {
    let form = form(context, &frame, fields);
    let (response, form) = match refusal {
        Refusal::Known => {
            return Ok(html::redirect_to(&frame.url(&format!("{JOBS}/{}", fields.id))));
        }
        Refusal::Busy => {
            (HttpResponse::Conflict(), form.with_problem(frame.text("page-import-busy")))
        }
        Refusal::Unproven(unproven) => unproven.show(form, &frame)?,
        Refusal::Failed(error) => {
            let (response, kind) = html::refused(error)?;
            (response, proof::with_error(form, &frame, &kind))
        }
    };
    page(context, frame, form, response)
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

fn page(
    context: &RequestContext,
    frame: PageFrame,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let jobs = context.capability::<ImportJobs>().list();
    let jobs = jobs.into_iter().map(|job| {
        let key = if job.is_dry_run { "page-import-check" } else { "page-import-run" };
        JobLink {
            url: frame.url(&format!("{JOBS}/{}", job.id)),
            at: Moment::new(job.started_at),
            started_by: job.started_by.clone(),
            what: frame.text(key),
        }
    });
    let jobs = jobs.collect();
    html::page(response, &ImportTemplate { frame, form, jobs })
}
