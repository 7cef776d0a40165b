//! `import`: imports users and their credentials from JSON lines, CSV, or an export of another
//! system. `convert` prints the lines that `import` would read from it.
//!
//! `service::import` reads the file and writes the users. Every entry has its own result; a failed one
//! does not affect others.

mod arguments;
mod checkpoint;
mod command;
mod convert;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod results;

pub(super) use self::{
    command::{Arguments, run},
    convert::{ConvertArguments, run as run_convert},
};
