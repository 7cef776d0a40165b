//! The files of deploy/monitoring: the alerts, their unit tests and their guide, and the dashboard.
//! They use the real promtool, Prometheus and Alertmanager.

mod firing;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, TestApp};

const RULES: &str = "deploy/monitoring/prometheus-rules.yml";
const GUIDE: &str = "docs/how-to/respond-to-alerts.md";

/// The root of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// The names of the metrics of this service in a text.
fn metric_names(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let words = text.split(|letter: char| !is_part(letter));
    words.filter(|word| word.starts_with("keeper_")).map(str::to_owned).collect()
}

/// The rows of the reference, by the name of the metric.
fn reference() -> BTreeMap<String, String> {
    let text = read("docs/reference/metrics.md");
    let rows = text.lines().filter_map(|line| {
        let (name, row) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((name.to_owned(), row.to_owned()))
    });
    rows.collect()
}

/// The row of a sample; histograms have several samples.
fn row<'rows>(rows: &'rows BTreeMap<String, String>, name: &str) -> Option<&'rows String> {
    let of_histogram = ["_bucket", "_sum", "_count"];
    let family = of_histogram.iter().find_map(|suffix| name.strip_suffix(suffix));
    rows.get(name).or_else(|| rows.get(family?).filter(|row| row.contains("histogram")))
}

#[sqlx::test]
async fn the_reference_has_every_metric_with_its_labels_and_their_values(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("nobody", "wrong")).await.assert_status(401);
    let (rows, text) = (reference(), app.metrics().await.body);
    let mut families = 0;
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            assert!(rows.contains_key(&format!("{name}{suffix}")), "{line}");
            families += 1;
        }
        let Some((name, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let (labels, _) = rest.rsplit_once("} ").unwrap();
        let row = row(&rows, name).unwrap_or_else(|| panic!("{line}"));
        for label in labels.split("\",") {
            let (label, value) = label.trim_end_matches('"').split_once("=\"").unwrap();
            if label == "le" {
                continue;
            }
            assert!(row.contains(&format!("`{label}`:")), "{line}");
            let is_listed = row.contains(&format!("`{label}`: `"));
            assert!(!is_listed || row.contains(&format!("`{value}`")), "{line}: {row}");
        }
    }
    assert!(families > 60, "{families}");
}

#[test]
fn alerts_and_dashboard_use_metrics_that_exist() {
    let rows = reference();
    for path in [RULES, "deploy/monitoring/grafana-dashboard.json", GUIDE, "docs/how-to/monitor.md"]
    {
        let names = metric_names(&read(path));
        assert!(!names.is_empty(), "{path}");
        for name in names.iter().filter(|name| !name.contains(':')) {
            assert!(row(&rows, name).is_some(), "{path} uses {name}");
        }
    }
}

