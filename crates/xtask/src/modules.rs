//! Reads the modules of a crate from its files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, ItemMod, Visibility};

/// A module path from the crate root, for example `["http", "routes"]`.
pub(crate) type ModulePath = Vec<String>;

/// A module: its file and its items, without test code.
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) items: Vec<Item>,
}

/// Every module of a crate by its path.
pub(crate) type ModuleTree = BTreeMap<ModulePath, Module>;

/// Reads a crate from the file of its root.
///
/// # Errors
/// When a file cannot be read or is not Rust.
pub(crate) fn read(root: &Path) -> io::Result<ModuleTree> {
    let mut tree = ModuleTree::new();
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    read_file(root, &folder, Vec::new(), &mut tree)?;
    Ok(tree)
}

/// Reads the module of a file. `folder` contains the files of its child modules.
fn read_file(
    file: &Path,
    folder: &Path,
    path: ModulePath,
    tree: &mut ModuleTree,
) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let parsed = syn::parse_file(&text)
        .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
    insert(file, folder, path, parsed.items, tree)
}

fn insert(
    file: &Path,
    folder: &Path,
    path: ModulePath,
    items: Vec<Item>,
    tree: &mut ModuleTree,
) -> io::Result<()> {
    let (modules, items): (Vec<_>, Vec<_>) = items
        .into_iter()
        .filter(|item| !is_for_tests(attributes(item)))
        .partition(|item| matches!(item, Item::Mod(_)));
    for item in modules {
        let Item::Mod(ItemMod { ident, content, .. }) = item else { continue };
        let child = [path.clone(), vec![ident.to_string()]].concat();
        let child_folder = folder.join(ident.to_string());
        match content {
            Some((_, items)) => insert(file, &child_folder, child, items, tree)?,
            None => {
                let nested = child_folder.join("mod.rs");
                let flat = folder.join(format!("{ident}.rs"));
                let child_file = if nested.exists() { nested } else { flat };
                read_file(&child_file, &child_folder, child, tree)?;
            }
        }
    }
    tree.insert(path, Module { file: file.to_owned(), items });
    Ok(())
}

/// True for `#[cfg(test)]`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// True for an item that other modules can name.
pub(crate) fn is_visible(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}
