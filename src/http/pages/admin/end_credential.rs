//! `/admin/users/{id}/credential/expire` and `…/delete`: ends the validity of a credential, or
//! deletes it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    credential_of_page::{CredentialOfPage, type_of_query},
    credential_types::{Asking, choose_type},
    form_page::FormPage,
    proof,
    rights::require_administrator,
    subject,
};
use crate::{
    domain::credential_type::CredentialType,
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm,
            words::type_text,
        },
        query,
        request_context::RequestContext,
    },
    service::{credentials::saving::Credentials, users::directory::UserWithCredentials},
};

/// The form of a confirmation.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct EndForm {
    r#type: String,
    version: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
    pub(super) reason: String,
}

impl EndForm {
    /// The version that the page was opened with; 0 without a credential.
    ///
    /// # Errors
    /// [`ErrorKind::Outdated`] when it is missing, as in a page of another release.
    pub(super) fn version(&self) -> Result<i64, ErrorKind> {
        self.version.parse().map_err(|_| ErrorKind::Outdated)
    }

    /// The form that is shown again after a sign-in. It says if the credential has changed since.
    pub(super) fn resumed(&self, page: &CredentialOfPage, shown: Form) -> Form {
        if self.version() == Ok(page.version()) {
            shown
        } else {
            shown.with_problem(page.frame.text("page-credential-stale"))
        }
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
    let type_name = type_of_query(request);
    if type_name.is_empty() {
        let (title, _) = end.texts();
        let asking = Asking { page: end.path(), title, is_offered: is_stored };
        return choose_type(context, frame, user_id, asking).await;
    }
    let page = CredentialOfPage::open(context, frame, user_id, &type_name).await?;
    if page.stored().is_none() {
        return Ok(page.frame.redirect(&subject::path(user_id), Notice::NothingChanged));
    }
    let form = confirmation(end, &page, "");
    answer(end, page, form, HttpResponse::Ok())
}

/// True when the user has a credential of that type.
fn is_stored(found: &UserWithCredentials, credential_type: &CredentialType) -> bool {
    let name = credential_type.as_str();
    found.credentials.iter().any(|summary| summary.credential_type == name)
}

/// `POST /admin/users/{id}/credential/expire`.
pub(in crate::http) async fn expire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    end(End::Expire, context, frame, &user, body).await
}

/// `POST /admin/users/{id}/credential/delete`.
pub(in crate::http) async fn delete(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    end(End::Delete, context, frame, &user, body).await
}

async fn end(
    end: End,
    context: RequestContext,
    frame: PageFrame,
    user: &str,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(user)?;
    let (form, is_submitted) = match body {
        PageForm::Submitted(form) => (form, true),
        PageForm::Resumed(form) => (form, false),
    };
    let page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    if !is_submitted {
        let shown = form.resumed(&page, confirmation(end, &page, &form.reason));
        return answer(end, page, shown, HttpResponse::Ok());
    }
    let context = match proof::prove(context, &form.own_password, &form.reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let shown = confirmation(end, &page, &form.reason);
            let (response, shown) = unproven.show(shown, &page.frame)?;
            return answer(end, page, shown, response);
        }
    };
    let ended = match end {
        End::Expire => run_expire(context, &page, form.version()?).await,
        End::Delete => run_delete(context, &page, form.version()?).await,
    };
    match ended {
        Ok(notice) => Ok(page.frame.redirect(&subject::path(user_id), notice)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let shown = confirmation(end, &page, &form.reason);
            let shown = if kind == ErrorKind::Outdated {
                shown.with_problem(page.frame.text("page-credential-stale"))
            } else {
                proof::with_error(shown, &page.frame, &kind)
            };
            answer(end, page, shown, response)
        }
    }
}

async fn run_expire(
    context: RequestContext,
    page: &CredentialOfPage,
    version: i64,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let expired = context.run(move |credentials: Arc<Credentials>, caller| async move {
        credentials.expire(caller.change_context(), user_id, &credential_type, version).await
    });
    expired.await.map(|()| Notice::CredentialExpired)
}

async fn run_delete(
    context: RequestContext,
    page: &CredentialOfPage,
    version: i64,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let deleted = context.run(move |credentials: Arc<Credentials>, caller| async move {
        let context = caller.change_context();
        credentials.delete(context, user_id, &credential_type, Some(version)).await
    });
    let was_deleted = deleted.await?;
    Ok(if was_deleted { Notice::CredentialDeleted } else { Notice::NothingChanged })
}

/// The form that asks for the confirmation.
fn confirmation(end: End, page: &CredentialOfPage, reason: &str) -> Form {
    let (button, _) = end.texts();
    let form = Form::new(&page.frame, &page.path(end.path()));
    let form = page.add_to(form);
    let text = page.frame.text(button);
    proof::with_proof(form, &page.frame, reason).with_action(text, "danger", ("Confirm", "true"))
}

/// Shows the form that asks for the confirmation.
fn answer(
    end: End,
    page: CredentialOfPage,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let (button, explanation) = end.texts();
    let CredentialOfPage { found, credential_type, frame } = page;
    let type_text = type_text(&frame, &credential_type);
    let (title, text) = (format!("{}: {type_text}", frame.text(button)), frame.text(explanation));
    let page = FormPage::new(frame, title, Some(&found.user), form).with_text(text);
    page.dangerous().answer(response)
}
