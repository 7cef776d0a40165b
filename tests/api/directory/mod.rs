//! The search in a directory (docs/reference/wire-contract.md#directory-calls).

mod commands;
mod login_outages;
mod login_questions;
pub(crate) mod logins;
mod lying;
mod outages;
mod searches;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, TestApp};

const FIND_GROUPS: &str = "/api/v1/Agents/User/FindCredentialsGroups";
const FIND_USERS: &str = "/api/v1/Agents/User/FindCredentialUsers";
const IN_GROUP: &str = "/api/v1/Agents/User/GetCredentialUsersInGroup";

/// An application with the variables of a directory, some of them replaced. An empty one is unset.
async fn spawn(pool: PgPool, variables: &[(String, String)], more: &[(&str, &str)]) -> TestApp {
    spawn_with_file(pool, variables, more, "").await
}

async fn spawn_with_file(
    pool: PgPool,
    variables: &[(String, String)],
    more: &[(&str, &str)],
    file: &str,
) -> TestApp {
    let more: Vec<_> =
        more.iter().map(|(name, value)| (format!("KEEPER__DIRECTORY__{name}"), *value)).collect();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all: Vec<_> =
        variables.chain(more.iter().map(|(name, value)| (name.as_str(), *value))).collect();
    TestApp::spawn_with(pool, &all, file).await
}

/// Another instance of an application, with the variables of another directory.
async fn instance(app: &TestApp, variables: &[(String, String)]) -> TestApp {
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    app.spawn_instance(&variables.collect::<Vec<_>>()).await
}

/// Searches as the administrator.
async fn find(app: &TestApp, path: &str, search: &str) -> Answer {
    let body = json!({ "Type": "ActiveDirectory", "SearchString": search });
    app.post(path, &app.administrator(), &body).await
}

/// The users in a group, as the administrator.
async fn find_in_group(app: &TestApp, group: &str) -> Answer {
    let body = json!({ "Type": "ActiveDirectory", "GroupName": group });
    app.post(IN_GROUP, &app.administrator(), &body).await
}

/// The display values of found users.
#[track_caller]
fn display_values(answer: &Answer) -> Vec<String> {
    answer.assert_status(200);
    let users = answer.json()["Users"].clone();
    let text = |user: &Value| user["DisplayValue"].as_str().unwrap().to_owned();
    users.as_array().unwrap().iter().map(text).collect()
}
