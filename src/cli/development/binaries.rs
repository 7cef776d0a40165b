//! Finds the PostgreSQL programs on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{cli::output::Failure, configuration};

/// The oldest supported PostgreSQL.
const OLDEST: u32 = 15;

/// The folder in which Debian and Ubuntu install several versions.
const VERSIONED: &str = "/usr/lib/postgresql";

/// A folder with the programs `postgres`, `initdb` and `pg_ctl` of one version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// Finds the programs of a major version, or of the newest.
    pub(super) fn find(major: Option<u32>) -> Result<Self, Failure> {
        let mut found = find_all();
        found.sort_by_key(|binaries| binaries.major);
        let newest_first = found.iter().rev();
        match major {
            None => newest_first
                .clone()
                .find(|binaries| binaries.major >= OLDEST)
                .cloned()
                .ok_or_else(|| {
                    Failure::new(format!(
                        "PostgreSQL {OLDEST} or newer not found on PATH or in {VERSIONED}; install \
                         it, or run script/server, which installs it"
                    ))
                }),
            Some(major) => {
                newest_first.clone().find(|binaries| binaries.major == major).cloned().ok_or_else(
                    || {
                        Failure::new(format!(
                            "PostgreSQL {major} not found; install it, because the data folder was \
                             created with this version"
                        ))
                    },
                )
            }
        }
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn find_all() -> Vec<Binaries> {
    let versioned = fs::read_dir(VERSIONED).into_iter().flatten().flatten();
    configuration::program_folders()
        .into_iter()
        .chain(versioned.map(|entry| entry.path().join("bin")))
        .filter_map(|folder| in_folder(&folder))
        .collect()
}

/// The programs in a folder, if it has all of them. Symbolic links are resolved, because PostgreSQL
/// looks for its own files next to its binary.
fn in_folder(folder: &Path) -> Option<Binaries> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    let folder = postgres.parent()?.to_owned();
    let is_complete = ["initdb", "pg_ctl"].iter().all(|name| folder.join(name).is_file());
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major_version(&String::from_utf8(output.stdout).ok()?)?;
    is_complete.then_some(Binaries { folder, major })
}

/// Parses the major version of `postgres (PostgreSQL) 15.18 (Debian …)`, here 15.
fn major_version(text: &str) -> Option<u32> {
    let version =
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_major_version_is_parsed() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("nonsense"), None);
    }
}
