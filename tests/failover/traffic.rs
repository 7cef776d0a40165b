//! Saves and logins at a fixed rate, whether or not earlier ones were answered, and their answers.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    load::{self, Answer, Connection, request},
    service::{FIRST_TARGET, basic},
};

/// The time between two saves: 40 in a second.
const SAVE_PERIOD: Duration = Duration::from_millis(25);

/// The time between two logins: 10 in a second.
const LOGIN_PERIOD: Duration = Duration::from_millis(100);

/// The number of users whose credentials are saved. Each has at most one save in progress.
pub(crate) const SAVED: u64 = 400;

/// The number of users who log in; their ids follow.
pub(crate) const LOGGING_IN: u64 = 8;

/// The credential of a user, as the answers describe it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Register {
    /// The number of the last value that was sent.
    pub(crate) sent: u64,
    /// The number of the last acknowledged value.
    pub(crate) acknowledged: Option<u64>,
    /// Values after it whose outcome is unknown.
    pub(crate) unknown: Vec<u64>,
}

/// The ids of the requests that saved, by what their answers say.
#[derive(Debug, Default)]
pub(crate) struct Saves {
    pub(crate) acknowledged: Vec<String>,
    pub(crate) unknown: Vec<String>,
    pub(crate) refused: Vec<String>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
struct Event {
    sent: Instant,
    answered: Instant,
    result: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Refused,
    Unknown,
}

/// What was sent and answered.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) registers: BTreeMap<u64, Register>,
    pub(crate) requests: Saves,
    saves: Vec<Event>,
    logins: Vec<Event>,
    /// Answers that the interface does not document for this situation.
    unexpected: Vec<String>,
    /// The number of refused requests by their code.
    refusals: BTreeMap<String, usize>,
}

impl History {
    /// The longest time without an acknowledged save, after `since`.
    pub(crate) fn longest_save_gap(&self, since: Instant) -> Duration {
        longest_gap(&self.saves, since)
    }

    /// The longest time without a successful login, after `since`.
    pub(crate) fn longest_login_gap(&self, since: Instant) -> Duration {
        longest_gap(&self.logins, since)
    }

    /// The time from `since` to the first acknowledgement of a save that was sent later.
    pub(crate) fn first_save_after(&self, since: Instant) -> Option<Duration> {
        let later = self.saves.iter().filter(|save| save.sent > since);
        let acknowledged = later.filter(|save| save.result == Outcome::Success);
        acknowledged.map(|save| save.answered - since).min()
    }

    /// The number of saves that were sent and acknowledged in this period.
    pub(crate) fn acknowledged_between(&self, begin: Instant, end: Instant) -> usize {
        self.saves_between(begin, end, Outcome::Success)
    }

    /// The number of saves that were sent in this period, and whose outcome was unknown at its end.
    pub(crate) fn unknown_between(&self, begin: Instant, end: Instant) -> usize {
        self.saves_between(begin, end, Outcome::Unknown)
    }

    fn saves_between(&self, begin: Instant, end: Instant, result: Outcome) -> usize {
        let of_period = |event: &&Event| event.sent > begin && event.answered < end;
        self.saves.iter().filter(of_period).filter(|event| event.result == result).count()
    }

    /// The numbers of logins that were sent in this period: successful ones, and all.
    pub(crate) fn logins_between(&self, begin: Instant, end: Instant) -> (usize, usize) {
        let of_period = |event: &&Event| event.sent > begin && event.sent < end;
        let logins = self.logins.iter().filter(of_period);
        let successful = logins.clone().filter(|login| login.result == Outcome::Success);
        (successful.count(), logins.count())
    }

    /// Acknowledged and refused saves, and those whose outcome is unknown.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [Outcome::Success, Outcome::Refused, Outcome::Unknown]
            .map(|result| self.saves.iter().filter(|save| save.result == result).count())
    }

    /// Asserts that every answer was 200 or a documented 503.
    pub(crate) fn assert_documented(&self) {
        assert!(
            self.unexpected.is_empty(),
            "{} answers: {}",
            self.unexpected.len(),
            self.unexpected[0]
        );
    }
}

fn longest_gap(events: &[Event], since: Instant) -> Duration {
    let successes = events.iter().filter(|event| event.result == Outcome::Success);
    let mut answered: Vec<_> = successes.map(|event| event.answered).collect();
    answered.sort_unstable();
    let gaps = answered.windows(2).filter(|pair| pair[1] > since).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(Duration::MAX)
}

/// Traffic in progress.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

struct Shared {
    address: SocketAddr,
    round: usize,
    headers: String,
    history: Mutex<History>,
    /// Users without a save in progress.
    free: Mutex<VecDeque<u64>>,
}

