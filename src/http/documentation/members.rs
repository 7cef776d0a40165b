//! The members of a carrier, with the carriers that they contain unfolded below them.

use std::collections::BTreeSet;

use askama::Template;
use serde_json::Value;

use super::reader::{carrier_of, entries, items, resolved, text, type_of};

/// The list of the members of a carrier.
#[derive(Template)]
#[template(path = "docs/members.html")]
pub(super) struct Members {
    members: Vec<Member>,
}

/// One member.
struct Member {
    name: String,
    kind: TypeView,
    is_required: bool,
    /// The values that the member may have, such as `at most 254 characters`.
    range: String,
    description: String,
    nested: Option<Members>,
}

/// A type, with a link to the carrier that it refers to.
#[derive(Template)]
#[template(path = "docs/type.html")]
pub(super) struct TypeView {
    base_path: String,
    text: String,
    carrier: Option<String>,
}

/// Unfolds the schemas of one page. A carrier that occurs again is only linked.
pub(super) struct Unfolder<'page> {
    document: &'page Value,
    base_path: &'page str,
    unfolded: BTreeSet<&'page str>,
}

impl<'page> Unfolder<'page> {
    pub(super) fn new(document: &'page Value, base_path: &'page str) -> Self {
        Self { document, base_path, unfolded: BTreeSet::new() }
    }

    /// The type of a schema.
    pub(super) fn kind(&self, schema: &Value) -> TypeView {
        TypeView {
            base_path: self.base_path.to_owned(),
            text: type_of(schema),
            carrier: carrier_of(schema).map(str::to_owned),
        }
    }

    /// The members of the carrier that a schema refers to; `None` when there is none, or when this
    /// page has them already.
    pub(super) fn unfold(&mut self, schema: &'page Value) -> Option<Members> {
        let name = carrier_of(schema)?;
        let carrier = self.document.pointer("/components/schemas")?.get(name)?;
        self.unfold_carrier(name, carrier)
    }

    /// The members of a carrier; `None` when it has none, or when this page has them already.
    pub(super) fn unfold_carrier(
        &mut self,
        name: &'page str,
        carrier: &'page Value,
    ) -> Option<Members> {
        if !self.unfolded.insert(name) {
            return None;
        }
        let mut members = Vec::new();
        self.collect(carrier, &mut members);
        (!members.is_empty()).then_some(Members { members })
    }

    /// Adds the members of a schema, and of those that it extends.
    fn collect(&mut self, schema: &'page Value, members: &mut Vec<Member>) {
        for extended in items(schema.get("allOf")) {
            self.collect(resolved(self.document, extended), members);
        }
        let required: BTreeSet<_> =
            items(schema.get("required")).filter_map(Value::as_str).collect();
        for (name, member) in entries(schema.get("properties")) {
            members.push(Member {
                name: name.clone(),
                kind: self.kind(member),
                is_required: required.contains(name.as_str()),
                range: range_of(resolved(self.document, member)),
                description: text(member, "description"),
                nested: self.unfold(member),
            });
        }
    }
}

/// The values that a schema allows, in words; empty for all of its type.
pub(super) fn range_of(schema: &Value) -> String {
    let number = |name: &str| schema.get(name).filter(|value| value.is_number());
    let between = |least: &str, most: &str, unit: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    };
    let names: Vec<_> = items(schema.get("enum")).filter_map(Value::as_str).collect();
    let values = (!names.is_empty()).then(|| format!("one of {}", names.join(", ")));
    let parts = [
        between("minimum", "maximum", ""),
        between("minLength", "maxLength", " characters"),
        between("minItems", "maxItems", " items"),
        values,
        schema.get("format").and_then(Value::as_str).map(str::to_owned),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_are_words() {
        for (schema, range) in [
            (json!({ "type": "integer", "minimum": 1, "format": "int32" }), "at least 1, int32"),
            (json!({ "minLength": 1, "maxLength": 254 }), "1 to 254 characters"),
            (json!({ "maxLength": 9 }), "at most 9 characters"),
            (json!({ "enum": ["a", "b"] }), "one of a, b"),
            (json!({ "type": "string" }), ""),
        ] {
            assert_eq!(range_of(&schema), range);
        }
    }

    #[test]
    fn a_carrier_that_contains_itself_is_unfolded_once() {
        let own = json!({ "$ref": "#/components/schemas/Own" });
        let document = json!({ "components": { "schemas": { "Own": {
            "required": ["Name"],
            "properties": { "Name": { "type": "string" }, "Inner": own },
        } } } });
        let members = Unfolder::new(&document, "/base").unfold(&own).unwrap();
        let text = members.render().unwrap();
        assert_eq!(text.matches("<code>Inner</code>").count(), 1, "{text}");
        assert_eq!(text.matches("required").count(), 1, "{text}");
        assert!(text.contains("href=\"/base/docs/schemas/Own\""), "{text}");
    }
}
