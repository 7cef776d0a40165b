//! `/keeper/users/{id}/change-required`: marks a credential that its owner must change, for
//! administrators (docs/reference/wire-contract.md#d35-forced-password-change).

use std::sync::Arc;

use actix_web::{HttpRequest, web::Path};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{InvalidField, Reason, change_cause::ChangeCause, save_credential::find_type},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        openapi::parameters,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::credentials::change_requirements::{ChangeRequirements, NewMark},
};

/// The parameter of the query with the credential type.
const TYPE: &str = "type";

/// The credential that its owner must change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct RequireChangeRequest {
    /// The credential type, for example `CRM5/PASSWORD`; if omitted, the default type of the
    /// installation.
    #[schema(max_length = 254)]
    r#type: Option<String>,
    /// `administrator` (if omitted), or `compromised`.
    cause: Option<String>,
}

/// Describes [`require`].
pub(in crate::http) fn require_operation() -> Operation {
    marking(
        "Marks a credential of a user: its owner must change it, and can do nothing else with it. \
         Ends everything issued to the user. False when there is no such credential. For \
         administrators only.",
    )
    .takes_optional::<RequireChangeRequest>()
}

/// Describes [`clear`].
pub(in crate::http) fn clear_operation() -> Operation {
    marking(
        "Removes the mark of a credential that its owner must change. False when it has none. For \
         administrators only.",
    )
    .accepts(parameters::text(
        TYPE,
        "The credential type; if omitted, the default type of the installation.",
    ))
}

fn marking(summary: &'static str) -> Operation {
    Operation::new(summary)
        .sensitive()
        .answers::<bool>()
        .refuses(ErrorKind::InvalidField(InvalidField::new(TYPE, Reason::UnknownType)))
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// `PUT`: marks the credential.
pub(in crate::http) async fn require(
    context: RequestContext,
    user: Path<String>,
    Body(request): Body<RequireChangeRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let credential_type = find_type("Type", request.r#type.as_deref(), context.types())?;
    let cause = parse_cause(request.cause.as_deref())?;
    let mark = NewMark { cause, version: None };
    let marked = context.run(|requirements: Arc<ChangeRequirements>, caller| async move {
        requirements.require(caller.change_context(), user_id, &credential_type, mark).await
    });
    Ok(Negotiated(marked.await?))
}

/// `DELETE`: removes the mark.
pub(in crate::http) async fn clear(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<Negotiated<bool>, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let name = query::optional(&request, TYPE)?;
    let credential_type = find_type(TYPE, name.as_deref(), context.types())?;
    let cleared = context.run(|requirements: Arc<ChangeRequirements>, caller| async move {
        requirements.clear(caller.change_context(), user_id, &credential_type, None).await
    });
    Ok(Negotiated(cleared.await?))
}

/// The cause in a request. An empty one counts as none.
fn parse_cause(text: Option<&str>) -> Result<ChangeCause, InvalidField> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(ChangeCause::Administrator);
    };
    let unknown = || InvalidField::new("Cause", Reason::UnknownChangeCause);
    ChangeCause::parse_given(text).ok_or_else(unknown)
}
