//! A `serve` process, with requests to its two listeners.

use std::process::Command;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{
    Answer, Credentials, SAVE, Server, TICKETS, TOKEN, TestApp, assert_becomes, client_builder,
    free_address, keeper, wait_until,
};

/// A running `serve`.
pub(crate) struct Instance {
    pub(crate) server: Server,
    pub(crate) operations: String,
    pub(crate) client: Client,
}

impl Instance {
    /// Starts `serve` on the database and with the settings of a test. The variables have
    /// precedence.
    pub(crate) fn start(app: &TestApp, variables: &[(&str, &str)]) -> Self {
        app.command(&["migrate"], "").assert_success();
        let operations = free_address();
        let mut command = keeper(&["serve"]);
        command
            .envs(app.variables())
            .env("KEEPER__OPERATIONS__LISTEN", &operations)
            .envs(variables.iter().copied());
        Self::attach(command, &operations)
    }

    /// Runs `serve`, whose settings name the address of the operations listener.
    pub(crate) fn attach(command: Command, operations: &str) -> Self {
        let server = Server::start(command).unwrap();
        Self {
            server,
            operations: format!("http://{operations}"),
            client: client_builder().build().unwrap(),
        }
    }

    /// The status of the readiness check.
    pub(crate) async fn readiness(&self) -> u16 {
        let url = format!("{}/health/ready", self.operations);
        self.client.get(url).send().await.unwrap().status().as_u16()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        credentials: &Credentials,
        body: &Value,
    ) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.server.ready));
        let request = credentials.apply_to(request);
        let request = if body.is_null() { request } else { request.json(body) };
        Answer::read(request.send().await.unwrap()).await
    }

    /// Sends a GET request.
    pub(crate) async fn get(&self, path: &str, credentials: &Credentials) -> Answer {
        self.send(Method::GET, path, credentials, &Value::Null).await
    }

    /// Sends a POST request.
    pub(crate) async fn post(&self, path: &str, credentials: &Credentials, body: &Value) -> Answer {
        self.send(Method::POST, path, credentials, body).await
    }

    /// Saves a credential of the default type.
    pub(crate) async fn save(
        &self,
        credentials: &Credentials,
        user_id: i32,
        value: &str,
    ) -> Answer {
        let body = json!({ "UserId": user_id, "Credential": { "Value": value } });
        self.send(Method::POST, SAVE, credentials, &body).await
    }

    /// Saves a credential on an instance that may end meanwhile; returns the status.
    pub(crate) async fn try_save(
        &self,
        credentials: &Credentials,
        user_id: i32,
        value: &str,
    ) -> Result<u16, reqwest::Error> {
        let body = json!({ "UserId": user_id, "Credential": { "Value": value } });
        let request = self.client.post(format!("{}{SAVE}", self.server.ready)).json(&body);
        Ok(credentials.apply_to(request).send().await?.status().as_u16())
    }

    /// Issues a ticket.
    pub(crate) async fn ticket(&self, credentials: &Credentials) -> Credentials {
        let answer = self.send(Method::POST, TICKETS, credentials, &Value::Null).await;
        answer.assert_status(201);
        Credentials::Ticket(answer.json()["Ticket"].as_str().unwrap().to_owned())
    }

    /// Issues a Bearer token.
    pub(crate) async fn token(&self, credentials: &Credentials) -> Credentials {
        let answer = self.get(TOKEN, credentials).await;
        answer.assert_status(200);
        Credentials::Bearer(answer.json().as_str().unwrap().to_owned())
    }

    /// The value of one metric, if it exists.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.client.get(format!("{}/metrics", self.operations)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map(|value| value.parse().unwrap())
    }

    /// Waits until a metric has a value.
    pub(crate) async fn wait_for_metric(&self, name: &str, value: f64) {
        assert_becomes((name, Some(value)), async || (name, self.metric(name).await)).await;
    }

    /// Waits until a counter is higher than it was.
    pub(crate) async fn wait_for_more(&self, name: &str, before: f64) {
        let condition = format!("{name} is more than {before}");
        wait_until(&condition, async || self.metric(name).await > Some(before)).await;
    }

    /// Waits until a key of the keyring in use has a state.
    pub(crate) async fn wait_for_key(&self, key: &str, state: &str) {
        let name = format!(r#"keeper_keyring_key{{key="{key}",state="{state}"}}"#);
        self.wait_for_metric(&name, 1.0).await;
    }

    /// Stops the process; returns its log.
    pub(crate) fn stop(self) -> String {
        self.server.signal(rustix::process::Signal::TERM);
        let (ended_well, log) = self.server.wait();
        assert!(ended_well, "{log}");
        log
    }
}
