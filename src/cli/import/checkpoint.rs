//! The checkpoint of an import: a file next to the imported file that records the completed lines
//! or entries, so that a stopped import can resume.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    cli::output::Failure,
    service::import::file::{format::Format, input::Source},
};

/// The message for input that an import cannot resume.
pub(super) const NEEDS_REGULAR_FILE: &str =
    "resuming needs a regular file, not a pipe or a directory";

/// The checkpoint of an import. It is removed when the import is complete.
pub(super) struct Checkpoint {
    file: PathBuf,
    content: Content,
    /// The failed lines or entries behind the completed ones.
    failed: BTreeSet<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Content {
    /// SHA-256 of the imported file.
    sha256: String,
    /// The format that the file was read as.
    #[serde(default = "json_lines")]
    format: String,
    /// SHA-256 of its options. A format without options has none, nor has one with its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<String>,
    /// Number of completed lines or entries from the start of the file.
    lines: u64,
    /// How many of them failed. An earlier version did not count them.
    #[serde(default)]
    failed: u64,
}

/// The format of a checkpoint without one, which an earlier version wrote.
fn json_lines() -> String {
    "JSON lines".to_owned()
}

impl Checkpoint {
    /// Opens the checkpoint of an earlier run, or a new one. Standard input has none.
    ///
    /// # Errors
    /// When the file has changed since the earlier run or was read as another format or with
    /// other options, or is not a regular file.
    pub(super) fn open(source: &Source, format: &Format) -> Result<Option<Self>, Failure> {
        let Source::File(imported) = source else { return Ok(None) };
        let unreadable = |error| failed("read", imported, &error);
        if !fs::metadata(imported).map_err(unreadable)?.is_file() {
            let hint = "use `import -` to read standard input";
            let imported = imported.display();
            return Err(Failure::new(format!("{imported}: {NEEDS_REGULAR_FILE}; {hint}")));
        }
        let mut name = imported.as_os_str().to_owned();
        name.push(".progress");
        let file = PathBuf::from(name);
        let sha256 = digest(imported).map_err(unreadable)?;
        let options = digest_of_options(&format.options())?;
        let format = format.name();
        let content = Content { sha256, format: format.to_owned(), options, lines: 0, failed: 0 };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Self { file, content, failed: BTreeSet::new() }));
            }
            Err(error) => return Err(failed("read", &file, &error)),
        };
        let found: Content = serde_json::from_str(&text).map_err(|_| {
            Failure::new(format!(
                "invalid checkpoint {}; remove it to import from the first line",
                file.display()
            ))
        })?;
        // Without completed lines, the checkpoint does not depend on the content of the file.
        if found.lines > 0 && found.sha256 != content.sha256 {
            return Err(Failure::new(format!(
                "outdated checkpoint {}: the imported file has changed; remove the checkpoint to \
                 import from the first line",
                file.display()
            )));
        }
        if found.lines > 0 && found.format != content.format {
            return Err(Failure::new(format!(
                "outdated checkpoint {}: the earlier run read the file as {}, and this one reads it \
                 as {format}; pass the same arguments, or remove the checkpoint to import from the \
                 first line",
                file.display(),
                shown(&found.format)
            )));
        }
        if found.lines > 0 && found.options != content.options {
            return Err(Failure::new(format!(
                "outdated checkpoint {}: the earlier run read the file as {format} with other \
                 options; pass the same arguments, or remove the checkpoint to import from the \
                 first line",
                file.display()
            )));
        }
        let Content { lines, failed, .. } = found;
        let content = Content { lines, failed, ..content };
        Ok(Some(Self { file, content, failed: BTreeSet::new() }))
    }

    /// Number of completed lines or entries.
    pub(super) fn lines(&self) -> u64 {
        self.content.lines
    }

    /// How many of the completed ones failed.
    pub(super) fn failed(&self) -> u64 {
        self.content.failed
    }

    /// Writes the checkpoint before the first change. If this fails, the import does not start,
    /// because it could not be resumed.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.write(&self.content)
    }

    /// Notes that a line or an entry failed.
    pub(super) fn note_failed(&mut self, number: u64) {
        self.failed.insert(number);
    }

    /// Records that all lines up to `lines` are complete. A crash leaves the old or the new
    /// checkpoint.
    pub(super) fn save(&mut self, lines: u64) -> Result<(), Failure> {
        if lines == self.content.lines {
            return Ok(());
        }
        // Later ones are imported again.
        let failed = self.failed.range(..=lines).map(|_| 1).sum::<u64>();
        let failed = self.content.failed + failed;
        let content = Content { lines, failed, ..self.content.clone() };
        self.write(&content)?;
        self.content = content;
        self.failed = self.failed.split_off(&(lines + 1));
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

    /// Removes the checkpoint of a complete import.
    pub(super) fn remove(self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &self.file, &error))
            }
            _ => Ok(()),
        }
    }
}

/// A format for a message. The file may have been changed.
fn shown(format: &str) -> &str {
    let is_plain =
        format.len() < 40 && format.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_plain { format } else { "another format" }
}

fn failed(action: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {action} {}: {error}", file.display()))
}

fn not_written(file: &Path, error: &io::Error) -> Failure {
    let failure = failed("write", file, error);
    Failure::new(format!("{failure}; an import needs write access to the folder of its file"))
}

fn write_new(new: &Path, text: &str) -> io::Result<()> {
    // Remove a leftover of a crashed run. A symbolic link is removed, not followed.
    drop(fs::remove_file(new));
    // Readable by the owner only: this is the digest of a file with secrets.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// SHA-256 of options, in hexadecimal digits.
fn digest_of_options(options: &[String]) -> Result<Option<String>, Failure> {
    if options.is_empty() {
        return Ok(None);
    }
    Ok(Some(HEXLOWER.encode(&Sha256::digest(serde_json::to_vec(options)?))))
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
