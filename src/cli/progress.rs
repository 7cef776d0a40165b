//! How far long work is: a bar on a terminal, and nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// What most bars tell besides their share.
pub(super) const RATE: &str = "{per_sec}";

/// A bar for work of that length, which tells that, and the time that is left.
pub(super) fn bar(length: u64, told: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{percent:>3}} % {told} {{eta}} left");
    let bar = ProgressBar::new(length);
    // The templates are constants that tests read.
    bar.with_style(
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// A bar for work whose length nobody knows.
pub(super) fn open_ended(told: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{spinner}} {told}"));
    let bar = ProgressBar::no_length();
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
