//! `SetPassword` and `SetGeneratedPassword`, each also `…FromName`: an administrator sets the
//! password of a user (docs/reference/wire-contract.md#password-calls).

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{credential::CredentialValue, passwords::SetPassword, user::UserReference},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::credentials::passwords::Passwords,
};

/// The new password of a user, who is named by id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SetPasswordRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    password: Option<SecretString>,
}

/// The new password of a user, who is named by login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SetPasswordFromNameRequest {
    /// The user's login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    associate_name: Option<String>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    password: Option<SecretString>,
}

/// The user who gets a generated password, named by id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SetGeneratedPasswordRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
}

/// The user who gets a generated password, named by login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SetGeneratedPasswordFromNameRequest {
    /// The user's login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    associate_name: Option<String>,
}

/// Describes [`set`].
pub(in crate::http) fn set_operation() -> Operation {
    saving("Sets the password of the user with the given id. For administrators only.")
        .sensitive()
        .takes::<SetPasswordRequest>()
        .answers::<bool>()
}

/// Describes [`set_from_name`].
pub(in crate::http) fn set_from_name_operation() -> Operation {
    saving("Sets the password of the user with the given login name. For administrators only.")
        .sensitive()
        .takes::<SetPasswordFromNameRequest>()
        .answers::<bool>()
}

/// Describes [`generate`].
pub(in crate::http) fn generate_operation() -> Operation {
    saving("Sets a generated password for the user with the given id and returns it once.")
        .sensitive()
        .takes::<SetGeneratedPasswordRequest>()
        .answers::<String>()
}

/// Describes [`generate_from_name`].
pub(in crate::http) fn generate_from_name_operation() -> Operation {
    saving("Sets a generated password for the user with the given login name and returns it once.")
        .sensitive()
        .takes::<SetGeneratedPasswordFromNameRequest>()
        .answers::<String>()
}

/// The description of an operation that saves a password.
pub(super) fn saving(summary: &'static str) -> Operation {
    Operation::new(summary)
        .refuses(ErrorKind::Forbidden(MissingRight::SaveCredential))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Sets a password by id.
pub(in crate::http) async fn set(
    context: RequestContext,
    Body(request): Body<SetPasswordRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    save(context, user, request.password.as_ref()).await
}

/// Sets a password by login name.
pub(in crate::http) async fn set_from_name(
    context: RequestContext,
    Body(request): Body<SetPasswordFromNameRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user = UserReference::require_name("AssociateName", request.associate_name.as_deref())?;
    save(context, user, request.password.as_ref()).await
}

/// Sets a generated password by id.
pub(in crate::http) async fn generate(
    context: RequestContext,
    Body(request): Body<SetGeneratedPasswordRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    save_generated(context, user).await
}

/// Sets a generated password by login name.
pub(in crate::http) async fn generate_from_name(
    context: RequestContext,
    Body(request): Body<SetGeneratedPasswordFromNameRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let user = UserReference::require_name("AssociateName", request.associate_name.as_deref())?;
    save_generated(context, user).await
}

async fn save(
    context: RequestContext,
    user: UserReference,
    password: Option<&SecretString>,
) -> Result<Negotiated<bool>, ApiError> {
    let password = CredentialValue::require("Password", password)?;
    let command = SetPassword { user, password };
    let set = context.run(|passwords: Arc<Passwords>, caller| async move {
        passwords.set(caller.change_context(), command).await
    });
    set.await.map_err(|error| error.of_password_in("Password"))?;
    Ok(Negotiated(true))
}

async fn save_generated(
    context: RequestContext,
    user: UserReference,
) -> Result<Negotiated<String>, ApiError> {
    let password = context.run(|passwords: Arc<Passwords>, caller| async move {
        passwords.set_generated(caller.change_context(), user).await
    });
    Ok(generated(&password.await?))
}

/// Answers a generated password, which cannot be read again.
pub(super) fn generated(password: &SecretString) -> Negotiated<String> {
    Negotiated(password.expose_secret().to_owned())
}
