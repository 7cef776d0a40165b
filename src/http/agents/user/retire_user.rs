//! `MakeRetired` and `DeleteUser`: users who may not log in any more, and users who are gone
//! (protocol.md 8.4).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{InvalidField, Reason, save_user::SaveUser, user::UserId},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::Body,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// Whether a user may log in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct MakeRetiredRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    /// True: not any more. False: again.
    #[schema(required = true, nullable = false)]
    retired: Option<bool>,
}

/// The place of [`retire`] in the documents.
pub(in crate::http) fn retire_operation() -> Operation {
    changing("Lets a user not log in any more, or again.").takes::<MakeRetiredRequest>()
}

/// The place of [`delete`] in the documents.
pub(in crate::http) fn delete_operation() -> Operation {
    changing("Deletes a user with everything that could log in as them.")
        .asks("userId", "The user's id.")
}

fn changing(summary: &'static str) -> Operation {
    Operation::new(summary)
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Retires a user, or takes that back.
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

/// Deletes a user.
pub(in crate::http) async fn delete(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id(&request, "UserId")?;
    context
        .run(|users: Arc<Users>, caller| async move {
            users.delete(caller.change_context(), user_id).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
