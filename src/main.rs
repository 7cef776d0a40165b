//! The process: everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    credential_keeper::run(std::env::args_os())
}
