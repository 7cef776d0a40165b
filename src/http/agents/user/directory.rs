//! `POST /api/v1/Agents/User/FindCredentialsGroups`, `FindCredentialUsers` and
//! `GetCredentialUsersInGroup`: choose the value of a credential from a directory
//! (docs/reference/wire-contract.md#directory-calls).

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::{
        InvalidField, Reason,
        credential_type::{CredentialType, CredentialTypes, ValueControl},
        directory::{DirectoryGroup, DirectoryUser, DirectoryUsers, GroupName, SearchString},
        save_credential::find_type,
    },
    http::{
        carriers::{FieldProperties, TableRight},
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::CARRIERS,
    },
    service::directory::search::{DirectorySearch, DirectorySearchError},
};

const SEARCH_STRING: &str = "SearchString";
const GROUP_NAME: &str = "GroupName";

/// A credential type, and a part of a name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct FindRequest {
    /// A credential type whose values are chosen from a directory: `ActiveDirectory`.
    #[schema(required = true, nullable = false)]
    r#type: Option<String>,
    /// A part of the name. Empty or missing: everything.
    #[schema(max_length = 254)]
    search_string: Option<String>,
}

/// A credential type, and a group.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UsersInGroupRequest {
    /// A credential type whose values are chosen from a directory: `ActiveDirectory`.
    #[schema(required = true, nullable = false)]
    r#type: Option<String>,
    /// `Name` of a group.
    #[schema(required = true, nullable = false, max_length = 2048)]
    group_name: Option<String>,
}

