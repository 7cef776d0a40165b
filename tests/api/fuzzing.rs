//! The fuzz targets, their files and their documentation name the same parsers.

use std::{collections::BTreeSet, fs, path::Path};

/// The parsers that have targets, with the targets that cover them.
const PARSERS: &[(&str, &[&str])] = &[
    ("JSON bodies", &["body_json", "save_credential"]),
    ("XML bodies", &["body_xml", "save_credential"]),
    ("form bodies", &["body_form", "save_credential"]),
    ("SOAP messages", &["soap_envelope"]),
    ("writers of bodies", &["body_round_trip"]),
    ("charsets", &["body_json", "body_xml", "body_form"]),
    ("media types and `Accept`", &["media_types"]),
    ("`$select`", &["select"]),
    ("`$filter` and `$orderby`", &["odata_query"]),
    ("the query of audit events", &["audit_query"]),
    ("queries of pages", &["page_query"]),
    ("`User-Agent`", &["device"]),
    ("`Authorization`", &["authorization"]),
    ("cookies and XSRF tokens", &["cookies", "tickets"]),
    ("tickets", &["tickets"]),
    ("forwarded headers and `Host`", &["forwarded"]),
    ("`Keeper-Reason`", &["reason_header"]),
    ("request targets", &["request_target"]),
    ("time zones and languages", &["localization"]),
    ("hash texts", &["hash_text"]),
    ("argon2id kernel", &["argon2_kernel"]),
    ("import lines", &["import_line", "import_file"]),
    ("CSV of an import", &["import_csv"]),
    ("forms with a file", &["import_form"]),
    ("forms that a session did not survive", &["kept_form"]),
    ("answers of `init`", &["init_answers"]),
    ("exports of other systems", &["import_export"]),
    ("compressed files", &["import_file"]),
    ("archives", &["archive"]),
    ("keyring", &["keyring"]),
    ("certificates and keys of listeners", &["certificates"]),
    ("key sets", &["key_set"]),
    ("tokens", &["access_token", "issuer_token"]),
    ("settings", &["settings_file", "settings_variables", "log_filter"]),
    ("database URLs", &["database_url"]),
    ("messages, SIDs and filters of a directory", &["directory"]),
    ("answers of an old system, and keys of signatures", &["migration_answer"]),
    ("replies, addresses and URLs of a mail server", &["mail"]),
    ("login names", &["login_name"]),
    ("hosts and origins", &["origins"]),
    ("access control lists", &["secret_file_acl"]),
    ("`traceparent` and `tracestate`", &["trace_context"]),
    ("copies of the audit stream, and anchors in a log", &["audit_copy"]),
    ("headers for a collector", &["otlp_headers"]),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a folder of `fuzz`, without the extension.
fn names_in(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn targets() -> BTreeSet<String> {
    let manifest: toml::Table = read("fuzz/Cargo.toml").parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap();
    programs.iter().map(|program| program["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_listed_parser_has_a_target_and_every_target_a_parser() {
    let named: BTreeSet<_> =
        PARSERS.iter().flat_map(|(_, targets)| *targets).map(ToString::to_string).collect();
    assert_eq!(named, targets());
    let page = read("docs/reference/testing.md");
    for (parser, covered_by) in PARSERS {
        let targets: Vec<_> = covered_by.iter().map(|target| format!("`{target}`")).collect();
        let row = format!("| {parser} | {} |", targets.join(", "));
        assert!(page.contains(&row), "docs/reference/testing.md has no row {row}");
    }
}

#[test]
fn every_target_is_documented_with_its_figures() {
    let page = read("docs/reference/testing.md");
    let rows: BTreeSet<_> = page
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let ["", name, _, edges, hours, _, ""] = cells.as_slice() else { return None };
            let is_figure = |cell: &str| cell.replace(',', "").parse::<f64>().is_ok();
            (is_figure(edges) && is_figure(hours)).then(|| name.trim_matches('`').to_owned())
        })
        .collect();
    assert_eq!(rows, targets());
}

#[test]
fn every_target_has_its_program_and_a_small_corpus() {
    assert_eq!(names_in("fuzz_targets"), targets());
    assert_eq!(names_in("corpus"), targets(), "run `script/fuzz --minimize TARGET`");
    for dictionary in names_in("dictionaries") {
        assert!(targets().contains(&dictionary), "no target for the dictionary {dictionary}");
    }
    let mut whole = 0;
    for target in targets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(&target);
        let inputs = fs::read_dir(folder).unwrap();
        let size: u64 = inputs.map(|input| input.unwrap().metadata().unwrap().len()).sum();
        assert!((1..=200 * 1024).contains(&size), "the corpus of {target} has {size} bytes");
        whole += size;
    }
    assert!(whole <= 1536 * 1024, "the corpora have {whole} bytes");
}
