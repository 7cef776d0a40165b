//! `health`: checks whether a running instance is ready, for container health checks.
//!
//! It connects to the address of the settings, and sends and receives no secret. So it does not
//! verify the certificate of the instance: during a renewal, the file of the certificate may be
//! newer than the one in use. Kubernetes probes do not verify it either.

use std::{fs, process::ExitCode, time::Duration};

use clap::Args;
use reqwest::{ClientBuilder, Identity};

use super::{command_context, output, output::Failure};
use crate::{
    configuration::{Problems, Settings, TlsSettings},
    security::secret_file,
    startup::load_certificates,
};

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
    let (base, client) = match &arguments.url {
        Some(url) => (url.trim_end_matches('/').to_owned(), client()),
        None => operations(&command_context::read_settings()?, client())?,
    };
    let client = client.build()?;
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

/// A client of an operations listener.
pub(super) fn client() -> ClientBuilder {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
    client.tls_danger_accept_invalid_certs(true)
}

/// The URL of the operations listener, and a client that it accepts.
pub(super) fn operations(
    settings: &Settings,
    client: ClientBuilder,
) -> Result<(String, ClientBuilder), Failure> {
    let missing = || Failure::new("operations.listen: is required; set it or pass --url");
    let address = settings.operations.listen.ok_or_else(missing)?;
    let tls = &settings.operations.tls;
    let scheme = if tls.is_enabled() { "https" } else { "http" };
    let client = match &tls.client_ca_file {
        None => client,
        Some(_) => client.identity(own_identity(tls)?),
    };
    Ok((format!("{scheme}://{address}"), client))
}

/// The certificate of the listener itself, which it accepts from a client, too.
fn own_identity(tls: &TlsSettings) -> Result<Identity, Failure> {
    load_certificates(tls).map_err(|problems| Failure::new(Problems(problems).to_string()))?;
    let mut pem = zeroize::Zeroizing::new(Vec::new());
    if let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) {
        pem.extend_from_slice(secret_file::read(key)?.as_bytes());
        pem.extend_from_slice(b"\n");
        pem.extend_from_slice(&fs::read(certificate)?);
    }
    Ok(Identity::from_pem(&pem)?)
}
