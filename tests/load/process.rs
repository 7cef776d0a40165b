//! CPU time and memory of processes, read from `/proc`.

use std::{
    fs,
    ops::{AddAssign, Sub},
    path::Path,
};

/// CPU seconds of all processes of a measurement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// The hashing threads of the service.
    pub(crate) hashing: f64,
    /// The other threads of the service.
    pub(crate) rest: f64,
    pub(crate) database: f64,
    /// This process, which generates the load.
    pub(crate) generator: f64,
}

impl Cost {
    /// The CPU time since the start of each process.
    pub(crate) fn now(services: &[u32], database: u32) -> Self {
        let threads = services.iter().flat_map(|service| threads(*service)).collect::<Vec<_>>();
        let sum = |is_hashing: bool| {
            let selected = threads.iter().filter(|thread| thread.is_hashing == is_hashing);
            selected.map(|thread| thread.cpu_seconds).sum()
        };
        Self {
            hashing: sum(true),
            rest: sum(false),
            database: tree_seconds(database),
            generator: own_seconds(Path::new("/proc/self/stat")).unwrap_or(0.0),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.hashing += other.hashing;
        self.rest += other.rest;
        self.database += other.database;
        self.generator += other.generator;
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            hashing: self.hashing - before.hashing,
            rest: self.rest - before.rest,
            database: self.database - before.database,
            generator: self.generator - before.generator,
        }
    }
}

/// The peak resident memory of a process, in MB.
pub(crate) fn peak_megabytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024.0 / 1e6
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The CPU seconds of a process and its descendants that still run, to the nanosecond.
pub(crate) fn precise_cpu_seconds(process: u32) -> f64 {
    let children = descendants(process).into_iter().filter_map(|id| u32::try_from(id).ok());
    let threads = children.chain([process]).flat_map(|process| {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
    });
    let nanoseconds = |text: String| text.split_whitespace().next()?.parse::<f64>().ok();
    threads.filter_map(nanoseconds).sum::<f64>() / 1e9
}

/// A thread of the service.
struct Thread {
    is_hashing: bool,
    cpu_seconds: f64,
}

fn threads(process: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    tasks
        .filter_map(|task| {
            let folder = task.ok()?.path();
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            let cpu_seconds = own_seconds(&folder.join("stat"))?;
            Some(Thread { is_hashing: name.starts_with("hashing-"), cpu_seconds })
        })
        .collect()
}

/// CPU seconds of a process and all its descendants, including those that have ended.
pub(crate) fn tree_seconds(process: u32) -> f64 {
    let seconds = |process: i32| ticks(Path::new(&format!("/proc/{process}/stat")), 11, 4);
    let all = descendants(process).into_iter().chain(i32::try_from(process));
    all.filter_map(seconds).sum()
}

/// The ids of all descendants of a process.
pub(crate) fn descendants(process: u32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let mut all = Vec::new();
    for child in children.unwrap_or_default().split_whitespace() {
        let child: u32 = child.parse().expect("a process id");
        all.extend(i32::try_from(child));
        all.extend(descendants(child));
    }
    all
}

/// CPU seconds of a process or thread, without its children.
fn own_seconds(stat: &Path) -> Option<f64> {
    ticks(stat, 11, 2)
}

/// The sum of fields of `stat` in proc(5), counted after the name, in seconds; a tick is 10 ms.
fn ticks(stat: &Path, first: usize, count: usize) -> Option<f64> {
    let text = fs::read_to_string(stat).ok()?;
    let fields = text.rsplit(')').next()?.split_whitespace().skip(first).take(count);
    Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
