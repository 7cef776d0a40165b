//! Progress bars of long commands, shown on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// The default text of a bar: the rate.
pub(super) const RATE: &str = "{per_sec}";

/// A bar for work of a known length, with a text and the remaining time.
pub(super) fn bar(length: u64, text: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{percent:>3}} % {text} {{eta}} left");
    let bar = ProgressBar::new(length);
    // The templates are constants. An invalid one falls back to the default style.
    bar.with_style(
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// A spinner for work of an unknown length.
pub(super) fn open_ended(text: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{spinner}} {text}"));
    let bar = ProgressBar::no_length();
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