// The vendor's `CredentialsGroup`: docs/reference/wire-contract.md#carriers.
/// A group of users in a directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CredentialsGroup)]
pub(in crate::http) struct GroupCarrier {
    /// The full name, for `GetCredentialUsersInGroup`. Empty for a group without users.
    name: String,
    /// The name that people read.
    display_name: String,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for GroupCarrier {
    const NAME: &'static str = "CredentialsGroup";
    const NAMESPACE: &'static str = CARRIERS;
}

// The vendor's `CredentialUser`: docs/reference/wire-contract.md#carriers.
/// A user in a directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CredentialUser)]
pub(in crate::http) struct DirectoryUserCarrier {
    /// The value to save as `Credential.Value`, such as a SID.
    value: String,
    /// The text to save as `Credential.DisplayValue`, such as `DOM\user`.
    display_value: String,
    /// One text for each heading.
    columns: Vec<String>,
    /// Always false: this service does not store persons.
    can_create_person: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

// The vendor's `CredentialsGroupUsers`: docs/reference/wire-contract.md#carriers.
/// Users in a directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CredentialsGroupUsers)]
pub(in crate::http) struct DirectoryUsersCarrier {
    /// The names of the columns.
    headings: Vec<String>,
    users: Vec<DirectoryUserCarrier>,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for DirectoryUsersCarrier {
    const NAME: &'static str = "CredentialsGroupUsers";
    const NAMESPACE: &'static str = CARRIERS;
    const ITEMS: &'static [(&'static str, &'static str)] = &[("Users", "CredentialUser")];
}

impl From<DirectoryGroup> for GroupCarrier {
    fn from(group: DirectoryGroup) -> Self {
        let DirectoryGroup { name, display_name } = group;
        let table_right = Some(TableRight::READ_ONLY);
        Self { name, display_name, table_right, field_properties: None }
    }
}

impl From<DirectoryUser> for DirectoryUserCarrier {
    fn from(user: DirectoryUser) -> Self {
        Self {
            value: user.value,
            display_value: user.display_value,
            columns: user.columns,
            can_create_person: false,
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}

impl From<DirectoryUsers> for DirectoryUsersCarrier {
    fn from(found: DirectoryUsers) -> Self {
        Self {
            headings: found.headings,
            users: found.users.into_iter().map(DirectoryUserCarrier::from).collect(),
            table_right: Some(TableRight::READ_ONLY),
            field_properties: None,
        }
    }
}

fn with_refusals(operation: Operation) -> Operation {
    operation
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::DirectoryUnavailable)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
}

/// Describes [`find_groups`].
pub(in crate::http) fn find_groups_operation() -> Operation {
    let operation = Operation::new("Finds groups of the directory by a part of their name.");
    with_refusals(operation.takes::<FindRequest>().answers_list::<GroupCarrier>())
}

/// Describes [`find_users`].
pub(in crate::http) fn find_users_operation() -> Operation {
    let operation = Operation::new("Finds users of the directory by a part of their name.");
    with_refusals(operation.takes::<FindRequest>().answers_carrier::<DirectoryUsersCarrier>())
}

/// Describes [`users_in_group`].
pub(in crate::http) fn users_in_group_operation() -> Operation {
    let operation = Operation::new("Lists the users in a group of the directory.");
    with_refusals(
        operation.takes::<UsersInGroupRequest>().answers_carrier::<DirectoryUsersCarrier>(),
    )
}

/// Finds groups; always at least one.
pub(in crate::http) async fn find_groups(
    context: RequestContext,
    Body(request): Body<FindRequest>,
) -> Result<Negotiated<Vec<GroupCarrier>>, ApiError> {
    let (credential_type, search) = request.check(context.types())?;
    let found = context.read(|directory: Arc<DirectorySearch>, caller| async move {
        let found = directory.find_groups(&caller.principal, &credential_type, &search).await;
        found.map_err(|error| describe(SEARCH_STRING, error))
    });
    Ok(Negotiated(found.await?.into_iter().map(GroupCarrier::from).collect()))
}

/// Finds users.
pub(in crate::http) async fn find_users(
    context: RequestContext,
    Body(request): Body<FindRequest>,
) -> Result<Negotiated<DirectoryUsersCarrier>, ApiError> {
    let (credential_type, search) = request.check(context.types())?;
    let found = context.read(|directory: Arc<DirectorySearch>, caller| async move {
        let found = directory.find_users(&caller.principal, &credential_type, &search).await;
        found.map_err(|error| describe(SEARCH_STRING, error))
    });
    Ok(Negotiated(found.await?.into()))
}

/// Lists the users in a group.
pub(in crate::http) async fn users_in_group(
    context: RequestContext,
    Body(request): Body<UsersInGroupRequest>,
) -> Result<Negotiated<DirectoryUsersCarrier>, ApiError> {
    let credential_type = choosable_type(request.r#type.as_deref(), context.types())?;
    let group = GroupName::require(GROUP_NAME, request.group_name)?;
    let found = context.read(|directory: Arc<DirectorySearch>, caller| async move {
        let found = directory.users_in_group(&caller.principal, &credential_type, &group).await;
        found.map_err(|error| describe(GROUP_NAME, error))
    });
    Ok(Negotiated(found.await?.into()))
}

impl FindRequest {
    fn check(
        self,
        types: &CredentialTypes,
    ) -> Result<(CredentialType, SearchString), InvalidField> {
        let credential_type = choosable_type(self.r#type.as_deref(), types)?;
        let search = SearchString::parse(SEARCH_STRING, self.search_string.unwrap_or_default())?;
        Ok((credential_type, search))
    }
}

/// The credential type, whose values must be chosen from a list. There is no default.
fn choosable_type(
    name: Option<&str>,
    types: &CredentialTypes,
) -> Result<CredentialType, InvalidField> {
    let refuse = |reason| InvalidField::new("Type", reason);
    let name = name.ok_or_else(|| refuse(Reason::Required))?;
    if name.is_empty() {
        return Err(refuse(Reason::Empty));
    }
    let found = find_type("Type", Some(name), types)?;
    if found.control() != ValueControl::Link {
        return Err(refuse(Reason::NoChoice));
    }
    Ok(found)
}

/// The error of a search. `field` is the member that matches too many entries.
fn describe(field: &str, error: DirectorySearchError) -> ApiError {
    let kind = match &error {
        DirectorySearchError::Forbidden => ErrorKind::Forbidden(MissingRight::ReadUser),
        DirectorySearchError::TooManyEntries(limit) => {
            InvalidField::new(field, Reason::TooManyMatches(*limit)).into()
        }
        DirectorySearchError::Busy(_) => {
            ErrorKind::Overloaded { retry_after: Duration::from_secs(1) }
        }
        DirectorySearchError::Unavailable(_) => ErrorKind::DirectoryUnavailable,
    };
    ApiError::caused(kind, error)
}
