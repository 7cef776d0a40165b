//! `GET /api/v1/User/currentPrincipal`: the authenticated user.

use actix_web::web::{Data, ReqData};
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::principal::Principal,
    http::{
        carriers::{FieldProperties, TableRight},
        negotiation::Negotiated,
        operation::Operation,
        state::HttpState,
        vendor_names::{CARRIERS, function_rights, role_name, role_type_name, user_type_name},
    },
    service::authentication::tokens::Tokens,
};

// The vendor's `SoPrincipalCarrier`: docs/reference/wire-contract.md#other-endpoints.
/// The authenticated user. Members that this service has no data for are zero, empty or null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SoPrincipalCarrier {
    user_type: &'static str,
    associate: String,
    associate_id: i32,
    is_person: bool,
    person_id: i32,
    country_id: i32,
    home_country_id: i32,
    contact_id: i32,
    group_id: i32,
    business_id: i32,
    category_id: i32,
    contact_owner: i32,
    role_id: i32,
    role_name: &'static str,
    role_description: &'static str,
    role_type: &'static str,
    licenses: Vec<String>,
    full_name: String,
    #[serde(rename = "EMailAddress")]
    e_mail_address: &'static str,
    function_rights: Vec<&'static str>,
    ej_user_id: i32,
    ej_access_level: i32,
    ej_user_status: &'static str,
    provided_credentials: Vec<String>,
    secondary_groups: Vec<i32>,
    database_context_identifier: String,
    user_name: String,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for SoPrincipalCarrier {
    const NAME: &'static str = "SoPrincipalCarrier";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Returns the authenticated user.").answers_carrier::<SoPrincipalCarrier>()
}

/// Returns the principal of the caller.
pub(in crate::http) async fn current_principal(
    principal: ReqData<Principal>,
    state: Data<HttpState>,
) -> Negotiated<SoPrincipalCarrier> {
    let context = state.service.get::<Tokens>().context().to_owned();
    Negotiated(carrier(principal.into_inner(), context))
}

fn carrier(principal: Principal, context: String) -> SoPrincipalCarrier {
    let may_administer = principal.may_administer_users();
    let user = principal.user;
    SoPrincipalCarrier {
        user_type: user_type_name(user.user_type),
        associate: user.login_name.clone(),
        associate_id: user.user_id.as_i32(),
        is_person: !user.vendor_ids.person.is_none(),
        person_id: user.vendor_ids.person.as_i32(),
        country_id: 0,
        home_country_id: 0,
        contact_id: 0,
        group_id: 0,
        business_id: 0,
        category_id: 0,
        contact_owner: 0,
        role_id: user.vendor_ids.role.as_i32(),
        role_name: role_name(may_administer),
        role_description: "",
        role_type: role_type_name(user.user_type),
        licenses: Vec::new(),
        function_rights: function_rights(&user).to_vec(),
        full_name: user.display_name,
        e_mail_address: "",
        ej_user_id: user.vendor_ids.ej_user.as_i32(),
        ej_access_level: 0,
        ej_user_status: "Unknown",
        provided_credentials: Vec::new(),
        secondary_groups: Vec::new(),
        database_context_identifier: context,
        user_name: user.login_name,
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }
}
