//! `calibrate`: measures the cost of password hashes, and recommends settings.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Terminal, keeper, run_with_input, with_color_terminal};

/// A quick measurement.
const QUICK: [&str; 7] =
    ["calibrate", "--target-milliseconds", "10", "--memory-mib", "20", "--threads", "1"];

#[test]
fn the_recommendation_is_one_of_the_measured_costs_and_is_accepted_as_settings() {
    let started = Instant::now();
    let text = run_with_input(keeper(&[&QUICK[..], &["--json"]].concat()), "").assert_success();
    assert!(started.elapsed() < Duration::from_secs(60));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["threads"], &report["target_milliseconds"]), (&1.into(), &10.into()));
    assert!(["avx2", "portable"].contains(&report["kernel"].as_str().unwrap()), "{report}");
    let measured = report["measured"].as_array().unwrap();
    assert!(measured.len() >= 4, "{report}");
    for cost in measured {
        let number = |name: &str| cost[name].as_f64().unwrap();
        assert!(number("median_milliseconds") > 0.0, "{cost}");
        assert!(number("median_milliseconds") <= number("slowest_milliseconds"), "{cost}");
        assert!(number("hashes_per_second") > 0.0 && number("hashes") >= 3.0, "{cost}");
        assert!(number("burst_memory_kib") <= 20.0 * 1024.0, "{cost}");
    }
    let recommended: Vec<_> = measured.iter().filter(|cost| cost["recommended"] == true).collect();
    let [recommended] = recommended[..] else { panic!("{report}") };
    let settings: toml::Table = report["settings"].as_str().unwrap().parse().unwrap();
    let hashing = &settings["hashing"];
    for name in ["memory_kib", "iterations", "parallelism"] {
        assert_eq!(hashing[name].as_integer(), recommended[name].as_i64(), "{name}: {report}");
    }
    assert_eq!(hashing["threads"].as_integer(), Some(1));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.toml");
    fs::write(&file, report["settings"].as_str().unwrap()).unwrap();
    let mut check = keeper(&["config", "check"]);
    check.env("KEEPER_CONFIG", &file);
    let checked = run_with_input(check, "");
    // The minimum of OWASP is kept.
    assert!(!checked.stdout.contains("hashing"), "{checked:?}");
}

#[test]
fn the_table_says_what_was_measured_and_ends_with_the_settings() {
    let table = run_with_input(keeper(&QUICK), "");
    let (code, stdout) = (table.code, &table.stdout);
    assert_eq!(code, 0, "{table:?}");
    for part in ["MILLISECONDS", "LOGINS PER SECOND", "MEMORY OF A BURST", "recommended", "kernel"]
    {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let (_, settings) = stdout.split_once("\n[hashing]\n").unwrap_or_else(|| panic!("{stdout}"));
    assert!(format!("[hashing]\n{settings}").parse::<toml::Table>().is_ok(), "{settings}");
    let text = run_with_input(keeper(&[&QUICK[..], &["--format", "toml"]].concat()), "");
    let text = text.assert_success();
    assert!(text.parse::<toml::Table>().unwrap().contains_key("hashing"), "{text}");
}

#[test]
fn impossible_limits_are_refused() {
    let run =
        |arguments: &[&str]| run_with_input(keeper(&[&["calibrate"], arguments].concat()), "");
    run(&["--memory-mib", "8", "--threads", "2"]).assert_error("pass a larger --memory-mib");
    for wrong in [
        &["--target-milliseconds", "0"][..],
        &["--target-milliseconds", "5000"],
        &["--memory-mib", "0"],
        &["--threads", "0"],
        &["--format", "yaml"],
        &["--json", "--format", "toml"],
    ] {
        run(wrong).assert_usage_error();
    }
}

#[test]
fn a_terminal_shows_the_progress_and_ctrl_c_stops() {
    let mut command = keeper(&["calibrate", "--target-milliseconds", "1000"]);
    with_color_terminal(&mut command);
    let mut terminal = Terminal::start(&command, 100);
    terminal.expect(" % ");
    let stopped = Instant::now();
    terminal.send("\u{3}");
    let (code, screen) = terminal.wait();
    assert!(stopped.elapsed() < Duration::from_secs(30));
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("stopped before the measurement was complete"), "{screen}");
    assert!(!screen.contains("[hashing]"), "{screen}");
}
