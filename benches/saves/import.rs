//! Measures `import`: a million existing hashes relative to a plain `COPY` of the same bytes, a
//! million hashes of all families, and clear-text values and weak hashes relative to the baseline
//! hash rate.

use std::{
    fmt::Write as _,
    fs::File,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    baseline,
    hash_families::{FAMILIES, Family},
    process::peak_megabytes,
    service::Installation,
};

const HASHED_LINES: u64 = 1_000_000;
const CLEAR_TEXT_LINES: u64 = 3_000;
const WEAK_LINES: u64 = 3_000;
/// In the mixture of families, one in so many lines has a weak hash, which is wrapped in argon2id.
const LINES_PER_WEAK: u64 = 200;
const CHUNK_BYTES: usize = 1024 * 1024;

/// A bcrypt hash that is valid in form only.
const HASH: &str = "$2b$12$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

/// Runs the benchmark and prints its results.
pub(crate) async fn measure() {
    let installation = Installation::prepare(1, 0).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.jsonl");
    let mut baseline = baseline::HashRates::default();
    baseline.measure(Duration::from_secs(4));
    write_lines(&file, CLEAR_TEXT_LINES, |number| {
        format!(r#"{{"login_name":"clear{number}","credentials":[{{"value":"value {number}"}}]}}"#)
    });
    let (clear_text, _) = run_import(&installation, &file).await;
    write_lines(&file, WEAK_LINES, |number| weak_line("weak", number));
    let (weak, _) = run_import(&installation, &file).await;
    baseline.measure(Duration::from_secs(4));
    let kernel_rate = baseline.medians().kernel;
    for (lines, what, elapsed) in [
        (CLEAR_TEXT_LINES, "clear-text values", clear_text),
        (WEAK_LINES, "weak hashes, wrapped", weak),
    ] {
        let rate = count(lines) / elapsed.as_secs_f64();
        println!(
            "{lines} {what}: {rate:.0} lines/s, {:.2} of the kernel's baseline rate",
            rate / kernel_rate
        );
    }
    write_lines(&file, HASHED_LINES, |number| {
        format!(r#"{{"login_name":"ready{number}","credentials":[{{"hash":"{HASH}"}}]}}"#)
    });
    let plain_copy = copy_lines(&installation, &file).await;
    let (elapsed, peak) = run_import(&installation, &file).await;
    println!(
        "{HASHED_LINES} existing hashes: {:.0} lines/s in {elapsed:.1?}, {:.3} of plain COPY of the \
         same bytes ({plain_copy:.1?}); peak memory {peak:.0} MB",
        count(HASHED_LINES) / elapsed.as_secs_f64(),
        plain_copy.as_secs_f64() / elapsed.as_secs_f64(),
    );
    write_lines(&file, HASHED_LINES, mixed_line);
    let (elapsed, peak) = run_import(&installation, &file).await;
    println!(
        "{HASHED_LINES} hashes of {} families, one of {LINES_PER_WEAK} wrapped: {:.0} lines/s in \
         {elapsed:.1?}; peak memory {peak:.0} MB",
        FAMILIES.len(),
        count(HASHED_LINES) / elapsed.as_secs_f64(),
    );
}

/// A line of the mixture: the families in turn, and a weak one now and then.
fn mixed_line(number: u64) -> String {
    if number.is_multiple_of(LINES_PER_WEAK) {
        return weak_line("mixed", number / LINES_PER_WEAK);
    }
    family_line("strong", number, |family| !family.is_wrapped())
}

fn weak_line(name: &str, number: u64) -> String {
    family_line(name, number, Family::is_wrapped)
}

/// A line with one of these families in turn.
fn family_line(name: &str, number: u64, is_included: fn(&Family) -> bool) -> String {
    let families: Vec<_> = FAMILIES.iter().filter(|family| is_included(family)).collect();
    let families_count = u64::try_from(families.len()).expect("a small number");
    let index = usize::try_from(number % families_count).expect("a small number");
    let hash = families.get(index).expect("a family").hash;
    format!(r#"{{"login_name":"{name}{number}","credentials":[{{"hash":"{hash}"}}]}}"#)
}

fn write_lines(file: &Path, lines: u64, line: impl Fn(u64) -> String) {
    let mut text = String::new();
    for number in 0..lines {
        let _ = writeln!(text, "{}", line(number));
    }
    std::fs::write(file, text).expect("a file");
}

/// Runs an import; returns its duration and its peak memory in MB.
async fn run_import(installation: &Installation, file: &Path) -> (Duration, f64) {
    let results = File::create(file.with_extension("results")).expect("a file");
    let start = Instant::now();
    let mut command = installation.keeper(&["import", file.to_str().expect("a path")]);
    let mut child = command.stdout(results).stderr(Stdio::null()).spawn().expect("an import");
    let mut peak = 0.0;
    loop {
        if let Some(status) = child.try_wait().expect("an exit status") {
            assert!(status.success(), "{status}");
            return (start.elapsed(), peak);
        }
        // A process that has just exited no longer reports a peak.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        if status.is_ok_and(|text| text.contains("VmHWM")) {
            peak = peak_megabytes(child.id()).max(peak);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Copies the same bytes into a plain table, one row for each line; returns the duration.
async fn copy_lines(installation: &Installation, file: &Path) -> Duration {
    let mut database = installation.database().await;
    let table = sqlx::raw_sql("CREATE TABLE plain (line text NOT NULL)");
    table.execute(&mut database).await.expect("a table");
    let text = std::fs::read(file).expect("the lines");
    let start = Instant::now();
    let mut sink = database.copy_in_raw("COPY plain FROM STDIN").await.expect("COPY");
    for chunk in text.chunks(CHUNK_BYTES) {
        sink.send(chunk).await.expect("lines");
    }
    sink.finish().await.expect("lines");
    start.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn count(number: u64) -> f64 {
    number as f64
}
