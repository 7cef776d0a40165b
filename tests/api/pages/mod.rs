//! Pages for people: their sessions, forms, errors and contents.

pub(crate) mod browser;

mod account;
mod contents;
mod errors;
mod interrupted_forms;
mod matrix;
mod return_to;
