//! `health`: checks whether a running instance is ready, for container health checks.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use super::{command_context, output, output::Failure};

/// How long the instance may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The arguments of `health`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Base URL of the instance, such as `http://127.0.0.1:8080` [default: `operations.listen` of
    /// the settings].
    #[arg(long)]
    url: Option<String>,
}

/// Exits 0 if the instance is ready, otherwise 1.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => operations_url()?,
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let status = client.get(format!("{base}/health/ready")).send().await?.status();
    if !status.is_success() {
        return Err(Failure::new(format!(
            "the instance is not ready: status {}; see its log",
            status.as_u16()
        )));
    }
    output::print_result("ready")?;
    Ok(ExitCode::SUCCESS)
}

fn operations_url() -> Result<String, Failure> {
    let settings = command_context::read_settings()?;
    let missing = || Failure::new("operations.listen: is required; set it or pass --url");
    Ok(format!("http://{}", settings.operations.listen.ok_or_else(missing)?))
}
