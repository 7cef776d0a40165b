//! Rolling restarts and a rolling upgrade under load, without one failed request.

use std::{
    env,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::{
    cluster::{Cluster, INSTANCES},
    service::{CURRENT, Installation},
    traffic::{API, CLIENTS, Caller, Mix, Service, TARGETS, Tally, WITH_PAGES},
};

/// The pause of each client between two operations.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the old version serves the new schema before the first instance is replaced.
const OLD_ON_NEW: Duration = Duration::from_secs(5);

/// Clients of the proxy that run until they are told to stop.
struct Load {
    callers: Vec<JoinHandle<()>>,
    tally: Arc<Mutex<Tally>>,
    is_stopped: Arc<AtomicBool>,
}

impl Load {
    async fn begin(cluster: &Cluster, mix: Mix) -> Self {
        cluster.wait_until_all_are_used().await;
        let service = Service {
            url: cluster.url(),
            restarting: None,
            certificates: vec![cluster.trusted()],
            mix,
        };
        let tally = Arc::new(Mutex::new(Tally::default()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let callers = (0..CLIENTS).map(|number| {
            let caller = Caller::new(number, 1, service.clone(), Arc::clone(&tally));
            let is_stopped = Arc::clone(&is_stopped);
            tokio::spawn(caller.run(PAUSE, move || is_stopped.load(Ordering::Relaxed)))
        });
        let callers = callers.collect();
        Self { callers, tally, is_stopped }
    }

    /// Stops the clients, and asserts that each of their requests was answered as it should be.
    async fn assert_nothing_failed(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        for caller in join_all(self.callers).await {
            caller.unwrap();
        }
        let tally = Arc::into_inner(self.tally).unwrap().into_inner().unwrap();
        let completed: u64 = tally.counts.values().map(|count| count.completed).sum();
        println!("{completed} operations completed: {:#?}", tally.counts);
        assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
        for (operation, count) in &tally.counts {
            assert_eq!((count.unavailable, count.disconnected), (0, 0), "{operation:?}: {count:?}");
            assert!(count.completed > 0, "{operation:?}");
        }
    }
}

/// An installation whose clients have passwords.
async fn installation(binary: &Path) -> Installation {
    let mut installation = Installation::prepare_with(binary, CLIENTS, CLIENTS * TARGETS).await;
    installation.start_instance();
    installation.save_passwords(CLIENTS).await;
    installation.stop_instances();
    installation
}

/// All clients have one address.
const SETTINGS: [(&str, &str); 1] = [("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")];

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_no_request() {
    let mut cluster = Cluster::start(installation(Path::new(CURRENT)).await, &SETTINGS);
    let load = Load::begin(&cluster, WITH_PAGES).await;
    for _ in 0..2 {
        for index in 0..INSTANCES {
            cluster.restart(index).await;
        }
    }
    load.assert_nothing_failed().await;
    cluster.stop();
}

/// `script/acceptance` builds the last released version, and sets `REPLICAS_RELEASED` to its
/// program.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_from_the_last_release_loses_no_request() {
    let released = env::var_os("REPLICAS_RELEASED")
        .expect("REPLICAS_RELEASED names the program of the last release; see script/acceptance");
    let mut cluster = Cluster::start(installation(Path::new(&released)).await, &SETTINGS);
    let load = Load::begin(&cluster, API).await;
    let migrate = cluster.installation.keeper_of(Path::new(CURRENT), &["migrate"]).output();
    let migrated = migrate.unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let begin = Instant::now();
    // An instance of the old version that crashes in the meantime must start again.
    cluster.restart(INSTANCES - 1).await;
    tokio::time::sleep(OLD_ON_NEW.saturating_sub(begin.elapsed())).await;
    cluster.installation.set_binary(Path::new(CURRENT));
    for index in 0..INSTANCES {
        cluster.restart(index).await;
    }
    load.assert_nothing_failed().await;
    cluster.stop();
}
