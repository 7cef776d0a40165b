//! Measures the servers in turns.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{
    load::{Connection, Round, request, run, save},
    memory,
    options::Options,
    process::tree_seconds,
    random::Random,
    results::{Results, Sample, Scheme},
    servers::{FIRST_TARGET, PRINCIPAL, Running, Servers, TARGETS, caller_basic},
};

/// The pause between requests that need no hash, beside the saves.
const PAUSE: Duration = Duration::from_millis(25);

/// The pause between two looks at the memory.
const LOOK: Duration = Duration::from_millis(500);

/// The pause before the memory of a server without requests is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures all rounds.
pub(crate) async fn rounds(options: &Options, servers: &mut Servers) -> Results {
    let mut results = Results::new(&options.connections, options.rounds, options.duration);
    tokio::time::sleep(SETTLE).await;
    for (index, server) in servers.running.iter().enumerate() {
        results.note_idle(index, memory::mebibytes(server.process));
    }
    servers.log_in(options.callers()).await;
    for round in 0..options.rounds {
        for scheme in Scheme::ALL {
            for (size, connections) in options.connections.iter().enumerate() {
                for turn in 0..servers.running.len() {
                    // Another server begins in each round.
                    let index = (turn + round) % servers.running.len();
                    let server = &servers.running[index];
                    eprintln!(
                        "round {} of {}: {}, {connections} connections, {}",
                        round + 1,
                        options.rounds,
                        scheme.name(),
                        server.name
                    );
                    let seed = u64::try_from(round * 100 + size).expect("a seed");
                    let load = Load { scheme, connections: *connections, seed };
                    let sample =
                        load.measure(server, servers.database_id(), options.duration).await;
                    results.add(scheme, size, index, sample);
                }
            }
        }
    }
    results
}

/// One measurement.
struct Load {
    scheme: Scheme,
    connections: usize,
    seed: u64,
}

impl Load {
    async fn measure(&self, server: &Running, database: u32, duration: Duration) -> Sample {
        let connections =
            join_all((0..self.connections).map(|_| Connection::open(server.address))).await;
        let mut cheap = Connection::open(server.address).await;
        let seconds = || (tree_seconds(server.process), tree_seconds(database));
        let (before, start) = (seconds(), Instant::now());
        let until = start + duration;
        let saves = connections.into_iter().enumerate().map(|(caller, connection)| {
            let header = match self.scheme {
                Scheme::Bearer => server.bearer[caller].clone(),
                Scheme::Basic => caller_basic(caller),
            };
            let seed = self.seed;
            let number = u64::try_from(caller).expect("a number");
            let mut random = Random::new(seed << 32 | number);
            run(connection, until, move |save_number| {
                let target = FIRST_TARGET + random.next() % TARGETS;
                save(&header, target, &format!("value {save_number} of caller {number} in {seed}"))
            })
        });
        let reads = read_principal(&mut cheap, &server.bearer[0], until);
        let saves = async {
            let saves = join_all(saves).await;
            (saves, start.elapsed(), seconds())
        };
        let ((rounds, elapsed, after), reads, peak) =
            tokio::join!(saves, reads, watch_memory(server.process, until));
        let mut round = Round { elapsed, ..Round::default() };
        for other in rounds {
            round.acknowledged.extend(other.acknowledged);
            round.refused.extend(other.refused);
        }
        Sample {
            round,
            reads,
            server_seconds: after.0 - before.0,
            database_seconds: after.1 - before.1,
            peak,
        }
    }
}

/// Times of requests that need no hash.
async fn read_principal(
    connection: &mut Connection,
    header: &str,
    until: Instant,
) -> Vec<Duration> {
    let read = request("GET", PRINCIPAL, header, "");
    let mut times = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        let answer = connection.send(&read).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        times.push(start.elapsed());
    }
    times
}

/// The highest memory of a server, in MiB.
async fn watch_memory(process: u32, until: Instant) -> f64 {
    let mut peak = 0.0_f64;
    while Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        peak = peak.max(memory::mebibytes(process));
    }
    peak
}
