//! How far an import came, in a file beside the imported one, so that it goes on where it stopped.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{cli::output::Failure, domain::hexadecimal};

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
        if !fs::metadata(imported)?.is_file() {
            return Err(Failure::because("only a file can be gone on with: no pipe, no folder"));
        }
        let content = Content { sha256: digest(imported)?, lines: 0 };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { file, content });
            }
            Err(error) => return Err(error.into()),
        };
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
        let content = Content { sha256: self.content.sha256.clone(), lines };
        let mut new = self.file.as_os_str().to_owned();
        new.push("-new");
        // What a crash left; a link to somewhere else is not followed.
        drop(fs::remove_file(&new));
        // For nobody else: the digest is of a file full of secrets.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(serde_json::to_string(&content)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, &self.file)?;
        self.content = content;
        Ok(())
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
    Ok(hexadecimal::text(&hash.finalize()))
}
