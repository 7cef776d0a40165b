//! Failover tests: a PostgreSQL primary that is killed, frozen, cut off or shut down under load, and a
//! standby that is promoted. No acknowledged save may be lost. `script/failover` runs them, and
//! `script/acceptance` a short form.
//!
//! Two servers with streaming replication run on a machine of their own each, a network namespace. The
//! tests print all times, and compare them only with the timeouts of the service.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test panics on the first failure, prints its results and queries the database"
)]
#![expect(dead_code, reason = "only the benches use the rest of the load generator")]

mod check;
mod document;
#[path = "../load/load.rs"]
mod load;
mod network;
mod node;
mod pair;
mod patroni;
#[path = "../load/process.rs"]
mod process;
mod proxy;
mod report;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;
mod traffic;

use std::time::{Duration, Instant};

use check::Lost;
use load::Connection;
use pair::{Fault, Pair, Replication};
use proxy::Proxy;
use report::{Promotion, Report};
use service::{FIRST_TARGET, Installation, Scheme};
use sqlx::PgConnection;
use traffic::{History, LOGGING_IN, SAVED, Traffic};

/// How long saves may take to be acknowledged again after the promotion: both timeouts of an answer
/// (`http.answer_timeout_seconds`), for requests that wait for the former primary.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

/// The time with traffic before the fault, and after the recovery.
const CALM: Duration = Duration::from_secs(2);

/// How far the asynchronous standby is behind when the primary is lost.
const LAG: Duration = Duration::from_millis(1200);

/// How long the servers are separated, before the promotion and after it: longer than the timeout
/// of an answer (`http.answer_timeout_seconds`).
const SEPARATION: Duration = Duration::from_secs(12);

/// The service, with users.
struct Service {
    installation: Installation,
    /// The number of the round.
    round: usize,
}

impl Service {
    /// Starts the service with a URL of the database. `owner` is the URL of the primary.
    async fn start(owner: &str, url: &str) -> Self {
        let mut installation = Installation::prepare_on(owner, 1, SAVED + LOGGING_IN).await;
        installation.start_instance_with(&[
            ("KEEPER__DATABASE__URL", url),
            service::allow_unverified(url),
            // Values whose outcome is unknown are tried one after the other.
            ("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000000"),
            ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
        ]);
        let service = Self { installation, round: 0 };
        let headers = service.log_in().await;
        let mut connection = Connection::open(service.address()).await;
        for user in FIRST_TARGET + SAVED..FIRST_TARGET + SAVED + LOGGING_IN {
            let save = load::save(&headers, user, &traffic::secret_of_login());
            assert_eq!(connection.send(&save).await.status, 200);
        }
        service
    }

    fn address(&self) -> std::net::SocketAddr {
        self.installation.addresses()[0]
    }

    /// The headers of an administrator.
    async fn log_in(&self) -> String {
        Scheme::Bearer.log_in(&mut Connection::open(self.address()).await, 0).await
    }

    async fn start_traffic(&mut self) -> Traffic {
        self.round += 1;
        Traffic::start(self.address(), self.log_in().await, self.round)
    }

    /// What the history has and the database does not.
    async fn lost(&self, history: &History, database: &mut PgConnection) -> Lost {
        history.assert_documented();
        check::lost(history, self.round, database, self.address()).await
    }
}

/// The service in front of a pair of servers.
struct TestBed {
    service: Service,
    pair: Pair,
}

impl TestBed {
    /// Starts the service with this URL of the database.
    async fn start(pair: Pair, url: &str) -> Self {
        Self { service: Service::start(&pair.primary().url(), url).await, pair }
    }

    async fn lost(&self, history: &History) -> Lost {
        let mut database = self.pair.primary().connect().await;
        self.service.lost(history, &mut database).await
    }

    /// Lets the primary fail under load, promotes the standby, and checks the history.
    async fn fail_over(&mut self, fault: Fault) -> Promotion {
        let traffic = self.service.start_traffic().await;
        tokio::time::sleep(CALM).await;
        let start = Instant::now();
        self.pair.fail(fault);
        if fault != Fault::Switchover {
            self.pair.wait_for_failure().await;
        }
        let noticed = start.elapsed();
        self.pair.promote().await;
        let promoted = start.elapsed();
        traffic.assert_recovers(RECOVERY_LIMIT).await;
        tokio::time::sleep(CALM).await;
        let history = traffic.stop().await;
        let lost = self.lost(&history).await;
        Promotion::of(fault, [noticed, promoted], start, &history, lost)
    }

