//! `manual`: writes the manual pages, one for each command.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::output::{self, Failure};

/// What every command has in common, as sections of the main page: the heading, and pairs of a term
/// and its description.
const SECTIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "ENVIRONMENT",
        &[
            ("KEEPER_CONFIG", "The file with the settings, in TOML."),
            (
                "KEEPER__SECTION__NAME",
                "The setting section.name. Overrides the file: KEEPER__HTTP__LISTEN is http.listen.",
            ),
            ("CREDENTIALS_DIRECTORY", "The folder of the systemd credentials."),
            ("NO_COLOR", "Not empty: no colors."),
            ("CLICOLOR_FORCE", "Not 0: colors, also where the output is not a terminal."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Success."),
            ("1", "Failure, or a negative result such as a failed check."),
            ("2", "Invalid command line."),
            ("78", "A token refused its PIN. Correct it before you try again, or the token locks."),
        ],
    ),
    (
        "FILES",
        &[
            ("/etc/credential-keeper/keeper.toml", "The settings of the Debian package."),
            ("/usr/share/doc/credential-keeper/", "The guides and the list of settings."),
        ],
    ),
];

/// The arguments of `manual`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Existing folder to write the pages to.
    folder: PathBuf,
}

/// Writes the pages. `command` is the description of the command line.
pub(super) fn run(arguments: &Arguments, command: Command) -> Result<ExitCode, Failure> {
    let mut command = command.disable_help_subcommand(true).version(env!("CARGO_PKG_VERSION"));
    // Names the subcommands in full.
    command.build();
    write_pages(&command, &command, &arguments.folder)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and those of its subcommands.
fn write_pages(root: &Command, command: &Command, folder: &Path) -> Result<(), Failure> {
    let page = Man::new(command.clone())
        .source(format!("{} {}", root.get_name(), env!("CARGO_PKG_VERSION")))
        .manual("Credential Keeper");
    let file = folder.join(page.get_filename());
    let text = render(&page, command.get_name() == root.get_name())?;
    let failed =
        |error: io::Error| Failure::new(format!("cannot write {}: {error}", file.display()));
    fs::write(&file, text).map_err(failed)?;
    output::print_status(format_args!("wrote {}", file.display()));
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_pages(root, subcommand, folder)?;
    }
    Ok(())
}

fn render(page: &Man, is_main: bool) -> Result<Vec<u8>, io::Error> {
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut common = Roff::new();
    if is_main {
        for (heading, entries) in SECTIONS {
            common.control("SH", [heading]);
            for (term, description) in entries {
                common.control("TP", []).text([bold(*term)]).text([roman(*description)]);
            }
        }
    } else {
        common.control("SH", ["SEE ALSO"]).text([bold("credential-keeper"), roman("(1)")]);
    }
    common.to_writer(&mut text)?;
    Ok(text)
}
