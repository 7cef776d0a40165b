//! `import`: imports users and their credentials from JSON lines, CSV, or an export of another
//! system. `convert` prints the lines that `import` would read from it.
//!
//! Each format is read as a sequence of entries, and each entry becomes a line of one format, which
//! `line` parses. Clear-text values are hashed on all threads. Every entry has its own result; a
//! failed one does not affect others.

mod checkpoint;
mod command;
mod convert;
mod csv;
mod detection;
mod entry;
mod exports;
mod format;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod input;
mod json_lines;
mod line;
mod new_line;
mod problem;
mod reading;
mod repeated;
mod results;
mod unfinished;
mod writing;

pub(super) use self::{
    command::{Arguments, run},
    convert::{ConvertArguments, run as run_convert},
};
