//! `settings.md`: every setting with its variable, type, default and description.

use super::markdown::{Document, code};
use crate::configuration::{SettingDescription, describe_settings};

const INTRODUCTION: &str = "\
    Settings come from `config/default.toml`, then from the TOML file that `KEEPER_CONFIG` \
    names, then from environment variables. Later sources override earlier ones. A variable \
    holds a list as words separated by spaces. `credential-keeper config show` prints the \
    effective settings and where each comes from. The service takes over a new value of a setting \
    that is reloaded while it runs (docs/how-to/change-settings-while-running.md); any other one \
    needs a restart.";

/// Writes the document.
pub(super) fn document() -> String {
    let mut document = Document::new("Settings", INTRODUCTION);
    let settings = describe_settings();
    for section in settings.chunk_by(|one, other| one.section == other.section) {
        let name = section.first().map_or("", |setting| setting.section.as_str());
        document.section(&code(name));
        let rows: Vec<_> = section.iter().map(row).collect();
        document
            .table(["Setting", "Variable", "Type", "Default", "Reloaded", "Description"], &rows);
    }
    document.finish()
}

fn row(setting: &SettingDescription) -> [String; 6] {
    [
        code(&setting.full_name()),
        code(&setting.variable()),
        setting.value_type.to_owned(),
        setting.default.as_deref().map_or_else(|| "none".to_owned(), code),
        if setting.is_reloaded { "yes" } else { "no" }.to_owned(),
        setting.text.clone(),
    ]
}
