//! Facts about the operating system, its limits, and the kernel that hashes passwords.

use std::{collections::HashMap, fs, thread::available_parallelism};

use rustix::{
    process::{Resource, getrlimit},
    system::uname,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    cli::{command_context, output::Failure},
    configuration::Settings,
    security::hashing::Capacity,
    startup,
};

/// Files of the system without a secret, by the name of their fact.
const FILES: [(&str, &str); 6] = [
    ("cgroup_cpu", "/sys/fs/cgroup/cpu.max"),
    ("cgroup_memory", "/sys/fs/cgroup/memory.max"),
    ("cgroup_memory_used", "/sys/fs/cgroup/memory.current"),
    ("load", "/proc/loadavg"),
    ("uptime", "/proc/uptime"),
    ("overcommit", "/proc/sys/vm/overcommit_memory"),
];

/// Describes the platform at a time. `None`: the settings are invalid.
pub(super) fn describe(settings: Option<&Settings>, now: OffsetDateTime) -> Value {
    let system = uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let files: serde_json::Map<_, _> =
        FILES.iter().map(|(name, path)| ((*name).to_owned(), fact(path))).collect();
    let open_files = getrlimit(Resource::Nofile);
    json!({
        "time": command_context::timestamp(now),
        "system": text(system.sysname()),
        "release": text(system.release()),
        "machine": text(system.machine()),
        "processors": available_parallelism().map_or(0, usize::from),
        "memory": memory(),
        "maximum_open_files": { "soft": open_files.current, "hard": open_files.maximum },
        "files": files,
        "hashing": hashing(settings),
    })
}

/// The content of a file of one line.
fn fact(path: &str) -> Value {
    fs::read(path).map_or(Value::Null, |bytes| json!(String::from_utf8_lossy(&bytes).trim()))
}

/// Total, available and swap memory.
fn memory() -> Value {
    let bytes = fs::read("/proc/meminfo").unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let wanted = ["MemTotal", "MemAvailable", "SwapTotal", "SwapFree"];
    let facts = text.lines().filter_map(|line| line.split_once(':'));
    let facts = facts.filter(|(name, _)| wanted.contains(name));
    facts.map(|(name, value)| (name.to_owned(), json!(value.trim()))).collect()
}

/// Starts the hashing engine on one thread. Its start compares the kernel with another
/// implementation of argon2id.
fn hashing(settings: Option<&Settings>) -> Value {
    match test_hashing(settings) {
        Ok(capacity) => json!({
            "self_test": "passed",
            "has_default_settings": settings.is_none(),
            "kernel": capacity.kernel,
            "hashes_per_second_of_one_thread": capacity.hashes_per_second,
            "memory_kib": capacity.memory_kib,
        }),
        Err(error) => json!({ "self_test": "failed", "reason": error.to_string() }),
    }
}

/// Starts the engine with the settings. Invalid settings could ask for any amount of memory, so the
/// defaults replace them.
fn test_hashing(settings: Option<&Settings>) -> Result<Capacity, Failure> {
    let capacity = match settings {
        Some(settings) => startup::test_hashing(settings)?,
        None => startup::test_hashing(&Settings::read(None, HashMap::new())?)?,
    };
    Ok(capacity)
}
