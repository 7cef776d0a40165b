//! No instance ever believes a password that was replaced through another one, whatever else rewrites
//! its row: an upgrade of its hash, or a rotation of keys.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Credentials, Finished, SAVE, TestApp, WHO, keeper, run_with_input};

const CHANGES: usize = 10_000;
const USERS: usize = 8;

/// Cheap hashes: what is tested here is which row they are held against.
const CHEAP: [(&str, &str); 3] = [
    ("KEEPER__HASHING__MEMORY_KIB", "8"),
    ("KEEPER__HASHING__ITERATIONS", "1"),
    // Each replaced password is a wrong one from here.
    ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
];

/// Two instances over one database. The first makes cheaper hashes than the second, which
/// upgrades them.
struct Instances {
    client: Client,
    first: String,
    second: String,
}

impl Instances {
    async fn login(&self, url: &str, credentials: &Credentials) -> StatusCode {
        let request = credentials.put_into(self.client.get(format!("{url}{WHO}")));
        request.send().await.unwrap().status()
    }

    /// Saves the user's own password through the first instance.
    async fn save(&self, user_id: i32, old: &Credentials, new: &str) -> StatusCode {
        let body = json!({"UserId": user_id, "Credential": {"Value": new}});
        let request = self.client.post(format!("{}{SAVE}", self.first)).json(&body);
        old.put_into(request).send().await.unwrap().status()
    }

    /// Changes a password that many times, each time while the second instance upgrades the row.
    async fn change(&self, (user_id, name): (i32, &str), times: usize) {
        let mut old = Credentials::basic(name, &crate::support::password_of(name));
        for number in 0..times {
            let password = format!("password {number}");
            let new = Credentials::basic(name, &password);
            // The login starts an upgrade of the row that the save is replacing.
            let (_, saved) =
                tokio::join!(self.login(&self.second, &old), self.save(user_id, &old, &password));
            assert_eq!(saved, 200);
            for (url, credentials, status) in [
                (&self.second, &old, 401),
                (&self.second, &new, 200),
                (&self.first, &old, 401),
                (&self.first, &new, 200),
            ] {
                assert_eq!(self.login(url, credentials).await, status, "change {number}");
            }
            old = new;
        }
    }
}

/// How many a `rotate-key reseal` says it sealed anew.
fn resealed_by(finished: &Finished) -> u64 {
    let line = finished.stderr.lines().find(|line| line.contains("sealed anew"));
    let line = line.unwrap_or_else(|| panic!("{finished:?}"));
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

#[sqlx::test]
async fn a_replaced_password_is_refused_at_once_by_every_instance_whatever_rewrites_its_row(
    pool: PgPool,
) {
    let first = TestApp::spawn_with(pool.clone(), &CHEAP, "").await;
    let names: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    let ids = 2000..;
    for (id, name) in ids.clone().zip(&names) {
        first.add_user((id, name), &[]);
    }
    // The first seals under the old key still: each of its saves is one to be sealed anew.
    let former = format!("{}.former", first.keyring());
    let key = first.add_key();
    fs::copy(first.keyring(), &former).unwrap();
    first.command(&["rotate-key", "use", &key], "").succeeded();
    let second = first.another(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    let first = first.another(&[("KEEPER__KEYRING__FILE", &former)]).await;
    let instances = Arc::new(Instances {
        client: first.client.clone(),
        first: first.url.clone(),
        second: second.url.clone(),
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let resealing = {
        let (is_over, variables) = (Arc::clone(&is_over), second.variables().clone());
        std::thread::spawn(move || {
            let mut resealed = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut command = keeper(&["rotate-key", "reseal"]);
                command.envs(&variables);
                resealed += resealed_by(&run_with_input(command, ""));
                // Each is a process of its own, which takes more than what it does.
                std::thread::sleep(Duration::from_millis(100));
            }
            resealed
        })
    };
    let users: Vec<_> = ids
        .zip(names)
        .map(|(id, name)| {
            let instances = Arc::clone(&instances);
            tokio::spawn(async move { instances.change((id, &name), CHANGES / USERS).await })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let resealed = resealing.join().unwrap();
    assert!(resealed > 500, "the race was run {resealed} times only");
    let upgraded = second.metric("keeper_hashing_idle_total").await;
    // As often as a thread was idle; whoever was faster, the save is what stayed.
    assert!(upgraded > 1000.0, "the race was run {upgraded} times only");
}
