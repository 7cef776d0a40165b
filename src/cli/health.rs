//! `health`: asks a running instance's readiness route; for containers.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use super::{command_context, output, output::Failure};

/// How long the instance may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The arguments of `health`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where to ask, such as <http://127.0.0.1:8080>; without it, the operations listener of the
    /// settings.
    #[arg(long)]
    url: Option<String>,
}

/// Exits 0 when the instance is ready, else 1.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => configured()?,
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let status = client.get(format!("{base}/health/ready")).send().await?.status();
    if !status.is_success() {
        return Err(Failure::because(format!("not ready: it answered {}", status.as_u16())));
    }
    output::print_result("ready")?;
    Ok(ExitCode::SUCCESS)
}

fn configured() -> Result<String, Failure> {
    let settings = command_context::read_settings()?;
    let none = || Failure::because("operations.listen: is required, or --url");
    Ok(format!("http://{}", settings.operations.listen.ok_or_else(none)?))
}
