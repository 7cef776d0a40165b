//! The terminal of a command: its width, and whether it shows colors.

use std::io::{self, IsTerminal, Stderr, Stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use rustix::termios::tcgetwinsize;

/// The style of a heading.
pub(super) const HEADING: Style = Style::new().bold();

/// The style of a failure.
pub(super) const FAILURE: Style = AnsiColor::Red.on_default().bold();

/// How a table is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    /// The number of columns of the terminal. `None`: the output is not a terminal, and one row is
    /// one line.
    pub(super) width: Option<usize>,
    pub(super) has_colors: bool,
}

impl View {
    /// The view on standard output.
    pub(super) fn of_stdout() -> Self {
        let stdout = io::stdout();
        let width = if stdout.is_terminal() { width(&stdout) } else { None };
        Self { width, has_colors: has_colors(&stdout) }
    }

    /// The text in a style, or as it is when the terminal has no colors.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if self.has_colors { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The text in a style if standard error shows colors.
pub(super) fn paint_for_stderr(style: Style, text: &str) -> String {
    let has_colors = AutoStream::<Stderr>::choice(&io::stderr()) != ColorChoice::Never;
    View { width: None, has_colors }.paint(style, text)
}

/// The style of a cell. A color only repeats what the text says.
pub(super) fn style_of_cell(heading: &str, text: &str) -> Style {
    match (heading, text) {
        ("VERDICT", "FAIL") | ("STOPPED", "yes") => FAILURE,
        ("VERDICT", "note") => AnsiColor::Yellow.on_default(),
        ("VERDICT", "pass") | ("NOTE", "recommended") => AnsiColor::Green.on_default(),
        ("STATE", "retired") | ("ORIGIN", "default") => Style::new().dimmed(),
        _ => Style::new(),
    }
}

fn width(stdout: &Stdout) -> Option<usize> {
    let columns = usize::from(tcgetwinsize(stdout).ok()?.ws_col);
    // Zero: the terminal does not know its size.
    (columns > 0).then_some(columns)
}

/// True for a terminal with colors. `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR` and `TERM` decide; see
/// the `anstream` crate.
fn has_colors(stdout: &Stdout) -> bool {
    AutoStream::<Stdout>::choice(stdout) != ColorChoice::Never
}
