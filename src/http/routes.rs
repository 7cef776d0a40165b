//! The route table: the only list of what is served. Routes are registered from it, documents are
//! made from it, tests walk it.

use actix_web::{Route as Handler, http::Method, web};

use super::{
    agents,
    agents::user::credential_types,
    api,
    keeper::{tickets, user_attempts, user_tickets},
    openapi::Operation,
    pages::{assets, docs, login, logout},
    user::{current_principal, current_token, current_user},
};
use crate::service::authentication::Work;

/// Who may call a route at all; rights are the use case's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anybody,
    /// Somebody who was authenticated.
    Authenticated,
    /// Somebody who was authenticated; online, by a trusted application (protocol.md 10.9). What
    /// tells about users is as the agent is, wherever it stands.
    Agent,
}

/// One line of the table.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) work: Work,
    pub(super) handler: fn() -> Handler,
    /// What the documents say; `None`: nothing, as of parts of pages.
    pub(super) operation: Option<fn() -> Operation>,
}

impl Route {
    pub(super) fn new(
        method: Method,
        path: &'static str,
        access: Access,
        handler: fn() -> Handler,
        operation: fn() -> Operation,
    ) -> Self {
        Self { method, path, access, work: Work::Light, handler, operation: Some(operation) }
    }

    /// For what is hashed for every time.
    pub(super) fn hashing(self) -> Self {
        Self { work: Work::Hashing, ..self }
    }
}

/// Every route but health, which stands on a listener of its own.
pub(super) fn routes() -> Vec<Route> {
    [agents::user::routes::routes(), user_routes(), own_routes(), page_routes()]
        .into_iter()
        .flatten()
        .collect()
}

/// The same user, as a resource.
fn user_routes() -> Vec<Route> {
    let read = |path, handler, operation| {
        Route::new(Method::GET, path, Access::Authenticated, handler, operation)
    };
    vec![
        read(
            "/api/v1/User/CredentialTypes",
            || web::to(credential_types::credential_types),
            credential_types::operation,
        ),
        read(
            "/api/v1/User/currentPrincipal",
            || web::to(current_principal::current_principal),
            current_principal::operation,
        ),
        read(
            "/api/v1/User/currentToken",
            || web::to(current_token::current_token),
            current_token::operation,
        ),
        Route::new(
            Method::GET,
            "/api/v1/User/current",
            Access::Agent,
            || web::to(current_user::current),
            current_user::current_operation,
        ),
        read(
            "/api/v1/User/currentAssociate",
            || web::to(current_user::current_associate),
            current_user::associate_operation,
        ),
        // Last: the names above are no ids.
        Route::new(
            Method::GET,
            "/api/v1/User/{id}",
            Access::Agent,
            || web::to(current_user::by_id),
            current_user::by_id_operation,
        ),
    ]
}

/// What was tried in vain for a user.
const USER_ATTEMPTS: &str = "/keeper/users/{id}/attempts";

/// What there is of a user to end.
const USER_TICKETS: &str = "/keeper/users/{id}/tickets";

/// Additions of this service.
fn own_routes() -> Vec<Route> {
    let own = |method, path, handler, operation| {
        Route::new(method, path, Access::Authenticated, handler, operation)
    };
    let of_users = |method, path, handler, operation| {
        Route::new(method, path, Access::Agent, handler, operation)
    };
    vec![
        own(Method::POST, "/keeper/tickets", || web::to(tickets::issue), tickets::issue_operation),
        own(
            Method::DELETE,
            "/keeper/tickets/current",
            || web::to(tickets::end_current),
            tickets::end_current_operation,
        ),
        of_users(
            Method::GET,
            USER_TICKETS,
            || web::to(user_tickets::list),
            user_tickets::list_operation,
        ),
        of_users(
            Method::DELETE,
            USER_TICKETS,
            || web::to(user_tickets::end_all),
            user_tickets::end_all_operation,
        ),
        of_users(
            Method::DELETE,
            "/keeper/users/{id}/tickets/{ticket}",
            || web::to(user_tickets::end_one),
            user_tickets::end_one_operation,
        ),
        of_users(
            Method::GET,
            USER_ATTEMPTS,
            || web::to(user_attempts::list),
            user_attempts::list_operation,
        ),
        of_users(
            Method::DELETE,
            USER_ATTEMPTS,
            || web::to(user_attempts::unlock),
            user_attempts::unlock_operation,
        ),
    ]
}

/// Pages and documents.
fn page_routes() -> Vec<Route> {
    let page = |method, path, handler, operation| {
        Route::new(method, path, Access::Anybody, handler, operation)
    };
    let (get, post) = (|| Method::GET, || Method::POST);
    vec![
        page(get(), "/api", || web::to(api::version), api::version_operation),
        page(get(), "/api/v1", || web::to(api::list), api::routes_operation),
        page(get(), "/openapi.json", || web::to(docs::openapi), docs::openapi_operation),
        page(get(), "/docs", || web::to(docs::docs), docs::docs_operation),
        page(get(), "/login", || web::to(login::show), login::show_operation),
        page(post(), "/login", || web::to(login::sign_in), login::sign_in_operation),
        page(post(), "/logout", || web::to(logout::sign_out), logout::operation),
        Route {
            method: get(),
            path: "/",
            access: Access::Anybody,
            work: Work::Light,
            handler: || web::to(docs::lead_to),
            operation: None,
        },
        Route {
            method: get(),
            path: assets::STYLE_PATH,
            access: Access::Anybody,
            work: Work::Light,
            handler: || web::to(assets::style),
            operation: None,
        },
    ]
}

/// A route as others see it.
#[derive(Debug, Clone)]
pub struct RouteDescription {
    /// The method, in capitals.
    pub method: String,
    /// The path, in the vendor's spelling.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// The table, for tests and documents.
#[must_use]
pub fn describe_routes() -> Vec<RouteDescription> {
    let describe = |route: Route| RouteDescription {
        method: route.method.to_string(),
        path: route.path,
        access: route.access,
    };
    routes().into_iter().map(describe).collect()
}
