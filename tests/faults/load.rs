//! The load: clients that log in, save, delete, change their own password, and use tickets and
//! sessions, on random instances.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use crate::{
    client::{self, Answer, Headers, Outcome, basic},
    history::{History, Object, Operation},
    random::Random,
    service::PASSWORD,
};

const PRINCIPAL: &str = "/api/v1/User/currentPrincipal";
const SAVE: &str = "/api/v1/Agents/User/SaveCredential";
const DELETE: &str = "/api/v1/Agents/User/DeleteCredential";

/// The id of the first user of [`Load::probe`], one for each instance.
pub(crate) const FIRST_PROBE: u64 = 300_000;

/// The value with the number 0, which is the password of imported hashes.
pub(crate) const IMPORTED: &str = crate::hash_families::PASSWORD;

/// The text of a value.
pub(crate) fn text_of(value: u32) -> String {
    if value == 0 { IMPORTED.to_owned() } else { format!("the value with the number {value}") }
}

/// A user whose credential changes.
pub(crate) struct Target {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// The values that were saved or may be saved, oldest first.
    values: Mutex<Vec<u32>>,
}

impl Target {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, name: format!("target{id}"), values: Mutex::new(vec![0]) }
    }

    /// One of the last values: mostly the last one, sometimes an old one.
    fn any_value(&self, random: &mut Random) -> u32 {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = &values[values.len().saturating_sub(4)..];
        let last = recent[recent.len() - 1];
        if random.below(4) > 0 { last } else { *random.choose(recent) }
    }

    pub(crate) fn note(&self, value: u32) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

/// A ticket or a session that was issued.
#[derive(Clone)]
struct Login {
    number: u64,
    headers: Headers,
    is_session: bool,
}

/// The number of tickets and sessions that are in use.
const LOGINS: usize = 12;

/// What all clients share.
pub(crate) struct Load {
    pub(crate) history: History,
    pub(crate) instances: Vec<SocketAddr>,
    pub(crate) targets: Mutex<Vec<Arc<Target>>>,
    /// Held by each operation, and exclusively by the check between two faults.
    pub(crate) gate: RwLock<()>,
    pub(crate) is_over: AtomicBool,
    /// The answers by status and code.
    pub(crate) answers: Mutex<BTreeMap<String, u64>>,
    /// Answers that the documents do not allow.
    pub(crate) unexpected: Mutex<Vec<String>>,
    logins: Mutex<Vec<Login>>,
    /// By administrator: the headers of each scheme.
    administrators: Vec<Headers>,
    next_value: AtomicU32,
    next_login: AtomicU64,
}

impl Load {
    /// Logs the administrators in.
    pub(crate) async fn new(instances: Vec<SocketAddr>, targets: u64) -> Self {
        let client = client::client();
        let mut administrators = Vec::new();
        for number in 0..instances.len() {
            let password = basic(&format!("administrator{number}"), PASSWORD);
            let token = (Method::GET, "/api/v1/User/currentToken");
            let token = answer(&client, instances[0], token, &password).await;
            let token = token.body.trim().trim_matches('"').to_owned();
            let ticket = (Method::POST, "/keeper/tickets");
            let ticket = ticket_of(&answer(&client, instances[0], ticket, &password).await);
            administrators.push(password);
            administrators.push(vec![("Authorization", format!("Bearer {token}"))]);
            administrators.push(vec![("Authorization", format!("SOTicket {ticket}"))]);
        }
        Self {
            history: History::new(),
            instances,
            targets: Mutex::new(
                (0..targets).map(|id| Arc::new(Target::new(100_000 + id))).collect(),
            ),
            gate: RwLock::default(),
            is_over: AtomicBool::new(false),
            answers: Mutex::default(),
            unexpected: Mutex::default(),
            logins: Mutex::default(),
            administrators,
            next_value: AtomicU32::new(1),
            next_login: AtomicU64::new(1),
        }
    }

