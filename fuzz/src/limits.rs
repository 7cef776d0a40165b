//! Memory and time that a parser may use for an input.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

/// Counts the memory of a target.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of memory for each byte of the input.
    pub bytes_for_each: usize,
    /// Bytes of memory in addition, for tables and buffers.
    pub bytes_in_all: usize,
    /// Processor time, which other processes of the machine do not lengthen.
    pub time: Duration,
}

impl Limits {
    /// The limits of most parsers. A tree has about 100 bytes for each member of two characters.
    pub const PARSER: Self =
        Self { bytes_for_each: 128, bytes_in_all: 512 * 1024, time: Duration::from_millis(500) };
}

/// Runs a parser on an input of this length.
///
/// # Panics
/// When it exceeds a limit.
pub fn within<T>(limits: Limits, length: usize, run: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = processor_time();
    let result = run();
    let time = processor_time().saturating_sub(start);
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let allowed = limits.bytes_in_all + limits.bytes_for_each * length;
    assert!(memory <= allowed, "{memory} bytes of memory for an input of {length}");
    assert!(time <= limits.time, "{time:?} of processor time for an input of {length}");
    result
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
