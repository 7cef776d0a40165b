//! Appends events to a file, one on each line.
//!
//! A batch is on disk before the next one is read from the database. A line that a crash left
//! incomplete is removed before the next batch, which begins with the event of that line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, FlockOperation, OFlags, access, flock},
    io::Errno,
};

use super::{error::SinkError, event_text::write_event, rotation};
use crate::{
    domain::audit_stream::StreamedEvent,
    security::file_work::{FileWork, FileWorkError, LIMIT},
};

/// The permissions of a new file: a collector reads it as a member of its group.
const MODE: u32 = 0o640;

const NO_FILE: &str = "it is not a regular file";

/// The bytes that are read at once to find the end of the last complete line.
const CHUNK: u64 = 4096;

/// A file of events.
#[derive(Debug, Clone)]
pub(crate) struct FileOptions {
    pub(crate) path: PathBuf,
    /// The length after which the file is rotated. 0: never.
    pub(crate) rotate_bytes: u64,
    /// The number of rotated files that are kept.
    pub(crate) keep_files: u32,
}

/// Appends events to a file.
pub(crate) struct FileSink {
    options: FileOptions,
    work: FileWork<Result<(), SinkError>>,
}

impl FileSink {
    /// A sink that opens its file for each batch, so that another program may rotate it, too.
    pub(crate) fn new(options: FileOptions) -> Self {
        Self { options, work: FileWork::default() }
    }

    /// Appends events; returns when they are on disk.
    ///
    /// # Errors
    /// When the file cannot be written, another process writes it, or its volume does not answer.
    pub(super) async fn append(&self, events: &[StreamedEvent]) -> Result<(), SinkError> {
        let mut text = String::new();
        for event in events {
            text.push_str(&write_event(event));
            text.push('\n');
        }
        let options = self.options.clone();
        self.run(move || append(&options, text.as_bytes())).await
    }

    /// Checks that the file, or a new file in its folder, can be written. Creates nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn check(&self) -> Result<(), SinkError> {
        let path = self.options.path.clone();
        self.run(move || require_writable(&path)).await
    }

    async fn run(
        &self,
        work: impl FnOnce() -> Result<(), SinkError> + Send + 'static,
    ) -> Result<(), SinkError> {
        match self.work.run(LIMIT, work).await {
            Ok(done) => done,
            Err(FileWorkError::Slow) => Err(SinkError::Slow(self.options.path.clone())),
            Err(FileWorkError::Stopped) => Err(SinkError::Stopped),
        }
    }
}

/// Fails unless a file, or a new file in its folder, can be written. Creates nothing.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn require_writable(path: &Path) -> Result<(), SinkError> {
    let unwritable = |error: io::Error| SinkError::Unwritable(path.to_owned(), error);
    // Rotation renames the file, so its folder must be writable, too.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| unwritable(error.into()))?;
    // Otherwise a pipe without a reader would block.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().append(true).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            Err(unwritable(io::Error::other(NO_FILE)))
        }
        Ok(file) if !file.metadata().map_err(unwritable)?.is_file() => {
            Err(unwritable(io::Error::other(NO_FILE)))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritable(error)),
    }
}

fn append(options: &FileOptions, text: &[u8]) -> Result<(), SinkError> {
    let path = &options.path;
    let unwritable = |error: io::Error| SinkError::Unwritable(path.clone(), error);
    let (mut file, mut length) = open(path)?;
    let added = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let is_full = options.rotate_bytes > 0 && length.saturating_add(added) > options.rotate_bytes;
    if is_full && length > 0 {
        rotation::rotate(path, options.keep_files).map_err(unwritable)?;
        (file, length) = open(path)?;
    }
    if let Err(error) = file.write_all(text).and_then(|()| file.sync_data()) {
        // What was written would be repeated. If this fails, too, readers see the repetition.
        let _ = file.set_len(length);
        return Err(unwritable(error));
    }
    Ok(())
}

