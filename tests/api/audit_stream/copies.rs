//! `audit verify --events`: verifies a copy of the stream.

use std::{fs, process::Command};

use sqlx::PgPool;

use super::{Archive, reactivate, wait_for_all};
use crate::support::{CommandOutput, PLAIN, TestApp};

struct StreamCopy {
    app: TestApp,
    archive: Archive,
    lines: Vec<String>,
}

impl StreamCopy {
    async fn new(pool: PgPool) -> Self {
        let archive = Archive::new();
        let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
        for value in ["one", "two", "three"] {
            app.save(&app.administrator(), PLAIN.0, "", value).await.assert_saved();
        }
        wait_for_all(&app, || archive.events()).await;
        let text = fs::read_to_string(&archive.path).unwrap();
        reactivate(&app).await;
        let lines = text.lines().map(str::to_owned).collect();
        Self { app, archive, lines }
    }

    fn verify(&self, lines: &[String]) -> CommandOutput {
        let file = self.archive.folder.path().join("copy.jsonl");
        fs::write(&file, lines.join("\n")).unwrap();
        self.app.command(&["audit", "verify", "--events", file.to_str().unwrap()], "")
    }

    /// The place of the event of the plain user with a sequence.
    fn index(&self, sequence: i64) -> usize {
        let text = format!("\"user_id\":{},\"sequence\":{sequence},", PLAIN.0);
        self.lines.iter().position(|line| line.contains(&text)).unwrap()
    }

    #[track_caller]
    fn assert_found(&self, lines: &[String], text: &str) {
        let output = self.verify(lines);
        assert_eq!(output.code, 1, "{output:?}");
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(text), "{text}: {output:?}");
    }
}

#[sqlx::test]
async fn an_unchanged_copy_verifies_also_with_repetitions_and_headers(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let output = copy.verify(&copy.lines);
    assert!(output.stderr.contains("the copy has 11 events of 3 chains"), "{output:?}");
    output.assert_success();
    copy.verify(&[copy.lines.clone(), copy.lines.clone()].concat()).assert_success();
    // A copy may begin later.
    copy.verify(&copy.lines[copy.index(4)..]).assert_success();
    let syslog = |line: &String| format!("<110>1 2026-11-29T10:00:00Z host app - - - {line}");
    copy.verify(&copy.lines.iter().map(syslog).collect::<Vec<_>>()).assert_success();
}

#[sqlx::test]
async fn every_change_of_a_copy_is_found(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let edit = |sequence: i64, from: &str, to: &str| {
        let mut lines = copy.lines.clone();
        let line = &mut lines[copy.index(sequence)];
        assert!(line.contains(from), "{line}");
        *line = line.replace(from, to);
        lines
    };
    for (from, to) in [
        ("\"actor_user_id\":1", "\"actor_user_id\":2"),
        ("credential_saved", "credential_deleted"),
        ("\"scheme\":\"basic\"", "\"scheme\":\"bearer\""),
        ("127.0.0.1", "127.0.0.2"),
        ("\"reason\":null", "\"reason\":\"forged\""),
        ("\"session_epoch\":3", "\"session_epoch\":4"),
    ] {
        copy.assert_found(&edit(4, from, to), "event 4 or its predecessor was changed");
    }
    let mut missing = copy.lines.clone();
    missing.remove(copy.index(4));
    copy.assert_found(&missing, "event 4 is missing");
    // A later event of the user comes first, as in exports that begin with the newest one.
    let mut hidden = missing.clone();
    hidden.insert(0, copy.lines[copy.index(5)].clone());
    copy.assert_found(&hidden, "event 4 is missing");
    missing.reverse();
    copy.assert_found(&missing, "event 4 is missing");
    let mut swapped = copy.lines.clone();
    swapped.swap(copy.index(4), copy.index(5));
    copy.assert_found(&swapped, "event 4 is missing");
    copy.assert_found(&edit(4, "{", ""), "1 lines of the copy are no events");
    copy.assert_found(&edit(4, "\"key_id\":\"", "\"key_id\":\"x"), "which is not in the keyring");
    copy.assert_found(&["nothing".to_owned()], "no events found in the file");
    let missing = copy.archive.folder.path().join("missing");
    let arguments = ["audit", "verify", "--events", missing.to_str().unwrap()];
    copy.app.command(&arguments, "").assert_error("cannot read");
}

