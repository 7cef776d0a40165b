//! `POST /api/v1/Agents/User/GetAccessToken`: issues an access token for an application.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    clock,
    domain::{InvalidField, Reason, credential::is_present},
    http::{
        error::ApiError,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::authentication::tokens::Tokens,
};

/// The application of the token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetAccessTokenRequest {
    /// The secret of the application; if omitted, the token is for the calling application.
    #[schema(value_type = Option<String>)]
    app_token: Option<SecretString>,
}

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Issues a Bearer access token for an application to the caller.")
        .takes_optional::<GetAccessTokenRequest>()
        .answers::<String>()
}

/// Issues a token, whose text is `8A:…`. `IncludeCsSession` is ignored: there is no such session.
pub(in crate::http) async fn get_access_token(
    context: RequestContext,
    Body(request): Body<GetAccessTokenRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let mut principal = context.principal().clone();
    let app_token = request.app_token.filter(is_present);
    if let Some(secret) = app_token {
        let known = context.capability::<Tokens>().find_application(&secret);
        let unknown = || InvalidField::new("AppToken", Reason::UnknownApplication);
        principal.application = Some(known.ok_or_else(unknown)?);
    }
    let token = context.capability::<Tokens>().issue(&principal, clock::now())?;
    Ok(Negotiated(token.expose_secret().to_owned()))
}
