//! `POST /api/v1/Agents/User/GetAccessToken`: a Bearer token for whoever asks, for an application.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    clock,
    domain::{InvalidField, Reason, credential::is_said},
    http::{
        error::ApiError,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::authentication::tokens::Tokens,
};

/// For which application the token is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetAccessTokenRequest {
    /// The application's secret; none: the one that asks.
    #[schema(value_type = Option<String>)]
    app_token: Option<SecretString>,
}

/// Its place in the documents.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Gives the caller an access token for an application, to be used as Bearer.")
        .takes_optional::<GetAccessTokenRequest>()
        .answers::<String>()
}

/// Answers the text `8A:…`. `IncludeCsSession` is not looked at: there is no such session.
pub(in crate::http) async fn get_access_token(
    context: RequestContext,
    Body(request): Body<GetAccessTokenRequest>,
) -> Result<Negotiated<String>, ApiError> {
    let mut principal = context.principal().clone();
    let asked = request.app_token.filter(is_said);
    if let Some(secret) = asked {
        let known = context.capability::<Tokens>().find_application(&secret);
        let unknown = || InvalidField::new("AppToken", Reason::UnknownApplication);
        principal.application = Some(known.ok_or_else(unknown)?);
    }
    let token = context.capability::<Tokens>().issue(&principal, clock::now())?;
    Ok(Negotiated(token.expose_secret().to_owned()))
}
