//! `drain`: takes an instance of this machine out of the rotation of its load balancer.
//!
//! The instance is reached by a signal, which only root and its own account can send. The operations
//! listener has no authentication, and changes nothing.

use std::{fs, path::Path, process::ExitCode};

use clap::Args;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{output, output::Failure};

/// The arguments of `drain`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Make the instance ready again.
    #[arg(long)]
    undo: bool,
    /// Process id of the instance [default: the only `serve` of this account on this machine].
    #[arg(long)]
    pid: Option<i32>,
}

/// Sends the signal.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let pid = match arguments.pid {
        Some(pid) if is_instance(pid) => pid,
        Some(_) => {
            let text = "is not the process of an instance; name one that runs `serve`";
            return Err(Failure::new(format!("--pid: {text}")));
        }
        None => only_instance()?,
    };
    let (signal, text) = if arguments.undo {
        (Signal::USR2, "the instance is ready again")
    } else {
        let text = "the instance is draining: its readiness check answers 503, and it serves requests \
                    until it is stopped; `drain --undo` takes it back";
        (Signal::USR1, text)
    };
    let process = Pid::from_raw(pid).ok_or_else(|| Failure::new("--pid: must be positive"))?;
    kill_process(process, signal)
        .map_err(|error| Failure::new(format!("cannot signal process {pid}: {error}")))?;
    output::print_result(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The only instance that this account may signal.
fn only_instance() -> Result<i32, Failure> {
    let processes = fs::read_dir("/proc")?.filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        (is_instance(pid) && is_reachable(pid)).then_some(pid)
    });
    match *processes.collect::<Vec<_>>() {
        [pid] => Ok(pid),
        [] => Err(Failure::new("no instance runs on this machine; run `drain` where `serve` runs")),
        [..] => Err(Failure::new("several instances run on this machine; name one with --pid")),
    }
}

/// True for a process that runs `serve` and handles the signals, which end any other process.
fn is_instance(pid: i32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = command.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let program = String::from_utf8_lossy(program);
    let is_own =
        Path::new(program.as_ref()).file_name().is_some_and(|name| name == "credential-keeper");
    is_own && arguments.any(|argument| argument == b"serve") && handles_signals(pid)
}

fn handles_signals(pid: i32) -> bool {
    let mask = status_line(pid, "SigCgt:");
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    [Signal::USR1, Signal::USR2].iter().all(|signal| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// True for a process of this account; root may signal every process.
fn is_reachable(pid: i32) -> bool {
    let user = status_line(pid, "Uid:");
    let user = user.and_then(|ids| ids.split_whitespace().next()?.parse::<u32>().ok());
    geteuid().is_root() || user == Some(geteuid().as_raw())
}

fn status_line(pid: i32, name: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::to_owned)
}
