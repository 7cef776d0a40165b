//! Reads import files: JSON lines, CSV, and exports of other systems.
//!
//! Each format is read as a sequence of entries, and each entry becomes a line of one format, which
//! [`mod@line`] parses.

pub(crate) mod csv;
mod detection;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod exports;
pub(crate) mod format;
pub(crate) mod input;
mod json_lines;
pub(crate) mod line;
pub(crate) mod names;
mod new_line;
pub(crate) mod reading;
pub(crate) mod repeated;
