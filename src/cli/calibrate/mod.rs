//! `calibrate`: measures the cost of password hashes on this machine, and recommends settings.

mod candidates;
mod command;
mod report;

pub(super) use self::command::{Arguments, run};
