//! `GET /api/v1/User/currentToken`: issues an access token to the caller.

use actix_web::web::{Data, ReqData};
use secrecy::ExposeSecret;

use crate::{
    clock,
    domain::principal::Principal,
    http::{error::ApiError, negotiation::Negotiated, operation::Operation, state::HttpState},
    service::authentication::tokens::Tokens,
};

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Issues a Bearer access token to the caller.").answers::<String>()
}

/// Issues a token, whose text is `8A:…` (docs/reference/wire-contract.md#bearer-tokens).
pub(in crate::http) async fn current_token(
    principal: ReqData<Principal>,
    state: Data<HttpState>,
) -> Result<Negotiated<String>, ApiError> {
    let token = state.service.get::<Tokens>().issue(&principal, clock::now())?;
    Ok(Negotiated(token.expose_secret().to_owned()))
}
