//! `GetValidUserNameForNewUser`, `GetDefaultAssociateUserName` and `IsNickNameUnique`: names before
//! they are saved (docs/reference/wire-contract.md#login-name-calls).

use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;

use super::save_user::SaveUserRequest;
use crate::{
    domain::{
        InvalidField, Reason, new_login_name::NewLoginName, nick_name::NickName, user::UserId,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::users::directory::UserDirectory,
};

/// A user without a login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct NewUserNameRequest {
    #[schema(required = true, nullable = false)]
    user: Option<SaveUserRequest>,
}

/// A nickname to check.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct NickNameRequest {
    /// The id of the user who would have the nickname; 0 or omitted for a new user.
    #[schema(minimum = 0)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false)]
    nick_name: Option<String>,
}

/// Describes [`for_new_user`].
pub(in crate::http) fn for_new_user_operation() -> Operation {
    Operation::new("Returns an available login name for a new user, similar to the given one.")
        .takes::<NewUserNameRequest>()
        .answers::<String>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`default_name`].
pub(in crate::http) fn default_name_operation() -> Operation {
    Operation::new("Returns an available login name that is made of the user's display name.")
        .takes::<NewUserNameRequest>()
        .answers::<String>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`is_nick_name_unique`].
pub(in crate::http) fn is_nick_name_unique_operation() -> Operation {
    Operation::new("Returns whether a nickname is valid and no other user has it.")
        .takes::<NickNameRequest>()
        .answers::<bool>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Returns an available login name, similar to the one of the user.
pub(in crate::http) async fn for_new_user(
    context: RequestContext,
    Body(request): Body<NewUserNameRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let user = user(request)?;
    let given = user.login_names().find_map(NewLoginName::similar_to);
    let name = given.unwrap_or_else(|| NewLoginName::suggested_by(user.descriptions()));
    free_name(context, user.associate_id(), name).await
}

/// Returns an available login name, made of the display name.
pub(in crate::http) async fn default_name(
    context: RequestContext,
    Body(request): Body<NewUserNameRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let user = user(request)?;
    let name = NewLoginName::suggested_by(user.descriptions().chain(user.login_names()));
    free_name(context, user.associate_id(), name).await
}

/// Returns whether a nickname can be saved.
pub(in crate::http) async fn is_nick_name_unique(
    context: RequestContext,
    Body(request): Body<NickNameRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let except = existing_user("AssociateId", request.associate_id)?;
    let required = || InvalidField::new("NickName", Reason::Required);
    let nick_name = NickName::parse("NickName", &request.nick_name.ok_or_else(required)?).ok();
    let is_free = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.is_nick_name_free(&caller.principal, nick_name.as_ref(), except).await
    });
    Ok(Negotiated(is_free.await?))
}

fn user(request: NewUserNameRequest) -> Result<SaveUserRequest, InvalidField> {
    request.user.ok_or_else(|| InvalidField::new("User", Reason::Required))
}

/// The id of a user who may already have the name.
fn existing_user(field: &str, id: Option<i32>) -> Result<Option<UserId>, InvalidField> {
    id.filter(|id| *id != 0).map(|id| UserId::require(field, Some(id))).transpose()
}

async fn free_name(
    context: RequestContext,
    associate_id: Option<i32>,
    name: NewLoginName,
) -> Result<Negotiated<String>, ApiError> {
    let except = existing_user("User.AssociateId", associate_id)?;
    let free = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.free_name(&caller.principal, name, except).await
    });
    Ok(Negotiated(free.await?.as_str().to_owned()))
}
