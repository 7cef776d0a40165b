//! Overload tests: more requests than the service can handle, and a database that is slow, silent or
//! unreachable. Refused requests get 503 with `Retry-After`, acknowledged saves are durable, memory
//! stays below its ceiling, and the service recovers. `script/acceptance` runs them.
//!
//! The tests print all times, and compare them only with the timeouts of the service.

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

#[path = "../load/load.rs"]
mod load;
#[path = "../load/process.rs"]
mod process;
mod proxy;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;
#[path = "../load/tls.rs"]
mod tls;
mod tls_memory;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use load::{Answer, Connection, count, milliseconds};
use process::{Cost, descendants, peak_megabytes};
use proxy::{Fault, Proxy};
use rustix::process::{Pid, Signal, kill_process};
use service::{FIRST_TARGET, Installation, Scheme};

/// How many of the acknowledged saves are verified by a login.
const VERIFIED_LOGINS: usize = 100;

/// How long a request may wait for its hash (`hashing.deadline_seconds`).
const DEADLINE: Duration = Duration::from_secs(2);

/// How long a save may take in addition to the wait for its hash while all cores are busy.
const SAVE_OVERHEAD: Duration = Duration::from_secs(2);

/// One instance whose connection to the database goes through a proxy, and the headers of a caller.
struct TestBed {
    installation: Installation,
    proxy: Proxy,
    headers: String,
    /// Peak memory of the service before the first request, in MB.
    memory_at_start: f64,
    _folder: tempfile::TempDir,
}

/// The answer to a save for one user.
struct SaveResult {
    target: u64,
    answer: Answer,
    time: Duration,
}

impl TestBed {
    async fn start(targets: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut installation = Installation::prepare(1, targets).await;
        let proxy = Proxy::start(folder.path(), &installation.database_folder());
        installation.start_instance_behind(folder.path());
        let memory_at_start = peak_megabytes(installation.services()[0]);
        let mut connection = Connection::open(installation.addresses()[0]).await;
        let headers = Scheme::Bearer.log_in(&mut connection, 0).await;
        Self { installation, proxy, headers, memory_at_start, _folder: folder }
    }

    /// Sends `size` saves at once, each on its own open connection and for another user. Returns the
    /// results, and the CPU seconds that the load generator took of the cores that also answer.
    ///
    /// Connections are opened and requests are prepared before, and one thread sends them.
    async fn save_at_once(&self, size: u64) -> (Vec<SaveResult>, f64) {
        let address = self.installation.addresses()[0];
        let connections = join_all((0..size).map(|_| Connection::open(address))).await;
        let saves = connections.into_iter().zip(FIRST_TARGET..).map(|(connection, target)| {
            let save = load::save(&self.headers, target, &format!("value of {target}"));
            (connection, target, save)
        });
        let saves: Vec<_> = saves.collect();
        let cost =
            || Cost::now(&self.installation.services(), self.installation.database_id()).generator;
        let before = cost();
        let mut sent = Vec::new();
        for (mut connection, target, save) in saves {
            let start = Instant::now();
            connection.write(&save).await;
            sent.push(async move {
                let answer = connection.receive().await;
                SaveResult { target, answer, time: start.elapsed() }
            });
        }
        let results = join_all(sent).await;
        (results, cost() - before)
    }

