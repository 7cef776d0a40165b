//! The threads of the engine and the queue between them and the callers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use argon2::Block;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{
    HashingError, count,
    fair_queue::FairQueue,
    job::{Computed, Done, Job, Task},
    kernel::{self, Kernel, Tag},
    metrics::EngineMetrics,
    phc::SALT_LENGTH,
    stored::StoredHash,
    weight::{costing, weight},
};
use crate::{
    domain::{client_info::FairnessKey, stored_credential::HashParameters},
    log_events::alarm,
};

/// How much nicer the hashing threads are than the rest: requests that need no hash go first.
const NICENESS: i32 = 10;

/// The queue and the threads that empty it.
pub(super) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    hashed: AtomicU64,
    kernel: Kernel,
    /// What each job costs at least, so that nobody tells by its time what it was held against.
    target: HashParameters,
    /// How long that takes here and now, in nanoseconds: measured at start, and with each new hash.
    target_time: AtomicU64,
    metrics: EngineMetrics,
}

struct State {
    queue: FairQueue<FairnessKey, Job>,
    /// Nobody is kept waiting by this one: it is hashed when the queue is empty.
    idle: Option<Job>,
    is_closed: bool,
    hashes_per_second: f64,
}

impl Pool {
    /// Starts the threads; each allocates its memory and computes one hash, whose time comes back
    /// (the longest of them).
    pub(super) fn start(
        kernel: Kernel,
        (threads, memory_kib): (usize, u32),
        parameters: HashParameters,
        metrics: EngineMetrics,
    ) -> Result<(Arc<Self>, Duration), HashingError> {
        let state = State {
            queue: FairQueue::new(0),
            idle: None,
            is_closed: false,
            hashes_per_second: 1.0,
        };
        let pool = Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            hashed: AtomicU64::new(0),
            kernel,
            target: parameters,
            target_time: AtomicU64::new(0),
            metrics,
        });
        let (report, reports) = mpsc::channel();
        for number in 0..threads {
            let (pool, report) = (Arc::clone(&pool), report.clone());
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || {
                    // Without the right to, the thread simply keeps its priority.
                    let _ = rustix::process::setpriority_process(None, NICENESS);
                    let mut memory = kernel::allocate(memory_kib);
                    let _ = report.send(pool.measure(&mut memory));
                    // The last report ends the wait for them.
                    drop(report);
                    // A panic costs its own job, never the thread.
                    while catch_unwind(AssertUnwindSafe(|| pool.work(&mut memory))).is_err() {
                        alarm!("a hashing thread panicked; it goes on");
                    }
                })
                .map_err(|error| HashingError::NoThread(Arc::new(error)))?;
        }
        drop(report);
        let times = reports.iter().collect::<Result<Vec<_>, _>>()?;
        let time = times.into_iter().max().unwrap_or_default();
        pool.target_time.store(nanoseconds(time), Ordering::Relaxed);
        Ok((pool, time))
    }

    /// Sets how many jobs may wait, and the rate that `Retry-After` is computed from.
    pub(super) fn set_capacity(&self, queue_length: usize, hashes_per_second: f64) {
        let mut state = self.lock();
        state.queue.set_capacity(queue_length);
        state.hashes_per_second = hashes_per_second;
    }

    /// Queues a job, or refuses one: this one, or the newest of a busier caller.
    pub(super) fn submit(&self, caller: FairnessKey, job: Job) -> Result<(), HashingError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(HashingError::ShuttingDown);
        }
        if state.queue.is_full() {
            // Make room from what nobody waits for before refusing anybody.
            state.queue.retain(|job| !job.reply.is_closed());
        }
        let refused = state.queue.push(caller, job);
        let retry_after = state.retry_after();
        self.metrics.waiting.set(gauge(state.queue.len()));
        drop(state);
        self.changed.notify_one();
        if let Some(job) = refused {
            self.metrics.shed_by_length();
            let _ = job.reply.send(Err(HashingError::Overloaded { retry_after }));
        }
        Ok(())
    }

    /// What somebody is told whose request is not let in.
    pub(super) fn refuse(&self) -> HashingError {
        self.metrics.shed_by_admission();
        HashingError::Overloaded { retry_after: self.lock().retry_after() }
    }

    /// Keeps a job for when a thread has nothing else to do. There is room for one; another is
    /// dropped unanswered.
    pub(super) fn submit_idle(&self, job: Job) {
        let mut state = self.lock();
        if state.is_closed || state.idle.is_some() {
            return;
        }
        state.idle = Some(job);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes no more jobs; the threads end when the queue is empty.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.idle = None;
        drop(state);
        self.changed.notify_all();
    }

    /// How long a new hash takes in this memory, on this thread.
    pub(super) fn measure(&self, memory: &mut [Block]) -> Result<Duration, HashingError> {
        let start = Instant::now();
        self.kernel.argon2id(b"measured", &[0; SALT_LENGTH], self.target, memory)?;
        Ok(start.elapsed())
    }

    /// How long a new hash takes on the hashing threads, lately.
    pub(super) fn target_time(&self) -> Duration {
        Duration::from_nanos(self.target_time.load(Ordering::Relaxed))
    }

    /// How many jobs were hashed since the start.
    pub(super) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    fn work(&self, memory: &mut [Block]) {
        while let Some(job) = self.next(memory) {
            let start = Instant::now();
            let answer = if job.deadline < start {
                self.metrics.shed_by_deadline();
                Err(HashingError::Overloaded { retry_after: self.lock().retry_after() })
            } else {
                self.metrics.waited(start - job.queued);
                self.compute(job.task, &job.secret, memory)
                    .map(|done| Computed { done, began: start })
            };
            // The caller may have gone away meanwhile; then nobody wants the answer.
            let _ = job.reply.send(answer);
        }
    }

    fn compute(
        &self,
        task: Task,
        secret: &[u8],
        memory: &mut [Block],
    ) -> Result<Done, HashingError> {
        match task {
            Task::Tag { salt, parameters } => {
                let tag = self.counted(|| self.tag(secret, &salt, parameters, memory))?;
                Ok(Done::Tag(tag))
            }
            Task::Match { hash, other_form } => {
                let forms = [Some(secret), other_form.as_ref().map(|other| other.as_slice())];
                let is_match = self.counted(|| self.try_forms(forms, &hash, memory))?;
                Ok(Done::Match(is_match))
            }
            Task::Check(check) => Ok(Done::Check(check(secret))),
        }
    }

    /// Counts a job that hashes, and how long it takes.
    fn counted<T>(&self, hash: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let computed = hash();
        self.metrics.hashed(start.elapsed());
        computed
    }

    /// Whether a hash was made from one of these forms of a secret. Each form costs the same, so that
    /// timing does not show whether a name has a hash, a decoy or an imported hash.
    fn try_forms(
        &self,
        forms: [Option<&[u8]>; 2],
        hash: &StoredHash,
        memory: &mut [Block],
    ) -> Result<bool, HashingError> {
        for form in forms.into_iter().flatten() {
            if self.try_form(form, hash, memory)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a hash was made from these bytes, at the cost of a new one at least.
    fn try_form(
        &self,
        secret: &[u8],
        hash: &StoredHash,
        memory: &mut [Block],
    ) -> Result<bool, HashingError> {
        match hash {
            StoredHash::Own(own) => {
                let tag = self.tag(secret, own.salt(), own.parameters(), memory)?;
                Ok(tag.as_slice().ct_eq(own.tag()).into())
            }
            StoredHash::Foreign(foreign) => {
                let start = Instant::now();
                let is_match = foreign.matches(secret, memory);
                self.metrics.filled(foreign.cost().blocks());
                // Each time what is lacking is known better.
                for _ in 0..FILLINGS {
                    self.fill_up(secret, self.lacking_after(start.elapsed()), memory)?;
                }
                Ok(is_match)
            }
        }
    }

    /// A hash of ours, filled up to the cost of a new one.
    fn tag(
        &self,
        secret: &[u8],
        salt: &[u8],
        parameters: HashParameters,
        memory: &mut [Block],
    ) -> Result<Tag, HashingError> {
        let start = Instant::now();
        let tag = self.kernel.argon2id(secret, salt, parameters, memory)?;
        self.metrics.filled(parameters.blocks());
        if parameters == self.target {
            self.remember_time(start.elapsed());
        }
        let lacking = weight(self.target).saturating_sub(weight(parameters));
        self.fill_up(secret, lacking, memory)?;
        Ok(tag)
    }
    /// Another argon2 of that cost; none where it is too small for one.
    fn fill_up(
        &self,
        secret: &[u8],
        weight: u64,
        memory: &mut [Block],
    ) -> Result<(), HashingError> {
        if let Some(rest) = costing(weight, self.target) {
            self.kernel.argon2id(secret, b"a job's rest", rest, memory)?;
            self.metrics.filled(rest.blocks());
        }
        Ok(())
    }

    /// What a job lacks that was no hash of ours: of its time, the rest.
    fn lacking_after(&self, took: Duration) -> u64 {
        let target = self.target_time.load(Ordering::Relaxed).max(1);
        // Filling up takes a moment beside its blocks.
        let left = target.saturating_sub(nanoseconds(took)).saturating_sub(target / 128);
        let share = u128::from(weight(self.target)) * u128::from(left) / u128::from(target);
        u64::try_from(share).unwrap_or_default()
    }

    /// The last few count most: the machine's speed and load are what they are now.
    fn remember_time(&self, took: Duration) {
        let before = self.target_time.load(Ordering::Relaxed);
        let now = (before * 15 + nanoseconds(took)) / 16;
        self.target_time.store(now, Ordering::Relaxed);
    }

    /// The next job somebody still waits for; `None` when the pool is closed and empty.
    ///
    /// Before a thread rests, it wipes its memory. Between two jobs the next one overwrites it.
    fn next(&self, memory: &mut [Block]) -> Option<Job> {
        let mut is_wiped = false;
        let mut state = self.lock();
        loop {
            match state.pop() {
                Some(job) if job.reply.is_closed() => {
                    self.metrics.abandoned.inc();
                }
                Some(job) => {
                    self.metrics.waiting.set(gauge(state.queue.len()));
                    return Some(job);
                }
                None if !is_wiped => {
                    drop(state);
                    memory.iter_mut().map(Block::as_mut).for_each(Zeroize::zeroize);
                    is_wiped = true;
                    state = self.lock();
                }
                None if state.is_closed => return None,
                None => {
                    let woken = self.changed.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock; its data is whole whatever happened.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next job, and when there is none, the one that can wait. If it waited too long it is
    /// dropped: nobody was refused.
    fn pop(&mut self) -> Option<Job> {
        self.queue.pop().or_else(|| self.idle.take().filter(|job| Instant::now() <= job.deadline))
    }

    /// One second more than the wait of a job that came now.
    fn retry_after(&self) -> Duration {
        Duration::from_secs(1)
            + Duration::from_secs_f64(count(self.queue.len()) / self.hashes_per_second.max(0.01))
    }
}

/// How often a job that was no hash of ours is filled up.
const FILLINGS: usize = 2;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
