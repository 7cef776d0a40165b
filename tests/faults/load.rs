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
use tokio::sync::{RwLock, watch};

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

    fn last_value(&self) -> u32 {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        *values.last().expect("the first value")
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
    administrators: Mutex<Vec<Headers>>,
    /// The number of acknowledged saves, and the instance of the last one.
    acknowledged: watch::Sender<(u64, usize)>,
    next_value: AtomicU32,
    next_login: AtomicU64,
}

impl Load {
    /// Logs the administrators in.
    pub(crate) async fn new(instances: Vec<SocketAddr>, targets: u64) -> Self {
        let administrators =
            log_in_administrators(&instances).await.expect("logins of the administrators");
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
            administrators: Mutex::new(administrators),
            acknowledged: watch::Sender::default(),
            next_value: AtomicU32::new(1),
            next_login: AtomicU64::new(1),
        }
    }

    /// A save that is not part of the history.
    pub(crate) async fn probe(&self, client: &Client, instance: usize) -> Outcome {
        let user = FIRST_PROBE + u64::try_from(instance).expect("a number");
        let body = json!({"UserId": user, "Credential": {"Value": PASSWORD}});
        let (address, save) = (self.instances[instance], (Method::POST, SAVE));
        // With a token, so that it waits for one hash only.
        let token = {
            let administrators = self.administrators.lock().unwrap_or_else(PoisonError::into_inner);
            administrators[1].clone()
        };
        client::send(client, address, save, &token, Some(&body)).await
    }

    /// Waits for the next acknowledged save; returns its instance.
    pub(crate) async fn next_acknowledged(&self) -> usize {
        let mut acknowledged = self.acknowledged.subscribe();
        acknowledged.changed().await.expect("the load");
        acknowledged.borrow().1
    }

    /// Replaces everything that a former key signed or protects: the tokens and tickets of the
    /// administrators, and those of the load. False when an instance does not answer.
    pub(crate) async fn renew_logins(&self) -> bool {
        let Some(renewed) = log_in_administrators(&self.instances).await else { return false };
        *self.administrators.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        // Until nothing is under way that has begun with a former one.
        let _closed = self.gate.write().await;
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).clear();
        true
    }

    fn administrator(&self, random: &mut Random) -> Headers {
        let administrators = self.administrators.lock().unwrap_or_else(PoisonError::into_inner);
        random.choose(&administrators).clone()
    }

    fn target(&self, random: &mut Random) -> Arc<Target> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(random.choose(&targets))
    }

    fn count(&self, outcome: &Outcome) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(describe(outcome)).or_default() += 1;
    }

    fn unexpected(&self, what: &str, outcome: &Outcome) {
        let mut unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
        unexpected.push(format!("{what}: {outcome:?}"));
    }
}

/// Logs in with the last value of each user whose credential changes, so that no lost save stays
/// unseen. Called when the load is over.
pub(crate) async fn log_everyone_in(load: &Arc<Load>) {
    let mut client = LoadClient::new(Arc::clone(load), 0);
    let targets = load.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for target in targets {
        client.log_in_as(&target, target.last_value()).await;
    }
}

/// Runs one client until the load is over.
pub(crate) async fn run(load: Arc<Load>, seed: u64) {
    let mut client = LoadClient::new(load, seed);
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
    /// The instance of the last request.
    instance: usize,
    /// The instance of the next request; `None`: a random one.
    next_instance: Option<usize>,
}

impl LoadClient {
    fn new(load: Arc<Load>, seed: u64) -> Self {
        let (client, random) = (client::client(), Random::new(seed));
        Self { client, random, load, instance: 0, next_instance: None }
    }

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
        let count = u64::try_from(self.load.instances.len()).expect("a number");
        let chosen = usize::try_from(self.random.below(count)).expect("an index");
        self.instance = self.next_instance.take().unwrap_or(chosen);
        let instance = self.load.instances[self.instance];
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
        let former = target.last_value();
        // Another instance, which may have remembered that the former value is right.
        let other = self.random.below(3);
        let other = usize::try_from(other).expect("an index") % self.load.instances.len();
        let is_remembered = self.random.below(3) == 0;
        if is_remembered {
            self.next_instance = Some(other);
            self.log_in_as(&target, former).await;
        }
        let administrator = self.load.administrator(&mut self.random);
        let value = self.load.next_value.fetch_add(1, Ordering::Relaxed);
        let object = Object::Credential(target.id);
        let begin = self.load.history.now();
        let body = json!({"UserId": target.id, "Credential": {"Value": text_of(value)}});
        let outcome = self.send(Method::POST, SAVE, &administrator, Some(body)).await;
        let save = Operation::Save(value);
        match meaning(&outcome) {
            Meaning::Done => {
                let instance = self.instance;
                self.load.acknowledged.send_modify(|(count, last)| {
                    *count += 1;
                    *last = instance;
                });
                self.load.history.answered(object, save, begin);
                target.note(value);
                // At once: an answer that came before its commit is seen only until then.
                let next = (instance + 1) % self.load.instances.len();
                self.next_instance = Some(if is_remembered { other } else { next });
                self.log_in_as(&target, value).await;
                if is_remembered {
                    self.next_instance = Some(other);
                    self.log_in_as(&target, former).await;
                }
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
            let ticket = ticket_of(answer).expect("a ticket");
            vec![("Authorization", format!("SOTicket {ticket}"))]
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

/// An outcome in a few words: the status and the `Code` of an answer.
pub(crate) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NotSent => "no connection".to_owned(),
        Outcome::NoAnswer => "no answer".to_owned(),
        Outcome::Answer(answer) => match code(answer) {
            None => answer.status.to_string(),
            Some(code) => format!("{} {code}", answer.status),
        },
    }
}

fn ticket_of(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    Some(body["Ticket"].as_str()?.to_owned())
}

/// Logs each administrator in with each scheme; `None` when one gets no answer.
async fn log_in_administrators(instances: &[SocketAddr]) -> Option<Vec<Headers>> {
    let client = client::client();
    let mut administrators = Vec::new();
    for number in 0..instances.len() {
        let password = basic(&format!("administrator{number}"), PASSWORD);
        let send = async |request: (Method, &str)| {
            let outcome = client::send(&client, instances[0], request, &password, None).await;
            match outcome {
                Outcome::Answer(answer) if answer.status < 300 => Some(answer),
                Outcome::Answer(_) | Outcome::NotSent | Outcome::NoAnswer => None,
            }
        };
        let token = send((Method::GET, "/api/v1/User/currentToken")).await?;
        let token = token.body.trim().trim_matches('"').to_owned();
        let ticket = ticket_of(&send((Method::POST, "/keeper/tickets")).await?)?;
        administrators.push(password);
        administrators.push(vec![("Authorization", format!("Bearer {token}"))]);
        administrators.push(vec![("Authorization", format!("SOTicket {ticket}"))]);
    }
    Some(administrators)
}
