//! `/admin/users/{id}/credential/expire`, `…/delete`, `…/require-change` and `…/clear-change`: changes
//! the state of a credential whose value stays, or deletes it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Path};

use super::{
    action_form::ActionForm,
    credential_of_page::{CredentialOfPage, type_of_query},
    credential_types::{Asking, choose_type},
    form_page::FormPage,
    proof,
    rights::require_administrator,
    subject,
    user_fields::CHECKED,
};
use crate::{
    domain::{
        audit::AuditKind, change_cause::ChangeCause, credential::CredentialSummary,
        credential_type::CredentialType,
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            field::Field, forms::Form, frame::PageFrame, html, notices::Notice,
            page_form::PageForm, words::type_text,
        },
        query,
        request_context::RequestContext,
    },
    service::{
        credentials::{
            change_requirements::{ChangeRequirements, NewMark},
            saving::Credentials,
        },
        users::directory::UserWithCredentials,
    },
};

/// What an administrator does with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Expire,
    Delete,
    RequireChange,
    ClearChange,
}

impl Action {
    /// The path of the page below that of the user.
    fn path(self) -> &'static str {
        match self {
            Self::Expire => "credential/expire",
            Self::Delete => "credential/delete",
            Self::RequireChange => "credential/require-change",
            Self::ClearChange => "credential/clear-change",
        }
    }

    /// The keys of the button and of the explanation.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Expire => ("page-credential-expire", "page-credential-expire-text"),
            Self::Delete => ("page-delete", "page-credential-delete-text"),
            Self::RequireChange => {
                ("page-credential-require-change", "page-credential-require-change-text")
            }
            Self::ClearChange => {
                ("page-credential-clear-change", "page-credential-clear-change-text")
            }
        }
    }

    /// True when the user has a credential of that type that the action changes.
    fn is_offered(self) -> fn(&UserWithCredentials, &CredentialType) -> bool {
        match self {
            Self::Expire | Self::Delete => |found, kind| stored_of(found, kind).is_some(),
            Self::RequireChange => |found, kind| {
                let stored = stored_of(found, kind);
                !kind.is_identifier() && stored.is_some_and(|row| row.change_required.is_none())
            },
            Self::ClearChange => |found, kind| {
                stored_of(found, kind).is_some_and(|row| row.change_required.is_some())
            },
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
    show(Action::Expire, context, frame, &request, &user).await
}

/// `GET /admin/users/{id}/credential/delete`.
pub(in crate::http) async fn show_delete(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show(Action::Delete, context, frame, &request, &user).await
}

async fn show(
    action: Action,
    context: RequestContext,
    frame: PageFrame,
    request: &HttpRequest,
    user: &str,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(user)?;
    let type_name = type_of_query(request);
    if type_name.is_empty() {
        let (title, _) = action.texts();
        let asking = Asking { page: action.path(), title, is_offered: action.is_offered() };
        return choose_type(context, frame, user_id, asking).await;
    }
    let page = CredentialOfPage::open(context, frame, user_id, &type_name).await?;
    if !action.is_offered()(&page.found, &page.credential_type) {
        return Ok(page.frame.redirect(&subject::path(user_id), Notice::NothingChanged));
    }
    let form = confirmation(action, &page, &ActionForm::opened(&page));
    answer(action, page, form, HttpResponse::Ok())
}

fn stored_of<'found>(
    found: &'found UserWithCredentials,
    credential_type: &CredentialType,
) -> Option<&'found CredentialSummary> {
    let name = credential_type.as_str();
    found.credentials.iter().find(|summary| summary.credential_type == name)
}

/// `GET /admin/users/{id}/credential/require-change`.
pub(in crate::http) async fn show_require_change(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show(Action::RequireChange, context, frame, &request, &user).await
}

/// `GET /admin/users/{id}/credential/clear-change`.
pub(in crate::http) async fn show_clear_change(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show(Action::ClearChange, context, frame, &request, &user).await
}

/// `POST /admin/users/{id}/credential/expire`.
pub(in crate::http) async fn expire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    run(Action::Expire, context, frame, &user, body).await
}

/// `POST /admin/users/{id}/credential/delete`.
pub(in crate::http) async fn delete(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    run(Action::Delete, context, frame, &user, body).await
}

/// `POST /admin/users/{id}/credential/require-change`.
pub(in crate::http) async fn require_change(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    run(Action::RequireChange, context, frame, &user, body).await
}

/// `POST /admin/users/{id}/credential/clear-change`.
pub(in crate::http) async fn clear_change(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    run(Action::ClearChange, context, frame, &user, body).await
}

