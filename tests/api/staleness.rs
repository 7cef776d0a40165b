//! Stale caches: an instance never accepts a password that was replaced through another instance,
//! even while rehashing or a key rotation rewrites the row.

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

use crate::support::{
    CommandOutput, Credentials, PRINCIPAL, SAVE, TestApp, keeper, run_with_input,
};

/// The number of changes. `script/acceptance` sets `STALENESS_CHANGES` to 10,000.
fn changes() -> u32 {
    std::env::var("STALENESS_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

const USERS: u32 = 8;

/// Cheap hashes, because the test is about the rows and not about the hashes.
const CHEAP: [(&str, &str); 3] = [
    ("KEEPER__HASHING__MEMORY_KIB", "8"),
    ("KEEPER__HASHING__ITERATIONS", "1"),
    // Every login with a replaced password counts as a failure of this address.
    ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
];

/// Two instances with one database. The second rehashes the cheaper hashes of the first.
struct Instances {
    client: Client,
    first: String,
    second: String,
}

impl Instances {
    async fn login(&self, url: &str, credentials: &Credentials) -> StatusCode {
        let request = credentials.apply_to(self.client.get(format!("{url}{PRINCIPAL}")));
        request.send().await.unwrap().status()
    }

    /// Saves the user's own password through the first instance.
    async fn save(&self, user_id: i32, old: &Credentials, new: &str) -> StatusCode {
        let body = json!({"UserId": user_id, "Credential": {"Value": new}});
        let request = self.client.post(format!("{}{SAVE}", self.first)).json(&body);
        old.apply_to(request).send().await.unwrap().status()
    }

    /// Changes a password repeatedly, each time while the second instance rehashes the row.
    async fn change_repeatedly(&self, user_id: i32, name: &str, times: u32) {
        let mut old = Credentials::basic(name, &crate::support::password_of(name));
        for number in 0..times {
            let password = format!("password {number}");
            let new = Credentials::basic(name, &password);
            // The login starts rehashing the row while the save replaces it.
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

/// The number of credentials that `rotate-key reseal` reports as resealed.
fn resealed_count(finished: &CommandOutput) -> u32 {
    let line = finished.stderr.lines().find(|line| line.contains("resealed"));
    let line = line.unwrap_or_else(|| panic!("{finished:?}"));
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

#[sqlx::test]
async fn every_instance_refuses_a_replaced_password_while_its_row_is_rewritten(pool: PgPool) {
    let changes = changes();
    let first = TestApp::spawn_with(pool.clone(), &CHEAP, "").await;
    let names: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    let ids = 2000..;
    for (id, name) in ids.clone().zip(&names) {
        first.add_user((id, name), &[]);
    }
    // The first instance still seals with the old key, so each of its saves needs resealing.
    let former = format!("{}.former", first.keyring());
    let key = first.add_key();
    fs::copy(first.keyring(), &former).unwrap();
    first.command(&["rotate-key", "use", &key], "").assert_success();
    let second = first.spawn_instance(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    let first = first.spawn_instance(&[("KEEPER__KEYRING__FILE", &former)]).await;
    let instances = Arc::new(Instances {
        client: first.client.clone(),
        first: first.url.clone(),
        second: second.url.clone(),
    });
    let is_done = Arc::new(AtomicBool::new(false));
    let resealing = {
        let (is_done, variables) = (Arc::clone(&is_done), second.variables().clone());
        std::thread::spawn(move || {
            let mut resealed = 0;
            while !is_done.load(Ordering::Relaxed) {
                let mut command = keeper(&["rotate-key", "reseal"]);
                command.envs(&variables);
                resealed += resealed_count(&run_with_input(command, ""));
                // Starting the process costs more than the work, so leave time for the logins.
                std::thread::sleep(Duration::from_millis(100));
            }
            resealed
        })
    };
    let users: Vec<_> = ids
        .zip(names)
        .map(|(id, name)| {
            let instances = Arc::clone(&instances);
            tokio::spawn(
                async move { instances.change_repeatedly(id, &name, changes / USERS).await },
            )
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    is_done.store(true, Ordering::Relaxed);
    let resealed = resealing.join().unwrap();
    // The counts depend on the load of the machine, so the bounds are low.
    assert!(resealed > changes / 40, "only {resealed} credentials were resealed");
    let rehashed = second.metric("keeper_hashing_idle_total").await;
    // Rehashing runs only on an idle thread; the saved password won every race.
    assert!(rehashed > f64::from(changes) / 20.0, "only {rehashed} credentials were rehashed");
}
