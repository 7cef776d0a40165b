//! What processes cost: CPU time and memory, from `/proc`.

use std::{
    fs,
    ops::{AddAssign, Sub},
    path::Path,
};

/// CPU seconds of everything that takes part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Threads of the service that hash.
    pub(crate) hashing: f64,
    /// All its other threads.
    pub(crate) rest: f64,
    pub(crate) database: f64,
    /// This process.
    pub(crate) generator: f64,
}

impl Cost {
    /// Since each of them started.
    pub(crate) fn now(services: &[u32], database: u32) -> Self {
        let threads = services.iter().flat_map(|service| threads(*service)).collect::<Vec<_>>();
        let sum = |is_hashing: bool| {
            threads.iter().filter(|thread| thread.0 == is_hashing).map(|thread| thread.1).sum()
        };
        Self {
            hashing: sum(true),
            rest: sum(false),
            database: family(database),
            generator: own_seconds(Path::new("/proc/self/stat")).unwrap_or(0.0),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.hashing += more.hashing;
        self.rest += more.rest;
        self.database += more.database;
        self.generator += more.generator;
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

/// The most memory that a process has held so far, in MB.
pub(crate) fn peak_megabytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024.0 / 1e6
}

/// Whether each thread hashes, and its CPU seconds.
fn threads(process: u32) -> Vec<(bool, f64)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    tasks
        .filter_map(|task| {
            let folder = task.ok()?.path();
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            Some((name.starts_with("hashing-"), own_seconds(&folder.join("stat"))?))
        })
        .collect()
}

/// A process with all its children, those that have ended too.
fn family(process: u32) -> f64 {
    let seconds = |process: i32| ticks(Path::new(&format!("/proc/{process}/stat")), 11, 4);
    let all = descendants(process).into_iter().chain(i32::try_from(process));
    all.filter_map(seconds).sum()
}

/// The children of a process, and theirs.
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

fn own_seconds(stat: &Path) -> Option<f64> {
    ticks(stat, 11, 2)
}

/// Fields of proc(5)'s `stat`, counted behind the name; a tick is a hundredth of a second.
fn ticks(stat: &Path, first: usize, count: usize) -> Option<f64> {
    let text = fs::read_to_string(stat).ok()?;
    let fields = text.rsplit(')').next()?.split_whitespace().skip(first).take(count);
    Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
