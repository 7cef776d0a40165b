//! HTTP/2: serves the requests of one connection to the application.
//!
//! The dispatcher of actix-http uses an older release of the h2 crate, limits neither the number of
//! requests nor the headers, and ends no connection gracefully. So this module drives the h2 crate
//! itself ([ADR 40](../../../docs/adr/0040-tls-in-the-binary.md)).

mod connection;
mod held;
mod request;
mod response;
mod unsent;

pub(crate) use self::connection::{Http2Options, serve_http2};
