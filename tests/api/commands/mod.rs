//! The binary's commands.

mod development;
mod import;
mod operators;
mod serve;
mod users;
