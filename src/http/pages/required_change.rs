//! `POST /login/change-password`: changes a password that must be changed, and then signs in. The
//! login page shows the form instead of a session
//! (docs/reference/wire-contract.md#d35-forced-password-change).

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, web::Data};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    field::Field, forms::Form, frame::PageFrame, html, login, own_page::require_own_page,
    password_rules::password_rules, return_to::ReturnTo, returning::returning,
    typed_user_name::TypedUserName,
};
use crate::{
    clock,
    domain::{
        InvalidField, Reason,
        credential::{CredentialValue, is_present},
        user::MAXIMUM_LOGIN_NAME,
    },
    http::{
        authentication::{
            client_info, not_signed_in,
            session_cookie::{SESSION_COOKIE, single_cookie},
        },
        error::{ApiError, ErrorKind, MissingRight, response::head_of_page},
        localization::Language,
        negotiation::Body,
        operation::Operation,
        secret_headers::secret_headers,
        state::HttpState,
    },
    service::{
        errors::SaveCredentialError,
        sessions::{
            errors::RequiredChangeError,
            required_change::RequiredChange,
            sign_in::{NewSession, Sessions, SignIn},
        },
    },
};

const PATH: &str = "/login/change-password";
const NEW: &str = "NewPassword";
const REPEATED: &str = "RepeatedPassword";

/// The credentials of a user, and their new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct RequiredChangeRequest {
    #[schema(required = true, nullable = false, max_length = 239)]
    user_name: Option<String>,
    #[schema(required = true, nullable = false, value_type = String, max_length = 1024)]
    password: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    repeated_password: Option<SecretString>,
    /// The hidden value of the page.
    #[schema(required = true, nullable = false, value_type = String)]
    login_token: Option<SecretString>,
    /// The page to show after the sign-in, below the base path.
    next: Option<String>,
    /// The path of a form that the end of a session interrupted.
    kept_action: Option<String>,
    /// The fields of that form.
    kept_fields: Option<String>,
}

#[derive(Template)]
#[template(path = "required_change.html")]
struct RequiredChangeTemplate {
    frame: PageFrame,
    form: Form,
}

/// Describes [`change`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Changes a password that must be changed, starts a session, and redirects.")
        .takes::<RequiredChangeRequest>()
        .answers_text("text/html")
        .redirects_forms()
        .refuses(ErrorKind::UnknownRoute)
        .refuses(ErrorKind::Unauthenticated)
        .refuses(ErrorKind::PasswordChangeRequired)
        .refuses(ErrorKind::PasswordRefused { field: NEW.to_owned(), reasons: Vec::new() })
        .refuses(ErrorKind::Forbidden(MissingRight::ForeignPage))
        .refuses(ErrorKind::TooManyAttempts { retry_after: None })
        .refuses(ErrorKind::Overloaded { retry_after: std::time::Duration::ZERO })
        .refuses(ErrorKind::KeyUnavailable)
        .refuses(ErrorKind::OldSystemUnavailable)
        .refuses(ErrorKind::DirectoryUnavailable)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// `POST /login/change-password`. Wrong credentials lead back to the login page, and so does a new
/// password without a session.
pub(in crate::http) async fn change(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<RequiredChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    login::require_sessions(&state)?;
    // First: the page of the error keeps nothing that another site sent.
    require_own_page(&request)?;
    let return_to = ReturnTo::receive(
        &request,
        body.next.as_deref(),
        body.kept_action.as_deref(),
        body.kept_fields.as_deref(),
    );
    let user_name = body.user_name.clone().unwrap_or_default();
    request.extensions_mut().insert(TypedUserName(user_name.clone()));
    // Without the token of a login page, nothing is changed, whatever the media type.
    login::check_page(&request, &state, true, body.login_token.as_ref())?;
    match save(&request, &state, body).await {
        Ok(Ok(session)) => login::signed_in(&request, &state, &return_to, &session),
        // The form would ask for the password that was replaced.
        Ok(Err(error)) => changed_page(&request, &state, &return_to, &error),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            page(response, &request, &state, &return_to, Some(&kind))
        }
    }
}

