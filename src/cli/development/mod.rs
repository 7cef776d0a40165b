//! `dev`: runs a local demo, also used by client tests.
//!
//! `dev` starts a private PostgreSQL with the programs on this machine, adds demo users and serves
//! on loopback only. PostgreSQL stops with the command; the data is kept.

mod account;
mod binaries;
mod certificate;
mod cluster;
mod command;
mod data_folder;
mod demo;
mod postgres;

pub(super) use self::command::{Arguments, run};
