//! `GET /errors`: the last alarms, errors and warnings, for the support of the service.

use serde_json::Value;

use crate::{
    canary::{MARKER, assert_no_secret},
    metrics::damage_row,
    support::{Credentials, Instance, PLAIN, PRINCIPAL, PrivateServer, TestApp},
};

async fn recent_errors(instance: &Instance) -> Vec<Value> {
    let url = format!("{}/errors", instance.operations);
    instance.client.get(url).send().await.unwrap().json().await.unwrap()
}

/// The only event with a message.
fn only<'events>(events: &'events [Value], message: &str) -> &'events Value {
    let found: Vec<_> = events.iter().filter(|event| event["Message"] == message).collect();
    assert_eq!(found.len(), 1, "{events:#?}");
    found[0]
}

#[tokio::test]
async fn refused_requests_replace_no_alarm_and_a_failed_one_has_its_code_and_cause() {
    let postgres = PrivateServer::start().await;
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let instance = Instance::start(&app, &[]);
    damage_row(&app).await;
    // An alarm that repeats replaces only its former one.
    for _ in 0..2 {
        instance.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    }
    postgres.set_read_only("on").await;
    let administrator = app.administrator();
    let password = format!("{MARKER}-password");
    instance.save(&administrator, PLAIN.0, &password).await.assert_status(503);
    for _ in 0..200 {
        instance.get(PRINCIPAL, &Credentials::Anonymous).await.assert_status(401);
    }
    let events = recent_errors(&instance).await;
    let alarm = only(&events, "failed to unseal a hash: it was changed or moved");
    assert_eq!(alarm["Target"], "credential_keeper::alarm");
    assert_eq!(alarm["Times"], 2, "{alarm}");
    assert!(alarm["FirstAt"].as_str() < alarm["At"].as_str(), "{alarm}");
    let failed = only(&events, "the request failed");
    assert_eq!(failed["Code"], "database_unavailable", "{failed}");
    assert_eq!(failed["Error"], "the database server is read-only", "{failed}");
    let is_refusal = |event: &Value| event["Message"] == "the request was refused";
    assert!(!events.iter().any(is_refusal), "{events:#?}");
    assert_no_secret("/errors", format!("{events:?}").as_bytes());
}
