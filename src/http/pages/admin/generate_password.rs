//! `/admin/users/{id}/password`: generates a password of a user, and shows it once.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};

use super::{
    credential_of_page::CredentialOfPage, end_credential::EndForm, form_page::FormPage,
    generated::generated_page, rights::require_administrator, subject,
};
use crate::{
    domain::{credential_type::PASSWORD, user::UserId},
    http::{
        error::{ApiError, ErrorKind},
        pages::{forms::Form, frame::PageFrame, html, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::credentials::passwords::Passwords,
};

/// `GET /admin/users/{id}/password`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let page = open(context, frame, user_id).await?;
    answer(page, None, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/password`.
pub(in crate::http) async fn generate(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(form) = body else { return Ok(subject::show(&frame, user_id)) };
    let version = form.version()?;
    let generated = context.clone().run(move |passwords: Arc<Passwords>, caller| async move {
        passwords.replace_with_generated(caller.change_context(), user_id, version).await
    });
    let generated = generated.await;
    // Read afterwards: a refused form shows the version that it would replace next.
    let page = open(context, frame, user_id).await?;
    match generated {
        Ok(password) => generated_page(page.frame, &page.found.user, &password),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            answer(page, Some(&kind), response)
        }
    }
}

async fn open(
    context: RequestContext,
    frame: PageFrame,
    user_id: UserId,
) -> Result<CredentialOfPage, ApiError> {
    CredentialOfPage::open(context, frame, user_id, PASSWORD).await
}

fn answer(
    page: CredentialOfPage,
    error: Option<&ErrorKind>,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let hidden = page.hidden();
    let CredentialOfPage { frame, .. } = &page;
    let form = Form::new(frame, &page.path("password"));
    let form = hidden.iter().fold(form, |form, (name, value)| form.with_hidden(name, value));
    let form = form.with_submit(frame.text("page-password-generate"));
    let form = match error {
        None => form,
        Some(ErrorKind::Outdated) => form.with_problem(frame.text("page-credential-stale")),
        Some(kind) => form.with_error(frame, kind),
    };
    let title = frame.text("page-password-generate");
    let text = frame.text("page-password-generate-text");
    let CredentialOfPage { found, frame, .. } = page;
    FormPage::new(frame, title, Some(&found.user), form).with_text(text).answer(response)
}
