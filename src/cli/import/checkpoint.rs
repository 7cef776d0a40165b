//! How far an import came, in a file beside the imported one, so that it goes on where it stopped.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reader::Source;
use crate::cli::output::Failure;

/// What a stopped import of anything else is told.
pub(super) const NEEDS_A_FILE: &str = "resuming needs a regular file, not a pipe or a directory";

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
    /// The checkpoint of a file: that of an earlier run, or a new one. Standard input has none.
    ///
    /// # Errors
    /// When there is one of another content.
    pub(super) fn open(source: &Source) -> Result<Option<Self>, Failure> {
        let Source::File(imported) = source else { return Ok(None) };
        let named = |error| failed("read", imported, &error);
        if !fs::metadata(imported).map_err(named)?.is_file() {
            let hint = "`import -` reads standard input";
            let imported = imported.display();
            return Err(Failure::because(format!("{imported}: {NEEDS_A_FILE}; {hint}")));
        }
        let mut name = imported.as_os_str().to_owned();
        name.push(".progress");
        let file = PathBuf::from(name);
        let content = Content { sha256: digest(imported).map_err(named)?, lines: 0 };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Self { file, content }));
            }
            Err(error) => return Err(failed("read", &file, &error)),
        };
        let found: Content = serde_json::from_str(&text)
            .map_err(|_| Failure::because(format!("{} is not a checkpoint", file.display())))?;
        // One of before the first line says nothing about the content.
        if found.lines > 0 && found.sha256 != content.sha256 {
            let says = "belongs to another content of this file; remove it to begin anew";
            return Err(Failure::because(format!("{} {says}", file.display())));
        }
        Ok(Some(Self { file, content: Content { lines: found.lines, ..content } }))
    }

    /// Lines that are done.
    pub(super) fn lines(&self) -> u64 {
        self.content.lines
    }

    /// Writes the checkpoint before anything else is written: where that fails, an import could not
    /// be resumed.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.write(&self.content)
    }

    /// Remembers that all lines up to this one are done. A crash leaves the old or the new one.
    pub(super) fn save(&mut self, lines: u64) -> Result<(), Failure> {
        if lines == self.content.lines {
            return Ok(());
        }
        let content = Content { sha256: self.content.sha256.clone(), lines };
        self.write(&content)?;
        self.content = content;
        Ok(())
    }

    fn write(&self, content: &Content) -> Result<(), Failure> {
        let mut new = self.file.as_os_str().to_owned();
        new.push("-new");
        let new = PathBuf::from(new);
        let text = serde_json::to_string(content)?;
        write_new(&new, &text).map_err(|error| not_written(&new, &error))?;
        fs::rename(&new, &self.file).map_err(|error| not_written(&self.file, &error))
    }

    /// The import is done.
    pub(super) fn remove(self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &self.file, &error))
            }
            _ => Ok(()),
        }
    }
}

fn failed(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::because(format!("cannot {what} {}: {error}", file.display()))
}

fn not_written(file: &Path, error: &io::Error) -> Failure {
    let Failure(sentence) = failed("write", file, error);
    Failure(format!("{sentence}; an import keeps its progress beside the imported file"))
}

fn write_new(new: &Path, text: &str) -> io::Result<()> {
    // What a crash left; a link to somewhere else is not followed.
    drop(fs::remove_file(new));
    // For nobody else: the digest is of a file full of secrets.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// SHA-256 of a file, in hexadecimal digits.
fn digest(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut reader = fs::File::open(file)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = io::Read::read(&mut reader, &mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
    }
    Ok(HEXLOWER.encode(&hash.finalize()))
}
