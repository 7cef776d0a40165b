//! The HTTP layer: routes, middlewares and handlers of actix-web.
//!
//! A request passes these middlewares, outermost first: metrics, connection progress, secret headers,
//! request id, connection identity, tracing, error rendering, CORS, head limits, forwarded headers,
//! hosts and path case. Then the router selects its route. Routes that require authentication add a
//! middleware, which runs before the body is read. A handler parses the request, calls one use case
//! and writes the response.

mod agents;
mod api;
mod application;
mod authentication;
#[cfg(feature = "bench")]
pub(crate) mod bench_support;
mod build_documents;
mod carriers;
mod compression;
mod connection;
mod constant;
mod cors;
mod current_state;
mod documentation;
mod documents;
mod error;
mod error_descriptions;
mod error_rendering;
mod examples;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod head_limits;
mod headers;
mod health;
mod hosts;
mod http2;
mod keeper;
mod localization;
mod maintenance;
mod metrics;
mod negotiation;
mod openapi;
mod operation;
mod pages;
mod password_mail;
mod path_case;
mod query;
mod reason_header;
mod recent_errors;
mod request_context;
mod request_id;
mod request_measurement;
mod request_metrics;
mod request_span;
mod response_headers;
mod route;
mod routes;
mod secret_headers;
mod soap;
mod state;
mod stopping;
mod transport;
mod user;
mod vendor_names;

pub(crate) use self::{
    application::{application, operations_application},
    authentication::challenges,
    build_documents::{documents, openapi_document},
    current_state::StatePublisher,
    documents::Documents,
    error_descriptions::{ErrorDescription, ErrorText, describe_error_texts, describe_errors},
    http2::{Http2Options, serve_http2},
    localization::load_english_texts,
    metrics::register_example_metrics,
    pages::secret_url::PASSWORD_PAGE,
    password_mail::write_password_mail,
    request_metrics::RequestMetrics,
    state::{HttpState, ListenerCertificate, Readiness, TlsTermination},
    transport::{
        CheckedStream, ConnectionLimits, ConnectionRegistry, FrameLimitedStream, PhaseTimeouts,
        RequestProgress, TimedStream, limit_unsent,
    },
};
pub use self::{
    route::{Access, Effect},
    routes::{RouteDescription, describe_routes},
};
