//! The index of the API documentation: one line for each operation, in groups, and every schema.

use askama::Template;
use serde_json::Value;

use super::reader::{AGENT_CALLS, DESCRIPTIONS, operations, schemas, text};
use crate::http::localization::Language;

/// The order of the groups. Other groups follow these, and the descriptions of calls are last.
const ORDER: [&str; 4] = ["User agent", "User", "Additions of this service", "SOAP"];

#[derive(Template)]
#[template(path = "docs/index.html")]
struct IndexTemplate<'page> {
    base_path: &'page str,
    version: &'static str,
    /// The tags of the supported languages.
    languages: String,
    groups: Vec<Group<'page>>,
    /// Id and name of each description of a call.
    descriptions: Vec<(&'page str, &'page str)>,
    schemas: Vec<&'page str>,
}

struct Group<'page> {
    name: &'page str,
    anchor: String,
    /// The beginning of every path, which the lines leave out.
    prefix: &'static str,
    lines: Vec<Line<'page>>,
}

struct Line<'page> {
    id: &'page str,
    method: String,
    path: &'page str,
    summary: String,
}

/// Renders the index.
///
/// # Errors
/// When the template cannot be rendered.
pub(in crate::http) fn index_page(
    document: &Value,
    base_path: &str,
) -> Result<String, askama::Error> {
    let descriptions = operations(document).filter(|described| described.is_description());
    let template = IndexTemplate {
        base_path,
        version: env!("CARGO_PKG_VERSION"),
        languages: Language::tags().join(", "),
        groups: groups(document),
        descriptions: descriptions
            .map(|described| (described.id(), described.path.trim_start_matches(AGENT_CALLS)))
            .collect(),
        schemas: schemas(document).map(|(name, _)| name.as_str()).collect(),
    };
    template.render()
}

/// The anchor of a group on this page.
pub(super) fn group_anchor(name: &str) -> String {
    format!("group-{}", name.to_lowercase().replace(' ', "-"))
}

fn groups(document: &Value) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for described in operations(document) {
        let name = described.group();
        if name == DESCRIPTIONS {
            continue;
        }
        let position = groups.iter().position(|group| group.name == name);
        let position = position.unwrap_or_else(|| {
            groups.push(new_group(name));
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(position) {
            group.lines.push(Line {
                id: described.id(),
                method: described.method.to_uppercase(),
                path: described.path.strip_prefix(group.prefix).unwrap_or(described.path),
                summary: text(described.operation, "summary"),
            });
        }
    }
    let place = |name| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    groups.sort_by_key(|group| place(group.name));
    groups
}

fn new_group(name: &str) -> Group<'_> {
    // Every call of the agent begins with the same long path.
    let prefix = if name == "User agent" { AGENT_CALLS } else { "" };
    Group { name, anchor: group_anchor(name), prefix, lines: Vec::new() }
}
