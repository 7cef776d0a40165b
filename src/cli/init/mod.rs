//! `init`: asks five questions, and creates an installation: the settings file, the keyring, and the
//! first administrator.
//!
//! Everything is asked and checked before the first file is written. Nothing that exists is
//! overwritten, and a failure removes what was written before it.

mod answers;
mod arguments;
mod command;
mod folder;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz_support;
mod installation;
mod interview;
mod password;
mod questions;
mod settings_file;

pub(super) use self::{arguments::Arguments, command::run};
