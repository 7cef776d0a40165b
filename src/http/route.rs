//! The type of a route, and the macro that builds the route table.

use actix_web::{Route as Handler, guard, http::Method};

use super::operation::Operation;
use crate::service::authentication::Work;

/// The access control of a route. The use case checks permissions for one user or credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without authentication.
    Anybody,
    /// Authenticated callers.
    Authenticated,
    /// Authenticated callers; in an online installation also a trusted application
    /// (docs/reference/wire-contract.md#d9-installation-type). Every route that returns data about
    /// users has this access.
    Agent,
    /// Users who are signed in with a session, on a page for people. GET needs the cookie alone, a
    /// form the XSRF token of the session, too (docs/reference/wire-contract.md#pages).
    Page,
}

/// What a route does, which decides whether it works while the service is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing. Authentication may still count an attempt and record a use.
    Reads,
    /// It begins, proves or ends a login of the caller.
    LogsIn,
    /// It changes something else, or appends an audit event about what it returns.
    Changes,
}

impl Effect {
    /// GET reads, and all other methods change something, unless the route says otherwise.
    pub(super) fn of_method(method: &Method) -> Self {
        if *method == Method::GET { Self::Reads } else { Self::Changes }
    }
}

/// One route of the table.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) work: Work,
    pub(super) effect: Effect,
    /// True for a form with a file, whose handler reads the body.
    pub(super) receives_file: bool,
    pub(super) handler: fn() -> Handler,
    /// Its description in the OpenAPI document; `None` for resources that belong to a page.
    pub(super) operation: Option<fn() -> Operation>,
}

impl Route {
    /// Marks a route whose handler always hashes.
    pub(super) fn hashing(self) -> Self {
        Self { work: Work::Hashing, ..self }
    }

    /// Marks a route whose handler hashes if the caller's own password must be proven again.
    pub(super) fn proving(self) -> Self {
        Self { work: Work::Proving, ..self }
    }

    /// Marks the route of a form with a file, which asks for the caller's own password, too.
    pub(super) fn receiving_file(self) -> Self {
        Self { receives_file: true, ..self.proving() }
    }

    /// Marks a route whose handler hashes a new value of the secret that authenticates the caller.
    pub(super) fn changing_secret(self) -> Self {
        Self { work: Work::ChangingSecret, ..self }
    }

    /// Marks a route that changes nothing although its method is POST.
    pub(super) fn reading(self) -> Self {
        Self { effect: Effect::Reads, ..self }
    }

    /// Marks a route that begins, proves or ends a login of the caller.
    pub(super) fn logging_in(self) -> Self {
        Self { effect: Effect::LogsIn, ..self }
    }

    /// True for a call of an agent, whose URL answers GET with a description.
    pub(super) fn is_agent_call(&self) -> bool {
        self.path.starts_with("/api/v1/Agents/")
    }
}

/// Builds a list of [`Route`]s from one line each: method, path below the prefix, access, module
/// with handler and operation, and `hashing` or `changing_secret` if the handler always hashes,
/// `proving` if it asks for the caller's own password, or `receiving_file`; then `reading` or
/// `logging_in` if the effect does not follow from the method.
macro_rules! route_table {
    ($prefix:literal; $($method:ident $path:literal $access:ident
        $module:ident::{$handler:ident $(, $operation:ident)?} $($mark:ident)*;)*) => {
        vec![$($crate::http::route::Route {
            method: ::actix_web::http::Method::$method,
            path: concat!($prefix, $path),
            access: $crate::http::route::Access::$access,
            work: $crate::service::authentication::Work::Light,
            effect: $crate::http::route::Effect::of_method(&::actix_web::http::Method::$method),
            receives_file: false,
            handler: || ::actix_web::web::to($module::$handler),
            operation: $crate::http::route::route_table!(@operation $module $($operation)?),
        }$(.$mark())*),*]
    };
    (@operation $module:ident) => { None };
    (@operation $module:ident $operation:ident) => { Some($module::$operation) };
}
pub(super) use route_table;

/// Binds a handler to a method. Every GET route also answers HEAD (RFC 9110, section 9.1);
/// actix-web omits the body.
pub(super) fn answering(handler: Handler, method: &Method) -> Handler {
    if *method == Method::GET {
        handler.guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        handler.method(method.clone())
    }
}
