//! A password that was replaced through one instance is refused by the others at once.

use std::{env, sync::Arc};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::json;

use crate::{
    cluster::{Cluster, INSTANCES, Instance, direct_client},
    service::{FIRST_TARGET, Installation, PASSWORD},
};

/// Users whose passwords change concurrently.
const USERS: u64 = 8;

/// The number of changes. `script/acceptance` sets `REPLICAS_CHANGES` to 500.
fn changes() -> u64 {
    env::var("REPLICAS_CHANGES").ok().map_or(400, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_sees_each_change_at_once() {
    let installation = Installation::prepare(1, USERS).await;
    // Every login with a replaced password counts as a failure of this address.
    let settings = [("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")];
    let cluster = Cluster::start(installation, &settings);
    let urls: Vec<_> = cluster.instances.iter().map(Instance::url).collect();
    let (urls, client) = (Arc::new(urls), direct_client());
    let users = (0..USERS).map(|user| {
        let (urls, client) = (Arc::clone(&urls), client.clone());
        tokio::spawn(async move { change_repeatedly(&client, &urls, FIRST_TARGET + user).await })
    });
    let users: Vec<_> = users.collect();
    for user in join_all(users).await {
        user.unwrap();
    }
    println!("{} changes, each seen by {} other instances", changes(), INSTANCES - 1);
    cluster.stop();
}

/// Changes a password through one instance after the other, and looks at the others each time.
async fn change_repeatedly(client: &Client, urls: &[String], user: u64) {
    let name = format!("target{user}");
    let mut old: Option<String> = None;
    for number in 0..changes() / USERS {
        let first = usize::try_from(number).unwrap() % INSTANCES;
        let new = format!("password {number} of {user}");
        let body = json!({"UserId": user, "Credential": {"Value": new}});
        let saved = client
            .post(format!("{}/api/v1/Agents/User/SaveCredential", urls[first]))
            .basic_auth("caller0", Some(PASSWORD))
            .json(&body);
        assert_eq!(saved.send().await.unwrap().status(), 200);
        for other in 1..INSTANCES {
            let url = &urls[(first + other) % INSTANCES];
            if let Some(old) = &old {
                assert_eq!(login(client, url, &name, old).await, 401, "change {number}, old");
            }
            assert_eq!(login(client, url, &name, &new).await, 200, "change {number}, new");
        }
        old = Some(new);
    }
}

/// The status of a login.
pub(crate) async fn login(client: &Client, url: &str, name: &str, password: &str) -> u16 {
    let request = client.get(format!("{url}/api/v1/User/currentPrincipal"));
    let answer = request.basic_auth(name, Some(password)).send().await.unwrap();
    answer.status().as_u16()
}
