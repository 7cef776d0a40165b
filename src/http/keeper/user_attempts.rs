//! `/keeper/users/{id}/attempts`: lists and resets the failed login attempts of a user, for
//! administrators and the help desk; auditors list them.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::principal::Actor,
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment},
        negotiation::Negotiated,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::throttling::lockouts::{FailedAttempts, Lockouts},
};

/// The failed login attempts for one credential type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct AttemptInfo {
    /// The credential type.
    #[serde(rename = "Type")]
    credential_type: String,
    /// The number of distinct wrong secrets since the last successful login.
    failures: u32,
    /// Attempts before this time are refused; null when there is no delay.
    #[schema(required = true)]
    next_allowed_at: Option<String>,
    /// True while the credential is locked. An administrator can unlock it.
    is_stopped: bool,
}

impl XmlNames for AttemptInfo {
    const NAME: &'static str = "AttemptInfo";
    const NAMESPACE: &'static str = "";
}

/// Describes [`list`].
pub(in crate::http) fn list_operation() -> Operation {
    Operation::new("Lists the failed login attempts of a user. For administrators, the help desk and auditors.")
        .answers_list::<AttemptInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::UnknownUser)
}

/// Describes [`unlock`].
pub(in crate::http) fn unlock_operation() -> Operation {
    Operation::new(
        "Resets the failed login attempts of a user and unlocks the account. For administrators and the help desk.",
    )
    .refuses(ErrorKind::Forbidden(MissingRight::HelpUsers))
    .sensitive()
    .refuses(ErrorKind::UnknownUser)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Lists the failed attempts.
pub(in crate::http) async fn list(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<Negotiated<Vec<AttemptInfo>>, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let listed = context.read(|lockouts: Arc<Lockouts>, caller| async move {
        lockouts.list(Actor::Principal(&caller.principal), user_id).await
    });
    let zone = TimeZone::of(request.headers());
    let info = |failed: FailedAttempts| {
        let next = failed.next_allowed_at.map(|at| format_moment(at, zone.as_ref()));
        AttemptInfo {
            credential_type: failed.credential_type,
            failures: failed.failures,
            next_allowed_at: next,
            is_stopped: failed.is_stopped,
        }
    };
    let listed = listed.await?.ok_or(ErrorKind::UnknownUser)?;
    Ok(Negotiated(listed.into_iter().map(info).collect()))
}

/// Resets the failed attempts.
pub(in crate::http) async fn unlock(
    context: RequestContext,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    context
        .run(|lockouts: Arc<Lockouts>, caller| async move {
            lockouts.unlock(caller.change_context(), user_id, None).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
