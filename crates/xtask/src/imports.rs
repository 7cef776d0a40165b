//! Finds the imports between files.
//!
//! Between files, an import through a re-export counts for the file that defines the item, so that the
//! `mod.rs` of a folder may collect names without importing anything itself. Between layers, the file
//! that re-exports an item imports it; only the names of the root stand for what they re-export.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use syn::{
    Item, Macro, MetaList, UseTree, Visibility,
    parse::Parser,
    visit::{self, Visit},
};

use crate::{
    macro_arguments::names,
    modules::{ModulePath, ModuleTree, is_visible},
};

/// Each file with the files whose items it uses.
pub(crate) type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// A re-exported name, or a glob, with its target.
enum Reexport {
    Name { name: String, target: Vec<String> },
    Glob { target: Vec<String> },
}

/// Re-exports by module.
type Reexports = BTreeMap<ModulePath, Vec<Reexport>>;

/// The imports between the files that define items.
pub(crate) fn of_definitions(tree: &ModuleTree) -> Imports {
    let reexports = tree
        .iter()
        .map(|(path, module)| (path.clone(), reexports_of(path, &module.items, is_visible)));
    between_files(tree, &reexports.collect(), false)
}

/// The imports between files as they are written: a re-export counts for the file that re-exports,
/// except for the file of the root.
pub(crate) fn as_written(tree: &ModuleTree) -> Imports {
    let root = tree.get(&ModulePath::new()).map(|root| &root.file);
    // Every module can use each name of the root, also one without `pub`.
    let names = tree
        .iter()
        .filter(|(_, module)| Some(&module.file) == root)
        .map(|(path, module)| (path.clone(), reexports_of(path, &module.items, |_| true)));
    between_files(tree, &names.collect(), true)
}

/// `counts_reexports`: a file imports what it re-exports.
fn between_files(tree: &ModuleTree, reexports: &Reexports, counts_reexports: bool) -> Imports {
    let mut imports = Imports::new();
    for (path, module) in tree {
        let mut visitor = Paths { module: path, counts_reexports, found: Vec::new() };
        for item in &module.items {
            visitor.visit_item(item);
        }
        let used = imports.entry(module.file.clone()).or_default();
        for target in visitor.found {
            let file = defining_file(tree, reexports, &target, 0);
            used.extend(file.filter(|file| *file != module.file));
        }
    }
    imports
}

/// The names that a module re-exports; `is_reexport` chooses by the visibility.
fn reexports_of(
    path: &ModulePath,
    items: &[Item],
    is_reexport: fn(&Visibility) -> bool,
) -> Vec<Reexport> {
    let mut found = Vec::new();
    for item in items {
        if let Item::Use(item) = item
            && is_reexport(&item.vis)
        {
            for (target, name) in leaves(&item.tree, Vec::new()) {
                let Some(target) = absolute(path, &target) else { continue };
                found.push(match name {
                    Some(name) => Reexport::Name { name, target },
                    None => Reexport::Glob { target },
                });
            }
        }
    }
    found
}

/// The paths of a `use`, each with the name that it binds; `None` for a glob.
fn leaves(tree: &UseTree, mut prefix: Vec<String>) -> Vec<(Vec<String>, Option<String>)> {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            leaves(&path.tree, prefix)
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = prefix.last().cloned();
            vec![(prefix, last)]
        }
        UseTree::Name(name) => {
            prefix.push(name.ident.to_string());
            vec![(prefix, Some(name.ident.to_string()))]
        }
        UseTree::Rename(rename) => {
            if rename.ident != "self" {
                prefix.push(rename.ident.to_string());
            }
            vec![(prefix, Some(rename.rename.to_string()))]
        }
        UseTree::Glob(_) => vec![(prefix, None)],
        UseTree::Group(group) => {
            group.items.iter().flat_map(|item| leaves(item, prefix.clone())).collect()
        }
    }
}

