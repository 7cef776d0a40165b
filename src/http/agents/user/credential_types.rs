//! `POST /api/v1/Agents/User/GetCredentialTypes`, `…ForUserType` and
//! `GET /api/v1/User/CredentialTypes`: what a user can log in with.

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
    /// How a value is entered: `Static`, `Edit`, `Password`, `Link` or `Hidden`.
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

/// The users that types are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct TypesForUserTypeRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
}

/// The place of [`credential_types`] in the documents.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Lists the credential types that users can log in with.")
        .answers_list::<CredentialTypeCarrier>()
}

/// The place of [`for_user_type`] in the documents.
pub(in crate::http) fn for_user_type_operation() -> Operation {
    Operation::new("Lists the credential types that users of a type can log in with.")
        .takes::<TypesForUserTypeRequest>()
        .answers_list::<CredentialTypeCarrier>()
}

/// Answers every type of this installation. A body is not looked at (protocol.md 9.5).
pub(in crate::http) async fn credential_types(
    context: RequestContext,
) -> Negotiated<Vec<CredentialTypeCarrier>> {
    let types = context.types().iter();
    Negotiated(types.map(|of| CredentialTypeCarrier::new(of, context.language())).collect())
}

/// `POST /api/v1/Agents/User/GetCredentialTypesForUserType`: those that such users can have.
pub(in crate::http) async fn for_user_type(
    context: RequestContext,
    Body(request): Body<TypesForUserTypeRequest>,
) -> Result<Negotiated<Vec<CredentialTypeCarrier>>, ApiError> {
    let required = || InvalidField::new("UserType", Reason::Required);
    let name = request.user_type.ok_or_else(required)?;
    let user_type = read_user_type("UserType", &name)?;
    let types = context.types().iter().filter(|of| of.is_for(user_type));
    Ok(Negotiated(types.map(|of| CredentialTypeCarrier::new(of, context.language())).collect()))
}

impl CredentialTypeCarrier {
    /// What people read about a type, in their language unless the settings say it in theirs.
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

    /// A type that is stored and not configured any more.
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
