//! What operators do beside the load: imports, and rotations of the key.

use std::{
    net::SocketAddr,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Client;

use crate::{
    bed::TARGETS,
    client,
    hash_families::FAMILIES,
    history::{Object, Operation},
    load::{Load, Target, text_of},
    service::Installation,
};

/// Lines that give users the hash of the value 0, of another family each.
pub(crate) fn import_lines(users: impl Iterator<Item = u64>, first: usize) -> String {
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
pub(crate) async fn import(load: Arc<Load>, installation: Arc<Installation>, step: u64) {
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

/// How often a step of a rotation is repeated that a fault has ended.
const STEP_ATTEMPTS: usize = 5;

/// Rotates the key: adds one, makes it the writing one when every instance has it, seals everything
/// with it when every instance uses it, and retires the former ones. A fault may end any step; the next
/// rotation starts with a new key, and retires what this one leaves.
pub(crate) async fn rotate_key(
    installation: &Arc<Installation>,
    client: &Client,
    operations: &[SocketAddr],
    load: &Load,
    rotations: &AtomicU64,
) {
    let run = async |arguments: &[&str]| {
        let installation = Arc::clone(installation);
        let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let run = move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            installation.output(&arguments, "")
        };
        tokio::task::spawn_blocking(run).await.expect("the rotation")
    };
    let repeat = async |arguments: &[&str]| {
        for _ in 0..STEP_ATTEMPTS {
            if run(arguments).await.is_some() {
                return true;
            }
        }
        false
    };
    let Some(added) = run(&["rotate-key", "add"]).await else { return };
    let key = added.split_once("added key ").and_then(|(_, rest)| rest.split(';').next());
    let Some(key) = key else { return };
    if wait_for_key(client, operations, key, "readable").await
        && repeat(&["rotate-key", "use", key]).await
        && wait_for_key(client, operations, key, "writing").await
        && repeat(&["rotate-key", "reseal"]).await
        && load.renew_logins().await
    {
        let keys = run(&["keys", "list"]).await.unwrap_or_default();
        let former = keys.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|id| words.next() == Some("readable") && *id != key)
        });
        let mut are_retired = true;
        for former in former {
            are_retired &= repeat(&["rotate-key", "retire", former]).await
                && wait_for_key(client, operations, former, "retired").await;
        }
        if are_retired {
            rotations.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits until the metrics of every instance have the key in this state; false when one has not.
async fn wait_for_key(client: &Client, operations: &[SocketAddr], key: &str, state: &str) -> bool {
    let begin = Instant::now();
    let line = format!(r#"keyring_key{{key="{key}",state="{state}"}}"#);
    for address in operations {
        while !has_metric(client, *address, &line).await {
            if begin.elapsed() > KEYRING_LIMIT {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    true
}

/// True when the metrics of an instance contain this text.
async fn has_metric(client: &Client, address: SocketAddr, text: &str) -> bool {
    let metrics = (reqwest::Method::GET, "/metrics");
    let answer = client::send(client, address, metrics, &Vec::new(), None).await;
    matches!(answer, client::Outcome::Answer(answer) if answer.body.contains(text))
}
