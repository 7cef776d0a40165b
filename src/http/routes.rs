//! The route table: the only list of what is served. Routes are registered from it, tests walk it.

use actix_web::{Route as Handler, http::Method, web};

use super::{agents::user::save_credential, keeper::tickets, user};

/// Who may call a route at all; rights are the use case's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Somebody who was authenticated.
    Authenticated,
}

/// One line of the table.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) handler: fn() -> Handler,
}

/// Every route but health, which stands on a listener of its own.
pub(super) fn routes() -> Vec<Route> {
    use Access::Authenticated;
    let route = |method, path, access, handler| Route { method, path, access, handler };
    vec![
        route(Method::POST, "/api/v1/Agents/User/SaveCredential", Authenticated, || {
            web::to(save_credential::save_credential)
        }),
        route(Method::GET, "/api/v1/User/currentPrincipal", Authenticated, || {
            web::to(user::current_principal::current_principal)
        }),
        route(Method::GET, "/api/v1/User/currentToken", Authenticated, || {
            web::to(user::current_token::current_token)
        }),
        route(Method::POST, "/keeper/tickets", Authenticated, || web::to(tickets::issue)),
        route(Method::DELETE, "/keeper/tickets/current", Authenticated, || {
            web::to(tickets::end_current)
        }),
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