    /// Sends saves in sequence on each of 32 connections, until the given time.
    async fn save_until(&self, end: Instant) -> Vec<SaveResult> {
        let address = self.installation.addresses()[0];
        let savers = (0..32).map(|saver| async move {
            let mut connection = Connection::open(address).await;
            let mut results = Vec::new();
            let mut number = 0;
            while Instant::now() < end {
                let target = FIRST_TARGET + saver + 32 * number;
                number += 1;
                let save = load::save(&self.headers, target, &format!("value of {target}"));
                let start = Instant::now();
                let answer = connection.send(&save).await;
                if answer.status == 503 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    // The service closes the connection if it refuses before the body is read.
                    connection = Connection::open(address).await;
                }
                results.push(SaveResult { target, answer, time: start.elapsed() });
            }
            results
        });
        join_all(savers).await.into_iter().flatten().collect()
    }

    /// Asserts that every answer is valid, and that the database has all acknowledged saves and no
    /// refused ones, except for those with an unknown outcome. Returns the times of acknowledged
    /// and of refused saves.
    async fn check_results(&self, results: Vec<SaveResult>) -> [Vec<Duration>; 2] {
        let mut database = self.installation.database().await;
        let saved: Vec<i32> = sqlx::query_scalar("SELECT user_id FROM credentials")
            .fetch_all(&mut database)
            .await
            .unwrap();
        let inconsistent: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM credentials c JOIN users u USING (user_id)
             LEFT JOIN audit_events e ON e.user_id = c.user_id AND e.sequence = c.version
             WHERE e.sequence IS NULL OR c.version <> u.audit_sequence",
        )
        .fetch_one(&mut database)
        .await
        .unwrap();
        assert_eq!(
            inconsistent, 0,
            "rows without an event, or with an older version than their chain"
        );
        let saved: std::collections::HashSet<_> = saved.into_iter().map(i64::from).collect();
        let (mut acknowledged, mut refused, mut acknowledged_targets) =
            (Vec::new(), Vec::new(), Vec::new());
        for SaveResult { target, answer, time } in results {
            let is_saved = saved.contains(&i64::try_from(target).unwrap());
            match answer.status {
                200 => {
                    assert!(is_saved, "the save for {target} was acknowledged but is lost");
                    acknowledged.push(time);
                    acknowledged_targets.push(target);
                }
                503 => {
                    assert!(answer.head.to_lowercase().contains("\r\nretry-after: "), "{answer:?}");
                    let is_unknown = answer.body.contains("outcome_unknown");
                    assert!(
                        !is_saved || is_unknown,
                        "the save for {target} was refused but is in the database"
                    );
                    refused.push(time);
                }
                _ => panic!("{answer:?}"),
            }
        }
        acknowledged_targets.sort_unstable();
        acknowledged_targets.dedup();
        self.assert_logins_succeed(&acknowledged_targets).await;
        [acknowledged, refused]
    }

    /// Waits until a save succeeds, for at most 30 seconds; returns the time that it took.
    async fn wait_for_recovery(&self) -> Duration {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            let mut connection = Connection::open(self.installation.addresses()[0]).await;
            let save = load::save(&self.headers, FIRST_TARGET, "after");
            if connection.send(&save).await.status == 200 {
                return start.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no save succeeded within 30 s after the overload");
    }

    /// Asserts that peak memory is below the memory at start plus 10 %, 24 KiB for each connection and
    /// 8 KiB for its request, and that the memory at start, without the memory for hashing, is below
    /// 40 MB.
    fn assert_memory_below_ceiling(&self, connections: u32) {
        let threads = std::thread::available_parallelism().unwrap().get();
        let hashing = count(threads) * 19_456.0 * 1024.0 / 1e6;
        let ceiling = self.memory_at_start * 1.1 + f64::from(connections) * 32.0 * 1024.0 / 1e6;
        let peak = peak_megabytes(self.installation.services()[0]);
        let at_start = self.memory_at_start;
        println!("  memory: {at_start:.1} MB at start, {peak:.1} MB peak, ceiling {ceiling:.1} MB");
        assert!(
            at_start - hashing < 40.0,
            "{at_start} MB at start, of which {hashing} MB for hashing"
        );
        assert!(peak < ceiling, "peak memory of {peak} MB exceeds {ceiling} MB");
    }

    /// Asserts that saved values log in; tests a sample, because each login costs a hash.
    async fn assert_logins_succeed(&self, targets: &[u64]) {
        let mut connection = Connection::open(self.installation.addresses()[0]).await;
        let step = (targets.len() / VERIFIED_LOGINS).max(1);
        for target in targets.iter().step_by(step) {
            let name = format!("target{target}");
            let headers = service::basic(&name, &format!("value of {target}"));
            let request = load::request("GET", "/api/v1/User/currentPrincipal", &headers, "");
            let answer = connection.send(&request).await;
            assert_eq!(answer.status, 200, "{name} cannot log in with the acknowledged value");
        }
    }
}

