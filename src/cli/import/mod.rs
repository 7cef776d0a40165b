//! `import`: imports users and their credentials from a file of JSON lines.
//!
//! Each format is read as a sequence of entries, and each entry becomes a line of one format, which
//! `line` parses. Clear-text values are hashed on all threads. Every entry has its own result; a
//! failed one does not affect others.

mod checkpoint;
mod command;
mod entry;
mod format;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod input;
mod json_lines;
mod line;
mod problem;
mod reading;
mod results;
mod unfinished;

pub(super) use self::command::{Arguments, run};
