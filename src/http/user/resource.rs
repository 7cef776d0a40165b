//! `/api/v1/User/{user}`: reads, adds, changes, validates and deletes users by the rules of the User
//! agent (docs/reference/wire-contract.md#d33-rest, [ADR 51](../../../docs/adr/0051-rest-users.md)).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header::LastModified, web::Path};

use super::{
    links::{Addresses, UserWithLinks},
    precondition::{Dates, unmodified_since},
};
use crate::{
    clock,
    domain::{InvalidField, Reason, save_user::SaveUser, user::UserReference},
    http::{
        agents::user::{
            retire_user,
            save_user::{self, SaveUserRequest},
            user_carrier::CarrierWriting,
        },
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{self, Negotiated, RequiredBody},
        openapi::parameters,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::{directory::UserDirectory, saving::Users},
};

/// Describes [`read`].
pub(in crate::http) fn read_operation() -> Operation {
    Operation::new("Returns the user with the given id or login name.")
        .answers_carrier::<UserWithLinks>()
        .accepts(parameters::if_modified_since())
        .accepts(parameters::if_unmodified_since())
        .may_be_unmodified()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::PreconditionFailed)
}

/// Describes [`create`].
pub(in crate::http) fn create_operation() -> Operation {
    save_user::saving("Adds a user, including credentials.").answers_carrier::<UserWithLinks>()
}

/// Describes [`change`].
pub(in crate::http) fn change_operation() -> Operation {
    save_user::saving("Changes a user, including credentials. Omitted members stay.")
        .answers_carrier::<UserWithLinks>()
        .accepts(parameters::if_unmodified_since())
        .refuses(ErrorKind::PreconditionFailed)
}

/// Describes [`delete`].
pub(in crate::http) fn delete_operation() -> Operation {
    retire_user::deleting()
        .accepts(parameters::if_unmodified_since())
        .refuses(ErrorKind::PreconditionFailed)
}

/// Describes [`validate`].
pub(in crate::http) fn validate_operation() -> Operation {
    save_user::validating().takes::<SaveUserRequest>()
}

/// Returns a user.
pub(in crate::http) async fn read(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = query::user_of_path(&user)?;
    let as_carrier = CarrierWriting::of(&context);
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read_dated(&caller.principal, user).await
    });
    let dated = found.await?.ok_or(ErrorKind::UnknownUser)?;
    let last_modified = dated.found.last_use().unwrap_or(dated.changed_at).max(dated.changed_at);
    let times = Dates { changed_at: dated.changed_at, last_modified, now: clock::now() };
    let header = LastModified(times.last_modified());
    if times.is_not_modified(request.headers())? {
        return Ok(HttpResponse::NotModified().insert_header(header).finish());
    }
    let user_id = dated.found.user.user_id;
    let user = Addresses::of(&request).with_links(user_id, as_carrier.user(dated.found));
    let mut response = HttpResponse::Ok();
    response.insert_header(header);
    Ok(negotiation::write_selected(response, &request, &user))
}

/// Adds a user.
pub(in crate::http) async fn create(
    context: RequestContext,
    request: HttpRequest,
    RequiredBody(body): RequiredBody<SaveUserRequest>,
) -> Result<Negotiated<UserWithLinks>, ApiError> {
    let command = body.into_command(context.types())?;
    if command.user_id.is_some() {
        return Err(InvalidField::new("AssociateId", Reason::NotNew).into());
    }
    save(context, &request, None, command).await
}

/// Changes a user.
pub(in crate::http) async fn change(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
    RequiredBody(body): RequiredBody<SaveUserRequest>,
) -> Result<Negotiated<UserWithLinks>, ApiError> {
    let user = query::user_of_path(&user)?;
    let unmodified_since = unmodified_since(request.headers())?;
    let command = SaveUser { unmodified_since, ..body.into_change(context.types())? };
    save(context, &request, Some(user), command).await
}

/// Deletes a user.
pub(in crate::http) async fn delete(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = query::user_of_path(&user)?;
    let unmodified_since = unmodified_since(request.headers())?;
    retire_user::delete_unmodified(context, user, unmodified_since).await
}

/// Returns a reason for each invalid member of a user; empty when the user can be saved.
pub(in crate::http) async fn validate(
    context: RequestContext,
    request: HttpRequest,
    RequiredBody(body): RequiredBody<SaveUserRequest>,
) -> Result<HttpResponse, ApiError> {
    save_user::write_problems(context, request, body).await
}

/// Adds a user, or changes an existing one.
async fn save(
    context: RequestContext,
    request: &HttpRequest,
    existing: Option<UserReference>,
    command: SaveUser,
) -> Result<Negotiated<UserWithLinks>, ApiError> {
    let as_carrier = CarrierWriting::of(&context);
    let saved = context.run(|users: Arc<Users>, caller| async move {
        let context = caller.change_context();
        match existing {
            None => users.save(context, command).await,
            Some(user) => users.save_existing(context, &user, command).await,
        }
    });
    let saved = saved.await?;
    let user_id = saved.user.user_id;
    Ok(Negotiated(Addresses::of(request).with_links(user_id, as_carrier.user(saved))))
}
