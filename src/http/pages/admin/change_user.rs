//! `/admin/users/{id}/change`: changes the names, the type and the rights of a user.
//!
//! The form has the signature of the user that it was opened with. If the user has changed since,
//! nothing is saved: the page keeps what was typed, and shows the current values beside it. Only
//! that page takes the present signature: a form that is refused for another reason still finds the
//! change when it is sent again.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};

use super::{
    form_page::FormPage, new_user::at_name, proof, rights::require_administrator, subject,
    user_fields::UserFields,
};
use crate::{
    domain::{
        save_user::SaveUser,
        user::{User, UserId},
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::users::{directory::UserWithCredentials, saving::Users},
};

/// A user and the form that changes this user.
struct ChangePage {
    frame: PageFrame,
    found: UserWithCredentials,
    /// True if the caller changes themselves.
    is_own: bool,
}

impl ChangePage {
    /// The form with fields. If the user has changed since the form was opened, each field that
    /// differs shows its current value.
    fn form(&self, fields: &UserFields) -> Form {
        self.form_with(fields, self.is_stale(fields).then(|| self.user()))
    }

    /// The form that says that the user has changed. If it is sent again, it saves the fields.
    fn stale_form(&self, fields: UserFields) -> Form {
        let fields = fields.reopened(self.user(), self.found.signature());
        let form = self.form_with(&fields, Some(self.user()));
        form.with_problem(self.frame.text("page-user-stale"))
    }

    /// The form with fields. `current` is as in [`UserFields::add_to`].
    fn form_with(&self, fields: &UserFields, current: Option<&User>) -> Form {
        let path = format!("{}/change", subject::path(self.user().user_id));
        let form = Form::new(&self.frame, &path)
            .with_kept("Signature", &fields.signature)
            .with_kept("OpenedRole", &fields.opened_role);
        let form = fields.add_to(&self.frame, form, current);
        // Nobody can change their own role.
        let form = if self.is_own { form } else { fields.add_role_to(&self.frame, form, current) };
        proof::with_proof(form, &self.frame, &fields.reason)
            .with_submit(self.frame.text("page-save"))
    }

    /// True when the form was opened with another state than the user has.
    fn is_stale(&self, fields: &UserFields) -> bool {
        fields.signature != self.found.signature()
    }

    fn user(&self) -> &User {
        &self.found.user
    }

    fn answer(self, form: Form, response: HttpResponseBuilder) -> Result<HttpResponse, ApiError> {
        let title = self.frame.text("page-user-change");
        FormPage::new(self.frame, title, Some(&self.found.user), form).answer(response)
    }
}

/// `GET /admin/users/{id}/change`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let page = open(context, frame, query::user_id_of_path(&user)?).await?;
    let form = page.form(&UserFields::opened(page.user(), page.found.signature()));
    page.answer(form, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/change`.
pub(in crate::http) async fn change(
    context: RequestContext,
    mut frame: PageFrame,
    user: Path<String>,
    body: PageForm<UserFields>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let fields = match body {
        PageForm::Submitted(fields) => fields,
        PageForm::Resumed(fields) => {
            let page = open(context, frame, user_id).await?;
            let is_stale = page.is_stale(&fields);
            let form = if is_stale { page.stale_form(fields) } else { page.form(&fields) };
            return page.answer(form, HttpResponse::Ok());
        }
    };
    let command = match fields.command() {
        Ok(command) => command,
        Err(problems) => {
            let page = open(context, frame, user_id).await?;
            let form = problems.into_iter().fold(page.form(&fields), |form, refused| {
                form.with_error(&page.frame, &refused.into())
            });
            return page.answer(form, HttpResponse::BadRequest());
        }
    };
    let proven =
        proof::prove(context.clone(), &mut frame, &fields.own_password, &fields.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let page = open(context, frame, user_id).await?;
            let (response, form) = unproven.show(page.form(&fields), &page.frame)?;
            return page.answer(form, response);
        }
    };
    let signature = Some(fields.signature.clone());
    let command = SaveUser { user_id: Some(user_id), signature, ..command };
    let saved = context.clone().run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    match saved.await {
        Ok(_) => Ok(frame.redirect(&subject::path(user_id), Notice::UserChanged)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let page = open(context, frame, user_id).await?;
            refuse(page, fields, response, kind)
        }
    }
}

/// Shows the form again. A form that was sent twice has changed the user at first: that is no error.
fn refuse(
    page: ChangePage,
    fields: UserFields,
    response: HttpResponseBuilder,
    kind: ErrorKind,
) -> Result<HttpResponse, ApiError> {
    let is_outdated = kind == ErrorKind::Outdated;
    if is_outdated && fields.are_those_of(page.user()) {
        let path = subject::path(page.user().user_id);
        return Ok(page.frame.redirect(&path, Notice::UserChanged));
    }
    let form = if is_outdated {
        page.stale_form(fields)
    } else {
        proof::with_error(page.form(&fields), &page.frame, &at_name(kind))
    };
    page.answer(form, response)
}

async fn open(
    context: RequestContext,
    frame: PageFrame,
    user_id: UserId,
) -> Result<ChangePage, ApiError> {
    let is_own = context.principal().user_id() == user_id;
    Ok(ChangePage { frame, found: subject::read(context, user_id).await?, is_own })
}
