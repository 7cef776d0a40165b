//! The route table, the single list of all routes. The router, the documents and the tests are
//! built from it.

use super::{
    agents,
    agents::user::{credential_types, default_user},
    api,
    keeper::{
        activity, audit_events, audit_export, change_required, session_proof, tickets,
        user_attempts, user_role, user_tickets,
    },
    pages::{
        account::{change_password as own_password, events, overview, sessions},
        admin, assets, docs, forgotten, login, logout, new_password, required_change,
    },
    route::{Access, Effect, Route, route_table},
    soap::{principal_service, wsdl},
    user::{current_principal, current_token, current_user, list, resource},
};
use crate::service::authentication::Work;

/// Every route except health and metrics, which have a listener of their own.
pub(super) fn routes() -> Vec<Route> {
    let vendor = [agents::user::routes::routes(), users_routes(), user_routes(), soap_routes()];
    let own = [keeper_routes(), page_routes(), admin::routes::routes()];
    vendor.into_iter().chain(own).flatten().collect()
}

/// The REST routes of all users.
fn users_routes() -> Vec<Route> {
    route_table! {
        "/api/v1/";
        GET "User" Agent list::{list, operation};
        POST "User" Agent resource::{create, create_operation} hashing;
    }
}

/// The REST routes of users. `{user}` is last, because it would match the other names, too.
fn user_routes() -> Vec<Route> {
    route_table! {
        "/api/v1/User/";
        GET "CredentialTypes" Authenticated credential_types::{credential_types, operation};
        GET "currentPrincipal" Authenticated current_principal::{current_principal, operation};
        GET "currentToken" Authenticated current_token::{current_token, operation};
        GET "current" Agent current_user::{current, current_operation};
        GET "currentAssociate" Authenticated current_user::{current_associate, associate_operation};
        GET "Default" Agent default_user::{of_query, of_query_operation};
        POST "Validate" Agent resource::{validate, validate_operation} reading;
        GET "{user}" Agent resource::{read, read_operation};
        PUT "{user}" Agent resource::{change, change_operation} hashing;
        DELETE "{user}" Agent resource::{delete, delete_operation};
    }
}

/// Routes that this service adds to the API of the vendor.
fn keeper_routes() -> Vec<Route> {
    route_table! {
        "/keeper/";
        GET "activity" Agent activity::{read, read_operation};
        POST "tickets" Authenticated tickets::{issue, issue_operation} logging_in;
        DELETE "tickets/current" Authenticated tickets::{end_current, end_current_operation} logging_in;
        POST "session/proof" Authenticated session_proof::{prove, prove_operation} hashing logging_in;
        GET "users/{id}/tickets" Agent user_tickets::{list, list_operation};
        DELETE "users/{id}/tickets" Agent user_tickets::{end_all, end_all_operation};
        DELETE "users/{id}/tickets/{ticket}" Agent user_tickets::{end_one, end_one_operation};
        GET "audit" Agent audit_events::{list, list_operation};
        GET "audit/export" Agent audit_export::{export, operation};
        GET "users/{id}/audit" Agent audit_events::{list_of_user, list_of_user_operation};
        GET "users/{id}/attempts" Agent user_attempts::{list, list_operation};
        DELETE "users/{id}/attempts" Agent user_attempts::{unlock, unlock_operation};
        GET "users/{id}/role" Agent user_role::{read, read_operation};
        PUT "users/{id}/role" Agent user_role::{set, set_operation};
        PUT "users/{id}/change-required" Agent change_required::{require, require_operation};
        DELETE "users/{id}/change-required" Agent change_required::{clear, clear_operation};
    }
}

/// The vendor's SOAP login. A message has its credentials in the body, not in a header.
fn soap_routes() -> Vec<Route> {
    route_table! {
        "/Remote/Services88/";
        POST "SoPrincipal.svc" Anybody principal_service::{call, operation} logging_in;
        GET "SoPrincipal.svc" Anybody wsdl::{wsdl, operation};
    }
}

/// Pages and documents.
fn page_routes() -> Vec<Route> {
    route_table! {
        "/";
        GET "api" Anybody api::{version, version_operation};
        GET "api/v1" Anybody api::{list, list_operation};
        GET "openapi.json" Anybody docs::{openapi, openapi_operation};
        GET "docs" Anybody docs::{docs, docs_operation};
        GET "docs/errors" Anybody docs::{errors};
        GET "docs/schemas/{name}" Anybody docs::{schema};
        GET "docs/{operation}" Anybody docs::{operation};
        GET "login" Anybody login::{show, show_operation};
        POST "login" Anybody login::{sign_in, sign_in_operation} logging_in;
        POST "login/change-password" Anybody required_change::{change, operation};
        POST "logout" Anybody logout::{sign_out, operation} logging_in;
        GET "account/password" Anybody new_password::{show, show_operation};
        POST "account/password" Anybody new_password::{set, set_operation};
        GET "account/forgotten" Anybody forgotten::{show};
        POST "account/forgotten" Anybody forgotten::{ask};
        GET "" Anybody docs::{redirect_to_docs};
        GET "account" Page overview::{show};
        GET "account/change-password" Page own_password::{show};
        POST "account/change-password" Page own_password::{change} hashing;
        GET "account/events" Page events::{show};
        GET "account/sessions" Page sessions::{show};
        POST "account/sessions" Page sessions::{end};
        GET "assets/keeper.css" Anybody assets::{style};
        GET "assets/keeper.js" Anybody assets::{script};
        GET "assets/favicon.svg" Anybody assets::{icon};
        GET "assets/docs.css" Anybody assets::{docs_style};
        GET "assets/docs.js" Anybody assets::{docs_script};
    }
}

/// The public description of a route.
#[derive(Debug, Clone)]
pub struct RouteDescription {
    /// The method, in capitals.
    pub method: String,
    /// The path, in the vendor's spelling.
    pub path: &'static str,
    /// The required access.
    pub access: Access,
    /// True when the request may hash, and is admitted to the hashing engine for it.
    pub may_hash: bool,
    /// What it does.
    pub effect: Effect,
}

/// The route table, for tests.
#[must_use]
pub fn describe_routes() -> Vec<RouteDescription> {
    let describe = |route: Route| RouteDescription {
        method: route.method.to_string(),
        path: route.path,
        access: route.access,
        may_hash: route.work != Work::Light,
        effect: route.effect,
    };
    routes().into_iter().map(describe).collect()
}
