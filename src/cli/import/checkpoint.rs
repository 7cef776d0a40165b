//! How far an import came, in a file beside the imported one, so that it goes on where it stopped.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::output::Failure;

/// A checkpoint; it lives as long as the import is not done.
pub(super) struct Checkpoint {
    file: PathBuf,
    content: Content,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// SHA-256 of the imported file.
    sha256: String,
    /// All lines up to this one are done.
    lines: u64,
}

impl Checkpoint {
    /// The checkpoint of a file: that of an earlier run, or a new one.
    ///
    /// # Errors
    /// When there is one of another content.
    pub(super) fn open(imported: &Path) -> Result<Self, Failure> {
        let mut name = imported.as_os_str().to_owned();
        name.push(".progress");
        let file = PathBuf::from(name);
        let content = Content { sha256: digest(imported)?, lines: 0 };
        let Ok(text) = fs::read_to_string(&file) else { return Ok(Self { file, content }) };
        let found: Content = serde_json::from_str(&text)
            .map_err(|_| Failure::because(format!("{} is no checkpoint", file.display())))?;
        if found.sha256 != content.sha256 {
            let says = "belongs to another content of this file; remove it to begin anew";
            return Err(Failure::because(format!("{} {says}", file.display())));
        }
        Ok(Self { file, content: found })
    }

    /// Lines that are done.
    pub(super) fn lines(&self) -> u64 {
        self.content.lines
    }

    /// Remembers that all lines up to this one are done. A crash leaves the old or the new one.
    pub(super) fn save(&mut self, lines: u64) -> Result<(), Failure> {
        if lines == self.content.lines {
            return Ok(());
        }
        self.content.lines = lines;
        let new = self.file.with_extension("progress-new");
        fs::write(&new, serde_json::to_string(&self.content)?)?;
        Ok(fs::rename(new, &self.file)?)
    }

    /// The import is done.
    pub(super) fn remove(self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// SHA-256 of a file, in hexadecimal digits.
fn digest(file: &Path) -> Result<String, Failure> {
    let mut hash = Sha256::new();
    let mut reader = fs::File::open(file)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = io::Read::read(&mut reader, &mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
    }
    let digits = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    Ok(digits.concat())
}
