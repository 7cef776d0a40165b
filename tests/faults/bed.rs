//! The installation under load: PostgreSQL, the proxy in front of it, and the instances.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Client;

use crate::{
    client,
    faults::Fault,
    history::{Object, Operation},
    invariants,
    load::{FIRST_PROBE, Load, describe, log_everyone_in},
    maintenance::{import, import_lines, rotate_key},
    postgres::Postgres,
    proxy::Proxy,
    random::Random,
    service::{INSTANCES, Installation, Instance},
};

/// The number of users whose credentials change from the start.
pub(crate) const TARGETS: u64 = 12;

/// The number of clients.
const CLIENTS: u64 = 8;

/// How long the service may take to recover after the database, beside the time of a save.
const RECOVERY_GOAL: Duration = Duration::from_secs(1);

/// After this time, the service is not waited for.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// The number of saves of each instance that say how long one takes without a fault.
const QUIET_SAVES: u32 = 5;

/// A recovery that takes longer is explained in the output.
const NOTABLE: Duration = Duration::from_secs(1);

/// The times of one occurrence of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// From the injection until the fault was over and the database accepted writes.
    pub(crate) outage: Duration,
    /// From then until the last instance began a save that succeeded.
    pub(crate) service: Duration,
    /// The longest of these saves.
    pub(crate) save: Duration,
    /// From the same moment as `service` until the last of these saves was answered.
    answered: Duration,
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
    /// The key rotations that ended with a retired key.
    pub(crate) rotations: Arc<AtomicU64>,
    probe: Client,
    /// The longest save without a fault, under the load.
    quiet_save: Duration,
    /// Answers of readiness that do not fit the fault, and recoveries that took too long.
    wrong: Mutex<Vec<String>>,
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
        let mut bed = Self {
            instances,
            proxy,
            postgres,
            installation,
            load,
            folder,
            clients,
            maintenance: None,
            rotations: Arc::default(),
            probe,
            quiet_save: Duration::ZERO,
            wrong: Mutex::default(),
        };
        bed.quiet_save = bed.longest_save().await;
        bed
    }

    /// The longest of a few saves of each instance, under the load.
    async fn longest_save(&self) -> Duration {
        let mut longest = Duration::ZERO;
        for _ in 0..QUIET_SAVES {
            longest = longest.max(self.wait_until_recovered(Fault::Nothing).await.answered);
        }
        longest
    }

    /// Injects a fault once, waits until every instance saves again, and ends what was unknown.
    pub(crate) async fn occur(&mut self, fault: Fault, random: &mut Random) -> Recovery {
        tokio::time::sleep(random.milliseconds(100, 600)).await;
        let begin = Instant::now();
        fault.inject(self, random).await;
        let outage = begin.elapsed();
        let recovery = self.wait_until_recovered(fault).await;
        if fault == Fault::HalfOpen {
            self.proxy.heal();
        }
        self.require_fast(fault, recovery.answered).await;
        self.settle().await;
        Recovery { outage, ..recovery }
    }

    /// Notes a recovery that took too long. The limit follows the load of the machine: it grows with
    /// the time of a save, which is measured again before a recovery is called too long.
    async fn require_fast(&mut self, fault: Fault, answered: Duration) {
        let limit = |save: Duration| RECOVERY_GOAL + fault.allowance() + 2 * save;
        if answered > limit(self.quiet_save) {
            self.quiet_save = self.quiet_save.max(self.longest_save().await);
        }
        let limit = limit(self.quiet_save);
        if answered > limit {
            self.note_wrong(format!("{fault:?}: saves after {answered:.1?}, limit {limit:.1?}"));
        }
    }

    fn note_wrong(&self, text: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(text);
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
                let is_right = status == 503 && text.contains(reason);
                if !is_right && begin.elapsed() < time {
                    self.note_wrong(format!("readiness during {fault:?}: {status} {text}"));
                }
            }
        }
    }

    /// Kills an instance and starts it again.
    pub(crate) fn kill_instance(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        instance.kill();
        instance.restart(&self.installation);
    }

    /// Waits until every instance has saved. Prints what delayed an instance.
    async fn wait_until_recovered(&self, fault: Fault) -> Recovery {
        let (load, probe) = (&self.load, &self.probe);
        let begin = Instant::now();
        let waits = (0..self.instances.len()).map(async |instance| {
            let mut failures = BTreeMap::<String, (u32, Duration)>::new();
            loop {
                let (start, sent) = (begin.elapsed(), Instant::now());
                let outcome = describe(&load.probe(probe, instance).await);
                let duration = sent.elapsed();
                if outcome == "200" {
                    if start > NOTABLE {
                        println!("{fault:?}: instance {instance} after {start:.1?}: {failures:?}");
                    }
                    return (start, duration);
                }
                let (count, longest) = failures.entry(outcome).or_default();
                (*count, *longest) = (*count + 1, duration.max(*longest));
                let is_late = start > RECOVERY_LIMIT;
                assert!(
                    !is_late,
                    "instance {instance} did not recover from {fault:?}: {failures:?}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let recovered = join_all(waits).await;
        let service = recovered.iter().map(|(start, _)| *start).max().unwrap_or_default();
        let save = recovered.iter().map(|(_, save)| *save).max().unwrap_or_default();
        let answered = recovered.iter().map(|(start, save)| *start + *save).max();
        let answered = answered.unwrap_or_default();
        Recovery { outage: Duration::ZERO, service, save, answered }
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

    /// Starts the next piece of maintenance beside the load, unless the last one still runs: an import
    /// of new and of present users, or a rotation of the key.
    pub(crate) fn maintain(&mut self, step: u64) {
        if self.maintenance.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let (load, installation) = (Arc::clone(&self.load), Arc::clone(&self.installation));
        let rotations = Arc::clone(&self.rotations);
        let client = self.probe.clone();
        let operations: Vec<_> =
            self.instances.iter().map(|instance| instance.operations).collect();
        self.maintenance = Some(tokio::spawn(async move {
            if step.is_multiple_of(2) {
                import(Arc::clone(&load), installation, step).await;
            } else {
                rotate_key(&installation, &client, &operations, &load, &rotations).await;
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
        log_everyone_in(&self.load).await;
        let mut findings = self.load.history.violations();
        for wrong in [&self.load.unexpected, &self.wrong] {
            let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
            findings.extend(wrong.iter().take(20).cloned());
        }
        findings.extend(self.instances.iter().flat_map(Instance::log_findings).take(20));
        findings.extend(invariants::broken(&self.postgres).await);
        let saves = self.load.history.saves();
        findings.extend(invariants::miscounted_saves(&self.postgres, &saves).await);
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
