//! The binary's commands.

mod development;
mod operators;
mod serve;
mod users;