/// Opens and locks the file, and removes an incomplete last line; returns the file and its length.
fn open(path: &Path) -> Result<(File, u64), SinkError> {
    let unwritable = |error: io::Error| SinkError::Unwritable(path.to_owned(), error);
    loop {
        let existed = path.exists();
        let opened = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path);
        let mut file = opened.map_err(unwritable)?;
        if !file.metadata().map_err(unwritable)?.is_file() {
            return Err(unwritable(io::Error::other(NO_FILE)));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(SinkError::Locked(path.to_owned())),
            Err(error) => return Err(unwritable(error.into())),
        }
        if !is_at(path, &file).map_err(unwritable)? {
            // Another process has rotated it meanwhile.
            continue;
        }
        if !existed {
            rotation::sync_folder(path).map_err(unwritable)?;
        }
        let length = remove_incomplete_line(&mut file).map_err(unwritable)?;
        return Ok((file, length));
    }
}

/// True if the path still names the open file.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let of_file = file.metadata()?;
    match path.metadata() {
        Ok(of_path) => Ok((of_path.dev(), of_path.ino()) == (of_file.dev(), of_file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the bytes after the last end of line; returns the length of the file.
fn remove_incomplete_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(place) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = start + u64::try_from(place).unwrap_or_default() + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::audit_sinks::event_text::tests::event;

    fn options(folder: &tempfile::TempDir, rotate_bytes: u64) -> FileOptions {
        let path = folder.path().join("audit.jsonl");
        FileOptions { path, rotate_bytes, keep_files: 2 }
    }

    #[tokio::test]
    async fn an_incomplete_line_is_replaced_by_the_repeated_event() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder, 0);
        let sink = FileSink::new(options.clone());
        sink.append(&[event(1), event(2)]).await.unwrap();
        let complete = fs::read(&options.path).unwrap();
        for torn in ["{\"position\":3,\"us", &"x".repeat(10_000)] {
            fs::write(&options.path, [complete.as_slice(), torn.as_bytes()].concat()).unwrap();
            sink.append(&[event(3)]).await.unwrap();
            let added = format!("{}\n", write_event(&event(3)));
            let expected = [complete.as_slice(), added.as_bytes()].concat();
            assert_eq!(fs::read(&options.path).unwrap(), expected);
        }
        fs::write(&options.path, "no end of line").unwrap();
        sink.append(&[event(4)]).await.unwrap();
        let expected = format!("{}\n", write_event(&event(4)));
        assert_eq!(fs::read(&options.path).unwrap(), expected.as_bytes());
    }

    #[tokio::test]
    async fn a_full_file_is_rotated_and_the_oldest_one_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let length = u64::try_from(write_event(&event(1)).len()).unwrap() + 1;
        let options = options(&folder, 2 * length);
        let sink = FileSink::new(options.clone());
        for position in 1..=7 {
            sink.append(&[event(position)]).await.unwrap();
        }
        let positions = |name: &str| -> Vec<i64> {
            let text = fs::read(folder.path().join(name)).unwrap();
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines
                .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap())
                .map(|line| line["position"].as_i64().unwrap())
                .collect()
        };
        assert_eq!(positions("audit.jsonl"), [7]);
        assert_eq!(positions("audit.jsonl.1"), [5, 6]);
        assert_eq!(positions("audit.jsonl.2"), [3, 4]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // A batch that is longer than the limit is written as a whole.
        sink.append(&[event(8), event(9), event(10)]).await.unwrap();
        assert_eq!(positions("audit.jsonl"), [8, 9, 10]);
    }

    #[tokio::test]
    async fn a_pipe_is_no_file_of_events() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder, 0);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &options.path, pipe, mode, 0).unwrap();
        let sink = FileSink::new(options);
        for refused in [sink.append(&[event(1)]).await, sink.check().await] {
            match refused {
                Err(SinkError::Unwritable(_, error)) => assert_eq!(error.to_string(), NO_FILE),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_file_of_another_process_and_a_missing_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder, 0);
        let sink = FileSink::new(options.clone());
        sink.check().await.unwrap();
        assert!(!options.path.exists());
        let held = File::create(&options.path).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert!(matches!(sink.append(&[event(1)]).await, Err(SinkError::Locked(_))));
        drop(held);
        sink.append(&[event(1)]).await.unwrap();
        for path in [folder.path().join("missing/audit.jsonl"), folder.path().to_owned()] {
            let sink = FileSink::new(FileOptions { path, ..options.clone() });
            assert!(matches!(sink.check().await, Err(SinkError::Unwritable(..))));
            assert!(matches!(sink.append(&[event(1)]).await, Err(SinkError::Unwritable(..))));
        }
    }
}
