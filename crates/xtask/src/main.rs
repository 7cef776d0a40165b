//! Repository checks beyond those of the compiler. `script/lint` runs them from the root directory.

mod capabilities;
mod comparisons;
mod cycles;
mod distribution;
mod imports;
mod layers;
mod log_fields;
mod macro_arguments;
mod modules;
mod randomness;
mod waiting_loops;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The root of the service, the only crate whose layers are checked.
const SERVICE: &str = "src/lib.rs";

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == "distribution") {
        print!("{}", distribution::definition());
        return ExitCode::SUCCESS;
    }
    match problems() {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in problems {
                eprintln!("lint: {problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("lint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn problems() -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    problems.extend(waiting_loops::with_a_limit(Path::new("tests"))?);
    for root in roots()? {
        let tree = modules::read(&root)?;
        problems.extend(cycles::find(&imports::of_definitions(&tree)));
        problems.extend(comparisons::of_secrets(&tree));
        problems.extend(randomness::from_elsewhere(&tree));
        if root == Path::new(SERVICE) {
            problems.extend(layers::violations(&imports::as_written(&tree)));
            problems.extend(capabilities::too_large(&tree));
            problems.extend(log_fields::not_in_table(&tree));
            problems.extend(distribution::across_shards(&tree)?);
        }
    }
    Ok(problems)
}

/// The root file of the service and of each library under `crates`.
fn roots() -> io::Result<Vec<PathBuf>> {
    let mut roots = vec![PathBuf::from(SERVICE)];
    if let Ok(crates) = fs::read_dir("crates") {
        for entry in crates {
            let root = entry?.path().join("src/lib.rs");
            roots.extend(root.exists().then_some(root));
        }
    }
    Ok(roots)
}
