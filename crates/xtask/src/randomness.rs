//! Finds random numbers from another source than the operating system.
//!
//! Two functions take them from there, and return an error when it gives none.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use syn::{
    Macro, MetaList,
    parse::Parser,
    visit::{self, Visit},
};

use crate::{
    macro_arguments::{self, names},
    modules::ModuleTree,
};

/// The files that take random bytes from the operating system.
const SOURCES: [&str; 2] = ["src/security/random.rs", "crates/hashing-engine/src/random.rs"];

/// Crates of random numbers, and the modules with random numbers of other crates.
const CRATES: &[&str] =
    &["fastrand", "getrandom", "oorandom", "rand", "rand_chacha", "rand_core", "rand_pcg"];

/// Types and functions of other crates that make random numbers.
const GENERATORS: &[&str] = &[
    "OsRng",
    "SecureRandom",
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
    "secure_random",
    "thread_rng",
];

/// Devices of random numbers.
const DEVICES: &[&str] = &["/dev/hwrng", "/dev/random", "/dev/urandom"];

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

/// One message for each file and source that it uses, and for each outdated exception.
pub(crate) fn from_elsewhere(tree: &ModuleTree) -> Vec<String> {
    let mut found: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
    for module in tree.values() {
        let mut visitor = Sources { found: found.entry(&module.file).or_default() };
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    let mut problems = Vec::new();
    for (file, names) in &found {
        if SOURCES.iter().any(|source| *file == Path::new(source)) {
            continue;
        }
        let ids: BTreeSet<_> =
            IDS.iter().filter(|id| *file == Path::new(id.0)).map(|id| id.1).collect();
        let shown = file.display();
        for name in names.iter().filter(|name| !ids.contains(name.as_str())) {
            problems.push(format!(
                "{shown} uses {name}: take random bytes from random_bytes in {}",
                SOURCES[0]
            ));
        }
        for name in ids.into_iter().filter(|name| !names.contains(*name)) {
            problems.push(format!(
                "{shown} does not use {name}: remove it from IDS of crates/xtask/src/randomness.rs"
            ));
        }
    }
    problems
}

/// Collects the names of sources.
struct Sources<'found> {
    found: &'found mut BTreeSet<String>,
}

impl Sources<'_> {
    fn add_if_in(&mut self, list: &[&str], name: &str) {
        self.found.extend(list.contains(&name).then(|| name.to_owned()));
    }

    fn add_crate(&mut self, name: &syn::Ident) {
        self.add_if_in(CRATES, &name.to_string());
    }

    /// The arguments of a macro or an attribute.
    fn add_arguments(&mut self, arguments: &macro_arguments::Names) {
        for path in &arguments.paths {
            for name in path {
                self.add_if_in(GENERATORS, name);
                if path.len() > 1 {
                    self.add_if_in(CRATES, name);
                }
            }
        }
        for text in &arguments.texts {
            self.add_if_in(DEVICES, text);
        }
    }
}

impl<'ast> Visit<'ast> for Sources<'_> {
    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        self.add_if_in(GENERATORS, &name.to_string());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            for segment in &path.segments {
                self.add_crate(&segment.ident);
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.add_crate(&item.ident);
        visit::visit_item_extern_crate(self, item);
    }

    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        self.add_crate(&path.ident);
        visit::visit_use_path(self, path);
    }

    fn visit_use_name(&mut self, name: &'ast syn::UseName) {
        self.add_crate(&name.ident);
        visit::visit_use_name(self, name);
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        self.add_crate(&rename.ident);
        visit::visit_use_rename(self, rename);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_arguments(&names.parse2(call.tokens.clone()).unwrap_or_default());
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        self.add_arguments(&names.parse2(list.tokens.clone()).unwrap_or_default());
        visit::visit_meta_list(self, list);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.add_if_in(DEVICES, &text.value());
    }
}
