//! `import`: a million ready hashes beside a plain `COPY` of the same bytes, and clear-text values
//! beside the bare hash rate.

use std::{
    fmt::Write as _,
    fs::File,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{bare, process::peak_megabytes, service::Installation};

const READY: u64 = 1_000_000;
const CLEAR: u64 = 3_000;
const CHUNK: usize = 1024 * 1024;

/// Of nobody's password.
const HASH: &str = "$2b$12$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

/// Measures and prints.
pub(crate) async fn measure() {
    let installation = Installation::prepare(1, 0).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.jsonl");
    let mut bare = bare::Rates::default();
    bare.measure(Duration::from_secs(4));
    write(&file, CLEAR, |number| {
        format!(r#"{{"login_name":"clear{number}","credentials":[{{"value":"value {number}"}}]}}"#)
    });
    let (elapsed, _) = import(&installation, &file).await;
    bare.measure(Duration::from_secs(4));
    let rate = count(CLEAR) / elapsed.as_secs_f64();
    let (_, kernel) = bare.medians();
    println!(
        "{CLEAR} clear-text values: {rate:.0} lines/s, {:.2} of the kernel's bare rate",
        rate / kernel
    );
    write(&file, READY, |number| {
        format!(r#"{{"login_name":"ready{number}","credentials":[{{"hash":"{HASH}"}}]}}"#)
    });
    let plain = copy(&installation, &file).await;
    let (elapsed, peak) = import(&installation, &file).await;
    println!(
        "{READY} ready hashes: {:.0} lines/s in {elapsed:.1?}, {:.3} of plain COPY of the same bytes \
         ({plain:.1?}); at most {peak:.0} MB",
        count(READY) / elapsed.as_secs_f64(),
        plain.as_secs_f64() / elapsed.as_secs_f64(),
    );
}

fn write(file: &Path, lines: u64, line: impl Fn(u64) -> String) {
    let mut text = String::new();
    for number in 0..lines {
        let _ = writeln!(text, "{}", line(number));
    }
    std::fs::write(file, text).expect("a file");
}

/// How long an import takes, and its peak of memory.
async fn import(installation: &Installation, file: &Path) -> (Duration, f64) {
    let results = File::create(file.with_extension("results")).expect("a file");
    let start = Instant::now();
    let mut command = installation.keeper(&["import", file.to_str().expect("a path")]);
    let mut child = command.stdout(results).stderr(Stdio::null()).spawn().expect("an import");
    let mut peak = 0.0;
    loop {
        if let Some(status) = child.try_wait().expect("its end") {
            assert!(status.success(), "{status}");
            return (start.elapsed(), peak);
        }
        // A process that has just ended has no peak any more.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        if status.is_ok_and(|text| text.contains("VmHWM")) {
            peak = peak_megabytes(child.id()).max(peak);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long the database takes for the same bytes, one row for each line.
async fn copy(installation: &Installation, file: &Path) -> Duration {
    let mut database = installation.database().await;
    let table = sqlx::raw_sql("CREATE TABLE plain (line text NOT NULL)");
    table.execute(&mut database).await.expect("a table");
    let text = std::fs::read(file).expect("the lines");
    let start = Instant::now();
    let mut sink = database.copy_in_raw("COPY plain FROM STDIN").await.expect("COPY");
    for chunk in text.chunks(CHUNK) {
        sink.send(chunk).await.expect("lines");
    }
    sink.finish().await.expect("lines");
    start.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn count(number: u64) -> f64 {
    number as f64
}
