//! Settings of the audit stream.

use std::fs;

use sqlx::PgPool;

use super::Archive;
use crate::support::{Instance, TestApp, make_pipe};

#[sqlx::test]
async fn invalid_sinks_are_refused_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (sinks, expected) in [
        ("[{ name = 'a', type = 'file', file = 'relative' }]", "a: file must be an absolute path"),
        ("[{ name = 'A b', type = 'file', file = '/a' }]", "the name of a sink must have"),
        ("[{ name = 'a', type = 'file', file = '/a', keep_files = 0 }]", "keep_files must be"),
        ("[{ name = 'a', type = 'file', file = '/a', rotate_bytes = 9 }]", "rotate_bytes must be"),
        ("[{ name = 'a', type = 'file', file = '/a', url = 'x' }]", "has an unknown member"),
        ("[{ name = 'a', type = 'file' }]", "is required"),
        ("[{ name = 'a', type = 'carrier-pigeon' }]", "audit.sinks"),
        (
            "[{ name = 'a', type = 'file', file = '/a' }, { name = 'a', type = 'file', file = '/b' }]",
            "duplicate name",
        ),
        (
            "[{ name = 'a', type = 'file', file = '/a' }, { name = 'b', type = 'file', file = '/a' }]",
            "another sink has the same file",
        ),
        (
            "[{ name = 'a', type = 'file', file = '/a.1' }, { name = 'b', type = 'file', file = '/a' }]",
            "b: a rotated file of one sink would have the name of another sink's file",
        ),
    ] {
        app.rewrite_settings(&format!("[audit]\nsinks = {sinks}\n"));
        let output = app.command(&["config", "check"], "");
        assert_eq!(output.code, 1, "{sinks}");
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains("audit.sinks") && all.contains(expected), "{sinks}: {all}");
    }
    for (more, setting) in
        [("maximum_undelivered = 0", "maximum_undelivered"), ("when_full = 'stop'", "when_full")]
    {
        app.rewrite_settings(&format!("[audit]\n{more}\n"));
        let output = app.command(&["config", "check"], "");
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(output.code == 1 && all.contains(&format!("audit.{setting}")), "{all}");
    }
}

#[sqlx::test]
async fn a_file_that_cannot_be_written_is_found_before_the_first_event(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn(pool).await;
    let path = archive.folder.path().join("missing/audit.jsonl");
    let settings = archive.settings().replace(archive.path.to_str().unwrap(), "PATH");
    app.rewrite_settings(&settings.replace("PATH", path.to_str().unwrap()));
    let output = app.command(&["config", "check"], "");
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(output.code == 1 && all.contains("archive: cannot write"), "{all}");
    assert!(!path.parent().unwrap().exists(), "the check created a folder");
    // `serve` starts, and says so.
    let instance = Instance::start(&app, &[]);
    let log = instance.stop();
    assert!(log.contains("the file of an audit sink cannot be written"), "{log}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    app.command(&["config", "check"], "").assert_success();
}

/// Opening a pipe for writing blocks until it has a reader.
#[sqlx::test]
async fn a_pipe_in_place_of_a_file_is_found_and_stops_neither_serve_nor_commands(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn(pool).await;
    make_pipe(&archive.path);
    app.rewrite_settings(&archive.settings());
    let output = app.command(&["config", "check"], "");
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(output.code == 1 && all.contains("it is not a regular file"), "{all}");
    app.command(&["user", "list"], "").assert_success();
    let log = Instance::start(&app, &[]).stop();
    assert!(log.contains("the file of an audit sink cannot be written"), "{log}");
}

#[sqlx::test]
async fn doctor_asks_each_sink(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let archive = Archive::new();
    app.rewrite_settings(&archive.settings());
    let finding = || {
        let output = app.command(&["--json", "doctor"], "");
        let findings: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
        let is_ours = |finding: &serde_json::Value| {
            finding["what"] == "each sink of the audit stream takes events"
        };
        findings.into_iter().find(is_ours).unwrap()
    };
    assert_eq!(finding()["verdict"], "pass");
    assert!(!archive.path.exists(), "doctor wrote to the sink");
    fs::create_dir(&archive.path).unwrap();
    let failed = finding();
    assert_eq!(failed["verdict"], "FAIL");
    let text = failed["next_step"].as_str().unwrap();
    assert!(text.contains("archive: cannot write"), "{text}");
}
