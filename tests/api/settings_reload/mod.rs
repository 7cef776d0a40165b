//! Reloading the settings of a running service. `requests`, `attempts`, `passwords` and `issued` prove
//! for each setting that is documented as reloaded that its new value takes effect.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Credentials, PRINCIPAL, TestApp};

mod attempts;
mod issued;
mod passwords;
mod refusals;
mod requests;
mod starting;

/// GET with one more header.
async fn get_with(
    app: &TestApp,
    path: &str,
    credentials: &Credentials,
    (name, value): (&str, &str),
) -> Answer {
    let request = app.request(Method::GET, path, credentials).header(name, value);
    Answer::read(request.send().await.unwrap()).await
}

/// The status of a request that only asks who the caller is.
async fn status(app: &TestApp, credentials: &Credentials) -> u16 {
    app.get(PRINCIPAL, credentials).await.status.as_u16()
}

/// The body of a save for the plain user.
fn save_of_paul(value: &str) -> Value {
    json!({ "UserId": 278, "Credential": { "Value": value } })
}

#[test]
fn each_setting_that_is_documented_as_reloaded_has_a_test() {
    let reference = include_str!("../../../docs/reference/settings.md");
    let documented = reference.lines().filter_map(|line| {
        let columns: Vec<_> = line.split(" | ").collect();
        let name = columns.first()?.strip_prefix("| `")?.strip_suffix('`')?;
        (*columns.get(4)? == "yes").then(|| name.to_owned())
    });
    let tested = [requests::SETTINGS, attempts::SETTINGS, passwords::SETTINGS, issued::SETTINGS];
    let tested = tested.into_iter().flatten().map(|name| (*name).to_owned());
    assert_eq!(tested.collect::<BTreeSet<_>>(), documented.collect::<BTreeSet<_>>());
}