    /// A save that is not part of the history: true when the instance acknowledged it.
    pub(crate) async fn probe(&self, client: &Client, instance: usize) -> bool {
        let user = FIRST_PROBE + u64::try_from(instance).expect("a number");
        let body = json!({"UserId": user, "Credential": {"Value": PASSWORD}});
        let (address, save) = (self.instances[instance], (Method::POST, SAVE));
        // With a token, so that it waits for one hash only.
        let outcome =
            client::send(client, address, save, &self.administrators[1], Some(&body)).await;
        matches!(outcome, Outcome::Answer(Answer { status: 200, .. }))
    }

    fn administrator(&self, random: &mut Random) -> Headers {
        random.choose(&self.administrators).clone()
    }

    fn target(&self, random: &mut Random) -> Arc<Target> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(random.choose(&targets))
    }

    fn count(&self, outcome: &Outcome) {
        let text = match outcome {
            Outcome::NotSent => "no connection".to_owned(),
            Outcome::NoAnswer => "no answer".to_owned(),
            Outcome::Answer(answer) => match code(answer) {
                None => answer.status.to_string(),
                Some(code) => format!("{} {code}", answer.status),
            },
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(text).or_default() += 1;
    }

    fn unexpected(&self, what: &str, outcome: &Outcome) {
        let mut unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
        unexpected.push(format!("{what}: {outcome:?}"));
    }
}

/// Runs one client until the load is over.
pub(crate) async fn run(load: Arc<Load>, seed: u64) {
    let mut client = LoadClient { client: client::client(), random: Random::new(seed), load };
    while !client.load.is_over.load(Ordering::Relaxed) {
        let load = Arc::clone(&client.load);
        let _open = load.gate.read().await;
        client.step().await;
    }
}

struct LoadClient {
    client: Client,
    random: Random,
    load: Arc<Load>,
}

