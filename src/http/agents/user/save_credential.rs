//! `POST /api/v1/Agents/User/SaveCredential`: add or replace a credential of one type.

use actix_web::web::{Data, ReqData};

use crate::{
    clock,
    domain::{
        InvalidField,
        caller::Origin,
        principal::{Actor, Principal},
        save_credential::UncheckedSaveCredential,
    },
    http::{
        error::ApiError,
        negotiation::{Body, Members, Negotiated},
        state::HttpState,
    },
};

/// Saves the credential and answers the bare literal `true` (protocol.md 0).
///
/// The middleware of the route has already run, so an unauthenticated caller never gets a body
/// parsed.
pub(in crate::http) async fn save_credential(
    principal: ReqData<Principal>,
    origin: ReqData<Origin>,
    state: Data<HttpState>,
    Body(body): Body,
) -> Result<Negotiated<bool>, ApiError> {
    let command = read(&body.members()?)?.check(&state.service.service().types)?;
    // The command has the value now; no copy waits here for the hash and the commit.
    drop(body);
    tracing::Span::current()
        .record("user.id", command.user_id.as_i32())
        .record("credential.type", command.credential_type.as_str());
    let (principal, origin) = (principal.into_inner(), origin.into_inner());
    let saved = state.service.run(|service| async move {
        service.save_credential(Actor::Principal(&principal), &origin, command, clock::now()).await
    });
    saved.await??;
    Ok(Negotiated(true))
}

/// The members of a `SaveCredentialRequest` (protocol.md 0).
fn read(request: &Members<'_>) -> Result<UncheckedSaveCredential, InvalidField> {
    let user_id = request.integer("UserId")?;
    let credential =
        request.object("Credential")?.ok_or_else(|| request.refuse("Credential", "is required"))?;
    let credential_type = credential.object("Type")?;
    Ok(UncheckedSaveCredential {
        user_id,
        type_name: credential_type.map(|of| of.text("Type")).transpose()?.flatten(),
        value: credential.secret("Value")?,
        display_value: credential.text("DisplayValue")?,
    })
}
