//! What one caller notices of others who do much: a guesser with 100,000 wrong passwords beside a
//! returning caller, and 500 connections of one user beside another user.

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
const GUESSERS: usize = 500;
const CALM: Duration = Duration::from_secs(10);

/// Addresses of their own, as guessers and callers have.
const CALLER: [u8; 4] = [127, 0, 0, 2];
const OTHERS: [u8; 4] = [127, 0, 0, 3];

/// An instance with passwords for two callers, and targets for their saves.
async fn installation() -> Installation {
    let mut installation = Installation::prepare(2, 1000).await;
    installation.start_instance();
    installation.save_passwords(2).await;
    installation
}

/// Measures and prints what a returning caller notices of a guesser.
pub(crate) async fn guessing() {
    let installation = installation().await;
    let address = installation.addresses()[0];
    let mut caller = Connection::open_from(CALLER, address).await;
    let headers = Scheme::Basic.log_in(&mut caller, 0).await;
    let request = load::request("GET", "/api/v1/User/currentPrincipal", &headers, "");
    let mut calm = Vec::new();
    let until = Instant::now() + CALM;
    while Instant::now() < until {
        calm.push(timed(&mut caller, &request).await);
    }
    let left = Cell::new(GUESSES);
    let mut guessers = Vec::new();
    for _ in 0..GUESSERS {
        guessers.push(Connection::open_from(OTHERS, address).await);
    }
    let start = Instant::now();
    let attacks = guessers.into_iter().map(|connection| guess(connection, &left));
    let returning = async {
        let mut times = Vec::new();
        while left.get() > 0 {
            times.push(timed(&mut caller, &request).await);
        }
        times
    };
    let (_, mut under_fire) = tokio::join!(join_all(attacks), returning);
    println!(
        "a returning caller's p99: {:.2} ms alone, {:.2} ms during {GUESSES} wrong passwords in \
         {:.0?} ({} and {} requests)",
        milliseconds(&mut calm, 0.99),
        milliseconds(&mut under_fire, 0.99),
        start.elapsed(),
        calm.len(),
        under_fire.len()
    );
}

async fn guess(mut connection: Connection, left: &Cell<u32>) {
    use base64::{Engine, prelude::BASE64_STANDARD};
    while left.get() > 0 {
        let number = left.get();
        left.set(number.saturating_sub(1));
        let text = BASE64_STANDARD.encode(format!("caller0:wrong {number}"));
        let headers = format!("Authorization: Basic {text}\r\n");
        let request = load::request("GET", "/api/v1/User/currentPrincipal", &headers, "");
        let status = connection.send(&request).await.status;
        assert!(matches!(status, 401 | 429 | 503), "{status}");
    }
}

/// Measures and prints what a user's saves notice of another user's.
pub(crate) async fn fairness() {
    let installation = installation().await;
    let address = installation.addresses()[0];
    let mut caller = Connection::open(address).await;
    let headers = Scheme::Bearer.log_in(&mut caller, 0).await;
    let busy = Scheme::Bearer.log_in(&mut caller, 1).await;
    let save =
        |number: u64| load::save(&headers, FIRST_TARGET + number % 500, &format!("value {number}"));
    let alone = load::run(caller, Instant::now() + CALM, save).await;
    let caller = Connection::open(address).await;
    let mut others = Vec::new();
    for _ in 0..GUESSERS {
        others.push(Connection::open(address).await);
    }
    let until = Instant::now() + CALM;
    let others = others.into_iter().map(|connection| {
        load::run(connection, until, |number| {
            load::save(&busy, FIRST_TARGET + 500 + number % 500, &format!("value {number}"))
        })
    });
    let (_, beside) = tokio::join!(join_all(others), load::run(caller, until, save));
    let (mut alone, mut beside) = (alone.acknowledged, beside.acknowledged);
    for (name, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        let (calm, busy) =
            (milliseconds(&mut alone, quantile), milliseconds(&mut beside, quantile));
        println!(
            "a user's saves beside {GUESSERS} connections of another: {name} {busy:.1} ms, alone \
             {calm:.1} ms, ratio {:.2}",
            busy / calm
        );
    }
}

async fn timed(connection: &mut Connection, request: &str) -> Duration {
    let start = Instant::now();
    assert_eq!(connection.send(request).await.status, 200);
    start.elapsed()
}
