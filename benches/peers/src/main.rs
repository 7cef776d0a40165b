//! Measures the service beside programs that do the same with other frameworks (`README.md` beside
//! this crate). `script/bench peers` runs it.
//!
//! All servers run at the same time, on one PostgreSQL server. Each number of connections is
//! measured with one server after the other, so that other load on the machine affects all alike.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a benchmark stops at the first error and prints its results"
)]
#![expect(dead_code, reason = "other targets use the rest of the shared modules")]

mod answers;
mod keeper;
#[path = "../../../tests/load/load.rs"]
mod load;
mod measure;
mod memory;
mod options;
mod peer;
mod plot;
#[path = "../../../tests/load/plot_theme.rs"]
mod plot_theme;
#[path = "../../../tests/api/support/ports.rs"]
mod ports;
#[path = "../../../tests/load/process.rs"]
mod process;
#[path = "../../../tests/load/random.rs"]
mod random;
mod results;
#[path = "../../../tests/api/support/server.rs"]
mod server;
mod servers;
mod table;
mod written;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use options::{Options, USAGE};
use servers::Servers;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("peers: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // The servers stop when the future is dropped, also by a signal or a panic.
    runtime.expect("a runtime").block_on(async {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt()).expect("a signal handler"),
            signal(SignalKind::terminate()).expect("a signal handler"),
        );
        tokio::select! {
            () = run(&options) => ExitCode::SUCCESS,
            _ = interrupt.recv() => ExitCode::from(130),
            _ = terminate.recv() => ExitCode::from(143),
        }
    })
}

async fn run(options: &Options) {
    let mut servers = Servers::start(&options.binary, options.callers()).await;
    if options.only_answers {
        return answers::check(&servers).await;
    }
    let measured = measure::rounds(options, &mut servers).await;
    println!("{}\n\n{}", table::summary(&measured), table::details(&measured));
    if options.write {
        written::write(&measured);
    }
}