impl LoadClient {
    async fn step(&mut self) {
        match self.random.below(100) {
            0..40 => self.log_in().await,
            40..44 => self.log_in_with_nothing().await,
            44..64 => self.save().await,
            64..70 => self.change_own().await,
            70..73 => self.delete().await,
            73..78 => self.issue().await,
            78..97 => self.use_login().await,
            _ => self.end_login().await,
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &Headers,
        body: Option<Value>,
    ) -> Outcome {
        let instance = *self.random.choose(&self.load.instances);
        let request = (method, path);
        let outcome = client::send(&self.client, instance, request, headers, body.as_ref()).await;
        self.load.count(&outcome);
        let is_refused = |answer: &Answer| answer.status == 503;
        if matches!(&outcome, Outcome::NotSent)
            || matches!(&outcome, Outcome::Answer(answer) if is_refused(answer))
        {
            // Clients without a pause would take the processors that the recovery needs.
            tokio::time::sleep(self.random.milliseconds(20, 100)).await;
        }
        outcome
    }

    async fn log_in(&mut self) {
        let target = self.load.target(&mut self.random);
        let value = target.any_value(&mut self.random);
        self.log_in_as(&target, value).await;
    }

    /// A value that nobody saved.
    async fn log_in_with_nothing(&mut self) {
        let target = self.load.target(&mut self.random);
        self.log_in_as(&target, u32::MAX).await;
    }

    async fn log_in_as(&mut self, target: &Target, value: u32) {
        let object = Object::Credential(target.id);
        let begin = self.load.history.now();
        let headers = basic(&target.name, &text_of(value));
        let outcome = self.send(Method::GET, PRINCIPAL, &headers, None).await;
        match meaning(&outcome) {
            Meaning::Done => self.load.history.answered(object, Operation::Accepted(value), begin),
            Meaning::Refused => {
                self.load.history.answered(object, Operation::Refused(value), begin);
            }
            Meaning::NothingDone | Meaning::Unknown => {}
            Meaning::Unexpected => self.load.unexpected("login", &outcome),
        }
    }

    async fn save(&mut self) {
        let target = self.load.target(&mut self.random);
        let administrator = self.load.administrator(&mut self.random);
        let value = self.load.next_value.fetch_add(1, Ordering::Relaxed);
        let object = Object::Credential(target.id);
        let begin = self.load.history.now();
        let body = json!({"UserId": target.id, "Credential": {"Value": text_of(value)}});
        let outcome = self.send(Method::POST, SAVE, &administrator, Some(body)).await;
        let save = Operation::Save(value);
        match meaning(&outcome) {
            Meaning::Done => {
                self.load.history.answered(object, save, begin);
                target.note(value);
                // At once: an answer that came before its commit is seen only until then.
                self.log_in_as(&target, value).await;
            }
            Meaning::Unknown => {
                self.load.history.unknown(object, save, begin);
                target.note(value);
            }
            Meaning::NothingDone => {}
            Meaning::Refused | Meaning::Unexpected => self.load.unexpected("save", &outcome),
        }
    }

    async fn change_own(&mut self) {
        let target = self.load.target(&mut self.random);
        let from = target.any_value(&mut self.random);
        let to = self.load.next_value.fetch_add(1, Ordering::Relaxed);
        let object = Object::Credential(target.id);
        let begin = self.load.history.now();
        let headers = basic(&target.name, &text_of(from));
        let body = json!({"UserId": target.id, "Credential": {"Value": text_of(to)}});
        let outcome = self.send(Method::POST, SAVE, &headers, Some(body)).await;
        let change = Operation::Change(from, to);
        match meaning(&outcome) {
            Meaning::Done => {
                self.load.history.answered(object, change, begin);
                target.note(to);
            }
            Meaning::Unknown => {
                self.load.history.unknown(object, change, begin);
                target.note(to);
            }
            Meaning::Refused => self.load.history.answered(object, Operation::Refused(from), begin),
            Meaning::NothingDone => {}
            Meaning::Unexpected => self.load.unexpected("own change", &outcome),
        }
    }

    async fn delete(&mut self) {
        let target = self.load.target(&mut self.random);
        let administrator = self.load.administrator(&mut self.random);
        let object = Object::Credential(target.id);
        let begin = self.load.history.now();
        let body = json!({"UserId": target.id, "CredentialType": "CRM5/PASSWORD"});
        let outcome = self.send(Method::POST, DELETE, &administrator, Some(body)).await;
        match (meaning(&outcome), &outcome) {
            (Meaning::Done, Outcome::Answer(answer)) => {
                let is_deleted = answer.body.trim() == "true";
                let nothing = Operation::DeleteNothing;
                let operation = if is_deleted { Operation::Delete } else { nothing };
                self.load.history.answered(object, operation, begin);
            }
            (Meaning::Unknown, _) => self.load.history.unknown(object, Operation::Delete, begin),
            (Meaning::NothingDone, _) => {}
            (Meaning::Done | Meaning::Refused | Meaning::Unexpected, _) => {
                self.load.unexpected("delete", &outcome);
            }
        }
    }

    /// An administrator, whose credential stays, gets a ticket or a session.
    async fn issue(&mut self) {
        let is_session = self.random.below(2) == 0;
        let name = format!("administrator{}", self.random.below(3));
        let begin = self.load.history.now();
        let outcome = if is_session {
            let body = json!({"UserName": name, "Password": PASSWORD});
            self.send(Method::POST, "/login", &Vec::new(), Some(body)).await
        } else {
            self.send(Method::POST, "/keeper/tickets", &basic(&name, PASSWORD), None).await
        };
        let (Meaning::Done, Outcome::Answer(answer)) = (meaning(&outcome), &outcome) else {
            if matches!(meaning(&outcome), Meaning::Refused | Meaning::Unexpected) {
                self.load.unexpected("new login", &outcome);
            }
            return;
        };
        let headers = if is_session {
            let cookie = |name| answer.cookie(name).unwrap_or_default().to_owned();
            let (session, xsrf) = (cookie("ASP.NET_SessionId"), cookie("XSRF-TOKEN"));
            vec![("Cookie", format!("ASP.NET_SessionId={session}")), ("X-XSRF-TOKEN", xsrf)]
        } else {
            vec![("Authorization", format!("SOTicket {}", ticket_of(answer)))]
        };
        let number = self.load.next_login.fetch_add(1, Ordering::Relaxed);
        self.load.history.answered(Object::Login(number), Operation::Save(1), begin);
        let mut logins = self.load.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= LOGINS {
            logins.remove(0);
        }
        logins.push(Login { number, headers, is_session });
    }

    fn login(&mut self) -> Option<Login> {
        let logins = self.load.logins.lock().unwrap_or_else(PoisonError::into_inner);
        (!logins.is_empty()).then(|| self.random.choose(&logins).clone())
    }

    async fn use_login(&mut self) {
        let Some(login) = self.login() else { return };
        let object = Object::Login(login.number);
        let begin = self.load.history.now();
        let outcome = self.send(Method::GET, PRINCIPAL, &login.headers, None).await;
        match meaning(&outcome) {
            Meaning::Done => self.load.history.answered(object, Operation::Accepted(1), begin),
            Meaning::Refused => self.load.history.answered(object, Operation::Refused(1), begin),
            Meaning::NothingDone | Meaning::Unknown => {}
            Meaning::Unexpected => self.load.unexpected("ticket or session", &outcome),
        }
    }

    async fn end_login(&mut self) {
        let Some(login) = self.login() else { return };
        let object = Object::Login(login.number);
        let begin = self.load.history.now();
        let outcome = if login.is_session {
            self.send(Method::POST, "/logout", &login.headers, None).await
        } else {
            self.send(Method::DELETE, "/keeper/tickets/current", &login.headers, None).await
        };
        match meaning(&outcome) {
            // A logout answers the same when there is no session.
            Meaning::Done if login.is_session => {
                self.load.history.answered(object, Operation::EndIfAny, begin);
            }
            Meaning::Done => self.load.history.answered(object, Operation::Delete, begin),
            Meaning::Unknown => self.load.history.unknown(object, Operation::Delete, begin),
            Meaning::Refused => self.load.history.answered(object, Operation::Refused(1), begin),
            Meaning::NothingDone => {}
            Meaning::Unexpected => self.load.unexpected("end of a ticket or session", &outcome),
        }
    }
}

/// What an outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Done,
    /// The credentials are not valid.
    Refused,
    /// Too many attempts, overloaded or unavailable: nothing was done.
    NothingDone,
    Unknown,
    /// Something that no document allows here.
    Unexpected,
}

fn meaning(outcome: &Outcome) -> Meaning {
    let answer = match outcome {
        Outcome::NotSent => return Meaning::NothingDone,
        Outcome::NoAnswer => return Meaning::Unknown,
        Outcome::Answer(answer) => answer,
    };
    match (answer.status, code(answer).as_deref()) {
        (200 | 201 | 204, _) => Meaning::Done,
        (401, _) => Meaning::Refused,
        (503, Some("outcome_unknown")) => Meaning::Unknown,
        (503, Some("database_unavailable" | "overloaded" | "shutting_down"))
        | (429, Some("too_many_attempts")) => Meaning::NothingDone,
        _ => Meaning::Unexpected,
    }
}

/// The `Code` of an error.
fn code(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    body["Code"].as_str().map(str::to_owned)
}

fn ticket_of(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).expect("a ticket");
    body["Ticket"].as_str().expect("a ticket").to_owned()
}

async fn answer(
    client: &Client,
    instance: SocketAddr,
    request: (Method, &str),
    headers: &Headers,
) -> Answer {
    match client::send(client, instance, request, headers, None).await {
        Outcome::Answer(answer) => answer,
        outcome @ (Outcome::NotSent | Outcome::NoAnswer) => panic!("{outcome:?}"),
    }
}
