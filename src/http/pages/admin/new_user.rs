//! `/admin/users/new`: adds a user, with a generated password that is shown once.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder};

use super::{
    form_id::{self, with_form_id},
    form_page::FormPage,
    generated::generated_page,
    proof,
    rights::require_administrator,
    subject,
    user_fields::{USER_NAME, UserFields},
};
use crate::{
    domain::{InvalidField, Reason, user::User},
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            field::Field, forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm,
        },
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// The path of the page, below the base path.
const PATH: &str = "/admin/users/new";

/// The value of the first password that is generated.
const GENERATED: &str = "generated";

/// `GET /admin/users/new`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let form = form(&frame, &UserFields::of_new_user());
    page(frame, form, HttpResponse::Ok())
}

/// `POST /admin/users/new`.
pub(in crate::http) async fn add(
    context: RequestContext,
    mut frame: PageFrame,
    body: PageForm<UserFields>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let fields = match body {
        PageForm::Submitted(fields) => fields,
        PageForm::Resumed(fields) => {
            let form = form(&frame, &fields);
            return page(frame, form, HttpResponse::Ok());
        }
    };
    let command = match fields.command() {
        Ok(command) => command,
        Err(problems) => {
            let form = problems.into_iter().fold(form(&frame, &fields), |form, refused| {
                form.with_error(&frame, &refused.into())
            });
            return page(frame, form, HttpResponse::BadRequest());
        }
    };
    let proven = proof::prove(context, &mut frame, &fields.own_password, &fields.reason).await;
    let context = match proven {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&frame, &fields), &frame)?;
            return page(frame, form, response);
        }
    };
    let is_generated = fields.first_password == GENERATED;
    let form_id = form_id::parse(&fields.form_id);
    let added = context.clone().run(move |users: Arc<Users>, caller| async move {
        let context = caller.change_context();
        if is_generated {
            let added = users.create_with_generated_password(context, command, form_id).await?;
            return Ok((added.0.user, Some(added.1)));
        }
        Ok::<_, crate::service::errors::ChangeUserError>((
            users.save(context, command).await?.user,
            None,
        ))
    });
    match added.await {
        Ok((user, Some(password))) => generated_page(frame, &user, &password),
        Ok((user, None)) => Ok(frame.redirect(&subject::path(user.user_id), Notice::UserAdded)),
        Err(error) => {
            let is_taken = error.kind == ErrorKind::LoginNameTaken;
            if is_taken && let Some(user) = just_added(context, &fields).await? {
                return Ok(frame.redirect(&subject::path(user.user_id), Notice::UserAdded));
            }
            let (response, kind) = html::refused(error)?;
            let form = proof::with_error(form(&frame, &fields), &frame, &at_name(kind));
            page(frame, form, response)
        }
    }
}

/// The user whom the first of two requests of the same form has added without a password.
async fn just_added(
    context: RequestContext,
    fields: &UserFields,
) -> Result<Option<User>, ApiError> {
    let Some(login_name) = fields.login_name() else { return Ok(None) };
    let found = context.run(move |users: Arc<Users>, caller| async move {
        users.just_added(caller.change_context(), login_name).await
    });
    let is_without = fields.first_password != GENERATED;
    Ok(found.await?.filter(|user| is_without && fields.are_those_of(user)))
}

/// The error at the login name if another user has it.
pub(super) fn at_name(kind: ErrorKind) -> ErrorKind {
    if kind == ErrorKind::LoginNameTaken {
        InvalidField::new(USER_NAME, Reason::Taken).into()
    } else {
        kind
    }
}

fn form(frame: &PageFrame, fields: &UserFields) -> Form {
    let choices =
        [(GENERATED, "page-first-password-generated"), ("none", "page-first-password-none")];
    let choices = choices.map(|(value, key)| (value.to_owned(), frame.text(key))).into();
    // Not `FirstPassword`: the choice is no secret, and survives a sign-in.
    let first = Field::choice("First", frame.text("page-first-password"), choices)
        .with_value(&fields.first_password);
    let form = with_form_id(Form::new(frame, PATH), &fields.form_id);
    let form = fields.add_to(frame, form, None);
    let form = fields.add_role_to(frame, form, None).with_field(first);
    proof::with_proof(form, frame, &fields.reason).with_submit(frame.text("page-user-add"))
}

fn page(
    frame: PageFrame,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let title = frame.text("page-user-add");
    FormPage::new(frame, title, None, form).answer(response)
}
