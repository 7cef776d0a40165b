//! The command line, one file per command.
//!
//! Secrets come from standard input or a prompt, never from arguments, because other processes can
//! read the arguments of a process. Exit codes: 0 success, 1 failure or a negative result, 2
//! invalid command line, 78 a failure that must not be repeated.

mod application;
mod audit;
mod calibrate;
mod command_context;
mod command_line;
mod completions;
mod config;
mod credential;
mod credential_target;
mod development;
mod doctor;
mod drain;
mod export;
mod health;
mod import;
mod init;
mod key_backup;
mod keys;
mod manual;
mod migrate;
mod openapi;
mod output;
mod passwords;
mod progress;
mod reference;
mod require_change;
mod restore;
mod rotate_key;
mod secret_input;
mod serve;
mod start_text;
mod stop;
mod table;
mod terminal;
mod ticket;
mod user;
mod user_argument;

pub use self::command_line::run;

/// Files that commands read, for fuzz targets.
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support {
    pub use super::{audit::fuzz_support::*, import::fuzz_support::*, init::fuzz_support::*};
}
