//! What the running instance says about itself, through its operations listener.

use serde_json::json;

use crate::cli::{health::Instance, output::Failure};

/// The answers of the running instance.
pub(super) struct InstanceFiles {
    pub(super) ready: String,
    pub(super) metrics: String,
    pub(super) errors: String,
}

/// Asks the instance at a base URL; `None`: that of the settings.
pub(super) async fn describe(url: Option<&str>) -> InstanceFiles {
    let instance = Instance::find(url);
    let get = async |path: &str| match &instance {
        Ok(instance) => ask(instance, path).await,
        Err(failure) => Err(Failure::new(failure.to_string())),
    };
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

async fn ask(instance: &Instance, path: &str) -> Result<String, Failure> {
    let (status, text) = instance.get(path).await?;
    // The readiness check answers 503 with the reason.
    if status == 200 || path == "/health/ready" {
        Ok(text)
    } else {
        Err(Failure::new(format!("status {status}")))
    }
}
