//! `/admin/users/{id}/delete`: says what is lost, and deletes a user whose login name was typed.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    form_page::FormPage, proof, rights::require_administrator, subject, subject::read_overview,
};
use crate::{
    domain::{
        delete_user::DeleteUser,
        user::{LoginName, MAXIMUM_LOGIN_NAME, UserReference},
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            field::Field, forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm,
        },
        query,
        request_context::RequestContext,
    },
    service::{
        sessions::tickets::TicketKind,
        users::{overview::UserOverview, saving::Users},
    },
};

/// The field of the typed login name.
const CONFIRMATION: &str = "UserName";

/// The form as typed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct DeleteForm {
    user_name: String,
    /// The caller's own password.
    own_password: SecretString,
    reason: String,
}

/// `GET /admin/users/{id}/delete`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let overview = read_overview(context, query::user_id_of_path(&user)?).await?;
    let form = form(&frame, &overview, &DeleteForm::default());
    page(frame, &overview, form, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/delete`. A user who no longer exists needs no deletion.
pub(in crate::http) async fn delete(
    context: RequestContext,
    mut frame: PageFrame,
    user: Path<String>,
    body: PageForm<DeleteForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let overview = match read_overview(context.clone(), user_id).await {
        Err(error) if error.kind == ErrorKind::UnknownUser => {
            return Ok(frame.redirect(subject::USERS, Notice::UserDeleted));
        }
        read => read?,
    };
    let (typed, is_submitted) = match body {
        PageForm::Submitted(form) => (form, true),
        PageForm::Resumed(form) => (form, false),
    };
    let name = LoginName::parse(typed.user_name.trim()).ok();
    let is_named = name.is_some_and(|name| name.is_spelled_as(&overview.found.user.login_name));
    if !is_submitted || !is_named {
        let form = form(&frame, &overview, &typed);
        if !is_submitted {
            return page(frame, &overview, form, HttpResponse::Ok());
        }
        let problem = frame.text("page-user-delete-other");
        let form = form.with_field_error(&frame, CONFIRMATION, &problem);
        return page(frame, &overview, form, HttpResponse::BadRequest());
    }
    let proven = proof::prove(context, &mut frame, &typed.own_password, &typed.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&frame, &overview, &typed), &frame)?;
            return page(frame, &overview, form, response);
        }
    };
    let command = DeleteUser::of(UserReference::Id(user_id));
    let deleted = context.run(|users: Arc<Users>, caller| async move {
        users.delete(caller.change_context(), command).await
    });
    if let Err(error) = deleted.await {
        // The other request of a form that was sent twice was faster.
        if error.kind == ErrorKind::UnknownUser {
            return Ok(frame.redirect(subject::USERS, Notice::UserDeleted));
        }
        let (response, kind) = html::refused(error)?;
        let form = proof::with_error(form(&frame, &overview, &typed), &frame, &kind);
        return page(frame, &overview, form, response);
    }
    Ok(frame.redirect(subject::USERS, Notice::UserDeleted))
}

fn form(frame: &PageFrame, overview: &UserOverview, typed: &DeleteForm) -> Form {
    let path = format!("{}/delete", subject::path(overview.found.user.user_id));
    let label = frame.text("page-user-delete-confirm");
    let name = Field::text(CONFIRMATION, label, MAXIMUM_LOGIN_NAME).with_value(&typed.user_name);
    let form = Form::new(frame, &path).with_field(name.with_purpose("off").required());
    let text = frame.text("page-delete");
    proof::with_proof(form, frame, &typed.reason).with_action(text, "danger", ("Confirm", "true"))
}

fn page(
    frame: PageFrame,
    overview: &UserOverview,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let of_kind =
        |kind| overview.tickets.iter().flatten().filter(|ticket| ticket.kind == kind).count();
    let losses = [
        ("page-credentials", overview.found.credentials.len()),
        ("page-user-lost-tickets", of_kind(TicketKind::Ticket)),
        ("page-user-lost-sessions", of_kind(TicketKind::Session)),
        ("page-user-lost-untrusted", overview.untrusted),
    ];
    let losses = losses.map(|(key, number)| (frame.text(key), number)).into();
    let (title, text) = (frame.text("page-user-delete-title"), frame.text("page-user-delete-text"));
    FormPage::new(frame, title, Some(&overview.found.user), form)
        .with_text(text)
        .with_losses(losses)
        .dangerous()
        .answer(response)
}
