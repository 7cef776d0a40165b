//! The OpenAPI 3.1 document.

mod document;
mod examples;
pub(super) mod parameters;
mod paths;
mod responses;
pub(super) mod schemas;
pub(super) mod schemes;

pub(super) use self::document::document;
