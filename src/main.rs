//! The entry point of the binary. All other code is in the library.
#![forbid(unsafe_code)]

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Zeroizes all freed memory, including memory of parsers, the web server and the database client.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    credential_keeper::run(std::env::args_os())
}
