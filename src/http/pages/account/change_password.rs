//! `/account/change-password`: a new password, chosen or generated, with the current one as proof.
//! A generated password is only proposed. It is saved when the user confirms it, so a form that is sent
//! twice cannot lose it.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    domain::{
        InvalidField, Reason,
        credential::{CredentialValue, is_present},
        passwords::ChangePassword,
        user::UserReference,
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{
            field::Field, forms::Form, frame::PageFrame, html, notices::Notice,
            page_form::PageForm, password_rules::password_rules,
        },
        request_context::RequestContext,
    },
    service::credentials::passwords::Passwords,
};

const PATH: &str = "/account/change-password";
const OLD: &str = "OldPassword";
const NEW: &str = "NewPassword";
const REPEATED: &str = "RepeatedPassword";
/// The button that generates a password.
const GENERATE: (&str, &str) = ("Action", "generate");

/// The form of the page.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ChangePasswordForm {
    old_password: Option<SecretString>,
    new_password: Option<SecretString>,
    repeated_password: Option<SecretString>,
    action: Option<String>,
}

#[derive(Template)]
#[template(path = "account/change_password.html")]
struct ChangePasswordTemplate {
    frame: PageFrame,
    form: Form,
}

#[derive(Template)]
#[template(path = "account/generated_password.html")]
struct GeneratedPasswordTemplate<'password> {
    frame: PageFrame,
    password: &'password str,
    form: Form,
}

/// A refused form: an error, or a sentence at one field.
enum Refused {
    Error(ApiError),
    Field(&'static str, &'static str),
}

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// `GET /account/change-password`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    let form = form(&frame, &context);
    page(HttpResponse::Ok(), frame, form)
}

/// `POST /account/change-password`.
pub(in crate::http) async fn change(
    context: RequestContext,
    frame: PageFrame,
    body: PageForm<ChangePasswordForm>,
) -> Result<HttpResponse, ApiError> {
    let form = form(&frame, &context);
    let PageForm::Submitted(typed) = body else { return page(HttpResponse::Ok(), frame, form) };
    if typed.action.as_deref() == Some(GENERATE.1) {
        return propose(context, frame).await;
    }
    match save(context, &typed).await {
        Ok(()) => Ok(frame.redirect("/account", Notice::PasswordChanged)),
        Err(Refused::Field(name, key)) => {
            let form = form.with_field_error(&frame, name, &frame.text(key));
            page(HttpResponse::BadRequest(), frame, form)
        }
        Err(Refused::Error(error)) => {
            let (response, kind) = html::refused(error)?;
            let form = form.with_error(&frame, &kind);
            page(response, frame, form)
        }
    }
}

/// Changes the password through the use case of `ChangeOwnPassword`.
async fn save(context: RequestContext, typed: &ChangePasswordForm) -> Result<(), Refused> {
    let user = UserReference::Id(context.principal().user_id());
    let old = required(OLD, typed.old_password.as_ref())?;
    let old = CredentialValue::parse(OLD, old)?;
    let new = CredentialValue::parse(NEW, required(NEW, typed.new_password.as_ref())?)?;
    let repeated = required(REPEATED, typed.repeated_password.as_ref())?;
    if !CredentialValue::parse(REPEATED, repeated)?.is_same_as(&new) {
        return Err(Refused::Field(REPEATED, "page-differs"));
    }
    let sent = new.clone();
    let command = ChangePassword { user, old: Some(old), new };
    let changed = context.clone().run(|passwords: Arc<Passwords>, caller| async move {
        passwords.change(caller.change_context(), command).await
    });
    // The other request of a form that was sent twice may have been faster: then the old password is
    // wrong, or no longer the proof that this request rests on.
    let is_done = match changed.await {
        Ok(true) => true,
        Ok(false) => has_just_changed(context, sent).await?,
        Err(error) => {
            let is_outdated = error.kind == ErrorKind::Unauthenticated;
            if !is_outdated || !has_just_changed(context, sent).await? {
                return Err(error.of_password_in(NEW).into());
            }
            true
        }
    };
    if is_done { Ok(()) } else { Err(Refused::Field(OLD, "page-wrong-password")) }
}

/// True when the user has just changed the password to this one.
async fn has_just_changed(context: RequestContext, new: CredentialValue) -> Result<bool, ApiError> {
    let has_changed = context.run(move |passwords: Arc<Passwords>, caller| async move {
        passwords.has_just_changed_own(caller.change_context(), &new).await
    });
    has_changed.await
}

/// The page with a generated password, and a form that saves it.
async fn propose(context: RequestContext, frame: PageFrame) -> Result<HttpResponse, ApiError> {
    let user_name = context.principal().user.login_name.clone();
    let proposed = context.run(|passwords: Arc<Passwords>, caller| async move {
        passwords.propose(caller.change_context()).await
    });
    let proposed = proposed.await?;
    let password = proposed.expose_secret();
    let form = Form::new(&frame, PATH)
        .of_user(&user_name)
        .with_hidden(NEW, password)
        .with_hidden(REPEATED, password)
        .with_field(password_field(&frame, OLD, "page-old-password", "current-password"))
        .with_submit(frame.text("page-nav-password"))
        .with_action(frame.text("page-generate-other"), "", GENERATE);
    html::page(HttpResponse::Ok(), &GeneratedPasswordTemplate { frame, password, form })
}

/// A field that must not be empty. A browser sends a field that nobody filled in as an empty text.
fn required<'form>(
    name: &str,
    value: Option<&'form SecretString>,
) -> Result<&'form SecretString, ErrorKind> {
    let value = value.filter(|value| is_present(value));
    value.ok_or_else(|| InvalidField::new(name, Reason::Required).into())
}

fn page(
    response: HttpResponseBuilder,
    frame: PageFrame,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    html::page(response, &ChangePasswordTemplate { frame, form })
}

fn form(frame: &PageFrame, context: &RequestContext) -> Form {
    let password = |name, key, purpose| password_field(frame, name, key, purpose);
    Form::new(frame, PATH)
        .of_user(&context.principal().user.login_name)
        .with_field(password(OLD, "page-old-password", "current-password"))
        .with_field(
            password(NEW, "page-new-password", "new-password")
                .with_hint(password_rules(frame, context.capability()))
                .checked_by_policy(frame, context.principal().user_id()),
        )
        .with_field(password(REPEATED, "page-repeated-password", "new-password"))
        .with_submit(frame.text("page-nav-password"))
        .with_action(frame.text("page-generate-password"), "", GENERATE)
}

fn password_field(
    frame: &PageFrame,
    name: &'static str,
    key: &str,
    purpose: &'static str,
) -> Field {
    Field::password(name, frame.text(key), purpose, frame).required()
}