/// The names of the alerts.
fn alerts() -> Vec<String> {
    let text = read(RULES);
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn promtool_accepts_the_alerts_and_their_unit_tests() {
    for arguments in [["check", "rules"], ["test", "rules"]] {
        let file =
            if arguments[0] == "check" { RULES } else { &RULES.replace(".yml", ".test.yml") };
        let output =
            Command::new("promtool").args(arguments).arg(repository().join(file)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let tests = read("deploy/monitoring/prometheus-rules.test.yml");
    for alert in alerts() {
        // Each one fires in a unit test, and has a case in which it does not.
        let cases: Vec<_> = tests.split(&format!("alertname: {alert}")).skip(1).collect();
        let ends = |case: &&str| case.starts_with('\n') || case.starts_with(" }");
        let fires =
            cases.iter().filter(|case| ends(case) && case.starts_with("\n        exp_alerts"));
        assert!(fires.count() > 0, "{alert} does not fire in any test");
    }
}

#[test]
fn each_alert_has_a_severity_and_a_section_of_the_guide() {
    let (rules, guide) = (read(RULES), read(GUIDE));
    let alerts = alerts();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in &alerts {
        let rule = rules.split(&format!("- alert: {alert}\n")).nth(1).unwrap();
        let rule = rule.split("- alert: ").next().unwrap();
        let anchor = alert.to_lowercase();
        assert!(rule.contains(&format!("runbook_url: {GUIDE}#{anchor}\n")), "{alert}");
        let severities = ["severity: page", "severity: ticket"];
        assert!(severities.iter().any(|severity| rule.contains(severity)), "{alert}");
        assert!(guide.contains(&format!("\n### {alert}\n")), "{alert} has no section");
    }
    let sections = guide.lines().filter_map(|line| line.strip_prefix("### "));
    for section in sections {
        assert!(alerts.iter().any(|alert| alert == section), "{section} is no alert");
    }
}

#[test]
fn every_rule_tells_namespaces_and_jobs_apart() {
    let rules = read(RULES);
    for operator in [" by (", " on ("] {
        let labels: Vec<_> = rules.split(operator).skip(1).collect();
        assert!(!labels.is_empty(), "{operator}");
        for labels in labels {
            assert!(labels.starts_with("namespace, job"), "{operator}{labels}");
        }
    }
}

#[test]
fn the_rule_for_kubernetes_has_the_same_groups() {
    let rules = read(RULES);
    let groups = &rules[rules.find("groups:").unwrap()..];
    let indented = groups.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    let resource = read("deploy/kubernetes/components/monitoring/prometheus-rule.yaml");
    let (_, spec) = resource.split_once("spec:\n").unwrap();
    assert!(spec == indented.collect::<String>(), "indent the groups of {RULES} by two spaces");
}

#[test]
fn the_dashboard_fits_the_schema_of_grafana() {
    let dashboard = read("deploy/monitoring/grafana-dashboard.json");
    check_types(&dashboard).unwrap();
    // The check can fail.
    let unknown = dashboard.replacen("\"graphTooltip\"", "\"graphTooltips\"", 1);
    assert!(check_types(&unknown).unwrap_err().contains("graphTooltips"));
    let wrong = dashboard.replacen("\"absolute\"", "\"relative\"", 1);
    assert!(check_types(&wrong).is_err());
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_valid_query(target["expr"].as_str().unwrap());
        }
    }
}

#[test]
fn the_verification_cache_panel_shows_the_share_of_verifications_without_a_hash() {
    let dashboard: Value =
        serde_json::from_str(&read("deploy/monitoring/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let panel = panels.iter().find(|panel| panel["title"] == "Verification cache").unwrap();
    let mut query = panel["targets"][0]["expr"].as_str().unwrap().to_owned();
    for (variable, value) in
        [("$__rate_interval", "5m"), ("$namespace", "n"), ("$job", "k"), ("$instance", "one")]
    {
        query = query.replace(variable, value);
    }
    // Per second: one cached match, two cached refusals, three shared hashes, four hashes.
    let series = [("cache_hits", 1), ("repeated", 2), ("shared", 3), ("cache_misses", 4)].map(
        |(name, rate)| {
            let labels = r#"{namespace="n",job="k",instance="one"}"#;
            serde_json::json!({
                "series": format!("keeper_hashing_{name}_total{labels}"),
                "values": format!("0+{}x20", 60 * rate),
            })
        },
    );
    let tests = serde_json::json!({
        "rule_files": [],
        "tests": [{
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [{
                "expr": format!("round({query}, 0.001)"),
                "eval_time": "10m",
                "exp_samples": [{"labels": "{}", "value": 0.6}],
            }],
        }],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tests.yml");
    // YAML contains JSON.
    fs::write(&file, tests.to_string()).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}", text.concat());
}

/// Checks a dashboard against the types that Grafana generates from its schema.
fn check_types(dashboard: &str) -> Result<(), String> {
    let modules = repository().join("tests/clients/node_modules");
    let types = modules.join("@grafana/schema/dist/types/raw/dashboard/x/types.gen.js");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.ts");
    // The types have enums, whose values are plain texts in JSON.
    let program = format!(
        "import type {{ Dashboard }} from '{}';
         type Plain<T> = T extends string ? `${{T}}` : T extends (infer U)[] ? Plain<U>[]
             : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
         export const dashboard: Plain<Dashboard> = {dashboard};",
        types.display()
    );
    fs::write(&file, program).unwrap();
    let output = Command::new(modules.join(".bin/tsc"))
        .args(["--noEmit", "--strict", "--skipLibCheck", "--types", "", "--target", "es2022"])
        .args(["--module", "nodenext"])
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(()) } else { Err(errors) }
}

/// Fails unless Prometheus can parse a query of the dashboard.
fn assert_valid_query(query: &str) {
    let query = query.replace("$__rate_interval", "5m");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    let rules = serde_json::json!({
        "groups": [{"name": "query", "rules": [{"record": "query", "expr": query}]}]
    });
    // YAML contains JSON.
    fs::write(&file, rules.to_string()).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
}
