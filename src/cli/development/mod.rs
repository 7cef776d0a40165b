//! `dev`: runs a local demo, also used by client tests.
//!
//! It starts a private PostgreSQL from the binaries on the machine, adds demo users and serves on
//! loopback only. Everything stops with the command; the data is kept.

mod account;
mod binaries;
mod cluster;
mod command;
mod data_folder;
mod demo;
mod postgres;

pub(super) use self::command::{Arguments, run};
