//! `MakeRetired` disables or enables a user, `DeleteUser` deletes one, and `RemoveLicenses` changes
//! nothing (docs/reference/wire-contract.md#user-calls).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    domain::{
        InvalidField, Reason,
        delete_user::DeleteUser,
        save_user::SaveUser,
        user::{UserId, UserReference},
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::Body,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// The user to disable or enable.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct MakeRetiredRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    /// True disables the user; false enables it again.
    #[schema(required = true, nullable = false)]
    retired: Option<bool>,
}

/// The user whose licenses are removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct RemoveLicensesRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
}

/// Describes [`retire`].
pub(in crate::http) fn retire_operation() -> Operation {
    changing("Disables a user and revokes everything issued to them, or enables the user again.")
        .sensitive()
        .takes::<MakeRetiredRequest>()
}

/// Describes [`delete`].
pub(in crate::http) fn delete_operation() -> Operation {
    deleting().asks("userId", "The user's id.")
}

/// Describes [`remove_licenses`].
pub(in crate::http) fn remove_licenses_operation() -> Operation {
    administering("Changes nothing: this service has no licenses to remove from a user.")
        .takes::<RemoveLicensesRequest>()
}

/// Describes the deletion of a user.
pub(in crate::http) fn deleting() -> Operation {
    changing("Deletes a user and all credentials, tickets and sessions of the user.").sensitive()
}

/// Describes the change of a user as a whole.
pub(super) fn changing(summary: &'static str) -> Operation {
    administering(summary).refuses(ErrorKind::LastAdministrator)
}

fn administering(summary: &'static str) -> Operation {
    Operation::new(summary)
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Disables a user, or enables it again.
pub(in crate::http) async fn retire(
    context: RequestContext,
    Body(request): Body<MakeRetiredRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    let required = || InvalidField::new("Retired", Reason::Required);
    let is_retired = Some(request.retired.ok_or_else(required)?);
    let command = SaveUser { is_retired, ..SaveUser::of(user_id) };
    context
        .run(|users: Arc<Users>, caller| async move {
            users.save(caller.change_context(), command).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Removes the licenses of a user, who has none.
pub(in crate::http) async fn remove_licenses(
    context: RequestContext,
    Body(request): Body<RemoveLicensesRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    context
        .read(|users: Arc<Users>, caller| async move {
            users.remove_licenses(caller.change_context(), user_id).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a user.
pub(in crate::http) async fn delete(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id(&request, "UserId")?;
    delete_unmodified(context, UserReference::Id(user_id), None).await
}

/// Deletes a user, unless the user was changed after a time.
pub(in crate::http) async fn delete_unmodified(
    context: RequestContext,
    user: UserReference,
    unmodified_since: Option<OffsetDateTime>,
) -> Result<HttpResponse, ApiError> {
    delete_by(context, DeleteUser { unmodified_since, ..DeleteUser::of(user) }).await
}

/// Runs a command that deletes a user.
pub(super) async fn delete_by(
    context: RequestContext,
    command: DeleteUser,
) -> Result<HttpResponse, ApiError> {
    context
        .run(|users: Arc<Users>, caller| async move {
            users.delete(caller.change_context(), command).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
