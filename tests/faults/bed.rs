//! The installation under load: PostgreSQL, the proxy in front of it, and the instances.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Client;

use crate::{
    client,
    faults::Fault,
    hash_families::FAMILIES,
    history::{Object, Operation},
    invariants,
    load::{FIRST_PROBE, Load, Target, text_of},
    postgres::Postgres,
    proxy::Proxy,
    random::Random,
    service::{INSTANCES, Installation, Instance},
};

/// The number of users whose credentials change from the start.
const TARGETS: u64 = 12;

/// The number of clients.
const CLIENTS: u64 = 8;

/// How long the service may take to recover after the database.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// The times of one occurrence of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// From the injection until the fault was over and the database accepted writes.
    pub(crate) outage: Duration,
    /// From then until every instance saved.
    pub(crate) service: Duration,
}

/// Everything that runs. Fields are dropped in this order.
pub(crate) struct Bed {
    pub(crate) instances: Vec<Instance>,
    pub(crate) proxy: Proxy,
    pub(crate) postgres: Postgres,
    pub(crate) installation: Arc<Installation>,
    pub(crate) load: Arc<Load>,
    pub(crate) folder: PathBuf,
    clients: Vec<tokio::task::JoinHandle<()>>,
    maintenance: Option<tokio::task::JoinHandle<()>>,
    probe: Client,
    /// Answers of readiness that do not fit the fault.
    wrong_readiness: Mutex<Vec<String>>,
}

impl Bed {
    /// Starts everything in a folder, and the load.
    pub(crate) async fn start(folder: PathBuf, seed: u64) -> Self {
        let postgres = Postgres::create(&folder).await;
        let proxy = Proxy::start(postgres.address()).await;
        let installation = Arc::new(Installation::create(&folder, &postgres, proxy.address));
        let probes = FIRST_PROBE..FIRST_PROBE + 3;
        let users = (100_000..100_000 + TARGETS).chain(probes);
        let imported = import_lines(users, 0);
        assert!(installation.run(&["import", "-"], &imported), "the import of the first users");
        let start = |number| Instance::start(&installation, number);
        let instances: Vec<_> = (0..INSTANCES).map(start).collect();
        let probe = client::client();
        for instance in &instances {
            wait_until_ready(&probe, instance).await;
        }
        let addresses = instances.iter().map(|instance| instance.address).collect();
        let load = Arc::new(Load::new(addresses, TARGETS).await);
        for target in 0..TARGETS {
            load.history.answered(Object::Credential(100_000 + target), Operation::Save(0), 0);
        }
        let run = |client| tokio::spawn(crate::load::run(Arc::clone(&load), seed * 1000 + client));
        let clients = (0..CLIENTS).map(run).collect();
        let (maintenance, wrong_readiness) = (None, Mutex::default());
        Self {
            instances,
            proxy,
            postgres,
            installation,
            load,
            folder,
            clients,
            maintenance,
            probe,
            wrong_readiness,
        }
    }

    /// Injects a fault once, waits until every instance saves again, and ends what was unknown.
    pub(crate) async fn occur(&mut self, fault: Fault, random: &mut Random) -> Recovery {
        tokio::time::sleep(random.milliseconds(100, 600)).await;
        let begin = Instant::now();
        fault.inject(self, random).await;
        let outage = begin.elapsed();
        let recovered = Instant::now();
        self.wait_until_recovered(fault).await;
        let service = recovered.elapsed();
        if fault == Fault::HalfOpen {
            self.proxy.heal();
        }
        self.settle().await;
        Recovery { outage, service }
    }

    /// Waits, and asks for readiness meanwhile if the fault has a reason to give.
    pub(crate) async fn hold(&self, fault: Fault, time: Duration) {
        let Some(reason) = fault.description().reason else {
            return tokio::time::sleep(time).await;
        };
        let begin = Instant::now();
        while begin.elapsed() < time {
            tokio::time::sleep(time / 4).await;
            for instance in &self.instances {
                let (status, text) = readiness(&self.probe, instance).await;
                // The server may still be stopping or starting.
                let is_right = status == 503 && (text.contains(reason) || fault == Fault::Recovery);
                if !is_right && begin.elapsed() < time {
                    let mut wrong =
                        self.wrong_readiness.lock().unwrap_or_else(PoisonError::into_inner);
                    wrong.push(format!("readiness during {fault:?}: {status} {text}"));
                }
            }
        }
    }

    /// Kills a random instance and starts it again.
    pub(crate) fn kill_instance(&mut self, random: &mut Random) {
        let number = usize::try_from(random.below(3)).expect("a number");
        let instance = &mut self.instances[number];
        instance.kill();
        instance.restart(&self.installation);
    }

