//! Mixed traffic of a number of clients, at a modest rate.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Certificate, Client, Method, RequestBuilder, Response, redirect::Policy};
use serde_json::{Value, json};

use crate::{
    random::Random,
    service::{FIRST_TARGET, PASSWORD},
    transfers,
};

/// Clients, each an administrator with targets of its own.
pub(crate) const CLIENTS: u64 = 8;

/// Users whose credentials each client saves.
pub(crate) const TARGETS: u64 = 25;

/// One operation of how many goes to the instance that restarts.
const SHARE_OF_OTHER: usize = 4;

/// Operations, and how often they come among each other.
pub(crate) type Mix = &'static [(Operation, usize)];

/// The operations of the API, which every release has.
pub(crate) const API: Mix = &[
    (Operation::SaveBasic, 6),
    (Operation::SaveBearer, 6),
    (Operation::SaveTicket, 6),
    (Operation::SaveSession, 6),
    (Operation::Login, 16),
    (Operation::WrongPassword, 6),
    (Operation::UnknownName, 4),
    (Operation::Ticket, 6),
    (Operation::Refused, 14),
    (Operation::NewConnection, 10),
];

/// All operations but imports, which end with the instance that runs them.
pub(crate) const WITH_PAGES: Mix = &[
    (Operation::SaveBasic, 6),
    (Operation::SaveBearer, 6),
    (Operation::SaveTicket, 6),
    (Operation::SaveSession, 6),
    (Operation::Login, 16),
    (Operation::WrongPassword, 6),
    (Operation::UnknownName, 4),
    (Operation::Ticket, 6),
    (Operation::Page, 12),
    (Operation::Refused, 14),
    (Operation::NewConnection, 10),
    (Operation::Export, 2),
];

/// All operations.
pub(crate) const ALL: Mix = &[
    (Operation::SaveBasic, 6),
    (Operation::SaveBearer, 6),
    (Operation::SaveTicket, 6),
    (Operation::SaveSession, 6),
    (Operation::Login, 16),
    (Operation::WrongPassword, 6),
    (Operation::UnknownName, 4),
    (Operation::Ticket, 6),
    (Operation::Page, 12),
    (Operation::Refused, 14),
    (Operation::NewConnection, 10),
    (Operation::Export, 2),
    (Operation::Import, 1),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    SaveBasic,
    SaveBearer,
    SaveTicket,
    SaveSession,
    Login,
    WrongPassword,
    UnknownName,
    Ticket,
    Page,
    Refused,
    NewConnection,
    Export,
    Import,
}

/// Why an operation was not completed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 503, with which the service refuses while it or its database cannot answer.
    Unavailable,
    /// No answer.
    Disconnected(String),
    /// An answer without its end. An export has no other way to say that its database failed.
    CutOff(String),
    /// Another answer than the operation may get.
    Unexpected(String),
}

/// How often an operation ended in each way.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) completed: u64,
    pub(crate) unavailable: u64,
    pub(crate) disconnected: u64,
}

/// The results of all clients.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: BTreeMap<Operation, Count>,
    /// The first answers that nobody expected.
    pub(crate) faults: Vec<String>,
}

/// The addresses of the service, and how to connect to them.
#[derive(Clone)]
pub(crate) struct Service {
    /// The URL that always answers.
    pub(crate) url: String,
    /// The URL of an instance that restarts, which may give no answer.
    pub(crate) restarting: Option<String>,
    /// The certificates that clients trust, in PEM.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) mix: Mix,
}

impl Service {
    /// A client of HTTP/2 or HTTP/1.1.
    pub(crate) fn client(&self, is_http2: bool) -> Client {
        let certificates = self.certificates.iter();
        let certificates = certificates.map(|pem| Certificate::from_pem(pem).expect("PEM"));
        let builder = Client::builder()
            .tls_certs_only(certificates)
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(60))
            // Shorter than `http.idle_timeout_seconds`, so that no request meets a closing connection.
            .pool_idle_timeout(Duration::from_secs(2));
        let builder = if is_http2 { builder } else { builder.http1_only() };
        builder.build().expect("a client")
    }
}

/// One client.
pub(crate) struct Caller {
    pub(crate) number: u64,
    pub(crate) random: Random,
    pub(crate) service: Service,
    clients: [Client; 2],
    tally: Arc<Mutex<Tally>>,
    saves: u64,
}

impl Caller {
    pub(crate) fn new(number: u64, seed: u64, service: Service, tally: Arc<Mutex<Tally>>) -> Self {
        let clients = [service.client(true), service.client(false)];
        let random = Random::new(seed.wrapping_add(number));
        Self { number, random, service, clients, tally, saves: 0 }
    }

