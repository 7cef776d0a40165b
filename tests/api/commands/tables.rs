//! Tables on terminals of different widths, colors, and texts of users that could control a terminal.

use std::process::Command;

use sqlx::PgPool;

use crate::support::{Terminal, TestApp, keeper, run_with_input, with_color_terminal};

const ESCAPE: char = '\u{1b}';

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = keeper(arguments);
    command.envs(app.variables());
    with_color_terminal(&mut command);
    command
}

/// What a command shows on a terminal.
fn show(command: &Command, columns: u16) -> String {
    let (code, screen) = Terminal::start(command, columns).wait();
    assert_eq!(code, 0, "{screen}");
    screen.replace("\r\n", "\n")
}

async fn rename(app: &TestApp, display_name: &str) {
    sqlx::query("UPDATE users SET display_name = $1 WHERE user_id = 278")
        .bind(display_name)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[sqlx::test]
async fn a_table_fits_the_terminal_and_loses_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = "Paul Anton 中村 von und zu Berg-Hohenstein der Jüngere";
    rename(&app, name).await;
    let list = command(&app, &["user", "list"]);
    for columns in [200, 100, 80] {
        let mut plain = keeper(&["user", "list"]);
        plain.envs(app.variables()).env("NO_COLOR", "1").env("TERM", "xterm");
        let screen = show(&plain, columns);
        let widest = screen.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap();
        assert!(widest <= usize::from(columns), "{columns}: {screen}");
        assert!(screen.lines().any(|line| line.starts_with("278 ")), "{columns}: {screen}");
        for word in name.split(' ').chain(["paul", "internal", "active"]) {
            assert!(screen.contains(word), "{columns}: {word} is not in {screen}");
        }
    }
    // Too narrow for a table: one line for each column.
    let screen = show(&list, 40);
    assert!(screen.contains("LOGIN NAME") && screen.contains(name), "{screen}");
    // Not on a terminal, a row is one line.
    let piped = run_with_input(list, "").assert_success();
    assert!(piped.lines().any(|line| line.contains(name)), "{piped}");
    assert_eq!(piped.lines().count(), 4, "{piped}");
}

#[sqlx::test]
async fn an_id_is_never_broken(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let events = app.command(&["audit", "list", "--user", "paul"], "").assert_success();
    let mut words = events.lines().nth(1).unwrap().split_whitespace();
    let id = words.find(|word| word.len() == 36).unwrap().to_owned();
    for columns in [200, 120, 80, 50, 20] {
        let screen = show(&command(&app, &["audit", "list", "--user", "paul"]), columns);
        assert!(screen.contains(&id), "{columns}: {id} is not in {screen}");
    }
}

#[sqlx::test]
async fn colors_are_shown_where_the_terminal_has_them(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let list = || command(&app, &["user", "list"]);
    let with = |name: &str, value: &str| {
        let mut list = list();
        list.env(name, value);
        list
    };
    let is_colored = |screen: &str| screen.contains(ESCAPE);
    let shown = show(&list(), 100);
    assert!(is_colored(&shown) && shown.contains("retired"), "{shown}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        let shown = show(&with(name, value), 100);
        assert!(!is_colored(&shown) && shown.contains("retired"), "{name}: {shown}");
    }
    // An empty variable counts as unset (no-color.org).
    assert!(is_colored(&show(&with("NO_COLOR", ""), 100)));
    let piped = |command| run_with_input(command, "").assert_success();
    assert!(!is_colored(&piped(list())));
    assert!(is_colored(&piped(with("CLICOLOR_FORCE", "1"))));
    let mut both = with("CLICOLOR_FORCE", "1");
    both.env("NO_COLOR", "1");
    assert!(!is_colored(&piped(both)));
    assert!(!piped(with_json(&app)).contains(ESCAPE));
}

fn with_json(app: &TestApp) -> Command {
    let mut list = command(app, &["user", "list", "--json"]);
    list.env("CLICOLOR_FORCE", "1");
    list
}

#[sqlx::test]
async fn a_failure_is_red_only_on_a_terminal_with_colors(_pool: PgPool) {
    let mut failing = keeper(&["user", "list"]);
    with_color_terminal(&mut failing);
    let (code, screen) = Terminal::start(&failing, 80).wait();
    assert_eq!(code, 1);
    assert!(screen.contains(ESCAPE) && screen.contains("database.url"), "{screen}");
    let finished = run_with_input(failing, "");
    assert!(!finished.stderr.contains(ESCAPE), "{finished:?}");
    finished.assert_error("credential-keeper: invalid settings");
}

#[sqlx::test]
async fn names_do_not_control_the_terminal(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = "a\u{1b}[2J\u{1b}]0;title\u{7}b\u{9b}31mc\u{202e}d";
    rename(&app, name).await;
    let mut commands: Vec<Command> = Vec::new();
    for arguments in [&["user", "list"][..], &["user", "show", "278"]] {
        for format in [&[][..], &["--json"]] {
            let mut command = keeper(&[arguments, format].concat());
            command.envs(app.variables()).env("NO_COLOR", "1").env("TERM", "xterm");
            commands.push(command);
        }
    }
    for command in commands {
        for screen in [show(&command, 200), run_with_input(command, "").assert_success()] {
            let hidden = [ESCAPE, '\u{7}', '\u{9b}', '\u{202e}'];
            assert!(!screen.contains(hidden), "{screen:?}");
            assert!(screen.contains("31mc"), "{screen:?}");
            let is_json = screen.trim_start().starts_with(['[', '{']);
            if is_json {
                let value: serde_json::Value = serde_json::from_str(&screen).unwrap();
                assert!(value.to_string().contains("display_name"), "{value}");
                assert!(screen.contains(r"b\u009b31mc\u202ed"), "{screen}");
            }
        }
    }
}
