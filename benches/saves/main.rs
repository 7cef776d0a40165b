//! Measures saves per second relative to the baseline hash rate of the same cores in the same run.
//! `script/bench` runs it. Results are ratios, because machines differ.
//!
//!   (no argument)  every scheme at 1, 8, 64 and 512 connections
//!   --quick        Bearer and Basic at 64 connections
//!   guessing       a returning caller while others guess passwords
//!   fairness       one user while another user saves on 500 connections
//!   import         a million existing hashes, a million of all families, and clear-text values
//!   pages          each page with 10 million users, beside 1 thousand
//!   documents      each document, and pages without a list
//!   growth         1 thousand, 1 million and 10 million credentials; 1 to 4 instances
//!
//! Rounds of every row alternate with rounds of the baseline, so that other load on the machine
//! affects all measurements alike.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark stops at the first error, prints its results and loads synthetic rows"
)]
#![expect(dead_code, reason = "the overload tests use the rest of the load generator")]

mod baseline;
mod contention;
mod growth;
#[path = "../../tests/load/hash_families.rs"]
mod hash_families;
mod import;
#[path = "../../tests/load/load.rs"]
mod load;
mod pages;
#[path = "../../tests/load/process.rs"]
mod process;
#[path = "../../tests/api/support/server.rs"]
mod server;
#[path = "../../tests/load/service.rs"]
mod service;
mod table;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    match arguments.first().map(String::as_str) {
        None => runtime.block_on(table::measure(&service::Scheme::ALL, &[1, 8, 64, 512])),
        Some("--quick") => {
            let schemes = [service::Scheme::Bearer, service::Scheme::Basic];
            runtime.block_on(table::measure(&schemes, &[64]));
        }
        Some("guessing") => runtime.block_on(contention::guessing()),
        Some("fairness") => runtime.block_on(contention::fairness()),
        Some("growth") => runtime.block_on(growth::measure()),
        Some("pages") => runtime.block_on(pages::measure()),
        Some("documents") => runtime.block_on(pages::measure_documents()),
        Some("import") => runtime.block_on(import::measure()),
        Some(other) => {
            panic!(
                "invalid argument {other}: expected --quick, guessing, fairness, growth, pages, documents or import"
            )
        }
    }
}
