//! The vendor's `User` and `UserInfo` (docs/reference/wire-contract.md#carriers). Members that this
//! service has no data for are zero, empty or null
//! ([ADR 21](../../../../docs/adr/0021-vendor-user-carriers.md)).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::credential_types::CredentialTypeCarrier;
use crate::{
    domain::{
        credential::{CredentialSummary, DisplayValue},
        credential_type::CredentialTypes,
        save_credential::NewCredential,
        user::{User, UserType},
        vendor_ids::VendorId,
    },
    http::{
        carriers::{Absent, FieldProperties, TableRight},
        localization::{Language, TimeZone, format_moment},
        request_context::RequestContext,
        vendor_names::{CARRIERS, role_name, user_type_name},
    },
    service::users::directory::UserWithCredentials,
};

/// The role of a user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = UserRole)]
pub(super) struct RoleCarrier {
    /// The vendor's id of the role, as it was saved; 0: none. It gives no rights.
    id: i32,
    /// `Administrator` or `User`.
    value: &'static str,
    tooltip: &'static str,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

// docs/reference/wire-contract.md#d15-values-are-write-only.
/// A stored credential. Its value is never returned.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = StoredCredential)]
pub(super) struct StoredCredentialCarrier {
    r#type: Option<CredentialTypeCarrier>,
    /// Always null.
    value: Option<Absent>,
    display_value: String,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

/// The person of a user. This service has no persons: it stores the id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = UserPerson)]
pub(super) struct PersonCarrier {
    person_id: i32,
    /// The user's display name.
    full_name: String,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

/// A user.
#[expect(clippy::struct_excessive_bools, reason = "the vendor's members")]
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = User)]
pub(in crate::http) struct UserCarrier {
    /// The user's id; 0 for a user that is not saved yet.
    associate_id: i32,
    /// The login name.
    name: String,
    rank: i32,
    /// The display name.
    tooltip: String,
    license_owners: Vec<String>,
    role: Option<RoleCarrier>,
    user_group: Option<Absent>,
    other_groups: Vec<String>,
    /// Null when the user has no person id.
    person: Option<PersonCarrier>,
    /// True for a disabled user.
    deleted: bool,
    /// When a credential of the user was last used to log in; recorded with a delay.
    lastlogin: Option<String>,
    lastlogout: Option<String>,
    ej_user_id: i32,
    /// Identifies the current state of the user. A save that sends it back fails if the user has
    /// changed.
    request_signature: String,
    r#type: &'static str,
    is_person_retired: bool,
    is_on_travel: bool,
    credentials: Vec<StoredCredentialCarrier>,
    /// The login name.
    user_name: String,
    ticket_categories: Vec<String>,
    nick_name: String,
    waiting_for_approval: bool,
    extra_fields: BTreeMap<String, String>,
    custom_fields: BTreeMap<String, String>,
    post_save_commands: Vec<String>,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for UserCarrier {
    const NAME: &'static str = "User";
    const NAMESPACE: &'static str = CARRIERS;
    const ITEMS: &'static [(&'static str, &'static str)] = &[("Credentials", "Credential")];
}

/// A summary of a user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UserInfo {
    deleted: bool,
    user_info_id: i32,
    user_name: String,
    person_id: i32,
    rank: i32,
    tooltip: String,
    user_group_id: i32,
    ej_user_id: i32,
    user_type: &'static str,
    granted_licenses: Vec<String>,
    can_logon: bool,
    role_name: &'static str,
    role_tooltip: &'static str,
    user_group_name: &'static str,
    user_group_tooltip: &'static str,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for UserInfo {
    const NAME: &'static str = "UserInfo";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Writes carriers in the language and the time zone of a request.
pub(in crate::http) struct CarrierWriting {
    types: CredentialTypes,
    language: Language,
    zone: Option<TimeZone>,
}

impl CarrierWriting {
    /// Takes the types, the language and the time zone from the context of a request.
    pub(in crate::http) fn of(context: &RequestContext) -> Self {
        Self {
            types: context.types().clone(),
            language: context.language().clone(),
            zone: context.time_zone().cloned(),
        }
    }

