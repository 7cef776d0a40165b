//! Passes the build profile, the target platform and the compiler to the binary for `--version`, and
//! the names of its log targets for `log.level`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error,
    fs,
    path::Path,
    process::Command,
};

fn main() -> Result<(), Box<dyn Error>> {
    for (name, variable) in
        [("CREDENTIAL_KEEPER_PROFILE", "PROFILE"), ("CREDENTIAL_KEEPER_TARGET", "TARGET")]
    {
        let value = env::var(variable).unwrap_or_else(|_| "unknown".to_owned());
        println!("cargo::rustc-env={name}={value}");
    }
    println!("cargo::rustc-env=CREDENTIAL_KEEPER_COMPILER={}", compiler()?);
    // A megabyte less: the addresses that change with the place of the program. glibc 2.36 reads them.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // The binary embeds the migrations and the locales, so a new file requires a build.
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=locales");
    write_log_targets()
}

/// The name and version of the compiler, which somebody who repeats a build needs.
fn compiler() -> Result<String, Box<dyn Error>> {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = String::from_utf8(Command::new(compiler).arg("--version").output()?.stdout)?;
    // The rest of the line is the commit and its date.
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Writes the list of targets that `log.level` accepts: the modules of this crate, and the libraries
/// that log.
fn write_log_targets() -> Result<(), Box<dyn Error>> {
    for source in ["Cargo.toml", "Cargo.lock", "src"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let lock = fs::read_to_string("Cargo.lock")?;
    let mut targets = libraries(&fs::read_to_string("Cargo.toml")?, &lock);
    modules("credential_keeper", Path::new("src"), &mut targets)?;
    let file = Path::new(&env::var("OUT_DIR")?).join("log_targets.rs");
    fs::write(file, format!("&{targets:#?}").replace('{', "[").replace('}', "]"))?;
    Ok(())
}

/// Adds the modules of a folder, in the spelling of log targets.
fn modules(
    parent: &str,
    folder: &Path,
    targets: &mut BTreeSet<String>,
) -> Result<(), Box<dyn Error>> {
    targets.insert(parent.to_owned());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let module = format!("{parent}::{name}");
        if path.is_dir() {
            modules(&module, &path, targets)?;
        } else if !["mod", "lib", "main"].contains(&name.as_ref()) {
            targets.insert(module);
        }
    }
    Ok(())
}

/// The crate names of the direct and indirect dependencies that use `log` or `tracing`.
fn libraries(manifest: &str, lock: &str) -> BTreeSet<String> {
    let mut dependencies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let mut quoted = package.lines().filter_map(|line| line.split('"').nth(1));
        let name = quoted.next().unwrap_or_default();
        // A dependency with several versions is listed as `name version`.
        let list = package.split("dependencies = [").nth(1).unwrap_or_default();
        let needed = list.lines().filter_map(|line| line.split(['"', ' ']).nth(2));
        dependencies.entry(name).or_default().extend(needed);
    }
    let section = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let mut pending: Vec<&str> =
        section.lines().filter_map(|line| line.split_once(" =")).map(first).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if found.insert(name) {
            pending.extend(dependencies.get(name).into_iter().flatten());
        }
    }
    let logs = |name: &&str| {
        let needed = dependencies.get(name);
        needed.is_some_and(|needed| needed.contains("log") || needed.contains("tracing"))
    };
    found.into_iter().filter(logs).map(|name| name.replace('-', "_")).collect()
}

fn first<'text>((first, _): (&'text str, &str)) -> &'text str {
    first
}
