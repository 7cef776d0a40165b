//! Metrics of the engine, for operators.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Counters and histograms of one engine. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct EngineMetrics {
    waiting: Gauge,
    wait: Histogram,
    hash_time: Histogram,
    shed: Family<ShedLabels, Counter>,
    /// Jobs whose receiver was gone.
    pub(crate) abandoned: Counter,
    /// Verifications that the cache answered with yes.
    pub(crate) cache_hits: Counter,
    /// Verifications that the cache answered with no.
    pub(crate) repeated: Counter,
    /// Verifications that needed a hash.
    pub(crate) cache_misses: Counter,
    /// Verifications that shared the hash of another one.
    pub(crate) shared: Counter,
    /// Hashes computed while idle.
    pub(crate) idle: Counter,
    blocks: Counter,
}

/// What an engine has done since its start. Applications compare two readings to learn what happened
/// in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineCounts {
    /// Hashes that were computed.
    pub hashed: u64,
    /// Verifications that the cache answered with yes.
    pub cache_hits: u64,
    /// Verifications that needed a hash, also one that they shared.
    pub cache_misses: u64,
    /// Requests and jobs that were refused because of overload.
    pub shed: u64,
    /// Jobs that left the queue to be computed.
    pub waits: u64,
    /// The time that these jobs spent in the queue.
    pub wait: Duration,
    /// Jobs that are in the queue now.
    pub waiting: u64,
}

/// The first bound of the histograms in seconds, half a millisecond. All bounds are powers of two, as
/// those of native histograms are.
const FIRST_BOUND: f64 = 1.0 / 2048.0;

/// The number of bounds. The last one is four seconds.
const BOUNDS: u16 = 14;

/// Labels of the counter of refused jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    reason: &'static str,
}

/// Why a job is refused.
const QUEUE_FULL: ShedLabels = ShedLabels { reason: "queue_full" };
const NOT_ADMITTED: ShedLabels = ShedLabels { reason: "not_admitted" };
const DEADLINE: ShedLabels = ShedLabels { reason: "deadline" };

impl Default for EngineMetrics {
    fn default() -> Self {
        let histogram = || Histogram::new(exponential_buckets(FIRST_BOUND, 2.0, BOUNDS));
        Self {
            waiting: Gauge::default(),
            wait: histogram(),
            hash_time: histogram(),
            shed: Family::default(),
            abandoned: Counter::default(),
            cache_hits: Counter::default(),
            repeated: Counter::default(),
            cache_misses: Counter::default(),
            shared: Counter::default(),
            idle: Counter::default(),
            blocks: Counter::default(),
        }
    }
}

impl EngineMetrics {
    /// Sets the number of jobs in the queue.
    pub(crate) fn set_waiting(&self, jobs: usize) {
        self.waiting.set(i64::try_from(jobs).unwrap_or(i64::MAX));
    }

    /// Counts a job that was refused because the queue was full.
    pub(crate) fn shed_by_length(&self) {
        self.shed.get_or_create(&QUEUE_FULL).inc();
    }

    /// Counts a request that was not admitted.
    pub(crate) fn shed_by_admission(&self) {
        self.shed.get_or_create(&NOT_ADMITTED).inc();
    }

    /// Counts a job that was refused because its deadline had passed.
    pub(crate) fn shed_by_deadline(&self) {
        self.shed.get_or_create(&DEADLINE).inc();
    }

    /// Blocks of memory that jobs filled.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.get()
    }

    /// Counts blocks of memory that a job filled.
    pub(crate) fn record_blocks(&self, blocks: u64) {
        self.blocks.inc_by(blocks);
    }

    /// Records the time of a job in the queue.
    pub(crate) fn record_wait(&self, time: Duration) {
        self.wait.observe(time.as_secs_f64());
    }

    /// Records the time of a hash.
    pub(crate) fn record_hash_time(&self, time: Duration) {
        self.hash_time.observe(time.as_secs_f64());
    }

    /// Reads the counters. `hashed` is counted elsewhere.
    pub(crate) fn counts(&self, hashed: u64) -> EngineCounts {
        let shed = |labels| self.shed.get(labels).map_or(0, |counter| counter.get());
        EngineCounts {
            hashed,
            cache_hits: self.cache_hits.get(),
            cache_misses: self.cache_misses.get() + self.shared.get(),
            shed: [QUEUE_FULL, NOT_ADMITTED, DEADLINE].iter().map(shed).sum(),
            waits: self.wait.count(),
            wait: Duration::try_from_secs_f64(self.wait.sum()).unwrap_or_default(),
            waiting: u64::try_from(self.waiting.get()).unwrap_or_default(),
        }
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let seconds = || Unit::Seconds;
        registry.register("waiting", "Jobs in the queue", self.waiting.clone());
        let wait = self.wait.clone();
        registry.register_with_unit("wait", "Time of a job in the queue", seconds(), wait);
        let hash_time = self.hash_time.clone();
        registry.register_with_unit("hash", "Time of one hash", seconds(), hash_time);
        for labels in [QUEUE_FULL, NOT_ADMITTED, DEADLINE] {
            // An alert compares it with its value before the first refusal.
            drop(self.shed.get_or_create(&labels));
        }
        registry.register("shed", "Jobs refused because of overload", self.shed.clone());
        for (name, help, counter) in [
            ("abandoned", "Jobs not hashed because the client disconnected", &self.abandoned),
            ("cache_hits", "Verifications answered from the cache: match", &self.cache_hits),
            ("repeated", "Verifications answered from the cache: no match", &self.repeated),
            ("cache_misses", "Verifications that needed a hash", &self.cache_misses),
            ("shared", "Verifications that shared the hash of an equal one", &self.shared),
            ("blocks", "Memory filled by argon2 and scrypt, in blocks of 1 KiB", &self.blocks),
            ("idle", "Hashes computed while idle, to rehash rows", &self.idle),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}
