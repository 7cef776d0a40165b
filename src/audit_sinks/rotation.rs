//! Rotates the file of a sink: the full one becomes `.1`, `.1` becomes `.2`, and so on.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Renames the file and those before it up to the lowest free number. Deletes the oldest one only if
/// none is free: after an interruption, one is.
pub(super) fn rotate(path: &Path, kept: u32) -> io::Result<()> {
    if kept == 0 {
        fs::remove_file(path)?;
        return sync_folder(path);
    }
    let mut free = kept;
    for number in 1..=kept {
        if !fs::exists(rotated(path, number))? {
            free = number;
            break;
        }
    }
    // Replaces the oldest file if it exists.
    for number in (1..free).rev() {
        fs::rename(rotated(path, number), rotated(path, number + 1))?;
    }
    fs::rename(path, rotated(path, 1))?;
    sync_folder(path)
}

/// Makes the names in the folder of a file survive a crash of the machine.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_after_an_interruption_deletes_nothing() {
        for (before, after) in [
            // The interrupted rotation has renamed the second file only, or both.
            (["", ".1", ".3"], ["", ".1", ".3"]),
            (["", ".2", ".3"], ["", ".2", ".3"]),
            (["", ".1", ".2"], ["", ".1", ".2"]),
        ] {
            assert_eq!(rotated_files(&before), after.map(Vec::from), "{before:?}");
        }
        // None is free.
        let after = ["", ".1", ".2"].map(Vec::from);
        assert_eq!(rotated_files(&["", ".1", ".2", ".3"]), after);
    }

    /// An operator who lowered the number decides when they are no longer needed.
    #[test]
    fn files_above_a_lowered_number_stay() {
        let folder = tempfile::tempdir().unwrap();
        let name = |end: &str| folder.path().join(format!("audit.jsonl{end}"));
        let ends = ["", ".1", ".2", ".3", ".6"];
        for end in ends {
            fs::write(name(end), end).unwrap();
        }
        rotate(&name(""), 2).unwrap();
        let found = [".1", ".2", ".3", ".6"].map(|end| fs::read(name(end)).unwrap());
        assert_eq!(found, ["", ".1", ".3", ".6"].map(Vec::from));
    }

    /// Writes files whose contents are the ends of their names, rotates, and reads the three rotated
    /// ones.
    fn rotated_files(ends: &[&str]) -> [Vec<u8>; 3] {
        let folder = tempfile::tempdir().unwrap();
        let name = |end: &str| folder.path().join(format!("audit.jsonl{end}"));
        for end in ends {
            fs::write(name(end), end).unwrap();
        }
        rotate(&name(""), 3).unwrap();
        assert!(!name("").exists());
        [".1", ".2", ".3"].map(|end| fs::read(name(end)).unwrap())
    }
}
