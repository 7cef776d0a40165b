//! Finds random numbers from another source than the operating system.
//!
//! Two functions take them from there, and return an error when it gives none.

use std::{collections::BTreeSet, path::Path};

use syn::visit::{self, Visit};

use crate::modules::ModuleTree;

/// The files that take random bytes from the operating system.
const SOURCES: [&str; 2] = ["src/security/random.rs", "crates/hashing-engine/src/random.rs"];

/// Crates of random numbers.
const CRATES: &[&str] =
    &["fastrand", "getrandom", "oorandom", "rand", "rand_chacha", "rand_core", "rand_pcg"];

/// Types and functions of other crates that make random numbers.
const GENERATORS: &[&str] = &[
    "OsRng",
    "SmallRng",
    "StdRng",
    "SysRng",
    "SystemRandom",
    "ThreadRng",
    "generate_key",
    "generate_nonce",
    "new_v4",
    "new_v7",
    "now_v7",
    "thread_rng",
];

/// Files that take ids from another function. An id is no secret.
const IDS: &[(&str, &str)] = &[
    ("src/cli/command_context.rs", "new_v4"),
    ("src/cli/development/data_folder.rs", "new_v4"),
    ("src/http/pages/admin/form_id.rs", "new_v4"),
    ("src/http/pages/admin/import/form.rs", "new_v4"),
    ("src/http/request_id.rs", "new_v4"),
    ("src/startup/activity.rs", "new_v4"),
    ("src/startup/initial_users.rs", "new_v4"),
];

/// One message for each file and source that it uses.
pub(crate) fn from_elsewhere(tree: &ModuleTree) -> Vec<String> {
    let mut problems = Vec::new();
    for module in tree.values() {
        if SOURCES.iter().any(|source| module.file == Path::new(source)) {
            continue;
        }
        let mut visitor = Names { found: BTreeSet::new() };
        for item in &module.items {
            visitor.visit_item(item);
        }
        let is_id =
            |name: &String| IDS.iter().any(|id| module.file == Path::new(id.0) && name == id.1);
        problems.extend(visitor.found.into_iter().filter(|name| !is_id(name)).map(|name| {
            let file = module.file.display();
            format!("{file} uses {name}: take random bytes from random_bytes in {}", SOURCES[0])
        }));
    }
    problems
}

/// Collects the names of sources.
struct Names {
    found: BTreeSet<String>,
}

impl Names {
    /// The first name of a path may be that of a crate.
    fn add_crate(&mut self, name: &syn::Ident) {
        let name = name.to_string();
        self.found.extend(CRATES.contains(&name.as_str()).then_some(name));
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        let name = name.to_string();
        self.found.extend(GENERATORS.contains(&name.as_str()).then_some(name));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1
            && let Some(first) = path.segments.first()
        {
            self.add_crate(&first.ident);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for tree in roots(&item.tree) {
            self.add_crate(tree);
        }
        visit::visit_item_use(self, item);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        if matches!(text.value().as_str(), "/dev/urandom" | "/dev/random" | "/dev/hwrng") {
            self.found.insert(text.value());
        }
    }
}

/// The first names of an import.
fn roots(tree: &syn::UseTree) -> Vec<&syn::Ident> {
    match tree {
        syn::UseTree::Path(path) => vec![&path.ident],
        syn::UseTree::Name(name) => vec![&name.ident],
        syn::UseTree::Rename(rename) => vec![&rename.ident],
        syn::UseTree::Glob(_) => Vec::new(),
        syn::UseTree::Group(group) => group.items.iter().flat_map(roots).collect(),
    }
}
