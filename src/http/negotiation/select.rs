//! `$select`: which members of a carrier the caller wants; the others are null
//! (protocol.md 5 and 10.20).

use actix_web::web::Query;
use serde_json::{Map, Value};

/// Members of a carrier, and of the carriers in them. An empty selection selects everything.
#[derive(Debug, Default)]
pub(super) struct Selection(Vec<(String, Self)>);

impl Selection {
    /// The selection of a query string. The name matches without regard to case, and so do the
    /// members that it lists.
    pub(super) fn of_query(query: &str) -> Self {
        let pairs = Query::<Vec<(String, String)>>::from_query(query).map(Query::into_inner);
        let mut selection = Self::default();
        for (name, value) in pairs.unwrap_or_default() {
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
        let found = self.0.iter_mut().find(|(given, _)| given.eq_ignore_ascii_case(name));
        match found {
            None => {
                let mut inner = Self::default();
                inner.add(rest);
                self.0.push((name.to_owned(), inner));
            }
            // The whole member was selected, or is now.
            Some((_, inner)) if inner.0.is_empty() || rest.is_empty() => *inner = Self::default(),
            Some((_, inner)) => inner.add(rest),
        }
    }

    /// Makes null what is not selected. A list is a list of carriers.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            _ if self.0.is_empty() => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(members) => self.apply_to_members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn apply_to_members(&self, members: &mut Map<String, Value>) {
        for (name, value) in members.iter_mut() {
            match self.0.iter().find(|(selected, _)| selected.eq_ignore_ascii_case(name)) {
                Some((_, inner)) => inner.apply(value),
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
        Selection::of_query(query).apply(&mut value);
        value
    }

    #[test]
    fn what_is_not_selected_is_null() {
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
    fn a_list_is_selected_from_item_by_item_and_a_scalar_not_at_all() {
        let list = json!([{ "A": 1, "B": 2 }, null]);
        assert_eq!(selected("$select=a", list), json!([{ "A": 1, "B": null }, null]));
        assert_eq!(selected("$select=a", json!(true)), json!(true));
    }
}
