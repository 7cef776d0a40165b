//! `$select`: the members of an object that the client wants. All others are null.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::{Map, Value};

/// The selected members of an object and of the objects in it, by their names in lower case. An
/// empty selection selects everything.
#[derive(Debug, Default)]
pub struct Selection(HashMap<String, Self>);

impl Selection {
    /// Parses the selection of a query string. `$select` and the names of members are
    /// case-insensitive.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut selection = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name.eq_ignore_ascii_case("$select") {
                value.split(',').for_each(|path| selection.add(path.trim()));
            }
        }
        selection
    }

    fn add(&mut self, path: &str) {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        match self.0.entry(name.to_ascii_lowercase()) {
            Entry::Vacant(entry) => entry.insert(Self::default()).add(rest),
            Entry::Occupied(mut entry) => {
                let inner = entry.get_mut();
                if inner.0.is_empty() || rest.is_empty() {
                    // The whole member is selected.
                    *inner = Self::default();
                } else {
                    inner.add(rest);
                }
            }
        }
    }

    /// Sets the members that are not selected to null, in an object or in each item of a list.
    pub fn apply(&self, value: &mut Value) {
        match value {
            _ if self.0.is_empty() => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(members) => self.apply_to_members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn apply_to_members(&self, members: &mut Map<String, Value>) {
        for (name, value) in members.iter_mut() {
            match self.0.get(&name.to_ascii_lowercase()) {
                Some(inner) => inner.apply(value),
                None => *value = Value::Null,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(query: &str, mut value: Value) -> Value {
        Selection::from_query(query).apply(&mut value);
        value
    }

    #[test]
    fn members_that_are_not_selected_are_null() {
        let carrier = || json!({ "Name": "n", "Id": 1, "Right": { "Mask": "m", "Reason": "r" } });
        for (query, expected) in [
            ("", carrier()),
            ("$select=", carrier()),
            ("$select=,", carrier()),
            ("a=b", carrier()),
            ("$select=name", json!({ "Name": "n", "Id": null, "Right": null })),
            ("%24SELECT=ID,nothing", json!({ "Name": null, "Id": 1, "Right": null })),
            ("$select=nothing", json!({ "Name": null, "Id": null, "Right": null })),
            (
                "$Select=right/mask",
                json!({ "Name": null, "Id": null, "Right": { "Mask": "m", "Reason": null } }),
            ),
            (
                "$select=right/mask,Right",
                json!({ "Name": null, "Id": null, "Right": { "Mask": "m", "Reason": "r" } }),
            ),
            (
                "$select=Right,right/mask",
                json!({ "Name": null, "Id": null, "Right": { "Mask": "m", "Reason": "r" } }),
            ),
            ("$select=id&$select=name", json!({ "Name": "n", "Id": 1, "Right": null })),
        ] {
            assert_eq!(selected(query, carrier()), expected, "{query}");
        }
    }

    #[test]
    fn a_selection_applies_to_each_item_of_a_list_and_not_to_a_scalar() {
        let list = json!([{ "A": 1, "B": 2 }, null]);
        assert_eq!(selected("$select=a", list), json!([{ "A": 1, "B": null }, null]));
        assert_eq!(selected("$select=a", json!(true)), json!(true));
    }
}
