//! Authentication of requests.

mod headers;
mod matrix;
