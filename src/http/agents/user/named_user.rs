//! `SaveUserFromName`, `DeleteUserFromName` and `ChangeUserType` do what `SaveUser` and `DeleteUser`
//! do (docs/reference/wire-contract.md#user-calls).

use std::sync::Arc;

use actix_web::HttpResponse;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    retire_user,
    save_user::{self, SaveUserRequest},
    user_carrier::{CarrierWriting, UserCarrier},
};
use crate::{
    domain::{
        InvalidField, Reason,
        save_user::SaveUser,
        user::{UserId, UserReference},
    },
    http::{
        error::ApiError,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{UserTypeName, read_user_type},
    },
    service::users::saving::Users,
};

/// The user to change, named by login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveUserFromNameRequest {
    /// The current login name.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    user_name: Option<String>,
    #[schema(required = true, nullable = false)]
    user: Option<SaveUserRequest>,
}

/// The user to delete, named by login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DeleteUserFromNameRequest {
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    user_name: Option<String>,
}

/// A user who exists, and their new type.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ChangeUserTypeRequest {
    #[schema(required = true, nullable = false)]
    user: Option<SaveUserRequest>,
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
}

/// Describes [`save`].
pub(in crate::http) fn save_operation() -> Operation {
    save_user::changing("Changes the user with the given login name, including credentials.")
        .takes::<SaveUserFromNameRequest>()
        .answers_carrier::<UserCarrier>()
}

/// Describes [`delete`].
pub(in crate::http) fn delete_operation() -> Operation {
    retire_user::changing(
        "Deletes the user with the given login name, and all their credentials and sessions.",
    )
    .sensitive()
    .takes::<DeleteUserFromNameRequest>()
}

/// Describes [`change_type`].
pub(in crate::http) fn change_type_operation() -> Operation {
    save_user::changing("Changes a user and their type.")
        .takes::<ChangeUserTypeRequest>()
        .answers_carrier::<UserCarrier>()
}

/// Changes a user by login name.
pub(in crate::http) async fn save(
    context: RequestContext,
    Body(request): Body<SaveUserFromNameRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let name = UserReference::require_name("UserName", request.user_name.as_deref())?;
    let command = command(&context, request.user)?;
    change(context, name, command).await
}

/// Deletes a user by login name.
pub(in crate::http) async fn delete(
    context: RequestContext,
    Body(request): Body<DeleteUserFromNameRequest>,
) -> Result<HttpResponse, ApiError> {
    let name = UserReference::require_name("UserName", request.user_name.as_deref())?;
    retire_user::delete_unmodified(context, name, None).await
}

/// Changes a user, who gets another type.
pub(in crate::http) async fn change_type(
    context: RequestContext,
    Body(request): Body<ChangeUserTypeRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let required = || InvalidField::new("UserType", Reason::Required);
    let name = request.user_type.ok_or_else(required)?;
    let user_type = Some(read_user_type("UserType", &name)?);
    let command = SaveUser { user_type, ..command(&context, request.user)? };
    // A user who is not saved has no type to change.
    let user_id = command.user_id.map(UserId::as_i32);
    let user = UserReference::require_id("User.AssociateId", user_id)?;
    change(context, user, command).await
}

fn command(context: &RequestContext, user: Option<SaveUserRequest>) -> Result<SaveUser, ApiError> {
    let user = user.ok_or_else(|| InvalidField::new("User", Reason::Required))?;
    let command = user.into_change(context.types());
    command.map_err(|kind| ApiError::from(kind).within("User"))
}

async fn change(
    context: RequestContext,
    user: UserReference,
    command: SaveUser,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let as_carrier = CarrierWriting::of(&context);
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save_existing(caller.change_context(), &user, command).await
    });
    let saved = saved.await.map_err(|error| error.within("User"))?;
    Ok(Negotiated(as_carrier.user(saved)))
}
