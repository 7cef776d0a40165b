//! `GetUser`, `GetUserFromName`, `GetUserInfo` and `GetUserInfoList`: what there is to know about a
//! user. Whoever is no administrator reads themselves (protocol.md 8.4 and 10.18).

use std::sync::Arc;

use actix_web::HttpRequest;
use serde::Deserialize;
use utoipa::ToSchema;

use super::user_carrier::{CarrierWriting, UserCarrier, UserInfo};
use crate::{
    domain::user::{UserId, UserReference},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, ListBody, Negotiated},
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::directory::UserDirectory,
};

/// The user of a login name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUserFromNameRequest {
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    user_name: Option<String>,
}

/// The place of [`get_user`] in the documents.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Tells about the user with that id; null when there is none.")
        .asks("userId", "The user's id.")
        .answers_carrier_or_null::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// The place of [`from_name`] in the documents.
pub(in crate::http) fn from_name_operation() -> Operation {
    Operation::new("Tells about the user with that login name; null when there is none.")
        .takes::<GetUserFromNameRequest>()
        .answers_carrier_or_null::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// The place of [`info`] in the documents.
pub(in crate::http) fn info_operation() -> Operation {
    Operation::new("Tells in short about the user with that id; null when there is none.")
        .asks("userInfoId", "The user's id.")
        .answers_carrier_or_null::<UserInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// The place of [`info_list`] in the documents.
pub(in crate::http) fn info_list_operation() -> Operation {
    Operation::new("Tells in short about those of the users that there are.")
        .takes_list_of_ids()
        .answers_list::<UserInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Tells about the user of an id.
pub(in crate::http) async fn get_user(
    context: RequestContext,
    request: HttpRequest,
) -> Result<Negotiated<Option<UserCarrier>>, ApiError> {
    let user_id = query::user_id(&request, "UserId")?;
    read(context, UserReference::Id(user_id)).await.map(Negotiated)
}

/// Tells about the user of a login name.
pub(in crate::http) async fn from_name(
    context: RequestContext,
    Body(request): Body<GetUserFromNameRequest>,
) -> Result<Negotiated<Option<UserCarrier>>, ApiError> {
    let user = UserReference::require_name("UserName", request.user_name.as_deref())?;
    read(context, user).await.map(Negotiated)
}

/// Tells in short about the user of an id.
pub(in crate::http) async fn info(
    context: RequestContext,
    request: HttpRequest,
) -> Result<Negotiated<Option<UserInfo>>, ApiError> {
    let user_id = query::user_id(&request, "UserInfoId")?;
    let found = read_all(context, vec![user_id]).await?;
    Ok(Negotiated(found.into_iter().next()))
}

/// Tells in short about several users.
pub(in crate::http) async fn info_list(
    context: RequestContext,
    ListBody(ids): ListBody<i32>,
) -> Result<Negotiated<Vec<UserInfo>>, ApiError> {
    let ids = ids.into_iter().enumerate();
    let ids = ids.map(|(index, id)| UserId::require(&format!("[{index}]"), Some(id)));
    read_all(context, ids.collect::<Result<_, _>>()?).await.map(Negotiated)
}

/// The user as a carrier.
pub(in crate::http) async fn read(
    context: RequestContext,
    user: UserReference,
) -> Result<Option<UserCarrier>, ApiError> {
    let as_carrier = CarrierWriting::of(&context);
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read(&caller.principal, user).await
    });
    Ok(found.await?.map(|found| as_carrier.user(found)))
}

async fn read_all(context: RequestContext, ids: Vec<UserId>) -> Result<Vec<UserInfo>, ApiError> {
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read_all(&caller.principal, &ids).await
    });
    Ok(found.await?.into_iter().map(UserInfo::from).collect())
}