    async fn wait_until_recovered(&self, fault: Fault) {
        let (load, probe) = (&self.load, &self.probe);
        let waits = (0..self.instances.len()).map(async |instance| {
            let begin = Instant::now();
            while !load.probe(probe, instance).await {
                let is_late = begin.elapsed() > RECOVERY_LIMIT;
                assert!(!is_late, "instance {instance} did not recover from {fault:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        join_all(waits).await;
    }

    /// Stops the load for a moment in which nothing is under way, so that no call of unknown outcome
    /// can take effect later.
    async fn settle(&self) {
        let _closed = self.load.gate.write().await;
        self.postgres.wait_until_idle().await;
        self.load.history.close_unknown();
        // Refused logins are part of the load, and locked users would end it.
        let mut tables = self.postgres.tables().await.expect("a connection");
        for table in ["authentication_attempts", "known_addresses", "address_failures"] {
            let statement = format!("DELETE FROM {table}");
            crate::postgres::execute(&mut tables, &statement).await.expect("a statement");
        }
    }

    /// Starts the next step of maintenance beside the load, unless the last one still runs: an import
    /// of new and of present users, or a step of a key rotation.
    pub(crate) fn maintain(&mut self, step: u64) {
        if self.maintenance.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let (load, installation) = (Arc::clone(&self.load), Arc::clone(&self.installation));
        let client = self.probe.clone();
        let operations: Vec<_> =
            self.instances.iter().map(|instance| instance.operations).collect();
        self.maintenance = Some(tokio::spawn(async move {
            if step.is_multiple_of(2) {
                import(Arc::clone(&load), installation, step).await;
            } else {
                rotate_key(&installation, &client, &operations).await;
            }
        }));
    }

    /// Ends the load, and returns everything that is wrong.
    pub(crate) async fn finish(&mut self) -> Vec<String> {
        self.load.is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.await.expect("a client");
        }
        if let Some(maintenance) = self.maintenance.take() {
            maintenance.await.expect("maintenance");
        }
        self.settle().await;
        let mut findings = self.load.history.violations();
        for wrong in [&self.load.unexpected, &self.wrong_readiness] {
            let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
            findings.extend(wrong.iter().take(20).cloned());
        }
        findings.extend(self.instances.iter().flat_map(Instance::log_findings).take(20));
        findings.extend(invariants::broken(&self.postgres).await);
        if !self.installation.run(&["audit", "verify"], "") {
            findings.push("`audit verify` has findings".to_owned());
        }
        findings
    }
}

async fn readiness(client: &Client, instance: &Instance) -> (u16, String) {
    let ready = (reqwest::Method::GET, "/health/ready");
    match client::send(client, instance.operations, ready, &Vec::new(), None).await {
        client::Outcome::Answer(answer) => (answer.status, answer.body),
        outcome @ (client::Outcome::NotSent | client::Outcome::NoAnswer) => {
            (0, format!("{outcome:?}"))
        }
    }
}

async fn wait_until_ready(client: &Client, instance: &Instance) {
    let begin = Instant::now();
    while readiness(client, instance).await.0 != 200 {
        assert!(begin.elapsed() < RECOVERY_LIMIT, "an instance did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lines that give users the hash of the value 0, of another family each.
fn import_lines(users: impl Iterator<Item = u64>, first: usize) -> String {
    // Hashes that are slow to verify would only slow the load down.
    let cheap = ["ssha", "md5", "md5-crypt", "phpass", "django-pbkdf2", "ldap-bcrypt", "scrypt"];
    let is_cheap = |family: &&crate::hash_families::Family| cheap.contains(&family.name);
    let families: Vec<_> = FAMILIES.iter().filter(is_cheap).collect();
    let line = |(number, id): (usize, u64)| {
        let hash = families[(first + number) % families.len()].hash;
        let name = Target::new(id).name;
        format!(r#"{{"login_name":"{name}","id":{id},"credentials":[{{"hash":"{hash}"}}]}}"#)
    };
    users.enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Imports a new user and one that exists.
async fn import(load: Arc<Load>, installation: Arc<Installation>, step: u64) {
    debug_assert_eq!(text_of(0), crate::load::IMPORTED);
    let users = [200_000 + step, 100_000 + step % TARGETS];
    let lines = import_lines(users.into_iter(), usize::try_from(step).expect("a step"));
    let begin = load.history.now();
    let run = move || installation.run(&["import", "-"], &lines);
    let is_done = tokio::task::spawn_blocking(run).await.expect("the import");
    for user in users {
        let (object, save) = (Object::Credential(user), Operation::Save(0));
        if is_done {
            load.history.answered(object, save, begin);
        } else {
            load.history.unknown(object, save, begin);
        }
    }
    if is_done {
        let mut targets = load.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets[usize::try_from(step % TARGETS).expect("an index")].note(0);
        targets.push(Arc::new(Target::new(users[0])));
    }
}

/// How long instances may take to read a changed keyring, which needs the database.
const KEYRING_LIMIT: Duration = Duration::from_secs(30);

/// Adds a key, makes it the writing one when every instance has it, and seals every credential with it
/// when every instance uses it. A fault may end any step; the next rotation starts with a new key.
async fn rotate_key(installation: &Arc<Installation>, client: &Client, operations: &[SocketAddr]) {
    let run = async |arguments: Vec<String>| {
        let installation = Arc::clone(installation);
        let run = move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            installation.output(&arguments, "")
        };
        tokio::task::spawn_blocking(run).await.expect("the rotation")
    };
    let command = |step: &str| vec!["rotate-key".to_owned(), step.to_owned()];
    let Some(added) = run(command("add")).await else { return };
    let key = added.split_once("added key ").and_then(|(_, rest)| rest.split(';').next());
    let Some(key) = key.map(str::to_owned) else { return };
    if !wait_for_key(client, operations, &key, "readable").await {
        return;
    }
    let mut make_writing = command("use");
    make_writing.push(key.clone());
    if run(make_writing).await.is_some() && wait_for_key(client, operations, &key, "writing").await
    {
        // Another rotation goes on with what a fault leaves.
        let _ = run(command("reseal")).await;
    }
}

/// Waits until the metrics of every instance have the key in this state; false when one has not.
async fn wait_for_key(client: &Client, operations: &[SocketAddr], key: &str, state: &str) -> bool {
    let begin = Instant::now();
    let line = format!(r#"keyring_key{{key="{key}",state="{state}"}}"#);
    for address in operations {
        let metrics = (reqwest::Method::GET, "/metrics");
        loop {
            let answer = client::send(client, *address, metrics.clone(), &Vec::new(), None).await;
            if matches!(answer, client::Outcome::Answer(answer) if answer.body.contains(&line)) {
                break;
            }
            if begin.elapsed() > KEYRING_LIMIT {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    true
}
