//! Compressed files.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{assert_refused, file_named, import, import_bytes, results, told, users};
use crate::{
    commands::import::{logs_in, user},
    support::TestApp,
};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

type Compress = fn(&[u8]) -> Vec<u8>;

#[sqlx::test]
async fn gzip_and_zstandard_are_recognized_in_files_and_on_standard_input(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let compressions: [(&str, Compress); 2] = [("gz", gzip), ("zst", zstandard)];
    for (name, compress) in compressions {
        let line = |number: usize| user(&format!("{name}{number}"), "v") + "\n";
        // Two parts, as a rotated or a parallel compression writes them.
        let parts = [compress(line(1).as_bytes()), compress(line(2).as_bytes())].concat();
        // The name of a file does not matter.
        let (_folder, path) = file_named("users", &parts);
        let (code, found, said) = import(&app, &path, &[]);
        assert_eq!((code, told(&found)), (0, vec![(1, "added", ""), (2, "added", "")]), "{said}");
        let output = import_bytes(&app, &compress(line(3).as_bytes()), &[]);
        assert_eq!(told(&results(&output)), [(1, "added", "")], "{output:?}");
        assert!(logs_in(&app, &format!("{name}2"), "v").await);
        let csv = compress("\u{feff}login,value\nx,y\n".as_bytes());
        let (_folder, path) = file_named(&format!("users.csv.{name}"), &csv);
        assert_eq!(told(&import(&app, &path, &["--dry-run"]).1), [(2, "would_be_added", "")]);
    }
}

#[sqlx::test]
async fn a_truncated_or_damaged_file_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text: String = (0..2000).map(|number| user(&format!("u{number}"), "v") + "\n").collect();
    for whole in [gzip(text.as_bytes()), zstandard(text.as_bytes())] {
        let cut = &whole[..whole.len() - 20];
        let (_folder, path) = file_named("users.jsonl.gz", cut);
        assert_refused(&app, &path, &[], "data is truncated: it ends after ");
        assert_refused(&app, &path, &[], " decompressed bytes; copy the file again");
        let (_folder, path) = file_named("users.jsonl.gz", &[&whole[..], b"marker"].concat());
        assert_refused(&app, &path, &[], "other data follows the ");
    }
    for empty in [gzip(b""), zstandard(b"")] {
        let (_folder, path) = file_named("users.jsonl.gz", &empty);
        assert_refused(&app, &path, &[], "is empty; pass a file with users");
    }
    let mut damaged = gzip(text.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xff);
    let (_folder, path) = file_named("users.jsonl.gz", &damaged);
    assert_refused(&app, &path, &[], "the gzip data is damaged after ");
    for (magic, expected) in [
        (&b"PK\x03\x04"[..], "is a ZIP archive or a spreadsheet, which is not supported; extract"),
        (b"\xfd7zXZ\0", "is compressed with xz, which is not supported; decompress it first"),
        (b"BZh91AY", "is compressed with bzip2"),
    ] {
        let (_folder, path) = file_named("users.csv", magic);
        assert_refused(&app, &path, &[], expected);
    }
    assert_eq!(users(&app).await, 3);
}

#[sqlx::test]
async fn what_precedes_the_truncation_of_standard_input_is_imported_and_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The first part is complete, and the second one is cut.
    let first =
        gzip(format!("{}\n{}\n", user("one", "v"), json!({"login_name": "two"})).as_bytes());
    let second = gzip((user("three", "v") + "\n").as_bytes());
    let cut = [&first[..], &second[..second.len() - 9]].concat();
    let output = import_bytes(&app, &cut, &[]);
    assert_eq!(output.code, 1, "{output:?}");
    let found: Vec<Value> = results(&output);
    assert_eq!(told(&found)[..2], [(1, "added", ""), (2, "added", "")], "{output:?}");
    for expected in
        ["standard input: the gzip data is truncated", "2 added", "stopped after line 2"]
    {
        assert!(output.stderr.contains(expected), "{expected}: {output:?}");
    }
    assert!(logs_in(&app, "one", "v").await);
    assert_eq!(users(&app).await, 5);
}

#[sqlx::test]
async fn a_line_that_expands_to_many_megabytes_fails_alone(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    writeln!(encoder, "{}", user("before", "v")).unwrap();
    for _ in 0..64 {
        encoder.write_all(&vec![b'x'; 1024 * 1024]).unwrap();
    }
    write!(encoder, "\n{}\n", user("after", "v")).unwrap();
    let compressed = encoder.finish().unwrap();
    assert!(compressed.len() < 1024 * 1024);
    let (_folder, path) = file_named("users.jsonl.gz", &compressed);
    let (code, found, said) = import(&app, &path, &[]);
    let expected = [(1, "added", ""), (2, "failed", "line"), (3, "added", "")];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert_eq!(found[1]["reason"], "is longer than 64 KiB");
}