impl Traffic {
    /// Begins to save with the headers of an administrator, and to log in. The values of a round are
    /// unlike those of other rounds.
    pub(crate) fn start(address: SocketAddr, headers: String, round: usize) -> Self {
        let free = Mutex::new((FIRST_TARGET..FIRST_TARGET + SAVED).collect());
        let shared = Arc::new(Shared { address, round, headers, history: Mutex::default(), free });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (saving, logging_in) = (Arc::clone(&shared), Arc::clone(&shared));
        tasks.spawn(repeat(SAVE_PERIOD, stopped.clone(), move |_| save(Arc::clone(&saving))));
        tasks.spawn(repeat(LOGIN_PERIOD, stopped, move |number| {
            log_in(Arc::clone(&logging_in), number)
        }));
        Self { shared, stop, tasks }
    }

    /// Asserts that a save that is sent from now on is acknowledged within `limit`.
    pub(crate) async fn assert_recovers(&self, limit: Duration) {
        let since = Instant::now();
        while lock(&self.shared.history).first_save_after(since).is_none() {
            // A machine that is too busy for the load refuses with `overloaded`.
            let refusals = lock(&self.shared.history).refusals.clone();
            assert!(since.elapsed() < limit, "no save within {limit:?}; refused: {refusals:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops, and waits for the last answers.
    pub(crate) async fn stop(mut self) -> History {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *lock(&self.shared.history))
    }
}

/// Starts a request in each period until `stopped`, and then waits for the answers.
async fn repeat<F: Future<Output = ()> + Send + 'static>(
    period: Duration,
    mut stopped: watch::Receiver<bool>,
    send: impl Fn(u64) -> F,
) {
    let mut requests = JoinSet::new();
    let mut ticks = tokio::time::interval(period);
    for number in 0.. {
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => break,
            _ = ticks.tick() => requests.spawn(send(number)),
        };
    }
    while let Some(ended) = requests.join_next().await {
        ended.unwrap();
    }
}

async fn save(shared: Arc<Shared>) {
    let Some(user) = lock(&shared.free).pop_front() else { return };
    let value = {
        let mut history = lock(&shared.history);
        let register = history.registers.entry(user).or_default();
        register.sent += 1;
        register.sent
    };
    let request = load::save(&shared.headers, user, &secret(shared.round, user, value));
    let (event, id) = send(&shared, &request).await;
    let mut history = lock(&shared.history);
    let register = history.registers.entry(user).or_default();
    match event.result {
        Outcome::Success => {
            register.acknowledged = Some(value);
            register.unknown.clear();
            history.requests.acknowledged.push(id);
        }
        Outcome::Unknown => {
            register.unknown.push(value);
            history.requests.unknown.push(id);
        }
        Outcome::Refused => history.requests.refused.push(id),
    }
    history.saves.push(event);
    drop(history);
    lock(&shared.free).push_back(user);
}

async fn log_in(shared: Arc<Shared>, number: u64) {
    let login = login(FIRST_TARGET + SAVED + number % LOGGING_IN, &secret_of_login());
    let (event, _) = send(&shared, &login).await;
    lock(&shared.history).logins.push(event);
}

/// Sends a request; also returns the id that the service gave it.
async fn send(shared: &Shared, request: &str) -> (Event, String) {
    let sent = Instant::now();
    let answer = Connection::open(shared.address).await.send(request).await;
    let answered = Instant::now();
    let result = match answer.status {
        200 => Outcome::Success,
        503 if answer.body.contains("outcome_unknown") => Outcome::Unknown,
        503 => {
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let code = body["Code"].as_str().unwrap_or_default().to_owned();
            *lock(&shared.history).refusals.entry(code).or_default() += 1;
            Outcome::Refused
        }
        _ => {
            lock(&shared.history).unexpected.push(format!("{answer:?}"));
            Outcome::Unknown
        }
    };
    let id = header(&answer, "x-request-id").expect("the id of a request");
    (Event { sent, answered, result }, id)
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    let fields = answer.head.lines().filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().to_owned())
}

/// A login of the user with this id.
pub(crate) fn login(user: u64, value: &str) -> String {
    let headers = basic(&format!("target{user}"), value);
    request("GET", "/api/v1/User/currentPrincipal", &headers, "")
}

/// The value with this number of the user with this id, in a round.
pub(crate) fn secret(round: usize, user: u64, number: u64) -> String {
    format!("value {number} of {user} in round {round}")
}

/// The value of every user who logs in.
pub(crate) fn secret_of_login() -> String {
    "the value of a user who logs in".to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
