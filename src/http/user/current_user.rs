//! `GET /api/v1/User/current` and `currentAssociate`: read the user who is authenticated
//! (docs/reference/wire-contract.md#other-endpoints).

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::user::{User, UserReference},
    http::{
        agents::user::{get_user, user_carrier::UserCarrier},
        carriers::{FieldProperties, TableRight},
        error::{ApiError, ErrorKind},
        negotiation::Negotiated,
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{CARRIERS, user_type_name},
    },
};

// The vendor's `Associate`.
/// A summary of a user, as other carriers refer to it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct Associate {
    associate_id: i32,
    name: String,
    person_id: i32,
    rank: i32,
    tooltip: String,
    r#type: &'static str,
    group_idx: i32,
    full_name: String,
    formal_name: String,
    deleted: bool,
    ej_user_id: i32,
    user_name: String,
    extra_fields: BTreeMap<String, String>,
    custom_fields: BTreeMap<String, String>,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for Associate {
    const NAME: &'static str = "Associate";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Describes [`current`].
pub(in crate::http) fn current_operation() -> Operation {
    Operation::new("Returns the user who is authenticated.").answers_carrier::<UserCarrier>()
}

/// Describes [`current_associate`].
pub(in crate::http) fn associate_operation() -> Operation {
    Operation::new("Returns a summary of the user who is authenticated.")
        .answers_carrier::<Associate>()
}

/// Returns the caller's user.
pub(in crate::http) async fn current(
    context: RequestContext,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let user = UserReference::Id(context.principal().user_id());
    found(get_user::read(context, user).await?)
}

/// Returns a summary of the caller's user.
pub(in crate::http) async fn current_associate(context: RequestContext) -> Negotiated<Associate> {
    Negotiated(associate(context.principal().user.clone()))
}

fn found(user: Option<UserCarrier>) -> Result<Negotiated<UserCarrier>, ApiError> {
    Ok(Negotiated(user.ok_or(ErrorKind::UnknownUser)?))
}

fn associate(user: User) -> Associate {
    Associate {
        associate_id: user.user_id.as_i32(),
        name: user.login_name.clone(),
        person_id: user.vendor_ids.person.as_i32(),
        rank: 0,
        tooltip: user.display_name.clone(),
        r#type: user_type_name(user.user_type),
        group_idx: 0,
        full_name: user.display_name.clone(),
        formal_name: user.display_name,
        deleted: user.is_retired,
        ej_user_id: user.vendor_ids.ej_user.as_i32(),
        user_name: user.login_name,
        extra_fields: BTreeMap::new(),
        custom_fields: BTreeMap::new(),
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }
}
