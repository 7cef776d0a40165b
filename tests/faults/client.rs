//! HTTP requests whose outcome is always one of three: an answer, nothing sent, or unknown.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Client, Method};

/// Longer than `http.answer_timeout_seconds`: the service answers before.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// No connection: the service received nothing.
    NotSent,
    /// The connection ended before the answer.
    NoAnswer,
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The values of `Set-Cookie`.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let pair = |text: &'_ str| text.split(';').next().map(str::len);
        self.cookies.iter().find_map(|text| {
            let value = text.strip_prefix(name)?.strip_prefix('=')?;
            value.get(..pair(value)?)
        })
    }
}

/// The headers of a request.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// The headers for a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> Headers {
    let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
    vec![("Authorization", format!("Basic {text}"))]
}

/// A client that opens a connection for each request, so that none ends with its instance unseen.
pub(crate) fn client() -> Client {
    let client = Client::builder().timeout(REQUEST_LIMIT).pool_max_idle_per_host(0).no_proxy();
    client.build().expect("a client")
}

/// Sends a request.
pub(crate) async fn send(
    client: &Client,
    address: SocketAddr,
    (method, path): (Method, &str),
    headers: &Headers,
    body: Option<&serde_json::Value>,
) -> Outcome {
    let mut request = client.request(method, format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Outcome::NotSent,
        Err(_) => return Outcome::NoAnswer,
    };
    let status = response.status().as_u16();
    let cookies = response.headers().get_all("set-cookie").iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
    let Ok(body) = response.text().await else { return Outcome::NoAnswer };
    Outcome::Answer(Answer { status, cookies, body })
}
