//! `POST /api/v1/Agents/User/GetCredentialTypes` and `GET /api/v1/User/CredentialTypes`: what a
//! user can log in with.

use actix_web::{HttpRequest, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::credential_type::CredentialType,
    http::{
        carriers::{FieldProperties, TableRight},
        localisation::Language,
        negotiation::{CARRIERS, Negotiated, XmlNames},
        openapi::Operation,
        state::HttpState,
    },
};

// The vendor's `CredentialType`: protocol.md 7.1.
/// Something that users can log in with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CredentialType)]
pub(in crate::http) struct CredentialTypeCarrier {
    /// The name that people read, in their language.
    display_type: String,
    /// The name that `Credential.Type.Type` has.
    r#type: String,
    /// What people read when they choose one.
    description: String,
    /// How a value is entered: `Password`, `Link` or `Edit`.
    value_control: &'static str,
    /// Always false: this service has no persons.
    can_create_person: bool,
    /// True when a login name belongs to it.
    is_user_name_supported: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for CredentialTypeCarrier {
    const NAME: &'static str = "CredentialType";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Its place in the documents.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Lists the credential types that users can log in with.")
        .answers_list::<CredentialTypeCarrier>()
}

/// Answers every type of this installation. A body is not looked at (protocol.md 9.5).
pub(in crate::http) async fn credential_types(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Negotiated<Vec<CredentialTypeCarrier>> {
    let language = Language::of(request.headers());
    let types = state.service.service().types.iter();
    Negotiated(types.map(|credential_type| carrier(credential_type, &language)).collect())
}

fn carrier(credential_type: &CredentialType, language: &Language) -> CredentialTypeCarrier {
    let name = credential_type.as_str();
    let key = credential_type.text_key();
    CredentialTypeCarrier {
        display_type: key.map_or_else(|| name.to_owned(), |key| language.text(key)),
        r#type: name.to_owned(),
        description: key
            .map(|key| language.text(&format!("{key}-description")))
            .unwrap_or_default(),
        value_control: value_control(credential_type),
        can_create_person: false,
        is_user_name_supported: credential_type.is_usable_for_basic(),
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }
}

/// The vendor's `CredentialControlType` (protocol.md 7.1).
fn value_control(credential_type: &CredentialType) -> &'static str {
    if !credential_type.is_identifier() {
        "Password"
    } else if credential_type.is_active_directory() {
        "Link"
    } else {
        "Edit"
    }
}
