//! The process: everything else is in the library.
#![forbid(unsafe_code)]

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Whatever is given back is wiped, whoever had it: parsers, the web server, the database's client.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    credential_keeper::run(std::env::args_os())
}
