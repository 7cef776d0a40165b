//! Checks that each struct of the service holds only what one capability needs.

use std::collections::BTreeMap;

use syn::{ImplItem, Item, Type};

use crate::modules::{ModuleTree, is_visible};

/// The most fields of a struct.
const MAXIMUM_FIELDS: usize = 10;
/// The most methods of a struct that other modules can call.
const MAXIMUM_METHODS: usize = 20;

/// The modules whose structs are the records of import files: a format decides on their fields.
const FORMATS: [&str; 3] = ["service", "import", "file"];

/// One message for each struct of `src/service` that is too large.
pub(crate) fn too_large(tree: &ModuleTree) -> Vec<String> {
    let mut problems = Vec::new();
    let mut methods: BTreeMap<String, usize> = BTreeMap::new();
    let items = tree.iter().filter(|(path, _)| {
        let is_format =
            path.len() >= FORMATS.len() && path.iter().zip(FORMATS).all(|(a, b)| a == b);
        path.first().is_some_and(|name| name == "service") && !is_format
    });
    for item in items.flat_map(|(_, module)| &module.items) {
        match item {
            Item::Struct(item) if item.fields.len() > MAXIMUM_FIELDS => {
                let (name, count) = (&item.ident, item.fields.len());
                problems.push(format!("{name} has {count} fields, more than {MAXIMUM_FIELDS}"));
            }
            Item::Impl(item) if item.trait_.is_none() => {
                if let Some(name) = type_name(&item.self_ty) {
                    let public = item.items.iter().filter(|item| is_public_method(item)).count();
                    *methods.entry(name).or_default() += public;
                }
            }
            _ => {}
        }
    }
    for (name, count) in methods.into_iter().filter(|(_, count)| *count > MAXIMUM_METHODS) {
        problems.push(format!("{name} has {count} public methods, more than {MAXIMUM_METHODS}"));
    }
    problems
}

fn is_public_method(item: &ImplItem) -> bool {
    matches!(item, ImplItem::Fn(method) if is_visible(&method.vis))
}

fn type_name(self_type: &Type) -> Option<String> {
    let Type::Path(path) = self_type else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}
