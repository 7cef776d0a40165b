//! What the engine counts and times, for the operators' metrics.

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
pub(super) struct EngineMetrics {
    pub(super) waiting: Gauge,
    wait: Histogram,
    hash_time: Histogram,
    shed: Family<Shed, Counter>,
    pub(super) abandoned: Counter,
    pub(super) verification_cache: Counter,
    pub(super) repeated: Counter,
    pub(super) not_remembered: Counter,
    pub(super) shared: Counter,
    pub(super) idle: Counter,
    blocks: Counter,
}

/// Why a job was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shed {
    reason: &'static str,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        // From half a millisecond to four seconds, each bucket twice the one before.
        let histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 14));
        Self {
            waiting: Gauge::default(),
            wait: histogram(),
            hash_time: histogram(),
            shed: Family::default(),
            abandoned: Counter::default(),
            verification_cache: Counter::default(),
            repeated: Counter::default(),
            not_remembered: Counter::default(),
            shared: Counter::default(),
            idle: Counter::default(),
            blocks: Counter::default(),
        }
    }
}

impl EngineMetrics {
    /// A job was refused because the queue was full.
    pub(super) fn shed_by_length(&self) {
        self.shed.get_or_create(&Shed { reason: "queue_full" }).inc();
    }

    /// A request was not let in, because it would have been late.
    pub(super) fn shed_by_admission(&self) {
        self.shed.get_or_create(&Shed { reason: "not_admitted" }).inc();
    }

    /// A job was refused because its time was over.
    pub(super) fn shed_by_deadline(&self) {
        self.shed.get_or_create(&Shed { reason: "deadline" }).inc();
    }

    /// A job has filled that many blocks of memory.
    pub(super) fn filled(&self, blocks: u64) {
        self.blocks.inc_by(blocks);
    }

    pub(super) fn waited(&self, time: Duration) {
        self.wait.observe(time.as_secs_f64());
    }

    pub(super) fn hashed(&self, time: Duration) {
        self.hash_time.observe(time.as_secs_f64());
    }

    /// Lists all of it.
    pub(super) fn register(&self, registry: &mut Registry) {
        let seconds = || Unit::Seconds;
        registry.register("waiting", "Jobs in the queue", self.waiting.clone());
        let wait = self.wait.clone();
        registry.register_with_unit("wait", "Time of a job in the queue", seconds(), wait);
        let hash_time = self.hash_time.clone();
        registry.register_with_unit("hash", "Time of one hash", seconds(), hash_time);
        registry.register("shed", "Jobs refused because they would be late", self.shed.clone());
        let abandoned = self.abandoned.clone();
        registry.register("abandoned", "Jobs not hashed, their callers went away", abandoned);
        let verification_cache = self.verification_cache.clone();
        registry.register("cache_hits", "Claims that were verified lately", verification_cache);
        let repeated = self.repeated.clone();
        registry.register("repeated", "Claims that were found wrong lately", repeated);
        let not_remembered = self.not_remembered.clone();
        registry.register("cache_misses", "Claims that had to be hashed", not_remembered);
        let shared = self.shared.clone();
        registry.register("shared", "Claims that shared another one's hash", shared);
        let blocks = self.blocks.clone();
        registry.register("blocks", "Blocks of memory that argon2 filled, each of a KiB", blocks);
        let idle = self.idle.clone();
        registry.register("idle", "Hashes made while nobody waited, to upgrade rows", idle);
    }
}
