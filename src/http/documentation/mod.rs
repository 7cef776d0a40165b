//! The API documentation: the OpenAPI document as HTML pages (docs/adr/0066-api-documentation.md).
//!
//! `index` has one line for each operation. Each operation and each schema has a page of its own,
//! which `site` renders at the first request and keeps.

mod curl;
mod errors;
mod example;
mod index;
mod members;
mod operation;
mod reader;
mod schema;
mod site;
mod try_it;

pub(super) use self::{index::index_page, site::Site};
