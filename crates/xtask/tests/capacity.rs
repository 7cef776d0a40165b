//! The capacity model of docs/explanation/scaling.md: its figures follow from its formulas.

use std::{fs, path::Path};

const USERS: [f64; 3] = [1e6, 1e8, 2e9];
const SECONDS: f64 = 86_400.0;
const PEAK: f64 = 5.0;
const USED: f64 = 0.6;
/// On shards, a request costs twice the CPU time.
const SHARDS: f64 = 2.0;
const STANDBY: f64 = 2.0;
const CORE: f64 = 20.0;
const GIGABYTE: f64 = 0.10;

/// The cells of the row that begins with `name`, without its name.
fn row<'page>(page: &'page str, name: &str) -> Vec<&'page str> {
    let start = format!("| {name} |");
    let line = page.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no row {name}"));
    line.trim_matches('|').split('|').skip(1).map(str::trim).collect()
}

/// The first number of a cell.
fn number(cell: &str) -> f64 {
    let digits = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == ',';
    let text: String = cell.chars().take_while(|letter| digits(*letter)).collect();
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("no number in {cell}"))
}

/// Compares each cell with the computed value, which the page rounds to two digits.
fn assert_row(page: &str, name: &str, computed: [f64; 3]) {
    for (cell, computed) in row(page, name).into_iter().zip(computed) {
        let shown = number(cell);
        assert!((shown / computed - 1.0).abs() < 0.05, "{name}: {cell}, computed {computed}");
    }
}

#[test]
fn the_figures_of_the_capacity_model_follow_from_its_formulas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/explanation/scaling.md")).unwrap();
    let [service_rate, database_rate] =
        [0, 1].map(|column| number(row(&page, "logins per second, each with a hash")[column]));
    let kilobytes = number(row(&page, "all, with two audit events")[0]);
    let logins = USERS.map(|users| users * PEAK / SECONDS);
    let service = logins.map(|logins| logins / service_rate / USED);
    let mut database = logins.map(|logins| logins / database_rate / USED * STANDBY);
    database[2] *= SHARDS;
    let gigabytes = USERS.map(|users| users * kilobytes * STANDBY / 1e6);
    assert_row(&page, "logins per second at the peak", logins);
    assert_row(&page, "cores of the service", service);
    assert_row(&page, "cores of PostgreSQL with standbys", database);
    assert_row(&page, "disk with standbys, GB", gigabytes);
    // Two instances and two servers of two cores are the least that survives a failure.
    let least = 4.0_f64;
    let cost = |index: usize| {
        (service[index].max(least) + database[index].max(least)) * CORE
            + gigabytes[index] * GIGABYTE
    };
    assert_row(&page, "a month, €", [0, 1, 2].map(cost));
    // The workers of 16 cores carry half of the cores: the other half are standbys.
    let workers = number(row(&page, "servers of PostgreSQL")[2]);
    assert!(workers * 16.0 * STANDBY >= database[2], "{workers} workers");
}
