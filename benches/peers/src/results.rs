//! What was measured.

use std::time::Duration;

use crate::{
    load::{Round, count, milliseconds},
    servers::NAMES,
};

/// The authentication scheme of the saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    Basic,
}

impl Scheme {
    pub(crate) const ALL: [Self; 2] = [Self::Bearer, Self::Basic];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Basic => "Basic",
        }
    }
}

/// One measurement of one server.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) round: Round,
    /// The times of requests without a hash, beside the saves.
    pub(crate) reads: Vec<Duration>,
    /// CPU time of the server with all its processes.
    pub(crate) server_seconds: f64,
    pub(crate) database_seconds: f64,
    /// The highest memory, in MiB.
    pub(crate) peak: f64,
}

/// A figure of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    SavesPerSecond,
    SaveP50,
    SaveP99,
    Refused,
    /// CPU time of the server for each acknowledged save, in milliseconds.
    ServerTime,
    /// CPU time of PostgreSQL for each acknowledged save, in milliseconds.
    DatabaseTime,
    ReadP50,
    ReadP99,
}

impl Sample {
    pub(crate) fn figure(&self, figure: Figure) -> f64 {
        let saves = count(self.round.acknowledged.len());
        let quantile = |times: &[Duration], quantile| milliseconds(&mut times.to_vec(), quantile);
        match figure {
            Figure::SavesPerSecond => self.round.per_second(),
            Figure::SaveP50 => quantile(&self.round.acknowledged, 0.5),
            Figure::SaveP99 => quantile(&self.round.acknowledged, 0.99),
            Figure::Refused => count(self.round.refused.len()),
            Figure::ServerTime => self.server_seconds * 1e3 / saves,
            Figure::DatabaseTime => self.database_seconds * 1e3 / saves,
            Figure::ReadP50 => quantile(&self.reads, 0.5),
            Figure::ReadP99 => quantile(&self.reads, 0.99),
        }
    }
}

/// All measurements of a run.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) connections: Vec<usize>,
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
    /// By scheme, number of connections, server, and round.
    samples: Vec<Vec<Vec<Vec<Sample>>>>,
    /// The memory of each server without requests, in MiB.
    pub(crate) idle: [f64; NAMES.len()],
}

impl Results {
    pub(crate) fn new(connections: &[usize], rounds: usize, duration: Duration) -> Self {
        let servers = || NAMES.map(|_| Vec::new()).into();
        let sizes = || connections.iter().map(|_| servers()).collect();
        let samples = Scheme::ALL.map(|_| sizes()).into();
        let connections = connections.to_vec();
        Self { connections, rounds, duration, samples, idle: [0.0; NAMES.len()] }
    }

    pub(crate) fn note_idle(&mut self, server: usize, mebibytes: f64) {
        self.idle[server] = mebibytes;
    }

    pub(crate) fn add(&mut self, scheme: Scheme, size: usize, server: usize, sample: Sample) {
        self.samples[scheme as usize][size][server].push(sample);
    }

    /// The figure of each server, as the median of the rounds.
    pub(crate) fn figures(
        &self,
        scheme: Scheme,
        size: usize,
        figure: Figure,
    ) -> [f64; NAMES.len()] {
        let servers = &self.samples[scheme as usize][size];
        std::array::from_fn(|server| {
            median(servers[server].iter().map(|sample| sample.figure(figure)).collect())
        })
    }

    /// The figure of the service divided by that of the best peer in the same round, as the median of
    /// the rounds.
    pub(crate) fn ratio(&self, scheme: Scheme, size: usize, figure: Figure) -> f64 {
        let servers = &self.samples[scheme as usize][size];
        let in_round = |round: usize| {
            let mut figures = servers.iter().map(|samples| samples[round].figure(figure));
            let own = figures.next().expect("the service");
            let best = if figure == Figure::SavesPerSecond { f64::max } else { f64::min };
            own / figures.reduce(best).expect("a peer")
        };
        median((0..self.rounds).map(in_round).collect())
    }

    /// The highest memory of each server in all measurements, in MiB.
    pub(crate) fn peaks(&self) -> [f64; NAMES.len()] {
        let samples = || self.samples.iter().flatten();
        std::array::from_fn(|server| {
            samples().flat_map(|size| &size[server]).map(|sample| sample.peak).fold(0.0, f64::max)
        })
    }
}

/// The mean of the two in the middle, if their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run of two rounds whose service saves twice, then four times, as often as the best peer.
    pub(crate) fn measured(connections: &[usize]) -> Results {
        let mut results = Results::new(connections, 2, Duration::from_secs(1));
        for (scheme, size) in Scheme::ALL
            .into_iter()
            .flat_map(|scheme| (0..connections.len()).map(move |size| (scheme, size)))
        {
            for (round, saves) in [[200, 100, 50, 20], [200, 50, 40, 20]].into_iter().enumerate() {
                for (server, saves) in saves.into_iter().enumerate() {
                    let slower = u32::try_from(10 * (server + 1)).unwrap();
                    let time = Duration::from_millis(1) * slower;
                    let round_of_load = Round {
                        acknowledged: vec![time; saves],
                        refused: vec![time; server],
                        elapsed: Duration::from_secs(1),
                    };
                    let sample = Sample {
                        round: round_of_load,
                        reads: vec![time / 10; 40],
                        server_seconds: 2.0,
                        database_seconds: 0.1,
                        peak: 100.0 + count(round),
                    };
                    results.add(scheme, size, server, sample);
                }
            }
        }
        for server in 0..NAMES.len() {
            results.note_idle(server, 50.0);
        }
        results
    }

    #[test]
    fn a_ratio_compares_with_the_best_peer_of_each_round() {
        let results = measured(&[8]);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(results.ratio(Scheme::Bearer, 0, Figure::SavesPerSecond), 3.0));
        assert!(close(results.ratio(Scheme::Basic, 0, Figure::SaveP99), 0.5));
        let saves = results.figures(Scheme::Bearer, 0, Figure::SavesPerSecond);
        assert!(
            saves.iter().zip([200.0, 75.0, 45.0, 20.0]).all(|(a, b)| close(*a, b)),
            "{saves:?}"
        );
        assert!(results.peaks().iter().all(|peak| close(*peak, 101.0)));
    }
}