    /// Runs operations, with pauses of `pause` on average, until `is_over`.
    pub(crate) async fn run(mut self, pause: Duration, is_over: impl Fn() -> bool) {
        while !is_over() {
            let factor = 0.5 + f64::from(u16::try_from(self.random.below(1_001)).unwrap()) / 1e3;
            tokio::time::sleep(pause.mul_f64(factor)).await;
            let operation = self.choose();
            let is_other = operation != Operation::Import && self.random.below(SHARE_OF_OTHER) == 0;
            let restarting = self.service.restarting.clone().filter(|_| is_other);
            let (may_fail, url) =
                (restarting.is_some(), restarting.unwrap_or_else(|| self.service.url.clone()));
            let result = self.perform(operation, &url).await;
            self.record(operation, result, may_fail);
        }
    }

    fn choose(&mut self) -> Operation {
        let total = self.service.mix.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.below(total);
        for (operation, weight) in self.service.mix {
            if left < *weight {
                return *operation;
            }
            left -= weight;
        }
        Operation::Login
    }

    fn record(&self, operation: Operation, result: Result<(), Failure>, may_fail: bool) {
        let mut tally = self.tally.lock().unwrap();
        let count = tally.counts.entry(operation).or_default();
        let fault = match result {
            Ok(()) => {
                count.completed += 1;
                None
            }
            Err(Failure::Unavailable) => {
                count.unavailable += 1;
                None
            }
            Err(Failure::CutOff(_)) if operation == Operation::Export => {
                count.unavailable += 1;
                None
            }
            Err(Failure::Disconnected(_) | Failure::CutOff(_)) if may_fail => {
                count.disconnected += 1;
                None
            }
            Err(
                Failure::Disconnected(text) | Failure::CutOff(text) | Failure::Unexpected(text),
            ) => Some(text),
        };
        if let Some(text) = fault.filter(|_| tally.faults.len() < 20) {
            tally.faults.push(format!("{operation:?}: {text}"));
        }
    }

    async fn perform(&mut self, operation: Operation, url: &str) -> Result<(), Failure> {
        let client = self.clients[self.random.below(2)].clone();
        let call = Call { client: &client, url };
        match operation {
            Operation::SaveBasic
            | Operation::SaveBearer
            | Operation::SaveTicket
            | Operation::SaveSession => self.save(&call, operation).await,
            Operation::Login => {
                let (name, password) = self.own();
                call.login(&name, &password, &[200]).await
            }
            Operation::WrongPassword => {
                let name = format!("target{}", FIRST_TARGET + self.number * TARGETS);
                call.login(&name, "not the password", &[401, 429]).await
            }
            Operation::UnknownName => {
                let name = format!("nobody{}", self.random.below(10));
                call.login(&name, "not the password", &[401, 429]).await
            }
            Operation::Ticket => {
                let headers = self.log_in(&call, Operation::SaveTicket).await?;
                call.end_ticket(&headers).await
            }
            Operation::Page => self.pages(&call).await,
            Operation::Refused => self.refused(&call).await,
            Operation::NewConnection => {
                let client = self.service.client(self.random.below(2) == 0);
                let (name, password) = self.own();
                Call { client: &client, url }.login(&name, &password, &[200]).await
            }
            Operation::Export | Operation::Import => {
                let headers = self.log_in(&call, Operation::SaveSession).await?;
                if matches!(operation, Operation::Export) {
                    transfers::export(&call, &headers).await
                } else {
                    transfers::import(&call, &headers, self.random.below(1_000)).await
                }
            }
        }
    }

    fn own(&self) -> (String, String) {
        (format!("caller{}", self.number), PASSWORD.to_owned())
    }

    /// Saves a password of a target with a scheme, and logs in with it.
    async fn save(&mut self, call: &Call<'_>, scheme: Operation) -> Result<(), Failure> {
        // The first target is the one whose password is guessed.
        let picked = 1 + u64::try_from(self.random.below(24)).unwrap();
        let target = FIRST_TARGET + self.number * TARGETS + picked;
        self.saves += 1;
        let value = format!("password {} of {target}", self.saves);
        let headers = self.log_in(call, scheme).await?;
        let body = json!({"UserId": target, "Credential": {"Value": value}});
        let path = "/api/v1/Agents/User/SaveCredential";
        let request = call.request(Method::POST, path, &headers).json(&body);
        call.send(request, &[200]).await?;
        call.login(&format!("target{target}"), &value, &[200]).await?;
        if scheme == Operation::SaveTicket { call.end_ticket(&headers).await } else { Ok(()) }
    }

    async fn log_in(&self, call: &Call<'_>, scheme: Operation) -> Result<Headers, Failure> {
        let (name, password) = self.own();
        call.log_in(scheme, &name, &password).await
    }

    async fn pages(&mut self, call: &Call<'_>) -> Result<(), Failure> {
        let mut headers = self.log_in(call, Operation::SaveSession).await?;
        headers.push(("Accept", "text/html".to_owned()));
        for path in ["/account", "/admin/users", "/admin/activity", "/admin/audit", "/docs"] {
            call.send(call.request(Method::GET, path, &headers), &[200]).await?;
        }
        Ok(())
    }

