//! What the running instance says about itself, through its operations listener.

use serde_json::json;

use crate::{
    cli::{health, output::Failure},
    configuration::Settings,
};

/// The answers of the running instance.
pub(super) struct InstanceFiles {
    pub(super) ready: String,
    pub(super) metrics: String,
    pub(super) errors: String,
}

/// Asks the instance of the settings.
pub(super) async fn describe(settings: &Settings) -> InstanceFiles {
    let get = async |path: &str| ask(settings, path).await;
    let unreachable = |failure: Failure| format!("The instance does not answer: {failure}\n");
    let errors = get("/errors").await;
    InstanceFiles {
        ready: get("/health/ready").await.unwrap_or_else(unreachable),
        metrics: get("/metrics").await.unwrap_or_else(unreachable),
        errors: errors.unwrap_or_else(|failure| {
            format!("{:#}\n", json!({ "unavailable": failure.to_string() }))
        }),
    }
}

async fn ask(settings: &Settings, path: &str) -> Result<String, Failure> {
    let (base, client) = health::operations(settings, health::client())?;
    let response = client.build()?.get(format!("{base}{path}")).send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    // The readiness check answers 503 with the reason.
    if status == 200 || path == "/health/ready" {
        Ok(text)
    } else {
        Err(Failure::new(format!("status {status}")))
    }
}
