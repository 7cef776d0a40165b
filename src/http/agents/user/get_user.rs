//! `GetUser`, `GetUserFromName`, `GetUserFromPersonId`, `GetUserFromEjUserId`, `GetUserInfo` and
//! `GetUserInfoList` read users. Only administrators may read other users (docs/reference/wire-contract.md#user-calls and
//! docs/reference/wire-contract.md#d18-missing-entities).

use std::sync::Arc;

use actix_web::HttpRequest;
use serde::Deserialize;
use utoipa::ToSchema;

use super::user_carrier::{CarrierWriting, UserCarrier, UserInfo};
use crate::{
    domain::{
        user::{UserId, UserReference},
        vendor_ids::VendorId,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, ListBody, Negotiated},
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::directory::UserDirectory,
};

/// The login name of the user to read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUserFromNameRequest {
    #[schema(required = true, nullable = false, min_length = 1, max_length = 239)]
    user_name: Option<String>,
}

/// The person of the users to read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUserFromPersonIdRequest {
    /// The vendor's id of the person.
    #[schema(required = true, nullable = false, minimum = 1)]
    person_id: Option<i32>,
}

/// The EJ user of the users to read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUserFromEjUserIdRequest {
    /// The vendor's id of the user in its customer service system.
    #[schema(required = true, nullable = false, minimum = 1)]
    ej_user_id: Option<i32>,
}

/// Describes [`get_user`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Returns the user with the given id; null when the user does not exist.")
        .asks("userId", "The user's id.")
        .answers_carrier_or_null::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`from_name`].
pub(in crate::http) fn from_name_operation() -> Operation {
    Operation::new("Returns the user with the given login name; null when the user does not exist.")
        .takes::<GetUserFromNameRequest>()
        .answers_carrier_or_null::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`from_person_id`].
pub(in crate::http) fn from_person_id_operation() -> Operation {
    Operation::new("Returns the users with the given person id, at most 500.")
        .takes::<GetUserFromPersonIdRequest>()
        .answers_list::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`from_ej_user_id`].
pub(in crate::http) fn from_ej_user_id_operation() -> Operation {
    Operation::new("Returns the users with the given EJ user id, at most 500.")
        .takes::<GetUserFromEjUserIdRequest>()
        .answers_list::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`info`].
pub(in crate::http) fn info_operation() -> Operation {
    Operation::new(
        "Returns a summary of the user with the given id; null when the user does not exist.",
    )
    .asks("userInfoId", "The user's id.")
    .answers_carrier_or_null::<UserInfo>()
    .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Describes [`info_list`].
pub(in crate::http) fn info_list_operation() -> Operation {
    Operation::new("Returns summaries of the users with the given ids; unknown ids are omitted.")
        .takes_list_of_ids()
        .answers_list::<UserInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Returns the user with an id.
pub(in crate::http) async fn get_user(
    context: RequestContext,
    request: HttpRequest,
) -> Result<Negotiated<Option<UserCarrier>>, ApiError> {
    let user_id = query::user_id(&request, "UserId")?;
    read(context, UserReference::Id(user_id)).await.map(Negotiated)
}

/// Returns the user with a login name.
pub(in crate::http) async fn from_name(
    context: RequestContext,
    Body(request): Body<GetUserFromNameRequest>,
) -> Result<Negotiated<Option<UserCarrier>>, ApiError> {
    let user = UserReference::require_name("UserName", request.user_name.as_deref())?;
    read(context, user).await.map(Negotiated)
}

/// Returns the users with a person id.
pub(in crate::http) async fn from_person_id(
    context: RequestContext,
    Body(request): Body<GetUserFromPersonIdRequest>,
) -> Result<Negotiated<Vec<UserCarrier>>, ApiError> {
    let person_id = VendorId::require("PersonId", request.person_id)?;
    let as_carrier = CarrierWriting::of(&context);
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read_by_person_id(&caller.principal, person_id).await
    });
    Ok(Negotiated(found.await?.into_iter().map(|found| as_carrier.user(found)).collect()))
}

/// Returns the users with an EJ user id.
pub(in crate::http) async fn from_ej_user_id(
    context: RequestContext,
    Body(request): Body<GetUserFromEjUserIdRequest>,
) -> Result<Negotiated<Vec<UserCarrier>>, ApiError> {
    let ej_user_id = VendorId::require("EjUserId", request.ej_user_id)?;
    let as_carrier = CarrierWriting::of(&context);
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read_by_ej_user_id(&caller.principal, ej_user_id).await
    });
    Ok(Negotiated(found.await?.into_iter().map(|found| as_carrier.user(found)).collect()))
}

/// Returns a summary of the user with an id.
pub(in crate::http) async fn info(
    context: RequestContext,
    request: HttpRequest,
) -> Result<Negotiated<Option<UserInfo>>, ApiError> {
    let user_id = query::user_id(&request, "UserInfoId")?;
    let found = read_all(context, vec![user_id]).await?;
    Ok(Negotiated(found.into_iter().next()))
}

/// Returns summaries of several users.
pub(in crate::http) async fn info_list(
    context: RequestContext,
    ListBody(ids): ListBody<i32>,
) -> Result<Negotiated<Vec<UserInfo>>, ApiError> {
    let ids = ids.into_iter().enumerate();
    let ids = ids.map(|(index, id)| UserId::require(&format!("[{index}]"), Some(id)));
    read_all(context, ids.collect::<Result<_, _>>()?).await.map(Negotiated)
}

/// Reads a user as a carrier.
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
