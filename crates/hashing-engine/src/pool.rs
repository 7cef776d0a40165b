//! The hashing threads and their queue.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use argon2::Block;
use zeroize::Zeroize;

use super::{
    capacity::{Places, QueueLimit},
    error::HashingError,
    event::{EngineEvent, OnEvent},
    fair_queue::FairQueue,
    fairness_key::FairnessKey,
    hasher::Hasher,
    job::{Computed, Job, Output, Task},
    kernel,
    metrics::EngineMetrics,
};

/// Niceness of the hashing threads. Requests that need no hash run first.
pub(crate) const NICENESS: i32 = 10;

/// The size of the stack that is wiped after each job, in words of 8 bytes: 64 KiB.
const WIPED_WORDS: usize = 8 * 1024;

/// The hashing threads and their queue.
pub(crate) struct Pool<K> {
    hasher: Hasher,
    state: Mutex<State<K>>,
    changed: Condvar,
    places: Places,
    metrics: EngineMetrics,
}

struct State<K> {
    queue: FairQueue<K, Job>,
    /// A background job, which runs when the queue is empty.
    idle: Option<Job>,
    is_closed: bool,
    limit: QueueLimit,
}

impl<K: FairnessKey> Pool<K> {
    /// Starts the threads. Each allocates its memory and measures the time of a hash.
    ///
    /// Returns the longest of these times.
    pub(crate) fn start(
        hasher: Hasher,
        threads: usize,
        memory_kib: u32,
        deadline: Duration,
        metrics: EngineMetrics,
        on_event: OnEvent,
    ) -> Result<(Arc<Self>, Duration), HashingError> {
        let state = State {
            queue: FairQueue::new(0),
            idle: None,
            is_closed: false,
            // Nothing is queued before the threads are measured.
            limit: QueueLimit::new(threads, deadline, Duration::MAX),
        };
        let (state, changed, places) = (Mutex::new(state), Condvar::new(), Places::new(0));
        let pool = Arc::new(Self { hasher, state, changed, places, metrics });
        let (report, reports) = mpsc::channel();
        for number in 0..threads {
            let (pool, report) = (Arc::clone(&pool), report.clone());
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || {
                    // Without the permission, the thread keeps its priority.
                    let _ = rustix::process::setpriority_process(None, NICENESS);
                    let mut memory = kernel::allocate(memory_kib);
                    let _ = report.send(pool.hasher.measure(&mut memory));
                    // The receiver stops when every sender is dropped.
                    drop(report);
                    // A panic loses its job, but the thread continues.
                    while catch_unwind(AssertUnwindSafe(|| pool.work(&mut memory))).is_err() {
                        wipe_stack();
                        on_event(EngineEvent::ThreadPanicked);
                    }
                })
                .map_err(|error| HashingError::ThreadStart(Arc::new(error)))?;
        }
        drop(report);
        let times = reports.iter().collect::<Result<Vec<_>, _>>()?;
        let time = times.into_iter().max().unwrap_or_default();
        pool.hasher.set_target_time(time);
        pool.set_limit(QueueLimit::new(threads, deadline, time));
        Ok((pool, time))
    }

    /// The hasher, for measurements outside the threads.
    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// The number of jobs that may wait at present.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Sets the limit of jobs. The queue itself has the highest one, so that a job whose request was
    /// admitted is not refused because the threads have become slower since.
    pub(crate) fn set_limit(&self, limit: QueueLimit) {
        let mut state = self.lock();
        state.queue.set_capacity(limit.maximum());
        state.limit = limit;
        self.follow_speed(&state);
    }

    /// Sets the places, so that the last job meets its deadline at the present speed.
    fn follow_speed(&self, state: &State<K>) {
        self.places.set(state.limit.at(self.hasher.target_time()));
    }

    /// Queues a job. When the queue is full, refuses this job or the newest of a busier client.
    pub(crate) fn submit(&self, key: K, job: Job) -> Result<(), HashingError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(HashingError::ShuttingDown);
        }
        if state.queue.is_full() {
            // Remove abandoned jobs before refusing a live one.
            state.queue.retain(|job| !job.reply.is_closed());
        }
        let refused = state.queue.push(key, job);
        let retry_after = self.retry_after(&state);
        self.metrics.set_waiting(state.queue.len());
        drop(state);
        self.changed.notify_one();
        if let Some(job) = refused {
            self.metrics.shed_by_length();
            let _ = job.reply.send(Err(HashingError::Overloaded { retry_after }));
        }
        Ok(())
    }

    /// The error for a request that is not admitted.
    pub(crate) fn refuse(&self) -> HashingError {
        self.metrics.shed_by_admission();
        HashingError::Overloaded { retry_after: self.retry_after(&self.lock()) }
    }

    /// The wait of a job that is queued now, plus one second.
    fn retry_after(&self, state: &State<K>) -> Duration {
        Duration::from_secs(1) + state.limit.wait(state.queue.len(), self.hasher.target_time())
    }

    /// Queues a background job. Only one can wait; another is dropped without a reply.
    pub(crate) fn submit_idle(&self, job: Job) {
        let mut state = self.lock();
        if state.is_closed || state.idle.is_some() {
            return;
        }
        state.idle = Some(job);
        drop(state);
        self.changed.notify_one();
    }

    /// Accepts no more jobs. The threads end when the queue is empty.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.idle = None;
        drop(state);
        self.changed.notify_all();
    }

    fn work(&self, memory: &mut [Block]) {
        while let Some(job) = self.next(memory) {
            let start = Instant::now();
            let result = if job.deadline < start {
                self.metrics.shed_by_deadline();
                Err(HashingError::Overloaded { retry_after: self.retry_after(&self.lock()) })
            } else {
                let waited = start - job.queued;
                self.metrics.record_wait(waited);
                let output = self.compute(job.task, &job.secret, memory);
                wipe_stack();
                output.map(|output| Computed {
                    output,
                    started: start,
                    waited,
                    worked: start.elapsed(),
                })
            };
            // The receiver is gone when the client disconnected.
            let _ = job.reply.send(result);
        }
    }

    /// Computes a task in a frame of its own, which [`wipe_stack`] then overwrites.
    #[inline(never)]
    fn compute(
        &self,
        task: Task,
        secret: &[u8],
        memory: &mut [Block],
    ) -> Result<Output, HashingError> {
        self.hasher.compute(task, secret, memory)
    }

    /// The next job whose receiver still waits. `None` when the pool is closed and the queue empty.
    ///
    /// An idle thread wipes its memory before it sleeps. While jobs wait, the next job overwrites
    /// it.
    fn next(&self, memory: &mut [Block]) -> Option<Job> {
        let mut is_wiped = false;
        let mut state = self.lock();
        self.follow_speed(&state);
        loop {
            match state.pop() {
                Some(job) if job.reply.is_closed() => {
                    self.metrics.abandoned.inc();
                }
                Some(job) => {
                    self.metrics.set_waiting(state.queue.len());
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

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // No code that can panic runs under this lock, so its data is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Overwrites the stack below the frame of the caller. The libraries that compute hashes leave copies of
/// secrets there, wherever the compiler moves a value.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "the array is the stack to wipe")]
fn wipe_stack() {
    let mut stack = [0_u64; WIPED_WORDS];
    stack.zeroize();
}

impl<K: FairnessKey> State<K> {
    /// The next job, or the idle one when the queue is empty. An idle job past its deadline is
    /// dropped.
    fn pop(&mut self) -> Option<Job> {
        self.queue.pop().or_else(|| self.idle.take().filter(|job| Instant::now() <= job.deadline))
    }
}
