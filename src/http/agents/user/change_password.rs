//! `ChangePassword`, `ChangePasswordFromName` and `ChangeOwnPassword` replace a password that the
//! caller knows; `CanChangePassword` and `GetSupportedChangePasswordTypes` report whether the
//! caller may do so (docs/reference/wire-contract.md#password-calls).

use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use wire_formats::Texts;

use super::set_password::saving;
use crate::{
    domain::{
        InvalidField,
        credential::{CredentialValue, is_present},
        passwords::ChangePassword,
        user::UserReference,
    },
    http::{
        error::ApiError,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::credentials::passwords::Passwords,
};

/// The `ChangePasswordType`s of the vendor.
const BY_MAIL: &str = "Email";
const BY_PASSWORD: &str = "Password";

/// The old and the new password of a user, who is named by id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ChangePasswordRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    old_password: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<SecretString>,
}

/// The old and the new password of a user, who is named by login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ChangePasswordFromNameRequest {
    /// The user's login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    associate_name: Option<String>,
    /// Optional for administrators.
    #[schema(value_type = Option<String>, max_length = 1024)]
    old_password: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<SecretString>,
}

/// The old and the new password of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ChangeOwnPasswordRequest {
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    old_password: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<SecretString>,
}

/// The user whose password the caller wants to change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct CanChangePasswordRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
}

/// Describes [`change`].
pub(in crate::http) fn change_operation() -> Operation {
    saving(
        "Changes the password of the user with the given id; false when the old password is wrong.",
    )
    .sensitive()
    .takes::<ChangePasswordRequest>()
    .answers::<bool>()
}

/// Describes [`change_from_name`].
pub(in crate::http) fn change_from_name_operation() -> Operation {
    saving(
        "Changes the password of the user with the given login name; false when the old password is wrong.",
    )
    .sensitive()
    .takes::<ChangePasswordFromNameRequest>()
    .answers::<bool>()
}

/// Describes [`change_own`].
pub(in crate::http) fn change_own_operation() -> Operation {
    saving("Changes the caller's own password; false when the old password is wrong.")
        .takes::<ChangeOwnPasswordRequest>()
        .answers::<bool>()
}

/// Describes [`can_change`].
pub(in crate::http) fn can_change_operation() -> Operation {
    Operation::new(
        "Returns whether the caller may change the password of the user with the given id.",
    )
    .takes::<CanChangePasswordRequest>()
    .answers::<bool>()
}

/// Describes [`supported_types`].
pub(in crate::http) fn supported_types_operation() -> Operation {
    Operation::new(
        "Lists the ways in which the caller may change the password of the user with the given id.",
    )
    .takes::<CanChangePasswordRequest>()
    .answers::<Vec<String>>()
}

/// Changes a password by id.
pub(in crate::http) async fn change(
    context: RequestContext,
    Body(request): Body<ChangePasswordRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    let old = CredentialValue::require("OldPassword", request.old_password.as_ref())?;
    save(context, user, Some(old), request.new_password.as_ref()).await
}

/// Changes a password by login name. An administrator may omit the old password.
pub(in crate::http) async fn change_from_name(
    context: RequestContext,
    Body(request): Body<ChangePasswordFromNameRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user = UserReference::require_name("AssociateName", request.associate_name.as_deref())?;
    let old = optional_old_password(request.old_password.as_ref())?;
    save(context, user, old, request.new_password.as_ref()).await
}

/// Changes the caller's own password.
pub(in crate::http) async fn change_own(
    context: RequestContext,
    Body(request): Body<ChangeOwnPasswordRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user = UserReference::Id(context.principal().user_id());
    let old = CredentialValue::require("OldPassword", request.old_password.as_ref())?;
    save(context, user, Some(old), request.new_password.as_ref()).await
}

/// Returns whether the caller may change the password.
pub(in crate::http) async fn can_change(
    context: RequestContext,
    Body(request): Body<CanChangePasswordRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    is_allowed(context, &request).await.map(Negotiated)
}

/// Lists the ways in which the caller may change the password: `Email` if a mail would reach the
/// user, and `Password`.
pub(in crate::http) async fn supported_types(
    context: RequestContext,
    Body(request): Body<CanChangePasswordRequest>,
) -> Result<Negotiated<Texts>, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    let types = context
        .read(|passwords: Arc<Passwords>, caller| async move {
            passwords.change_types(&caller.principal, user).await
        })
        .await?;
    let supported = [(types.by_mail, BY_MAIL), (types.by_password, BY_PASSWORD)];
    let names = supported.into_iter().filter(|(is_supported, _)| *is_supported);
    Ok(Negotiated(Texts(names.map(|(_, name)| name.to_owned()).collect())))
}

async fn is_allowed(
    context: RequestContext,
    request: &CanChangePasswordRequest,
) -> Result<bool, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    context
        .read(|passwords: Arc<Passwords>, caller| async move {
            passwords.may_change(&caller.principal, user).await
        })
        .await
}

/// The old password; `None` when it is omitted or empty.
fn optional_old_password(
    old: Option<&SecretString>,
) -> Result<Option<CredentialValue>, InvalidField> {
    let old = old.filter(|text| is_present(text));
    old.map(|text| CredentialValue::parse("OldPassword", text)).transpose()
}

async fn save(
    context: RequestContext,
    user: UserReference,
    old: Option<CredentialValue>,
    new: Option<&SecretString>,
) -> Result<Negotiated<bool>, ApiError> {
    let new = CredentialValue::require("NewPassword", new)?;
    let command = ChangePassword { user, old, new };
    let changed = context.run(|passwords: Arc<Passwords>, caller| async move {
        passwords.change(caller.change_context(), command).await
    });
    Ok(Negotiated(changed.await.map_err(|error| error.of_password_in("NewPassword"))?))
}
