//! Checks the imports between the layers of the service.

use std::path::Path;

use crate::imports::Imports;

/// Each layer with the layers that it may import. A layer is a module at the top of `src`.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "startup",
            "http",
            "service",
            "storage",
            "security",
            "domain",
            "configuration",
            "telemetry",
            "log_events",
            "bounded_file",
            "clock",
        ],
    ),
    (
        "startup",
        &[
            "http",
            "service",
            "key_sets",
            "key_wrapping",
            "directory",
            "mail",
            "migration_hook",
            "audit_sinks",
            "storage",
            "security",
            "domain",
            "configuration",
            "telemetry",
            "log_filter",
            "log_events",
            "bounded_file",
            "clock",
        ],
    ),
    ("http", &["service", "domain", "telemetry", "recent_events", "trace_context", "clock"]),
    (
        "service",
        &[
            "key_sets",
            "directory",
            "mail",
            "migration_hook",
            "audit_sinks",
            "storage",
            "security",
            "domain",
            "log_events",
            "export_metrics",
            "detached",
            "clock",
        ],
    ),
    ("key_sets", &["security", "domain", "log_events", "trace_context", "detached"]),
    ("key_wrapping", &["security", "domain", "trace_context"]),
    ("directory", &["circuit_breaker", "turns", "security", "domain", "log_events"]),
    ("mail", &["security", "domain", "log_events"]),
    (
        "migration_hook",
        &["circuit_breaker", "turns", "security", "domain", "log_events", "trace_context"],
    ),
    ("audit_sinks", &["security", "domain"]),
    ("storage", &["fair_places", "domain"]),
    ("security", &["domain", "log_events", "trace_context", "bounded_file"]),
    ("configuration", &["domain", "bounded_file"]),
    (
        "telemetry",
        &[
            "configuration",
            "security",
            "log_filter",
            "log_events",
            "recent_events",
            "trace_context",
            "export_metrics",
            "clock",
        ],
    ),
    ("log_filter", &["log_events", "trace_context"]),
    ("turns", &["fair_places", "domain"]),
    ("fair_places", &["domain"]),
    ("domain", &[]),
    ("circuit_breaker", &[]),
    ("recent_events", &["log_events", "clock"]),
    ("log_events", &["clock"]),
    ("trace_context", &[]),
    ("export_metrics", &[]),
    ("detached", &[]),
    ("bounded_file", &[]),
    ("clock", &[]),
];

/// One message for each import that is not allowed.
pub(crate) fn violations(imports: &Imports) -> Vec<String> {
    let mut problems = Vec::new();
    for (file, targets) in imports {
        let Some(from) = layer(file) else { continue };
        let allowed = LAYERS.iter().find(|(name, _)| *name == from).map(|(_, allowed)| *allowed);
        for target in targets {
            let Some(to) = layer(target) else {
                let (file, target) = (file.display(), target.display());
                problems.push(format!("{file} imports {target}: define the item in a layer"));
                continue;
            };
            if to != from && !allowed.is_some_and(|allowed| allowed.contains(&to)) {
                let (file, target) = (file.display(), target.display());
                problems.push(format!("{file} imports {target}: {from} must not import {to}"));
            }
        }
    }
    problems
}

/// The layer of a file; `None` for the root of the crate, which only re-exports items.
fn layer(file: &Path) -> Option<&str> {
    let below = file.strip_prefix("src").ok()?;
    let first = below.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then_some(name)
}