    /// The carrier of a stored user.
    pub(in crate::http) fn user(&self, found: UserWithCredentials) -> UserCarrier {
        let (signature, last_use) = (found.signature(), found.last_use());
        let UserWithCredentials { user, credentials } = found;
        let as_carrier = |summary: &CredentialSummary| {
            self.credential(&summary.credential_type, &summary.display_value)
        };
        let credentials = credentials.iter().map(as_carrier).collect();
        UserCarrier {
            associate_id: user.user_id.as_i32(),
            name: user.login_name.clone(),
            role: Some(role(user.is_administrator, user.vendor_ids.role)),
            person: PersonCarrier::new(user.vendor_ids.person, &user.display_name),
            ej_user_id: user.vendor_ids.ej_user.as_i32(),
            nick_name: user.nick_name,
            deleted: user.is_retired,
            is_person_retired: user.is_retired,
            tooltip: user.display_name,
            credentials,
            lastlogin: last_use.map(|at| format_moment(at, self.zone.as_ref())),
            user_name: user.login_name,
            request_signature: signature,
            ..UserCarrier::unsaved(user.user_type)
        }
    }

    /// A new user that is not saved yet, with a credential without its value.
    pub(super) fn unsaved_with_credential(
        &self,
        user_type: UserType,
        credential: &NewCredential,
    ) -> UserCarrier {
        let display_value = credential.display_value.as_ref().map(DisplayValue::as_str);
        let name = credential.credential_type.as_str();
        let credential = self.credential(name, display_value.unwrap_or_default());
        UserCarrier { credentials: vec![credential], ..UserCarrier::unsaved(user_type) }
    }

    fn credential(&self, name: &str, display_value: &str) -> StoredCredentialCarrier {
        let r#type = self.types.find(name).map_or_else(
            || CredentialTypeCarrier::unknown(name),
            |found| CredentialTypeCarrier::new(found, &self.language),
        );
        StoredCredentialCarrier {
            r#type: Some(r#type),
            value: None,
            display_value: display_value.to_owned(),
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}

impl UserCarrier {
    /// A new user of a person, not saved yet.
    pub(super) fn unsaved_of_person(user_type: UserType, person: VendorId) -> Self {
        Self { person: PersonCarrier::new(person, ""), ..Self::unsaved(user_type) }
    }

    /// A new user that is not saved yet.
    pub(super) fn unsaved(user_type: UserType) -> Self {
        Self {
            associate_id: 0,
            name: String::new(),
            rank: 0,
            tooltip: String::new(),
            license_owners: Vec::new(),
            role: Some(role(false, VendorId::default())),
            user_group: None,
            other_groups: Vec::new(),
            person: None,
            deleted: false,
            lastlogin: None,
            lastlogout: None,
            ej_user_id: 0,
            request_signature: String::new(),
            r#type: user_type_name(user_type),
            is_person_retired: false,
            is_on_travel: false,
            credentials: Vec::new(),
            user_name: String::new(),
            ticket_categories: Vec::new(),
            nick_name: String::new(),
            waiting_for_approval: false,
            extra_fields: BTreeMap::new(),
            custom_fields: BTreeMap::new(),
            post_save_commands: Vec::new(),
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}

impl From<User> for UserInfo {
    fn from(user: User) -> Self {
        Self {
            deleted: user.is_retired,
            user_info_id: user.user_id.as_i32(),
            user_name: user.login_name,
            person_id: user.vendor_ids.person.as_i32(),
            rank: 0,
            tooltip: user.display_name,
            user_group_id: 0,
            ej_user_id: user.vendor_ids.ej_user.as_i32(),
            user_type: user_type_name(user.user_type),
            granted_licenses: Vec::new(),
            can_logon: !user.is_retired,
            role_name: role_name(user.is_administrator),
            role_tooltip: "",
            user_group_name: "",
            user_group_tooltip: "",
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}

impl PersonCarrier {
    fn new(id: VendorId, full_name: &str) -> Option<Self> {
        (!id.is_none()).then(|| Self {
            person_id: id.as_i32(),
            full_name: full_name.to_owned(),
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        })
    }
}

fn role(is_administrator: bool, id: VendorId) -> RoleCarrier {
    RoleCarrier {
        id: id.as_i32(),
        value: role_name(is_administrator),
        tooltip: "",
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }
}
