//! `commands.md`: every command with its arguments, options and exit codes.

use clap::{Arg, Command};

use super::markdown::{Document, code};

const INTRODUCTION: &str = "\
    Secrets are read from standard input or a prompt, never from arguments. Results are printed \
    on standard output, status messages on standard error. With `--json`, results are JSON.";

/// Writes the document from the description of the command line.
pub(super) fn document(mut command: Command) -> String {
    let mut document = Document::new("Commands", INTRODUCTION);
    document.section("Exit codes");
    document.table(
        ["Exit code", "Meaning"],
        &[
            ["0", "success"],
            ["1", "failure, or a negative result"],
            ["2", "invalid command line"],
            ["78", "a token refused its PIN; correct it before you try again, or the token locks"],
        ]
        .map(|row| row.map(str::to_owned)),
    );
    command.build();
    add_commands(&mut document, &mut command);
    document.finish()
}

/// Adds the commands that can be run, depth first.
fn add_commands(document: &mut Document, command: &mut Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        for subcommand in command.get_subcommands_mut() {
            add_commands(document, subcommand);
        }
        return;
    }
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).trim().to_owned();
    let name = command.get_bin_name().unwrap_or_default();
    document.section(&code(name.strip_prefix("credential-keeper ").unwrap_or(name)));
    document
        .paragraph(&sentence(&command.get_about().map(ToString::to_string).unwrap_or_default()));
    document.block(&format!("```\n{usage}\n```"));
    let is_own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "json");
    let rows: Vec<_> = command.get_arguments().filter(is_own).map(row).collect();
    if !rows.is_empty() {
        document.table(["Argument", "Description"], &rows);
    }
}

fn row(argument: &Arg) -> [String; 2] {
    let values = argument.get_value_names().into_iter().flatten();
    let values: Vec<_> = values.map(|value| format!("<{value}>")).collect();
    let values =
        if argument.get_action().takes_values() { values.join(" ") } else { String::new() };
    let option = argument.get_long().map(|long| format!("--{long}"));
    let name = [option.unwrap_or_default(), values].join(" ");
    [code(name.trim()), description(argument)]
}

fn description(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut parts = vec![sentence(&help.map(ToString::to_string).unwrap_or_default())];
    let takes_values = argument.get_action().takes_values();
    let possible = argument.get_possible_values();
    if takes_values && !possible.is_empty() {
        let names: Vec<_> = possible.iter().map(|value| code(value.get_name())).collect();
        parts.push(format!("Possible values: {}.", names.join(", ")));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect();
    if takes_values && !defaults.is_empty() {
        parts.push(format!("Default: {}.", defaults.join(", ")));
    }
    parts.join(" ")
}

/// Adds the period that clap removes from help texts.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    if text.is_empty() { String::new() } else { format!("{text}.") }
}