/// Prints the number of saves and the quantiles of their times.
fn print_times(name: &str, times: &mut [Duration]) {
    let [median, p99, maximum] = [0.5, 0.99, 1.0].map(|quantile| milliseconds(times, quantile));
    println!(
        "  {name}: {} saves, p50 {median:.0} ms, p99 {p99:.0} ms, max {maximum:.0} ms",
        times.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_concurrent_saves_are_all_answered_and_none_is_lost() {
    let mut test_bed = TestBed::start(2000).await;
    let (results, generator) = test_bed.save_at_once(2000).await;
    println!("  the load generator used {:.0} ms of CPU time on the same cores", generator * 1e3);
    assert_eq!(results.len(), 2000);
    // Check before the logins, whose memory is not part of this test.
    test_bed.assert_memory_below_ceiling(2000);
    let [mut acknowledged, mut refused] = test_bed.check_results(results).await;
    print_times("acknowledged", &mut acknowledged);
    print_times("refused", &mut refused);
    assert!(
        acknowledged.iter().max() < Some(&(DEADLINE + SAVE_OVERHEAD)),
        "an acknowledged save took too long"
    );
    assert!(acknowledged.len() >= 32, "too few saves were acknowledged");
    assert!(
        !refused.is_empty(),
        "2000 saves exceed any queue of two seconds, so some must be refused"
    );
    println!("  recovered after {:.0?}", test_bed.wait_for_recovery().await);
    test_bed.installation.stop_instances();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_delays_saves_without_losing_any() {
    let mut test_bed = TestBed::start(20_000).await;
    test_bed.proxy.set_fault(Fault::Delay(Duration::from_millis(25)));
    let results = test_bed.save_until(Instant::now() + Duration::from_secs(10)).await;
    test_bed.proxy.set_fault(Fault::None);
    let [mut acknowledged, mut refused] = test_bed.check_results(results).await;
    print_times("acknowledged", &mut acknowledged);
    print_times("refused", &mut refused);
    assert!(count(acknowledged.len()) > 32.0, "too few saves were acknowledged");
    test_bed.assert_memory_below_ceiling(64);
    println!("  recovered after {:.0?}", test_bed.wait_for_recovery().await);
    test_bed.installation.stop_instances();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_time_out_while_the_database_is_silent_for_ten_seconds() {
    interrupt_connections(Fault::Silence).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_resume_after_the_database_was_paused_for_ten_seconds() {
    let mut test_bed = TestBed::start(20_000).await;
    let parent = test_bed.installation.database_id();
    let signal = |signal| {
        for process in descendants(parent).into_iter().filter_map(Pid::from_raw) {
            // A process that has already ended needs no signal.
            let _ = kill_process(process, signal);
        }
    };
    interrupt_for_ten_seconds(&mut test_bed, || signal(Signal::STOP), || signal(Signal::CONT))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_resume_after_the_database_was_unreachable_for_ten_seconds() {
    interrupt_connections(Fault::Disconnect).await;
}

/// Runs saves while the proxy has this fault for ten seconds.
async fn interrupt_connections(fault: Fault) {
    let mut test_bed = TestBed::start(20_000).await;
    let proxy = test_bed.proxy.clone();
    interrupt_for_ten_seconds(
        &mut test_bed,
        || proxy.set_fault(fault),
        || proxy.set_fault(Fault::None),
    )
    .await;
}

/// Runs saves, calls `begin` after two seconds and `end` ten seconds later, and checks the results.
async fn interrupt_for_ten_seconds(test_bed: &mut TestBed, begin: impl Fn(), end: impl Fn()) {
    let start = Instant::now();
    let interruption = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        begin();
        tokio::time::sleep(Duration::from_secs(10)).await;
        end();
    };
    let saves = test_bed.save_until(start + Duration::from_secs(18));
    let (results, ()) = tokio::join!(saves, interruption);
    let [mut acknowledged, mut refused] = test_bed.check_results(results).await;
    print_times("acknowledged", &mut acknowledged);
    print_times("refused", &mut refused);
    assert!(!refused.is_empty());
    // Authentication and the save each take at most the timeout of an operation.
    let longest = acknowledged.iter().chain(&refused).max().unwrap();
    assert!(*longest < Duration::from_secs(17), "{longest:?}");
    println!("  recovered after {:.0?}", test_bed.wait_for_recovery().await);
    test_bed.assert_memory_below_ceiling(64);
    test_bed.installation.stop_instances();
}
