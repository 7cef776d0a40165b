//! Measures saves at growing numbers of credentials and instances: the cost per save should not
//! grow.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    baseline,
    load::{self, Connection, Round, count, milliseconds},
    process::Cost,
    service::{FIRST_TARGET, Installation, Scheme},
};

const CONNECTIONS: u64 = 64;
const ROUNDS: u64 = 3;
const ROUND_DURATION: Duration = Duration::from_secs(8);

/// The numbers of credentials at which saves are measured.
const SIZES: [u64; 3] = [1_000, 1_000_000, 10_000_000];

/// Rows in one chunk of `COPY`.
const CHUNK_ROWS: u64 = 20_000;

/// Runs the benchmark and prints its table.
pub(crate) async fn measure() {
    let mut installation = Installation::prepare(CONNECTIONS, 0).await;
    installation.start_instance();
    installation.save_passwords(CONNECTIONS).await;
    println!(
        "| Credentials | Instances | Saves/s | ÷ kernel baseline | p99 ms | Service ms/save \
              | Without hashing | PostgreSQL ms/save |"
    );
    println!("|---|{}", "--:|".repeat(7));
    let mut loaded = 0;
    for size in SIZES {
        load_credentials(&installation, loaded..size).await;
        loaded = size;
        print_row(&installation, size).await;
    }
    for instances in 1..=4 {
        installation.stop_instances();
        (0..instances).for_each(|_| installation.start_instance());
        print_row(&installation, loaded).await;
    }
}

async fn print_row(installation: &Installation, size: u64) {
    let addresses = installation.addresses();
    let (mut round, mut baseline, mut cost) =
        (Round::default(), baseline::HashRates::default(), Cost::default());
    for number in 0..ROUNDS {
        eprintln!("{size} credentials, {} instances: round {number}", addresses.len());
        baseline.measure(ROUND_DURATION / 2);
        let current_cost = || Cost::now(&installation.services(), installation.database_id());
        let before = current_cost();
        round.add(save_at_random(installation, size, number).await);
        cost += current_cost() - before;
    }
    let saves = count(round.acknowledged.len());
    println!(
        "| {size} | {} | {:.1} | {:.3} | {:.1} | {:.2} | {:.2} | {:.2} |",
        addresses.len(),
        round.per_second(),
        round.per_second() / baseline.medians().kernel,
        milliseconds(&mut round.acknowledged, 0.99),
        (cost.hashing + cost.rest) / saves * 1e3,
        cost.rest / saves * 1e3,
        cost.database / saves * 1e3,
    );
}

/// Saves with Bearer tokens for users across the whole table, through every instance in turn.
async fn save_at_random(installation: &Installation, size: u64, round: u64) -> Round {
    let addresses = installation.addresses();
    let mut prepared = Vec::new();
    for caller in 0..CONNECTIONS {
        let index = usize::try_from(caller).expect("a count") % addresses.len();
        let mut connection = Connection::open(addresses[index]).await;
        let headers = Scheme::Bearer.log_in(&mut connection, caller).await;
        prepared.push((caller, connection, headers));
    }
    let start = Instant::now();
    let saves = prepared.into_iter().map(|(caller, connection, headers)| {
        load::run(connection, start + ROUND_DURATION, move |number| {
            // A multiplicative hash spreads the targets over the table: other pages each round.
            let hash =
                ((round << 40) + (caller << 24) + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let target = FIRST_TARGET + (hash >> 16) % size;
            load::save(&headers, target, &format!("value {number} of {caller}"))
        })
    });
    let mut total = Round::default();
    for saved in join_all(saves).await {
        total.add(saved);
    }
    total.elapsed = start.elapsed();
    total
}

/// Loads users with one credential each: synthetic rows of realistic width that are never unsealed.
pub(crate) async fn load_credentials(installation: &Installation, numbers: std::ops::Range<u64>) {
    let mut database = installation.database().await;
    let start = Instant::now();
    // Skips the foreign-key check of each row: the rows are known to be consistent.
    let setting = sqlx::raw_sql("SET session_replication_role = replica");
    setting.execute(&mut database).await.expect("a setting");
    let mut from = numbers.start;
    while from < numbers.end {
        let to = (from + CHUNK_ROWS).min(numbers.end);
        for (table, row) in TABLES {
            let mut text = String::new();
            for id in from + FIRST_TARGET..to + FIRST_TARGET {
                row(&mut text, id);
            }
            let copy = format!("COPY {table} FROM STDIN");
            let mut sink = database.copy_in_raw(&copy).await.expect("COPY");
            sink.send(text.as_bytes()).await.expect("rows");
            sink.finish().await.expect("rows");
        }
        from = to;
        eprint!("\r{from} of {} credentials loaded, {:.0?}  ", numbers.end, start.elapsed());
    }
    eprintln!();
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut database).await.expect("statistics");
    sqlx::raw_sql("CHECKPOINT").execute(&mut database).await.expect("a checkpoint");
}

type WriteRow = fn(&mut String, u64);

const TABLES: [(&str, WriteRow); 3] = [
    (
        "users (user_id, login_name, canonical_name, display_name, user_type, is_administrator, \
         audit_sequence, audit_mac, created_at)",
        |text, id| {
            let _ = writeln!(
                text,
                "{id}\tuser{id}\tuser{id}\tUser {id}\tinternal\tf\t1\t\\\\x{id:064x}\tnow"
            );
        },
    ),
    ("login_names (canonical_name, user_id)", |text, id| {
        let _ = writeln!(text, "user{id}\t{id}");
    }),
    (
        "credentials (user_id, credential_type, sealed_hash, key_id, hash_scheme, \
         hash_memory_kib, hash_iterations, hash_parallelism, display_value, version, \
         registered_at, updated_at)",
        |text, id| {
            let _ = writeln!(
                text,
                "{id}\tCRM5/PASSWORD\t\\\\x{id:0280x}\tsynthetic\targon2id\t19456\t2\t1\tuser{id}\t1\
                 \tnow\tnow"
            );
        },
    ),
];
