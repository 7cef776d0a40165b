//! `/admin/users/{id}/credential/expire`, `…/delete`, `…/require-change` and `…/clear-change`: changes
//! the state of a credential whose value stays, or deletes it.

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
    user_fields::CHECKED,
};
use crate::{
    domain::{
        change_cause::ChangeCause, credential::CredentialSummary, credential_type::CredentialType,
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

/// The form of an action.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct ActionForm {
    r#type: String,
    version: String,
    /// `true` when the box is checked: somebody else may know the value.
    compromised: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
    pub(super) reason: String,
}

impl ActionForm {
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
    let form = confirmation(action, &page, &ActionForm::default());
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
    let page = CredentialOfPage::open(context.clone(), frame, user_id, &form.r#type).await?;
    if !is_submitted {
        let shown = form.resumed(&page, confirmation(action, &page, &form));
        return answer(action, page, shown, HttpResponse::Ok());
    }
    let context = match proof::prove(context, &form.own_password, &form.reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let shown = confirmation(action, &page, &form);
            let (response, shown) = unproven.show(shown, &page.frame)?;
            return answer(action, page, shown, response);
        }
    };
    let done = match action {
        Action::Expire => run_expire(context, &page, form.version()?).await,
        Action::Delete => run_delete(context, &page, form.version()?).await,
        Action::RequireChange => {
            let is_compromised = form.compromised == CHECKED;
            run_require_change(context, &page, form.version()?, is_compromised).await
        }
        Action::ClearChange => run_clear_change(context, &page).await,
    };
    match done {
        Ok(notice) => Ok(page.frame.redirect(&subject::path(user_id), notice)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let shown = confirmation(action, &page, &form);
            let shown = if kind == ErrorKind::Outdated {
                shown.with_problem(page.frame.text("page-credential-stale"))
            } else {
                proof::with_error(shown, &page.frame, &kind)
            };
            answer(action, page, shown, response)
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

async fn run_require_change(
    context: RequestContext,
    page: &CredentialOfPage,
    version: i64,
    is_compromised: bool,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let cause = if is_compromised { ChangeCause::Compromised } else { ChangeCause::Administrator };
    let mark = NewMark { cause, version: Some(version) };
    let marked = context.run(move |requirements: Arc<ChangeRequirements>, caller| async move {
        requirements.require(caller.change_context(), user_id, &credential_type, mark).await
    });
    // The owner may have changed it after the page was opened.
    let was_marked = marked.await?;
    if was_marked { Ok(Notice::ChangeRequired) } else { Err(ErrorKind::Outdated.into()) }
}

async fn run_clear_change(
    context: RequestContext,
    page: &CredentialOfPage,
) -> Result<Notice, ApiError> {
    let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
    let cleared = context.run(move |requirements: Arc<ChangeRequirements>, caller| async move {
        requirements.clear(caller.change_context(), user_id, &credential_type).await
    });
    let was_cleared = cleared.await?;
    Ok(if was_cleared { Notice::ChangeNoLongerRequired } else { Notice::NothingChanged })
}

/// The form that asks for the confirmation, with what was typed.
fn confirmation(action: Action, page: &CredentialOfPage, typed: &ActionForm) -> Form {
    let (button, _) = action.texts();
    let mut form = page.add_to(Form::new(&page.frame, &page.path(action.path())));
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
