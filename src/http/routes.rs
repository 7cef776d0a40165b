//! The route table: the only list of what is served. Routes are registered from it, documents are
//! made from it, tests walk it.

use actix_web::{Route as Handler, http::Method, web};

use super::{
    agents::user::{credential_types, save_credential},
    api,
    keeper::tickets,
    openapi::Operation,
    pages::{assets, docs, login, logout},
    user::{current_principal, current_token},
};

/// Who may call a route at all; rights are the use case's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anybody,
    /// Somebody who was authenticated.
    Authenticated,
    /// Somebody who was authenticated; online, by a trusted application (protocol.md 10.9).
    Agent,
}

/// One line of the table.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) handler: fn() -> Handler,
    /// What the documents say; `None`: nothing, as of parts of pages.
    pub(super) operation: Option<fn() -> Operation>,
}

impl Route {
    fn new(
        method: Method,
        path: &'static str,
        access: Access,
        handler: fn() -> Handler,
        operation: fn() -> Operation,
    ) -> Self {
        Self { method, path, access, handler, operation: Some(operation) }
    }
}

/// Every route but health, which stands on a listener of its own.
pub(super) fn routes() -> Vec<Route> {
    use Access::{Agent, Anybody, Authenticated};
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let mut routes = vec![
        Route::new(
            post.clone(),
            "/api/v1/Agents/User/SaveCredential",
            Agent,
            || web::to(save_credential::save_credential),
            save_credential::operation,
        ),
        Route::new(
            post.clone(),
            "/api/v1/Agents/User/GetCredentialTypes",
            Agent,
            || web::to(credential_types::credential_types),
            credential_types::operation,
        ),
        Route::new(
            get.clone(),
            "/api/v1/User/CredentialTypes",
            Authenticated,
            || web::to(credential_types::credential_types),
            credential_types::operation,
        ),
        Route::new(
            get.clone(),
            "/api/v1/User/currentPrincipal",
            Authenticated,
            || web::to(current_principal::current_principal),
            current_principal::operation,
        ),
        Route::new(
            get.clone(),
            "/api/v1/User/currentToken",
            Authenticated,
            || web::to(current_token::current_token),
            current_token::operation,
        ),
        Route::new(
            post.clone(),
            "/keeper/tickets",
            Authenticated,
            || web::to(tickets::issue),
            tickets::issue_operation,
        ),
        Route::new(
            delete,
            "/keeper/tickets/current",
            Authenticated,
            || web::to(tickets::end_current),
            tickets::end_current_operation,
        ),
    ];
    let page = |method: &Method, path, handler, operation| {
        Route::new(method.clone(), path, Anybody, handler, operation)
    };
    routes.extend([
        page(&get, "/api", || web::to(api::version), api::version_operation),
        page(&get, "/api/v1", || web::to(api::list), api::routes_operation),
        page(&get, "/openapi.json", || web::to(docs::openapi), docs::openapi_operation),
        page(&get, "/docs", || web::to(docs::docs), docs::docs_operation),
        page(&get, "/login", || web::to(login::show), login::show_operation),
        page(&post, "/login", || web::to(login::sign_in), login::sign_in_operation),
        page(&post, "/logout", || web::to(logout::sign_out), logout::operation),
        Route {
            method: get,
            path: assets::STYLE_PATH,
            access: Anybody,
            handler: || web::to(assets::style),
            operation: None,
        },
    ]);
    routes
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
