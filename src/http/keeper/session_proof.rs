//! `/keeper/session/proof`: proves the password again in a session, so that the session may make
//! sensitive changes (docs/reference/sensitive-changes.md).

use std::sync::Arc;

use actix_web::HttpResponse;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{InvalidField, Reason},
    http::{
        authentication::refused,
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::Body,
        openapi::schemes,
        operation::Operation,
        request_context::RequestContext,
    },
    service::sessions::{errors::ProofError, sign_in::Sessions},
};

/// The password of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SessionProofRequest {
    #[schema(required = true, nullable = false, value_type = String, max_length = 1024)]
    password: Option<SecretString>,
}

/// Describes [`prove`].
pub(in crate::http) fn prove_operation() -> Operation {
    Operation::new(
        "Proves the password of the caller again, for sensitive changes in the next 10 minutes of \
         this session.",
    )
    .takes::<SessionProofRequest>()
    .authenticates_only_with(schemes::SESSION)
    .refuses(ErrorKind::Forbidden(MissingRight::ProveSession))
    .refuses(ErrorKind::TooManyAttempts { retry_after: None })
    .refuses(ErrorKind::Overloaded { retry_after: std::time::Duration::ZERO })
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Proves the password.
pub(in crate::http) async fn prove(
    context: RequestContext,
    Body(request): Body<SessionProofRequest>,
) -> Result<HttpResponse, ApiError> {
    let required = || InvalidField::new("Password", Reason::Required);
    let password = request.password.ok_or_else(required)?;
    context
        .run(|sessions: Arc<Sessions>, caller| async move {
            sessions.prove(caller.change_context(), &password).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NoSession => ErrorKind::Forbidden(MissingRight::ProveSession).into(),
            ProofError::Authentication(error) => refused(error),
            ProofError::Change(error) => error.into(),
        }
    }
}
