//! `POST /api/v1/Agents/User/DeleteCredential`: deletes the credential of one type.

use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        InvalidField, Reason,
        credential_type::{CredentialType, CredentialTypes},
        save_credential::find_type,
        user::UserId,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

/// The credential to delete.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DeleteCredentialRequest {
    /// The user's id (the vendor's associate id).
    #[schema(required = true, nullable = false, minimum = 1)]
    user_id: Option<i32>,
    /// The credential type, for example `ActiveDirectory`.
    #[schema(required = true, nullable = false)]
    credential_type: Option<String>,
}

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Deletes the user's credential of the given type; false when it does not exist.")
        .sensitive()
        .takes::<DeleteCredentialRequest>()
        .answers::<bool>()
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Deletes the credential (docs/reference/wire-contract.md#d18-missing-entities).
pub(in crate::http) async fn delete_credential(
    context: RequestContext,
    Body(request): Body<DeleteCredentialRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let user_id = UserId::require("UserId", request.user_id)?;
    let credential_type = named_type(request.credential_type.as_deref(), context.types())?;
    let deleted = context.run(|credentials: Arc<Credentials>, caller| async move {
        credentials.delete(caller.change_context(), user_id, &credential_type, None).await
    });
    Ok(Negotiated(deleted.await?))
}

/// The credential type to delete. There is no default.
fn named_type(name: Option<&str>, types: &CredentialTypes) -> Result<CredentialType, InvalidField> {
    let refuse = |reason| InvalidField::new("CredentialType", reason);
    let name = name.ok_or_else(|| refuse(Reason::Required))?;
    if name.is_empty() {
        return Err(refuse(Reason::Empty));
    }
    find_type("CredentialType", Some(name), types)
}
