//! Who is asking.

mod headers;
mod matrix;
