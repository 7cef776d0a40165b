//! `/admin/users/{id}/credential/expire` and `…/delete`: ends the validity of a credential, or
//! deletes it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Path};
use serde::Deserialize;

use super::{
    credential_of_page::{CredentialOfPage, type_of_query},
    form_page::FormPage,
    rights::require_administrator,
    subject,
    views::type_text,
};
use crate::{
    http::{
        error::{ApiError, ErrorKind},
        pages::{forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

/// The form of a confirmation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct EndForm {
    r#type: String,
    version: String,
}

impl EndForm {
    /// The version that the page was opened with; 0 without a credential.
    ///
    /// # Errors
    /// [`ErrorKind::Outdated`] when it is missing, as in a page of another release.
    pub(super) fn version(&self) -> Result<i64, ErrorKind> {
        self.version.parse().map_err(|_| ErrorKind::Outdated)
    }
}

/// A way to end a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Expire,
    Delete,
}

impl End {
    /// The path of the page below that of the user.
    fn path(self) -> &'static str {
        match self {
            Self::Expire => "credential/expire",
            Self::Delete => "credential/delete",
        }
    }

    /// The keys of the button and of the explanation.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Expire => ("page-credential-expire", "page-credential-expire-text"),
            Self::Delete => ("page-delete", "page-credential-delete-text"),
        }
    }
}

/// `GET /admin/users/{id}/credential/expire`.
pub(in crate::http) async fn show_expire(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show(End::Expire, context, frame, &request, &user).await
}

/// `GET /admin/users/{id}/credential/delete`.
pub(in crate::http) async fn show_delete(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show(End::Delete, context, frame, &request, &user).await
}

async fn show(
    end: End,
    context: RequestContext,
    frame: PageFrame,
    request: &HttpRequest,
    user: &str,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(user)?;
    let page = CredentialOfPage::open(context, frame, user_id, &type_of_query(request)).await?;
    if page.stored().is_none() {
        return Ok(page.frame.redirect(&subject::path(user_id), Notice::NothingChanged));
    }
    answer(end, page, None, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/credential/expire`.
pub(in crate::http) async fn expire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(form) = body else { return Ok(subject::show(&frame, user_id)) };
    let page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    let credential_type = page.credential_type.clone();
    let version = form.version()?;
    let expired = context.run(move |credentials: Arc<Credentials>, caller| async move {
        credentials.expire(caller.change_context(), user_id, &credential_type, version).await
    });
    match expired.await {
        Ok(()) => Ok(page.frame.redirect(&subject::path(user_id), Notice::CredentialExpired)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            answer(End::Expire, page, Some(&kind), response)
        }
    }
}

/// `POST /admin/users/{id}/credential/delete`.
pub(in crate::http) async fn delete(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(form) = body else { return Ok(subject::show(&frame, user_id)) };
    let page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    let credential_type = page.credential_type.clone();
    let deleted = context.run(move |credentials: Arc<Credentials>, caller| async move {
        credentials.delete(caller.change_context(), user_id, &credential_type).await
    });
    match deleted.await {
        Ok(was_deleted) => {
            let notice =
                if was_deleted { Notice::CredentialDeleted } else { Notice::NothingChanged };
            Ok(page.frame.redirect(&subject::path(user_id), notice))
        }
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            answer(End::Delete, page, Some(&kind), response)
        }
    }
}

/// Asks for the confirmation. After an error, the form has the version that was read with the page.
fn answer(
    end: End,
    page: CredentialOfPage,
    error: Option<&ErrorKind>,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let (button, explanation) = end.texts();
    let hidden = page.hidden();
    let CredentialOfPage { frame, .. } = &page;
    let form = Form::new(frame, &page.path(end.path()));
    let form = hidden.iter().fold(form, |form, (name, value)| form.with_hidden(name, value));
    let form = form.with_action(frame.text(button), "danger", ("Confirm", "true"));
    let form = match error {
        None => form,
        Some(ErrorKind::Outdated) => form.with_problem(frame.text("page-credential-stale")),
        Some(kind) => form.with_error(frame, kind),
    };
    let type_text = type_text(frame.language(), &page.credential_type);
    let (title, text) = (format!("{}: {type_text}", frame.text(button)), frame.text(explanation));
    let CredentialOfPage { found, frame, .. } = page;
    let page = FormPage::new(frame, title, Some(&found.user), form).with_text(text);
    page.dangerous().answer(response)
}