    /// Runs the promotions that `FAILOVER_PROMOTIONS` says, prints the table and asserts that
    /// nothing is lost.
    async fn run(mut self, way: &'static str) {
        let number = std::env::var("FAILOVER_PROMOTIONS").map_or(4, |text| text.parse().unwrap());
        let mut report = Report::new(way);
        for fault in Fault::ALL.into_iter().cycle().take(number) {
            let promotion = self.fail_over(fault).await;
            report.add(promotion);
            self.pair.rejoin().await;
        }
        report.print();
        report.assert_nothing_is_lost();
        self.service.installation.stop_instances();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_with_several_hosts_lose_nothing() {
    let pair = Pair::start(Replication::Synchronous).await;
    let url = document::several_hosts();
    TestBed::start(pair, &url).await.run("several hosts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_behind_haproxy_lose_nothing() {
    let pair = Pair::start(Replication::Synchronous).await;
    let _proxy = Proxy::start(&pair).await;
    let url = format!("postgres://keeper@{}/postgres?sslmode=disable", proxy::ADDRESS);
    TestBed::start(pair, &url).await.run("HAProxy").await;
}

/// A standby that did not receive the last writes of a primary that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_replication_loses_acknowledged_saves() {
    let pair = Pair::start(Replication::Asynchronous).await;
    let url = document::several_hosts();
    let mut test_bed = TestBed::start(pair, &url).await;
    let traffic = test_bed.service.start_traffic().await;
    tokio::time::sleep(CALM).await;
    test_bed.pair.standby().machine.cut();
    let cut = Instant::now();
    tokio::time::sleep(LAG).await;
    // As if the machine lost its power: its kernel sends nothing more, either.
    let failed = Instant::now();
    test_bed.pair.fail(Fault::Cut);
    test_bed.pair.fail(Fault::Kill);
    test_bed.pair.standby().machine.reconnect();
    test_bed.pair.promote().await;
    traffic.assert_recovers(RECOVERY_LIMIT).await;
    let history = traffic.stop().await;
    let lost = test_bed.lost(&history).await;
    println!(
        "asynchronous replication, {LAG:?} behind: {} saves acknowledged meanwhile, {lost:?} of {}",
        history.acknowledged_between(cut, failed),
        history.counts()[0],
    );
    assert!(lost.saves > 0, "the check finds no lost save");
    test_bed.service.installation.stop_instances();
}

/// The primary and its standby lose each other, and the service reaches both: the former primary
/// accepts writes and cannot replicate them. It must not acknowledge one.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_its_standby_acknowledges_no_save() {
    let pair = Pair::start(Replication::Synchronous).await;
    let url = document::several_hosts();
    let mut test_bed = TestBed::start(pair, &url).await;
    let traffic = test_bed.service.start_traffic().await;
    tokio::time::sleep(CALM).await;
    test_bed.pair.separate();
    // What was on its way may still arrive.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let separated = Instant::now();
    assert_canceled_wait_reports_success(&test_bed.pair).await;
    tokio::time::sleep(SEPARATION).await;
    // The manager promotes the standby, and ends the former primary only later.
    test_bed.pair.promote().await;
    let promoted = Instant::now();
    tokio::time::sleep(SEPARATION).await;
    let fenced = Instant::now();
    test_bed.pair.end_former_primary();
    traffic.assert_recovers(RECOVERY_LIMIT).await;
    tokio::time::sleep(CALM).await;
    let history = traffic.stop().await;
    let lost = test_bed.lost(&history).await;
    let (logins, attempts) = history.logins_between(separated, fenced);
    println!(
        "separated for {:.1?}: {} saves acknowledged before the promotion, {} until the former \
         primary ended, {} unknown; {logins} of {attempts} logins succeeded; {lost:?}",
        fenced - separated,
        history.acknowledged_between(separated, promoted),
        history.acknowledged_between(promoted, fenced),
        history.unknown_between(separated, fenced),
    );
    assert_eq!(history.acknowledged_between(separated, promoted), 0);
    assert_eq!(lost, Lost::default());
    test_bed.service.installation.stop_instances();
}

/// PostgreSQL reports success to a client whose wait for the standby is canceled. The documentation
/// warns of it.
async fn assert_canceled_wait_reports_success(pair: &Pair) {
    let mut waiting = pair.primary().connect().await;
    let id: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut waiting).await.unwrap();
    let creation = sqlx::raw_sql("CREATE TABLE canceled ()").execute(&mut waiting);
    let canceling = async {
        let mut other = pair.primary().connect().await;
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'";
        let begin = Instant::now();
        while sqlx::query_scalar::<_, i64>(waits).bind(id).fetch_one(&mut other).await.unwrap() != 1
        {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing waits for the standby");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sqlx::query("SELECT pg_cancel_backend($1)").bind(id).execute(&mut other).await.unwrap();
    };
    let (written, ()) = tokio::join!(creation, canceling);
    written.expect("success, although no standby has it");
}

/// Promotions by a real Patroni. It needs longer than the manager of the other tests: it must not
/// promote before the lease of the former primary has ended (`ttl`).
#[tokio::test(flavor = "multi_thread")]
async fn promotions_by_patroni_lose_nothing() {
    let mut cluster = patroni::Cluster::start();
    let _proxy = Proxy::start_alone(cluster.folder());
    cluster.wait_for_standby().await;
    let url = patroni::Cluster::url();
    let mut service = Service::start(&url, &url).await;
    let mut report = Report::new("Patroni and HAProxy");
    for fault in patroni::FAULTS {
        let primary = cluster.primary().await;
        let traffic = service.start_traffic().await;
        tokio::time::sleep(CALM).await;
        let start = Instant::now();
        cluster.fail(primary, fault);
        let promoted = cluster.wait_for_promotion(1 - primary).await;
        traffic.assert_recovers(RECOVERY_LIMIT).await;
        tokio::time::sleep(CALM).await;
        let history = traffic.stop().await;
        let lost = service.lost(&history, &mut patroni::Cluster::connect().await).await;
        let times = [promoted - start; 2];
        report.add(Promotion::of(fault, times, start, &history, lost));
        cluster.reconnect(primary);
        cluster.wait_for_standby().await;
    }
    report.print();
    report.assert_nothing_is_lost();
    service.installation.stop_instances();
}
