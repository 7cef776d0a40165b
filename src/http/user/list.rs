//! `GET /api/v1/User`: lists users page by page (docs/reference/wire-contract.md#d33-rest,
//! [ADR 51](../../../docs/adr/0051-rest-users.md)).

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::HeaderMap},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wire_formats::{Selection, XmlNames};

use super::{
    links::{Addresses, Links},
    list_query::Parameters,
};
use crate::{
    domain::{
        user::User,
        user_list::{MAXIMUM_SKIP, MAXIMUM_TOP, UserPage},
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation,
        openapi::parameters,
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{role_name, user_type_name},
    },
    service::users::directory::UserDirectory,
};

/// The path of the list below the base path, in the lower case that paths have after routing.
const PATH: &str = "/api/v1/user";

/// The kind of the rows.
const ENTITY: &str = "user";

/// A user in a list. `$select` applies to all members but `PrimaryKey` and `EntityName`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ListedUser {
    /// The user's id.
    primary_key: String,
    /// Always `user`.
    entity_name: &'static str,
    id: i32,
    /// The login name.
    name: String,
    /// The display name.
    full_name: String,
    /// For example `InternalAssociate`.
    r#type: &'static str,
    /// `Administrator` or `User`.
    role: &'static str,
    /// True for a disabled user.
    retired: bool,
    #[serde(rename = "_Links")]
    links: Option<Links>,
}

/// A page of a list of users.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct UserList {
    /// The address of the description of this API.
    #[serde(rename = "odata.metadata")]
    metadata: String,
    /// The address of the next page; null on the last page.
    #[serde(rename = "odata.nextLink")]
    next_link: Option<String>,
    #[schema(value_type = Vec<ListedUser>)]
    value: Vec<Value>,
}

impl XmlNames for UserList {
    const NAME: &'static str = "UserList";
    const NAMESPACE: &'static str = "";
    const ITEMS: &'static [(&'static str, &'static str)] = &[("value", "User")];
}

/// Describes [`list`].
pub(in crate::http) fn operation() -> Operation {
    let filter = "One to three conditions on different fields, joined by `and`: `name eq 'text'`, \
                  `name startswith 'text'`, `type eq 'name'`, `retired eq true` or `false`.";
    let order = "`id`, `name` or `type`, optionally followed by `asc` or `desc`.";
    let token = "The position after a page, from `odata.nextLink`.";
    let format = "`json` or `xml`; overrides Accept.";
    Operation::new("Lists users page by page; odata.nextLink leads to the next page.")
        .answers_page::<UserList, ListedUser>()
        .accepts(parameters::text("$filter", filter))
        .accepts(parameters::text("$orderby", order))
        .accepts(parameters::number("$top", "The size of a page.", 1, MAXIMUM_TOP))
        .accepts(parameters::number("$skip", "The number of users to skip.", 0, MAXIMUM_SKIP))
        .accepts(parameters::text("$skiptoken", token))
        .accepts(parameters::choice("$format", format, &["json", "xml"]))
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
}

/// Lists a page of users.
pub(in crate::http) async fn list(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::read(request.query_string())?;
    let query = parameters.to_query()?;
    let headers = parameters.with_format(request.headers())?;
    let listed = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.list(&caller.principal, &query).await
    });
    let UserPage { users, next } = listed.await?;
    let addresses = Addresses::of(&request);
    let selection = Selection::from_query(request.query_string());
    let rows = users.into_iter().map(|user| row(&addresses, &selection, user));
    let page = UserList {
        metadata: addresses.description(),
        next_link: next.map(|order| format!("{}?{}", addresses.archive(), parameters.next(&order))),
        value: rows.collect::<Result<_, _>>()?,
    };
    Ok(negotiation::write(HttpResponse::Ok(), &headers, &page))
}

/// The headers of a failed request, in which a valid `$format` of a list replaces `Accept`, also when
/// only the head of the list was asked for.
pub(in crate::http) fn headers_of_error(request: &HttpRequest) -> Cow<'_, HeaderMap> {
    let headers = request.headers();
    let is_list = [Method::GET, Method::HEAD].contains(request.method())
        && request.match_pattern().is_some_and(|pattern| pattern.ends_with(PATH));
    if !is_list {
        return Cow::Borrowed(headers);
    }
    let parameters = Parameters::of_error(request.query_string());
    parameters.with_format(headers).unwrap_or(Cow::Borrowed(headers))
}

/// A row with its selected members.
fn row(addresses: &Addresses, selection: &Selection, user: User) -> Result<Value, ApiError> {
    let key = user.user_id.to_string();
    let row = ListedUser {
        primary_key: key.clone(),
        entity_name: ENTITY,
        id: user.user_id.as_i32(),
        full_name: user.display_name,
        name: user.login_name,
        r#type: user_type_name(user.user_type),
        role: role_name(user.is_administrator),
        retired: user.is_retired,
        links: Some(addresses.links(user.user_id)),
    };
    let unwritable = |error| ApiError::caused(ErrorKind::Internal, error);
    let mut row = serde_json::to_value(row).map_err(unwritable)?;
    selection.apply(&mut row);
    if let Value::Object(members) = &mut row {
        members.insert("PrimaryKey".to_owned(), Value::from(key));
        members.insert("EntityName".to_owned(), Value::from(ENTITY));
    }
    Ok(row)
}
