//! The memory of a server with all its processes.

use std::fs;

use crate::process::descendants;

/// The proportional set size of a process and its descendants, in MiB: a page that several processes
/// share counts once.
pub(crate) fn mebibytes(process: u32) -> f64 {
    let children = descendants(process).into_iter().filter_map(|id| u32::try_from(id).ok());
    children.chain([process]).filter_map(kibibytes).sum::<f64>() / 1024.0
}

/// `None` for a process that ends meanwhile.
fn kibibytes(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