#[sqlx::test]
async fn files_of_several_machines_verify_in_the_order_of_positions(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let folder = copy.archive.folder.path();
    // A second machine took over, repeated some events, and the first one took over again. It crashed
    // while it wrote.
    let first = [&copy.lines[..5], &copy.lines[8..]].concat();
    fs::write(folder.join("a"), first.join("\n") + "\n{\"position\":2,\"us").unwrap();
    fs::write(folder.join("b"), copy.lines[3..8].join("\n") + "\n").unwrap();
    let reference = fs::read_to_string("docs/reference/audit-stream.md").unwrap();
    let commands = reference.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let sort = commands.filter(|commands| commands.contains("sort ")).collect::<String>();
    let sorted = Command::new("sh")
        .args(["-c", &sort.replace("FILE…", "a b")])
        .current_dir(folder)
        .output()
        .unwrap();
    let lines: Vec<_> =
        String::from_utf8(sorted.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), copy.lines.len() + 2);
    copy.verify(&lines).assert_success();
}

#[sqlx::test]
async fn a_last_line_that_was_cut_is_no_finding(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let last = copy.lines.last().unwrap();
    for cut in ["{\"position\":99,\"user", &last[..last.len() - 1]] {
        let mut lines = copy.lines.clone();
        lines.push(cut.to_owned());
        let output = copy.verify(&lines);
        let expected = "the last line of the copy is incomplete and was left out";
        assert!(output.stderr.contains(expected), "{output:?}");
        assert!(output.stderr.contains("the copy has 11 events of 3 chains"), "{output:?}");
        output.assert_success();
        // With an end of line, it was not cut there.
        lines.push(String::new());
        copy.assert_found(&lines, "1 lines of the copy are no events");
    }
    // A whole object without an end of line was not cut either.
    let mut lines = copy.lines.clone();
    lines.push(last.replace("\"kind\":\"", "\"kind\":\"of_a_later_release_"));
    copy.assert_found(&lines, "1 lines of the copy are no events");
}

#[sqlx::test]
async fn a_line_that_is_no_text_is_a_finding_beside_the_others(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let file = copy.archive.folder.path().join("copy.jsonl");
    let changed = copy.lines.join("\n").replace("127.0.0.1", "192.0.2.7");
    fs::write(&file, [changed.as_bytes(), b"\n\xff\xfe\n"].concat()).unwrap();
    let output = copy.app.command(&["audit", "verify", "--events", file.to_str().unwrap()], "");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("event 4 or its predecessor was changed"), "{output:?}");
    assert!(output.stderr.contains("1 lines of the copy are no events"), "{output:?}");
}

#[sqlx::test]
async fn a_changed_repetition_is_found(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    let forge = |line: &mut String| *line = line.replace("127.0.0.1", "192.0.2.7");
    let expected = "event 4 or its predecessor was changed";
    let mut appended = copy.lines.clone();
    appended.push(copy.lines[copy.index(4)].clone());
    copy.verify(&appended).assert_success();
    forge(appended.last_mut().unwrap());
    copy.assert_found(&appended, expected);
    // The last event of each user comes first, so all others are repetitions.
    let mut reversed: Vec<_> = copy.lines.iter().rev().cloned().collect();
    copy.verify(&reversed).assert_success();
    forge(&mut reversed[copy.lines.len() - 1 - copy.index(4)]);
    copy.assert_found(&reversed, expected);
}

#[sqlx::test]
async fn a_database_that_was_rolled_back_is_found(pool: PgPool) {
    let copy = StreamCopy::new(pool).await;
    // As an older backup: the last save of the plain user has not happened, and its chain is intact.
    sqlx::raw_sql(
        "DELETE FROM audit_events WHERE user_id = 278 AND sequence = 5;
         UPDATE users SET audit_sequence = 4, session_epoch = 3,
                audit_mac = (SELECT mac FROM audit_events WHERE user_id = 278 AND sequence = 4)
         WHERE user_id = 278",
    )
    .execute(&copy.app.pool)
    .await
    .unwrap();
    copy.assert_found(&copy.lines, "event 5 of the copy is not in the database: the user was");
}
