//! `/admin/users/{id}/credential`: saves a credential of a user.
//!
//! The form has the version of the credential that it was opened with, so that a form that is sent
//! twice saves once, and none overwrites a change that its page did not show.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Path};

use super::{
    credential_form::{CredentialForm, at_value},
    credential_of_page::{CredentialOfPage, type_of_query},
    credential_types::{Asking, choose_type},
    form_page::FormPage,
    proof,
    rights::require_administrator,
    subject,
};
use crate::{
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm,
            words::type_text,
        },
        query,
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

/// `GET /admin/users/{id}/credential`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let type_name = type_of_query(&request);
    if type_name.is_empty() {
        let asking = Asking {
            page: "credential",
            title: "page-credential-save",
            is_offered: |found, offered| offered.is_allowed_for(found.user.user_type),
        };
        return choose_type(context, frame, user_id, asking).await;
    }
    let page = CredentialOfPage::open(context, frame, user_id, &type_name).await?;
    let form = CredentialForm::opened(&page);
    answer(page, form, None, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/credential`.
pub(in crate::http) async fn save(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<CredentialForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let (form, is_submitted) = match body {
        PageForm::Submitted(form) => (form, true),
        PageForm::Resumed(form) => (form, false),
    };
    let mut page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    if !is_submitted {
        let error = form.is_stale(&page).then_some(ErrorKind::Outdated);
        return answer(page, form, error, HttpResponse::Ok());
    }
    let command = match form.command(&page) {
        Ok(command) => command,
        Err(kind) => {
            let response = HttpResponse::build(kind.row().status);
            return answer(page, form, Some(kind), response);
        }
    };
    let proven = proof::prove(context, &mut page.frame, &form.own_password, &form.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let (response, shown) = unproven.show(form.form(&page), &page.frame)?;
            return show_form(page, shown, response);
        }
    };
    let saved = context.clone().run(|credentials: Arc<Credentials>, caller| async move {
        credentials.save(caller.change_context(), command).await
    });
    match saved.await {
        Ok(()) => Ok(page.frame.redirect(&subject::path(user_id), Notice::CredentialSaved)),
        Err(error) => {
            if error.kind == ErrorKind::Outdated && form.is_just_saved(&context, &page).await? {
                return Ok(page.frame.redirect(&subject::path(user_id), Notice::CredentialSaved));
            }
            let (response, kind) = html::refused(error)?;
            let page = if kind == ErrorKind::Outdated { page.reread(context).await? } else { page };
            answer(page, form, Some(kind), response)
        }
    }
}

/// Shows the form, with an error of what was typed. Only a form that says that the credential has
/// changed gets the present version: any other still finds the change when it is sent again.
fn answer(
    page: CredentialOfPage,
    typed: CredentialForm,
    error: Option<ErrorKind>,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let form = match error {
        None => typed.form(&page),
        Some(ErrorKind::Outdated) => {
            let form = typed.reopened(&page).form(&page);
            form.with_problem(page.frame.text("page-credential-stale"))
        }
        Some(kind) => {
            let kind = at_value(kind, &page.credential_type);
            proof::with_error(typed.form(&page), &page.frame, &kind)
        }
    };
    show_form(page, form, response)
}

fn show_form(
    page: CredentialOfPage,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let is_replaced = page.stored().is_some();
    let CredentialOfPage { found, credential_type, frame } = page;
    let type_text = type_text(&frame, &credential_type);
    let title = format!("{}: {type_text}", frame.text("page-credential-save"));
    let text = is_replaced.then(|| frame.text("page-credential-replaces"));
    let page = FormPage::new(frame, title, Some(&found.user), form);
    text.into_iter().fold(page, FormPage::with_text).answer(response)
}
