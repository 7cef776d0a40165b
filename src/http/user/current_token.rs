//! `GET /api/v1/User/currentToken`: a Bearer token for whoever asks.

use actix_web::web::{Data, ReqData};
use secrecy::ExposeSecret;

use crate::{
    clock,
    domain::principal::Principal,
    http::{error::ApiError, negotiation::Negotiated, operation::Operation, state::HttpState},
    service::authentication::tokens::Tokens,
};

/// Its place in the documents.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Gives the caller an access token, to be used as Bearer.").answers::<String>()
}

/// Answers the text `8A:…` (protocol.md 1.5).
pub(in crate::http) async fn current_token(
    principal: ReqData<Principal>,
    state: Data<HttpState>,
) -> Result<Negotiated<String>, ApiError> {
    let token = state.service.get::<Tokens>().issue(&principal, clock::now())?;
    Ok(Negotiated(token.expose_secret().to_owned()))
}
