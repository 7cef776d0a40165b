//! `POST /api/v1/Agents/User/GetCredentialTypes`, `…ForUserType` and
//! `GET /api/v1/User/CredentialTypes`: the credential types of this installation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::{
        InvalidField, Reason,
        credential_type::{CredentialType, ValueControl},
    },
    http::{
        carriers::{FieldProperties, TableRight},
        error::ApiError,
        localization::Language,
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{CARRIERS, UserTypeName, control_name, read_user_type},
    },
};

// The vendor's `CredentialType`: docs/reference/wire-contract.md#carriers.
/// A credential type that users can log in with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CredentialType)]
pub(in crate::http) struct CredentialTypeCarrier {
    /// The display name, in the language of the request.
    display_type: String,
    /// The name in `Credential.Type.Type`.
    r#type: String,
    /// The description, in the language of the request.
    description: String,
    /// The input control of its value: `Static`, `Edit`, `Password`, `Link` or `Hidden`.
    value_control: &'static str,
    /// Always false: this service does not store persons.
    can_create_person: bool,
    /// True when users log in with a login name and this credential.
    is_user_name_supported: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for CredentialTypeCarrier {
    const NAME: &'static str = "CredentialType";
    const NAMESPACE: &'static str = CARRIERS;
}

/// The user type whose credential types are listed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct TypesForUserTypeRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
}

/// Describes [`credential_types`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Lists the credential types that users can log in with.")
        .answers_list::<CredentialTypeCarrier>()
}

/// Describes [`for_user_type`].
pub(in crate::http) fn for_user_type_operation() -> Operation {
    Operation::new("Lists the credential types that users of the given type can log in with.")
        .takes::<TypesForUserTypeRequest>()
        .answers_list::<CredentialTypeCarrier>()
}

/// Lists every type of this installation. A body is ignored
/// (docs/reference/wire-contract.md#request-bodies).
pub(in crate::http) async fn credential_types(
    context: RequestContext,
) -> Negotiated<Vec<CredentialTypeCarrier>> {
    let types = context.types().iter();
    let language = context.language();
    Negotiated(types.map(|found| CredentialTypeCarrier::new(found, language)).collect())
}

/// Lists the types for users of a user type.
pub(in crate::http) async fn for_user_type(
    context: RequestContext,
    Body(request): Body<TypesForUserTypeRequest>,
) -> Result<Negotiated<Vec<CredentialTypeCarrier>>, ApiError> {
    let required = || InvalidField::new("UserType", Reason::Required);
    let name = request.user_type.ok_or_else(required)?;
    let user_type = read_user_type("UserType", &name)?;
    let types = context.types().iter().filter(|found| found.is_allowed_for(user_type));
    let language = context.language();
    Ok(Negotiated(types.map(|found| CredentialTypeCarrier::new(found, language)).collect()))
}

impl CredentialTypeCarrier {
    /// A configured type, with its texts from the settings or in the language of the request.
    pub(super) fn new(credential_type: &CredentialType, language: &Language) -> Self {
        let name = credential_type.as_str();
        let key = credential_type.text_key();
        let (display_type, description) = match (credential_type.texts(), key) {
            (Some(texts), _) => (texts.display_type.clone(), texts.description.clone()),
            (None, Some(key)) => (language.text(key), language.text(&format!("{key}-description"))),
            (None, None) => (name.to_owned(), String::new()),
        };
        Self {
            display_type,
            r#type: name.to_owned(),
            description,
            value_control: control_name(credential_type.control()),
            can_create_person: false,
            is_user_name_supported: credential_type.is_usable_for_basic(),
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }

    /// A stored type that is no longer configured.
    pub(super) fn unknown(name: &str) -> Self {
        Self {
            display_type: name.to_owned(),
            r#type: name.to_owned(),
            description: String::new(),
            value_control: control_name(ValueControl::Hidden),
            can_create_person: false,
            is_user_name_supported: false,
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}