/// The login page after a change that did not start a session.
fn changed_page(
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    error: &ApiError,
) -> Result<HttpResponse, ApiError> {
    error.log();
    let problem = Language::of(request.headers()).page("page-changed-not-signed-in", &[]);
    let response = head_of_page(&error.kind, &state.challenges);
    login::login_page(response, request, state, return_to, Some(problem))
}

/// Saves the new password, and signs in. Inside: the error of the sign-in.
async fn save(
    request: &HttpRequest,
    state: &HttpState,
    body: RequiredChangeRequest,
) -> Result<Result<NewSession, ApiError>, ApiError> {
    let required = |field: &str| InvalidField::new(field, Reason::Required);
    let new_password = body.new_password.filter(is_present).ok_or_else(|| required(NEW))?;
    let repeated = body.repeated_password.filter(is_present).ok_or_else(|| required(REPEATED))?;
    let new = CredentialValue::parse(NEW, &new_password)?;
    if !CredentialValue::parse(REPEATED, &repeated)?.is_same_as(&new) {
        return Err(InvalidField::new(REPEATED, Reason::NotRepeated).into());
    }
    let sign_in = SignIn {
        name: body.user_name.ok_or_else(|| required("UserName"))?,
        password: body.password.ok_or_else(|| required("Password"))?,
        former: single_cookie(&secret_headers(request), SESSION_COOKIE)?,
        client_info: client_info(request),
    };
    let client = sign_in.client_info.fairness_key();
    let change = RequiredChange { sign_in, new_password };
    let changed = state.service.run(client, |sessions: Arc<Sessions>| async move {
        sessions.change_and_sign_in(change, clock::now()).await
    });
    let changed = changed.await?.map_err(|error| match error {
        RequiredChangeError::SignIn(error) => not_signed_in(error),
        // For users who may not change their password themselves.
        RequiredChangeError::Save(SaveCredentialError::Forbidden) => {
            ErrorKind::PasswordChangeRequired.into()
        }
        RequiredChangeError::Save(error) => ApiError::from(error).of_password_in(NEW),
        RequiredChangeError::Invalid(error) => error.into(),
    });
    Ok(changed?.map_err(not_signed_in))
}

/// The page that asks for a new password instead of a session; `None` for other requests and errors.
pub(in crate::http) fn page_of(
    kind: &ErrorKind,
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    let is_asked = *kind == ErrorKind::PasswordChangeRequired
        && login::is_login(request)
        && login::is_form(request);
    let return_to = is_asked.then(|| ReturnTo::of(request).unwrap_or_default())?;
    page(response, request, state, &return_to, None).ok()
}

/// The page that asks for a new password, with the error of its form.
fn page(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    error: Option<&ErrorKind>,
) -> Result<HttpResponse, ApiError> {
    let frame = PageFrame::without_session(request, state);
    let form = form(&frame, &TypedUserName::of(request), state);
    let form = returning(form, return_to);
    let form = login::with_login_token(form, &mut response, request, state)?;
    let form = match error {
        Some(kind) => form.with_error(&frame, kind),
        None => form,
    };
    html::page(response, &RequiredChangeTemplate { frame, form })
}

fn form(frame: &PageFrame, user_name: &str, state: &HttpState) -> Form {
    let password = |name, key: &str, purpose| {
        Field::password(name, frame.text(key), purpose, frame).required()
    };
    let name = Field::text("UserName", frame.text("page-user-name"), MAXIMUM_LOGIN_NAME)
        .with_value(user_name)
        .with_purpose("username")
        .required();
    Form::without_session(frame, PATH)
        .with_field(name)
        .with_field(password("Password", "page-old-password", "current-password").focused())
        .with_field(
            password(NEW, "page-new-password", "new-password")
                .with_hint(password_rules(frame, state.service.get())),
        )
        .with_field(password(REPEATED, "page-repeated-password", "new-password"))
        .with_submit(frame.text("page-nav-password"))
}
