//! Finds files that import each other, directly or through other files.

use std::{collections::BTreeSet, path::Path};

use crate::imports::Imports;

/// One message for each group of files that import each other.
pub(crate) fn find(imports: &Imports) -> Vec<String> {
    let mut reported = BTreeSet::new();
    let mut problems = Vec::new();
    for file in imports.keys() {
        let group: BTreeSet<_> = reachable(imports, file)
            .into_iter()
            .filter(|other| reachable(imports, other).contains(file.as_path()))
            .collect();
        if !group.is_empty() && group.iter().all(|file| reported.insert(file.to_path_buf())) {
            let names: Vec<_> = group.iter().map(|file| file.display().to_string()).collect();
            problems.push(format!("files import each other: {}", names.join(", ")));
        }
    }
    problems
}

/// The files that a file imports, directly or through others.
fn reachable<'imports>(imports: &'imports Imports, file: &Path) -> BTreeSet<&'imports Path> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&Path> =
        imports.get(file).into_iter().flatten().map(AsRef::as_ref).collect();
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            waiting.extend(imports.get(next).into_iter().flatten().map(|path| path.as_path()));
        }
    }
    found
}
