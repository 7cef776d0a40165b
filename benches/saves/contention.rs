//! Measures how one caller is affected by heavy load from others: a returning caller during 100,000
//! wrong passwords, and one user during saves on 500 connections of another user.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    load::{self, Connection, milliseconds},
    service::{FIRST_TARGET, Installation, Scheme},
};

const GUESSES: u32 = 100_000;
const CONNECTIONS: usize = 500;
/// How long a caller is measured without other load.
const UNLOADED: Duration = Duration::from_secs(10);

/// Separate source addresses, because throttling counts per address.
const CALLER_ADDRESS: [u8; 4] = [127, 0, 0, 2];
const GUESSER_ADDRESS: [u8; 4] = [127, 0, 0, 3];

/// Starts an instance with two callers who have passwords, and with target users for their saves.
async fn start_installation() -> Installation {
    let mut installation = Installation::prepare(2, 1000).await;
    installation.start_instance();
    installation.save_passwords(2).await;
    installation
}

/// Measures a returning caller while others guess passwords, and prints the latencies.
pub(crate) async fn guessing() {
    let installation = start_installation().await;
    let address = installation.addresses()[0];
    let mut caller = Connection::open_from(CALLER_ADDRESS, address).await;
    let headers = Scheme::Basic.log_in(&mut caller, 0).await;
    let request = load::request("GET", "/api/v1/User/currentPrincipal", &headers, "");
    let mut unloaded = Vec::new();
    let until = Instant::now() + UNLOADED;
    while Instant::now() < until {
        unloaded.push(send_timed(&mut caller, &request).await);
    }
    let remaining = Cell::new(GUESSES);
    let mut guessers = Vec::new();
    for _ in 0..CONNECTIONS {
        guessers.push(Connection::open_from(GUESSER_ADDRESS, address).await);
    }
    let start = Instant::now();
    let attacks = guessers.into_iter().map(|connection| guess(connection, &remaining));
    let returning = async {
        let mut times = Vec::new();
        while remaining.get() > 0 {
            times.push(send_timed(&mut caller, &request).await);
        }
        times
    };
    let (_, mut during_attack) = tokio::join!(join_all(attacks), returning);
    println!(
        "a returning caller's p99: {:.2} ms alone, {:.2} ms during {GUESSES} wrong passwords in \
         {:.0?} ({} and {} requests)",
        milliseconds(&mut unloaded, 0.99),
        milliseconds(&mut during_attack, 0.99),
        start.elapsed(),
        unloaded.len(),
        during_attack.len()
    );
}

async fn guess(mut connection: Connection, remaining: &Cell<u32>) {
    use base64::{Engine, prelude::BASE64_STANDARD};
    while remaining.get() > 0 {
        let number = remaining.get();
        remaining.set(number.saturating_sub(1));
        let text = BASE64_STANDARD.encode(format!("caller0:wrong {number}"));
        let headers = format!("Authorization: Basic {text}\r\n");
        let request = load::request("GET", "/api/v1/User/currentPrincipal", &headers, "");
        let status = connection.send(&request).await.status;
        assert!(matches!(status, 401 | 429 | 503), "{status}");
    }
}

/// Measures a user's saves while another user saves on many connections, and prints the latencies.
pub(crate) async fn fairness() {
    let installation = start_installation().await;
    let address = installation.addresses()[0];
    let mut caller = Connection::open(address).await;
    let headers = Scheme::Bearer.log_in(&mut caller, 0).await;
    let busy_headers = Scheme::Bearer.log_in(&mut caller, 1).await;
    let save =
        |number: u64| load::save(&headers, FIRST_TARGET + number % 500, &format!("value {number}"));
    let alone = load::run(caller, Instant::now() + UNLOADED, save).await;
    let caller = Connection::open(address).await;
    let mut others = Vec::new();
    for _ in 0..CONNECTIONS {
        others.push(Connection::open(address).await);
    }
    let until = Instant::now() + UNLOADED;
    let others = others.into_iter().map(|connection| {
        load::run(connection, until, |number| {
            load::save(&busy_headers, FIRST_TARGET + 500 + number % 500, &format!("value {number}"))
        })
    });
    let (_, loaded) = tokio::join!(join_all(others), load::run(caller, until, save));
    let (mut alone, mut loaded) = (alone.acknowledged, loaded.acknowledged);
    for (name, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        let alone_ms = milliseconds(&mut alone, quantile);
        let loaded_ms = milliseconds(&mut loaded, quantile);
        println!(
            "one user's saves beside {CONNECTIONS} connections of another user: {name} \
             {loaded_ms:.1} ms, alone {alone_ms:.1} ms, ratio {:.2}",
            loaded_ms / alone_ms
        );
    }
}

async fn send_timed(connection: &mut Connection, request: &str) -> Duration {
    let start = Instant::now();
    assert_eq!(connection.send(request).await.status, 200);
    start.elapsed()
}
