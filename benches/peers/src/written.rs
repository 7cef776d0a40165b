//! Writes a run into the documents.

use std::{fs, path::PathBuf, process::Command};

use crate::{plot, results::Results, table};

/// The documents and the marker of the part that a run replaces.
const DOCUMENTS: [(&str, &str); 2] =
    [("README.md", "peers"), ("docs/explanation/performance.md", "peers")];

/// Where the plot is written.
const PLOT: &str = "docs/images/peers.svg";

/// Shows the plot; the table before it has the same figures as text.
const IMAGE: &str = "![Saves per second, and the p99 of a save, over 1 to 512 connections, with \
                     Bearer and with Basic, for Credential Keeper, FastAPI, Fastify and Django. The table \
                     above has the values.](../images/peers.svg)";

/// Writes the summary into the README, all figures into the page on performance, and the plot.
pub(crate) fn write(results: &Results) {
    let run = format!(
        "{} rounds of {} seconds for each measurement. {}.",
        results.rounds,
        results.duration.as_secs(),
        machine()
    );
    let details = format!("{run}\n\n{}\n\n{IMAGE}", table::details(results));
    for ((path, marker), text) in DOCUMENTS.iter().zip([table::summary(results), details]) {
        let document = read(path);
        let replaced = replace(&document, marker, &text);
        let replaced = replaced.unwrap_or_else(|| {
            panic!("{path} has no line `{}`; restore it", begin(marker).trim_end())
        });
        fs::write(absolute(path), replaced).expect("written");
    }
    fs::write(absolute(PLOT), plot::draw(results)).expect("written");
    eprintln!("wrote README.md, docs/explanation/performance.md and {PLOT}");
}

/// What the figures depend on beside the programs.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or("an unknown processor").trim_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let versions = [("psql", "PostgreSQL"), ("python3", "Python"), ("node", "Node.js")];
    let versions = versions.map(|(program, name)| format!("{name} {}", version(program)));
    format!("{cores} cores of {model}; {}", versions.join(", "))
}

/// The number in the version that a program prints.
fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let number = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let mut number = number.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    number.next().unwrap_or("of an unknown version").to_owned()
}

fn absolute(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(absolute(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn begin(marker: &str) -> String {
    format!("<!-- {marker}: written by script/bench peers --write -->\n")
}

fn end(marker: &str) -> String {
    format!("<!-- end of {marker} -->\n")
}

/// The text between the two markers.
fn part<'text>(document: &'text str, marker: &str) -> Option<&'text str> {
    let (_, rest) = document.split_once(&begin(marker))?;
    Some(rest.split_once(&end(marker))?.0)
}

/// The document with another text between its markers.
fn replace(document: &str, marker: &str, text: &str) -> Option<String> {
    let old = part(document, marker)?;
    let (begin, end) = (begin(marker), end(marker));
    Some(document.replacen(&format!("{begin}{old}{end}"), &format!("{begin}\n{text}\n\n{end}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{options::CONNECTIONS, results::tests::measured};

    #[test]
    fn a_run_replaces_the_text_between_the_markers() {
        let document = format!("before\n{}old\n{}after\n", begin("peers"), end("peers"));
        let replaced = replace(&document, "peers", "new").unwrap();
        assert_eq!(part(&replaced, "peers"), Some("\nnew\n\n"));
        assert!(replaced.starts_with("before\n") && replaced.ends_with("after\n"));
        assert_eq!(replace(&replaced, "peers", "new").unwrap(), replaced);
        assert_eq!(replace("no marker", "peers", "new"), None);
    }

    /// The rows and columns of a table without its figures.
    fn form(table: &str) -> Vec<String> {
        let lines = table.lines().filter(|line| line.starts_with('|'));
        let is_figure = |first: char| first.is_ascii_digit() || first == '–';
        let is_name = |cell: &&str| !cell.trim().starts_with(is_figure);
        lines
            .map(|line| {
                line.split('|').filter(is_name).map(str::trim).collect::<Vec<_>>().join("|")
            })
            .collect()
    }

    #[test]
    fn the_documents_have_the_tables_that_a_run_writes() {
        let measured = measured(&CONNECTIONS);
        let tables = [table::summary(&measured), table::details(&measured)];
        for ((path, marker), table) in DOCUMENTS.iter().zip(tables) {
            let document = read(path);
            let written =
                part(&document, marker).unwrap_or_else(|| panic!("{path} has no markers"));
            assert_eq!(form(written), form(&table), "{path}: run `script/bench peers --write`");
        }
    }

    /// What is measured is a hash with the same parameters.
    #[test]
    fn every_peer_hashes_with_the_parameters_of_the_service() {
        let settings = read("config/default.toml");
        let setting = |name: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.unwrap_or_else(|| panic!("{name} is no setting")).to_owned()
        };
        let [memory, passes, lanes] = ["memory_kib", "iterations", "parallelism"].map(setting);
        let tag = 32;
        for (path, names, separator) in [
            ("fastapi/main.py", ["memory_cost", "time_cost", "parallelism", "hash_len"], "="),
            ("fastify/hash.js", ["memoryCost", "timeCost", "parallelism", "hashLength"], ": "),
            // Django's tag has argon2-cffi's default length, 32 bytes.
            ("django/peer/hashers.py", ["memory_cost", "time_cost", "parallelism", ""], " = "),
        ] {
            let source = read(&format!("benches/peers/{path}"));
            let source = source.replace(['\n', ')', ',', '}'], " ");
            let values = [&memory, &passes, &lanes, &tag.to_string()].map(Clone::clone);
            for (name, value) in names.iter().zip(values).filter(|(name, _)| !name.is_empty()) {
                let parameter = format!("{name}{separator}{value} ");
                assert!(source.contains(&parameter), "{path} has no `{parameter}`");
            }
        }
    }
}
