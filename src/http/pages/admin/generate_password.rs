//! `/admin/users/{id}/password`: generates a password of a user, and shows it once.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;

use super::{
    action_form::ActionForm,
    credential_of_page::CredentialOfPage,
    form_id::{self, with_form_id},
    form_page::FormPage,
    generated::generated_page,
    proof,
    rights::{AdminRights, require_helper},
};
use crate::{
    domain::{credential_type::PASSWORD, user::UserId},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
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
    let page = open(context, frame, query::user_id_of_path(&user)?).await?;
    let form = form(&page, &ActionForm::opened(&page));
    answer(page, form, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/password`.
pub(in crate::http) async fn generate(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let mut page = open(context.clone(), frame, user_id).await?;
    let typed = match body {
        PageForm::Submitted(typed) => typed,
        PageForm::Resumed(typed) => {
            let error = typed.is_stale(&page).then_some(ErrorKind::Outdated);
            return show_again(page, typed, error, HttpResponse::Ok());
        }
    };
    let proven = proof::prove(context, &mut page.frame, &typed.own_password, &typed.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&page, &typed), &page.frame)?;
            return answer(page, form, response);
        }
    };
    match replace(context.clone(), user_id, &typed).await {
        Ok(password) => generated_page(page.frame, &page.found.user, &password),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let page = if kind == ErrorKind::Outdated { page.reread(context).await? } else { page };
            show_again(page, typed, Some(kind), response)
        }
    }
}

/// Replaces the password of the version that the form was opened with.
async fn replace(
    context: RequestContext,
    user_id: UserId,
    typed: &ActionForm,
) -> Result<SecretString, ApiError> {
    let (version, form_id) = (typed.version()?, form_id::parse(&typed.form_id));
    let generated = context.run(move |passwords: Arc<Passwords>, caller| async move {
        passwords.replace_with_generated(caller.change_context(), user_id, version, form_id).await
    });
    generated.await
}

/// Opens the password of a user whom the caller may help.
async fn open(
    context: RequestContext,
    frame: PageFrame,
    user_id: UserId,
) -> Result<CredentialOfPage, ApiError> {
    require_helper(&context)?;
    let page = CredentialOfPage::open(context.clone(), frame, user_id, PASSWORD).await?;
    if AdminRights::of(context.principal(), page.user()).help {
        Ok(page)
    } else {
        Err(ErrorKind::Forbidden(MissingRight::ProtectedUser).into())
    }
}

fn form(page: &CredentialOfPage, typed: &ActionForm) -> Form {
    let form = typed.add_to(page, Form::new(&page.frame, &page.path("password")));
    let form = with_form_id(form, &typed.form_id);
    proof::with_proof(form, &page.frame, &typed.reason)
        .with_submit(page.frame.text("page-password-generate"))
}

/// Shows the form again. Only a form that says that the password has changed gets the present
/// version: any other still finds the change when it is sent again.
fn show_again(
    page: CredentialOfPage,
    typed: ActionForm,
    error: Option<ErrorKind>,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let shown = match error {
        None => form(&page, &typed),
        Some(ErrorKind::Outdated) => {
            let shown = form(&page, &typed.reopened(&page));
            shown.with_problem(page.frame.text("page-credential-stale"))
        }
        Some(kind) => proof::with_error(form(&page, &typed), &page.frame, &kind),
    };
    answer(page, shown, response)
}

fn answer(
    page: CredentialOfPage,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let CredentialOfPage { found, frame, .. } = page;
    let title = frame.text("page-password-generate");
    let text = frame.text("page-password-generate-text");
    FormPage::new(frame, title, Some(&found.user), form).with_text(text).answer(response)
}
