//! `drain`.

use std::process::{Command, Stdio};

use sqlx::PgPool;

use crate::support::{
    CommandOutput, Instance, PRINCIPAL, TestApp, assert_becomes, keeper, run_with_input,
};

fn drain(arguments: &[&str]) -> CommandOutput {
    let mut command = keeper(&["drain"]);
    command.args(arguments);
    run_with_input(command, "")
}

async fn readiness(instance: &Instance) -> (u16, String) {
    let url = format!("{}/health/ready", instance.operations);
    let answer = instance.client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn wait_for_readiness(instance: &Instance, status: u16) {
    assert_becomes(status, async || readiness(instance).await.0).await;
}

#[sqlx::test]
async fn a_drained_instance_serves_on_and_is_not_ready(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    let other = Instance::start(&app, &[]);
    let pid = instance.server.id().to_string();
    let connection = async || {
        let answer = instance.get(PRINCIPAL, &app.plain()).await;
        answer.assert_status(200);
        answer.headers.get("connection").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(connection().await, None);
    let ambiguous = drain(&[]);
    ambiguous.assert_error("several instances run on this machine; name one with --pid");
    drain(&["--pid", &pid]).assert_success();
    wait_for_readiness(&instance, 503).await;
    assert_eq!(readiness(&instance).await.1, "draining\n");
    assert_eq!(connection().await.as_deref(), Some("close"));
    assert_eq!(readiness(&other).await.0, 200);
    drain(&["--undo", "--pid", &pid]).assert_success();
    wait_for_readiness(&instance, 200).await;
    assert_eq!(connection().await, None);
    let log = instance.stop();
    assert!(log.contains("draining; the readiness check answers 503"), "{log}");
    assert!(log.contains("no longer draining"), "{log}");
}

#[test]
fn a_process_that_is_no_instance_is_not_signaled() {
    let mut process = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let refused = drain(&["--pid", &process.id().to_string()]);
    refused.assert_error("is not the process of an instance; name one that runs `serve`");
    assert!(process.try_wait().unwrap().is_none(), "the signal ended the process");
    process.kill().unwrap();
    process.wait().unwrap();
}