    /// Requests that are refused before they reach a use case.
    async fn refused(&mut self, call: &Call<'_>) -> Result<(), Failure> {
        let none = Headers::new();
        let save = "/api/v1/Agents/User/SaveCredential";
        let (name, password) = self.own();
        let (request, status) = match self.random.below(4) {
            0 => (call.request(Method::GET, "/no/such/route", &none), 404),
            1 => (call.request(Method::POST, save, &none), 401),
            2 => (call.request(Method::POST, save, &none).bearer_auth("a.b.c"), 401),
            _ => {
                let request = call.request(Method::POST, save, &none);
                let request = request.basic_auth(name, Some(password));
                (request.header("Content-Type", "application/json").body("{\"UserId\":"), 400)
            }
        };
        call.send(request, &[status]).await.map(drop)
    }
}

pub(crate) type Headers = Vec<(&'static str, String)>;

/// A client and the instance that it calls.
pub(crate) struct Call<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: &'a str,
}

/// What an operation needs of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
    cookies: Vec<(String, String)>,
}

impl Answer {
    fn json(&self) -> Result<Value, Failure> {
        let parsed = serde_json::from_str(&self.body);
        parsed.map_err(|error| Failure::Unexpected(format!("{error}: {}", self.body)))
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Disconnected(format!("{error:?}"))
    }
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| Failure::Unexpected(format!("no text: {value}")))
}

impl Call<'_> {
    pub(crate) fn request(&self, method: Method, path: &str, headers: &Headers) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    /// Sends a request, whose answer must have one of these statuses, or be 503.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        expected: &[u16],
    ) -> Result<Answer, Failure> {
        let response = request.send().await?;
        let (status, url) = (response.status().as_u16(), response.url().clone());
        let location = header_texts(&response, "location").next();
        let cookies = header_texts(&response, "set-cookie").filter_map(|line| {
            let (name, value) = line.split(';').next()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let cookies = cookies.collect();
        let body = response.text().await;
        let body = body.map_err(|error| Failure::CutOff(format!("{url}: {error:?}")))?;
        if status == 503 {
            return Err(Failure::Unavailable);
        }
        if !expected.contains(&status) {
            let begin: String = body.chars().take(300).collect();
            return Err(Failure::Unexpected(format!("{url}: {status} {begin}")));
        }
        Ok(Answer { status, location, body, cookies })
    }

    /// Logs in with a scheme; returns the headers of requests.
    pub(crate) async fn log_in(
        &self,
        scheme: Operation,
        name: &str,
        password: &str,
    ) -> Result<Headers, Failure> {
        let basic = |method, path| {
            self.request(method, path, &Headers::new()).basic_auth(name, Some(password))
        };
        match scheme {
            Operation::SaveBearer => {
                let request = basic(Method::GET, "/api/v1/User/currentToken");
                let token = self.send(request, &[200]).await?.json()?;
                Ok(vec![("Authorization", format!("Bearer {}", text(&token)?))])
            }
            Operation::SaveTicket => {
                let request = basic(Method::POST, "/keeper/tickets");
                let issued = self.send(request, &[201]).await?.json()?;
                Ok(vec![("Authorization", format!("SOTicket {}", text(&issued["Ticket"])?))])
            }
            Operation::SaveSession => {
                let body = json!({"UserName": name, "Password": password});
                let request = self.request(Method::POST, "/login", &Headers::new()).json(&body);
                let answer = self.send(request, &[200]).await?;
                let xsrf = answer.cookies.iter().find(|(name, _)| name.contains("XSRF"));
                let xsrf = xsrf.map(|(_, value)| value.clone()).unwrap_or_default();
                let cookies = answer.cookies.iter().map(|(name, value)| format!("{name}={value}"));
                let cookies = cookies.collect::<Vec<_>>().join("; ");
                Ok(vec![("Cookie", cookies), ("X-XSRF-TOKEN", xsrf)])
            }
            Operation::SaveBasic
            | Operation::Login
            | Operation::WrongPassword
            | Operation::UnknownName
            | Operation::Ticket
            | Operation::Page
            | Operation::Refused
            | Operation::NewConnection
            | Operation::Export
            | Operation::Import => {
                let request = basic(Method::GET, "/").build().map_err(Failure::from)?;
                let value = request.headers()["authorization"].to_str().expect("ASCII").to_owned();
                Ok(vec![("Authorization", value)])
            }
        }
    }

    async fn login(&self, name: &str, password: &str, expected: &[u16]) -> Result<(), Failure> {
        let request = self.request(Method::GET, "/api/v1/User/currentPrincipal", &Headers::new());
        self.send(request.basic_auth(name, Some(password)), expected).await.map(drop)
    }

    async fn end_ticket(&self, headers: &Headers) -> Result<(), Failure> {
        let request = self.request(Method::DELETE, "/keeper/tickets/current", headers);
        // After a lost answer, the ticket has ended.
        self.send(request, &[200, 204, 401]).await.map(drop)
    }
}

fn header_texts<'a>(response: &'a Response, name: &str) -> impl Iterator<Item = String> + 'a {
    let values = response.headers().get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
