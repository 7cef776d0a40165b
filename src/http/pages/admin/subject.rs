//! The user that a page is about.

use std::sync::Arc;

use actix_web::HttpResponse;

use crate::{
    clock,
    domain::user::{UserId, UserReference},
    http::{
        error::{ApiError, ErrorKind},
        pages::{frame::PageFrame, html},
        request_context::RequestContext,
    },
    service::users::{
        directory::{UserDirectory, UserWithCredentials},
        overview::{UserOverview, UserOverviews},
    },
};

/// The path of the list of users, below the base path.
pub(super) const USERS: &str = "/admin/users";

/// The path of the page of a user, below the base path.
pub(super) fn path(user_id: UserId) -> String {
    format!("{USERS}/{user_id}")
}

/// Everything about a user, for callers who may read it.
pub(super) async fn read_overview(
    context: RequestContext,
    user_id: UserId,
) -> Result<UserOverview, ApiError> {
    let read = context.read(|overviews: Arc<UserOverviews>, caller| async move {
        overviews.read(&caller.principal, user_id, clock::now()).await
    });
    Ok(read.await?.ok_or(ErrorKind::UnknownUser)?)
}

/// A user with credentials, for callers who may read them.
pub(super) async fn read(
    context: RequestContext,
    user_id: UserId,
) -> Result<UserWithCredentials, ApiError> {
    let read = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read(&caller.principal, UserReference::Id(user_id)).await
    });
    Ok(read.await?.ok_or(ErrorKind::UnknownUser)?)
}

/// Redirects to the page of a user, after a form that is only shown again and has no fields.
pub(super) fn show(frame: &PageFrame, user_id: UserId) -> HttpResponse {
    html::redirect_to(&frame.url(&path(user_id)))
}
