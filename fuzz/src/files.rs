//! Files with the input of a target, for parsers that open a file themselves.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A file in memory that is removed with this value.
#[derive(Debug)]
pub struct InputFile(PathBuf);

impl InputFile {
    /// Writes a file that only its owner may read. The name ends with `suffix`.
    ///
    /// # Panics
    /// When the system does not let it.
    #[must_use]
    pub fn new(suffix: &str, content: &[u8]) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::at(folder.join(format!("fuzz-{}-{suffix}", std::process::id())), content)
    }

    /// Writes a file beside this one. Its name has that suffix in addition.
    ///
    /// # Panics
    /// When the system does not let it.
    #[must_use]
    pub fn beside(&self, suffix: &str, content: &[u8]) -> Self {
        let mut name = self.0.as_os_str().to_owned();
        name.push(suffix);
        Self::at(PathBuf::from(name), content)
    }

    fn at(path: PathBuf, content: &[u8]) -> Self {
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o400).open(&path);
        let written = file.and_then(|mut file| file.write_all(content));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        Self(path)
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
