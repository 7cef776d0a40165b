//! `IsPasswordValid` and `IsUserNameValid`, each also `…WithReason`, and `GetValidUserName`: check
//! a password or a login name before it is saved (docs/reference/wire-contract.md#password-calls
//! and docs/reference/wire-contract.md#login-name-calls).

use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::{
        InvalidField, Reason, credential::CredentialValue, new_login_name::NewLoginName,
        user::UserId,
    },
    http::{
        carriers::{FieldProperties, TableRight},
        error::{ApiError, ErrorKind, MissingRight},
        localization::Language,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::CARRIERS,
    },
    service::{credentials::passwords::Passwords, users::directory::UserDirectory},
};

/// A password to check. Other members are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct PasswordValidRequest {
    /// The id of the user who would have the password; 0, omitted, unknown or not readable: the
    /// caller.
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, value_type = String)]
    password: Option<SecretString>,
}

/// A login name to check.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UserNameValidRequest {
    /// The id of the user who would have the login name; 0 or omitted for a new user.
    #[schema(minimum = 0)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false)]
    user_name: Option<String>,
}

// The vendor's `UserValidationResult`: docs/reference/wire-contract.md#carriers.
/// Whether a value is valid, and the reason if it is not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UserValidationResult {
    /// In the language of the request; empty when the value is valid.
    reason: String,
    result: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for UserValidationResult {
    const NAME: &'static str = "UserValidationResult";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Describes [`password`].
pub(in crate::http) fn password_operation() -> Operation {
    Operation::new("Returns whether a password is valid.")
        .takes::<PasswordValidRequest>()
        .answers::<bool>()
}

/// Describes [`password_with_reason`].
pub(in crate::http) fn password_with_reason_operation() -> Operation {
    Operation::new("Returns whether a password is valid, and the reason if not.")
        .takes::<PasswordValidRequest>()
        .answers_carrier::<UserValidationResult>()
}

/// Describes [`user_name`].
pub(in crate::http) fn user_name_operation() -> Operation {
    Operation::new("Returns whether a login name is valid and available.")
        .takes::<UserNameValidRequest>()
        .answers::<bool>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`user_name_with_reason`].
pub(in crate::http) fn user_name_with_reason_operation() -> Operation {
    Operation::new("Returns whether a login name is valid and available, and the reason if not.")
        .takes::<UserNameValidRequest>()
        .answers_carrier::<UserValidationResult>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`valid_user_name`].
pub(in crate::http) fn valid_user_name_operation() -> Operation {
    Operation::new("Returns an available login name that is similar to the given one.")
        .takes::<UserNameValidRequest>()
        .answers::<String>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Returns whether a password is valid.
pub(in crate::http) async fn password(
    context: RequestContext,
    Body(request): Body<PasswordValidRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    Ok(Negotiated(password_problems(context, &request).await?.is_empty()))
}

/// Returns whether a password is valid, and the reason if not.
pub(in crate::http) async fn password_with_reason(
    context: RequestContext,
    Body(request): Body<PasswordValidRequest>,
) -> Result<Negotiated<UserValidationResult>, ApiError> {
    let language = context.language().clone();
    let problems = password_problems(context, &request).await?;
    Ok(Negotiated(UserValidationResult::new("Password", &problems, &language)))
}

/// Returns whether a login name is valid and available.
pub(in crate::http) async fn user_name(
    context: RequestContext,
    Body(request): Body<UserNameValidRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    Ok(Negotiated(user_name_problem(context, &request).await?.is_none()))
}

/// Returns whether a login name is valid and available, and the reason if not.
pub(in crate::http) async fn user_name_with_reason(
    context: RequestContext,
    Body(request): Body<UserNameValidRequest>,
) -> Result<Negotiated<UserValidationResult>, ApiError> {
    let language = context.language().clone();
    let problem = user_name_problem(context, &request).await?;
    let problems: Vec<_> = problem.iter().map(|problem| problem.reason).collect();
    Ok(Negotiated(UserValidationResult::new("UserName", &problems, &language)))
}

/// Returns an available login name.
pub(in crate::http) async fn valid_user_name(
    context: RequestContext,
    Body(request): Body<UserNameValidRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let except = except(&request)?;
    let name =
        NewLoginName::similar_to(text(&request)?).unwrap_or_else(NewLoginName::default_suggestion);
    let free = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.free_name(&caller.principal, name, except).await
    });
    Ok(Negotiated(free.await?.as_str().to_owned()))
}

impl UserValidationResult {
    fn new(field: &str, problems: &[Reason], language: &Language) -> Self {
        let result = problems.is_empty();
        let reason = if result { String::new() } else { language.reasons(field, problems) };
        Self { reason, result, table_right: Some(TableRight::READ_ONLY), field_properties: None }
    }
}

/// Checks a password for the user of the request, or for the caller.
async fn password_problems(
    context: RequestContext,
    request: &PasswordValidRequest,
) -> Result<Vec<Reason>, ApiError> {
    let required = || InvalidField::new("Password", Reason::Required);
    let password = request.password.as_ref().ok_or_else(required)?;
    let password = match CredentialValue::parse("Password", password) {
        Ok(password) => password,
        Err(problem) => return Ok(vec![problem.reason]),
    };
    let user_id = request.associate_id.and_then(|id| UserId::try_from(id).ok());
    let problems = context.read(|passwords: Arc<Passwords>, caller| async move {
        passwords.problems(&caller.principal, user_id, &password).await
    });
    problems.await
}

async fn user_name_problem(
    context: RequestContext,
    request: &UserNameValidRequest,
) -> Result<Option<InvalidField>, ApiError> {
    let except = except(request)?;
    let name = match NewLoginName::parse(text(request)?) {
        Ok(name) => name,
        Err(problem) => return Ok(Some(problem)),
    };
    let is_free = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.is_name_free(&caller.principal, &name, except).await
    });
    let taken = || InvalidField::new("UserName", Reason::Taken);
    Ok(if is_free.await? { None } else { Some(taken()) })
}

fn text(request: &UserNameValidRequest) -> Result<&str, InvalidField> {
    let required = || InvalidField::new("UserName", Reason::Required);
    request.user_name.as_deref().ok_or_else(required)
}

/// The user who may already have the name.
fn except(request: &UserNameValidRequest) -> Result<Option<UserId>, InvalidField> {
    let id = request.associate_id.filter(|id| *id != 0);
    id.map(|id| UserId::require("AssociateId", Some(id))).transpose()
}