/// A path from the crate root; `None` for a path of another crate.
fn absolute(module: &ModulePath, path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut base = module.clone();
    match first.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
            let mut rest = rest;
            while let Some(("super", after)) =
                rest.split_first().map(|(name, after)| (name.as_str(), after))
            {
                base.pop();
                rest = after;
            }
            return Some([base, rest.to_vec()].concat());
        }
        // A child module or an item of this module.
        _ => return Some([base, path.to_vec()].concat()),
    }
    Some([base, rest.to_vec()].concat())
}

/// The file that defines the item of a path. Follows at most eight re-exports.
fn defining_file(
    tree: &ModuleTree,
    reexports: &Reexports,
    target: &[String],
    depth: usize,
) -> Option<PathBuf> {
    let length = (0..=target.len()).rev().find(|length| tree.contains_key(&target[..*length]))?;
    let (module, rest) = target.split_at(length);
    let Some(name) = rest.first() else { return Some(tree[module].file.clone()) };
    for reexport in reexports.get(module).into_iter().flatten().filter(|_| depth < 8) {
        match reexport {
            Reexport::Name { name: exported, target } if exported == name => {
                return defining_file(tree, reexports, target, depth + 1);
            }
            Reexport::Glob { target } if defines(tree, target, name) => {
                return defining_file(
                    tree,
                    reexports,
                    &[target.clone(), vec![name.clone()]].concat(),
                    depth + 1,
                );
            }
            _ => {}
        }
    }
    // A path of another crate starts with no module of this one, and names no item of the root.
    let is_found = !module.is_empty() || defines(tree, module, name);
    is_found.then(|| tree[module].file.clone())
}

fn defines(tree: &ModuleTree, module: &[String], name: &str) -> bool {
    let is_named = |item: &Item| match item {
        Item::Const(item) => item.ident == name,
        Item::Enum(item) => item.ident == name,
        Item::Fn(item) => item.sig.ident == name,
        Item::Static(item) => item.ident == name,
        Item::Struct(item) => item.ident == name,
        Item::Trait(item) => item.ident == name,
        Item::Type(item) => item.ident == name,
        Item::Use(item) if is_visible(&item.vis) => {
            leaves(&item.tree, Vec::new()).iter().any(|(_, bound)| bound.as_deref() == Some(name))
        }
        _ => false,
    };
    tree.get(module).is_some_and(|module| module.items.iter().any(is_named))
}

/// Collects the paths in the code of a module.
struct Paths<'module> {
    module: &'module ModulePath,
    counts_reexports: bool,
    found: Vec<Vec<String>>,
}

impl Paths<'_> {
    fn add(&mut self, path: &[String]) {
        self.found.extend(absolute(self.module, path));
    }

    /// Adds a path that is not in a `use`.
    fn add_in_code(&mut self, path: &[String]) {
        if matches!(path.first().map(String::as_str), Some("crate" | "self" | "super")) {
            self.add(path);
        }
    }

    /// Adds the paths in the arguments of a macro. A single `crate` or `self` is no import.
    fn add_arguments(&mut self, paths: &[Vec<String>]) {
        for path in paths.iter().filter(|path| path.len() > 1) {
            self.add_in_code(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if self.counts_reexports || !is_visible(&item.vis) {
            for (path, _) in leaves(&item.tree, Vec::new()) {
                self.add(&path);
            }
        }
    }

    /// `pub(in crate::http)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add_in_code(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_arguments(&names.parse2(call.tokens.clone()).unwrap_or_default().paths);
        visit::visit_macro(self, call);
    }

    /// Attributes have paths also in texts: `#[serde(deserialize_with = "crate::…")]`.
    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        let names = names.parse2(list.tokens.clone()).unwrap_or_default();
        self.add_arguments(&names.paths);
        for text in &names.texts {
            let path: Vec<_> = text.split("::").map(str::to_owned).collect();
            self.add_arguments(&[path]);
        }
        visit::visit_meta_list(self, list);
    }
}