async fn run(
    action: Action,
    context: RequestContext,
    frame: PageFrame,
    user: &str,
    body: PageForm<ActionForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(user)?;
    let (form, is_submitted) = match body {
        PageForm::Submitted(form) => (form, true),
        PageForm::Resumed(form) => (form, false),
    };
    let mut page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    if !is_submitted {
        let error = form.is_stale(&page).then_some(ErrorKind::Outdated);
        return show_again(action, page, form, error, HttpResponse::Ok());
    }
    let proven = proof::prove(context, &mut page.frame, &form.own_password, &form.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let shown = confirmation(action, &page, &form);
            let (response, shown) = unproven.show(shown, &page.frame)?;
            return answer(action, page, shown, response);
        }
    };
    match change(action, context.clone(), &page, &form).await {
        Ok(notice) => Ok(page.frame.redirect(&subject::path(user_id), notice)),
        Err(error) => {
            if error.kind == ErrorKind::Outdated
                && let Some(notice) = repeated(action, context.clone(), &page, &form).await?
            {
                return Ok(page.frame.redirect(&subject::path(user_id), notice));
            }
            let (response, kind) = html::refused(error)?;
            let page = if kind == ErrorKind::Outdated { page.reread(context).await? } else { page };
            show_again(action, page, form, Some(kind), response)
        }
    }
}

/// Changes the credential of the version that the form was opened with.
async fn change(
    action: Action,
    context: RequestContext,
    page: &CredentialOfPage,
    form: &ActionForm,
) -> Result<Notice, ApiError> {
    let version = form.version()?;
    match action {
        Action::Expire => run_expire(context, page, version).await,
        Action::Delete => run_delete(context, page, version).await,
        Action::RequireChange => run_require_change(context, page, version, form.cause()).await,
        Action::ClearChange => run_clear_change(context, page, version).await,
    }
}

/// The notice of an action that the first of two requests of the same form has taken.
async fn repeated(
    action: Action,
    context: RequestContext,
    page: &CredentialOfPage,
    sent: &ActionForm,
) -> Result<Option<Notice>, ApiError> {
    let (kind, cause, notice) = match action {
        Action::Expire => (AuditKind::CredentialExpired, None, Notice::CredentialExpired),
        Action::RequireChange => {
            (AuditKind::ChangeRequired, Some(sent.cause()), Notice::ChangeRequired)
        }
        Action::ClearChange => {
            (AuditKind::ChangeNoLongerRequired, None, Notice::ChangeNoLongerRequired)
        }
        // A deletion is the same when it is repeated.
        Action::Delete => return Ok(None),
    };
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let is_done = context.run(move |credentials: Arc<Credentials>, caller| async move {
        let context = caller.change_context();
        credentials.has_just_changed(context, user_id, &credential_type, kind, cause).await
    });
    Ok(is_done.await?.then_some(notice))
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

async fn run_require_change(
    context: RequestContext,
    page: &CredentialOfPage,
    version: i64,
    cause: ChangeCause,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let mark = NewMark { cause, version: Some(version) };
    let marked = context.run(move |requirements: Arc<ChangeRequirements>, caller| async move {
        requirements.require(caller.change_context(), user_id, &credential_type, mark).await
    });
    // A page without a credential has nothing to mark.
    let was_marked = marked.await?;
    if was_marked { Ok(Notice::ChangeRequired) } else { Err(ErrorKind::Outdated.into()) }
}

async fn run_clear_change(
    context: RequestContext,
    page: &CredentialOfPage,
    version: i64,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let cleared = context.run(move |requirements: Arc<ChangeRequirements>, caller| async move {
        let context = caller.change_context();
        requirements.clear(context, user_id, &credential_type, Some(version)).await
    });
    let was_cleared = cleared.await?;
    Ok(if was_cleared { Notice::ChangeNoLongerRequired } else { Notice::NothingChanged })
}

/// The form that asks for the confirmation, with what was typed.
fn confirmation(action: Action, page: &CredentialOfPage, typed: &ActionForm) -> Form {
    let (button, _) = action.texts();
    let mut form = typed.add_to(page, Form::new(&page.frame, &page.path(action.path())));
    if action == Action::RequireChange {
        let label = page.frame.text("page-credential-compromised");
        form = form.with_field(Field::check("Compromised", label, typed.compromised == CHECKED));
    }
    let form = proof::with_proof(form, &page.frame, &typed.reason);
    let text = page.frame.text(button);
    if action == Action::ClearChange {
        form.with_submit(text)
    } else {
        form.with_action(text, "danger", ("Confirm", "true"))
    }
}

/// Shows the form again. Only a form that says that the credential has changed gets the present
/// version: any other still finds the change when it is sent again.
fn show_again(
    action: Action,
    page: CredentialOfPage,
    typed: ActionForm,
    error: Option<ErrorKind>,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let form = match error {
        None => confirmation(action, &page, &typed),
        Some(ErrorKind::Outdated) => {
            let form = confirmation(action, &page, &typed.reopened(&page));
            form.with_problem(page.frame.text("page-credential-stale"))
        }
        Some(kind) => {
            let form = confirmation(action, &page, &typed);
            proof::with_error(form, &page.frame, &kind)
        }
    };
    answer(action, page, form, response)
}

/// Shows the form that asks for the confirmation.
fn answer(
    action: Action,
    page: CredentialOfPage,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let (button, explanation) = action.texts();
    let CredentialOfPage { found, credential_type, frame } = page;
    let type_text = type_text(&frame, &credential_type);
    let (title, text) = (format!("{}: {type_text}", frame.text(button)), frame.text(explanation));
    let page = FormPage::new(frame, title, Some(&found.user), form).with_text(text);
    let page = if action == Action::ClearChange { page } else { page.dangerous() };
    page.answer(response)
}
