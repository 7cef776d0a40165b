//! `health`: checks whether a running instance is ready, for container health checks.
//!
//! It connects to the address of the settings, and sends and receives no secret. So it does not
//! verify the certificate of the instance: during a renewal, the file of the certificate may be
//! newer than the one in use. Kubernetes probes do not verify it either.
//!
//! It reads only the settings of the operations listener: a mistake in another setting does not
//! make a running instance unready.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use reqwest::{Client, ClientBuilder, Identity};

use super::{command_context, output, output::Failure};
use crate::{
    bounded_file,
    configuration::{self, OperationsSettings, Problems, TlsSettings},
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
    let instance = Instance::find(arguments.url.as_deref())?;
    let (status, _) = instance.get("/health/ready").await?;
    if status != 200 {
        return Err(Failure::new(format!(
            "the instance is not ready: status {status}; see its log"
        )));
    }
    output::print_result("ready")?;
    Ok(ExitCode::SUCCESS)
}

/// A running instance.
pub(super) struct Instance {
    base_url: String,
    client: Client,
}

impl Instance {
    /// The instance at a base URL. Without it, that of the operations listener of the settings.
    ///
    /// # Errors
    /// When the settings of the operations listener or its certificate are unusable.
    pub(super) fn find(url: Option<&str>) -> Result<Self, Failure> {
        if let Some(url) = url {
            let base_url = url.trim_end_matches('/').to_owned();
            return Ok(Self { base_url, client: client().build()? });
        }
        let settings = configuration::operations_settings();
        let (settings, unread) =
            settings.map_err(|problems| command_context::invalid_settings(&problems))?;
        let (base_url, client) = operations(&settings)?;
        if let Some(problems) = unread {
            output::print_status(format_args!(
                "cannot read the settings file; asking {base_url}, or set --url:\n{problems}"
            ));
        }
        Ok(Self { base_url, client: client.build()? })
    }

    /// Sends a GET request; returns the status and the body of the response.
    ///
    /// # Errors
    /// When the instance does not answer.
    pub(super) async fn get(&self, path: &str) -> Result<(u16, String), Failure> {
        let response = self.client.get(format!("{}{path}", self.base_url)).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }
}

/// A client of an operations listener.
fn client() -> ClientBuilder {
    let client = Client::builder().timeout(TIMEOUT).no_proxy();
    client.tls_danger_accept_invalid_certs(true)
}

/// The URL of the operations listener, and a client that it accepts.
fn operations(settings: &OperationsSettings) -> Result<(String, ClientBuilder), Failure> {
    let missing = || Failure::new("operations.listen: is required; set it or pass --url");
    let address = settings.listen.ok_or_else(missing)?;
    let tls = &settings.tls;
    let scheme = if tls.is_enabled() { "https" } else { "http" };
    let client = match &tls.client_ca_file {
        None => client(),
        Some(_) => client().identity(own_identity(tls)?),
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
        pem.extend_from_slice(&bounded_file::read(certificate)?);
    }
    Ok(Identity::from_pem(&pem)?)
}
