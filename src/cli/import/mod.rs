//! `import`: imports users and their credentials from a file of JSON lines.
//!
//! Clear-text values are hashed on all threads. Every line has its own result; a failed line does
//! not affect other lines.

mod checkpoint;
mod command;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod line;
mod problem;
mod reader;
mod unfinished;

pub(super) use self::command::{Arguments, run};
