//! `CreateExternalUser`, `SetExternalUserInfo`, `DeleteExternalUser` and
//! `GenerateNewPasswordForExternalUser`: users of the type `ExternalAssociate`
//! (docs/reference/wire-contract.md#external-user-calls).

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{external_user_parts::ExternalUserParts, retire_user, set_password};
use crate::{
    domain::{
        InvalidField, Reason,
        credential::CredentialValue,
        credential_type::CredentialTypes,
        delete_user::DeleteUser,
        save_credential::NewCredential,
        save_user::SaveUser,
        user::{LoginName, UserId, UserReference, UserType},
        vendor_ids::VendorId,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// A new external user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct CreateExternalUserRequest {
    /// The id of the person, which is kept as given; 0 or omitted for none.
    #[schema(minimum = 0)]
    person_id: Option<i32>,
    /// The login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    user_name: Option<String>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    password: Option<SecretString>,
    /// The id of the role, which is kept as given and has no meaning here; 0 or omitted for none.
    #[schema(minimum = 0)]
    role_id: Option<i32>,
    /// False adds a disabled user.
    #[schema(required = true, nullable = false)]
    is_active: Option<bool>,
}

/// A change of an external user. Members whose part is not flagged are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SetExternalUserInfoRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    /// The new login name, for the part `UserName`.
    user_name: Option<String>,
    /// The new password, for the part `Password`.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// For the part `Active`: false disables the user, true enables it again.
    is_active: Option<bool>,
    /// The id of the role, for the part `Role`.
    role_id: Option<i32>,
    /// The parts to change: `All`, or one or more of `UserName`, `Password`, `Role` and `Active`,
    /// separated by commas. Omitted: nothing is changed.
    external_user_info_modification: Option<String>,
}

/// The external user to delete.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DeleteExternalUserRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
}

/// The external user who gets a generated password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GenerateExternalPasswordRequest {
    /// The user's login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    associate_name: Option<String>,
}

/// Describes [`create`].
pub(in crate::http) fn create_operation() -> Operation {
    hashing("Adds an external user with a password and returns the id.")
        .takes::<CreateExternalUserRequest>()
        .answers::<i32>()
        .refuses(ErrorKind::LoginNameTaken)
}

/// Describes [`change`].
pub(in crate::http) fn change_operation() -> Operation {
    hashing("Changes the flagged parts of an external user.")
        .takes::<SetExternalUserInfoRequest>()
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::LoginNameTaken)
}

/// Describes [`delete`].
pub(in crate::http) fn delete_operation() -> Operation {
    administering("Deletes an external user and all credentials, tickets and sessions of the user.")
        .takes::<DeleteExternalUserRequest>()
        .refuses(ErrorKind::UnknownUser)
}

/// Describes [`generate_password`].
pub(in crate::http) fn generate_password_operation() -> Operation {
    hashing("Sets a generated password for an external user and returns it once.")
        .takes::<GenerateExternalPasswordRequest>()
        .answers::<String>()
        .refuses(ErrorKind::UnknownUser)
}

/// The description of an operation that saves a password.
fn hashing(summary: &'static str) -> Operation {
    administering(summary).refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
}

fn administering(summary: &'static str) -> Operation {
    Operation::new(summary)
        .sensitive()
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Adds an external user.
pub(in crate::http) async fn create(
    context: RequestContext,
    Body(request): Body<CreateExternalUserRequest>,
) -> Result<Negotiated<i32>, ApiError> {
    let command = request.into_command(context.types())?;
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    let saved = saved.await.map_err(|error| error.of_password_in("Password"))?;
    Ok(Negotiated(saved.user.user_id.as_i32()))
}

/// Changes the flagged parts of an external user.
pub(in crate::http) async fn change(
    context: RequestContext,
    Body(request): Body<SetExternalUserInfoRequest>,
) -> Result<HttpResponse, ApiError> {
    let command = request.into_command(context.types())?;
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    saved.await.map_err(|error| error.of_password_in("Password"))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes an external user.
pub(in crate::http) async fn delete(
    context: RequestContext,
    Body(request): Body<DeleteExternalUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = UserReference::require_id("AssociateId", request.associate_id)?;
    let command = DeleteUser { is_for_external_users: true, ..DeleteUser::of(user) };
    retire_user::delete_by(context, command).await
}

/// Sets a generated password of an external user.
pub(in crate::http) async fn generate_password(
    context: RequestContext,
    Body(request): Body<GenerateExternalPasswordRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let user = UserReference::require_name("AssociateName", request.associate_name.as_deref())?;
    let generated = context.run(|users: Arc<Users>, caller| async move {
        users.set_generated_password_of_external(caller.change_context(), &user).await
    });
    let password = generated.await.map_err(|error| error.of_external_user_in("AssociateName"))?;
    Ok(set_password::generated(&password))
}

impl CreateExternalUserRequest {
    fn into_command(self, types: &CredentialTypes) -> Result<SaveUser, InvalidField> {
        let login_name = LoginName::require("UserName", self.user_name.as_deref())?;
        let password = new_password(self.password.as_ref(), types)?;
        let is_active = require_active(self.is_active)?;
        Ok(SaveUser {
            login_names: vec![login_name.into()],
            user_type: Some(UserType::External),
            is_retired: Some(!is_active),
            person_id: self.person_id.map(|id| VendorId::parse("PersonId", id)).transpose()?,
            role_id: self.role_id.map(|id| VendorId::parse("RoleId", id)).transpose()?,
            credentials: vec![password],
            ..SaveUser::default()
        })
    }
}

impl SetExternalUserInfoRequest {
    fn into_command(self, types: &CredentialTypes) -> Result<SaveUser, InvalidField> {
        let user_id = UserId::require("AssociateId", self.associate_id)?;
        let parts = self.external_user_info_modification.unwrap_or_default();
        let parts = ExternalUserParts::parse("ExternalUserInfoModification", &parts)?;
        let mut command = SaveUser { is_for_external_users: true, ..SaveUser::of(user_id) };
        if parts.contains(ExternalUserParts::USER_NAME) {
            let name = LoginName::require("UserName", self.user_name.as_deref())?;
            command.login_names.push(name.into());
        }
        if parts.contains(ExternalUserParts::PASSWORD) {
            command.credentials.push(new_password(self.password.as_ref(), types)?);
        }
        if parts.contains(ExternalUserParts::ROLE) {
            let required = || InvalidField::new("RoleId", Reason::Required);
            command.role_id = Some(VendorId::parse("RoleId", self.role_id.ok_or_else(required)?)?);
        }
        if parts.contains(ExternalUserParts::ACTIVE) {
            command.is_retired = Some(!require_active(self.is_active)?);
        }
        Ok(command)
    }
}

/// The credential with that password.
fn new_password(
    password: Option<&SecretString>,
    types: &CredentialTypes,
) -> Result<NewCredential, InvalidField> {
    let value = CredentialValue::require("Password", password)?;
    Ok(NewCredential::new(types.password().clone(), value))
}

fn require_active(is_active: Option<bool>) -> Result<bool, InvalidField> {
    is_active.ok_or_else(|| InvalidField::new("IsActive", Reason::Required))
}
